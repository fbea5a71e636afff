"""Pause, resume, terminate, steer, change model and permissions, commands, decisions: here and from another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError, StateError
from fairlead.runtime import Edge, Node, Runtime, RuntimeOptions, StepContext, Workflow
from fairlead.runtime.states import TRANSITIONS, RunState
from tests.runtime.conftest import UNBOUNDED, durable

Run = Callable[..., Any]


def chain(n: int, body: Any) -> Workflow:
    return Workflow("chain", tuple(Node(f"s{i}", body, depends_on=(Edge(f"s{i - 1}"),) if i else ()) for i in range(n)))


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.002)


async def types_of(runtime: Runtime, run_id: str) -> list[str]:
    return [e.type for e in await runtime.store.events(subject=run_id, limit=10_000)]


def test_pause_lets_what_is_in_flight_finish_and_nothing_begin(with_runtime: Run) -> None:
    began: list[str] = []
    go = asyncio.Event

    async def test(runtime: Runtime) -> None:
        gate = go()

        async def body(ctx: StepContext) -> None:
            began.append(ctx.key)
            await gate.wait()

        handle = await runtime.start(chain(3, body))
        await until(lambda: began)
        await handle.pause("operator:ann")
        assert await handle.state() is RunState.PAUSED
        gate.set()
        await until(lambda: not runtime.executions[handle.id].tasks)
        await asyncio.sleep(0.02)
        assert began == ["s0"]
        row = await runtime.require(handle.id)
        assert (row.state, row.pause_cause, row.terminate_cause) == ("paused", "operator:ann", None)
        await handle.resume("operator:ben")
        assert (await handle.result()).success
        assert began == ["s0", "s1", "s2"]
        types = await types_of(runtime, handle.id)
        assert types.index("run.paused") < types.index("run.drained") < types.index("run.resumed")
        events = await runtime.store.events(types=("run.paused", "run.resumed"), limit=10)
        assert [e.cause for e in events] == ["operator:ann", "operator:ben"], "every transition names its cause"
        assert events[0].data == {"in_flight": ["s0"]}

    with_runtime(test)


def test_a_step_holds_at_its_safe_points(with_runtime: Run) -> None:
    turns = 0

    async def test(runtime: Runtime) -> None:
        async def body(ctx: StepContext) -> None:
            nonlocal turns
            for _ in range(200):
                turns += 1
                await asyncio.sleep(0.001)
                await ctx.safe_point()

        handle = await runtime.start(body)
        await until(lambda: turns > 3)
        await handle.pause()
        await until(lambda: runtime.executions[handle.id].parked == 1)
        before = turns
        await asyncio.sleep(0.03)
        assert turns == before
        await handle.resume()
        assert (await handle.result()).success
        assert turns == 200

    with_runtime(test)


def test_terminate_cancels_what_is_in_flight_and_the_children(with_runtime: Run) -> None:
    cancelled: list[str] = []

    async def test(runtime: Runtime) -> None:
        async def leaf() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append("leaf")
                raise

        async def middle(ctx: StepContext) -> Any:
            return await ctx.call(leaf)

        async def root(ctx: StepContext) -> Any:
            return await ctx.call(middle)

        handle = await runtime.start(root)
        await until(lambda: len(runtime.executions) == 3)
        await asyncio.sleep(0.01)
        begin = time.perf_counter()
        await handle.terminate("operator:ann")
        assert time.perf_counter() - begin < 1
        result = await handle.result()
        assert not result.success
        assert "operator:ann" in (result.error or "")
        assert cancelled == ["leaf"]
        assert {r.state for r in await runtime.store.find(tenant=None)} == {"terminated"}
        assert not runtime.executions
        with pytest.raises(StateError):
            await handle.resume()
        assert (await runtime.control(handle.id, "terminate", cause="x"))["already"], "terminating twice is fine"

    with_runtime(test)


def test_pause_and_terminate_at_once(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        for _ in range(20):
            handle = await runtime.start(chain(5, lambda: time.sleep(0.001)))
            outcomes = await asyncio.gather(
                handle.pause("a"), handle.terminate("b"), handle.pause("c"), return_exceptions=True
            )
            assert all(o is None or isinstance(o, StateError) for o in outcomes), outcomes
            assert await handle.state() is RunState.TERMINATED, "a termination is never lost to a pause"

    with_runtime(test)


def test_a_stubborn_step_is_reported_and_does_not_hold_the_termination_forever(tmp_path: Path) -> None:
    async def body() -> None:
        async with durable(tmp_path) as runtime:
            release = asyncio.Event()

            async def stubborn() -> None:
                while not release.is_set():
                    try:
                        await asyncio.sleep(10)
                    except asyncio.CancelledError:
                        if release.is_set():
                            raise

            handle = await runtime.start(stubborn)
            await asyncio.sleep(0.02)
            execution = runtime.executions[handle.id]
            stop = execution.stop

            async def quick(why: str) -> list[str]:
                return await stop(why, 0.1)

            execution.stop = quick  # type: ignore[assignment,method-assign]
            answer = await runtime.control(handle.id, "terminate", cause="x")
            assert answer["still_running"] == ["stubborn"]
            assert await handle.state() is RunState.TERMINATED
            release.set()
            for task in list(execution.tasks.values()):
                task.cancel()
            await asyncio.sleep(0.01)

    asyncio.run(body())


def test_a_cancelled_waiter_does_not_touch_the_run(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        async def slow() -> str:
            await asyncio.sleep(0.05)
            return "done"

        handle = await runtime.start(slow)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle.result(), 0.01)
        assert (await handle.result()).data == "done"

    with_runtime(test)


def test_messages_are_delivered_with_a_receipt(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        heard: list[str] = []
        ready = asyncio.Event()

        async def listen(ctx: StepContext) -> list[str]:
            ready.set()
            while not heard:
                heard.extend(ctx.messages())
                await asyncio.sleep(0.002)
            return heard

        handle = await runtime.start(listen)
        await ready.wait()
        message_id = await handle.steer("look at chapter 3", "operator:ann")
        assert (await handle.result()).data == ["look at chapter 3"]
        events = await runtime.store.events(subject=handle.id, types=("run.steered", "run.message_delivered"))
        assert [(e.type, e.data["message_id"]) for e in events] == [
            ("run.steered", message_id),
            ("run.message_delivered", message_id),
        ]

    with_runtime(test)


def test_model_and_permissions_change_under_way(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        seen: list[tuple[str | None, str]] = []

        async def watcher(ctx: StepContext) -> None:
            while len(seen) < 2 or seen[-1][1] == seen[0][1]:
                seen.append((ctx.model, ctx.permission_mode))
                await asyncio.sleep(0.002)

        handle = await runtime.start(watcher, model="small")
        await until(lambda: seen)
        await handle.change_model("large")
        await until(lambda: seen[-1][0] == "large")
        await handle.change_permission_mode("plan")
        await handle.result()
        row = await runtime.require(handle.id)
        assert (row.model, row.permission_mode) == ("large", "plan")
        with pytest.raises(StateError):
            await handle.change_model("other")
        with pytest.raises(InvalidInputError):
            await runtime.control(handle.id, "permissions", {"mode": "root"}, cause="x")

    with_runtime(test)


def test_permission_modes_ask_allow_and_refuse(with_runtime: Run) -> None:
    async def edit() -> str:
        return "edited"

    workflow = Workflow("w", (Node("edit", edit, permission="edit"),))

    async def test(runtime: Runtime) -> None:
        assert (await (await runtime.start(workflow, permission_mode="acceptEdits")).result()).data == "edited"
        refused = await (await runtime.start(workflow, permission_mode="plan")).result()
        assert "may not edit" in (refused.error or "")
        asked = await runtime.start(workflow)
        event = await asked.rest()
        assert event.type == "run.blocked"
        key = event.data["waiting_for"][0]["key"]
        assert await asked.state() is RunState.PAUSED
        await asked.decide(key, "answer", True, "operator:ann")
        assert (await asked.result()).data == "edited"
        denied = await runtime.start(workflow)
        await denied.rest()
        await denied.decide(key, "answer", False)
        assert not (await denied.result()).success

    with_runtime(test)


def test_decisions_about_what_is_not_asked_are_refused(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        async def ask(ctx: StepContext) -> Any:
            return await ctx.ask("Which?")

        handle = await runtime.start(ask)
        await handle.rest()
        with pytest.raises(NotFoundError):
            await handle.decide("nothing", "answer", 1)
        await handle.decide("ask/approval#1", "answer", "the left one")
        assert (await handle.result()).data == "the left one"

    with_runtime(test)


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf x",
        "echo hi; ls",
        "echo $HOME",
        "echo `id`",
        "echo a | cat",
        "echo a > b",
        "sudo echo",
        "dd if=/dev/zero of=x",
        "cat /etc/shadow",
        "echo 'unclosed",
        "",
        "bash -c ls",
        "echo\nls",
    ],
)
def test_commands_are_denied_by_default_and_destructive_ones_always(with_runtime: Run, command: str) -> None:
    options = UNBOUNDED._replace(command_allow=("echo", "rm", "dd", "cat", "sudo"))

    async def test(runtime: Runtime) -> None:
        hold = asyncio.Event()
        handle = await runtime.start(hold.wait)
        with pytest.raises((ForbiddenError, InvalidInputError)) as caught:
            await handle.run_command(command)
        if len(command) > 8:
            assert command not in str(caught.value), "a refusal does not repeat the command"
        hold.set()
        await handle.result()

    with_runtime(test, options=options)


def test_an_allowed_command_runs_and_is_recorded(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        hold = asyncio.Event()
        handle = await runtime.start(hold.wait)
        answer = await handle.run_command("echo 'two words' three")
        assert answer == {"exit_code": 0, "stdout": "two words three\n", "stderr": ""}
        assert "run.command_executed" in await types_of(runtime, handle.id)
        hold.set()
        await handle.result()

    with_runtime(test, options=UNBOUNDED._replace(command_allow=("echo",)))


def test_control_reaches_a_run_of_another_process(tmp_path: Path) -> None:
    """Two runtimes over one file stand for two processes: separate connections, threads and owners."""

    async def body() -> None:
        async with durable(tmp_path) as here, durable(tmp_path) as there:
            began: list[str] = []
            heard: list[str] = []

            async def step(ctx: StepContext) -> None:
                began.append(ctx.key)
                heard.extend(ctx.messages())
                await asyncio.sleep(0.01)

            handle = await here.start(chain(500, step))
            await until(lambda: len(began) > 2)
            begin = time.perf_counter()
            assert (await there.control(handle.id, "pause", cause="operator:ann"))["state"] == "paused"
            assert time.perf_counter() - begin < 1
            await asyncio.sleep(0.03)
            count = len(began)
            await asyncio.sleep(0.05)
            assert len(began) == count
            await there.control(handle.id, "steer", {"message": "hello"}, cause="operator:ann")
            assert (await there.control(handle.id, "pause", cause="operator:ann"))["already"]
            with pytest.raises(ForbiddenError, match="allow-list"):
                await there.control(handle.id, "command", {"command": "ls"}, cause="x")
            await there.control(handle.id, "resume", cause="operator:ben")
            await until(lambda: heard)
            assert heard == ["hello"]
            await there.control(handle.id, "terminate", cause="operator:cat")
            assert not (await handle.result()).success
            assert (await there.wait(handle.id)).metadata["terminated"]
            causes = {e.type: e.cause for e in await there.store.events(subject=handle.id, limit=10_000)}
            assert causes["run.pause_requested"] == "operator:ann"
            assert causes["run.terminated"] == "operator:cat"

    asyncio.run(asyncio.wait_for(body(), 60))


def test_of_two_processes_that_resume_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def quick() -> int:
        await gate.wait()
        return 1

    workflow = chain(3, quick)

    async def body() -> None:
        for _ in range(10):
            gate.clear()
            async with durable(tmp_path) as first:
                first.register(workflow)
                handle = await first.start(workflow)
                await handle.pause()
                gate.set()
            async with durable(tmp_path) as one, durable(tmp_path) as two:
                one.register(workflow)
                two.register(workflow)
                outcomes = await asyncio.gather(
                    one.control(handle.id, "resume", cause="one"),
                    two.control(handle.id, "resume", cause="two"),
                    return_exceptions=True,
                )
                winners = [o for o in outcomes if isinstance(o, dict)]
                losers = [o for o in outcomes if isinstance(o, (ConflictError, StateError))]
                assert len(winners) + len(losers) == 2, outcomes
                assert len(winners) == 1, outcomes
                assert (await one.wait(handle.id)).success

    asyncio.run(asyncio.wait_for(body(), 60))


def test_other_tenants_runs_do_not_exist(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        hold = asyncio.Event()
        handle = await runtime.start(hold.wait)
        for run_id in (handle.id, "run_00000000000000000000000000"):
            with pytest.raises(NotFoundError) as caught:
                await runtime.control(run_id, "terminate", cause="x", tenant="rival:main")
            assert caught.value.message == f"there is no run {run_id!r}."
        assert await runtime.store.find(tenant="rival:main") == []
        assert await runtime.store.events(tenant="rival:main") == []
        hold.set()
        await handle.result()

    with_runtime(test)


def test_the_state_table_is_the_documented_one() -> None:
    assert {s.value: sorted(t.value for t in ts) for s, ts in TRANSITIONS.items()} == {
        "init": ["error", "paused", "running", "terminated"],
        "running": ["completed", "error", "paused", "terminated"],
        "paused": ["error", "running", "terminated"],
        "completed": [],
        "terminated": [],
        "error": [],
    }


def test_options_bound_concurrency_across_runs(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        at_once = most = 0

        async def work() -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.002)
            at_once -= 1

        handles = [await runtime.start(work) for _ in range(30)]
        for handle in handles:
            assert (await handle.result()).success
        assert most <= 4

    with_runtime(test, options=RuntimeOptions(max_concurrency=4))


def test_a_run_whose_last_step_ends_during_the_pause_ends_when_it_is_resumed(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        gate = asyncio.Event()

        async def last() -> str:
            await gate.wait()
            return "done"

        handle = await runtime.start(last)
        waiter = asyncio.create_task(handle.result())
        await asyncio.sleep(0.01)
        await handle.pause()
        gate.set()
        await until(lambda: not runtime.executions[handle.id].tasks)
        await asyncio.sleep(0.02)
        assert not waiter.done(), "a paused run has no result yet"
        assert await handle.state() is RunState.PAUSED
        await handle.resume()
        assert (await waiter).data == "done"
        assert await handle.state() is RunState.COMPLETED

    with_runtime(test)


def test_a_request_to_a_run_that_ends_meanwhile_is_answered_soon(tmp_path: Path) -> None:
    async def body() -> None:
        async with durable(tmp_path) as here, durable(tmp_path) as there:
            handle = await here.start(chain(1, lambda: time.sleep(0.05)))
            row = await there.require(handle.id)
            await handle.result()
            begin = time.perf_counter()
            # The row is from before the end, as a process sees it that reads and asks a moment later.
            with pytest.raises(StateError, match="has ended"):
                await there._control._send(row, "pause", {}, "operator:ann")
            assert time.perf_counter() - begin < 5

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_pause_and_a_resume_reach_the_whole_tree(with_runtime: Run) -> None:
    """A child that somebody paused by itself stays paused when its parent goes on."""
    turns = {"left": 0, "right": 0}

    async def test(runtime: Runtime) -> None:
        end = asyncio.Event()

        def leaf(name: str) -> Any:
            async def body(ctx: StepContext) -> str:
                while not end.is_set():
                    turns[name] += 1
                    await asyncio.sleep(0.001)
                    await ctx.safe_point()
                return name

            body.__name__ = name
            return body

        async def middle(ctx: StepContext) -> Any:
            children = [await ctx.spawn(leaf(name)) for name in turns]
            return [(await child.result()).data for child in children]

        async def root(ctx: StepContext) -> Any:
            return await ctx.call(middle)

        handle = await runtime.start(root)
        await until(lambda: all(turns.values()))
        runs = {run.name: run for run in await runtime.store.find(tenant="acme:main")}
        await runtime.control(runs["left"].id, "pause", cause="operator:ben")
        answer = await runtime.control(handle.id, "pause", cause="operator:ann")
        assert answer["children"] == [runs["middle"].id]
        states = {r.name: (r.state, r.pause_cause) for r in await runtime.store.find(tenant="acme:main")}
        assert states == {
            "root": ("paused", "operator:ann"),
            "middle": ("paused", f"run:{runs['root'].id}"),
            "left": ("paused", "operator:ben"),
            "right": ("paused", f"run:{runs['middle'].id}"),
        }
        await until(lambda: all(e.parked == len(e.tasks) for e in runtime.executions.values() if e.run.name in turns))
        before = dict(turns)
        await asyncio.sleep(0.03)
        assert turns == before, "nothing in the tree goes on"
        await handle.resume("operator:ann")
        await until(lambda: turns["right"] > before["right"])
        assert turns["left"] == before["left"]
        await runtime.control(runs["left"].id, "resume", cause="operator:ben")
        end.set()
        assert (await handle.result()).data == ["left", "right"]

    with_runtime(test)
