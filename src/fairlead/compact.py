"""JSON on one line, written without the package `json`, whose import costs a short command as much as its work."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    quote: Callable[[str], str]
else:
    try:
        from _json import encode_basestring as quote
    except ImportError:
        from json.encoder import py_encode_basestring as quote


def dumps(value: Any) -> str:
    """``value`` as compact JSON. What JSON does not know is written as its text."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value) if value - value == 0 else "null"
    if isinstance(value, dict):
        return "{" + ",".join([f"{quote(_key(k))}:{dumps(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([dumps(v) for v in value]) + "]"
    return quote(str(value))


def _key(key: Any) -> str:
    return key if isinstance(key, str) else "null" if key is None else str(key)
