"""Rate limits per provider and model: what is stated, and what the provider teaches by refusing.

Stated limits are token buckets over requests and tokens per minute. Concurrency is adaptive: halved on a rate-limit
answer, raised by one per round of successes (AIMD: Chiu and Jain, 1989). An answer with ``retry-after`` holds every
call to that model back for as long, and not only the one that was refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fairlead.clock import Clock

_FLOOR, _DECREASE = 1.0, 0.5


class LimitRules(NamedTuple):
    """Per minute and at once; 0 means none is known. ``concurrency`` is where the adaptive limit starts and ends."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0


class Limiter:
    """The limits of one model at one provider. Belongs to the event loop that uses it."""

    def __init__(
        self,
        rules: LimitRules,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        changed: Callable[[float], None] = lambda limit: None,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._sleep = sleep
        self._changed = changed
        self._most = float(rules.concurrency or 256)
        self.limit = self._most
        self._active = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._held_until = 0.0
        self._last = clock.monotonic()
        self._requests = float(rules.requests_per_minute)
        self._tokens = float(rules.tokens_per_minute)

    @property
    def active(self) -> int:
        return self._active

    async def enter(self, tokens: int) -> float:
        """Waits until a call of about ``tokens`` tokens may be made; returns the seconds waited. Every enter needs a
        :meth:`leave`."""
        began = self._clock.monotonic()
        while self._active >= self.limit:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        self._active += 1
        try:
            while (wait := self._wait(tokens)) > 0:
                await self._sleep(wait)
        except BaseException:
            self.leave()
            raise
        return self._clock.monotonic() - began

    def leave(self, *, ok: bool = True, limited: bool = False, retry_after: float | None = None) -> None:
        """Ends a call. ``limited`` says that the provider refused it as too many."""
        self._active -= 1
        if limited:
            self._held_until = max(self._held_until, self._clock.monotonic() + (retry_after or 0.0))
            self._set(max(_FLOOR, min(self.limit, self._active + 1) * _DECREASE))
        elif ok and self.limit < self._most:
            self._set(min(self._most, self.limit + 1 / max(1.0, self.limit)))
        self._wake()

    def _set(self, limit: float) -> None:
        if int(limit) != int(self.limit):
            self._changed(limit)
        self.limit = limit

    def _wake(self) -> None:
        free = int(self.limit) - self._active
        for waiter in list(self._waiters[: max(0, free)]):
            if not waiter.done():
                waiter.set_result(None)
            self._waiters.remove(waiter)

    def _wait(self, tokens: int) -> float:
        """Seconds until the buckets allow the call; 0 takes it out of them."""
        now = self._clock.monotonic()
        if now < self._held_until:
            return self._held_until - now
        elapsed, self._last = now - self._last, now
        rules = self._rules
        waits = [0.0]
        if rules.requests_per_minute:
            self._requests = min(
                float(rules.requests_per_minute), self._requests + elapsed * rules.requests_per_minute / 60
            )
            waits.append((1 - self._requests) * 60 / rules.requests_per_minute)
        if rules.tokens_per_minute:
            self._tokens = min(float(rules.tokens_per_minute), self._tokens + elapsed * rules.tokens_per_minute / 60)
            # A call larger than the whole bucket would wait for ever; it goes when the bucket is full.
            needed = min(tokens, rules.tokens_per_minute)
            waits.append((needed - self._tokens) * 60 / rules.tokens_per_minute)
        wait = max(waits)
        if wait <= 1e-9:
            self._requests -= 1
            self._tokens -= tokens
            return 0.0
        return wait
