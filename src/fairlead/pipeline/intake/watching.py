"""Watches: channels, feeds and folders that are looked at again and again, from where the last look ended.

What a look finds becomes jobs in the same transaction in which the place is remembered, so that a crash between two
looks neither loses an item nor finds it twice. Which items are new, and how long to wait after failures, is decided in
:mod:`fairlead.pipeline.sources.watching`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fairlead.clock import Clock, isoformat
from fairlead.errors import FairleadError, InvalidInputError, NotFoundError
from fairlead.events import Draft, draft
from fairlead.ids import new_id
from fairlead.pipeline.fetch import shown
from fairlead.pipeline.intake.fetching import MOST_ITEMS, is_local, source_for
from fairlead.pipeline.jobs import JobRequest, Jobs
from fairlead.pipeline.sources import Discovery, Position
from fairlead.pipeline.sources.opening import Sources
from fairlead.pipeline.sources.watching import wait_after_failures
from fairlead.store import Database
from fairlead.store import pipeline_items as rows
from fairlead.store.database import Transaction
from fairlead.store.pipeline_items import WatchRow
from fairlead.tenancy import Tenant, check_name, require_tenant, use_tenant

EVERY_S = 300.0
SHORTEST_S = 10.0
_AT_ONCE = 8
_LOOK_LASTS_S = 600.0
"""Seconds for which a look is its process's alone; a process that died in the middle holds a watch up no longer."""


