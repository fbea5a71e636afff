"""How soon pause, resume, a change of model and terminate take effect, from the same process and from another one.

    python bench/runtime_control.py [--quick]

Wall time from the request until the running step notices, on the system's monotonic clock. The step works a
millisecond at a time, so up to one of the milliseconds is its own.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import harness
from control_owner import watching
from fairlead.runtime import RunHandle
from harness import Bar, Figure, percentile
from runtimes import opened

ROUNDS = 40 if harness.QUICK else 150
HERE, THERE = Bar(10, "ms", strict=True), Bar(100, "ms", strict=True)

Times = dict[str, list[float]]


async def ask(run: RunHandle, seen: asyncio.Queue[tuple[str, float]], number: int, times: Times) -> None:
    """One round of every request; the step's answers come through ``seen``."""
    requests: dict[str, Callable[[], Awaitable[None]]] = {
        "pause": run.pause,
        "resume": run.resume,
        "model": lambda: run.change_model(f"test/{number}"),
        "terminate": run.terminate,
    }
    for word, request in requests.items():
        await asyncio.sleep(0.005)
        began = time.monotonic()
        asking = asyncio.ensure_future(request())
        noticed, when = await asyncio.wait_for(seen.get(), 30)
        if noticed != word:
            raise RuntimeError(f"asked {word}, but the step noticed {noticed}")
        times[word].append(when - began)
        await asking


async def same_process() -> Times:
    seen: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    times: Times = {word: [] for word in ("pause", "resume", "model", "terminate")}
    step = watching(lambda word: seen.put_nowait((word, time.monotonic())))
    async with opened(durable=True) as runtime:
        for number in range(ROUNDS):
            run = await runtime.start(step)
            await asyncio.sleep(0.003)
            await ask(run, seen, number, times)
    return times


async def other_process() -> Times:
    """The same requests to a run that a real second process carries out."""
    seen: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    runs: asyncio.Queue[str] = asyncio.Queue()
    times: Times = {word: [] for word in ("pause", "resume", "model", "terminate")}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(__file__).with_name("control_owner.py")
        pipe = asyncio.subprocess.PIPE
        owner = await asyncio.create_subprocess_exec(sys.executable, str(script), folder, stdin=pipe, stdout=pipe)
        assert owner.stdout is not None and owner.stdin is not None
        reading = asyncio.ensure_future(read(owner.stdout, seen, runs))
        async with opened(durable=True, folder=Path(folder)) as runtime:
            for number in range(ROUNDS):
                run = RunHandle(runtime, await asyncio.wait_for(runs.get(), 30))
                await asyncio.sleep(0.003)
                await ask(run, seen, number, times)
            owner.stdin.close()
            await owner.wait()
            await reading
    return times


async def read(lines: asyncio.StreamReader, seen: asyncio.Queue[tuple[str, float]], runs: asyncio.Queue[str]) -> None:
    async for line in lines:
        word, value = line.decode().split()
        if word == "run":
            runs.put_nowait(value)
        else:
            seen.put_nowait((word, float(value)))


async def main() -> None:
    measured = []
    for where, bar, times in (
        ("same process", HERE, await same_process()),
        ("another process", THERE, await other_process()),
    ):
        for word, seconds in times.items():
            note = f"wall; p50 {statistics.median(seconds) * 1000:.2f} ms, {len(seconds)} rounds"
            measured.append(Figure(f"{word}, {where}, p99", percentile(seconds, 0.99) * 1000, bar, note))
    harness.title("Control taking effect")
    print(harness.figures(measured))


if __name__ == "__main__":
    asyncio.run(main())
