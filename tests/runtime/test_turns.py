"""Many at once: starts are spread over turns of the loop, and a large group's waiters are all released."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fairlead.ids
from fairlead.ids import is_id, new_id
from fairlead.runtime import RunReleasedError, Runtime
from fairlead.store import open_database
from tests.runtime.conftest import volatile


async def double(number: int) -> int:
    return number * 2


def test_every_one_of_many_simultaneous_starts_is_carried_out(with_runtime: Callable[..., Any]) -> None:
    async def test(runtime: Runtime) -> None:
        async def one(number: int) -> Any:
            return (await (await runtime.start(double, {"number": number})).result()).data

        assert await asyncio.gather(*(one(n) for n in range(330))) == [n * 2 for n in range(330)]

    with_runtime(test)


def test_a_start_that_is_cancelled_in_the_queue_does_not_hold_up_the_others() -> None:
    async def body() -> None:
        async with volatile() as runtime:
            starts = [asyncio.ensure_future(runtime.start(double, {"number": n})) for n in range(200)]
            await asyncio.sleep(0)
            for start in starts[60:150]:
                start.cancel()
            ended = await asyncio.gather(*starts, return_exceptions=True)
            handles = [handle for handle in ended if not isinstance(handle, BaseException)]
            assert len(handles) == 110
            for handle in handles:
                assert (await handle.result()).success

    asyncio.run(asyncio.wait_for(body(), 60))


def test_starts_that_wait_while_the_runtime_closes_are_refused() -> None:
    async def body() -> None:
        async with volatile() as runtime:
            starts = [asyncio.ensure_future(runtime.start(double, {"number": n})) for n in range(200)]
            await asyncio.sleep(0)
            await runtime.close()
            ended = await asyncio.gather(*starts, return_exceptions=True)
        refused = [one for one in ended if isinstance(one, BaseException)]
        assert refused and all(isinstance(one, RunReleasedError) for one in refused)

    asyncio.run(asyncio.wait_for(body(), 60))


def test_all_waiters_of_a_large_group_get_their_own_results(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")

    async def body() -> list[int]:
        def unit(number: int) -> Callable[[Any], int]:
            return lambda tx: number

        return list(await asyncio.gather(*(database.write(unit(n)) for n in range(1234))))

    try:
        assert asyncio.run(asyncio.wait_for(body(), 60)) == list(range(1234))
    finally:
        database.close()


def test_ids_of_one_millisecond_increase_past_a_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_until", "_value", "_head", "_low"):
        monkeypatch.setattr(fairlead.ids, name, getattr(fairlead.ids, name))
    monkeypatch.setattr(fairlead.ids, "_until", 2**80)
    fairlead.ids._set_value(2**47 << 80 | 5 << 20 | 0xFFFFE)
    made = [new_id("ev") for _ in range(3000)]
    assert made == sorted(set(made)) and len(made) == 3000
    assert all(map(is_id, made))
