"""The port of sources: the source in memory keeps the suite, and what a look takes is decided without fetching."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import NetworkError
from fairlead.pipeline.sources import START, Discovery, Found, Position, Record
from fairlead.pipeline.sources.watching import (
    LONGEST_BACKOFF_SECONDS,
    YEAR_SECONDS,
    choose,
    newest_first,
    wait_after_failures,
)
from fairlead.testing.sources import Case, MemorySource, check_source


def _shelf() -> MemorySource:
    source = MemorySource()
    source.put("old", b"What was first.", published_at=1_000.0)
    source.put("new", b"What came after.", published_at=2_000.0, kind="text")
    return source


_CASE = Case("memory://shelf", ("memory://shelf/new", "memory://shelf/old"), missing="memory://shelf/none")


def test_the_source_in_memory_keeps_the_suite(tmp_path: Path) -> None:
    asyncio.run(check_source(_shelf, _CASE, tmp_path))


def test_the_suite_finds_a_source_that_forgets(tmp_path: Path) -> None:
    class Forgetful(MemorySource):
        async def discover(self, address: str, position: Position = START, limit: int = 50) -> Discovery:
            return await super().discover(address, Position(), limit)

    def make() -> MemorySource:
        source = Forgetful()
        source.items = _shelf().items
        return source

    with pytest.raises(AssertionError, match="it_stops_at_what_was_seen"):
        asyncio.run(check_source(make, _CASE, tmp_path))


def test_an_address_raises_what_it_was_told_to() -> None:
    source = _shelf()
    source.errors["memory://shelf/new"] = [NetworkError("gone for a moment")]

    async def ask() -> Record:
        with pytest.raises(NetworkError):
            await source.metadata("memory://shelf/new")
        return await source.metadata("memory://shelf/new")

    assert asyncio.run(ask()).title == "new"
    assert source.calls == {"metadata": 2}


def _listed(*ids: str, time: float | None = None) -> list[Found]:
    return [Found(one, f"https://x/{one}", published_at=time) for one in ids]


def test_a_first_look_takes_the_newest_and_leaves_out_what_is_a_year_old() -> None:
    items = [Found(str(n), f"u{n}", published_at=1e9 - n * YEAR_SECONDS / 4) for n in range(8)]
    found = choose(items, Position(), limit=3, now=1e9)
    assert [item.external_id for item in found.items] == ["0", "1", "2"]
    assert found.position.last_seen == "0"
    assert [i.external_id for i in choose(items, Position(), limit=50, now=1e9).items] == ["0", "1", "2", "3", "4"]


def test_an_empty_list_keeps_the_place() -> None:
    found = choose([], Position(last_seen="a", etag="1"), limit=5, etag="2")
    assert found.items == () and found.position == Position(last_seen="a", etag="2")


def test_nothing_is_passed_over_when_more_came_than_a_look_takes() -> None:
    position, taken = Position(last_seen="0"), list[str]()
    for _ in range(4):
        found = choose(_listed(*"987654321", "0"), position, limit=4)
        taken += [item.external_id for item in reversed(found.items)]
        position = found.position
    assert taken == list("123456789")


@settings(deadline=None, max_examples=60)
@given(
    total=st.integers(1, 40),
    arrivals=st.lists(st.integers(0, 9), max_size=8),
    limit=st.integers(1, 12),
)
def test_a_watch_hands_over_each_item_once(total: int, arrivals: list[int], limit: int) -> None:
    ids = [str(n) for n in range(total)]
    first = choose(_listed(*reversed(ids)), Position(), limit=limit)
    taken = [item.external_id for item in first.items]
    position = first.position
    for more in [*arrivals, *([0] * 40)]:
        ids += [str(len(ids) + n) for n in range(more)]
        found = choose(_listed(*reversed(ids)), position, limit=limit)
        taken += [item.external_id for item in found.items]
        position = found.position
    assert len(taken) == len(set(taken))
    assert set(taken) >= set(ids[total:])


def test_times_order_a_list_only_where_all_are_known() -> None:
    dated = [*_listed("a", time=1.0), *_listed("b", time=3.0), *_listed("c", time=2.0)]
    assert [item.external_id for item in newest_first(dated)] == ["b", "c", "a"]
    assert [item.external_id for item in newest_first([*dated, *_listed("d")])] == ["a", "b", "c", "d"]


@given(failures=st.integers(-3, 10_000), draw=st.floats(0, 1), retry=st.none() | st.floats(0, 1e9))
@settings(deadline=None)
def test_waits_grow_and_never_run_away(failures: int, draw: float, retry: float | None) -> None:
    wait = wait_after_failures(failures, retry_after=retry, draw=draw)
    assert 0 <= wait <= max(LONGEST_BACKOFF_SECONDS * 1.25, 86400.0)
    if failures > 0:
        assert wait >= 45.0
        assert wait >= min(retry or 0.0, 86400.0)
        assert wait_after_failures(failures + 1, draw=draw) >= wait_after_failures(failures, draw=draw)
