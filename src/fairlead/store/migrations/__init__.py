"""Numbered migrations: forward with a backup first, and back again.

Each file ``NNNN_name.sql`` holds ``-- migrate: up`` and ``-- migrate: down``; a line ``-- breaks: N`` says that
code which only knows schemas below N must not open the result. Without that line, older code may go on using it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import InternalError, SchemaNewerError
from fairlead.store.database import Connection, Dialect

_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
_BREAKS = re.compile(r"^-- breaks: (\d+)\s*$", re.MULTILINE)

_META = """CREATE TABLE IF NOT EXISTS schema_migrations (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    breaks   INTEGER NOT NULL,
    down     TEXT NOT NULL,
    applied  REAL NOT NULL
)"""


class Migration(NamedTuple):
    """One step of the schema. ``down`` is stored with it, so that older code can take it back."""

    number: int
    name: str
    up: str
    down: str
    breaks: int
    checksum: str


def load_migrations(dialect: str) -> list[Migration]:
    """The migrations shipped for a dialect, in order."""
    folder = resources.files("fairlead.store.migrations").joinpath(dialect)
    return [parse_migration(f.name, f.read_text("utf-8")) for f in sorted(folder.iterdir(), key=lambda f: f.name)]


def parse_migration(filename: str, text: str) -> Migration:
    match = _NAME.match(filename)
    parts = re.split(r"^-- migrate: (?:up|down)\s*$", text, flags=re.MULTILINE)
    if match is None or len(parts) != 3:
        raise InternalError(f"migration {filename!r} is not NNNN_name.sql with one up and one down part.")
    breaks = _BREAKS.search(text)
    checksum = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Migration(int(match[1]), match[2], parts[1], parts[2], int(breaks[1]) if breaks else 0, checksum)


def applied(connection: Connection) -> list[tuple[int, str, int]]:
    """(number, name, breaks) of what the database has, in order; empty for a new one."""
    exists = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'"
    ).fetchone()[0]
    if not exists:
        return []
    rows = connection.execute("SELECT number, name, breaks FROM schema_migrations ORDER BY number").fetchall()
    return [(int(r[0]), str(r[1]), int(r[2])) for r in rows]


def pending(connection: Connection, migrations: Sequence[Migration], path: Path) -> list[Migration]:
    """What is still to be applied; :class:`SchemaNewerError` when the store is beyond this code."""
    done = applied(connection)
    known = {m.number for m in migrations}
    newest = max(known, default=0)
    needed = max((breaks for _, _, breaks in done), default=0)
    if needed > newest:
        raise SchemaNewerError(
            f"the store {path} has schema {done[-1][0]} and needs Fairlead with schema {needed} or later; "
            f"this one knows {newest}.",
            remedy="Update Fairlead. Nothing was changed.",
            path=str(path),
            schema=done[-1][0],
        )
    have = {number for number, _, _ in done}
    return [m for m in migrations if m.number not in have]


def migrate(
    connection: Connection, dialect: Dialect, migrations: Sequence[Migration], path: Path, *, now: float
) -> list[Migration]:
    """Applies what is pending in one transaction. Two processes may race here: the second finds nothing to do."""
    if not pending(connection, migrations, path):
        return []
    dialect.begin(connection)
    try:
        connection.execute(_META)
        todo = pending(connection, migrations, path)
        for migration in todo:
            for statement in split(migration.up):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, migration.breaks, migration.down, now),
            )
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return todo


def take_back(connection: Connection, dialect: Dialect, to: int) -> list[int]:
    """Undoes every migration above ``to``, newest first, with the down part that was stored with it."""
    dialect.begin(connection)
    try:
        rows = connection.execute(
            "SELECT number, down FROM schema_migrations WHERE number > ? ORDER BY number DESC", (to,)
        ).fetchall()
        for number, down in rows:
            for statement in split(down):
                connection.execute(statement)
            connection.execute("DELETE FROM schema_migrations WHERE number = ?", (number,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return [int(r[0]) for r in rows]


def split(script: str) -> list[str]:
    """The statements of a script. A trigger's body stays whole."""
    from sqlite3 import complete_statement

    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        code = line if "'" in line else line.split("--", 1)[0].rstrip() + "\n"
        if not code.strip():
            continue
        current += code
        if complete_statement(current):
            statements.append(current.strip())
            current = ""
    if current.strip():
        raise InternalError(f"a migration ends within a statement: {current.strip()[:80]!r}.")
    return statements
