"""Memory as lines of JSON over HTTP: exported without holding it, taken in as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

import orjson
from fastapi import Request, Response

from fairlead.errors import InvalidInputError
from fairlead.memory.exchange import HEADER
from fairlead.server.answers import PacedResponse, caller_of, json_answer, to_bytes
from fairlead.server.arguments import check_text, checked, from_query
from fairlead.server.desk import Desk
from fairlead.tenancy import adopt_tenant, use_tenant

if TYPE_CHECKING:
    from fairlead.memory.upkeep import Upkeep

LINES = "application/x-ndjson"
_PAGE = 500
_MOST_LINE = 4 * 1024 * 1024


def wants_lines(request: Request) -> bool:
    return LINES in request.headers.get("accept", "")


def sends_lines(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == LINES


class Carrying:
    """Export and import of a namespace; the verbs ``memory.export`` and ``memory.import`` for clients of streams."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _upkeep(self) -> Upkeep:
        return self._desk.lead.memory.upkeep

    async def export(self, request: Request) -> Response:
        """Every entry beyond ``after`` in the order in which it was remembered, each with its ``cursor``: a reader
        whose connection broke goes on after the last whole line that it has."""
        caller = caller_of(request)
        verb = self._desk.grant(caller, "memory.export", {}, request.state.request_id)
        given = checked(verb, from_query(verb, request.query_params.multi_items()))
        name, after = given.get("name", "default"), given.get("after", 0)
        chunks = self._lines(request, name, after)
        # A name that cannot be one is refused with a status, before the answer has begun.
        first = await anext(chunks)
        return PacedResponse(_led(first, chunks), media_type=LINES)

    async def _lines(self, request: Request, name: str, after: int) -> AsyncGenerator[bytes, None]:
        adopt_tenant(caller_of(request).tenant)
        page = await self._upkeep.export_page(after, _PAGE, name=name)
        yield HEADER.encode() + b"\n" if after == 0 else b""
        while page and request.state.stays():
            yield b"".join(to_bytes(entry) + b"\n" for entry in page)
            page = await self._upkeep.export_page(page[-1]["cursor"], _PAGE, name=name)

    async def take_in(self, request: Request) -> Response:
        """Takes lines in, each batch in one write. A line that is none ends it: what stood before is taken in, and
        sending it all again is safe."""
        caller = caller_of(request)
        verb = self._desk.grant(caller, "memory.import", {}, request.state.request_id)
        name = checked(verb, from_query(verb, request.query_params.multi_items())).get("name", "default")
        taken = erased = at = 0
        with use_tenant(caller.tenant):
            async for batch in _batches(request.stream()):
                try:
                    done = await self._upkeep.import_lines(batch, name=name, cause=f"key:{caller.actor}")
                except InvalidInputError as exc:
                    exc.fields |= {"line": at + int(exc.fields.get("value") or 0), "taken": taken}
                    raise
                taken, erased, at = taken + done.taken, erased + done.erased, at + len(batch)
        return json_answer({"taken": taken, "erased": erased})


async def _led(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """The lines of a body, some hundreds at a time."""
    left, lines = b"", []
    async for chunk in chunks:
        *whole, left = (left + chunk).split(b"\n")
        lines += [_text(line) for line in whole]
        if len(left) > _MOST_LINE:
            raise InvalidInputError("a line is too long.", remedy=f"At most {_MOST_LINE:,} bytes.", field="line")
        while len(lines) >= _PAGE:
            yield lines[:_PAGE]
            del lines[:_PAGE]
    if left.strip():
        lines.append(_text(left))
    if lines:
        yield lines


def _text(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"a line is not UTF-8: {exc.reason}.", remedy="Send UTF-8.", field="line") from exc
    try:
        check_text("line", orjson.loads(line or b"null"))
    except orjson.JSONDecodeError:
        # What is no JSON is refused with its number when it is read.
        return text
    return text
