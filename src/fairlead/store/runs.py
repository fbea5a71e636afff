"""Runs, journal, mailbox and history over a :class:`~fairlead.store.database.Database`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fairlead.events import Draft, Event, EventBus
from fairlead.store.database import Database, Reader, Transaction, event_from_row
from fairlead.store.port import CommandRow, JournalRow, RunRow, check_columns

_RUN = ", ".join(RunRow._fields)
_JOURNAL = ", ".join(JournalRow._fields)
_COMMAND = ", ".join(CommandRow._fields)
_EVENT = "idx, id, type, tenant, subject, data, source, cause, time, version"

_INSERT_RUN = f"INSERT INTO runs ({_RUN}) VALUES ({', '.join('?' * len(RunRow._fields))})"
_INSERT_COMMAND = f"INSERT INTO commands ({_COMMAND}) VALUES ({', '.join('?' * len(CommandRow._fields))})"
# A step that began (an effect's ledger row) or failed before is overwritten by how it ended; its start is kept.
_RECORD = f"""
INSERT INTO journal ({_JOURNAL}) VALUES ({", ".join("?" * len(JournalRow._fields))})
ON CONFLICT (run_id, key) DO UPDATE SET
    status = excluded.status, attempts = excluded.attempts, input_hash = excluded.input_hash,
    value = excluded.value, error = excluded.error, category = excluded.category,
    metadata = excluded.metadata, finished = excluded.finished, version = excluded.version
