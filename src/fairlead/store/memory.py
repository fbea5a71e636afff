"""Rows of memory. Everything is reached through a :class:`Scope`, which is one namespace of one tenant.

A scope writes the namespace into every statement itself: callers give the rest of the condition, so a query without
a namespace cannot be written. Full text differs between products and lives in a module named for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from orjson import dumps, loads

from fairlead.store.database import Reader, Transaction
from fairlead.store.memory_sqlite import Fts5
from fairlead.store.memory_statements import Statements, chunks
from fairlead.tenancy import Tenant

T = TypeVar("T")

_ENTRY_COLUMNS = (
    "seq, id, address, key, content, content_type, source, span_start, span_end, tags, metadata, success_score, "
    "usage_count, last_used, created, updated, expires, version, stamp"
)


class EntryRow(NamedTuple):
    """One row of ``memory_entries``; ``tags`` and ``metadata`` are JSON."""

    seq: int
    id: str
    address: bytes
    key: str | None
    content: str
    content_type: str
    source: str
    span_start: int | None
    span_end: int | None
    tags: str
    metadata: str
    success_score: float
    usage_count: int
    last_used: float | None
    created: float
    updated: float
    expires: float | None
    version: int
    stamp: int


class Selection(NamedTuple):
    """A condition on entries: all tags, one of the types, one of the sources, created from ``since`` to ``until``."""

    tags: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None


EVERYTHING = Selection()


class Scope(Statements):
    """One namespace seen through one reading or one write: its entries, and what hangs on them."""

    __slots__ = ("fts",)

    def __init__(self, reader: Reader, number: int) -> None:
        super().__init__(reader, number)
        self.fts = Fts5(reader, number)

    # ── entries ──────────────────────────────────────────────────────────────────────────────────────────────

    def entries(self, column: str, values: Iterable[Any]) -> list[EntryRow]:
        """Entries whose ``column`` (seq, id, address, key) is one of ``values``."""
        return [EntryRow(*r) for r in self.among("memory_entries", _ENTRY_COLUMNS, column, values)]

    def selected(
        self, selection: Selection, now: float, *, limit: int, before: tuple[float, int] | None = None
    ) -> list[EntryRow]:
        """Living entries that match, newest first; ``before`` is (created, seq) of the last one already seen."""
        where, parameters = selected_where(selection, now)
        if before is not None:
            where += " AND (created < ? OR (created = ? AND seq < ?))"
            parameters += [before[0], before[0], before[1]]
        tail = "ORDER BY created DESC, seq DESC LIMIT ?"
        rows = self.rows("memory_entries", _ENTRY_COLUMNS, where, (*parameters, limit), tail)
        return [EntryRow(*r) for r in rows]

    def beyond(self, seq: int, now: float, *, limit: int) -> list[EntryRow]:
        """Living entries remembered after number ``seq``, in that order."""
        where = "seq > ? AND (expires IS NULL OR expires > ?)"
        rows = self.rows("memory_entries", _ENTRY_COLUMNS, where, (seq, now, limit), "ORDER BY seq LIMIT ?", keyed=True)
        return [EntryRow(*r) for r in rows]

    def selected_numbers(self, selection: Selection, now: float) -> list[int]:
        """The numbers of all living entries that match."""
        where, parameters = selected_where(selection, now)
        return [int(r[0]) for r in self.rows("memory_entries", "seq", where, parameters)]

    def matching(self, selection: Selection) -> list[EntryRow]:
        """Every entry that matches, expired ones too: what is to be removed."""
        where, parameters = selected_where(selection, float("-inf"))
        return [EntryRow(*r) for r in self.rows("memory_entries", _ENTRY_COLUMNS, where, parameters)]

    def living(self, numbers: Iterable[int], selection: Selection, now: float) -> list[EntryRow]:
        """Those of ``numbers`` that are there, have not expired, and match."""
        where, parameters = selected_where(selection, now)
        found: list[EntryRow] = []
        for chunk in chunks(numbers):
            marks = ", ".join("?" * len(chunk))
            where_numbers = f"seq IN ({marks}) AND {where}"
            rows = self.rows("memory_entries", _ENTRY_COLUMNS, where_numbers, (*chunk, *parameters), keyed=True)
            found += [EntryRow(*r) for r in rows]
        return found

    def beside(self, numbers: Iterable[int]) -> dict[int, tuple[int | None, int | None]]:
        """The entries before and after each, of the same source, in the order of remembering; none without a source."""
        near = "SELECT {}(b.seq) FROM memory_entries b WHERE b.namespace = {} AND b.source = {} AND b.seq {} {}"
        own = [f"memory_entries.{column}" for column in ("namespace", "source", "seq")]
        before = near.format("max", own[0], own[1], "<", own[2])
        after = near.format("min", own[0], own[1], ">", own[2])
        rows = self.among("memory_entries", f"seq, ({before}), ({after})", "seq", numbers, "source <> ''")
        return {int(seq): (earlier, later) for seq, earlier, later in rows}

    def insert_entries(self, rows: Sequence[EntryRow], lengths: Sequence[int]) -> None:
        """New entries with the number of words of each."""
        self.insert("memory_entries", _ENTRY_COLUMNS, rows)
        self._count(len(rows), sum(lengths))

    def change_entry(self, row: EntryRow) -> None:
        """Writes everything of an entry that may change over what is there."""
        names = [name for name in EntryRow._fields if name not in ("seq", "id", "created")]
        assignments = ", ".join(f"{name} = ?" for name in names)
        values = [getattr(row, name) for name in names]
        self.update("memory_entries", assignments, values, "seq = ?", (row.seq,))

    def put_tags(self, tags: Iterable[tuple[str, int]]) -> None:
        """(tag, entry) pairs."""
        self.insert("memory_tags", "tag, seq", tags, "ON CONFLICT DO NOTHING")

    def put_version(self, row: EntryRow, now: float, cause: str) -> None:
        """Keeps what an entry was before a change."""
        old = (row.seq, row.version, row.content, row.tags, row.metadata, now, cause)
        self.insert("memory_versions", "seq, version, content, tags, metadata, replaced, cause", [old])

    def put_features(self, rows: Iterable[tuple[int, int, int, int, bytes, bytes]]) -> None:
        """(seq, stamp, analyser version, length, words, grams) of entries; replaces what they had."""
        self.insert(
            "memory_features",
            "seq, stamp, version, length, words, grams",
            rows,
            "ON CONFLICT (seq) DO UPDATE SET stamp = excluded.stamp, version = excluded.version, "
            "length = excluded.length, words = excluded.words, grams = excluded.grams",
        )

    def put_vectors(self, rows: Iterable[tuple[int, int, str, float, bytes]]) -> None:
        """(seq, stamp, model, scale, one signed byte a dimension) of entries; replaces what they had."""
        self.insert(
            "memory_vectors",
            "seq, stamp, model, scale, data",
            rows,
            "ON CONFLICT (seq) DO UPDATE SET stamp = excluded.stamp, model = excluded.model, "
            "scale = excluded.scale, data = excluded.data",
        )

    def lengths(self, numbers: Iterable[int]) -> dict[int, int]:
        """The number of words of entries."""
        return {int(seq): int(length) for seq, length in self.among("memory_features", "seq, length", "seq", numbers)}

    def move(self) -> tuple[str, int] | None:
        """(target, share) of the move that the namespace's vectors are on, or None."""
        rows = self.rows("memory_moves", "target, share")
        return (str(rows[0][0]), int(rows[0][1])) if rows else None

    def set_move(self, target: str, share: int, report: str, now: float) -> None:
        """Begins a move or takes it to another share."""
        self.insert(
            "memory_moves",
            "target, share, report, started, updated",
            [(target, share, report, now, now)],
            "ON CONFLICT (namespace) DO UPDATE SET target = excluded.target, share = excluded.share, "
            "report = excluded.report, updated = excluded.updated",
        )

    def erased(self) -> set[bytes]:
        """The addresses of what was erased for good."""
        return {bytes(r[0]) for r in self.rows("memory_tombstones", "address", "reason = 'erased'")}

    def note_outcome(self, seq: int, success: float, now: float, terms: Mapping[str, float], useful: float) -> None:
        """One use of an entry, how it went, and the terms that had brought it up."""
        values = (success, now)
        self.update(
            "memory_entries",
            "success_score = ?, last_used = ?, usage_count = usage_count + 1",
            values,
            "seq = ?",
            (seq,),
        )
        self.insert("memory_feedback", "seq, terms, useful, at", [(seq, dumps(terms).decode(), useful, now)])

    def outcomes(self, most: int = 500) -> list[tuple[dict[str, float], float]]:
        """(terms, useful) of the latest outcomes."""
        rows = self.rows("memory_feedback", "terms, useful", tail="ORDER BY id DESC LIMIT ?", parameters=(most,))
        return [(loads(terms), float(useful)) for terms, useful in rows]

    def set_weights(self, weights: Mapping[str, float]) -> None:
        self.set_facts(weights=dumps(weights).decode())

    def replace_words(self, before: int, after: int) -> None:
        """Keeps the total of words right when an entry's content changes."""
        self._count(0, after - before)

    def remove(self, rows: Sequence[EntryRow], reason: str, cause: str, now: float, stamp: int) -> None:
        """Takes entries out with everything that hangs on them, and leaves a tombstone for each."""
        numbers = [row.seq for row in rows]
        words = sum(self.lengths(numbers).values())
        self.fts.remove(numbers)
        for seq in numbers:
            self.delete("memory_entries", "seq = ?", (seq,))
        self._count(-len(rows), -words)
        tombstones = [(row.seq, row.id, row.address, reason, cause, now, stamp) for row in rows]
        self.insert("memory_tombstones", "seq, id, address, reason, cause, at, stamp", tombstones)

    def _count(self, entries: int, words: int) -> None:
        sql = "UPDATE memory_namespaces SET entries = entries + ?, words = words + ? WHERE id = ?"
        self._transaction.execute(sql, (entries, words, self.number))


