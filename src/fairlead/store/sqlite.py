"""The SQLite dialect: WAL, one writer at a time, full text by FTS5. The only module that imports sqlite3."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from fairlead.errors import (
    ConflictError,
    FairleadError,
    InternalError,
    NotInitialisedError,
    StoreCorruptError,
    StoreFullError,
    UnavailableError,
)
from fairlead.store.database import Connection

_BUSY_TIMEOUT_MS = 10_000


class SqliteDialect:
    """One database file in WAL mode.

    ``durability`` ``normal`` loses nothing when the process is killed; ``full`` also nothing when the machine loses
    power (each commit waits for the disk).
    """

    name = "sqlite"

    def __init__(self, path: Path, *, durability: str = "normal") -> None:
        self.path = path
        self.durability = durability

    def connect(self, *, writer: bool) -> Connection:
        if writer:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.exists():
            raise NotInitialisedError(
                f"there is no store at {self.path}.",
                remedy="Run something first, for example `fairlead run content-brief`.",
                path=str(self.path),
            )
        try:
            return self._open(writer)
        except sqlite3.Error as exc:
            raise self.explain(exc) or exc from exc

    def _open(self, writer: bool) -> Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        try:
            connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
            if writer:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(f"PRAGMA synchronous={self.durability.upper()}")
            else:
                connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def translate(self, sql: str) -> str:
        return sql

    def begin(self, connection: Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def next_event_index(self, connection: Connection) -> int:
        # The write transaction is exclusive, so the largest index cannot move before this one commits.
        return int(connection.execute("SELECT coalesce(max(idx), 0) + 1 FROM events").fetchone()[0])

    def foreign_version(self, connection: Connection) -> Any:
        return connection.execute("PRAGMA data_version").fetchone()[0]

    def explain(self, exc: Exception) -> FairleadError | None:
        if not isinstance(exc, sqlite3.Error):
            return None
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        facts = {"path": str(self.path), "detail": str(exc)}
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return StoreFullError(
                f"the database {self.path} cannot be written: {exc}.",
                remedy="Free space on that device, then resume; what was acknowledged before is kept.",
                **facts,
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StoreCorruptError(
                f"the database {self.path} is damaged or is not a database: {exc}.",
                remedy="Move it aside and restore the newest file of the `backups` folder beside it.",
                **facts,
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return UnavailableError(
                f"the database {self.path} is locked by another process.", remedy="Try again.", **facts
            )
        if code == sqlite3.SQLITE_CONSTRAINT:
            return ConflictError(f"the write conflicts with what is stored: {exc}.", **facts)
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return StoreFullError(
                f"the database {self.path} cannot be opened for writing: {exc}.",
                remedy="Check the folder and its permissions, or set FAIRLEAD_HOME.",
                **facts,
            )
        return InternalError(f"the database {self.path} refused a statement: {exc}.", **facts)


def back_up(source: Path, target: Path) -> None:
    """Copies a live database consistently; ``target`` appears whole or not at all."""
    partial = target.with_name(target.name + ".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    reading = sqlite3.connect(source)
    writing = sqlite3.connect(partial)
    try:
        reading.backup(writing)
    finally:
        writing.close()
        reading.close()
    partial.replace(target)


def check_integrity(path: Path) -> list[str]:
    """What ``PRAGMA integrity_check`` complains about; empty for a sound database."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.DatabaseError as exc:
        return [str(exc)]
    finally:
        connection.close()
    return [str(r[0]) for r in rows if r[0] != "ok"]
