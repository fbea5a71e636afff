"""Watches: nothing is found twice, nothing is lost, and what fails is left alone for a while."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InvalidInputError, NetworkError, NotFoundError, RateLimitedError
from fairlead.events import EventBus
from fairlead.pipeline.intake.watching import Watches, watch_view
from fairlead.pipeline.jobs import Jobs
from fairlead.pipeline.sources.opening import Sources
from fairlead.store import Database, open_database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.clock import StillClock
from fairlead.testing.sources import MemorySource

pytestmark = pytest.mark.anyio

SHELF = "memory://shelf"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Look:
    """Watches over a shelf, with a clock that stands still."""

    def __init__(self, database: Database) -> None:
        self.shelf = MemorySource()
        self.clock = StillClock()
        self.jobs = Jobs(database, self.clock)
        self.watches = Watches(database, self.clock, Sources([self.shelf]), draw=random.Random(1))
        self.database = database

    async def addresses(self) -> list[str]:
        """What is to be taken in, in the order in which it will be."""
        return [job.address.rpartition("/")[2] for job in reversed(await self.jobs.list())]


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Look]:
    database = open_database(tmp_path / "fairlead.db", bus=EventBus())
    with use_tenant(make_tenant("acme")):
        yield Look(database)
    database.close()


async def test_each_item_is_found_once_and_the_oldest_is_done_first(look: Look) -> None:
    look.shelf.put("one", b"1.")
    look.shelf.put("two", b"2.")
    watch = await look.watches.add(SHELF, tags=["t"], every=60)
    assert (await look.watches.add(SHELF)).id == watch.id
    (seen,) = await look.watches.look()
    assert (seen.found, seen.last_seen, seen.next_at) == (2, "two", look.clock.now() + 60)
    assert await look.addresses() == ["one", "two"]
    assert await look.watches.look() == []
    look.clock.advance(61)
    look.shelf.put("three", b"3.")
    (seen,) = await look.watches.look()
    assert (seen.found, await look.addresses()) == (3, ["one", "two", "three"])
    assert {job.tags for job in await look.jobs.list()} == {("t",)}
    (stored,) = await look.watches.list()
    assert stored == seen and watch_view(stored)["last_seen"] == "three"


async def test_more_than_one_look_takes_is_taken_by_the_next(look: Look) -> None:
    look.shelf.put("n0", b"0.")
    await look.watches.add(SHELF, every=60, limit=2)
    await look.watches.look()
    for n in range(1, 6):
        look.shelf.put(f"n{n}", b"x.")
    for _ in range(4):
        look.clock.advance(61)
        await look.watches.look()
    assert await look.addresses() == [f"n{n}" for n in range(6)]


async def test_failures_are_counted_and_left_alone_for_longer_each_time(look: Look) -> None:
    await look.watches.add(SHELF, every=10)
    waits = []
    for _ in range(4):
        look.shelf.errors[SHELF] = [NetworkError("nobody answers.", remedy="Try later.")]
        (row,) = await look.watches.look()
        waits.append(row.next_at - look.clock.now())
        assert row.error and row.backoff_until == row.next_at
        look.clock.advance(waits[-1] - 1)
        assert await look.watches.look() == []
        look.clock.advance(2)
    assert waits == sorted(waits) and waits[-1] > 3 * waits[0]
    look.shelf.errors[SHELF] = [RateLimitedError("slow down.", retry_after=5000)]
    (row,) = await look.watches.look()
    assert row.next_at - look.clock.now() >= 5000 and row.failure_count == 5
    look.clock.advance(5001)
    (row,) = await look.watches.look()
    assert (row.failure_count, row.error, row.backoff_until) == (0, None, None)


async def test_two_processes_do_not_look_at_once(look: Look) -> None:
    look.shelf.put("one", b"1.")
    await look.watches.add(SHELF)
    looked = await asyncio.gather(*(look.watches.look() for _ in range(5)))
    assert sum(len(rows) for rows in looked) == 1 == look.shelf.calls["discover"]


async def test_a_watch_belongs_to_its_tenant(look: Look) -> None:
    await look.watches.add(SHELF, label="shelf")
    with use_tenant(make_tenant("other")):
        assert await look.watches.list() == []
        with pytest.raises(NotFoundError):
            await look.watches.remove("shelf")
        own = await look.watches.add(SHELF)
        assert await look.watches.look(tenant="nobody:main") == []
        assert [row.id for row in await look.watches.look(tenant="other:main")] == [own.id]
    gone = await look.watches.remove("shelf")
    assert gone.tenant == "acme:main" and await look.watches.list() == []


async def test_what_cannot_be_watched_is_refused(look: Look) -> None:
    with pytest.raises(InvalidInputError):
        await look.watches.add("gopher://x.example")
    with pytest.raises(InvalidInputError):
        await look.watches.add(SHELF, every=1)
    assert await look.watches.list() == []


def test_a_folder_is_watched_from_the_command_line(tmp_path: Path, cli: Callable[..., Any]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("The old lighthouse of the harbour was lit for the first time in 1823.")
    assert cli("watch", "add", str(folder), "--label", "inbox", "--tags", "x,y")[0] == 0
    code, out, _ = cli("watch", "run", "--once", "--processes", "1")
    assert code == 0 and "1 looks found 1 items" in out and "1 taken in" in out
    (folder / "b.txt").write_text("The night train to Venice leaves Vienna at nine in the evening.")
    code, out, _ = cli("watch", "run", "--once", "--processes", "1", "--json")
    assert json.loads(out)["data"]["found"] == 1
    code, out, _ = cli("watch", "list", "--json")
    (item,) = json.loads(out)["data"]["items"]
    assert (item["label"], item["found"], item["tags"]) == ("inbox", 2, ["x", "y"])
    assert "Venice" in cli("ask", "When does the night train to Venice leave?")[1]
    assert cli("watch", "remove", "inbox")[0] == 0
    assert "Nothing is watched" in cli("watch", "list")[1]
