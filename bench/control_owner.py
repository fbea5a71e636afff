"""A process that carries out one run at a time, for the control benchmark: its only step says what it notices, when.

Usage: control_owner.py FOLDER. Prints ``run ID`` for each run and ``WORD SECONDS`` on the system's monotonic clock for
each thing noticed. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fairlead.runtime import StepContext
from runtimes import opened

Notice = Callable[[str], None]


def watching(notice: Notice) -> Callable[[StepContext], Awaitable[None]]:
    """A step that works a millisecond at a time and looks around in between."""

    async def watch(ctx: StepContext) -> None:
        model = ctx.model
        try:
            while True:
                await asyncio.sleep(0.001)
                if ctx.execution.held:
                    notice("pause")
                    await ctx.safe_point()
                    notice("resume")
                if ctx.model != model:
                    model = ctx.model
                    notice("model")
        except asyncio.CancelledError:
            notice("terminate")
            raise

    return watch


async def main(folder: Path) -> None:
    watch = watching(lambda word: print(word, time.monotonic(), flush=True))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with opened(durable=True, folder=folder) as runtime:
        while not ended.done():
            run = await runtime.start(watch)
            print("run", run.id, flush=True)
            result = asyncio.ensure_future(run.result())
            await asyncio.wait([result, ended], return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                await run.terminate()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
