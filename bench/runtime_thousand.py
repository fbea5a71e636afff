"""A thousand agents at once in one process, each a durable run of its own that awaits half a second.

    python bench/runtime_thousand.py [--quick]

Wall time from the first start to the last durable end, how late the event loop was while they ran, and the largest
resident memory of the process.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time

import harness
from harness import Bar, Figure, percentile
from runtimes import opened

AGENTS = 1000
BEAT = 0.005


async def agent() -> str:
    await asyncio.sleep(0.5)
    return "done"


async def lateness(late: list[float], busy: list[float]) -> None:
    """How much later than asked each wake-up came, and how much CPU time the loop's thread used in between.

    The first moves with what else the machine does; the second is what the loop did itself.
    """
    while True:
        began, cpu = time.perf_counter(), time.thread_time()
        await asyncio.sleep(BEAT)
        late.append(time.perf_counter() - began - BEAT)
        busy.append(time.thread_time() - cpu)


async def once() -> tuple[float, float, float, float]:
    """Seconds: wall, CPU, p99 of the loop's lateness, p99 of its own CPU time between two beats."""
    late: list[float] = []
    busy: list[float] = []
    async with opened(durable=True) as runtime:
        watching = asyncio.ensure_future(lateness(late, busy))
        began, cpu = time.perf_counter(), time.process_time()

        async def one() -> bool:
            return (await (await runtime.start(agent)).result()).success

        assert all(await asyncio.gather(*(one() for _ in range(AGENTS))))
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        watching.cancel()
    return wall, cpu, percentile(late, 0.99), percentile(busy, 0.99)


async def main() -> None:
    rounds = [await once() for _ in range(3 if harness.QUICK else 9)]
    wall, cpu, lag, busy = (statistics.median(r[n] for r in rounds) for n in range(4))
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    harness.title("A thousand agents at once")
    print(
        harness.figures(
            [
                Figure("1,000 agents that await 0.5 s", wall, Bar(1.5, "s", strict=True), f"wall; CPU {cpu:.2f} s"),
                Figure("event-loop lag, p99", lag * 1000, Bar(100, "ms", strict=True), "wall"),
                Figure("the loop's own CPU between two beats, p99", busy * 1000, Bar(100, "ms", strict=True), "CPU"),
                Figure("largest resident memory", memory, Bar(300, "MB", strict=True), "MiB"),
            ]
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
