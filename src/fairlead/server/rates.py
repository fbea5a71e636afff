"""Rates: a token bucket for each caller, over all processes of a store, and one for each address that names nobody."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from fairlead.clock import Clock
from fairlead.server.access import Caller
from fairlead.store.database import Database, Transaction
from fairlead.store.rates import spend

_MOST_BUCKETS = 10_000
_EVERY = 0.25
"""Seconds between two looks at the common bucket of a caller who goes on asking."""


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
        level = self._level(name)
        allowed = level >= cost
        if allowed:
            level -= cost
        self.put(name, level)
        needed = max(cost, 1.0)
        return Taken(allowed, max(0, int(level)), max(0.0, (needed - level) / self.rate))

    def put(self, name: str, level: float) -> None:
        """Sets a level that is known from elsewhere."""
        self._buckets.pop(name, None)
        self._buckets[name] = (level, self._clock.monotonic())
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)

    def _level(self, name: str) -> float:
        now = self._clock.monotonic()
        level, since = self._buckets.get(name, (float(self.burst), now))
        return min(self.burst, level + (now - since) * self.rate)


class _Account(NamedTuple):
    """What this process gave out to a caller and has not told the store, and when it last asked."""

    spent: float
    looked: float


class Rates:
    """The rates of callers, whichever process of the store they ask.

    A request is decided at once, by a bucket of this process. What it gave out is taken from the common bucket in the
    store, in a write that rides with others, and the level there becomes the level here. So processes agree within
    ``_EVERY`` seconds; until then each may give out what another gave too, at most ``burst``. That is a debt, for which
    the caller waits afterwards, so that in the long run no caller has more than ``rate``.
    """

    def __init__(self, rate: float, burst: int, clock: Clock, database: Database) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._database = database
        self._buckets = Buckets(rate, burst, clock)
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    def take(self, caller: Caller) -> Taken:
        taken = self._buckets.take(caller.id)
        now = self._clock.monotonic()
        account = self._accounts.pop(caller.id, _Account(0.0, now - _EVERY))
        account = account._replace(spent=account.spent + taken.allowed)
        if now - account.looked >= _EVERY:
            self._tell(caller, account.spent)
            account = _Account(0.0, now)
        self._accounts[caller.id] = account
        if len(self._accounts) > _MOST_BUCKETS:
            self._accounts.popitem(last=False)
        return taken

    def _tell(self, caller: Caller, spent: float) -> None:
        loop, now, tenant = asyncio.get_running_loop(), self._clock.now(), str(caller.tenant)

        def unit(tx: Transaction) -> None:
            level = spend(tx, tenant, caller.id, spent, now, self.rate, self.burst)
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._hear, caller.id, level)

        self._database.later(unit)

    def _hear(self, name: str, level: float) -> None:
        account = self._accounts.get(name)
        self._buckets.put(name, level - (account.spent if account else 0.0))
