"""Other programs, run so that they cannot hang, swamp or outlive the work they were started for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import InvalidInputError, MissingDependencyError, StepTimeoutError
from fairlead.settings import read_variable

_PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What of the environment a program gets: where to find things, and no keys."""

_KEPT_ERRORS = 16_384


class Ended(NamedTuple):
    """How a program ended: its exit code, its output, and the end of what it said on standard error."""

    code: int
    output: bytes
    errors: str


async def run_program(
    words: Sequence[str],
    *,
    seconds: float,
    most_bytes: int,
    extra: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Ended:
    """Runs a program to its end in a process group of its own.

    The whole group is killed when it takes more than ``seconds``, says more than ``most_bytes``, or when nobody waits
    for it any more. No shell reads the words.
    """
    environment = {name: value for name in _PASSED if (value := read_variable(name))} | dict(extra or {})
    loop = asyncio.get_running_loop()
    try:
        transport, heard = await loop.subprocess_exec(
            lambda: _Heard(Path(words[0]).name, most_bytes),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as exc:
        raise MissingDependencyError(
            f"the program {words[0]!r} cannot be started: {exc.strerror}.", remedy="Install it.", program=words[0]
        ) from exc
    try:
        async with asyncio.timeout(seconds):
            await heard.ended
    except TimeoutError as exc:
        raise StepTimeoutError(
            f"{Path(words[0]).name} took more than {seconds:g} s and was stopped.", program=words[0]
        ) from exc
    finally:
        await _end(transport, heard)
    return Ended(transport.get_returncode() or 0, b"".join(heard.output), heard.errors.decode("utf-8", "replace"))


class _Heard(asyncio.SubprocessProtocol):
    """What a program says. ``ended`` is done when it is gone and its pipes are closed, or when it said too much."""

    def __init__(self, program: str, most_bytes: int) -> None:
        self._program = program
        self._left = most_bytes
        self._most = most_bytes
        self.output: list[bytes] = []
        self.errors = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != 1:
            self.errors = (self.errors + data)[-_KEPT_ERRORS:]
            return
        self._left -= len(data)
        if self._left >= 0:
            self.output.append(data)
        elif not self.ended.done():
            self.output.clear()
            self.ended.set_exception(
                InvalidInputError(
                    f"{self._program} said more than {self._most:,} bytes and was stopped.",
                    remedy="Its answer cannot be right: update it, or use another address.",
                    field="output",
                )
            )

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def _end(transport: asyncio.SubprocessTransport, heard: _Heard) -> None:
    """Kills whatever is left of the group, closes the pipes, and waits until the program itself is gone.

    The pipes are closed first: something that left the group may hold their other ends for ever.
    """
    try:
        os.killpg(transport.get_pid(), signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # All of them ended by themselves.
        pass
    transport.close()
    await asyncio.shield(heard.exited)
    # Whoever was cancelled never asked what came of it; an error that nobody asks for is complained about.
    if heard.ended.done() and not heard.ended.cancelled():
        heard.ended.exception()
