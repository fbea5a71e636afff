"""Files of dense vectors: written beside and renamed, checked by a digest, thrown away when anything is wrong.

Layout, little-endian: magic, length of the JSON header, header, vectors (signed bytes), scales (float32), numbers
(int64), the approximate index as its library writes it. The header holds a BLAKE2b digest of everything after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.errors import StoreCorruptError
from fairlead.memory.dense import ByteVectors

_MAGIC = b"FLVEC\x00\x00\x01"
_LONGEST_HEADER = 4096


class SavedVectors(NamedTuple):
    """What a file held. ``inside`` is how many vectors the approximate index has; ``stamp`` what the database had."""

    vectors: ByteVectors
    network: bytes
    inside: int
    stamp: int


def write_vectors(
    path: Path, vectors: ByteVectors, network: bytes, *, stamp: int, model: str, layout: str, inside: int
) -> None:
    """Writes everything; a reader sees the old file or the new one, never a part."""
    used = vectors.used
    dead = [int(n) for n in (~vectors.alive[:used]).nonzero()[0]]
    parts = [
        vectors.data[:used].tobytes(),
        vectors.scales[:used].astype("<f4").tobytes(),
        vectors.seqs[:used].astype("<i8").tobytes(),
        json.dumps(dead).encode(),
        network,
    ]
    header = {
        "dimensions": vectors.dimensions,
        "digest": _digest(parts),
        "inside": inside,
        "layout": layout,
        "model": model,
        "sizes": [len(p) for p in parts],
        "stamp": stamp,
        "used": used,
    }
    raw = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        file.writelines([_MAGIC, struct.pack("<I", len(raw)), raw, *parts])
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_vectors(path: Path, *, model: str, layout: str, dimensions: int) -> SavedVectors:
    """The content of a file. Raises ``FileNotFoundError``, and :class:`StoreCorruptError` for a bad one."""
    raw = path.read_bytes()
    header, start = _header(path, raw)
    body = memoryview(raw)[start:]
    sizes = header["sizes"]
    if len(body) != sum(sizes):
        raise _corrupt(path, f"it has {len(body)} bytes of content, not {sum(sizes)}")
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    if _digest(parts) != header["digest"]:
        raise _corrupt(path, "its content does not have the digest of its header")
    expected = {"model": model, "layout": layout, "dimensions": dimensions}
    for field, value in expected.items():
        if header[field] != value:
            raise _corrupt(path, f"its {field} is {header[field]!r}, not {value!r}")
    vectors = _vectors(parts, header)
    return SavedVectors(vectors, bytes(parts[4]), header["inside"], header["stamp"])


def _vectors(parts: list[memoryview], header: dict[str, Any]) -> ByteVectors:
    import numpy as np

    vectors = ByteVectors(header["dimensions"])
    used = vectors.used = header["used"]
    vectors.data = np.frombuffer(parts[0], np.int8).reshape(used, -1).copy()
    vectors.scales = np.frombuffer(parts[1], "<f4").astype(np.float32)
    vectors.seqs = np.frombuffer(parts[2], "<i8").astype(np.int64)
    vectors.alive = np.ones(used, bool)
    vectors.alive[json.loads(bytes(parts[3]))] = False
    vectors.note_order()
    vectors.places = {int(vectors.seqs[at]): int(at) for at in np.flatnonzero(vectors.alive)}
    return vectors


def _header(path: Path, raw: bytes) -> tuple[dict[str, Any], int]:
    if raw[:8] != _MAGIC:
        raise _corrupt(path, "it does not begin as a vector file of this version")
    try:
        (length,) = struct.unpack("<I", raw[8:12])
        if length > _LONGEST_HEADER:
            raise ValueError(f"header of {length} bytes")
        header = json.loads(raw[12 : 12 + length])
        if not {"digest", "sizes", "used", "inside", "stamp", "model", "layout", "dimensions"} <= header.keys():
            raise ValueError("a field is missing")
    except (struct.error, ValueError, AttributeError) as exc:
        raise _corrupt(path, f"its header cannot be read ({exc})") from exc
    return header, 12 + length


def _digest(parts: list[Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _corrupt(path: Path, why: str) -> StoreCorruptError:
    return StoreCorruptError(f"the index file {path} cannot be used: {why}.", path=str(path))
