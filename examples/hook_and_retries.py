"""A budget of retries over a whole run: a listener counts them, a hook refuses further steps when it is used up.

Prints:

    retries: 3 of 3
    done: 2, refused: 2
    a hook refused step 'call[2]': the run has used its 3 retries
"""

from __future__ import annotations

import asyncio
from collections import Counter

import fairlead
from fairlead import Event, Flow, Retry, StepContext, Veto
from fairlead.runtime import Moment

MOST = 3
flow = Flow("calls", inputs={"numbers": list(range(4))})


@flow.step(foreach="inputs.numbers", retry=Retry(attempts=5, base=0.0), on_item_error="keep")
async def call(item: int, ctx: StepContext) -> str:
    """A line that is bad at first: item n needs n + 2 attempts."""
    if ctx.attempt < item + 2:
        raise ConnectionError("the line broke")
    return f"{item} answered"


async def main() -> None:
    used: Counter[str] = Counter()

    def count(event: Event) -> None:
        used[event.subject] += 1

    def within_budget(moment: Moment) -> Veto | None:
        return Veto(f"the run has used its {MOST} retries") if used[moment.run_id] >= MOST else None

    async with fairlead.open(max_concurrency=1) as lead:
        lead.bus.subscribe(count, types=["step.retried"])
        lead.runtime.hooks.add("step.pre", within_budget, required=True)
        run = await lead.start(flow)
        result = await run.result()
        print(f"retries: {used[run.id]} of {MOST}")
        done = sum(value is not None for value in result.data)
        print(f"done: {done}, refused: {len(result.data) - done}")
        failures = await lead.store.events(subject=run.id, types=["step.failed"])
        print(failures[0].data["error"])


if __name__ == "__main__":
    asyncio.run(main())
