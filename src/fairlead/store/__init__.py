"""The one door to SQL: connections, transactions with group commit, migrations, and the rows of every room.

Owns the database file and everything in it. Rooms above hold no SQL; they call the repositories here. Products differ
only in a :class:`~fairlead.store.database.Dialect`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.store.database import Database, Dialect, Reader, Transaction
    from fairlead.store.opening import open_database


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a command that only reads the ticket index must not pay for the database's event loop.
    if name == "open_database":
        from fairlead.store.opening import open_database

        return open_database
    if name in ("Database", "Dialect", "Reader", "Transaction"):
        from fairlead.store import database

        return getattr(database, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Database", "Dialect", "Reader", "Transaction", "open_database"]
