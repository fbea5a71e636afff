"""Two processes: one carries out a run, the other pauses it, lets it go on, and gives it a message.

Prints:

    paused by operator:watch
    running
    heard: ['look behind the winch']
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

import fairlead
from fairlead import RunHandle, StepContext, agent


@agent()
async def patrol(ctx: StepContext) -> list[str]:
    """Goes its rounds until somebody tells it something."""
    heard: list[str] = []
    while not heard:
        await ctx.safe_point()
        ctx.heartbeat()
        await asyncio.sleep(0.01)
        heard = ctx.messages()
    return heard


async def work() -> None:
    async with fairlead.open() as lead:
        run = await lead.start(patrol)
        await run.result()


async def control() -> None:
    worker = await asyncio.to_thread(subprocess.Popen, [sys.executable, __file__, "work"])
    # Only opened, not entered: this process looks and asks, and takes up nothing that another one left.
    lead = fairlead.open()
    await lead.open_runtime(recover=False)
    try:
        run = await _newest(lead)
        await run.pause(cause="operator:watch")
        row = await lead.store.get(run.id)
        assert row is not None
        print(f"{row.state} by {row.pause_cause}")
        await run.resume(cause="operator:watch")
        print(await run.state())
        await run.steer("look behind the winch", cause="operator:watch")
        print(f"heard: {(await run.result()).data}")
    finally:
        await lead.close()
        await asyncio.to_thread(worker.wait)


async def _newest(lead: fairlead.Fairlead) -> RunHandle:
    async for event in lead.events():
        if event.type == "run.started":
            return lead.run(event.subject)
    raise AssertionError("the stream of all events has no end")


if __name__ == "__main__":
    asyncio.run(work() if sys.argv[1:] == ["work"] else control())
