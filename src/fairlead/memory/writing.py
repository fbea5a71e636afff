"""From new entries to one durable write: checking, analysing, and the unit that merges them with what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from orjson import OPT_NON_STR_KEYS, OPT_SORT_KEYS, dumps, loads

from fairlead.errors import InvalidInputError, ModelMismatchError
from fairlead.events import draft
from fairlead.ids import new_id
from fairlead.memory.dense import Embedder
from fairlead.memory.entries import NewEntry, address_of, check_entry
from fairlead.memory.features import Analysed, analyse
from fairlead.memory.graph import entity_name
from fairlead.memory.words import ANALYSER_VERSION
from fairlead.store.database import Reader, Transaction
from fairlead.store.memory import EntryRow, Scope, make_scope, open_scope
from fairlead.store.memory_graph import GraphRows, RelationRow
from fairlead.tenancy import Tenant

PrivacyFilter = Callable[[NewEntry], NewEntry | None]
"""Sees each entry before anything is stored or embedded; returns it, a redacted one, or None to keep it out."""

_MOST_IDS_IN_EVENT = 100

GIVEN = "given"
"""The model's name when callers bring their own vectors."""


class Prepared(NamedTuple):
    """A checked entry with everything that can be computed before the write."""

    new: NewEntry
    address: bytes
    analysed: Analysed
    tags: tuple[str, ...]
    metadata: bytes
    vector: tuple[float, bytes] | None = None


class Stored(NamedTuple):
    """What a write did: rows by what names them, and how many were added and changed."""

    rows: dict[bytes | str, EntryRow]
    added: int
    changed: int


def prepare(entries: Iterable[NewEntry], privacy: PrivacyFilter | None) -> list[Prepared | None]:
    """Checks and analyses each entry, in order; None for one that the privacy filter kept out."""
    prepared: list[Prepared | None] = []
    analysed: dict[str, Analysed] = {}
    for new in entries:
        kept = check_entry(new) if privacy is None else privacy(check_entry(new))
        if kept is None:
            prepared.append(None)
            continue
        if kept is not new:
            check_entry(kept)
        known = analysed.get(kept.content)
        if known is None:
            known = analysed[kept.content] = analyse(kept.content)
        tags = tuple(dict.fromkeys(tag.strip() for tag in kept.tags))
        metadata = _metadata_json(kept)
        prepared.append(Prepared(kept, address_of(kept), known, tags, metadata))
    return prepared


def identity(one: Prepared) -> bytes | str:
    """What decides whether two entries are the same: the key when there is one, else the address."""
    return one.new.key if one.new.key is not None else one.address


def storing(
    tenant: Tenant,
    name: str,
    prepared: Sequence[Prepared],
    *,
    now: float,
    cause: str,
    model: tuple[str, int] | None = None,
) -> Callable[[Transaction], Stored]:
    """The unit that writes ``prepared``; writing the same again changes nothing."""
    unique = {identity(one): one for one in prepared}

    def unit(tx: Transaction) -> Stored:
        scope = make_scope(tx, tenant, name, now)
        check_model(scope, model, unique.values())
        stored = _Writing(scope, now, cause, model[0] if model else GIVEN).store(unique)
        if stored.added or stored.changed:
            ids = [row.id for row in stored.rows.values()][:_MOST_IDS_IN_EVENT]
            data = {"namespace": name, "added": stored.added, "changed": stored.changed, "ids": ids}
            event = draft(
                "memory.remembered",
                str(tenant),
                tenant.namespace(name),
                data,
                source="memory",
                cause=cause,
                time=now,
            )
            tx.emit(event)
        return stored

    return unit


