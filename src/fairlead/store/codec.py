"""Payloads as they are kept: JSON, checked to come back as what dependents saw.

A step's dependents always receive the *decoded* payload, in the first run as after a crash: tuples are lists and
models are mappings from the start, so a resumed run cannot differ from an undisturbed one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import orjson

from fairlead.errors import NotStorableError

PAYLOAD_VERSION = 1

_ATOMS = frozenset({str, int, bool, type(None)})


def encode(value: Any) -> bytes:
    """JSON of ``value``; :class:`NotStorableError` names the place and type of what cannot be kept.

    Storable: None, booleans, integers of 64 bits, finite floats, text, and lists, tuples, text-keyed mappings,
    dataclasses, pydantic models, dates and UUIDs of these.
    """
    try:
        data = orjson.dumps(value, default=_plain)
    except (TypeError, ValueError, RecursionError) as exc:
        raise _refused(value, str(exc)) from exc
    # The encoder writes NaN and infinities as null; that would be a silent change of a result.
    if b"null" in data and (place := _find(value, _is_not_finite)) is not None:
        raise _refused(value, f"the number at {place} is not finite", place)
    return data


def decode(data: bytes | memoryview | str) -> Any:
    return orjson.loads(data)


def settle(value: Any) -> tuple[Any, bytes]:
    """The value as dependents receive it, and its encoded form."""
    data = encode(value)
    if type(value) in _ATOMS:
        return value, data
    return orjson.loads(data), data


def settle_volatile(value: Any) -> Any:
    """Like :func:`settle` where nothing is kept: same value for dependents, no encoded form for atoms."""
    if type(value) in _ATOMS:
        return value
    return orjson.loads(encode(value))


def fingerprint(data: bytes) -> str | bytes:
    """What stands for an encoded value in a digest: itself when it is shorter than its own digest would be."""
    return data if len(data) < 32 else digest(data)


def digest(*parts: bytes | str | None) -> str:
    """A 128-bit BLAKE2b fingerprint (RFC 7693) of the parts in order, as 32 hexadecimal digits."""
    pieces: list[bytes] = []
    for part in parts:
        data = b"" if part is None else part.encode() if isinstance(part, str) else part
        pieces += (len(data).to_bytes(8, "little"), data)
    return hashlib.blake2b(b"".join(pieces), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    fspath = getattr(value, "__fspath__", None)
    if fspath is not None:
        return fspath()
    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None:
        return to_dict()
    raise TypeError(f"type {type(value).__name__} cannot be kept")


def _refused(value: Any, why: str, place: str | None = None) -> NotStorableError:
    place = place or _find(value, _is_foreign) or "the top"
    return NotStorableError(
        f"a result of type {type(value).__name__} cannot be kept in the journal: {why} (at {place}).",
        remedy="Return text, numbers, lists and text-keyed mappings; put anything else in a file and return its path.",
        place=place,
        type=type(value).__name__,
    )


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_foreign(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(not isinstance(k, str) for k in value)
    if value is None or isinstance(value, (bool, float, list, tuple)):
        return False
    if isinstance(value, int):
        return not -(2**63) <= value < 2**64
    try:
        orjson.dumps(value, default=_plain)
    except (TypeError, ValueError):
        return True
    return False


def _find(value: Any, wanted: Any, place: str = "$", depth: int = 0) -> str | None:
    if wanted(value):
        return place
    if depth > 64:
        return place
    if isinstance(value, Mapping):
        parts = [(f"{place}.{k}", v) for k, v in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{place}[{n}]", v) for n, v in enumerate(value)]
    else:
        return None
    for inner, part in parts:
        found: str | None = _find(part, wanted, inner, depth + 1)
        if found is not None:
            return found
    return None
