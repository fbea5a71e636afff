"""Runtimes to measure: in memory and over SQLite in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fairlead.runtime import Runtime, RuntimeOptions
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.store.volatile import VolatileRunStore
from fairlead.tenancy import make_tenant, use_tenant

UNBOUNDED = RuntimeOptions(max_concurrency=None, max_concurrency_per_agent=None)


@asynccontextmanager
async def opened(
    *, durable: bool, options: RuntimeOptions = UNBOUNDED, folder: Path | None = None
) -> AsyncIterator[Runtime]:
    """An opened runtime of its own; ``folder`` is given when other processes are to reach it."""
    with tempfile.TemporaryDirectory() as own, use_tenant(make_tenant("bench")):
        place = folder or Path(own)
        database = open_database(place / "runs.db") if durable else None
        store = VolatileRunStore() if database is None else SqlRunStore(database)
        runtime = await Runtime(store, options=options, owners=place / "owners").open()
        try:
            yield runtime
        finally:
            await runtime.close()
            if database is not None:
                database.close()
