"""Opening a store: check it, bring its schema up to date behind a backup, and hand out the database."""

from __future__ import annotations

from pathlib import Path

from fairlead.clock import Clock, SystemClock, isoformat
from fairlead.errors import NotInitialisedError
from fairlead.events import EventBus
from fairlead.store.database import Database
from fairlead.store.migrations import applied, load_migrations, migrate, pending
from fairlead.store.sqlite import SqliteDialect, back_up


def open_database(
    path: Path,
    *,
    bus: EventBus | None = None,
    clock: Clock | None = None,
    durability: str = "normal",
    poll_interval: float = 0.02,
    create: bool = True,
) -> Database:
    """Opens the database at ``path``.

    With ``create`` (what everything that writes uses) it is made or migrated, after a backup when there was something
    to back up. Without it nothing is changed: an absent store raises :class:`NotInitialisedError`, and so does one
    whose schema is older than the code.

    Raises :class:`SchemaNewerError`, :class:`StoreCorruptError` or :class:`StoreFullError` as the case may be.
    """
    dialect = SqliteDialect(path, durability=durability)
    migrations = load_migrations(dialect.name)
    connection = dialect.connect(writer=create)
    try:
        todo = pending(connection, migrations, path)
        if todo and not create:
            raise NotInitialisedError(
                f"the store {path} has an older schema than this Fairlead.",
                remedy="Run `fairlead doctor --migrate`; it makes a backup first.",
                path=str(path),
            )
        if todo:
            done = applied(connection)
            now = (clock or SystemClock()).now()
            if done:
                stamp = isoformat(now).replace(":", "").replace(".", "")
                back_up(path, path.parent / "backups" / f"{path.stem}-schema{done[-1][0]:04d}-{stamp}.db")
            migrate(connection, dialect, migrations, path, now=now)
    except Exception as exc:
        explained = dialect.explain(exc)
        if explained is None:
            raise
        raise explained from exc
    finally:
        connection.close()
    return Database(dialect, bus=bus, poll_interval=poll_interval)
