"""The rows of the relational ticket board: what it writes, and the claims, events and counters beside them.

The questions are those of :mod:`fairlead.store.ticket_sql`, which the index of files answers too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from fairlead.events import draft
from fairlead.store.database import Database, Reader, Transaction
from fairlead.store.ticket_index import IndexedThing
from fairlead.store.ticket_sql import COLUMNS
from fairlead.store.ticket_state import BoardState, Door

T = TypeVar("T")


def document(reader: Reader, board: str, thing_id: str) -> dict[str, Any] | None:
    """The stored document of a thing, or None."""
    row = reader.one("SELECT document FROM tk_things WHERE board = ? AND id = ?", (board, thing_id))
    return None if row is None else orjson.loads(row[0])


def put(tx: Transaction, board: str, thing: IndexedThing, content: Mapping[str, Any]) -> None:
    """Writes a thing with everything that questions are asked of."""
    thing_id = thing.row[0]
    names = ", ".join(COLUMNS)
    marks = ", ".join("?" * (len(COLUMNS) + 2))
    updates = ", ".join(f"{name} = excluded.{name}" for name in (*COLUMNS[1:], "document"))
    row = tx.one(
        f"INSERT INTO tk_things (board, {names}, document) VALUES ({marks}) "
        f"ON CONFLICT (board, id) DO UPDATE SET {updates} RETURNING n",
        (board, *thing.row, orjson.dumps(content).decode()),
    )
    assert row is not None
    tx.execute("DELETE FROM tk_labels WHERE board = ? AND id = ?", (board, thing_id))
    tx.executemany("INSERT INTO tk_labels VALUES (?, ?, ?)", [(board, thing_id, label) for label in thing.labels])
    tx.execute("DELETE FROM tk_edges WHERE board = ? AND id = ?", (board, thing_id))
    tx.executemany("INSERT INTO tk_edges VALUES (?, ?, ?, ?)", [(board, thing_id, *edge) for edge in thing.edges])
    tx.executemany(
        "INSERT INTO tk_changes VALUES (?, ?, ?, ?, ?) ON CONFLICT (board, id) DO NOTHING",
        [(board, change_id, thing_id, at, text) for change_id, at, text in thing.changes],
    )
    tx.execute("DELETE FROM tk_text WHERE rowid = ?", (row[0],))
    tx.execute("INSERT INTO tk_text (rowid, title, body, notes, words) VALUES (?, ?, ?, ?, ?)", (row[0], *thing.text))


def records(reader: Reader, board: str, thing_id: str) -> list[tuple[str, str, str]]:
    """(id, time, text) of a thing's records."""
    sql = "SELECT id, at, text FROM tk_changes WHERE board = ? AND thing_id = ? ORDER BY at, id"
    return [(r[0], r[1], r[2]) for r in reader.rows(sql, (board, thing_id))]


class TenantState(BoardState):
    """Claims, events and counters of one tenant's board."""

    def __init__(self, database: Database, board: str) -> None:
        super().__init__(board)
        self._database = database
        self._board = board

    def close(self) -> None:
        """The database belongs to whoever opened it."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._database.read_sync(lambda reader: reader.rows(sql, parameters))

    def _alone(self, unit: Callable[[Door], T]) -> T:
        return self._database.write_sync(unit)

    def epoch(self) -> str:
        """The database's events are never numbered anew."""
        return "db"

    def add_events(self, events: Iterable[tuple[str, str, str, str, str, str, float]]) -> list[int]:
        """Adds (id, type, subject, data, source, cause, time); who subscribed to the database's bus hears of them."""
        rows = list(events)

        def unit(tx: Transaction) -> None:
            emit(tx, self._board, ((r[1], r[2], orjson.loads(r[3]), r[4], r[5], r[6]) for r in rows))

        self._database.write_sync(unit)
        return []


def emit(tx: Transaction, board: str, events: Iterable[tuple[str, str, dict[str, Any], str, str, float]]) -> None:
    """Adds (type, subject, data, source, cause, time) to the history in the transaction of the change they tell of."""
    tx.emit(
        *(
            draft(type_, board, subject, data, source=source, cause=cause, time=time)
            for type_, subject, data, source, cause, time in events
        )
    )