class Watches:
    """The current tenant's watches, and looking at them.

    ``tenant`` of :meth:`look` and :meth:`due_in` is ``tenant:workspace``; None means the watches of all tenants.
    """

    def __init__(
        self, database: Database, clock: Clock, sources: Sources, *, draw: random.Random | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._sources = sources
        self._jobs = Jobs(database, clock)
        self._draw = draw or random.Random()

    # ── what is watched ──────────────────────────────────────────────────────────────────────────────────────

    async def add(
        self,
        address: str,
        *,
        label: str = "",
        tags: Iterable[str] = (),
        source: str = "",
        every: float = EVERY_S,
        cause: str = "library",
        **options: Any,
    ) -> WatchRow:
        """Watches an address from now on; one that is watched already stays as it is.

        ``every`` is seconds between looks; ``options`` are those of jobs (``name``, ``redact``, ``limit``).
        """
        if every < SHORTEST_S:
            raise InvalidInputError(
                f"every is {every:g} s.", remedy=f"Look at most every {SHORTEST_S:g} s.", field="every", value=every
            )
        given = {name: value for name, value in options.items() if value not in (None, "", False)}
        check_name("name", str(given.get("name", "content")))
        request = JobRequest(address, source, "", tuple(tags), given)
        await asyncio.to_thread(source_for, request, self._sources)
        tenant, now = str(require_tenant()), self._clock.now()
        row = _new_watch(request, tenant, label, every, cause, now)

        def unit(tx: Transaction) -> WatchRow:
            stored = rows.add_watch(tx, row)
            if stored.id == row.id:
                tx.emit(_event("source.watched", row, now, cause, {"every": every}))
            return stored

        return await self._database.write(unit)

    async def list(self) -> Sequence[WatchRow]:
        """Every watch, oldest first."""
        tenant = str(require_tenant())
        return await self._database.read(lambda reader: rows.watches_of(reader, tenant))

    async def remove(self, word: str, *, cause: str = "library") -> WatchRow:
        """Ends a watch, named by its id, the end of it, its address or its label. What it brought stays."""
        now = self._clock.now()
        row = _named([*await self.list()], word)

        def unit(tx: Transaction) -> WatchRow:
            if rows.remove_watch(tx, row):
                tx.emit(_event("source.unwatched", row, now, cause, {}))
            return row

        return await self._database.write(unit)

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────

    async def look(self, *, tenant: str | None = None, every: bool = False, cause: str = "watch") -> Sequence[WatchRow]:
        """Looks at every watch whose time has come, several at once; with ``every`` at all of them now.

        Returns the watches that were looked at, as they are after it; ``error`` says what failed.
        """
        now = self._clock.now()
        due = await self._database.read(
            lambda reader: rows.due_watches(reader, tenant, float("inf") if every else now, 1000)
        )
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(row: WatchRow) -> WatchRow | None:
            async with at_once:
                name, _, workspace = row.tenant.partition(":")
                with use_tenant(Tenant(name, workspace)):
                    return await self._look_at(row, cause)

        looked = await asyncio.gather(*(one(row) for row in due))
        return [row for row in looked if row is not None]

    async def due_in(self, tenant: str | None = None) -> float | None:
        """Seconds until the next look; None when nothing is watched."""
        at = await self._database.read(lambda reader: rows.next_watch(reader, tenant))
        return None if at is None else max(0.0, at - self._clock.now())

    async def _look_at(self, row: WatchRow, cause: str) -> WatchRow | None:
        until = self._clock.now() + _LOOK_LASTS_S
        if not await self._database.write(lambda tx: rows.take_watch(tx, row, until)):
            return None
        try:
            source = source_for(JobRequest(row.address, row.source), self._sources)
            place = Position(row.cursor, row.last_seen, row.etag, row.last_modified)
            found = await source.discover(row.address, place, int(row.options.get("limit") or MOST_ITEMS))
        except FairleadError as exc:
            return await self._failed(row, exc, cause)
        return await self._found(row, found, cause)

    async def _found(self, row: WatchRow, found: Discovery, cause: str) -> WatchRow:
        now = self._clock.now()
        # Oldest first, so that what came first is done first.
        requests = [
            JobRequest(
                item.url,
                row.source,
                item.external_id if not is_local(item.url) else "",
                row.tags,
                {name: value for name, value in row.options.items() if name != "limit"},
            )
            for item in reversed(found.items)
        ]
        submitting = self._jobs.submitting(requests, cause=f"watch:{row.id}")
        changes: dict[str, Any] = {
            **found.position._asdict(),
            "next_at": now + row.interval,
            "checked_at": now,
            "failure_count": 0,
            "backoff_until": None,
            "error": None,
            "found": row.found + len(requests),
        }

        def unit(tx: Transaction) -> WatchRow:
            if rows.set_watch(tx, row, **changes):
                submitting(tx)
                data = {"found": len(requests), "unchanged": found.unchanged}
                tx.emit(_event("source.checked", row, now, cause, data))
            return row._replace(**changes)

        return await self._database.write(unit)

    async def _failed(self, row: WatchRow, error: FairleadError, cause: str) -> WatchRow:
        now, failures = self._clock.now(), row.failure_count + 1
        asked = error.fields.get("retry_after")
        wait = wait_after_failures(
            failures, retry_after=float(asked) if isinstance(asked, (int, float)) else None, draw=self._draw.random()
        )
        until = now + max(wait, row.interval)
        changes: dict[str, Any] = {
            "next_at": until,
            "checked_at": now,
            "failure_count": failures,
            "backoff_until": until,
            "error": str(error),
        }

        def unit(tx: Transaction) -> WatchRow:
            if rows.set_watch(tx, row, **changes):
                data = {"failures": failures, "error": error.message, "remedy": error.remedy}
                tx.emit(_event("source.unreachable", row, now, cause, data))
            return row._replace(**changes)

        return await self._database.write(unit)


def watch_view(row: WatchRow) -> dict[str, Any]:
    """A watch as JSON-able values."""
    times = {name: getattr(row, name) for name in ("next_at", "checked_at", "backoff_until", "created")}
    return {
        "id": row.id,
        "address": row.address,
        "label": row.label,
        "source": row.source,
        "tags": [*row.tags],
        "options": dict(row.options),
        "every": row.interval,
        "found": row.found,
        "cursor": row.cursor,
        "last_seen": row.last_seen,
        "etag": row.etag,
        "failure_count": row.failure_count,
        "error": row.error,
        **{name: None if at is None else isoformat(at) for name, at in times.items()},
    }


def _named(watches: list[WatchRow], word: str) -> WatchRow:
    found = [w for w in watches if word in (w.id, w.address, w.label) or (len(word) > 3 and w.id.endswith(word))]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInputError(f"{word!r} fits several watches.", remedy="Give the id.", field="watch", value=word)
    raise NotFoundError(f"there is no watch {word!r}.", remedy="See `fairlead watch list`.", watch=word)


def _new_watch(request: JobRequest, tenant: str, label: str, every: float, cause: str, now: float) -> WatchRow:
    return WatchRow(
        id=new_id("wat"),
        tenant=tenant,
        source=request.source,
        address=request.address,
        label=label or request.address,
        tags=request.tags,
        options=request.options,
        interval=every,
        cursor="",
        last_seen="",
        etag="",
        last_modified="",
        next_at=now,
        checked_at=None,
        failure_count=0,
        backoff_until=None,
        error=None,
        found=0,
        cause=cause,
        created=now,
    )


def _event(type_: str, row: WatchRow, now: float, cause: str, data: Mapping[str, Any]) -> Draft:
    facts = {**data, "address": shown(row.address)}
    return draft(type_, row.tenant, row.id, facts, source="pipeline", cause=cause, time=now)
