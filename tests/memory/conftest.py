"""A memory over a real database, a clock that stands still, and the real data when it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.memory import Memory
from fairlead.store import Database, open_database
from fairlead.tenancy import make_tenant, use_tenant


class StillClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def database(tmp_path: Path, clock: StillClock) -> Iterator[Database]:
    database = open_database(tmp_path / "fairlead.db", clock=clock)
    yield database
    database.close()


@pytest.fixture
def memory(database: Database, clock: StillClock) -> Memory:
    return Memory(database, clock=clock)


@pytest.fixture
def tenant() -> Iterator[None]:
    with use_tenant(make_tenant("acme")):
        yield


@pytest.fixture
def real_data() -> Path:
    folder = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).parents[2] / "../shared/data")
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}; set FAIRLEAD_DATA")
    return folder
