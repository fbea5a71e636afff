"""A clock that moves only when it is told to."""

from __future__ import annotations


class StillClock:
    """Wall and monotonic time that stand still until :meth:`advance`. Starts at 2026-01-01T00:00:00Z by default."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds}")
        self._now += seconds
        self._monotonic += seconds
