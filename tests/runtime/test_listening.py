"""Who listens to a run hears everything once and in order, from whichever thread it was written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import fairlead
from fairlead import Event, Flow, StepContext


def test_notes_of_worker_threads_do_not_overtake(tmp_path: Path) -> None:
    flow = Flow("noisy", inputs={"items": list(range(40))})

    @flow.step(foreach="inputs.items")
    def note(item: int, ctx: StepContext) -> int:
        ctx.note("step.progressed", item=item)
        return item

    async def listen() -> tuple[list[Event], list[Event], list[Event]]:
        heard: list[Event] = []
        published: list[Event] = []
        async with fairlead.open(home=str(tmp_path)) as lead:
            lead.bus.subscribe(published.append)
            run = await lead.start(flow)
            async for event in run.events():
                heard.append(event)
            return heard, published, await lead.store.events(subject=run.id)

    heard, published, stored = asyncio.run(listen())
    assert heard == stored
    assert [e.index for e in published] == sorted(e.index for e in published)
    assert sum(e.type == "step.progressed" for e in heard) == 40


def test_leaving_at_the_moment_a_run_ends_is_in_order(tmp_path: Path) -> None:
    flow = Flow("short")

    @flow.step()
    async def only() -> int:
        return 1

    async def hear_and_leave() -> None:
        async with fairlead.open(home=str(tmp_path)) as lead:
            run = await lead.start(flow)
            async for event in lead.events():
                if event.subject == run.id and event.type == "run.completed":
                    return

    for _ in range(20):
        asyncio.run(hear_and_leave())
