"""Statements on the tables of memory, each of which carries its namespace because nothing else can be written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from fairlead.errors import InternalError, NotFoundError
from fairlead.store.database import Reader, Row, Transaction

_CHUNK = 400
"""Values in one IN list: SQLite may be built with room for 999 parameters only."""

_TABLES = frozenset(
    {
        "memory_entries",
        "memory_tags",
        "memory_versions",
        "memory_features",
        "memory_vectors",
        "memory_entities",
        "memory_mentions",
        "memory_relations",
        "memory_feedback",
        "memory_tombstones",
        "memory_moves",
    }
)


class NamespaceRow(NamedTuple):
    """A namespace's own facts; ``changed`` increases with every write to it."""

    number: int
    name: str
    changed: int
    entries: int
    words: int
    model: str | None
    dimensions: int | None
    weights: str | None


class Statements:
    """What can be said about one namespace in SQL: callers give the rest of a condition, never the whole."""

    __slots__ = ("_reader", "number")

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader = reader
        self.number = number

    # ── the statements that every other method is made of ───────────────────────────────────────────────────

    def rows(
        self,
        table: str,
        columns: str,
        where: str = "1 = 1",
        parameters: Sequence[Any] = (),
        tail: str = "",
        *,
        keyed: bool = False,
    ) -> list[Row]:
        """Rows of this namespace. ``keyed`` says that ``where`` names rows by their numbers."""
        # The plus keeps the planner from going through the whole namespace when the rows' numbers are given.
        own = "+namespace" if keyed else "namespace"
        sql = f"SELECT {columns} FROM {_checked(table)} WHERE {own} = ? AND ({where}) {tail}"
        return self._reader.rows(sql, (self.number, *parameters))

    def among(
        self, table: str, columns: str, column: str, values: Iterable[Any], where: str = "1 = 1"
    ) -> Iterator[Row]:
        """Rows whose ``column`` is one of ``values``, in no particular order."""
        for chunk in chunks(values):
            marks = ", ".join("?" * len(chunk))
            keyed = column in ("seq", "id")
            yield from self.rows(table, columns, f"{column} IN ({marks}) AND ({where})", chunk, keyed=keyed)

    def insert(self, table: str, columns: str, rows: Iterable[Sequence[Any]], conflict: str = "") -> None:
        """``columns`` without the namespace, which is put in front of each row."""
        marks = ", ".join("?" * (columns.count(",") + 2))
        sql = f"INSERT INTO {_checked(table)} (namespace, {columns}) VALUES ({marks}) {conflict}"
        self._transaction.executemany(sql, ((self.number, *row) for row in rows))

    def update(self, table: str, assignments: str, values: Sequence[Any], where: str, parameters: Sequence[Any]) -> int:
        sql = f"UPDATE {_checked(table)} SET {assignments} WHERE namespace = ? AND ({where})"
        return self._transaction.execute(sql, (*values, self.number, *parameters))

    def delete(self, table: str, where: str, parameters: Sequence[Any] = ()) -> int:
        sql = f"DELETE FROM {_checked(table)} WHERE namespace = ? AND ({where})"
        return self._transaction.execute(sql, (self.number, *parameters))

    @property
    def _transaction(self) -> Transaction:
        if not isinstance(self._reader, Transaction):
            raise InternalError("a reading of memory tried to write.")
        return self._reader

    # ── the namespace itself ─────────────────────────────────────────────────────────────────────────────────

    def facts(self) -> NamespaceRow:
        row = self._reader.one(
            "SELECT id, name, changed, entries, words, model, dimensions, weights FROM memory_namespaces WHERE id = ?",
            (self.number,),
        )
        if row is None:
            raise NotFoundError(f"namespace {self.number} is gone.")
        return NamespaceRow(*row)

    def changed(self) -> int:
        row = self._reader.one("SELECT changed FROM memory_namespaces WHERE id = ?", (self.number,))
        return int(row[0]) if row else 0

    def next_stamp(self) -> int:
        """Counts one change of the namespace and returns the count."""
        row = self._transaction.one(
            "UPDATE memory_namespaces SET changed = changed + 1 WHERE id = ? RETURNING changed", (self.number,)
        )
        assert row is not None
        return int(row[0])

    def set_facts(self, **values: Any) -> None:
        assignments = ", ".join(f"{column} = ?" for column in values)
        sql = f"UPDATE memory_namespaces SET {assignments} WHERE id = ?"
        self._transaction.execute(sql, (*values.values(), self.number))

    def take_numbers(self, count: int) -> int:
        """The first of ``count`` fresh entry numbers."""
        row = self._transaction.one(
            "UPDATE memory_numbers SET next = next + ? WHERE name = 'entry' RETURNING next", (count,)
        )
        assert row is not None
        return int(row[0]) - count

    def count(self, table: str, where: str = "1 = 1", parameters: Sequence[Any] = ()) -> int:
        return int(self.rows(table, "count(*)", where, parameters)[0][0])


def _checked(table: str) -> str:
    if table not in _TABLES:
        raise InternalError(f"{table!r} is not a table of memory.")
    return table


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    every = list(values)
    for at in range(0, len(every), _CHUNK):
        yield every[at : at + _CHUNK]
