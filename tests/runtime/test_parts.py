"""Parts of a step that run side by side: their keys, their waiting, their effects, and messages to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fairlead.runtime import Node, Retry, RunHandle, RunState, Runtime, RuntimeOptions, StepContext, Workflow
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import make_tenant, use_tenant

Opened = Callable[[], Any]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    @asynccontextmanager
    async def make() -> AsyncIterator[Runtime]:
        database = open_database(tmp_path / "runs.db")
        runtime = await Runtime(
            SqlRunStore(database), owners=tmp_path / "owners", options=RuntimeOptions(shutdown_grace=0.2)
        ).open()
        try:
            with use_tenant(make_tenant("test")):
                yield runtime
        finally:
            await runtime.close()
            database.close()

    return make


def one_step(call: Callable[..., Any], **policies: Any) -> Workflow:
    return Workflow("parts", (Node("work", call, **policies),))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def events_of(runtime: Runtime, run: RunHandle) -> list[str]:
    return [event.type for event in await runtime.store.events(subject=run.id)]


def test_nested_parts_keep_their_keys_whoever_is_faster(opened: Opened) -> None:
    delays = {"first": [0.03, 0.0], "second": [0.0, 0.03]}
    attempts = 0

    async def work(ctx: StepContext) -> dict[str, str]:
        nonlocal attempts
        attempts += 1

        async def branch(name: str) -> str:
            await asyncio.sleep(delays[name][attempts - 1])
            return str(await ctx.step("inner", lambda: f"{name}, attempt {attempts}"))

        first, second = await asyncio.gather(
            ctx.step("branch", branch, "first", key="first"), ctx.step("branch", branch, "second", key="second")
        )
        if attempts == 1:
            raise ConnectionError("once more")
        return {"first": first, "second": second}

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(one_step(work, retry=Retry(attempts=2, base=0.0)))
            assert (await run.result()).data == {"first": "first, attempt 1", "second": "second, attempt 1"}
            keys = {row.key for row in await runtime.store.journal(run.id)}
            assert {"work/first/inner#1", "work/second/inner#1"} < keys

    asyncio.run(main())


def test_a_run_is_blocked_when_two_questions_of_one_step_wait(opened: Opened) -> None:
    calls = 0

    async def work(ctx: StepContext) -> list[Any]:
        nonlocal calls
        calls += 1
        return list(await asyncio.gather(ctx.ask("one?", key="one"), ctx.ask("two?", key="two")))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(one_step(work))
            assert (await run.rest()).type == "run.blocked"
            assert await run.state() is RunState.PAUSED
            await run.decide("work/one", "answer", 1)
            await until(lambda: runtime.executions[run.id].held)
            await run.decide("work/two", "answer", 2)
            assert (await run.result()).data == [1, 2]
            assert calls == 1

    asyncio.run(main())


def test_a_question_does_not_block_the_run_while_a_sibling_works(opened: Opened) -> None:
    go_on = asyncio.Event()

    async def work(ctx: StepContext) -> list[Any]:
        return list(await asyncio.gather(ctx.ask("may I?", key="q"), ctx.step("busy", go_on.wait, key="busy")))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(one_step(work))
            await until(lambda: bool(runtime.executions[run.id].asking))
            await asyncio.sleep(0.02)
            assert await run.state() is RunState.RUNNING
            go_on.set()
            assert (await run.rest()).type == "run.blocked"
            await run.decide("work/q", "answer", True)
            assert (await run.result()).data == [True, True]

    asyncio.run(main())


def test_a_pause_is_drained_once_every_part_is_held(opened: Opened) -> None:
    async def work(ctx: StepContext) -> str:
        async def branch() -> None:
            while True:
                await asyncio.sleep(0.005)
                await ctx.safe_point()
                if ctx.messages():
                    return

        await asyncio.gather(ctx.step("b", branch, key="1"), ctx.step("b", ctx.safe_point, key="2"))
        return "done"

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(one_step(work))
            await asyncio.sleep(0.01)
            await run.pause()
            await until(lambda: runtime.executions[run.id].in_flight == 0)
            await run.resume()
            await run.steer("finish")
            assert (await run.result()).data == "done"
            types = await events_of(runtime, run)
            assert types.index("run.paused") < types.index("run.drained") < types.index("run.resumed")

    asyncio.run(main())


def test_an_effect_cancelled_by_a_timeout_is_not_silently_repeated(opened: Opened) -> None:
    acted = 0

    async def act() -> None:
        nonlocal acted
        acted += 1
        await asyncio.sleep(30)

    async def work(ctx: StepContext) -> Any:
        return await ctx.step("act", act, key="act", effect=True)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(one_step(work, timeout=0.05, retry=Retry(attempts=3, base=0.0)))
            assert (await run.rest()).type == "run.blocked"
            assert acted == 1
            await run.decide("work/act", "done", "it went through")
            assert (await run.result()).data == "it went through"
            assert acted == 1

    asyncio.run(main())


def test_a_message_accepted_before_a_crash_is_delivered_after_it_and_only_once(opened: Opened) -> None:
    heard: list[list[str]] = []
    listen = asyncio.Event()
    finish = asyncio.Event()

    async def work(ctx: StepContext) -> list[str]:
        await listen.wait()
        heard.append(await ctx.take_messages("hear#1"))
        await ctx.step("linger", finish.wait)
        return heard[-1]

    def heard_is(count: int) -> bool:
        return len(heard) == count

    async def crash(runtime: Runtime, run: RunHandle) -> None:
        await runtime.executions[run.id].stop("crash")
        runtime.executions.pop(run.id)
        await runtime.store.update(run.id, owner=None)

    async def main() -> None:
        workflow = one_step(work)
        async with opened() as runtime:
            run = await runtime.start(workflow)
            await run.steer("left")
            await crash(runtime, run)
        listen.set()
        for count in (1, 2):
            async with opened() as runtime:
                runtime.register(workflow)
                await runtime.recover()
                await until(partial(heard_is, count))
                await crash(runtime, run)
        finish.set()
        async with opened() as runtime:
            runtime.register(workflow)
            (run,), _ = await runtime.recover()
            assert (await run.result()).data == ["left"]
            assert heard == [["left"]] * 3
            receipts = await runtime.store.events(subject=run.id, types=("run.message_delivered",))
            assert len(receipts) == 1

    asyncio.run(main())


def test_a_child_that_is_let_go_first_does_not_fail_its_parent(opened: Opened) -> None:
    async def child(ctx: StepContext) -> Any:
        return await ctx.ask("shall I?")

    inner = Workflow("inner", (Node("child", child),))

    async def parent(ctx: StepContext) -> Any:
        return await ctx.call(inner)

    outer = Workflow("outer", (Node("parent", parent),))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(outer)
            await until(lambda: len(runtime.executions) == 2)
            (row,) = await runtime.store.find(tenant=None, parent_id=run.id)
            await RunHandle(runtime, row.id).rest()
        async with opened() as runtime:
            runtime.register(outer)
            runtime.register(inner)
            await runtime.recover()
            assert await RunHandle(runtime, run.id).state() is RunState.RUNNING
            await until(lambda: row.id in runtime.executions)
            await until(lambda: bool(runtime.executions[row.id].blocked) or runtime.executions[row.id].held)
            child_run = RunHandle(runtime, row.id)
            await child_run.resume()
            await child_run.rest()
            await child_run.decide("child/approval#1", "answer", "yes")
            assert (await RunHandle(runtime, run.id).result()).data == "yes"

    asyncio.run(main())
