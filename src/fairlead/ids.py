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
_until = 0
_value = 0
_head = ""
_low = 0


def new_id(prefix: str) -> str:
    """A fresh identifier such as ``run_…`` (26 characters behind the prefix)."""
    global _low
    with _lock:
        # Ids of one millisecond differ in their last four characters until these carry over. A clock that was set back
        # counts as the same millisecond, so ids still increase.
        if time.time_ns() >= _until:
            _begin_millisecond()
        elif _low == _LOW:
            _set_value((_value | _LOW) + 1)
        else:
            _low += 1
        head, low = _head, _low
    return f"{prefix}_{head}{_PAIRS[low >> 10]}{_PAIRS[low & 1023]}"


def _begin_millisecond() -> None:
    global _until
    ms = time.time_ns() // 1_000_000
    _until = (ms + 1) * 1_000_000
    _set_value((ms << 80) | _draw())


def _set_value(value: int) -> None:
    global _head, _low, _value
    _value = value
    _head = _spell_head(value)
    _low = value & _LOW


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
    global _lock, _until
    _lock = threading.Lock()
    _pool.clear()
    _until = 0


os.register_at_fork(after_in_child=_reset_after_fork)
