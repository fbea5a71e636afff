"""The process that understands documents: one at a time, from standard input to standard output.

It has a limit on its memory, ends at once when its parent does, and writes nothing but answers. A frame is the length
of a JSON header and of the data behind it, eight bytes each, big-endian.
"""

from __future__ import annotations

import os
import queue
import signal
import struct
import sys
import threading
from typing import Any, BinaryIO

LENGTHS = struct.Struct(">QQ")
MEMORY_LIMIT = 2 * 1024**3


def main() -> None:
    """Body of the process."""
    # Threads of the linear algebra would fight over the cores that the other processes have.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.putenv(name, "1")
    answers = _take_over_output()
    _limit_memory()
    frames: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, frames), daemon=True).start()
    _warm()
    while True:
        header, data = frames.get()
        answer = _answer(header, data)
        answers.write(LENGTHS.pack(len(answer), 0) + answer)
        answers.flush()


def _warm() -> None:
    """Loads what every document needs, while the first one is still on its way."""
    from fairlead.pipeline.intake.pool import Task
    from fairlead.pipeline.intake.understanding import understand

    ref = {"id": "warm", "title": "Warm", "kind": "text", "origin": "warm:up"}
    understand(Task(ref, "text"), b"Ada Lovelace wrote the first program in London in 1843, and it was a long one.")


def _take_over_output() -> BinaryIO:
    """Standard output for answers alone: what a library prints goes nowhere."""
    own = os.dup(sys.stdout.fileno())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return os.fdopen(own, "wb")


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        # Windows has no such limit; the parent's time limit still holds.
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def _listen(stream: BinaryIO, frames: queue.SimpleQueue[tuple[bytes, bytes]]) -> None:
    while True:
        head = stream.read(LENGTHS.size)
        if len(head) < LENGTHS.size:
            break
        first, second = LENGTHS.unpack(head)
        frames.put((stream.read(first), stream.read(second)))
    # The parent is gone. Readers of single formats that this process started belong to its group and go with it.
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def _answer(header: bytes, data: bytes) -> bytes:
    import orjson

    from fairlead.errors import FairleadError
    from fairlead.pipeline.intake.pool import Task
    from fairlead.pipeline.intake.understanding import understand

    try:
        request: dict[str, Any] = orjson.loads(header)
        has_data = request.pop("has_data")
        value = {"value": understand(Task(**request), data if has_data else None)}
    except FairleadError as exc:
        value = {"error": {"kind": type(exc).__name__, "message": exc.message, "remedy": exc.remedy}}
    except MemoryError:
        value = {"error": {"kind": "MemoryError", "message": "it needs more memory than allowed.", "remedy": ""}}
    except RecursionError:
        value = {"error": {"kind": "RecursionError", "message": "it is nested too deep.", "remedy": ""}}
    except Exception as exc:  # noqa: BLE001 - a parser's exceptions on hostile input are open-ended; all are told
        value = {"error": {"kind": type(exc).__name__, "message": f"{type(exc).__name__}: {exc}"[:300], "remedy": ""}}
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
