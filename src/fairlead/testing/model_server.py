"""A loopback server that speaks the OpenAI chat API over a real small model, and fails on command.

For tests of provider clients, retries, fallback and streaming without a vendor. It binds to 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Piece(NamedTuple):
    """A piece of an answer and the natural log of its probability."""

    text: str
    logprob: float = 0.0


Continue = Callable[[str, int], Iterator[Any]]
"""(prompt, most tokens) -> pieces with ``text`` and ``logprob``."""

FAULTS = ("429", "500", "503", "401", "400", "hang", "reset", "malformed", "empty", "truncate", "slow", "no_usage")
"""What a request can be made to meet: an HTTP status (``429:2`` with retry-after 2), silence, a closed connection,
bytes that are no JSON, no text at all, a stream cut in the middle, a pause before the answer, or usage left out."""


class ModelServer:
    """One server. ``requests`` holds the JSON bodies received, ``headers`` their headers, both in order.

    ``repeat_key`` makes errors quote the caller's key, as some providers do. ``count`` counts tokens of a text. Use it
    as a context manager; ``url`` is the address for clients.
    """

    def __init__(self, continue_: Continue, count: Callable[[str], int], *, model: str = "stories260k") -> None:
        self._continue = continue_
        self._count = count
        self.model = model
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._faults: deque[str] = deque()
        self._always = ""
        self.repeat_key = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)
        self._ready = threading.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def fail(self, *faults: str) -> None:
        """The next requests meet these faults, one each; an empty word is no fault."""
        self._faults.extend(faults)

    def fail_always(self, fault: str) -> None:
        """Every request meets this fault when no other is queued; an empty word ends that."""
        self._always = fault

    def __enter__(self) -> ModelServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        # Transports tell their protocols of the end one turn of the loop later.
        await asyncio.sleep(0.01)

    # ── one connection ───────────────────────────────────────────────────────────────────────────────────────

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client went away, which is its right, or the server ends; asyncio logs a cancelled connection.
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        self.requests.append(body)
        self.headers.append(headers)
        fault, _, detail = (self._faults.popleft() if self._faults else self._always).partition(":")
        if fault in ("hang", "slow"):
            await asyncio.sleep(float(detail or (3600 if fault == "hang" else 0.05)))
        if fault == "reset":
            _reset(writer)
            return False
        if fault.isdigit():
            return await self._refuse(writer, int(fault), detail)
        if fault == "malformed":
            return await _send(writer, 200, b'{"id": "x", "choices": [{"mess')
        prompt = "\n".join(_text(m.get("content")) for m in body.get("messages", ()))
        most = int(body.get("max_completion_tokens") or body.get("max_tokens") or 64)
        pieces = iter(()) if fault == "empty" else self._continue(prompt, most)
        if body.get("stream"):
            return await self._stream(writer, body, prompt, pieces, fault)
        return await self._whole(writer, body, prompt, list(pieces), fault)

    async def _refuse(self, writer: asyncio.StreamWriter, status: int, detail: str) -> bool:
        quoted = f" for {self.headers[-1].get('authorization')}" if self.repeat_key else ""
        error = {"error": {"message": f"fault {status}{quoted}", "type": "injected", "code": None}}
        extra = f"retry-after: {detail}\r\n" if detail else ""
        return await _send(writer, status, json.dumps(error).encode(), extra)

    async def _whole(
        self, writer: asyncio.StreamWriter, body: dict[str, Any], prompt: str, pieces: list[Any], fault: str
    ) -> bool:
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(p.text for p in pieces)},
            "finish_reason": "stop",
        }
        if body.get("logprobs"):
            choice["logprobs"] = {
                "content": [{"token": p.text, "logprob": p.logprob, "bytes": None, "top_logprobs": []} for p in pieces]
            }
        answer = {"object": "chat.completion", "choices": [choice], **self._common()}
        if fault != "no_usage":
            answer["usage"] = self._usage(prompt, len(pieces))
        payload = json.dumps(answer).encode()
        if fault == "truncate":
            writer.write(_head(200, len(payload), "application/json") + payload[: len(payload) // 2])
            await writer.drain()
            return False
        return await _send(writer, 200, payload)

    async def _stream(
        self, writer: asyncio.StreamWriter, body: dict[str, Any], prompt: str, pieces: Iterator[Any], fault: str
    ) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        common = {"object": "chat.completion.chunk", **self._common()}
        sent = 0
        for piece in pieces:
            delta = {"role": "assistant", "content": piece.text}
            self._event(writer, {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            await writer.drain()
            sent += 1
            if fault == "truncate" and sent == 4:
                _reset(writer)
                return False
        self._event(writer, {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if fault != "no_usage":
            self._event(writer, {**common, "choices": [], "usage": self._usage(prompt, sent)})
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        await writer.drain()
        return True

    def _event(self, writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
        data = f"data: {json.dumps(event)}\n\n".encode()
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _common(self) -> dict[str, Any]:
        return {"id": f"chatcmpl-{len(self.requests)}", "created": int(time.time()), "model": self.model}

    def _usage(self, prompt: str, output: int) -> dict[str, int]:
        given = self._count(prompt)
        return {"prompt_tokens": given, "completion_tokens": output, "total_tokens": given + output}


@contextmanager
def fixed_server(text: str = "Fine.") -> Iterator[ModelServer]:
    """A server that always answers ``text``, word by word, for tests that need no model."""
    words = text.split(" ")
    pieces = [Piece(w if n == 0 else f" {w}", -0.1) for n, w in enumerate(words)]
    with ModelServer(lambda prompt, most: iter(pieces[:most]), lambda t: max(1, len(t) // 4), model="fixed") as server:
        yield server


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _head(status: int, length: int, kind: str, extra: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{extra}\r\n".encode()


async def _send(writer: asyncio.StreamWriter, status: int, payload: bytes, extra: str = "") -> bool:
    writer.write(_head(status, len(payload), "application/json", extra) + payload)
    await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with a reset instead of a goodbye."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
