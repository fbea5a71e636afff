"""Dense search in PostgreSQL with the extension pgvector. Needs the extra ``pgvector``.

One table a size of vector, split by a hash of the namespace into 16 partitions, each with its HNSW index: a search in
one namespace meets few strangers, and the index goes on looking (``iterative_scan``) until it has found enough. Among
few allowed entries it compares with exactly those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from fairlead.store.memory_postgres import PostgresLink

_PARTITIONS = 16
_M, _EF_CONSTRUCTION, _EF_SEARCH = 16, 200, 64
_EXACT_AMONG = 5_000


class QuantisedRow(Protocol):
    """A vector as memory keeps it: value = signed byte * scale."""

    @property
    def seq(self) -> int: ...
    @property
    def scale(self) -> float: ...
    @property
    def data(self) -> bytes: ...


class PgVectors:
    """The vectors of one namespace in a PostgreSQL database; the port of ``fairlead.memory.dense.VectorIndex``.

    Raises :class:`UnavailableError` when the server does not answer.
    """

    def __init__(self, dimensions: int, url: str, namespace: str) -> None:
        self._dimensions = dimensions
        self._table = f"fairlead_vectors_{int(dimensions)}"
        self._namespace = namespace
        self._link = PostgresLink(url)
        self._link.ask(self._prepare)

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def size(self) -> int:
        """Nothing of it is in this process."""
        return 0

    def numbers(self) -> Any:
        import numpy as np

        sql = f"SELECT seq FROM {self._table} WHERE namespace = %s ORDER BY seq"
        return np.array([r[0] for r in self._link.rows(sql, (self._namespace,))], np.int64)

    def apply(self, rows: Sequence[QuantisedRow], gone: Iterable[int]) -> None:
        import numpy as np

        def work(connection: Any) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(
                    f"DELETE FROM {self._table} WHERE namespace = %s AND seq = ANY(%s)", (self._namespace, list(gone))
                )
                if rows:
                    cursor.executemany(
                        f"INSERT INTO {self._table} (namespace, seq, embedding) VALUES (%s, %s, %s::vector) "
                        "ON CONFLICT (namespace, seq) DO UPDATE SET embedding = excluded.embedding",
                        [
                            (self._namespace, r.seq, _text(np.frombuffer(r.data, np.int8).astype(np.float32) * r.scale))
                            for r in rows
                        ],
                    )

        self._link.ask(work)

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        import numpy as np

        among, parameters = "", [_text(vector), self._namespace]
        if allowed is not None:
            among, parameters = "AND seq = ANY(%s)", [*parameters, allowed.tolist()]
        sql = (
            f"SELECT seq, 1 - (embedding <=> %s::vector) AS cosine FROM {self._table} "
            f"WHERE namespace = %s {among} ORDER BY embedding <=> %s::vector LIMIT %s"
        )

        def work(connection: Any) -> Any:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL hnsw.ef_search = {max(_EF_SEARCH, min(2 * most, 1000))}")
                cursor.execute("SET LOCAL hnsw.iterative_scan = strict_order")
                if allowed is not None and len(allowed) <= _EXACT_AMONG:
                    # The graph would be walked for entries that are not allowed; the key finds those that are.
                    cursor.execute("SET LOCAL enable_indexscan = off")
                return cursor.execute(sql, [*parameters, _text(vector), most]).fetchall()

        found = self._link.ask(work)
        numbers = np.array([r[0] for r in found], np.int64)
        return numbers, np.array([r[1] for r in found], np.float32)

    def score(self, vector: Any, numbers: Any) -> Any:
        import numpy as np

        sql = f"SELECT seq, 1 - (embedding <=> %s::vector) FROM {self._table} WHERE namespace = %s AND seq = ANY(%s)"
        rows = self._link.rows(sql, (_text(vector), self._namespace, numbers.tolist()))
        cosines = {int(seq): float(cosine) for seq, cosine in rows}
        return np.array([cosines.get(n, 0.0) for n in numbers.tolist()], np.float32)

    def clear(self) -> None:
        """Removes the namespace from the table."""
        self._link.ask(lambda c: c.execute(f"DELETE FROM {self._table} WHERE namespace = %s", (self._namespace,)))

    def close(self) -> None:
        self._link.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────

    def _prepare(self, connection: Any) -> None:
        with connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} (namespace text NOT NULL, seq bigint NOT NULL, "
                f"embedding vector({int(self._dimensions)}) NOT NULL, PRIMARY KEY (namespace, seq)) "
                "PARTITION BY HASH (namespace)"
            )
            for part in range(_PARTITIONS):
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {self._table}_{part} PARTITION OF {self._table} "
                    f"FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {part})"
                )
            connection.execute(
                f"CREATE INDEX IF NOT EXISTS {self._table}_near ON {self._table} "
                f"USING hnsw (embedding vector_cosine_ops) WITH (m = {_M}, ef_construction = {_EF_CONSTRUCTION})"
            )


def _text(vector: Any) -> str:
    return "[" + ",".join(f"{x:.7g}" for x in vector.tolist()) + "]"
