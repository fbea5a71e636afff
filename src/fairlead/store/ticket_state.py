"""What the processes and working trees of one clone share beside the ticket files: claims, events, counters.

A claim says who holds a ticket *now*, on this clone: compare-and-set in one transaction, with a lease that ends by
itself and a heartbeat that extends it. Events are the board's history in the order in which this clone learned of it;
each has an identifier made from the change it tells of, so learning of a change twice makes one event. Losing this
file loses claims and the numbering of events; what happened is in the ticket files and is told again.
"""

from __future__ import annotations

import os

from fairlead.errors import ConflictError, NotFoundError, StoreFullError
from fairlead.store.ticket_index import Writing, locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Protocol, TypeVar

    T = TypeVar("T")
else:
    Protocol = object
    # The module `sqlite3` adds only conversions of dates, at the price of importing `datetime`.
    import _sqlite3 as sqlite3

_SCHEMA = 1
_LAST = "\U0010ffff"
"""Sorts behind whatever a name may go on with."""

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE claims (
        id TEXT PRIMARY KEY, agent TEXT NOT NULL, claimed_at REAL NOT NULL, beat_at REAL NOT NULL,
        expires_at REAL NOT NULL, tree TEXT NOT NULL, token TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, subject TEXT NOT NULL,
        data TEXT NOT NULL, source TEXT NOT NULL, cause TEXT NOT NULL, time REAL NOT NULL)""",
    "CREATE INDEX events_by_type ON events (type, seq)",
    "CREATE INDEX events_by_subject ON events (subject, seq)",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID",
)


class Claim:
    """Who holds a thing, and until when (seconds since the epoch). ``token`` proves a holder to itself."""

    # The columns of a claim, in the order of the table and of the arguments.
    __slots__ = ("id", "agent", "claimed_at", "beat_at", "expires_at", "tree", "token")  # noqa: RUF023

    def __init__(
        self,
        id: str,  # noqa: A002 - its name everywhere
        agent: str,
        claimed_at: float,
        beat_at: float,
        expires_at: float,
        tree: str,
        token: str,
    ) -> None:
        self.id = id
        self.agent = agent
        self.claimed_at = claimed_at
        self.beat_at = beat_at
        self.expires_at = expires_at
        self.tree = tree
        self.token = token

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Door(Protocol):
    """What reads and writes: a connection, or a transaction."""

    def rows(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]: ...

    def execute(self, sql: str, parameters: Sequence[Any]) -> Any: ...


class BoardState:
    """Claims, events and counters of one board; of a tenant's ``board``, or of a clone's file, which has but one.

    A subclass says how rows are read and how a unit is carried out alone, in one short transaction.
    """

    def __init__(self, board: str | None) -> None:
        self._key = () if board is None else (board,)
        self._claims, self._counters, self._number = (
            ("claims", "counters", "seq") if board is None else ("tk_claims", "tk_counters", "idx")
        )
        self._mine = "" if board is None else "board = ? AND "

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def _alone(self, unit: Callable[[Door], T]) -> T:
        raise NotImplementedError

    # ── claims ───────────────────────────────────────────────────────────────────────────────────────────────

    def claims(self, now: float) -> dict[str, Claim]:
        """The claims that hold at ``now``, by thing."""
        return self._held(self.rows, now)

    def _held(self, rows: Any, now: float, thing_id: str | None = None) -> dict[str, Claim]:
        sql = f"SELECT {', '.join(Claim.__slots__)} FROM {self._claims} WHERE {self._mine}expires_at > ?"
        values = [*self._key, now]
        if thing_id is not None:
            sql += " AND id = ?"
            values.append(thing_id)
        return {row[0]: Claim(*row) for row in rows(sql, values)}

    def claim(self, thing_id: str, agent: str, *, now: float, lease: float, tree: str, token: str) -> Claim:
        """Takes the claim when nobody holds it; :class:`ConflictError` names who does."""

        def unit(door: Door) -> Claim:
            for held in self._held(door.rows, now, thing_id).values():
                raise taken(held)
            return self._write(door, Claim(thing_id, agent, now, now, now + lease, tree, token))

        return self._alone(unit)

    def claim_first(
        self, candidates: Sequence[str], agent: str, *, many: int, now: float, lease: float, tree: str, token: str
    ) -> list[Claim]:
        """Takes the first ``many`` of the candidates that nobody holds, in one transaction."""

        def unit(door: Door) -> list[Claim]:
            held = self._held(door.rows, now)
            free = [c for c in candidates if c not in held][:many]
            return [self._write(door, Claim(c, agent, now, now, now + lease, tree, token)) for c in free]

        return self._alone(unit)

    def beat(self, thing_id: str, agent: str, *, now: float, lease: float) -> Claim:
        """Extends a claim that ``agent`` holds; :class:`ConflictError` when it is no longer theirs."""

        def unit(door: Door) -> Claim:
            held = self._held(door.rows, now, thing_id).get(thing_id)
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
            return self._write(door, held)

        return self._alone(unit)

    def release(self, thing_id: str, agent: str | None, *, now: float) -> Claim | None:
        """Ends a claim; ``agent`` None ends anybody's. None when there was none."""

        def unit(door: Door) -> Claim | None:
            held = self._held(door.rows, now, thing_id).get(thing_id)
            if held is not None and agent is not None and held.agent != agent:
                raise taken(held, f"Say --agent {held.agent} if that is you; --force frees it whoever holds it.")
            door.execute(f"DELETE FROM {self._claims} WHERE {self._mine}id = ?", (*self._key, thing_id))
            return held

        return self._alone(unit)

    def _write(self, door: Door, claim: Claim) -> Claim:
        names = Claim.__slots__
        marks = ", ".join("?" * (len(self._key) + len(names)))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        sql = f"INSERT INTO {self._claims} VALUES ({marks}) ON CONFLICT ({'board, ' if self._key else ''}id) DO UPDATE "
        door.execute(f"{sql} SET {changes}", (*self._key, *(getattr(claim, name) for name in names)))
        return claim

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────

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
        """(number, id, type, subject, data, source, cause, time) in order, or the newest ones first."""
        where, values = self._of_board(f"{self._number} > ?", after)
        if types:
            where += f" AND type IN ({', '.join('?' * len(types))})"
            values += types
        for clause, value in (("subject = ?", subject), ("time >= ?", since)):
            if value is not None:
                where += f" AND {clause}"
                values.append(value)
        sql = f"SELECT {self._number}, id, type, subject, data, source, cause, time FROM events WHERE {where}"
        order = f"ORDER BY {self._number} {'DESC' if newest else ''} LIMIT ?"
        return self.rows(f"{sql} {order}", [*values, limit])

    def _of_board(self, clause: str, value: Any) -> tuple[str, list[Any]]:
        return (f"tenant = ? AND {clause}" if self._key else clause), [*self._key, value]

    def event_counts(self) -> dict[str, int]:
        where, values = self._of_board(f"{self._number} > ?", 0)
        return dict(
            self.rows(f"SELECT type, count(*) FROM events WHERE {where} GROUP BY type ORDER BY 2 DESC, 1", values)
        )

    def last_event(self) -> int:
        where, values = self._of_board(f"{self._number} > ?", 0)
        return int(self.rows(f"SELECT coalesce(max({self._number}), 0) FROM events WHERE {where}", values)[0][0])

    # ── counters ─────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, counters: Mapping[str, float]) -> None:
        """Adds to counters that outlive the process."""
        marks = ", ".join("?" * (len(self._key) + 2))
        sql = (
            f"INSERT INTO {self._counters} VALUES ({marks}) ON CONFLICT ({'board, ' if self._key else ''}name) "
            f"DO UPDATE SET value = {self._counters}.value + excluded.value"
        )

        def unit(door: Door) -> None:
            for item in counters.items():
                door.execute(sql, (*self._key, *item))

        self._alone(unit)

    def counters(self, prefix: str = "") -> dict[str, float]:
        sql = f"SELECT name, value FROM {self._counters} WHERE {self._mine}name >= ? AND name < ? ORDER BY name"
        return dict(self.rows(sql, (*self._key, prefix, prefix + _LAST)))

    def clear_counters(self, prefix: str) -> None:
        sql = f"DELETE FROM {self._counters} WHERE {self._mine}name >= ? AND name < ?"
        self._alone(lambda door: door.execute(sql, (*self._key, prefix, prefix + _LAST)))


