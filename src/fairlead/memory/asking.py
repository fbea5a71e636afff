"""The way of a question: the tiers first, then the namespace's index, which is loaded when it is first asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orjson import dumps, loads

from fairlead.clock import Clock
from fairlead.events import Event
from fairlead.memory.dense import Embedder
from fairlead.memory.entries import Entry, Hit
from fairlead.memory.index import NamespaceIndex
from fairlead.memory.plan import IndexPlan
from fairlead.memory.recalling import Question, answer, answer_cold
from fairlead.memory.redis_tier import namespace_digest
from fairlead.memory.tiers import LocalTier, SharedTier
from fairlead.store.database import Database, Reader
from fairlead.store.memory import namespace_changes, open_scope
from fairlead.tenancy import Tenant

_KEPT_SECONDS = 300.0
"""How long an answer is kept at most: recency moves on even when nothing is written."""

_INDEX_BYTES = 2 * 1024**3
_BYTES_PER_HIT = 1000

CHANGING = ("memory.remembered", "memory.forgotten", "memory.swept", "memory.reindexed")


class Asking:
    """Answers questions about any namespace of one database.

    What ``plan`` says decides where indexes live and when they are loaded.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        embedder: Embedder | None,
        plan: IndexPlan,
        local: LocalTier,
        shared: SharedTier | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self.embedder = embedder
        self.plan = plan
        self.local = local
        self.shared = shared
        self._indexes: OrderedDict[str, NamespaceIndex] = OrderedDict()
        self._unsubscribe = database.bus.subscribe(self._invalidate, CHANGING)

    def close(self) -> None:
        """Stops listening for changes and lets go of the second tier and of indexes elsewhere."""
        self._unsubscribe()
        for index in self._indexes.values():
            index.close()
        if self.shared is not None:
            self.shared.close()

    # ── answering ────────────────────────────────────────────────────────────────────────────────────────────

    async def answer(self, question: Question) -> list[Hit]:
        namespace = question.tenant.namespace(question.name)
        changed = self._database.read_sync(lambda reader: namespace_changes(reader, question.tenant, question.name))
        if changed is None:
            return []
        key = (namespace, changed, question._replace(now=0.0))
        kept = self.local.get(key, question.now)
        if kept is not None:
            return list(kept)
        hits = await self._database.read(lambda reader: self._answer(reader, question, changed))
        until = _good_until(hits, question.now)
        self.local.put(key, namespace, tuple(hits), _size(hits), until)
        return hits

    def _answer(self, reader: Reader, question: Question, changed: int) -> list[Hit]:
        shared, key = self.shared, ""
        if shared is not None:
            key = _shared_key(question, changed)
            raw = shared.get(key)
            if raw is not None:
                hits = [_read_hit(one) for one in loads(raw)]
                if all(hit.entry.expires is None or hit.entry.expires > question.now for hit in hits):
                    return hits
        hits = self._ask_index(reader, question)
        if shared is not None:
            seconds = _good_until(hits, question.now) - question.now
            shared.put(key, question.tenant.namespace(question.name), dumps([_write_hit(h) for h in hits]), seconds)
        return hits

    def _ask_index(self, reader: Reader, question: Question) -> list[Hit]:
        namespace = question.tenant.namespace(question.name)
        loaded = self._indexes.get(namespace)
        if loaded is None and self.plan.load_most is not None:
            scope = open_scope(reader, question.tenant, question.name)
            if scope is not None and scope.facts().entries > self.plan.load_most:
                return answer_cold(reader, question)
        return answer(reader, question, self.index(namespace), self.embedder)

    # ── indexes ──────────────────────────────────────────────────────────────────────────────────────────────

    def index(self, namespace: str) -> NamespaceIndex:
        """The index of a namespace, perhaps still empty; the least recently asked ones make room for it."""
        index = self._indexes.get(namespace)
        if index is None:
            index = self._indexes[namespace] = NamespaceIndex(
                self._path(namespace),
                self.plan.make_embedded,
                lambda target, d: self.plan.make(target, d, namespace),
                lambda target: self.plan.make_words(target, namespace),
            )
        self._indexes.move_to_end(namespace)
        total = sum(one.size for one in self._indexes.values()) if len(self._indexes) > 1 else 0
        while total > _INDEX_BYTES and len(self._indexes) > 1:
            _, dropped = self._indexes.popitem(last=False)
            dropped.close()
            total -= dropped.size
        return index

    def drop_index(self, namespace: str) -> None:
        """Throws an index away, with its file; the next question builds it from the database."""
        self._indexes.pop(namespace, None)
        path = self._path(namespace)
        if path is not None:
            path.unlink(missing_ok=True)

    def _path(self, namespace: str) -> Path | None:
        folder = self.plan.folder
        return None if folder is None else folder / f"{namespace_digest(namespace)}.vectors"

    async def warm(self, tenant: Tenant, name: str) -> NamespaceIndex:
        """Loads or brings up to date the index of a namespace, whatever its size."""
        index = self.index(tenant.namespace(name))

        def reading(reader: Reader) -> None:
            scope = open_scope(reader, tenant, name)
            if scope is not None:
                index.catch_up(scope, scope.facts())

        await self._database.read(reading)
        return index

    # ── invalidation ─────────────────────────────────────────────────────────────────────────────────────────

    def _invalidate(self, event: Event) -> None:
        """The one path by which both tiers learn of changes. Answers of before are unreachable already, since their
        key holds the namespace's change counter; this gives their room back."""
        self.local.invalidate(event.subject)
        if self.shared is not None and event.type != "memory.remembered":
            self.shared.invalidate(event.subject)

    def clear(self, namespace: str) -> Callable[[], int]:
        """What takes every kept answer of a namespace out of both tiers, returning how many."""

        def work() -> int:
            shared = self.shared.invalidate(namespace) if self.shared is not None else 0
            return self.local.invalidate(namespace) + shared

        return work

    def stats(self) -> dict[str, Any]:
        """Hits, misses, evictions and sizes of each tier, and the bytes of the loaded indexes."""
        tiers: dict[str, Any] = {"l1": _tier_facts(self.local)}
        if self.shared is not None:
            tiers["l2"] = _tier_facts(self.shared)
        return {"tiers": tiers, "index_bytes": {name: index.size for name, index in self._indexes.items()}}


