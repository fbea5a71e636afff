"""The one door to SQL: connections, transactions with group commit, migrations, and the rows of every room.

Owns the database file and everything in it. Rooms above hold no SQL; they call the repositories here. Products differ
only in a :class:`~fairlead.store.database.Dialect`.
"""

from __future__ import annotations

from fairlead.store.database import Database, Dialect, Reader, Transaction
from fairlead.store.opening import open_database

__all__ = ["Database", "Dialect", "Reader", "Transaction", "open_database"]
