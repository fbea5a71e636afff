"""Memory: remember, recall and forget, for the tenant of the current context."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.events import draft
from fairlead.memory.entries import Entry, Hit, NewEntry, entry_from_row, make_selection
from fairlead.memory.recalling import Question, answer
from fairlead.memory.writing import PrivacyFilter, identity, prepare, storing
from fairlead.store.database import Database, Reader, Transaction
from fairlead.store.memory import EVERYTHING, EntryRow, Selection, make_scope, namespace_names, open_scope
from fairlead.tenancy import Tenant, require_tenant

Entries = list[Entry]
Hits = list[Hit]

_BATCH_FOR_THREAD = 16
"""Entries from which analysing them would hold the event loop up for longer than a hop to a thread."""


class Memory:
    """What one store remembers. Every call works in ``tenant:workspace:name`` of the current tenant.

    ``privacy`` sees every entry before it is stored. All methods raise :class:`TenantMissingError` outside
    ``use_tenant``, and what the store raises.
    """

    def __init__(self, database: Database, *, clock: Clock, privacy: PrivacyFilter | None = None) -> None:
        self._database = database
        self._clock = clock
        self._privacy = privacy

    # ── remembering ──────────────────────────────────────────────────────────────────────────────────────────

    async def remember(
        self,
        text: str,
        *,
        name: str = "default",
        content_type: str = "passage",
        source: str = "",
        span: tuple[int, int] | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
        expires: float | None = None,
        ttl: float | None = None,
        cause: str = "library",
    ) -> Entry:
        """Stores one text durably and returns its entry; the same text from the same source is one entry.

        ``ttl`` is seconds from now, ``expires`` seconds since the epoch. Raises :class:`InvalidInputError` for what
        cannot be stored or what the privacy filter keeps out.
        """
        if ttl is not None:
            expires = self._clock.now() + ttl
        new = NewEntry(text, content_type, source, span, tuple(tags), metadata or {}, key, expires)
        return (await self.remember_many([new], name=name, cause=cause))[0]

    async def remember_many(
        self, entries: Sequence[NewEntry], *, name: str = "default", cause: str = "library"
    ) -> Entries:
        """Stores many entries in one durable write, and returns them in order.

        Entries that are already there are merged (tags and metadata are united, the new expiry holds). Nothing is
        stored when one of them cannot be.
        """
        tenant = require_tenant()
        namespace = tenant.namespace(name)
        if len(entries) >= _BATCH_FOR_THREAD:
            prepared = await asyncio.to_thread(prepare, entries, self._privacy)
        else:
            prepared = prepare(entries, self._privacy)
        kept = [one for one in prepared if one is not None]
        if len(kept) < len(prepared):
            at = prepared.index(None)
            raise InvalidInputError(
                f"the privacy filter keeps entry {at} out of memory.", remedy="Leave it out.", field="content", at=at
            )
        if not kept:
            return []
        unit = storing(tenant, name, kept, now=self._clock.now(), cause=cause)
        stored = await self._database.write(unit)
        return [entry_from_row(stored.rows[identity(one)], namespace) for one in kept]

    # ── recalling ────────────────────────────────────────────────────────────────────────────────────────────

    async def recall(
        self,
        query: str,
        *,
        name: str = "default",
        k: int = 10,
        tags: Iterable[str] = (),
        content_types: Iterable[str] = (),
        sources: Iterable[str] = (),
        since: float | None = None,
        until: float | None = None,
        min_score: float = 0.0,
    ) -> Hits:
        """The ``k`` entries that answer ``query`` best, best first, each with the reasons and its source.

        Only entries with all ``tags``, one of ``content_types``, one of ``sources``, and created from ``since`` until
        ``until`` are considered. Empty when nothing fits or ``query`` has no words.
        """
        tenant = require_tenant()
        tenant.namespace(name)
        if k < 1:
            raise InvalidInputError(f"k is {k}, but must be at least 1.", remedy="Ask for one or more.", field="k")
        selection = make_selection(tags, content_types, sources, since, until)
        question = Question(tenant, name, query, k, selection, min_score, self._clock.now())
        return await self._database.read(lambda reader: answer(reader, question))

    async def get(self, entry_id: str, *, name: str = "default") -> Entry:
        """One entry by its id; :class:`NotFoundError` when this namespace has no such living entry."""
        tenant = require_tenant()
        now = self._clock.now()

        def reading(reader: Reader) -> list[EntryRow]:
            scope = open_scope(reader, tenant, name)
            return [] if scope is None else scope.entries("id", [entry_id])

        rows = [row for row in await self._database.read(reading) if row.expires is None or row.expires > now]
        if not rows:
            raise _no_entry(entry_id, tenant.namespace(name))
        return entry_from_row(rows[0], tenant.namespace(name))

    async def list(
        self,
        *,
        name: str = "default",
        limit: int = 100,
        tags: Iterable[str] = (),
        content_types: Iterable[str] = (),
        sources: Iterable[str] = (),
        since: float | None = None,
        until: float | None = None,
    ) -> Entries:
        """Living entries, newest first."""
        tenant = require_tenant()
        namespace = tenant.namespace(name)
        selection = make_selection(tags, content_types, sources, since, until)
        now = self._clock.now()

        def reading(reader: Reader) -> list[EntryRow]:
            scope = open_scope(reader, tenant, name)
            return [] if scope is None else scope.selected(selection, now, limit=limit)

        return [entry_from_row(row, namespace) for row in await self._database.read(reading)]

    # ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────

    async def forget(
        self,
        *ids: str,
        name: str = "default",
        selection: Selection = EVERYTHING,
        reason: str = "forgotten",
        cause: str = "library",
    ) -> int:
        """Removes entries by id, or all that match a selection, with everything that hangs on them.

        Returns how many there were. A call that names neither is refused.
        """
        tenant = require_tenant()
        if not ids and selection == EVERYTHING:
            raise InvalidInputError("forget was given neither ids nor a selection.", remedy="Name what to forget.")
        now = self._clock.now()

        def unit(tx: Transaction) -> int:
            scope = make_scope(tx, tenant, name, now)
            rows = scope.entries("id", ids) if ids else scope.selected(selection, now, limit=2**31)
            if rows:
                scope.remove(rows, reason, cause, now, scope.next_stamp())
                data = {"namespace": name, "count": len(rows), "reason": reason, "ids": [r.id for r in rows[:100]]}
                tx.emit(_event("memory.forgotten", tenant, name, data, cause, now))
            return len(rows)

        return await self._database.write(unit)

    async def sweep(self, *, name: str = "default", cause: str = "library") -> int:
        """Removes what has expired and returns how many entries that were. They were not recalled before either."""
        tenant = require_tenant()
        now = self._clock.now()

        def unit(tx: Transaction) -> int:
            scope = make_scope(tx, tenant, name, now)
            found = [int(r[0]) for r in scope.rows("memory_entries", "seq", "expires <= ?", (now,))]
            if found:
                scope.remove(scope.entries("seq", found), "expired", cause, now, scope.next_stamp())
                data = {"namespace": name, "count": len(found)}
                tx.emit(_event("memory.swept", tenant, name, data, cause, now))
            return len(found)

        return await self._database.write(unit)

    # ── looking at the whole ─────────────────────────────────────────────────────────────────────────────────

    async def names(self) -> tuple[str, ...]:
        """The names of the current tenant's namespaces."""
        tenant = require_tenant()
        return tuple(await self._database.read(lambda reader: namespace_names(reader, tenant)))

    async def stats(self, *, name: str = "default") -> dict[str, Any]:
        """Counts of a namespace: entries, expired ones still to be swept, words, versions, tombstones, changes."""
        tenant = require_tenant()
        now = self._clock.now()

        def reading(reader: Reader) -> dict[str, Any]:
            scope = open_scope(reader, tenant, name)
            if scope is None:
                return {"namespace": tenant.namespace(name), "entries": 0}
            facts = scope.facts()
            return {
                "namespace": tenant.namespace(name),
                "entries": facts.entries,
                "expired": scope.count("memory_entries", "expires <= ?", (now,)),
                "words": facts.words,
                "versions": scope.count("memory_versions"),
                "tombstones": scope.count("memory_tombstones"),
                "changes": facts.changed,
            }

        return await self._database.read(reading)


def _event(type_: str, tenant: Tenant, name: str, data: dict[str, Any], cause: str, now: float) -> Any:
    return draft(type_, str(tenant), tenant.namespace(name), data, source="memory", cause=cause, time=now)


def _no_entry(entry_id: str, namespace: str) -> NotFoundError:
    return NotFoundError(
        f"there is no entry {entry_id!r} in {namespace}.",
        remedy="`fairlead memory list` shows what is there.",
        id=entry_id,
    )
