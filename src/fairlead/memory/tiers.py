"""Tiers in front of recall: answers in this process, and optionally in Redis; one way to invalidate both.

An answer is kept under what was asked and the namespace's change counter, so a change makes every older answer
unreachable at once; L1 is told of changes in this process by the event bus and drops them there and then.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple, Protocol

DEFAULT_BYTES = 100 * 1024 * 1024


class TierStats(NamedTuple):
    """What a tier has seen since it was made."""

    hits: int
    misses: int
    evictions: int
    entries: int
    bytes: int
    errors: int = 0

    @property
    def hit_rate(self) -> float | None:
        """Hits among look-ups; None when nothing was looked up, for there is no rate of nothing."""
        looked = self.hits + self.misses
        return self.hits / looked if looked else None


class LocalTier:
    """Least recently used answers, bounded by bytes. Safe to use from any thread."""

    def __init__(self, most_bytes: int = DEFAULT_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[str, int, float, Any]] = OrderedDict()
        self._by_namespace: dict[str, set[Hashable]] = {}
        self._bytes = self._hits = self._misses = self._evictions = 0

    def get(self, key: Hashable, now: float) -> Any:
        """What is kept under ``key`` and has not run out, or None."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[2] <= now:
                self._misses += 1
                return None
            self._hits += 1
            self._kept.move_to_end(key)
            return kept[3]

    def put(self, key: Hashable, namespace: str, value: Any, size: int, until: float) -> None:
        """Keeps ``value``, of about ``size`` bytes, until a time in seconds since the epoch."""
        if size > self.most_bytes:
            return
        with self._lock:
            self._drop(key)
            self._kept[key] = (namespace, size, until, value)
            self._by_namespace.setdefault(namespace, set()).add(key)
            self._bytes += size
            while self._bytes > self.most_bytes:
                self._drop(next(iter(self._kept)))
                self._evictions += 1

    def invalidate(self, namespace: str) -> int:
        """Drops everything of a namespace and returns how many answers that were."""
        with self._lock:
            keys = list(self._by_namespace.get(namespace, ()))
            for key in keys:
                self._drop(key)
            return len(keys)

    def stats(self) -> TierStats:
        return TierStats(self._hits, self._misses, self._evictions, len(self._kept), self._bytes)

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept[1]
            namespace = self._by_namespace[kept[0]]
            namespace.discard(key)
            if not namespace:
                del self._by_namespace[kept[0]]


class SharedTier(Protocol):
    """A tier that several processes share. Its failures are counted and never reach the caller of recall."""

    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, namespace: str, value: bytes, seconds: float) -> None: ...
    def invalidate(self, namespace: str) -> int: ...
    def stats(self) -> TierStats: ...
    def close(self) -> None: ...
