"""Waiting for a run whose end this process does not store: a waiter never hears of a failure that did not happen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fairlead.errors import InternalError
from fairlead.runtime import Node, RuntimeOptions, StepContext, Workflow
from fairlead.runtime.engine import result_of_run
from fairlead.runtime.states import RunState
from tests.runtime.conftest import durable
from tests.runtime.test_control import until


def one_step(gate: asyncio.Event) -> Workflow:
    async def body(ctx: StepContext) -> str:
        await gate.wait()
        return "done"

    return Workflow("one", (Node("s0", body),))


def test_a_waiter_of_a_run_that_another_process_took_waits_for_that_end(tmp_path: Path) -> None:
    async def test() -> None:
        async with durable(tmp_path / "a") as runtime:
            gate = asyncio.Event()
            handle = await runtime.start(one_step(gate))
            waiter = asyncio.create_task(handle.result())
            await until(lambda: runtime.executions[handle.id].tasks)
            mine = (await runtime.require(handle.id)).owner
            assert await runtime.store.claim(handle.id, owner="another", dead=mine)
            gate.set()
            await until(lambda: handle.id not in runtime.executions)
            await asyncio.sleep(0.05)
            assert not waiter.done()
            said = runtime._draft(await runtime.require(handle.id), "run.completed", {}, "another")
            end = b'["theirs",{}]'
            assert await runtime.store.transition(
                handle.id, ("running",), "completed", said, owner="another", finished=1.0, result=end
            )
            assert (await asyncio.wait_for(waiter, 10)).data == "theirs"

    asyncio.run(test())


def test_a_run_that_was_paused_by_somebody_else_as_it_ended_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    async def test() -> None:
        async with durable(tmp_path) as runtime:
            gate = asyncio.Event()
            workflow = one_step(gate)
            runtime.register(workflow)
            handle = await runtime.start(workflow)
            waiter = asyncio.create_task(handle.result())
            await until(lambda: runtime.executions[handle.id].tasks)
            row = await runtime.require(handle.id)
            said = runtime._draft(row, "run.paused", {"in_flight": []}, "another")
            # The store says paused before the execution has heard of it: what a request from outside may win.
            assert await runtime.store.transition(handle.id, ("running",), "paused", said, owner=row.owner)
            gate.set()
            await until(lambda: handle.id not in runtime.executions)
            await asyncio.sleep(0.05)
            assert not waiter.done()
            with pytest.raises(InternalError):
                result_of_run(await runtime.require(handle.id))
            await handle.resume()
            assert (await asyncio.wait_for(waiter, 10)).data == "done"

    asyncio.run(test())


def test_a_pause_that_comes_while_the_process_lets_go_is_kept(tmp_path: Path) -> None:
    async def test() -> None:
        gate = asyncio.Event()
        options = RuntimeOptions(shutdown_grace=5.0)
        async with durable(tmp_path, options) as runtime:
            handle = await runtime.start(one_step(gate))
            await until(lambda: runtime.executions[handle.id].tasks)
            closing = asyncio.create_task(runtime.close())
            await until(lambda: runtime.executions[handle.id].held)
            await handle.pause("operator:ann")
            gate.set()
            await closing
            row = await runtime.require(handle.id)
            assert (row.state, row.pause_cause, row.owner) == (RunState.PAUSED, "operator:ann", None)

    asyncio.run(test())
