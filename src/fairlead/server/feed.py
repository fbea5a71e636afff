"""Live events for many listeners: the store is read once per change, whoever listens, and history fills every gap.

A listener holds an index and nothing else. What it has not taken yet lies in a window that all share, or in the store
behind that, so a slow listener costs no memory; one that does not take a chunk within the time limit is cut off and
comes back with the last id it saw.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

import orjson

from fairlead.app import Fairlead
from fairlead.events import Event

_WINDOW = 4096
_PAGE = 500
LOOK_AGAIN = 5.0
"""Seconds for which a listener is taken for who it was, whatever became of its key."""
ENDINGS = frozenset({"run.completed", "run.failed", "run.terminated"})


class Line(NamedTuple):
    """One event as it goes over the wire."""

    index: int  # type: ignore[assignment] # tuple.index is not used on lines
    type: str
    tenant: str
    subject: str
    data: bytes

    @property
    def sse(self) -> bytes:
        """In the format of server-sent events (WHATWG HTML, 9.2), with the index as its id."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.index, self.type.encode(), self.data)


def make_line(event: Event) -> Line:
    return Line(event.index, event.type, event.tenant, event.subject, orjson.dumps(event.to_dict(), default=str))


class Feed:
    """The window over the newest events of all tenants, kept up by one task."""

    def __init__(self, lead: Fairlead) -> None:
        self._lead = lead
        self._lines: list[Line] = []
        self._last = 0
        self._from = 0
        self._changed = asyncio.Event()
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self._stop: list[Callable[[], None]] = []
        self.closed = False
        self.listeners = 0

    async def open(self) -> None:
        newest = await self._lead.store.events(newest=True, limit=1)
        self._last = self._from = newest[-1].index if newest else 0
        loop = asyncio.get_running_loop()

        def look() -> None:
            loop.call_soon_threadsafe(self._changed.set)

        self._stop = [self._lead.bus.subscribe(lambda event: look()), self._lead.database.watch(look)]
        self._task = asyncio.create_task(self._keep_up())

    def end(self) -> None:
        """Lets every listener go; each has the id to go on from."""
        self.closed = True
        self._next_turn()

    async def close(self) -> None:
        self.end()
        for stop in self._stop:
            stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_up(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            # Read from the store and not taken from the bus: events of several writers are in order only there.
            while page := await self._lead.store.events(after=self._last, limit=_PAGE):
                self._lines += map(make_line, page)
                self._last = page[-1].index
                if len(self._lines) > 2 * _WINDOW:
                    self._from = self._lines[-_WINDOW - 1].index
                    del self._lines[:-_WINDOW]
                self._next_turn()

    def _next_turn(self) -> None:
        turn, self._turn = self._turn, asyncio.get_running_loop().create_future()
        turn.set_result(None)

    async def listen(
        self,
        tenant: str,
        *,
        after: int | None = None,
        subject: str | None = None,
        pulse: float = 15.0,
        stays: Callable[[], bool] | None = None,
    ) -> AsyncGenerator[list[Line], None]:
        """The events of a tenant beyond ``after`` (None: from now on), in order, each once.

        An empty list is a sign of life after ``pulse`` seconds without events. With a ``subject`` that is a run the
        stream ends with the run. It ends too when ``stays``, asked now and then, says that the listener may no more.
        """
        last = self._last if after is None else after
        self.listeners += 1
        clock = self._lead.clock
        looked = clock.monotonic()
        try:
            while not self.closed:
                turn = self._turn
                if stays is not None and clock.monotonic() - looked >= LOOK_AGAIN:
                    looked = clock.monotonic()
                    if not stays():
                        return
                found, last = await self._beyond(tenant, last, subject)
                if found:
                    yield found
                    if subject is not None and found[-1].type in ENDINGS:
                        return
                elif self._turn is turn:
                    try:
                        await asyncio.wait_for(asyncio.shield(turn), pulse)
                    except TimeoutError:
                        yield []
        finally:
            self.listeners -= 1

    async def _beyond(self, tenant: str, last: int, subject: str | None) -> tuple[list[Line], int]:
        """Some events beyond ``last``, and the index up to which nothing else of the tenant's lies."""
        if last < (begins := self._from):
            # The window may move on while the store is read, so where it began is what counts.
            page = await self._lead.store.events(after=last, tenant=tenant, subject=subject, limit=_PAGE)
            lines = _until_end([make_line(event) for event in page], subject)
            if lines:
                return lines, lines[-1].index
            return [], begins
        begin = bisect_right(self._lines, last, key=lambda line: line.index)
        rest = self._lines[begin : begin + _PAGE]
        if not rest:
            return [], last
        wanted = [m for m in rest if m.tenant == tenant and (subject is None or m.subject == subject)]
        wanted = _until_end(wanted, subject)
        if not wanted and begin + _PAGE < len(self._lines):
            return await self._beyond(tenant, rest[-1].index, subject)
        return wanted, rest[-1].index


def _until_end(lines: list[Line], subject: str | None) -> list[Line]:
    if subject is not None:
        for number, line in enumerate(lines):
            if line.type in ENDINGS:
                return lines[: number + 1]
    return lines