def check_model(scope: Scope, model: tuple[str, int] | None, prepared: Iterable[Prepared]) -> None:
    """Settles which model a namespace's vectors are of; refuses vectors of another."""
    sizes = {len(one.vector[1]) for one in prepared if one.vector is not None}
    if not sizes:
        return
    name, dimensions = model or (GIVEN, min(sizes))
    facts = scope.facts()
    if facts.model is None:
        scope.set_facts(model=name, dimensions=dimensions)
        facts = facts._replace(model=name, dimensions=dimensions)
    if facts.model != name or sizes != {facts.dimensions}:
        raise ModelMismatchError(
            f"the vectors of namespace {facts.name!r} are by {facts.model!r} with {facts.dimensions} dimensions, "
            f"but these are by {name!r} with {sorted(sizes)}.",
            remedy="Run `fairlead memory reindex` to embed the namespace with the new model, or use the old one.",
            model=facts.model,
            given=name,
        )


def with_vectors(reader: Reader, tenant: Tenant, name: str, prepared: Sequence[Prepared]) -> set[bytes]:
    """The addresses that already have a vector."""
    scope = open_scope(reader, tenant, name)
    if scope is None:
        return set()
    rows = {seq: bytes(a) for seq, a in scope.among("memory_entries", "seq, address", "address", _addresses(prepared))}
    return {rows[int(r[0])] for r in scope.among("memory_vectors", "seq", "seq", rows)}


def embed_missing(prepared: Sequence[Prepared], known: set[bytes], embedder: Embedder | None) -> list[Prepared]:
    """``prepared`` with quantised vectors: those that were given, and each other content embedded once."""
    from fairlead.memory.dense import quantise, unit

    missing = [one for one in prepared if one.new.embedding is None and one.address not in known]
    texts = list(dict.fromkeys(one.new.content for one in missing)) if embedder else []
    vectors: dict[str, tuple[float, bytes]] = {}
    if embedder is not None and texts:
        vectors = dict(zip(texts, quantise(embedder.embed(texts)), strict=True))
    result = []
    for one in prepared:
        if one.new.embedding is not None:
            one = one._replace(vector=quantise(unit(one.new.embedding)[None, :])[0])
        elif one.address not in known:
            one = one._replace(vector=vectors.get(one.new.content))
        result.append(one)
    return result


def _addresses(prepared: Sequence[Prepared]) -> list[bytes]:
    return [one.address for one in prepared]


