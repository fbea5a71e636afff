"""The disposable index of a board of files: SQLite with FTS5, one file a working tree.

Nothing here is the truth: the file may be deleted at any time and is then built again from the ticket files. It
therefore does without `fsync`. Only this package imports sqlite3, and this module little else, since listing tickets
must start fast.
"""

from __future__ import annotations

import os

from fairlead.errors import StoreFullError, UnavailableError
from fairlead.store.ticket_sql import COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any
else:
    # The module `sqlite3` adds only conversions of dates, at the price of importing `datetime`.
    import _sqlite3 as sqlite3

SCHEMA = 2
BOARD = ""

_TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE tk_things (
    n INTEGER PRIMARY KEY, board TEXT NOT NULL, {", ".join(COLUMNS)},
    UNIQUE (board, id)
);
CREATE INDEX tk_things_open ON tk_things (board, kind, deleted, status, priority, created_at);
CREATE INDEX tk_things_urgent ON tk_things (board, kind, deleted, priority, created_at, id);
CREATE INDEX tk_things_parent ON tk_things (board, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tk_things_epic ON tk_things (board, epic_id) WHERE epic_id IS NOT NULL;
CREATE TABLE tk_labels (board TEXT, id TEXT, label TEXT, PRIMARY KEY (board, id, label)) WITHOUT ROWID;
CREATE INDEX tk_labels_by_label ON tk_labels (board, label, id);
CREATE TABLE tk_edges (board TEXT, id TEXT, type TEXT, other TEXT, PRIMARY KEY (board, id, type, other)) WITHOUT ROWID;
CREATE INDEX tk_edges_by_other ON tk_edges (board, other, type, id);
CREATE TABLE tk_changes (board TEXT, id TEXT, thing_id TEXT, at TEXT, text TEXT, PRIMARY KEY (board, id)) WITHOUT ROWID;
CREATE INDEX tk_changes_by_thing ON tk_changes (board, thing_id, at);
CREATE INDEX tk_changes_by_time ON tk_changes (board, at);
CREATE VIRTUAL TABLE tk_text USING fts5 (title, body, notes, words, tokenize = "unicode61 remove_diacritics 2");
-- What each thing's files looked like when they were read: its own file's and its folder's stat.
CREATE TABLE files (id TEXT PRIMARY KEY, ino INTEGER, mtime INTEGER, size INTEGER, folder INTEGER) WITHOUT ROWID;
CREATE TABLE problems (id TEXT, text TEXT);
CREATE INDEX problems_by_id ON problems (id);
-- Full records as read last, valid while the stats above stand.
CREATE TABLE kept (id TEXT PRIMARY KEY, sign INTEGER, at REAL, value BLOB) WITHOUT ROWID;
"""


class IndexedThing:
    """What the index keeps of one thing."""

    __slots__ = ("changes", "edges", "labels", "problems", "row", "stat", "text")

    def __init__(
        self,
        row: Sequence[Any],
        labels: Sequence[str],
        edges: Sequence[tuple[str, str]],
        text: tuple[str, str, str, str],
        changes: Sequence[tuple[str, str, str]],
        problems: Sequence[str],
        stat: tuple[int, int, int, int],
    ) -> None:
        self.row = row
        self.labels = labels
        self.edges = edges
        self.text = text
        self.changes = changes
        self.problems = problems
        self.stat = stat


class Writing:
    """One write transaction, undone when the block raises; ``explained`` makes an error of our tree of a database's."""

    __slots__ = ("_connection", "_explained")

    def __init__(self, connection: sqlite3.Connection, explained: Callable[[sqlite3.Error], Exception]) -> None:
        self._connection = connection
        self._explained = explained

    def __enter__(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as exc:
            raise self._explained(exc) from exc

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        try:
            if fault is None:
                self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            fault = exc
        if fault is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if isinstance(fault, sqlite3.Error):
            raise self._explained(fault) from fault


def locked(exc: Exception, path: str) -> UnavailableError | None:
    """The error for a file that another process keeps locked, or None for another fault."""
    if getattr(exc, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(f"{path} is locked by another process.", remedy="Try again.", path=path)
    return None


class TicketIndex:
    """One open index. ``fresh`` is True when it was made just now and holds nothing."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fresh = False
        self._connection = self._open()
        self.execute = self._connection.execute

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect(self.path)
        except OSError:
            # A folder that cannot be made: an index in memory serves this process.
            return self._connect("")
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.OperationalError) and not _is_damage(exc):
                # A folder that cannot be written: an index in memory serves this process.
                return self._connect("")
            self._remove()
            return self._connect(self.path)

    def _connect(self, path: str) -> sqlite3.Connection:
        if path and not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if path and os.path.exists(path) and not os.access(path, os.W_OK):
            return self._copied(path)
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=10, cached_statements=256)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA:
                self._create(connection, version)
        except BaseException:
            connection.close()
            raise
        return connection

    def _copied(self, path: str) -> sqlite3.Connection:
        """A copy in memory of an index that may not be written."""
        connection = self._connect("")
        try:
            source = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                source.backup(connection)
            finally:
                source.close()
        except sqlite3.OperationalError:
            # It cannot even be read (its log needs a writable folder), so this process builds its own.
            connection.close()
            return self._connect("")
        return connection

    def _create(self, connection: sqlite3.Connection, version: int) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made it while this one waited for the lock.
        if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'tk_text_%' "
                "AND name NOT LIKE 'sqlite_%'"
            ).fetchall():
                connection.execute(f"DROP TABLE {name}")
            for statement in _TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA}")
            self.fresh = True
        connection.execute("COMMIT")

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            try:
                os.unlink(self.path + suffix)
            except FileNotFoundError:
                continue

    def close(self) -> None:
        self._connection.close()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.execute(sql, parameters).fetchall()

    def meta(self, *keys: str) -> list[Any]:
        """Values of keys, None where there is none."""
        found = dict(self.execute("SELECT key, value FROM meta"))
        return [found.get(key) for key in keys]

    def generation(self) -> int:
        """A number that changes when another process has changed the index."""
        return int(self.execute("PRAGMA data_version").fetchone()[0])

    def known(self) -> dict[str, tuple[int, int, int, int]]:
        """id -> (ino, mtime, size, folder's mtime) of everything in the index."""
        return {row[0]: row[1:] for row in self.execute("SELECT id, ino, mtime, size, folder FROM files")}

    def stats_of(self, ids: Sequence[str]) -> dict[str, tuple[int, int, int, int]]:
        marks = ", ".join("?" * len(ids))
        sql = f"SELECT id, ino, mtime, size, folder FROM files WHERE id IN ({marks})"
        return {row[0]: row[1:] for row in self.execute(sql, ids)}

    def problems(self) -> list[tuple[str, str]]:
        return self.execute("SELECT id, text FROM problems ORDER BY id, rowid").fetchall()

    def kept(self, thing_id: str, sign: int, since: float) -> bytes | None:
        """What :meth:`keep` kept of a thing under the same sign, not before ``since``."""
        sql = "SELECT value FROM kept WHERE id = ? AND sign = ? AND at >= ?"
        row = self.execute(sql, (thing_id, sign, since)).fetchone()
        return None if row is None else row[0]

    def kept_count(self) -> int:
        return int(self.execute("SELECT count(*) FROM kept").fetchone()[0])

    def keep(self, rows: Sequence[tuple[str, int, float, bytes]], *, most: int) -> None:
        """Keeps full states, the latest ``most`` of them. A reading must not wait for a writer, so nothing is kept
        while one is at work."""
        try:
            self.execute("PRAGMA busy_timeout=0")
            with self.writing():
                self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)
                self.execute(
                    "DELETE FROM kept WHERE id IN (SELECT id FROM kept ORDER BY at DESC, id LIMIT -1 OFFSET ?)", (most,)
                )
        except (UnavailableError, StoreFullError):
            return
        finally:
            self.execute("PRAGMA busy_timeout=10000")

    def forget_kept(self) -> int:
        with self.writing():
            return int(self.execute("DELETE FROM kept").rowcount)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

    def writing(self) -> Writing:
        """One write transaction; it is undone when the block raises.

        :class:`UnavailableError` when another process keeps the lock, :class:`StoreFullError` when the file cannot be
        written.
        """
        return Writing(self._connection, self._explained)

    def _explained(self, exc: Exception) -> Exception:
        return locked(exc, self.path) or StoreFullError(
            f"the index {self.path} cannot be written: {exc}.",
            remedy="Free space on that device; the index may be deleted at any time.",
            path=self.path,
        )

    def set_meta(self, **values: Any) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    def put(self, things: Iterable[IndexedThing], *, new: bool = False) -> None:
        """Adds or replaces things within the current transaction. ``new`` says that none of them is known yet."""
        things = list(things)
        many = self._connection.executemany
        if not new:
            self.drop([thing.row[0] for thing in things])
        start = self.execute("SELECT coalesce(max(n), 0) + 1 FROM tk_things").fetchone()[0]
        marks = ", ".join("?" * (len(COLUMNS) + 2))
        many(
            f"INSERT INTO tk_things VALUES ({marks})",
            [(start + n, BOARD, *thing.row) for n, thing in enumerate(things)],
        )
        many(
            "INSERT INTO tk_text (rowid, title, body, notes, words) VALUES (?, ?, ?, ?, ?)",
            [(start + n, *thing.text) for n, thing in enumerate(things)],
        )
        many("INSERT INTO files VALUES (?, ?, ?, ?, ?)", [(t.row[0], *t.stat) for t in things])
        many("INSERT INTO tk_labels VALUES ('', ?, ?)", [(t.row[0], label) for t in things for label in t.labels])
        many("INSERT INTO tk_edges VALUES ('', ?, ?, ?)", [(t.row[0], *edge) for t in things for edge in t.edges])
        many(
            "INSERT OR REPLACE INTO tk_changes VALUES ('', ?, ?, ?, ?)",
            [(cid, t.row[0], at, text) for t in things for cid, at, text in t.changes],
        )
        many("INSERT INTO problems VALUES (?, ?)", [(t.row[0], text) for t in things for text in t.problems])

    def drop(self, ids: Sequence[str]) -> None:
        """Removes things within the current transaction."""
        many = self._connection.executemany
        keys = [(thing_id,) for thing_id in ids]
        many("DELETE FROM tk_text WHERE rowid = (SELECT n FROM tk_things WHERE board = '' AND id = ?)", keys)
        for table in ("tk_things", "tk_labels", "tk_edges"):
            many(f"DELETE FROM {table} WHERE board = '' AND id = ?", keys)
        many("DELETE FROM tk_changes WHERE board = '' AND thing_id = ?", keys)
        for table in ("files", "problems", "kept"):
            many(f"DELETE FROM {table} WHERE id = ?", keys)

    def empty(self) -> None:
        """Forgets everything within the current transaction."""
        for table in (
            "tk_things",
            "tk_labels",
            "tk_edges",
            "tk_changes",
            "tk_text",
            "files",
            "problems",
            "kept",
            "meta",
        ):
            self.execute(f"DELETE FROM {table}")


def _is_damage(exc: sqlite3.Error) -> bool:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# ── full text ────────────────────────────────────────────────────────────────────────────────────────────────────


def full_text_query(text: str, *, any_term: bool = False) -> str:
    """The FTS5 expression of what somebody typed: words, ``"phrases"``, prefixes with ``*``; empty for no words."""
    terms: list[str] = []
    rest = text
    while rest and len(terms) < 16:
        rest = rest.lstrip()
        if rest.startswith('"') and '"' in rest[1:]:
            term, _, rest = rest[1:].partition('"')
            star = rest.startswith("*")
        else:
            word, _, rest = rest.partition(" ") if " " in rest else (rest, "", "")
            term, star = word.strip('"'), word.endswith("*")
        term = term.replace('"', " ").rstrip("*").replace("\0", "")
        if any(c.isalnum() for c in term):
            terms.append(f'"{term}"' + ("*" if star else ""))
    return (" OR " if any_term else " AND ").join(terms)


_MOST_RANKED = 500
"""Matches that are ranked when there are more. Ranking costs more than everything else, and a word that so many things
have says little about any of them: those with the words in their titles and the latest are ranked."""


def search(
    rows: Any, expression: str, where: str, values: Sequence[Any], *, limit: int, offset: int
) -> list[tuple[Any, ...]]:
    """(columns of the thing..., score, snippet) of the best matches by BM25. A higher score is better; a hit in the
    title counts most."""
    best = _best(rows, expression, where, values, offset + limit)[offset:]
    words = [w.strip('"*') for w in expression.replace(" OR ", " AND ").split(" AND ")]
    found = {}
    for start in range(0, len(best), 500):
        numbers = [number for _, _, number in best[start : start + 500]]
        sql = (
            f"SELECT {', '.join(f't.{c}' for c in COLUMNS)}, x.title, x.body, x.notes, t.n FROM tk_things t "
            f"JOIN tk_text x ON x.rowid = t.n WHERE t.n IN ({', '.join('?' * len(numbers))})"
        )
        for *row, title, body, notes, number in rows(sql, numbers):
            found[number] = (*row, snippet(words, body, notes, title))
    # What another process has just removed is not there any more.
    return [(*found[n][:-1], -rank, found[n][-1]) for rank, _, n in best if n in found]


def _best(rows: Any, expression: str, where: str, values: Sequence[Any], most: int) -> list[tuple[float, str, int]]:
    """(rank, id, number) of the ``most`` best matches, the best first."""
    latest = "SELECT rowid FROM tk_text WHERE tk_text MATCH ? ORDER BY rowid DESC LIMIT"
    ranked = (
        "SELECT bm25(tk_text, 8.0, 2.0, 1.0, 1.0) AS r, t.id, t.n FROM tk_text JOIN tk_things t ON t.n = tk_text.rowid "
        f"WHERE tk_text MATCH ? AND {where}"
    )
    order = "ORDER BY r, t.id LIMIT ?"
    floor = rows(f"{latest} 1 OFFSET {_MOST_RANKED}", [expression])
    if floor:
        chosen = f"(tk_text.rowid > ? OR tk_text.rowid IN ({latest} {_MOST_RANKED}))"
        titled = f"{{title}} : ({expression})"
        found = rows(f"{ranked} AND {chosen} {order}", [expression, *values, floor[0][0], titled, most])
        if len(found) == most:
            return list(found)
        # They were not enough: a page far behind is asked for, or things with some rare property.
    return list(rows(f"{ranked} {order}", [expression, *values, most]))


def snippet(words: Sequence[str], *texts: str) -> str:
    """A piece of the first text in which one of the words occurs, with the words in brackets.

    Not FTS5's own function: that goes through all positions of a word on the board once for every row it is asked for.
    """
    for text in texts:
        lower = text.lower()
        places = [at for at in (lower.find(word.lower()) for word in words) if at >= 0]
        if places:
            start, end = max(min(places) - 30, 0), min(places) + 90
            piece = " ".join(text[start:end].split())
            for word in words:
                piece = _bracketed(piece, word)
            return f"{'…' if start else ''}{piece}{'…' if end < len(text) else ''}"
    return " ".join(texts[0][:90].split())


def _bracketed(piece: str, word: str) -> str:
    out, lower, at = [], piece.lower(), 0
    while word and (hit := lower.find(word.lower(), at)) >= 0:
        out += [piece[at:hit], "[", piece[hit : hit + len(word)], "]"]
        at = hit + len(word)
    return "".join([*out, piece[at:]])