"""
_CLAIM = f"""
UPDATE runs SET owner = ?, attempt = attempt + 1
WHERE id = ? AND finished IS NULL AND (owner IS NULL OR owner = ?)
RETURNING {_RUN}
"""


class SqlRunStore:
    """The durable run store."""

    durable = True

    def __init__(self, database: Database) -> None:
        self.database = database

    @property
    def bus(self) -> EventBus:
        return self.database.bus

    async def create(self, run: RunRow, *drafts: Draft, journal: Sequence[JournalRow] = ()) -> tuple[RunRow, bool]:
        def unit(tx: Transaction) -> tuple[RunRow, bool]:
            if run.idempotency_key is not None:
                earlier = tx.one(
                    f"SELECT {_RUN} FROM runs WHERE tenant = ? AND idempotency_key = ?",
                    (run.tenant, run.idempotency_key),
                )
                if earlier is not None:
                    return RunRow._make(earlier), False
            tx.execute(_INSERT_RUN, run)
            tx.executemany(_RECORD, journal)
            tx.emit(*drafts)
            return run, True

        return await self.database.write(unit)

    async def get(self, run_id: str, tenant: str | None = None) -> RunRow | None:
        return await self.database.read(lambda r: _get(r, run_id, tenant))

    def get_sync(self, run_id: str, tenant: str | None = None) -> RunRow | None:
        return self.database.read_sync(lambda r: _get(r, run_id, tenant))

    async def find(self, **criteria: Any) -> list[RunRow]:
        return await self.database.read(lambda r: _find(r, **criteria))

    def find_sync(self, **criteria: Any) -> list[RunRow]:
        return self.database.read_sync(lambda r: _find(r, **criteria))

    async def transition(
        self, run_id: str, expect: Sequence[str], to: str, *drafts: Draft, owner: str | None, **columns: Any
    ) -> bool:
        check_columns(columns)
        assignments = "".join(f", {name} = ?" for name in columns)
        marks = ", ".join("?" * len(expect))
        sql = f"UPDATE runs SET state = ?{assignments} WHERE id = ? AND state IN ({marks})"
        parameters = [to, *columns.values(), run_id, *expect]
        if owner is not None:
            sql += " AND owner = ?"
            parameters.append(owner)

        def unit(tx: Transaction) -> bool:
            if tx.execute(sql, parameters) != 1:
                return False
            tx.emit(*drafts)
            return True

        return await self.database.write(unit)

    async def update(self, run_id: str, *drafts: Draft, **columns: Any) -> None:
        def unit(tx: Transaction) -> None:
            _set_columns(tx, run_id, columns)
            tx.emit(*drafts)

        await self.database.write(unit)

    async def claim(self, run_id: str, *drafts: Draft, owner: str, dead: str | None) -> RunRow | None:
        def unit(tx: Transaction) -> RunRow | None:
            row = tx.one(_CLAIM, (owner, run_id, dead))
            if row is None:
                return None
            tx.emit(*drafts)
            return RunRow._make(row)

        return await self.database.write(unit)

    def record(self, row: JournalRow, *drafts: Draft) -> Awaitable[None]:
        def unit(tx: Transaction) -> None:
            tx.execute(_RECORD, tuple(row))
            tx.drafts += drafts

        return self.database.submit(unit)

    def note(self, *drafts: Draft) -> None:
        self.database.later(lambda tx: tx.emit(*drafts))

    async def append(self, *drafts: Draft) -> None:
        await self.database.write(lambda tx: tx.emit(*drafts))

    async def erase(self, run_id: str, keys: Sequence[str], *drafts: Draft) -> None:
        def unit(tx: Transaction) -> None:
            tx.executemany("DELETE FROM journal WHERE run_id = ? AND key = ?", [(run_id, key) for key in keys])
            tx.emit(*drafts)

        await self.database.write(unit)

    async def journal(self, run_id: str) -> list[JournalRow]:
        return await self.database.read(lambda r: _journal(r, run_id))

    def journal_sync(self, run_id: str) -> list[JournalRow]:
        return self.database.read_sync(lambda r: _journal(r, run_id))

    async def events(self, **criteria: Any) -> list[Event]:
        return await self.database.read(lambda r: _events(r, **criteria))

    def events_sync(self, **criteria: Any) -> list[Event]:
        return self.database.read_sync(lambda r: _events(r, **criteria))

    async def post(self, command: CommandRow, *drafts: Draft, **columns: Any) -> None:
        def unit(tx: Transaction) -> None:
            tx.execute(_INSERT_COMMAND, command)
            if columns:
                _set_columns(tx, command.run_id, columns)
            tx.emit(*drafts)

        await self.database.write(unit)

    async def waiting_commands(self, run_ids: Sequence[str]) -> list[CommandRow]:
        wanted = frozenset(run_ids)

        def reading(r: Reader) -> list[CommandRow]:
            rows = r.rows(f"SELECT {_COMMAND} FROM commands WHERE answered IS NULL ORDER BY created, id")
            return [row for row in map(CommandRow._make, rows) if row.run_id in wanted]

        return await self.database.read(reading)

    async def answer(self, command_id: str, *, accepted: bool, answer: str, time: float) -> None:
        sql = "UPDATE commands SET answered = ?, accepted = ?, answer = ? WHERE id = ? AND answered IS NULL"
        await self.database.write(lambda tx: tx.execute(sql, (time, int(accepted), answer, command_id)))

    async def command(self, command_id: str) -> CommandRow | None:
        def reading(r: Reader) -> CommandRow | None:
            row = r.one(f"SELECT {_COMMAND} FROM commands WHERE id = ?", (command_id,))
            return None if row is None else CommandRow._make(row)

        return await self.database.read(reading)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self.database.watch(callback)

    def close(self) -> None:
        self.database.close()


def _get(reader: Reader, run_id: str, tenant: str | None) -> RunRow | None:
    sql, parameters = f"SELECT {_RUN} FROM runs WHERE id = ?", [run_id]
    if tenant is not None:
        sql += " AND tenant = ?"
        parameters.append(tenant)
    row = reader.one(sql, parameters)
    return None if row is None else RunRow._make(row)


def _find(
    reader: Reader,
    *,
    tenant: str | None,
    states: Sequence[str] = (),
    parent_id: str | None = None,
    name: str | None = None,
    prefix: str | None = None,
    limit: int = 50,
    before: float | None = None,
    beyond: tuple[float, str] | None = None,
) -> list[RunRow]:
    clauses: list[str] = []
    parameters: list[Any] = []

    def add(clause: str, *values: Any) -> None:
        clauses.append(clause)
        parameters.extend(values)

    if tenant is not None:
        add("tenant = ?", tenant)
    if states:
        add(f"state IN ({', '.join('?' * len(states))})", *states)
    if parent_id is not None:
        add("parent_id = ?", parent_id)
    if name is not None:
        add("name = ?", name)
    if prefix is not None:
        # Identifiers hold only letters, digits and one underscore, so the end of the range is exact.
        add("id >= ? AND id < ?", prefix, prefix + "\x7f")
    if before is not None:
        add("created < ?", before)
    if beyond is not None:
        # Where a page ended: its last run's time and id, because several runs may share a time.
        add("(created < ? OR (created = ? AND id < ?))", beyond[0], *beyond)
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    sql = f"SELECT {_RUN} FROM runs {where} ORDER BY created DESC, id DESC LIMIT ?"
    return [RunRow._make(row) for row in reader.rows(sql, (*parameters, limit))]


def _journal(reader: Reader, run_id: str) -> list[JournalRow]:
    sql = f"SELECT {_JOURNAL} FROM journal WHERE run_id = ? ORDER BY started, key"
    return [JournalRow._make(row) for row in reader.rows(sql, (run_id,))]


def _events(
    reader: Reader,
    *,
    after: int = 0,
    tenant: str | None = None,
    subject: str | None = None,
    types: Sequence[str] = (),
    limit: int = 1000,
    newest: bool = False,
) -> list[Event]:
    clauses, parameters = ["idx > ?"], [after]
    for column, value in (("tenant", tenant), ("subject", subject)):
        if value is not None:
            clauses.append(f"{column} = ?")
            parameters.append(value)  # type: ignore[arg-type]
    if types:
        clauses.append(f"type IN ({', '.join('?' * len(types))})")
        parameters.extend(types)  # type: ignore[arg-type]
    order = "DESC" if newest else "ASC"
    sql = f"SELECT {_EVENT} FROM events WHERE {' AND '.join(clauses)} ORDER BY idx {order} LIMIT ?"
    rows = reader.rows(sql, (*parameters, limit))
    return [event_from_row(row) for row in (reversed(rows) if newest else rows)]


def _set_columns(tx: Transaction, run_id: str, columns: dict[str, Any]) -> None:
    check_columns(columns)
    if columns:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        tx.execute(f"UPDATE runs SET {assignments} WHERE id = ?", (*columns.values(), run_id))
