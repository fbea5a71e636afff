"""What the processes and working trees of one clone share beside the ticket files: claims, events, counters.

A claim says who holds a ticket *now*, on this clone: compare-and-set in one transaction, with a lease that ends by
itself and a heartbeat that extends it. Events are the board's history in the order in which this clone learned of it;
each has an identifier made from the change it tells of, so learning of a change twice makes one event. Losing this
file loses claims and the numbering of events; what happened is in the ticket files and is told again.
"""

from __future__ import annotations

import os

from fairlead.errors import ConflictError, NotFoundError, StoreFullError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any
else:
    # The module `sqlite3` adds only conversions of dates, at the price of importing `datetime`.
    import _sqlite3 as sqlite3

_SCHEMA = 1

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

    __slots__ = ("agent", "beat_at", "claimed_at", "expires_at", "id", "token", "tree")

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
        return {
            name: getattr(self, name)
            for name in ("id", "agent", "claimed_at", "beat_at", "expires_at", "tree", "token")
        }


class _Transaction:
    """The block of :meth:`TicketState.transaction`."""

    __slots__ = ("_connection", "_path")

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as exc:
            raise _explained(exc, self._path) from exc

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        try:
            if fault is None:
                self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            fault = exc
        if fault is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(fault, sqlite3.Error):
            raise _explained(fault, self._path) from fault


class TicketState:
    """The open file. Every method is one short transaction and safe across processes."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=20)
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version != _SCHEMA:
                self._create()
            # A killed process loses nothing in WAL mode; NORMAL leaves only a power cut to the last moment's events.
            self._connection.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.Error, OSError) as exc:
            raise _explained(exc, path) from exc

    def _create(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode=WAL")
        with self.transaction():
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(4))))")
                connection.execute(f"PRAGMA user_version={_SCHEMA}")

    def close(self) -> None:
        self._connection.close()

    def transaction(self) -> _Transaction:
        """A write transaction; database faults leave as errors of our tree."""
        return _Transaction(self._connection, self.path)

    # ── claims ───────────────────────────────────────────────────────────────────────────────────────────────

    def claims(self, now: float) -> dict[str, Claim]:
        """The claims that hold at ``now``, by thing."""
        sql = "SELECT id, agent, claimed_at, beat_at, expires_at, tree, token FROM claims WHERE expires_at > ?"
        return {row[0]: Claim(*row) for row in self._connection.execute(sql, (now,))}

    def claim(self, thing_id: str, agent: str, *, now: float, lease: float, tree: str, token: str) -> Claim:
        """Takes the claim when nobody holds it; :class:`ConflictError` names who does."""
        with self.transaction():
            held = self._held(thing_id, now)
            if held is not None:
                raise taken(held)
            claim = Claim(thing_id, agent, now, now, now + lease, tree, token)
            self._write(claim)
        return claim

    def claim_first(
        self, candidates: Sequence[str], agent: str, *, many: int, now: float, lease: float, tree: str, token: str
    ) -> list[Claim]:
        """Takes the first ``many`` of the candidates that nobody holds, in one transaction."""
        with self.transaction():
            held = self.claims(now)
            taken = [Claim(c, agent, now, now, now + lease, tree, token) for c in candidates if c not in held][:many]
            for claim in taken:
                self._write(claim)
        return taken

    def beat(self, thing_id: str, agent: str, *, now: float, lease: float) -> Claim:
        """Extends a claim that ``agent`` holds; :class:`ConflictError` when it is no longer theirs."""
        with self.transaction():
            held = self._held(thing_id, now)
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
            self._write(held)
        return held

    def release(self, thing_id: str, agent: str | None, *, now: float) -> Claim | None:
        """Ends a claim; ``agent`` None ends anybody's. None when there was none."""
        with self.transaction():
            held = self._held(thing_id, now)
            if held is not None and agent is not None and held.agent != agent:
                raise taken(held)
            self._connection.execute("DELETE FROM claims WHERE id = ?", (thing_id,))
        return held

    def _held(self, thing_id: str, now: float) -> Claim | None:
        sql = (
            "SELECT id, agent, claimed_at, beat_at, expires_at, tree, token FROM claims WHERE id = ? AND expires_at > ?"
        )
        row = self._connection.execute(sql, (thing_id, now)).fetchone()
        return None if row is None else Claim(*row)

    def _write(self, claim: Claim) -> None:
        values = (claim.id, claim.agent, claim.claimed_at, claim.beat_at, claim.expires_at, claim.tree, claim.token)
        self._connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────

    def epoch(self) -> str:
        """Changes when the file was lost and numbering began anew."""
        return str(self._connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0])

    def add_events(self, events: Iterable[tuple[str, str, str, str, str, str, float]]) -> list[int]:
        """Adds (id, type, subject, data, source, cause, time) where the id is new; the numbers of those added."""
        sql = "INSERT OR IGNORE INTO events (id, type, subject, data, source, cause, time) VALUES (?, ?, ?, ?, ?, ?, ?)"
        with self.transaction():
            last = self.last_event()
            self._connection.executemany(sql, events)
            added = self._connection.execute("SELECT seq FROM events WHERE seq > ? ORDER BY seq", (last,)).fetchall()
        return [int(row[0]) for row in added]

    def told(self) -> set[str]:
        """The identifiers of all events."""
        return {row[0] for row in self._connection.execute("SELECT id FROM events")}

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
        """(seq, id, type, subject, data, source, cause, time) in order, or the newest ones first."""
        where, values = ["seq > ?"], [after]
        if types:
            where.append(f"type IN ({', '.join('?' * len(types))})")
            values += types  # type: ignore[arg-type] # a list of parameters of several kinds
        for clause, value in (("subject = ?", subject), ("time >= ?", since)):
            if value is not None:
                where.append(clause)
                values.append(value)  # type: ignore[arg-type] # as above
        sql = (
            "SELECT seq, id, type, subject, data, source, cause, time FROM events "
            f"WHERE {' AND '.join(where)} ORDER BY seq {'DESC' if newest else ''} LIMIT ?"
        )
        return self._connection.execute(sql, (*values, limit)).fetchall()

    def event_counts(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC, 1"))

    def last_event(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    # ── counters ─────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, counters: Mapping[str, float]) -> None:
        """Adds to counters that outlive the process."""
        sql = "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
        with self.transaction():
            self._connection.executemany(sql, list(counters.items()))

    def counters(self, prefix: str = "") -> dict[str, float]:
        sql = "SELECT name, value FROM counters WHERE name >= ? AND name < ? ORDER BY name"
        return dict(self._connection.execute(sql, (prefix, prefix + "\U0010ffff")))

    def clear_counters(self, prefix: str) -> None:
        with self.transaction():
            self._connection.execute(
                "DELETE FROM counters WHERE name >= ? AND name < ?", (prefix, prefix + "\U0010ffff")
            )


def taken(held: Claim) -> ConflictError:
    return ConflictError(
        f"{held.id} is claimed by {held.agent}.",
        remedy="Take other work (`fairlead ticket ready`), or wait until the lease ends.",
        id=held.id,
        agent=held.agent,
        expires_at=held.expires_at,
    )


def _explained(exc: Exception, path: str) -> Exception:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(f"{path} is locked by another process.", remedy="Try again.", path=path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return NotFoundError(
            f"{path} is damaged: {exc}.",
            remedy="Move it aside: claims are lost, and events are told again from the ticket files.",
            path=path,
        )
    return StoreFullError(f"{path} cannot be written: {exc}.", remedy="Check free space and permissions.", path=path)
