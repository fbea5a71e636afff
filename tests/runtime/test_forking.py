"""A fork keeps what had finished by its checkpoint, does the rest, and leaves the first run as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError, NotFoundError, StateError
from fairlead.observe.trace import trace_of
from fairlead.runtime import Change, Edge, Node, Runtime, StepContext, Workflow, checkpoints
from fairlead.runtime.forking import keep
from fairlead.runtime.plan import Plan
from fairlead.store.port import JournalRow
from tests.runtime.conftest import durable, volatile


def over(folder: Path, test: Callable[[Runtime], Awaitable[None]]) -> None:
    async def body() -> None:
        async with durable(folder) as runtime:
            await test(runtime)

    asyncio.run(asyncio.wait_for(body(), 30))


def chain(
    done: list[str], *names: str, effects: tuple[str, ...] = (), fails: Callable[[str], bool] | None = None
) -> Any:
    def body(name: str) -> Any:
        async def step(ctx: StepContext) -> str:
            done.append(name)
            if fails is not None and fails(name):
                raise ValueError(f"{name} will not")
            return f"{name} after {'+'.join(done)}"

        return step

    return Workflow(
        "chain",
        tuple(
            Node(name, body(name), depends_on=(Edge(names[n - 1]),) if n else (), effect=name in effects)
            for n, name in enumerate(names)
        ),
    )


def test_a_fork_does_again_only_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    done: list[str] = []

    async def test(runtime: Runtime) -> None:
        runtime.register(chain(done, "a", "b", "c", "d"))
        first = await runtime.start("chain", {})
        before = (await first.result()).data
        points = checkpoints(await runtime.store.journal(first.id))
        assert [(p.number, p.key) for p in points] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
        for at, again in (("b", ["c", "d"]), ("3", ["d"]), ("d", [])):
            done.clear()
            fork = await first.fork(change=Change(at=at), cause="operator:ann")
            assert (await fork.result()).success
            assert done == again, at
            row = await runtime.require(fork.id)
            assert (row.forked_from, row.parent_id, row.cause) == (first.id, None, "operator:ann")
        kept = {row.key: row.value for row in await runtime.store.journal(first.id)}
        forked = {row.key: row.value for row in await runtime.store.journal(fork.id)}
        assert forked == kept
        assert (await first.result()).data == before, "the first run is as it was"
        told = await runtime.store.events(subject=first.id, types=("run.forked",))
        assert [e.data["at"] for e in told] == ["b", "3", "d"]
        spans = {s["key"]: s for s in trace_of(row, await runtime.store.journal(fork.id))["spans"]}
        assert spans["a"]["kept_from"] == first.id and spans["a"]["seconds"] == 0

    over(tmp_path, test)


def test_a_fork_of_a_failed_run_tries_again_what_failed(tmp_path: Path) -> None:
    done: list[str] = []
    broken = True

    async def test(runtime: Runtime) -> None:
        nonlocal broken
        runtime.register(chain(done, "a", "b", "c", fails=lambda name: broken and name == "b"))
        first = await runtime.start("chain", {})
        assert not (await first.result()).success
        broken = False
        done.clear()
        fork = await first.fork()
        assert (await fork.result()).success
        assert done == ["b", "c"]
        assert (await runtime.require(first.id)).state == "error"

    over(tmp_path, test)


def test_a_step_can_be_done_again_or_given_another_result(tmp_path: Path) -> None:
    done: list[str] = []

    def step(name: str) -> Any:
        async def call(**given: Any) -> Any:
            done.append(name)
            return given.get("value", name)

        return call

    async def left() -> str:
        done.append("left")
        return "left"

    async def right() -> str:
        done.append("right")
        return "right"

    async def both(left: str, right: str) -> str:
        done.append("both")
        return f"{left} and {right}"

    nodes = (Node("left", left), Node("right", right), Node("both", both, depends_on=(Edge("left"), Edge("right"))))

    async def test(runtime: Runtime) -> None:
        runtime.register(Workflow("two", nodes))
        first = await runtime.start("two", {})
        await first.result()
        done.clear()
        assert (await (await first.fork(change=Change(redo="left"))).result()).data == {"both": "left and right"}
        assert done == ["left", "both"]
        done.clear()
        assert (await (await first.fork(change=Change(values={"left": "west"}))).result()).data == {
            "both": "west and right"
        }
        assert done == ["both"]
        with pytest.raises(InvalidInputError, match="no step 'wset'"):
            await first.fork(change=Change(values={"wset": 1}))
        with pytest.raises(NotFoundError, match="no checkpoint 'both/1'"):
            await first.fork(change=Change(at="both/1"))
        assert len(await runtime.store.find(tenant="acme:main")) == 3, "a refused fork stores nothing"

    over(tmp_path, test)


def test_nothing_acts_on_the_world_twice_unless_that_is_allowed(tmp_path: Path) -> None:
    done: list[str] = []

    async def parts(ctx: StepContext) -> None:
        await ctx.step("pay", lambda: done.append("pay"), effect=True)

    async def test(runtime: Runtime) -> None:
        runtime.register(chain(done, "a", "send", "c", effects=("send",)))
        first = await runtime.start("chain", {})
        await first.result()
        with pytest.raises(StateError, match="'send'"):
            await first.fork(change=Change(at="a"))
        done.clear()
        assert (await (await first.fork(change=Change(at="send"))).result()).success
        assert done == ["c"]
        done.clear()
        assert (await (await first.fork(change=Change(at="a"), repeat_effects=True)).result()).success
        assert done == ["send", "c"]
        runtime.register(Workflow("paying", (Node("parts", parts),)))
        paid = await runtime.start("paying", {})
        await paid.result()
        with pytest.raises(StateError, match=r"parts/pay#1"):
            await paid.fork(change=Change(redo="parts"))

    over(tmp_path, test)


def test_a_fork_within_a_step_keeps_its_finished_parts_and_items(tmp_path: Path) -> None:
    done: list[str] = []
    broken = True

    async def work(ctx: StepContext, item: int) -> int:
        part = await ctx.step("half", lambda: done.append(f"half{item}"))
        assert part is None
        if broken and item == 2:
            raise ValueError("not yet")
        done.append(f"whole{item}")
        return item * 10

    async def numbers() -> list[int]:
        return [1, 2, 3]

    nodes = (Node("numbers", numbers), Node("work", work, depends_on=(Edge("numbers"),), foreach="steps.numbers"))

    async def test(runtime: Runtime) -> None:
        nonlocal broken
        runtime.register(Workflow("fan", nodes))
        first = await runtime.start("fan", {})
        assert not (await first.result()).success
        broken = False
        done.clear()
        fork = await first.fork()
        assert (await fork.result()).data == {"work": [10, 20, 30]}
        assert done == ["whole2"], "the finished half of the failed item and the other items are kept"

    over(tmp_path, test)


def test_other_tenants_and_runs_in_memory_cannot_be_forked(tmp_path: Path) -> None:
    async def test(runtime: Runtime) -> None:
        runtime.register(chain([], "a"))
        first = await runtime.start("chain", {})
        await first.result()
        with pytest.raises(NotFoundError):
            await runtime.fork(first.id, tenant="globex:main")
        same = [await first.fork(idempotency_key="once") for _ in range(2)]
        assert same[0].id == same[1].id

    over(tmp_path, test)

    async def body() -> None:
        async with volatile() as runtime:
            first = await runtime.start(chain([], "a"), {})
            await first.result()
            with pytest.raises(StateError, match="in memory"):
                await first.fork()

    asyncio.run(body())


@settings(max_examples=60, deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16),
    order=st.permutations(range(8)),
    at=st.integers(0, 7),
    finished=st.integers(0, 8),
)
def test_what_a_fork_keeps_is_a_state_that_the_run_was_in(
    edges: list[tuple[int, int]], order: list[int], at: int, finished: int
) -> None:
    """For any graph and any order of finishing that respects it, the kept steps hold the dependencies of each."""
    needs = {n: {a for a, b in edges if b == n and a < n} for n in range(8)}

    async def nothing() -> None:
        return None

    nodes = tuple(Node(f"s{n}", nothing, depends_on=tuple(Edge(f"s{d}") for d in sorted(needs[n]))) for n in range(8))
    plan = Plan(Workflow("w", nodes), lambda name: nothing, ())
    done: list[int] = []
    while len(done) < 8:
        done.append(next(n for n in order if n not in done and needs[n] <= set(done)))
    journal = [
        JournalRow("r", f"s{n}", "step", "success", 1, "h", b"1", None, None, None, float(i), float(i + 1), 1)
        for i, n in enumerate(done[:finished])
    ]
    change = Change(at=f"s{at}") if at in done[:finished] else Change()
    kept = {row.key for row in keep(plan, journal, change, source="r", run_id="f", cause="t", now=9.0).rows}
    for n in range(8):
        if f"s{n}" in kept:
            assert {f"s{d}" for d in needs[n]} <= kept
    if change.at is not None:
        assert kept == {f"s{n}" for n in done[: done.index(at) + 1]}
    redone = {
        row.key for row in keep(plan, journal, Change(redo=f"s{at}"), source="r", run_id="f", cause="t", now=9.0).rows
    }
    assert f"s{at}" not in redone
    for n in range(8):
        if f"s{n}" in redone:
            assert {f"s{d}" for d in needs[n]} <= redone
