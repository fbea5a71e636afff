"""Runtimes to test with: in memory and on disk, opened inside the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.runtime import Runtime, RuntimeOptions
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.store.volatile import VolatileRunStore
from fairlead.tenancy import make_tenant, use_tenant

UNBOUNDED = RuntimeOptions(max_concurrency=None, max_concurrency_per_agent=None)


@contextlib.asynccontextmanager
async def durable(folder: Path, options: RuntimeOptions = UNBOUNDED, **more: Any) -> AsyncIterator[Runtime]:
    database = open_database(folder / "fairlead.db")
    try:
        with use_tenant(make_tenant("acme")):
            runtime = await Runtime(SqlRunStore(database), options=options, owners=folder / "owners", **more).open()
            try:
                yield runtime
            finally:
                await runtime.close()
    finally:
        database.close()


@contextlib.asynccontextmanager
async def volatile(options: RuntimeOptions = UNBOUNDED, **more: Any) -> AsyncIterator[Runtime]:
    with use_tenant(make_tenant("acme")):
        runtime = await Runtime(VolatileRunStore(), options=options, **more).open()
        try:
            yield runtime
        finally:
            await runtime.close()


@pytest.fixture(params=["volatile", "durable"])
def with_runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Runs ``test(runtime)`` on a fresh loop, once over each store."""

    def run(test: Callable[[Runtime], Awaitable[Any]], options: RuntimeOptions = UNBOUNDED, **more: Any) -> Any:
        async def body() -> Any:
            if request.param == "volatile":
                async with volatile(options, **more) as runtime:
                    return await test(runtime)
            async with durable(tmp_path, options, **more) as runtime:
                return await test(runtime)

        return asyncio.run(asyncio.wait_for(body(), 60))

    return run
