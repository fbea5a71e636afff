"""Full text of memory in SQLite's FTS5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.errors import InternalError
from fairlead.store.database import Reader, Transaction


class Fts5:
    """One namespace's part of the full-text table: its token is in every row and in every query."""

    __slots__ = ("_number", "_reader")

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader = reader
        self._number = number

    def put(self, rows: Iterable[tuple[int, str]]) -> None:
        """(number, stems joined by spaces) of new entries."""
        token = self._token
        self._transaction.executemany(
            "INSERT INTO memory_fts (rowid, ns, terms) VALUES (?, ?, ?)", ((seq, token, terms) for seq, terms in rows)
        )

    def remove(self, numbers: Iterable[int]) -> None:
        self._transaction.executemany(
            "DELETE FROM memory_fts WHERE rowid = ? AND ns = ?", ((seq, self._token) for seq in numbers)
        )

    def overwrite_what_is_deleted(self) -> None:
        """From now on this connection overwrites the pages that it frees."""
        self._transaction.execute("PRAGMA secure_delete = ON")

    def compact(self) -> None:
        """Merges the index into one segment: until then a removed term stays in the segments that it was in."""
        self._transaction.execute("INSERT INTO memory_fts (memory_fts) VALUES ('optimize')")

    def search(
        self, terms: Sequence[str], limit: int, where: str, parameters: Sequence[object]
    ) -> list[tuple[int, float]]:
        """(number, BM25) of the best entries, best first; ``where`` is a condition over ``e``, the entries."""
        if not terms:
            return []
        match = f"ns : {self._token} AND terms : (" + " OR ".join(f'"{term}"' for term in terms) + ")"
        rows = self._reader.rows(
            "SELECT e.seq, bm25(memory_fts, 0.0, 1.0) AS rank FROM memory_fts f "
            "JOIN memory_entries e ON e.seq = f.rowid "
            f"WHERE memory_fts MATCH ? AND e.namespace = ? AND {where} ORDER BY rank LIMIT ?",
            (match, self._number, *parameters, limit),
        )
        return [(int(seq), -float(rank)) for seq, rank in rows]

    def document_counts(self, terms: Iterable[str]) -> dict[str, int]:
        """How many entries of the whole store have each term: what makes a term rare or common."""
        counts = {}
        for term in terms:
            row = self._reader.one("SELECT doc FROM memory_vocabulary WHERE term = ?", (term,))
            counts[term] = int(row[0]) if row else 0
        return counts

    def total(self) -> int:
        """About how many entries the whole store has."""
        row = self._reader.one("SELECT rowid FROM memory_fts ORDER BY rowid DESC LIMIT 1")
        return int(row[0]) if row else 0

    def count(self) -> int:
        row = self._reader.one("SELECT count(*) FROM memory_fts WHERE memory_fts MATCH ?", (f"ns : {self._token}",))
        return int(row[0]) if row else 0

    def numbers(self) -> list[int]:
        rows = self._reader.rows("SELECT rowid FROM memory_fts WHERE memory_fts MATCH ?", (f"ns : {self._token}",))
        return [int(r[0]) for r in rows]

    @property
    def _token(self) -> str:
        return f"n{self._number}"

    @property
    def _transaction(self) -> Transaction:
        if not isinstance(self._reader, Transaction):
            raise InternalError("a reading of memory tried to write.")
        return self._reader
