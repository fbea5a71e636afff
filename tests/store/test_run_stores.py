"""Both shipped run stores pass the conformance suite."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.store import open_database
from fairlead.store.port import RunStore
from fairlead.store.runs import SqlRunStore
from fairlead.store.volatile import VolatileRunStore
from fairlead.testing.run_store import CHECKS, Check, check_run_store


@pytest.fixture(params=["volatile", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], RunStore]:
    counter = itertools.count()
    if request.param == "volatile":
        return VolatileRunStore
    return lambda: SqlRunStore(open_database(tmp_path / f"{next(counter)}.db"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(make: Callable[[], RunStore], check: Check) -> None:
    async def body() -> None:
        store = make()
        try:
            await asyncio.wait_for(check(store), 30)
        finally:
            store.close()

    asyncio.run(body())


def test_the_suite_notices_a_broken_store() -> None:
    class Forgetful(VolatileRunStore):
        async def transition(self, run_id: str, expect: object, to: str, *drafts: object, **more: object) -> bool:
            return True

    with pytest.raises(AssertionError, match="transitions_compare_before_they_set"):
        asyncio.run(check_run_store(Forgetful))  # type: ignore[arg-type]
