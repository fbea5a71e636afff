"""Identifiers: time-sortable, unique without coordination, readable by their prefix.

``run_01jd3k5v8w2m9qx4t7c0n6ahze``: 48 bits of milliseconds and 80 random bits in Crockford base 32, the layout of
ULID (github.com/ulid/spec). Within one process, ids made in the same millisecond still increase.
"""

from __future__ import annotations

import os
import re
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_ID = re.compile(r"[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}\Z")

_LOW = (1 << 20) - 1

_POOLED = 256

_lock = threading.Lock()
_pool: list[int] = []
_last_ms = 0
_last_random = 0
_head = ""


def new_id(prefix: str) -> str:
    """A fresh identifier such as ``run_…`` (26 characters behind the prefix)."""
    global _head, _last_ms, _last_random
    with _lock:
        ms = time.time_ns() // 1_000_000
        if ms > _last_ms:
            _last_ms = ms
            _last_random = _draw()
            _head = ""
        else:
            _last_random += 1
        low = _last_random & _LOW
        # Ids of one millisecond differ in their last four characters until these carry over.
        if not _head or not low:
            _head = _spell_head((_last_ms << 80) | _last_random)
        head = _head
    return f"{prefix}_{head}{_PAIRS[low >> 10]}{_PAIRS[low & 1023]}"


def _draw() -> int:
    """A random number of 79 bits: the 80th stays free, so that increments within a millisecond cannot overflow."""
    if not _pool:
        # Drawn in bulk, because asking the system lets other threads take the interpreter away in the middle of a step.
        data = os.urandom(10 * _POOLED)
        _pool.extend(int.from_bytes(data[n : n + 10], "big") >> 1 for n in range(0, len(data), 10))
    return _pool.pop()


def _spell_head(value: int) -> str:
    """The first 22 of the 26 characters."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, 10, -10)])


def is_id(text: str) -> bool:
    """Whether ``text`` has the shape of an identifier made by :func:`new_id`."""
    return _ID.match(text) is not None


def _reset_after_fork() -> None:
    # A forked child would continue its parent's random sequence and make the same ids.
    global _head, _last_random, _lock
    _lock = threading.Lock()
    _pool.clear()
    _last_random = _draw()
    _head = ""


os.register_at_fork(after_in_child=_reset_after_fork)
