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

_PIECE = 65_536
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
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as exc:
        raise MissingDependencyError(
            f"the program {words[0]!r} cannot be started: {exc.strerror}.", remedy="Install it.", program=words[0]
        ) from exc
    assert process.stdout is not None and process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            output, errors = await asyncio.gather(
                _read(process.stdout, most_bytes, words[0]), _read_end(process.stderr)
            )
            code = await process.wait()
    except TimeoutError as exc:
        raise StepTimeoutError(
            f"{Path(words[0]).name} took more than {seconds:g} s and was stopped.", program=words[0]
        ) from exc
    finally:
        await _end(process)
    return Ended(code, output, errors.decode("utf-8", "replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills whatever is left of the group, and waits until the program itself is gone."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # All of them ended by themselves.
        pass
    await asyncio.shield(process.wait())
    # The pipes are closed with the transport; without this they would be when the collector comes by.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


async def _read(stream: asyncio.StreamReader, most: int, program: str) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await stream.read(_PIECE):
        size += len(piece)
        if size > most:
            raise InvalidInputError(
                f"{Path(program).name} said more than {most:,} bytes and was stopped.",
                remedy="Its answer cannot be right: update it, or use another address.",
                field="output",
            )
        pieces.append(piece)
    return b"".join(pieces)


async def _read_end(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while piece := await stream.read(_PIECE):
        kept = (kept + piece)[-_KEPT_ERRORS:]
    return kept
