"""The rows of the relational ticket board: what it writes, and the claims, events and counters beside them.

The questions are those of :mod:`fairlead.store.ticket_sql`, which the index of files answers too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from fairlead.errors import ConflictError
from fairlead.events import draft
from fairlead.store.database import Database, Reader, Transaction
from fairlead.store.ticket_index import IndexedThing
from fairlead.store.ticket_sql import COLUMNS
from fairlead.store.ticket_state import Claim, taken

_CLAIM = "id, agent, claimed_at, beat_at, expires_at, tree, token"


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


class TenantState:
    """Claims, events and counters of one tenant's board, as :class:`fairlead.store.ticket_state.TicketState` has them
    for a clone."""

    def __init__(self, database: Database, board: str) -> None:
        self._database = database
        self._board = board

    def close(self) -> None:
        """The database belongs to whoever opened it."""

    # ── claims ───────────────────────────────────────────────────────────────────────────────────────────────

    def claims(self, now: float) -> dict[str, Claim]:
        return self._database.read_sync(lambda reader: self._claims(reader, now))

    def _claims(self, reader: Reader, now: float) -> dict[str, Claim]:
        sql = f"SELECT {_CLAIM} FROM tk_claims WHERE board = ? AND expires_at > ?"
        return {row[0]: Claim(*row) for row in reader.rows(sql, (self._board, now))}

    def claim(self, thing_id: str, agent: str, *, now: float, lease: float, tree: str, token: str) -> Claim:
        def unit(tx: Transaction) -> Claim:
            held = self._claims(tx, now).get(thing_id)
            if held is not None:
                raise taken(held)
            return self._write(tx, Claim(thing_id, agent, now, now, now + lease, tree, token))

        return self._database.write_sync(unit)

    def claim_first(
        self, candidates: Sequence[str], agent: str, *, many: int, now: float, lease: float, tree: str, token: str
    ) -> list[Claim]:
        def unit(tx: Transaction) -> list[Claim]:
            held = self._claims(tx, now)
            free = [c for c in candidates if c not in held][:many]
            return [self._write(tx, Claim(c, agent, now, now, now + lease, tree, token)) for c in free]

        return self._database.write_sync(unit)

    def beat(self, thing_id: str, agent: str, *, now: float, lease: float) -> Claim:
        def unit(tx: Transaction) -> Claim:
            held = self._claims(tx, now).get(thing_id)
            if held is None:
                raise ConflictError(
                    f"{agent} holds no claim on {thing_id}: it was released or its lease ended.",
                    remedy="Claim it again before going on.",
                    id=thing_id,
                    agent=agent,
                )
            if held.agent != agent:
                raise taken(held)
            held.beat_at, held.expires_at = now, now + lease
            return self._write(tx, held)

        return self._database.write_sync(unit)

    def release(self, thing_id: str, agent: str | None, *, now: float) -> Claim | None:
        def unit(tx: Transaction) -> Claim | None:
            held = self._claims(tx, now).get(thing_id)
            if held is not None and agent is not None and held.agent != agent:
                raise taken(held)
            tx.execute("DELETE FROM tk_claims WHERE board = ? AND id = ?", (self._board, thing_id))
            return held

        return self._database.write_sync(unit)

    def _write(self, tx: Transaction, claim: Claim) -> Claim:
        tx.execute(
            "INSERT INTO tk_claims VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (board, id) DO UPDATE SET "
            "agent = excluded.agent, claimed_at = excluded.claimed_at, beat_at = excluded.beat_at, "
            "expires_at = excluded.expires_at, tree = excluded.tree, token = excluded.token",
            (
                self._board,
                claim.id,
                claim.agent,
                claim.claimed_at,
                claim.beat_at,
                claim.expires_at,
                claim.tree,
                claim.token,
            ),
        )
        return claim

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────

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

    def events(
        self,
        *,
        after: int = 0,
        types: Sequence[str] = (),
        subject: str | None = None,
        since: float | None = None,
        limit: int = 100,
        newest: bool = False,
    ) -> list[tuple[Any, ...]]:
        where, values = ["tenant = ?", "idx > ?"], [self._board, after]
        if types:
            where.append(f"type IN ({', '.join('?' * len(types))})")
            values += types
        for clause, value in (("subject = ?", subject), ("time >= ?", since)):
            if value is not None:
                where.append(clause)
                values.append(value)
        sql = (
            "SELECT idx, id, type, subject, data, source, cause, time FROM events "
            f"WHERE {' AND '.join(where)} ORDER BY idx {'DESC' if newest else ''} LIMIT ?"
        )
        return self._database.read_sync(lambda reader: reader.rows(sql, (*values, limit)))

    def event_counts(self) -> dict[str, int]:
        sql = "SELECT type, count(*) FROM events WHERE tenant = ? GROUP BY type ORDER BY 2 DESC, 1"
        return {r[0]: int(r[1]) for r in self._database.read_sync(lambda reader: reader.rows(sql, (self._board,)))}

    def last_event(self) -> int:
        sql = "SELECT coalesce(max(idx), 0) FROM events WHERE tenant = ?"
        return int(self._database.read_sync(lambda reader: reader.rows(sql, (self._board,)))[0][0])

    # ── counters ─────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, counters: Mapping[str, float]) -> None:
        sql = (
            "INSERT INTO tk_counters VALUES (?, ?, ?) "
            "ON CONFLICT (board, name) DO UPDATE SET value = tk_counters.value + excluded.value"
        )
        self._database.write_sync(lambda tx: tx.executemany(sql, [(self._board, *item) for item in counters.items()]))

    def counters(self, prefix: str = "") -> dict[str, float]:
        sql = "SELECT name, value FROM tk_counters WHERE board = ? AND name LIKE ? ORDER BY name"
        return dict(self._database.read_sync(lambda reader: reader.rows(sql, (self._board, prefix + "%"))))

    def clear_counters(self, prefix: str) -> None:
        sql = "DELETE FROM tk_counters WHERE board = ? AND name LIKE ?"
        self._database.write_sync(lambda tx: tx.execute(sql, (self._board, prefix + "%")))


def emit(tx: Transaction, board: str, events: Iterable[tuple[str, str, dict[str, Any], str, str, float]]) -> None:
    """Adds (type, subject, data, source, cause, time) to the history in the transaction of the change they tell of."""
    tx.emit(
        *(
            draft(type_, board, subject, data, source=source, cause=cause, time=time)
            for type_, subject, data, source, cause, time in events
        )
    )
