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

_lock = threading.Lock()
_last_ms = 0
_last_random = 0


def new_id(prefix: str) -> str:
    """A fresh identifier such as ``run_…`` (26 characters behind the prefix)."""
    global _last_ms, _last_random
    with _lock:
        ms = time.time_ns() // 1_000_000
        if ms <= _last_ms:
            ms = _last_ms
            _last_random += 1
        else:
            _last_ms = ms
            # The top bit stays free so that increments within a millisecond cannot overflow 80 bits.
            _last_random = int.from_bytes(os.urandom(10), "big") >> 1
        value = (ms << 80) | _last_random
    pairs = _PAIRS
    return (
        f"{prefix}_{pairs[value >> 120]}{pairs[value >> 110 & 1023]}{pairs[value >> 100 & 1023]}"
        f"{pairs[value >> 90 & 1023]}{pairs[value >> 80 & 1023]}{pairs[value >> 70 & 1023]}"
        f"{pairs[value >> 60 & 1023]}{pairs[value >> 50 & 1023]}{pairs[value >> 40 & 1023]}"
        f"{pairs[value >> 30 & 1023]}{pairs[value >> 20 & 1023]}{pairs[value >> 10 & 1023]}{pairs[value & 1023]}"
    )


def is_id(text: str) -> bool:
    """Whether ``text`` has the shape of an identifier made by :func:`new_id`."""
    return _ID.match(text) is not None


def _reset_after_fork() -> None:
    # A forked child would continue its parent's random sequence and make the same ids.
    global _last_ms, _last_random, _lock
    _lock = threading.Lock()
    _last_random = int.from_bytes(os.urandom(10), "big") >> 1


os.register_at_fork(after_in_child=_reset_after_fork)
