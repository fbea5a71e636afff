"""How much may be in progress at once: fixed limits, and limits that find their own size.

A unit that finds no slot is parked as a callback, not as a waiting task, so ten thousand ready steps cost a queue
entry each. The adaptive limit is additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the
Increase and Decrease Algorithms for Congestion Avoidance", Computer Networks and ISDN Systems 17, 1989).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

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


class Limits:
    """Every limit of one runtime: over all, for each tenant, and for each agent. None means no limit.

    ``on_change(agent, tenant, old, new)`` is told when an agent's adaptive limit moves.
    """

    def __init__(
        self,
        *,
        total: int | None,
        per_agent: int | None,
        per_tenant: int | None,
        adaptive: bool,
        on_change: Callable[[str, str, int, int], None],
    ) -> None:
        self._total = None if total is None else Limiter(total)
        self._per_agent = per_agent
        self._per_tenant = per_tenant
        self._adaptive = adaptive
        self._on_change = on_change
        self._by_agent: dict[str, Limiter] = {}
        self._by_tenant: dict[str, Limiter] = {}
        self._known: dict[tuple[str | None, str], tuple[Limiter, ...]] = {}

    def of(self, agent: str | None, tenant: str, most: int | None = None) -> tuple[Limiter, ...]:
        """The limits that a step of an agent falls under, the narrowest first; ``most`` is the agent's own."""
        known = self._known.get((agent, tenant))
        if known is None:
            known = self._known[agent, tenant] = tuple(self._found(agent, tenant, most))
        return known

    def _found(self, agent: str | None, tenant: str, most: int | None) -> Iterator[Limiter]:
        bounds = [n for n in (most, self._per_agent) if n is not None]
        if agent is not None and bounds:
            if agent not in self._by_agent:
                self._by_agent[agent] = self._for_agent(agent, tenant, min(bounds))
            yield self._by_agent[agent]
        if self._per_tenant is not None:
            yield self._by_tenant.setdefault(tenant, Limiter(self._per_tenant))
        if self._total is not None:
            yield self._total

    def _for_agent(self, agent: str, tenant: str, most: int) -> Limiter:
        if not self._adaptive:
            return Limiter(most)
        return AdaptiveLimiter(most, on_change=lambda old, new: self._on_change(agent, tenant, old, new))
