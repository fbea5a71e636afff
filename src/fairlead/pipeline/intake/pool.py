"""The processes that understand documents, as many as there are cores, each with one document at a time.

A process that dies or takes too long costs its document only: it is killed with everything it started, and the next
document gets a fresh one. Processes are started as programs of their own, never forked from a process with threads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

from fairlead.errors import InvalidInputError
from fairlead.pipeline.intake.analyst import LENGTHS

TIME_LIMIT_S = 180.0
_PROGRAM = "from fairlead.pipeline.intake.analyst import main; main()"
_LARGEST_ANSWER = 512 * 1024 * 1024


class Task(NamedTuple):
    """One document to understand. ``known`` is the fingerprint that memory has of it, or empty."""

    ref: Mapping[str, Any]
    form: str = ""
    redact: bool = False
    overlap: int = 0
    known: str = ""


class AnalystPool:
    """At most ``size`` processes; they are started when they are needed. To be used on one event loop."""

    def __init__(self, size: int, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        self.size = max(1, size)
        self._time_limit_s = time_limit_s
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(self.size):
            self._idle.put_nowait(None)
        self._living: set[asyncio.subprocess.Process] = set()

    @property
    def pids(self) -> list[int]:
        """The processes that are there now."""
        return [process.pid for process in self._living]

    async def understand(
        self, task: Task, data: bytes | None = None, *, begun: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """:func:`understanding.understand` in a process of its own. Waits for a free one, and then calls ``begun``.

        Raises :class:`InvalidInputError` also when the process dies of the document, or takes longer than allowed.
        """
        process = await self._idle.get()
        try:
            if process is None or process.returncode is not None:
                process = await self._start()
            if begun is not None:
                begun()
            async with asyncio.timeout(self._time_limit_s):
                answer = await _ask(process, task, data)
        except TimeoutError:
            raise InvalidInputError(
                f"understanding it took more than {self._time_limit_s:g} s and was stopped.",
                remedy="Split it, or export its text.",
                field="content",
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._end(process) if process is not None else None
            raise InvalidInputError(
                f"the process that read it died ({_death(code)}).",
                remedy="The file is damaged or needs too much memory: leave it out, or split it.",
                field="content",
            ) from None
        else:
            self._idle.put_nowait(process)
            process = None
            return _value(answer)
        finally:
            if process is not None:
                # In the middle of a document, whether it failed or the caller went away: nothing can be asked of it.
                await asyncio.shield(self._end(process))
                self._idle.put_nowait(None)

    async def warm(self) -> None:
        """Starts every process that is not there yet, so that they are ready when the first document comes."""
        idle = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        try:
            for at, process in enumerate(idle):
                if process is None or process.returncode is not None:
                    idle[at] = await self._start()
        finally:
            for process in reversed(idle):
                self._idle.put_nowait(process)

    async def close(self) -> None:
        """Ends every process."""
        await asyncio.gather(*(self._end(process) for process in list(self._living)))

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _PROGRAM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._living.add(process)
        return process

    async def _end(self, process: asyncio.subprocess.Process) -> int | None:
        self._living.discard(process)
        died = process.returncode
        if died is None:
            with suppress(ProcessLookupError):
                # The whole group: a reader of PDF that hangs is a child of this one.
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
        if process.stdin is not None:
            process.stdin.close()
        if process.stdout is not None:
            # What it was still saying is read away, or the pipe would not be closed.
            await process.stdout.read()
        return await process.wait()


async def _ask(process: asyncio.subprocess.Process, task: Task, data: bytes | None) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    header = orjson.dumps({**task._asdict(), "has_data": data is not None})
    process.stdin.write(LENGTHS.pack(len(header), len(data or b"")) + header)
    if data:
        process.stdin.write(data)
    await process.stdin.drain()
    length, _ = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    if length > _LARGEST_ANSWER:
        raise ConnectionError("the answer is not one")
    return await process.stdout.readexactly(length)


def _value(answer: bytes) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(answer)
    error = told.get("error")
    if error is None:
        value: dict[str, Any] = told["value"]
        return value
    raise InvalidInputError(
        error["message"],
        remedy=error["remedy"] or "The file is damaged or not what its type says: save it again, or leave it out.",
        field="content",
        kind=error["kind"],
    )


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
