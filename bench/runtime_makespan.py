"""Two chains whose slow and fast steps alternate: a dataflow engine needs .32 s, one with level barriers .51 s.

python bench/runtime_makespan.py [--quick]
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import harness
from fairlead.runtime import Edge, Node, Workflow
from harness import Bar, Figure
from peers.shapes import chains
from runtimes import opened


def sleeping(seconds: float) -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        await asyncio.sleep(seconds)

    return step


async def makespan(durable: bool) -> float:
    """Median wall seconds from the start of the run to its durable end."""
    nodes = (
        Node(name, sleeping(seconds), depends_on=tuple(Edge(a) for a in after))
        for name, (after, seconds) in chains().items()
    )
    workflow = Workflow("chains", tuple(nodes))
    walls = []
    async with opened(durable=durable) as runtime:
        for _ in range(5 if harness.QUICK else 15):
            began = time.perf_counter()
            result = await (await runtime.start(workflow)).result()
            walls.append(time.perf_counter() - began)
            assert result.success, result.error
    return statistics.median(walls)


async def main() -> None:
    harness.title("Makespan of two alternating chains")
    bar = Bar(0.33, "s")
    print(
        harness.figures(
            [
                Figure("in memory", await makespan(False), bar, "wall, ideal 0.320 s, level barrier 0.510 s"),
                Figure("crash-safe journal", await makespan(True), bar, "wall, ideal 0.320 s, level barrier 0.510 s"),
            ]
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
