"""How a host is treated: so many requests at once, no request while it asked for rest, and what its robots.txt says
(RFC 9309)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fairlead.clock import Clock
from fairlead.errors import ForbiddenError, RateLimitedError, UnavailableError
from fairlead.pipeline.fetch.failures import shown

if TYPE_CHECKING:
    from protego import Protego

    from fairlead.pipeline.fetch.addresses import Target

_MOST_HOSTS = 1_024
_ROBOTS_SECONDS = 3_600.0
LONGEST_CRAWL_DELAY = 10.0

Sleep = Callable[[float], Awaitable[None]]


class _Host:
    __slots__ = ("next_start", "not_before", "slots", "spacing", "users")

    def __init__(self, per_host: int) -> None:
        self.slots = asyncio.Semaphore(per_host)
        self.users = 0
        self.not_before = 0.0
        self.next_start = 0.0
        self.spacing = 0.0


class Hosts:
    """Slots and rest per host. Times are of the monotonic clock."""

    def __init__(self, clock: Clock, sleep: Sleep, *, per_host: int, at_once: int, longest_wait: float) -> None:
        self._clock = clock
        self._sleep = sleep
        self._per_host = per_host
        self._longest_wait = longest_wait
        self._all = asyncio.Semaphore(at_once)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    def _of(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(self._per_host)
            idle = [key for key, known in self._hosts.items() if not known.users and key != name]
            for key in idle[: max(0, len(self._hosts) - _MOST_HOSTS)]:
                del self._hosts[key]
        self._hosts.move_to_end(name)
        return host

    def rest(self, name: str, seconds: float) -> None:
        """The host asked for so many seconds without requests."""
        host = self._of(name)
        host.not_before = max(host.not_before, self._clock.monotonic() + seconds)

    def space(self, name: str, seconds: float) -> None:
        """Requests to the host start at least so many seconds apart."""
        self._of(name).spacing = min(seconds, LONGEST_CRAWL_DELAY)

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """Waits for a turn at the host. A rest longer than the longest wait is an error at once."""
        host = self._of(name)
        host.users += 1
        try:
            async with host.slots:
                # Whoever waits for one host's turn takes no place from requests to others.
                await self._wait_for_turn(name, host)
                async with self._all:
                    yield
        finally:
            host.users -= 1

    async def _wait_for_turn(self, name: str, host: _Host) -> None:
        now = self._clock.monotonic()
        left = host.not_before - now
        if left > self._longest_wait:
            raise RateLimitedError(
                f"{name!r} asked not to be called for another {left:.0f} s.",
                remedy="Try again later.",
                host=name,
                retry_after=round(left, 3),
            )
        start = max(now, host.not_before, host.next_start)
        if host.spacing:
            host.next_start = start + host.spacing
        if start > now:
            await self._sleep(start - now)


class Robots:
    """What each site's robots.txt allows, asked for once an hour."""

    def __init__(self, clock: Clock, agent: str, read: Callable[[str], Awaitable[str | None]]) -> None:
        self._clock = clock
        self._agent = agent
        self._read = read
        self._known: OrderedDict[str, tuple[float, asyncio.Task[Protego | None]]] = OrderedDict()

    async def check(self, target: Target) -> float:
        """Raises :class:`ForbiddenError` when the site does not want this page read; returns the seconds that it
        wants between requests."""
        try:
            rules = await asyncio.shield(self._rules(target.origin))
        except UnavailableError as exc:
            # A site that cannot say what it allows is taken to allow nothing for now (RFC 9309, 2.3.1.4).
            self._known.pop(target.origin, None)
            raise UnavailableError(
                f"{target.origin}/robots.txt cannot be read, so it is not known what may be fetched.",
                remedy="Try again later, or set respect_robots = false in sources.toml.",
                **exc.fields,
            ) from exc
        except Exception:
            self._known.pop(target.origin, None)
            raise
        if rules is None:
            return 0.0
        if not rules.can_fetch(target.url, self._agent):
            raise ForbiddenError(
                f"robots.txt of {target.origin} does not allow {shown(target.url)}.",
                remedy="Save the page and ingest the file, or set respect_robots = false in sources.toml "
                "if you may fetch it.",
                url=shown(target.url),
            )
        return float(rules.crawl_delay(self._agent) or 0.0)

    def _rules(self, origin: str) -> asyncio.Task[Protego | None]:
        now = self._clock.monotonic()
        known = self._known.get(origin)
        if known and known[0] > now:
            return known[1]
        task = asyncio.ensure_future(self._parse(origin))
        # Whoever asked gets the error; without this the task complains when nobody is left to hear.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._known[origin] = (now + _ROBOTS_SECONDS, task)
        while len(self._known) > _MOST_HOSTS:
            self._known.popitem(last=False)
        return task

    async def _parse(self, origin: str) -> Protego | None:
        text = await self._read(f"{origin}/robots.txt")
        if not text:
            return None
        from protego import Protego

        return Protego.parse(text)

    async def aclose(self) -> None:
        tasks = [task for _, task in self._known.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._known.clear()