class _Writing:
    """One write to one namespace."""

    def __init__(self, scope: Scope, now: float, cause: str, model: str = "") -> None:
        self.scope = scope
        self.model = model
        self.now = now
        self.cause = cause
        self.stamp = 0

    def store(self, unique: dict[bytes | str, Prepared]) -> Stored:
        rows: dict[bytes | str, EntryRow] = {}
        addresses = [one.address for one in unique.values() if one.new.key is None]
        keys = [one.new.key for one in unique.values() if one.new.key is not None]
        rows.update((row.address, row) for row in self.scope.entries("address", addresses))
        rows.update((row.key, row) for row in self.scope.entries("key", keys) if row.key is not None)
        fresh = [(what, one) for what, one in unique.items() if what not in rows]
        merged = [(what, self._merged(rows[what], one)) for what, one in unique.items() if what in rows]
        changes = [(what, row) for what, row in merged if row is not rows[what]]
        if fresh or changes:
            self.stamp = self.scope.next_stamp()
        for what, row in changes:
            rows[what] = self._change(rows[what], row, unique[what])
        if fresh:
            rows.update(self._add(fresh))
        return Stored({what: rows[what] for what in unique}, len(fresh), len(changes))

    def _merged(self, row: EntryRow, one: Prepared) -> EntryRow:
        """The row as it would be with ``one`` taken in; the same object when nothing would change."""
        old_tags = loads(row.tags)
        tags = [*old_tags, *(tag for tag in one.tags if tag not in old_tags)]
        metadata = row.metadata
        if one.metadata != b"{}":
            metadata = dumps({**loads(row.metadata), **loads(one.metadata)}, option=OPT_SORT_KEYS).decode()
        new = row._replace(
            address=one.address,
            content=one.new.content,
            content_type=one.new.content_type,
            source=one.new.source,
            tags=dumps(tags).decode(),
            metadata=metadata,
            expires=one.new.expires,
        )
        return row if new == row else new

    def _change(self, old: EntryRow, new: EntryRow, one: Prepared) -> EntryRow:
        new = new._replace(version=old.version + 1, updated=self.now, stamp=self.stamp)
        self.scope.put_version(old, self.now, self.cause)
        self.scope.change_entry(new)
        self.scope.put_tags((tag, new.seq) for tag in one.tags)
        if new.content != old.content:
            before = self.scope.lengths([new.seq]).get(new.seq, 0)
            self.scope.replace_words(before, one.analysed.length)
            self.scope.fts.remove([new.seq])
            graph = GraphRows(self.scope)
            named = graph.clear_entry(new.seq)
            self._index([(new.seq, one)])
            graph.drop_unmentioned(named)
        return new

    def _add(self, fresh: list[tuple[bytes | str, Prepared]]) -> dict[bytes | str, EntryRow]:
        first = self.scope.take_numbers(len(fresh))
        rows = {what: self._row(first + n, one) for n, (what, one) in enumerate(fresh)}
        self.scope.insert_entries(list(rows.values()), [one.analysed.length for _, one in fresh])
        self.scope.put_tags((tag, first + n) for n, (_, one) in enumerate(fresh) for tag in one.tags)
        self._index([(first + n, one) for n, (_, one) in enumerate(fresh)])
        return rows

    def _index(self, entries: list[tuple[int, Prepared]]) -> None:
        self.scope.fts.put((seq, one.analysed.terms) for seq, one in entries)
        self.scope.put_features(
            (seq, self.stamp, ANALYSER_VERSION, one.analysed.length, one.analysed.words, one.analysed.grams)
            for seq, one in entries
        )
        self._link([(seq, one.new) for seq, one in entries if one.new.entities or one.new.relations])
        vectors = [(seq, one.vector) for seq, one in entries if one.vector is not None]
        if vectors:
            model = self.model
            self.scope.put_vectors((seq, self.stamp, model, scale, data) for seq, (scale, data) in vectors)

    def _link(self, entries: list[tuple[int, NewEntry]]) -> None:
        """Writes what entries name and state into the graph."""
        if not entries:
            return
        graph = GraphRows(self.scope)
        named: dict[str, str] = {}
        for _, new in entries:
            for label in (*new.entities, *(end for r in new.relations for end in (r[0], r[2]))):
                named.setdefault(entity_name(label), label.strip())
        named.pop("", None)
        ids = graph.put_entities((name, label, "entity") for name, label in named.items())
        mentions, relations = [], []
        for seq, new in entries:
            for source, kind, target in new.relations:
                ends = (ids.get(entity_name(source)), ids.get(entity_name(target)))
                if ends[0] is not None and ends[1] is not None:
                    relations.append(RelationRow(ends[0], ends[1], kind, 1.0, seq))
                    mentions += [(ends[0], seq), (ends[1], seq)]
            mentions += [(ids[name], seq) for label in new.entities if (name := entity_name(label)) in ids]
        graph.put_mentions(mentions)
        graph.put_relations(relations)

    def _row(self, seq: int, one: Prepared) -> EntryRow:
        new = one.new
        span = new.span or (None, None)
        created = self.now if new.created is None else new.created
        return EntryRow(
            seq=seq,
            id=new_id("mem"),
            address=one.address,
            key=new.key,
            content=new.content,
            content_type=new.content_type,
            source=new.source,
            span_start=span[0],
            span_end=span[1],
            tags=dumps(one.tags).decode(),
            metadata=one.metadata.decode(),
            success_score=new.success_score,
            usage_count=0,
            last_used=None,
            created=created,
            updated=self.now,
            expires=new.expires,
            version=1,
            stamp=self.stamp,
        )


def _metadata_json(new: NewEntry) -> bytes:
    try:
        return dumps(dict(new.metadata), option=OPT_SORT_KEYS | OPT_NON_STR_KEYS)
    except (TypeError, ValueError) as exc:
        remedy = "Use text, numbers, lists and mappings."
        value: Any = new.metadata
        message = f"metadata is {value!r}, which cannot be stored: {exc}."
        raise InvalidInputError(message, remedy=remedy, field="metadata") from exc
