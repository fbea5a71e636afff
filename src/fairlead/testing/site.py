"""A web site on this machine that answers as it is told to, well or badly.

with Site() as site:
    site.put("/page", b"<p>Hello.</p>", "text/html", etag='"1"')
    ... fetch site.url("/page") ...
    assert site.paths == ["/page"]

It runs on a thread with an event loop of its own, so that what is tested may block. ``robots.txt`` is absent until it
is put. ``most_at_once`` is the greatest number of requests that were being answered at one time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self


class Request(NamedTuple):
    """One request as it came; ``path`` holds the query, ``headers`` have names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class Site:
    """Pages by path, served on a free port of ``host`` while the ``with`` block lasts."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._now = 0
        self._answers: dict[str, Answer] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.WriteTransport] = set()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test site", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None and self._thread is not None
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}:{self.port}{path}"

    def put(
        self,
        path: str,
        body: bytes,
        content_type: str = "text/html",
        *,
        status: int = 200,
        etag: str = "",
        delay: float = 0.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answers ``path`` with these bytes; with ``etag``, with 304 to whoever has that version."""
        sent = {"Content-Type": content_type, **({"ETag": etag} if etag else {}), **(headers or {})}

        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            if delay:
                await asyncio.sleep(delay)
            known = bool(etag) and request.headers.get("if-none-match") == etag
            writer.write(head(304 if known else status, 0 if known else len(body), sent) + (b"" if known else body))

        self._answers[path] = answer

    def answer(self, path: str, answer: Answer) -> None:
        """Has ``path`` answered by a function that writes to the connection whatever it likes."""
        self._answers[path] = answer

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for transport in self._transports:
            transport.abort()
        # Sockets are closed in the turn of the loop after the one in which they are given up.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._transports.add(writer.transport)
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Whoever is tested may hang up at any time, and the end of the block hangs up on everybody.
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, path, headers, body)
        self.requests.append(request)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            answer = self._answers.get(path) or self._answers.get(path.partition("?")[0]) or _missing
            await answer(request, writer)
            await writer.drain()
        finally:
            self._now -= 1
        return not writer.is_closing()


def head(status: int, length: int | None, headers: Mapping[str, str]) -> bytes:
    """The first bytes of an answer, up to its body; without a length the body ends with the connection."""
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append("Connection: close" if length is None else f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _missing(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(404, 0, {}))
