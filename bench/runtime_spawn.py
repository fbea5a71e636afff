"""How long a function agent takes to be spawned, 100 at once: until its row is durable and its handle is there.

python bench/runtime_spawn.py [--quick]
"""

from __future__ import annotations

import asyncio
import time

import harness
from fairlead.runtime import Runtime
from harness import Bar, Figure, percentile
from runtimes import opened

AT_ONCE = 100


async def idle() -> str:
    await asyncio.sleep(0.05)
    return "done"


async def spawned(runtime: Runtime) -> tuple[float, object]:
    began = time.perf_counter()
    handle = await runtime.start(idle)
    return time.perf_counter() - began, handle


async def main() -> None:
    alone: list[float] = []
    together: list[float] = []
    batches: list[float] = []
    cpu: list[float] = []
    async with opened(durable=True) as runtime:
        for _ in range(10 if harness.QUICK else 30):
            seconds, handle = await spawned(runtime)
            alone.append(seconds)
            await handle.result()  # type: ignore[attr-defined]
            began, began_cpu = time.perf_counter(), time.process_time()
            found = await asyncio.gather(*(spawned(runtime) for _ in range(AT_ONCE)))
            batches.append((time.perf_counter() - began) / AT_ONCE)
            cpu.append((time.process_time() - began_cpu) / AT_ONCE)
            together += [one for one, _ in found]
            await asyncio.gather(*(handle.result() for _, handle in found))  # type: ignore[attr-defined]
    harness.title("Spawning agents")
    bar = Bar(5, "ms", strict=True)
    print(
        harness.figures(
            [
                Figure("one alone, p95", percentile(alone, 0.95) * 1000, bar, "wall"),
                Figure("each of 100 at once, share of the batch, p95", percentile(batches, 0.95) * 1000, bar, "wall"),
                Figure("each of 100 at once, CPU, p95", percentile(cpu, 0.95) * 1000, bar, "CPU"),
                Figure(
                    "the whole wait of one of 100 at once, p95",
                    percentile(together, 0.95) * 1000,
                    bar,
                    "all share one loop",
                ),
            ]
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
