"""How much may be in progress at once: fixed limits, and limits that find their own size.

A unit that finds no slot is parked as a callback, not as a waiting task, so ten thousand ready steps cost a queue
entry each. The adaptive limit is additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the
Increase and Decrease Algorithms for Congestion Avoidance", Computer Networks and ISDN Systems 17, 1989).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fairlead.result import ErrorCategory

_CONGESTION = frozenset({ErrorCategory.RATE_LIMIT, ErrorCategory.TIMEOUT, ErrorCategory.SERVICE_UNAVAILABLE})


class Limiter:
    """At most ``limit`` slots in use. Not thread-safe: it belongs to one event loop."""

    __slots__ = ("_parked", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._parked: deque[Callable[[], None]] = deque()

    def try_acquire(self) -> bool:
        if self.used >= self.limit:
            return False
        self.used += 1
        return True

    def park(self, retry: Callable[[], None]) -> None:
        """Calls ``retry`` once when a slot may be free; first come, first served."""
        self._parked.append(retry)

    def release(self) -> None:
        self.used -= 1
        self._admit()

    def _admit(self) -> None:
        # A parked unit may no longer want its slot (its run has ended); the next one must not wait for nothing.
        while self._parked and self.used < self.limit:
            self._parked.popleft()()

    def observe(self, category: ErrorCategory | None) -> None:
        """Learns from one outcome. A fixed limit learns nothing."""

    @property
    def waiting(self) -> int:
        return len(self._parked)


class AdaptiveLimiter(Limiter):
    """Rises by about one slot per round of successes, falls by ``backoff`` on rate limits, timeouts and outages.

    ``on_change(old, new)`` is told of every move. One fall per round: outcomes of calls that were already in
    progress when the limit fell do not make it fall again.
    """

    __slots__ = ("_immune", "_on_change", "_size", "backoff", "most")

    def __init__(
        self,
        most: int,
        *,
        start: int | None = None,
        backoff: float = 0.7,
        on_change: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(min(start or most, most))
        self.most = most
        self.backoff = backoff
        self._size = float(self.limit)
        self._immune = 0
        self._on_change = on_change

    def observe(self, category: ErrorCategory | None) -> None:
        if category in _CONGESTION:
            if self._immune > 0:
                self._immune -= 1
                return
            self._immune = self.used
            self._move(max(1.0, self._size * self.backoff))
        else:
            self._immune = max(0, self._immune - 1)
            if self.limit < self.most:
                self._move(min(float(self.most), self._size + 1.0 / self._size))

    def _move(self, size: float) -> None:
        self._size = size
        old, self.limit = self.limit, int(size)
        if old != self.limit:
            if self._on_change is not None:
                self._on_change(old, self.limit)
            self._admit()


UNLIMITED = 2**31
