"""From new entries to one durable write: checking, analysing, and the unit that merges them with what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from orjson import OPT_NON_STR_KEYS, OPT_SORT_KEYS, dumps, loads

from fairlead.errors import InvalidInputError
from fairlead.events import draft
from fairlead.ids import new_id
from fairlead.memory.entries import NewEntry, address_of, check_entry
from fairlead.memory.words import ANALYSER_VERSION, stems
from fairlead.store.database import Transaction
from fairlead.store.memory import EntryRow, Scope, make_scope
from fairlead.tenancy import Tenant

PrivacyFilter = Callable[[NewEntry], NewEntry | None]
"""Sees each entry before anything is stored or embedded; returns it, a redacted one, or None to keep it out."""

_MOST_IDS_IN_EVENT = 100


class Prepared(NamedTuple):
    """A checked entry with everything that can be computed before the write."""

    new: NewEntry
    address: bytes
    terms: str
    length: int
    tags: tuple[str, ...]
    metadata: bytes


class Stored(NamedTuple):
    """What a write did: rows by what names them, and how many were added and changed."""

    rows: dict[bytes | str, EntryRow]
    added: int
    changed: int


def prepare(entries: Iterable[NewEntry], privacy: PrivacyFilter | None) -> list[Prepared | None]:
    """Checks and analyses each entry, in order; None for one that the privacy filter kept out."""
    prepared: list[Prepared | None] = []
    analysed: dict[str, list[str]] = {}
    for new in entries:
        kept = check_entry(new) if privacy is None else privacy(check_entry(new))
        if kept is None:
            prepared.append(None)
            continue
        if kept is not new:
            check_entry(kept)
        words = analysed.get(kept.content)
        if words is None:
            words = analysed[kept.content] = stems(kept.content)
        tags = tuple(dict.fromkeys(tag.strip() for tag in kept.tags))
        metadata = _metadata_json(kept)
        prepared.append(Prepared(kept, address_of(kept), " ".join(words), len(words), tags, metadata))
    return prepared


def identity(one: Prepared) -> bytes | str:
    """What decides whether two entries are the same: the key when there is one, else the address."""
    return one.new.key if one.new.key is not None else one.address


def storing(
    tenant: Tenant, name: str, prepared: Sequence[Prepared], *, now: float, cause: str
) -> Callable[[Transaction], Stored]:
    """The unit that writes ``prepared``; writing the same again changes nothing."""
    unique = {identity(one): one for one in prepared}

    def unit(tx: Transaction) -> Stored:
        scope = make_scope(tx, tenant, name, now)
        stored = _Writing(scope, now, cause).store(unique)
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


class _Writing:
    """One write to one namespace."""

    def __init__(self, scope: Scope, now: float, cause: str) -> None:
        self.scope = scope
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
            self.scope.replace_words(before, one.length)
            self.scope.fts.remove([new.seq])
            self._index([(new.seq, one)])
        return new

    def _add(self, fresh: list[tuple[bytes | str, Prepared]]) -> dict[bytes | str, EntryRow]:
        first = self.scope.take_numbers(len(fresh))
        rows = {what: self._row(first + n, one) for n, (what, one) in enumerate(fresh)}
        self.scope.insert_entries(list(rows.values()), [one.length for _, one in fresh])
        self.scope.put_tags((tag, first + n) for n, (_, one) in enumerate(fresh) for tag in one.tags)
        self._index([(first + n, one) for n, (_, one) in enumerate(fresh)])
        return rows

    def _index(self, entries: list[tuple[int, Prepared]]) -> None:
        self.scope.fts.put((seq, one.terms) for seq, one in entries)
        self.scope.put_features((seq, self.stamp, ANALYSER_VERSION, one.length, b"") for seq, one in entries)

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