class TicketState(BoardState):
    """The clone's open file. Every method is one short transaction and safe across processes."""

    def __init__(self, path: str) -> None:
        super().__init__(None)
        self.path = path
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=20)
            self.execute = self._connection.execute
            if self._version() != _SCHEMA:
                self._create()
            # A killed process loses nothing in WAL mode; NORMAL leaves only a power cut to the last moment's events.
            self.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.Error, OSError) as exc:
            raise self._explained(exc) from exc

    def _version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0][0])

    def _create(self) -> None:
        self.execute("PRAGMA journal_mode=WAL")
        with self.transaction():
            if self._version() == 0:
                for statement in _TABLES:
                    self.execute(statement)
                self.execute("INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(4))))")
                self.execute(f"PRAGMA user_version={_SCHEMA}")

    def close(self) -> None:
        self._connection.close()

    def transaction(self) -> Writing:
        """A write transaction; database faults leave as errors of our tree."""
        return Writing(self._connection, self._explained)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.execute(sql, parameters).fetchall()

    def _alone(self, unit: Callable[[Door], T]) -> T:
        with self.transaction():
            return unit(self)

    def epoch(self) -> str:
        """Changes when the file was lost and numbering began anew."""
        return str(self.rows("SELECT value FROM meta WHERE key = 'epoch'")[0][0])

    def add_events(self, events: Iterable[tuple[str, str, str, str, str, str, float]]) -> list[int]:
        """Adds (id, type, subject, data, source, cause, time) where the id is new; the numbers of those added."""
        sql = "INSERT OR IGNORE INTO events (id, type, subject, data, source, cause, time) VALUES (?, ?, ?, ?, ?, ?, ?)"
        with self.transaction():
            last = self.last_event()
            self._connection.executemany(sql, events)
            return [int(row[0]) for row in self.rows("SELECT seq FROM events WHERE seq > ? ORDER BY seq", (last,))]

    def told(self) -> set[str]:
        """The identifiers of all events."""
        return {row[0] for row in self.rows("SELECT id FROM events")}

    def _explained(self, exc: Exception) -> Exception:
        path = self.path
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return NotFoundError(
                f"{path} is damaged: {exc}.",
                remedy="Move it aside: claims are lost, and events are told again from the ticket files.",
                path=path,
            )
        return locked(exc, path) or StoreFullError(
            f"{path} cannot be written: {exc}.", remedy="Check free space and permissions.", path=path
        )


def taken(held: Claim, remedy: str = "") -> ConflictError:
    """The error of whoever wants what another one holds."""
    return ConflictError(
        f"{held.id} is claimed by {held.agent}.",
        remedy=remedy or "Take other work (`fairlead ticket ready`), or wait until the lease ends.",
        id=held.id,
        agent=held.agent,
        expires_at=held.expires_at,
    )
