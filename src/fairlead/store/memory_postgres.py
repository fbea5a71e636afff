"""A connection to the PostgreSQL that memory's indexes may live in. Needs the extra ``pgvector``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.errors import MissingDependencyError, UnavailableError


class PostgresLink:
    """One connection, opened when it is first used and again after it broke; for one thread at a time."""

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError as exc:
            raise MissingDependencyError(
                "psycopg is not installed.", remedy="Install the extra: pip install 'fairlead[pgvector]'."
            ) from exc
        self._psycopg: Any = psycopg
        self._url = url
        self._lock = threading.Lock()
        self._connection: Any = None

    def ask(self, work: Callable[[Any], Any]) -> Any:
        """What ``work`` returns of the connection; :class:`UnavailableError` when the server does not answer."""
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._psycopg.connect(self._url, autocommit=True, connect_timeout=5)
                return work(self._connection)
            except self._psycopg.OperationalError as exc:
                raise UnavailableError(
                    f"the database of indexes does not answer: {str(exc).strip()}.",
                    remedy="Start it, or move the namespace back to the embedded index.",
                ) from exc

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        found: list[Any] = self.ask(lambda connection: connection.execute(sql, parameters).fetchall())
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
