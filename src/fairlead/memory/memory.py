"""Memory: remember, recall and forget, for the tenant of the current context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.memory import keeping
from fairlead.memory.asking import Asking
from fairlead.memory.dense import Embedder
from fairlead.memory.entries import Entry, Hit, NewEntry, entry_from_row, make_selection
from fairlead.memory.erasing import Erasure, erase
from fairlead.memory.graph import entity_name
from fairlead.memory.graph_reader import GraphReader
from fairlead.memory.keeping import Place
from fairlead.memory.learning import Sample, learn_weights, moved_success
from fairlead.memory.plan import IndexPlan
from fairlead.memory.recalling import Question
from fairlead.memory.renewing import Renewal, renewing
from fairlead.memory.reranking import Reranker, reranked
from fairlead.memory.space import Space
from fairlead.memory.tiers import LocalTier, SharedTier
from fairlead.memory.upkeep import Upkeep
from fairlead.memory.writing import Prepared, PrivacyFilter, embed_missing, identity, prepare, storing, with_vectors
from fairlead.store.database import Database, Transaction
from fairlead.store.memory import EVERYTHING, EntryRow, Selection, make_scope, namespace_names
from fairlead.store.memory_graph import GraphRows, RelationRow
from fairlead.tenancy import Tenant, require_tenant

Entries = list[Entry]
Hits = list[Hit]

_BATCH_FOR_THREAD = 16
"""Entries from which analysing them would hold the event loop up for longer than a hop to a thread."""


class Memory:
    """What one store remembers. Every call works in ``tenant:workspace:name`` of the current tenant.

    ``embedder`` adds dense vectors to the built-in ones; ``privacy`` sees every entry before it is stored;
    ``indexes`` says where indexes live; ``local`` and ``shared`` are the tiers in front of recall; ``reranker`` reads
    the best hits where a recall asks for it. All methods raise
    :class:`TenantMissingError` outside ``use_tenant``, and what the store raises.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        embedder: Embedder | None = None,
        privacy: PrivacyFilter | None = None,
        indexes: IndexPlan | None = None,
        local: LocalTier | None = None,
        shared: SharedTier | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._privacy = privacy
        self._reranker = reranker
        self._asking = Asking(
            database,
            clock,
            embedder=embedder,
            plan=indexes or IndexPlan(),
            local=local or LocalTier(),
            shared=shared,
        )

    @property
    def upkeep(self) -> Upkeep:
        """Sweeping, evicting, verifying, reindexing, export and import, moving to another index."""
        return Upkeep(self._database, self._clock, self._asking, self.remember_many)

    @property
    def graph(self) -> GraphReader:
        """The things that entries name, and how they are related."""
        return GraphReader(self._database, self._clock)

    def close(self) -> None:
        """Stops listening for changes and lets go of the second tier; the database stays open."""
        self._asking.close()

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
        entities: Iterable[str] = (),
        relations: Iterable[tuple[str, str, str]] = (),
        cause: str = "library",
    ) -> Entry:
        """Stores one text durably and returns its entry; the same text from the same source is one entry.

        ``ttl`` is seconds from now, ``expires`` seconds since the epoch; the other arguments are those of
        :class:`NewEntry`. Raises :class:`InvalidInputError` for what cannot be stored or is kept out by the filter.
        """
        if ttl is not None:
            expires = self._clock.now() + ttl
        new = NewEntry(text, content_type, source, span, tuple(tags), metadata or {}, key, expires)
        new = new._replace(entities=tuple(entities), relations=tuple(relations))
        return (await self.remember_many([new], name=name, cause=cause))[0]

    async def remember_many(
        self, entries: Sequence[NewEntry], *, name: str = "default", cause: str = "library"
    ) -> Entries:
        """Stores many entries in one durable write, and returns them in order.

        Entries that are already there are merged (tags and metadata are united, the new expiry holds). Nothing is
        stored when one of them cannot be.
        """
        place = self._place(name, cause)
        prepared = await self._prepared(entries)
        kept = [one for one in prepared if one is not None]
        if len(kept) < len(prepared):
            at = prepared.index(None)
            raise InvalidInputError(
                f"the privacy filter keeps entry {at} out of memory.", remedy="Leave it out.", field="content", at=at
            )
        if not kept:
            return []
        ready = await self._embedded(place, kept)
        unit = storing(place.tenant, name, ready, now=place.now, cause=cause, model=self._model)
        stored = await self._database.write(unit)
        return [entry_from_row(stored.rows[identity(one)], place.namespace) for one in kept]

    async def renew(
        self,
        source: str,
        entries: Sequence[NewEntry],
        *,
        name: str = "default",
        cause: str = "library",
        also: Callable[[Transaction, Renewal], None],
    ) -> Renewal:
        """Makes ``entries`` what is remembered of a document, in one durable write: what its source said before and
        says no more is removed, what it says still stays as it is.

        Only entries whose metadata name a ``document`` are removed: those that people wrote about the source stay. What
        was erased for good is not taken in again, nor what the privacy filter keeps out. ``also`` writes the caller's
        own rows in the same transaction; when it raises, nothing is changed.
        """
        place = self._place(name, cause)
        kept = [one for one in await self._prepared(entries) if one is not None]
        ready = await self._embedded(place, kept)
        return await self._database.write(renewing(place, source, ready, self._model, also))

    async def _prepared(self, entries: Sequence[NewEntry]) -> Sequence[Prepared | None]:
        if len(entries) >= _BATCH_FOR_THREAD:
            return await asyncio.to_thread(prepare, entries, self._privacy)
        return prepare(entries, self._privacy)

    @property
    def _model(self) -> tuple[str, int] | None:
        embedder = self._asking.embedder
        return None if embedder is None else (embedder.name, embedder.dimensions)

    async def _embedded(self, place: Place, kept: Sequence[Prepared]) -> Sequence[Prepared]:
        """The same with a vector for each entry whose content the namespace does not have yet."""
        embedder = self._asking.embedder
        if embedder is None and all(one.new.embedding is None for one in kept):
            return kept
        known = await self._database.read(lambda reader: with_vectors(reader, place.tenant, place.name, kept))
        return await asyncio.to_thread(embed_missing, kept, known, embedder)

    async def relate(
        self, source: str, kind: str, target: str, *, weight: float = 1.0, name: str = "default", cause: str = "library"
    ) -> None:
        """States a relation between two named things, which are made when they are new."""
        if weight <= 0 or not entity_name(source) or not entity_name(target) or not kind.strip():
            raise InvalidInputError(
                f"the relation {(source, kind, target)!r} with weight {weight} cannot be stored.",
                remedy="Name both ends and the kind, and give a weight above zero.",
                field="relation",
            )
        place = self._place(name, cause)

        def unit(tx: Transaction) -> None:
            scope = make_scope(tx, place.tenant, name, place.now)
            graph = GraphRows(scope)
            ends = [(entity_name(label), label.strip(), "entity") for label in (source, target)]
            ids = graph.put_entities(ends)
            graph.put_relations([RelationRow(ids[ends[0][0]], ids[ends[1][0]], kind.strip(), weight, None)])
            scope.next_stamp()
            data = {"added": 0, "changed": 0, "ids": [], "relation": [source, kind, target]}
            tx.emit(place.event("memory.remembered", data))

        await self._database.write(unit)

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
        diversity: float = 0.0,
        certain: float = 1.1,
        rerank: int = 0,
    ) -> Hits:
        """The ``k`` entries that answer ``query`` best, best first, each with the reasons and its source.

        Only entries with all ``tags``, one of ``content_types``, one of ``sources``, and created from ``since`` until
        ``until`` are considered. ``diversity`` from 0 to 1 trades score against likeness to the hits before. With
        ``certain`` up to 1, the embedding model is asked only when the built-in terms do not set their best hit apart
        by that margin. With ``rerank`` the best so many hits are read by the reranker, whose scores become theirs, and
        the ``k`` best of those are given. Empty when nothing fits or ``query`` has no words.
        """
        place = self._place(name)
        if k < 1:
            raise InvalidInputError(f"k is {k}, but must be at least 1.", remedy="Ask for one or more.", field="k")
        if not 0 <= diversity <= 1:
            remedy = "0 keeps the order of the scores."
            raise InvalidInputError(f"diversity is {diversity}, but must be from 0 to 1.", remedy=remedy)
        selection = make_selection(tags, content_types, sources, since, until)
        if rerank and self._reranker is None:
            raise InvalidInputError(
                "rerank was asked for, but nothing here can read the hits.",
                remedy="Give the memory a reranker, or use that of an opened Fairlead.",
                field="rerank",
            )
        most = max(k, rerank) if rerank else k
        question = Question(place.tenant, name, query, most, selection, min_score, place.now, diversity, certain)
        hits = await self._asking.answer(question)
        if not rerank or self._reranker is None or len(hits) < 2:
            return hits[:k]
        return (await reranked(hits[:rerank], query, self._reranker))[:k]

    async def warm(self, *, name: str = "default") -> None:
        """Loads a namespace's index now, so that the first question does not wait for it."""
        await self._asking.warm(require_tenant(), name)

    async def space(self, *, name: str = "default") -> Space:
        """The namespace's dense vectors, brought up to date, for pattern search."""
        tenant = require_tenant()
        return Space(self._database, tenant, name, await self._asking.warm(tenant, name))

    async def get(self, entry_id: str, *, name: str = "default") -> Entry:
        """One entry by its id; :class:`NotFoundError` when this namespace has no such living entry."""
        place = self._place(name)
        rows = await self._reading(place, lambda scope: scope.entries("id", [entry_id]))
        rows = [row for row in rows or [] if row.expires is None or row.expires > place.now]
        if not rows:
            raise NotFoundError(
                f"there is no entry {entry_id!r} in {place.namespace}.",
                remedy="`fairlead memory list` shows what is there.",
                id=entry_id,
            )
        return entry_from_row(rows[0], place.namespace)

    async def versions(self, entry_id: str, *, name: str = "default") -> list[dict[str, Any]]:
        """What an entry was before each change, oldest first: version, content, tags, metadata, when and why."""
        await self.get(entry_id, name=name)
        return await self._reading(self._place(name), lambda scope: keeping.versions(scope, entry_id)) or []

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
        place = self._place(name)
        selection = make_selection(tags, content_types, sources, since, until)
        rows = await self._reading(place, lambda scope: scope.selected(selection, place.now, limit=limit))
        return [entry_from_row(row, place.namespace) for row in rows or []]

    # ── outcomes ─────────────────────────────────────────────────────────────────────────────────────────────

    async def feedback(self, hit: Hit, useful: float, *, name: str = "default") -> None:
        """Says how useful a hit was, from 0 to 1: its entry's success and use move, and the weights learn from it."""
        if not 0 <= useful <= 1:
            raise InvalidInputError(f"useful is {useful}, but must be from 0 to 1.", remedy="Scale it.", field="useful")
        place = self._place(name)

        def unit(tx: Transaction) -> None:
            scope = make_scope(tx, place.tenant, name, place.now)
            for row in scope.entries("id", [hit.entry.id]):
                success = moved_success(row.success_score, useful)
                scope.note_outcome(row.seq, success, place.now, dict(hit.why), useful)
                samples = [Sample(terms, value) for terms, value in scope.outcomes()]
                scope.set_weights(learn_weights(samples)._asdict())
                scope.next_stamp()

        await self._database.write(unit)

    # ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────

    async def forget(
        self, *ids: str, name: str = "default", selection: Selection = EVERYTHING, cause: str = "library"
    ) -> int:
        """Removes entries by id, or all that match a selection, with everything that hangs on them.

        Returns how many there were. A call that names neither is refused.
        """
        _check_named(ids, selection)
        unit = keeping.removing(self._place(name, cause), ids, selection, "forgotten")
        return len(await self._database.write(unit))

    async def erase(
        self, *ids: str, name: str = "default", selection: Selection = EVERYTHING, cause: str = "library"
    ) -> Erasure:
        """Forgets for good and proves it: index, caches, graph and files are searched for what was erased."""
        _check_named(ids, selection)
        return await erase(self._database, self._asking, self._place(name, cause), ids, selection)

    # ── looking at the whole ─────────────────────────────────────────────────────────────────────────────────

    async def names(self) -> tuple[str, ...]:
        """The names of the current tenant's namespaces."""
        tenant = require_tenant()
        return tuple(await self._database.read(lambda reader: namespace_names(reader, tenant)))

    async def stats(self, *, name: str = "default") -> dict[str, Any]:
        """Counts of a namespace: entries, expired ones still to be swept, words, versions, tombstones, changes."""
        place = self._place(name)
        counts = await self._reading(place, lambda scope: keeping.counts(scope, place.now))
        return {"namespace": place.namespace, **(counts or {"entries": 0})}

    def tiers(self) -> dict[str, Any]:
        """Hits, misses and sizes of the tiers of this process, and the bytes of its indexes."""
        return self._asking.stats()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, name: str, cause: str = "library") -> Place:
        tenant: Tenant = require_tenant()
        tenant.namespace(name)
        return Place(tenant, name, self._clock.now(), cause)

    async def _reading(self, place: Place, work: Any) -> Any:
        return await keeping.reading(self._database, place, work)


def _check_named(ids: Sequence[str], selection: Selection) -> None:
    if not ids and selection == EVERYTHING:
        raise InvalidInputError("neither ids nor a selection were given.", remedy="Name what is to be forgotten.")


__all__ = ["EntryRow", "Memory"]
