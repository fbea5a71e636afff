"""The relational board: the same service for a server without a checkout, over the store's database.

A thing is kept as its whole state with the columns that questions are asked of; its history as the same records that
a board of files has. Every row carries the tenant's workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fairlead.store import tickets as table
from fairlead.store.database import Database, Transaction
from fairlead.tenancy import Tenant
from fairlead.tickets.changing import entry_file, render
from fairlead.tickets.outcomes import Change
from fairlead.tickets.reading import Reading, change_of, indexed, settle
from fairlead.tickets.session import Session
from fairlead.tickets.state import State, document_of, state_from
from fairlead.tickets.stream import seconds
from fairlead.tickets.telling import events_of

if TYPE_CHECKING:
    from fairlead.store.ticket_state import Claim
    from fairlead.tickets.reading import Record

T = TypeVar("T")


class RelationalBoard:
    """One tenant's board in a database. May be used from several threads."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self._database = database
        self.board = str(tenant)
        self.shared = table.TenantState(database, self.board)
        self.alone = False

    def close(self) -> None:
        """The database belongs to whoever opened it."""

    def claims(self, now: float) -> dict[str, Claim]:
        """The claims that hold."""
        return self.shared.claims(now)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._database.read_sync(lambda reader: reader.rows(statement, parameters))

    def refresh(self, *, force: bool = False) -> int:
        """Nothing to follow: the database is the truth."""
        return 0

    def state(self, thing_id: str) -> State | None:
        found = self._database.read_sync(lambda reader: table.document(reader, self.board, thing_id))
        return None if found is None else state_from(thing_id, found)

    def states(self, ids: Iterable[str]) -> Iterator[State]:
        for thing_id in ids:
            state = self.state(thing_id)
            if state is not None:
                yield state

    def problems(self) -> list[tuple[str, str]]:
        """What is written through the service has no faults."""
        return []

    def settled(self, ids: Sequence[str]) -> bool:
        return True

    def generation(self) -> int:
        """Changes with every change of the board."""
        row = self.rows("SELECT coalesce(max(idx), 0) FROM events WHERE tenant = ?", (self.board,))
        return int(row[0][0])

    def sign(self, thing_id: str) -> str:
        found = self.rows("SELECT revision FROM tk_things WHERE board = ? AND id = ?", (self.board, thing_id))
        return str(found[0][0]) if found else ""

    def transact(self, unit: Callable[[RelationalSession], T]) -> T:
        """Runs a unit in one write transaction; it may run twice (see :mod:`fairlead.store.database`)."""

        def work(tx: Transaction) -> T:
            session = RelationalSession(tx, self.board)
            result = unit(session)
            session.write()
            return result

        return self._database.write_sync(work)


class RelationalSession(Session):
    """States as a transaction has them; what is put is written at its end."""

    def __init__(self, tx: Transaction, board: str) -> None:
        super().__init__(tx.rows, board)
        self._tx = tx

    def _taken(self, thing_id: str) -> bool:
        return bool(self.rows("SELECT 1 FROM tk_things WHERE board = ? AND id = ?", (self._board, thing_id)))

    def _read(self, thing_id: str) -> Reading | None:
        found = table.document(self._tx, self._board, thing_id)
        if found is None:
            return None
        return self._made(state_from(thing_id, found), table.records(self._tx, self._board, thing_id))

    def _made(self, state: State, history: list[Record]) -> Reading:
        """A reading whose revision comes out as that of the same state in files."""
        files = {}
        for entry in state.entries:
            [(path, data)] = entry_file(state.id, entry).items()
            files[entry.id] = (path.partition("/")[2], data)
        reading = Reading(state, history, render(state), files, (0, 0, 0, 0))
        settle(reading)
        return reading

    def _changed(self, reading: Reading, new: State, change: Change | None, history: list[Record]) -> Reading:
        return self._made(new, history)

    def write(self) -> None:
        """Writes what was put, and its events in the same transaction."""
        for thing_id, reading in self.readings.items():
            table.put(self._tx, self._board, indexed(reading), document_of(reading.state))
            for record in self.new_records[thing_id]:
                change = change_of(record, thing_id)
                told = events_of(reading.state.kind, change)
                at = seconds(record[1])
                table.emit(
                    self._tx, self._board, ((type_, thing_id, data, "service", change.by, at) for type_, data in told)
                )
