"""Full text in PostgreSQL: the same words, counts and ranking as the embedded index. Needs the extra ``pgvector``.

PostgreSQL's own ``tsvector`` knows neither how many entries have a word nor how often an entry has it without taking
the whole vector apart, so BM25 cannot be had from it at the price of an index. Here each word of an entry is a row, as
our own analyser has told it (identifiers in their parts, stems, scripts without spaces), under the number that the
embedded index knows it by. A question reads the rows of its words and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from fairlead.store.memory_postgres import PostgresLink

_PARTITIONS = 16

Rarity = Callable[[int, int], float]
"""(entries, entries with a word) -> the word's weight."""


class CountedRow(Protocol):
    """An entry as memory keeps it: words in its text, and its distinct stems: 32-bit ids, then a byte of count each."""

    @property
    def seq(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def words(self) -> bytes: ...


class PgWords:
    """The words of one namespace; an adapter of :class:`fairlead.memory.postings.WordIndex`.

    ``rarity``, ``k1``, ``b`` and ``most`` (query words that are scored, the rarest first) are those of the ranking.
    """

    def __init__(self, url: str, namespace: str, *, rarity: Rarity, k1: float, b: float, most: int) -> None:
        self._namespace = namespace
        self._rarity = rarity
        self._k1 = k1
        self._b = b
        self._most = most
        self._link = PostgresLink(url)
        self._link.ask(_prepare)

    def numbers(self) -> Any:
        import numpy as np

        sql = "SELECT seq FROM fairlead_entries WHERE namespace = %s ORDER BY seq"
        return np.array([r[0] for r in self._link.rows(sql, (self._namespace,))], np.int64)

    def apply(self, rows: Sequence[CountedRow], gone: Iterable[int]) -> None:
        """Takes in new or changed entries and lets go of those that are gone."""
        numbers = [*gone, *(row.seq for row in rows)]
        entries = [(self._namespace, row.seq, row.length) for row in rows]
        words = [(self._namespace, word, row.seq, count, row.length) for row in rows for word, count in _counted(row)]

        def work(connection: Any) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                which = (self._namespace, numbers)
                cursor.execute("DELETE FROM fairlead_words WHERE namespace = %s AND seq = ANY(%s)", which)
                removed = cursor.execute(_REMOVED, which).fetchall()
                _copy(cursor, "fairlead_entries (namespace, seq, length)", entries)
                _copy(cursor, "fairlead_words (namespace, word, seq, count, length)", words)
                more = len(rows) - len(removed), sum(row.length for row in rows) - sum(r[0] for r in removed)
                cursor.execute(_COUNTED, (self._namespace, *more))

        self._link.ask(work)

    def scan(self, terms: Mapping[str, int]) -> PgScan:
        """BM25 for terms (term -> word id), the rarest of them only. Nothing is asked before an answer is wanted."""
        return PgScan(self._link, self._namespace, *self._weighed(list(terms.values())), self._k1, self._b)

    def _weighed(self, words: list[int]) -> tuple[dict[int, float], float]:
        """(share of the most that an entry can reach, of each word that is scored; mean length)."""

        def work(connection: Any) -> Any:
            total = connection.execute(_TOTAL, (self._namespace,)).fetchone() or (0, 0)
            return total, dict(connection.execute(_DOCUMENTS, (self._namespace, words)).fetchall())

        (entries, length), documents = self._link.ask(work)
        weights = {word: self._rarity(entries, documents.get(word, 0)) for word in words}
        bound = sum(weights.values()) or 1.0
        rare = sorted(words, key=lambda word: -weights[word])[: self._most]
        return {word: weights[word] / bound for word in rare}, length / max(entries, 1) or 1.0

    def clear(self) -> None:
        """Removes the namespace from the tables."""

        def work(connection: Any) -> None:
            with connection.transaction():
                for table in ("fairlead_words", "fairlead_entries", "fairlead_lexicon"):
                    connection.execute(f"DELETE FROM {table} WHERE namespace = %s", (self._namespace,))

        self._link.ask(work)

    def close(self) -> None:
        self._link.close()


class PgScan:
    """The scores of one question, as shares of the most that any entry could reach, 0 to 1."""

    def __init__(
        self, link: PostgresLink, namespace: str, weights: Mapping[int, float], mean: float, k1: float, b: float
    ) -> None:
        self._link = link
        self._given = {
            "namespace": namespace,
            "words": list(weights),
            "weights": list(weights.values()),
            "fixed": k1 * (1 - b),
            "slope": k1 * b / mean,
        }

    def best(self, most: int, allowed: Any = None) -> Any:
        """The numbers of the best ``most`` entries, unordered; ``allowed`` is an array of numbers, or None."""
        import numpy as np

        return np.array([seq for seq, _ in self._scored(allowed, most)], np.int64)

    def shares(self, numbers: Any) -> Any:
        """The shares of given entries, in their order; 0 for one that is not here."""
        import numpy as np

        shares = dict(self._scored(numbers, len(numbers)))
        return np.array([shares.get(number, 0.0) for number in numbers.tolist()], np.float32)

    def _scored(self, among: Any, most: int) -> list[tuple[int, float]]:
        given = {**self._given, "most": most}
        if among is None:
            return [(int(seq), float(share)) for seq, share in self._link.rows(_BEST.format(among=""), given)]
        found = self._link.rows(_BEST.format(among=_AMONG), {**given, "among": among.tolist()})
        return [(int(seq), float(share)) for seq, share in found]


_TOTAL = "SELECT entries, words FROM fairlead_lexicon WHERE namespace = %s"

_DOCUMENTS = "SELECT word, count(*) FROM fairlead_words WHERE namespace = %s AND word = ANY(%s) GROUP BY word"

_REMOVED = "DELETE FROM fairlead_entries WHERE namespace = %s AND seq = ANY(%s) RETURNING length"

_COUNTED = """
    INSERT INTO fairlead_lexicon AS had (namespace, entries, words) VALUES (%s, %s, %s)
    ON CONFLICT (namespace) DO UPDATE SET entries = had.entries + excluded.entries, words = had.words + excluded.words
"""

_AMONG = "AND w.seq = ANY(%(among)s)"

_BEST = """
    SELECT w.seq, sum(q.weight * w.count / (w.count + %(fixed)s + %(slope)s * w.length)) AS share
    FROM unnest(%(words)s::bigint[], %(weights)s::float8[]) AS q (word, weight)
    JOIN fairlead_words w ON w.namespace = %(namespace)s AND w.word = q.word {among}
    GROUP BY w.seq ORDER BY share DESC, w.seq LIMIT %(most)s
"""


def _counted(row: CountedRow) -> list[tuple[int, int]]:
    """(word, count) pairs of the packed stems."""
    import numpy as np

    distinct = len(row.words) // 5
    words = np.frombuffer(row.words[: 4 * distinct], "<u4").tolist()
    return list(zip(words, row.words[4 * distinct :], strict=True))


def _copy(cursor: Any, into: str, rows: Sequence[Sequence[Any]]) -> None:
    with cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _prepare(connection: Any) -> None:
    with connection.transaction():
        connection.execute(
            "CREATE TABLE IF NOT EXISTS fairlead_words (namespace text NOT NULL, word bigint NOT NULL, "
            "seq bigint NOT NULL, count smallint NOT NULL, length integer NOT NULL, "
            "PRIMARY KEY (namespace, word, seq) INCLUDE (count, length)) PARTITION BY HASH (namespace)"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS fairlead_entries (namespace text NOT NULL, seq bigint NOT NULL, "
            "length integer NOT NULL, PRIMARY KEY (namespace, seq)) PARTITION BY HASH (namespace)"
        )
        for table in ("fairlead_words", "fairlead_entries"):
            for part in range(_PARTITIONS):
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {table}_{part} PARTITION OF {table} "
                    f"FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {part})"
                )
        connection.execute("CREATE INDEX IF NOT EXISTS fairlead_words_by_entry ON fairlead_words (namespace, seq)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS fairlead_lexicon (namespace text PRIMARY KEY, entries bigint NOT NULL, "
            "words bigint NOT NULL)"
        )
