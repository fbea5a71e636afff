"""What hooks add to every step: a ``pre`` and a ``post`` hook on a fan-out, against the same without hooks.

    python bench/runtime_hooks.py [--quick]

The steps do nothing, so that the difference is not lost in the noise of real work; it is then set against a step that
works for a millisecond.
"""

from __future__ import annotations

import asyncio
import statistics

import harness
from fairlead.runtime import Moment
from harness import Bar, Figure
from peers.shapes import SHAPES, cpu_per_node
from runtime_overhead import workflow_of
from runtimes import opened


async def added(points: tuple[str, ...]) -> float:
    """Median CPU microseconds a step that hooks at ``points`` add."""
    graph = SHAPES["fan-out 1,000"]
    workflow = workflow_of(graph)
    calls = 0

    def hook(moment: Moment) -> None:
        nonlocal calls
        calls += 1

    differences = []
    async with opened(durable=False) as runtime:

        async def run() -> None:
            assert (await (await runtime.start(workflow)).result()).success

        for _ in range(5 if harness.QUICK else 15):
            without = await cpu_per_node(run, len(graph), 1)
            remove = [runtime.hooks.add(point, hook) for point in points]
            differences.append(await cpu_per_node(run, len(graph), 1) - without)
            for one in remove:
                one()
    assert calls, "no hook was called"
    return statistics.median(differences)


async def main() -> None:
    harness.title("Cost of hooks on every step")
    bar = Bar(5, "%", strict=True)
    measured = []
    for points in (("step.pre",), ("step.pre", "step.post")):
        cost = await added(points)
        claim = f"{' and '.join(points)}, share of a 1 ms step"
        measured.append(Figure(claim, cost / 10, bar, f"CPU, {cost:.1f} us a step"))
    print(harness.figures(measured))


if __name__ == "__main__":
    asyncio.run(main())