def selected_where(selection: Selection, now: float, prefix: str = "") -> tuple[str, list[Any]]:
    """The condition of a selection over ``memory_entries``; expired entries never match."""
    where = [f"({prefix}expires IS NULL OR {prefix}expires > ?)"]
    parameters: list[Any] = [now]
    for column, values in (("content_type", selection.content_types), ("source", selection.sources)):
        if values:
            where.append(f"{prefix}{column} IN ({', '.join('?' * len(values))})")
            parameters += values
    for bound, comparison in ((selection.since, ">="), (selection.until, "<=")):
        if bound is not None:
            where.append(f"{prefix}created {comparison} ?")
            parameters.append(bound)
    for tag in selection.tags:
        where.append(
            f"{prefix}seq IN (SELECT t.seq FROM memory_tags t "
            f"WHERE t.namespace = {prefix or 'memory_entries.'}namespace AND t.tag = ?)"
        )
        parameters.append(tag)
    return " AND ".join(where), parameters


def open_scope(reader: Reader, tenant: Tenant, name: str) -> Scope | None:
    """The scope of a namespace, or None when nothing was ever remembered in it."""
    sql = "SELECT id FROM memory_namespaces WHERE tenant = ? AND workspace = ? AND name = ?"
    row = reader.one(sql, (tenant.tenant_id, tenant.workspace_id, name))
    return None if row is None else Scope(reader, int(row[0]))


def make_scope(tx: Transaction, tenant: Tenant, name: str, now: float) -> Scope:
    """The scope of a namespace, which is made when it is new."""
    tx.execute(
        "INSERT INTO memory_namespaces (tenant, workspace, name, created) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (tenant, workspace, name) DO NOTHING",
        (tenant.tenant_id, tenant.workspace_id, name, now),
    )
    scope = open_scope(tx, tenant, name)
    assert scope is not None
    return scope


def namespace_changes(reader: Reader, tenant: Tenant, name: str) -> int | None:
    """How often a namespace was written to, or None when it does not exist: one look-up in an index."""
    sql = "SELECT changed FROM memory_namespaces WHERE tenant = ? AND workspace = ? AND name = ?"
    row = reader.one(sql, (tenant.tenant_id, tenant.workspace_id, name))
    return None if row is None else int(row[0])


def namespace_names(reader: Reader, tenant: Tenant) -> list[str]:
    """The names of a tenant's namespaces in one workspace."""
    sql = "SELECT name FROM memory_namespaces WHERE tenant = ? AND workspace = ? ORDER BY name"
    return [str(r[0]) for r in reader.rows(sql, (tenant.tenant_id, tenant.workspace_id))]
