"""Carrying out runs in the foreground: progress for people, orderly ends on signals."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from fairlead.errors import FairleadError, StateError
from fairlead.verbs.finding import find_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.app import Fairlead
    from fairlead.events import Event
    from fairlead.runtime import Node, RunHandle
    from fairlead.store.port import RunRow
    from fairlead.verbs.context import Context

Answer = dict[str, Any]


def run_here(
    context: Context, target: Any, inputs: dict[str, Any], options: dict[str, Any], agents: list[str]
) -> Answer:
    """Starts a run and carries it out to its end, or until it waits for a person.

    ``agents`` are modules and files whose agents and workflows are registered first.
    """

    async def begin(app: Fairlead) -> RunHandle:
        return await app.start(target, inputs, cause=context.cause, **options)

    return asyncio.run(_carry_out(context, begin, agents, recover=True))


def resume_here(context: Context, word: str, cause: str | None, agents: list[str]) -> Answer:
    """Resumes a run: by its own process when that lives, otherwise here."""

    async def begin(app: Fairlead) -> RunHandle:
        row = find_run(app, word)
        if row.state == "running" and app.runtime.is_owned(row):
            raise StateError(
                f"run {row.id} is running in another process.", remedy="Watch it with `fairlead runs watch`."
            )
        await app.runtime.control(row.id, "resume", cause=cause or context.cause, tenant=row.tenant)
        return app.run(row.id)

    return asyncio.run(_carry_out(context, begin, agents, recover=False))


def fork_here(context: Context, word: str, change: Any, options: dict[str, Any], agents: list[str]) -> Answer:
    """Forks a run and carries the fork out to its end, or until it waits for a person."""

    async def begin(app: Fairlead) -> RunHandle:
        row = find_run(app, word)
        return await app.runtime.fork(row.id, change, cause=context.cause, tenant=row.tenant, **options)

    return asyncio.run(_carry_out(context, begin, agents, recover=False))


async def _carry_out(context: Context, begin: Any, agents: list[str], *, recover: bool) -> Answer:
    app = context.open(create=True)
    end_by = asyncio.Event()
    caught: list[str] = []
    loop = asyncio.get_running_loop()

    def caught_signal(number: signal.Signals) -> None:
        caught.append(number.name)
        end_by.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, caught_signal, number)
    try:
        await app.open_runtime(recover=False)
        for place in agents:
            app.load(place)
        # What was imported stays until the end: collections need not look at it again, and long pauses of the loop end.
        gc.collect()
        gc.freeze()
        if recover:
            await app.recover()
        handle: RunHandle = await begin(app)
        row = await app.runtime.require(handle.id)
        if handle.id not in app.runtime.executions and row.state not in ("completed", "error", "terminated"):
            return {"run": row.id, "name": row.name, "verb": "resume", "state": row.state}
        answer = await _follow(context, app, handle, end_by)
        if recover:
            answer["recovered"] = [run.id for run in app.recovered]
            answer["unrecovered"] = [left._asdict() for left in app.unrecovered]
            await _finish_recovered(app, end_by)
        if caught:
            answer |= {"interrupted": caught[0], "exit_code": 130 if caught[0] == "SIGINT" else 143}
        return answer
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        await app.close(f"signal:{caught[0]}" if caught else "command ended")


async def _follow(context: Context, app: Fairlead, handle: RunHandle, end_by: asyncio.Event) -> Answer:
    row = await app.runtime.require(handle.id)
    nodes = _nodes_of(app, row)
    follows = {node.name: node.each_of for node in nodes if node.each_of is not None}
    progress: Any = nullcontext()
    if context.interactive:
        from fairlead.observe.progress import RunProgress

        progress = RunProgress(handle.id, steps=[node.name for node in nodes], follows=follows)
        await _hear_from_the_start(app, handle.id, progress.hear)
    with progress:
        rest = asyncio.create_task(handle.rest())
        ended = asyncio.create_task(end_by.wait())
        await asyncio.wait({rest, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not rest.done():
            rest.cancel()
            await asyncio.wait({rest})
            return {"run": row.id, "name": row.name, "state": "released"}
    last = rest.result()
    row = await app.runtime.require(handle.id)
    answer: Answer = {"run": row.id, "name": row.name, "state": row.state, "exit_code": 0}
    if last.type == "run.blocked":
        answer |= {"waiting_for": last.data["waiting_for"], "exit_code": 1}
    elif row.state in ("completed", "error", "terminated"):
        result = await handle.result()
        seconds = round((row.finished or row.created) - row.created, 3)
        answer |= {"seconds": seconds, "result": result.data, "warnings": result.metadata.get("warnings", [])}
        if not result.success:
            answer |= {"error": result.error, "exit_code": 1}
    return answer


def _nodes_of(app: Fairlead, row: RunRow) -> tuple[Node, ...]:
    """The steps to show. A run may have ended before anybody looks, and its workflow may be another one by now."""
    execution = app.runtime.executions.get(row.id)
    if execution is not None:
        return execution.plan.workflow.nodes
    try:
        return app.runtime.plans.of_run(row).workflow.nodes
    except FairleadError:
        return ()


async def _hear_from_the_start(app: Fairlead, run_id: str, hear: Callable[[Event], None]) -> None:
    """Tells ``hear`` of every event of the run, history first, then live, none left out and none twice."""
    early: list[Event] = []
    live = False

    def listen(event: Event) -> None:
        if live:
            hear(event)
        else:
            early.append(event)

    app.bus.subscribe(listen)
    last = 0
    for event in await app.store.events(subject=run_id, limit=100_000):
        hear(event)
        last = event.index
    # Nothing is awaited from here on, so nothing is published in between.
    for event in early:
        if event.subject == run_id and event.index > last:
            hear(event)
    live = True


async def _finish_recovered(app: Fairlead, end_by: asyncio.Event) -> None:
    """Runs that were taken up along the way are accepted work: they are finished before the command ends."""
    for handle in app.recovered:
        if end_by.is_set():
            return
        if handle.id in app.runtime.executions:
            waiting = {asyncio.create_task(handle.rest()), asyncio.create_task(end_by.wait())}
            _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()


__all__ = ["fork_here", "resume_here", "run_here"]
