"""Rates: a token bucket for each caller, and one for each address that fails to name a caller."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from fairlead.clock import Clock

_MOST_BUCKETS = 10_000


class Taken(NamedTuple):
    """Whether a request may go on, how many may follow at once, and the seconds until the next may."""

    allowed: bool
    remaining: int
    wait: float


class Buckets:
    """Token buckets by name: ``rate`` tokens per second up to ``burst``.

    The number of buckets is bounded; the one that was not used for longest goes first, and it is full by then unless
    the bound is attacked.
    """

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, *, cost: float = 1.0) -> Taken:
        now = self._clock.monotonic()
        level, since = self._buckets.pop(name, (float(self.burst), now))
        level = min(self.burst, level + (now - since) * self.rate)
        allowed = level >= cost
        if allowed:
            level -= cost
        self._buckets[name] = (level, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        needed = max(cost, 1.0)
        return Taken(allowed, int(level), max(0.0, (needed - level) / self.rate))
