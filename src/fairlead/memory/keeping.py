"""Keeping memory in order: sweeping, evicting, erasing with proof, verifying, and building indexes again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fairlead.events import Draft, draft
from fairlead.memory.dense import Embedder, quantise
from fairlead.memory.features import analyse
from fairlead.memory.words import ANALYSER_VERSION
from fairlead.store.database import Database, Reader, Transaction
from fairlead.store.memory import EVERYTHING, EntryRow, Scope, Selection, make_scope, open_scope
from fairlead.store.memory_graph import GraphRows
from fairlead.tenancy import Tenant

_BATCH = 500
_TABLES_OF_ENTRIES = (
    "memory_entries",
    "memory_tags",
    "memory_versions",
    "memory_features",
    "memory_vectors",
    "memory_mentions",
    "memory_feedback",
    "memory_relations",
)


class Place(NamedTuple):
    """Where and when a piece of keeping happens, and who is its cause."""

    tenant: Tenant
    name: str
    now: float
    cause: str

    @property
    def namespace(self) -> str:
        return self.tenant.namespace(self.name)

    def event(self, type_: str, data: dict[str, Any]) -> Draft:
        facts = {"namespace": self.name, **data}
        return draft(type_, str(self.tenant), self.namespace, facts, source="memory", cause=self.cause, time=self.now)


class Problem(NamedTuple):
    """Something that an index or a derived table gets wrong about the entries, and how many of them."""

    kind: str
    found: int
    examples: tuple[str, ...]


async def reading(database: Database, place: Place, work: Callable[[Scope], Any]) -> Any:
    """What ``work`` reads of a namespace; None when there is no such namespace yet."""

    def read(reader: Reader) -> Any:
        scope = open_scope(reader, place.tenant, place.name)
        return None if scope is None else work(scope)

    return await database.read(read)


# ── removing ─────────────────────────────────────────────────────────────────────────────────────────────────


def removing(
    place: Place, ids: Sequence[str], selection: Selection, reason: str
) -> Callable[[Transaction], list[EntryRow]]:
    """The unit that takes entries out with everything that hangs on them; it returns what they were."""

    def unit(tx: Transaction) -> list[EntryRow]:
        scope = open_scope(tx, place.tenant, place.name)
        if scope is None:
            return []
        if reason == "erased":
            scope.fts.overwrite_what_is_deleted()
        rows = scope.entries("id", ids) if ids else scope.matching(selection)
        remove(scope, rows, reason, place)
        if rows:
            data = {"count": len(rows), "reason": reason, "ids": [row.id for row in rows[:100]]}
            tx.emit(place.event("memory.forgotten", data))
        if reason == "erased":
            scope.fts.compact()
        return rows

    return unit


def sweeping(place: Place) -> Callable[[Transaction], int]:
    """The unit that removes what has expired and returns how many entries that were."""

    def unit(tx: Transaction) -> int:
        scope = open_scope(tx, place.tenant, place.name)
        if scope is None:
            return 0
        numbers = [int(r[0]) for r in scope.rows("memory_entries", "seq", "expires <= ?", (place.now,))]
        rows = scope.entries("seq", numbers)
        remove(scope, rows, "expired", place)
        if rows:
            tx.emit(place.event("memory.swept", {"count": len(rows)}))
        return len(rows)

    return unit


def evicting(place: Place, most: int, share: float) -> Callable[[Transaction], int]:
    """The unit that brings a namespace back to ``most`` entries: the least worthy go, at least ``share`` of all."""

    def unit(tx: Transaction) -> int:
        scope = open_scope(tx, place.tenant, place.name)
        if scope is None or scope.facts().entries <= most:
            return 0
        columns = "seq, success_score, usage_count, coalesce(last_used, created)"
        facts = [(int(s), float(w), int(u), float(t)) for s, w, u, t in scope.rows("memory_entries", columns)]
        count = max(len(facts) - most, int(len(facts) * share))
        worst = sorted(facts, key=lambda f: (worth(f[1], f[2], place.now - f[3]), f[0]))[:count]
        rows = scope.entries("seq", [f[0] for f in worst])
        remove(scope, rows, "evicted", place)
        tx.emit(place.event("memory.forgotten", {"count": len(rows), "reason": "evicted", "ids": []}))
        return len(rows)

    return unit


def worth(success: float, usage: int, age: float) -> float:
    """What an entry is worth keeping for, 0 to 1: 0.4 use, 0.4 success, 0.2 recency."""
    from fairlead.memory.fusion import recency

    used = usage / (usage + 10)
    return 0.4 * used + 0.4 * success + 0.2 * recency(age)


def remove(scope: Scope, rows: Sequence[EntryRow], reason: str, place: Place) -> None:
    """Takes entries out of a namespace with the entities that nothing else names."""
    if not rows:
        return
    graph = GraphRows(scope)
    named = {entity for entity, _ in graph.mentions_of([row.seq for row in rows])}
    scope.remove(rows, reason, place.cause, place.now, scope.next_stamp())
    graph.drop_unmentioned(named)


def traces(scope: Scope, rows: Sequence[EntryRow]) -> dict[str, int]:
    """How many rows of each table still speak of these entries: all zero after they were removed."""
    numbers = [row.seq for row in rows]
    left = {table: sum(1 for _ in scope.among(table, "seq", "seq", numbers)) for table in _TABLES_OF_ENTRIES}
    left["full_text"] = len(set(numbers) & set(scope.fts.numbers()))
    return left


def counts(scope: Scope, now: float) -> dict[str, Any]:
    """How much a namespace holds."""
    facts = scope.facts()
    return {
        "entries": facts.entries,
        "expired": scope.count("memory_entries", "expires <= ?", (now,)),
        "words": facts.words,
        "versions": scope.count("memory_versions"),
        "vectors": scope.count("memory_vectors"),
        "model": facts.model,
        "entities": scope.count("memory_entities"),
        "relations": scope.count("memory_relations"),
        "tombstones": scope.count("memory_tombstones"),
        "changes": facts.changed,
    }


def versions(scope: Scope, entry_id: str) -> list[dict[str, Any]]:
    """What an entry was before each change, oldest first."""
    from orjson import loads

    rows = scope.entries("id", [entry_id])
    columns = "version, content, tags, metadata, replaced, cause"
    found = scope.rows("memory_versions", columns, "seq = ?", (rows[0].seq,), "ORDER BY version") if rows else []
    return [
        {"version": v, "content": c, "tags": loads(t), "metadata": loads(m), "replaced": r, "cause": why}
        for v, c, t, m, r, why in found
    ]


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────────────


def verify(reader: Reader, place: Place) -> list[Problem]:
    """Compares every derived table with the entries, and the entries with themselves."""
    scope = open_scope(reader, place.tenant, place.name)
    if scope is None:
        return []
    facts = scope.facts()
    entries = {int(seq): str(id_) for seq, id_ in scope.rows("memory_entries", "seq, id")}
    features = {int(seq): int(v) for seq, v in scope.rows("memory_features", "seq, version")}
    vectors = {int(seq): str(m) for seq, m in scope.rows("memory_vectors", "seq, model")}
    texts = set(scope.fts.numbers())
    returned = [int(r[0]) for r in scope.among("memory_entries", "seq", "address", scope.erased())]
    found = [
        _problem("entries without full text", entries.keys() - texts, entries),
        _problem("full text without an entry", texts - entries.keys(), entries),
        _problem("entries without features", entries.keys() - features.keys(), entries),
        _problem("features of another analyser", {s for s, v in features.items() if v != ANALYSER_VERSION}, entries),
        _problem("vectors of another model", {s for s, m in vectors.items() if m != facts.model}, entries),
        _problem("erased entries that came back", set(returned), entries),
    ]
    if facts.model is not None:
        found.append(_problem("entries without a vector", entries.keys() - vectors.keys(), entries))
    if facts.entries != len(entries):
        found.append(Problem("count of entries is wrong", abs(facts.entries - len(entries)), ()))
    return [problem for problem in found if problem.found]


def _problem(kind: str, numbers: set[int], entries: dict[int, str]) -> Problem:
    examples = tuple(entries.get(seq, str(seq)) for seq in sorted(numbers)[:3])
    return Problem(kind, len(numbers), examples)


# ── building again ───────────────────────────────────────────────────────────────────────────────────────────


def rebuilding(place: Place, vectors: dict[int, tuple[float, bytes]], model: tuple[str, int] | None) -> Any:
    """The unit that derives full text, features, counts and the given vectors from the entries anew."""

    def unit(tx: Transaction) -> int:
        scope = make_scope(tx, place.tenant, place.name, place.now)
        returned = scope.entries("address", scope.erased())
        remove(scope, returned, "replaced", place)
        numbers = [int(r[0]) for r in scope.rows("memory_entries", "seq")]
        stamp = scope.next_stamp()
        scope.fts.remove(set(scope.fts.numbers()) | set(numbers))
        words = 0
        for at in range(0, len(numbers), _BATCH):
            words += _derive(scope, scope.entries("seq", numbers[at : at + _BATCH]), stamp)
        scope.set_facts(entries=len(numbers), words=words)
        if model is not None:
            scope.set_facts(model=model[0], dimensions=model[1])
            there = set(numbers)
            rows = [(seq, stamp, model[0], scale, data) for seq, (scale, data) in vectors.items() if seq in there]
            scope.put_vectors(rows)
        tx.emit(place.event("memory.reindexed", {"entries": len(numbers), "model": model and model[0]}))
        return len(numbers)

    return unit


def _derive(scope: Scope, rows: Sequence[EntryRow], stamp: int) -> int:
    analysed = [(row.seq, analyse(row.content)) for row in rows]
    scope.fts.put((seq, one.terms) for seq, one in analysed)
    scope.put_features((seq, stamp, ANALYSER_VERSION, one.length, one.words, one.grams) for seq, one in analysed)
    return sum(one.length for _, one in analysed)


def embed_all(reader: Reader, place: Place, embedder: Embedder) -> dict[int, tuple[float, bytes]]:
    """Quantised vectors of every entry by its number."""
    scope = open_scope(reader, place.tenant, place.name)
    vectors: dict[int, tuple[float, bytes]] = {}
    if scope is not None:
        numbers = [int(r[0]) for r in scope.rows("memory_entries", "seq")]
        for at in range(0, len(numbers), _BATCH):
            rows = scope.entries("seq", numbers[at : at + _BATCH])
            quantised = quantise(embedder.embed([row.content for row in rows]))
            vectors.update(zip((row.seq for row in rows), quantised, strict=True))
    return vectors


def stated(scope: Scope, rows: Sequence[EntryRow]) -> tuple[dict[str, list[str]], dict[str, list[list[str]]]]:
    """The entities and relations that entries state, by entry id."""
    graph = GraphRows(scope)
    ids = {row.seq: row.id for row in rows}
    mentions, relations = graph.mentions_of(ids), graph.stated_by(ids)
    joined = {entity for entity, _ in mentions}.union(*((one.source, one.target) for one in relations))
    labels = {entity.id: entity.label for entity in graph.by_id(joined).values()}
    named: dict[str, list[str]] = {}
    for entity, seq in mentions:
        named.setdefault(ids[seq], []).append(labels[entity])
    related: dict[str, list[list[str]]] = {}
    for one in relations:
        if one.seq is not None:
            related.setdefault(ids[one.seq], []).append([labels[one.source], one.kind, labels[one.target]])
    return named, related


def everything(scope: Scope, *, now: float) -> Sequence[EntryRow]:
    """All living entries, oldest first."""
    return scope.selected(EVERYTHING, now, limit=2**31)[::-1]
