"""Erasing for good: the log is emptied, the files are searched, and backups that still hold something are named."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

from fairlead.store.database import Database

_LEAST_NEEDLE = 12
_NEEDLE = 48


def empty_log(database: Database) -> None:
    """Moves everything of the write-ahead log into the database file and empties the log.

    The writer takes part only between its transactions, so this waits for its turn like any other connection.
    """
    connection = database.dialect.connect(writer=True)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def needles(texts: Iterable[str]) -> list[bytes]:
    """Bytes of each text that can be looked for in a file; texts too short to be told apart are left out."""
    found = []
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass").strip()
        if len(raw) >= _LEAST_NEEDLE:
            found.append(raw[:_NEEDLE])
    return found


def files_holding(paths: Iterable[Path], wanted: Sequence[bytes]) -> list[Path]:
    """Those files that hold any of the byte strings."""
    return [path for path in paths if path.is_file() and path.stat().st_size and _holds(path, wanted)]


def database_files(path: Path) -> list[Path]:
    """The database and its log."""
    return [path, path.with_name(path.name + "-wal")]


def backup_files(path: Path) -> list[Path]:
    """The backups beside a database, oldest first."""
    return sorted((path.parent / "backups").glob("*.db"))


def _holds(path: Path, wanted: Sequence[bytes]) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(one) >= 0 for one in wanted)
