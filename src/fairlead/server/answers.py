"""Answers as HTTP: JSON with an entity tag, problems, and streams that cut off who does not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fairlead.errors import FairleadError
from fairlead.server.access import Caller
from fairlead.server.conditions import tag_of, tags_in
from fairlead.server.feed import Feed
from fairlead.server.problems import BadRequestError, problem_bytes, problem_headers

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
SLOWEST_READ = 20.0
"""Seconds that one chunk may wait for a reader before the stream is cut off."""


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def to_bytes(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=_OPTIONS)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(value), status, dict(headers or {}), "application/json")


def tagged_answer(request: Request, value: Any, verb: str = "") -> Response:
    """A reading with its entity tag; 304 without a body when the caller has it already (RFC 9110, 13.1.2)."""
    tag = tag_of(verb, value, to_bytes)
    # Answers belong to a caller: kept by the caller only, and asked for again each time.
    headers = {"etag": tag, "cache-control": "private, no-cache", "vary": "authorization"}
    known = [part.removeprefix("W/") for part in tags_in(request.headers.get("if-none-match", ""))]
    if tag in known or known == ["*"]:
        return Response(None, 304, headers)
    return Response(to_bytes(value), 200, headers, "application/json")


def problem_answer(exc: FairleadError, request_id: str) -> Response:
    return Response(problem_bytes(exc, request_id), exc.http_status, dict(problem_headers(exc)))


async def read_json(request: Request) -> dict[str, Any]:
    """The body as an object; an empty body is an empty object."""
    body = await request.body()
    if not body.strip():
        return {}
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequestError(f"the body is {kind[:100]!r}.", remedy="Send application/json.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise BadRequestError(f"the body is no JSON: {exc}.", remedy="Send one JSON object.") from None
    if not isinstance(value, dict):
        raise BadRequestError("the body is no object.", remedy="Send one JSON object.")
    return value


def last_event_id(request: Request) -> int | None:
    """Where a stream goes on: ``Last-Event-ID``, else ``after``; None when neither is given."""
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequestError(f"the event id {text[:40]!r} is no number.", remedy="Give the id of an event.")
    return int(text)


class _TooSlowError(Exception):
    """A reader took nothing for too long. Not a TimeoutError, which is an OSError and read as a lost connection."""


def _limited(send: Send) -> Send:
    async def limited(message: Any) -> None:
        try:
            async with asyncio.timeout(SLOWEST_READ):
                await send(message)
        except TimeoutError:
            raise _TooSlowError from None

    return limited


class Paced(Response):
    """Another library's stream, cut off like :class:`PacedResponse`; that library may raise in groups."""

    def __init__(self, stream: Response) -> None:
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._stream(scope, receive, _limited(send))
        except* (_TooSlowError, ClientDisconnect):
            # Cut off without the closing chunk, so that the reader sees a broken stream and comes back.
            pass


class PacedResponse(StreamingResponse):
    """A stream that is cut off when its reader takes nothing for too long. It closes ``chunks`` in every case."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], media_type: str) -> None:
        self._chunks = chunks
        super().__init__(chunks, media_type=media_type)
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, _limited(send))
        except (_TooSlowError, ClientDisconnect):
            # Cut off without the closing chunk: the reader sees a broken stream and comes back with its last id.
            return
        finally:
            await self._chunks.aclose()


class EventStream(PacedResponse):
    """Server-sent events of a tenant, or of one of its subjects."""

    def __init__(self, request: Request, feed: Feed, after: int | None, subject: str | None = None) -> None:
        super().__init__(_chunks(request, feed, after, subject), "text/event-stream")


async def _chunks(request: Request, feed: Feed, after: int | None, subject: str | None) -> AsyncGenerator[bytes, None]:
    yield b"retry: 1000\n\n"
    tenant, stays = str(caller_of(request).tenant), request.state.stays
    async with aclosing(feed.listen(tenant, after=after, subject=subject, stays=stays)) as listening:
        async for lines in listening:
            yield b"".join([line.sse for line in lines]) or b": still here\n\n"