def _tier_facts(tier: LocalTier | SharedTier) -> dict[str, Any]:
    stats = tier.stats()
    return {**stats._asdict(), "hit_rate": stats.hit_rate}


def _good_until(hits: list[Hit], now: float) -> float:
    """An answer holds until one of its entries expires."""
    return min([now + _KEPT_SECONDS, *(hit.entry.expires for hit in hits if hit.entry.expires is not None)])


def _size(hits: list[Hit]) -> int:
    return _BYTES_PER_HIT + sum(_BYTES_PER_HIT + 2 * len(hit.entry.content) for hit in hits)


def _shared_key(question: Question, changed: int) -> str:
    import hashlib

    namespace = namespace_digest(question.tenant.namespace(question.name))
    asked = dumps([changed, question.text, question.k, list(question.selection), question[5], *question[7:]])
    return f"{namespace}:{hashlib.blake2b(asked, digest_size=16).hexdigest()}"


def _write_hit(hit: Hit) -> list[Any]:
    return [list(hit.entry), hit.score, dict(hit.why), list(hit.offsets)]


def _read_hit(raw: list[Any]) -> Hit:
    entry = Entry(*raw[0])
    span = None if entry.span is None else (entry.span[0], entry.span[1])
    entry = entry._replace(tags=tuple(entry.tags), span=span)
    return Hit(entry, raw[1], raw[2], entry.source, tuple((a, b) for a, b in raw[3]))
