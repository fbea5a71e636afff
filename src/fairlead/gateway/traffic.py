"""Lanes to models: the breaker and limits of each provider and the limits of each model, made when first used.

Limits belong to an event loop; breakers are shared by all loops of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from fairlead.breaker import Breaker, BreakerPolicy
from fairlead.clock import Clock
from fairlead.events import draft
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.catalogue import Catalogue, ModelInfo
from fairlead.gateway.resilience.limits import Limiter, LimitRules
from fairlead.store.database import Database

SOURCE = "gateway.traffic"

BREAKING = BreakerPolicy(share=0.5)
"""Providers also fail by halves, so a share of failures opens their breakers too."""


class Lane(NamedTuple):
    """What a call to one model passes through: its provider's breaker and limits, and its own limits."""

    breaker: Breaker
    provider: Limiter
    model: Limiter

    async def enter(self, tokens: int) -> None:
        await self.provider.enter(tokens)
        try:
            await self.model.enter(tokens)
        except BaseException:
            self.provider.leave()
            raise

    def leave(self, *, ok: bool, limited: bool, retry_after: float | None) -> None:
        # Providers refuse per model, so only the model's limit learns from it.
        self.provider.leave(ok=ok)
        self.model.leave(ok=ok, limited=limited, retry_after=retry_after)


class Traffic:
    """All lanes. Changes of state become events of the tenant whose call brought them about."""

    def __init__(
        self,
        catalogue: Catalogue,
        database: Database,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        breaking: BreakerPolicy = BREAKING,
    ) -> None:
        self._catalogue = catalogue
        self._database = database
        self._clock = clock
        self._sleep = sleep
        self._breaking = breaking
        self._breakers: dict[str, Breaker] = {}
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Limiter]] = WeakKeyDictionary()
        self._tenant = ""

    def lane(self, info: ModelInfo, attribution: Attribution) -> Lane:
        """The lane of a model on the running event loop."""
        self._tenant = f"{attribution.tenant}:{attribution.workspace}"
        spec = self._catalogue.provider_of(info)
        provider = self._limiter(
            info.provider, LimitRules(spec.requests_per_minute, spec.tokens_per_minute, spec.concurrency)
        )
        return Lane(self.breaker(info.provider), provider, self._limiter(info.id, self._catalogue.limits_of(info)))

    def breaker(self, provider: str) -> Breaker:
        found = self._breakers.get(provider)
        if found is None:
            found = self._breakers[provider] = Breaker(
                self._breaking, lambda s: self._tell(f"breaker.{s}", provider, {})
            )
        return found

    def down(self, info: ModelInfo) -> str:
        """Why a model is better not called now; empty when nothing speaks against it."""
        found = self._breakers.get(info.provider)
        if found is None or found.would_admit(self._clock.monotonic()):
            return ""
        return f"the breaker of {info.provider} is open"

    def states(self) -> dict[str, str]:
        """Breaker states by provider."""
        return {name: str(breaker.state) for name, breaker in self._breakers.items()}

    def _limiter(self, name: str, rules: LimitRules) -> Limiter:
        limiters = self._limiters.setdefault(asyncio.get_running_loop(), {})
        found = limiters.get(name)
        if found is None:
            found = limiters[name] = Limiter(
                rules,
                self._clock,
                sleep=self._sleep,
                changed=lambda limit: self._tell("limit.changed", name, {"limit": int(limit)}),
            )
        return found

    def _tell(self, type_: str, subject: str, data: dict[str, object]) -> None:
        told = draft(
            type_, self._tenant, subject, data, source=SOURCE, cause=f"provider:{subject}", time=self._clock.now()
        )
        self._database.later(lambda tx: tx.emit(told))
