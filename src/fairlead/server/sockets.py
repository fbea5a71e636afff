"""WebSocket: the same verbs and events over one connection, for clients that control and watch at once.

Messages are JSON objects. ``{"id", "verb", "arguments"}`` brings ``{"id", "answer"}`` or ``{"id", "problem"}``.
A message ``{"id", "listen": {"after", "subject"}}`` begins ``{"id", "event"}`` messages, which end with one of
``{"id", "ended"}``. The key is in the ``Authorization`` header, or in a first message ``{"key"}`` for browsers, which
cannot set headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from fairlead.errors import FairleadError, InvalidInputError, RateLimitedError
from fairlead.ids import new_id
from fairlead.server.access import Caller
from fairlead.server.answers import SLOWEST_READ, to_bytes
from fairlead.server.desk import Desk
from fairlead.server.door import Door
from fairlead.server.feed import Feed
from fairlead.server.problems import UnauthorisedError, problem
from fairlead.server.rates import Rates
from fairlead.server.running import find_of

Stays = Callable[[], bool]

_PATIENCE = 5.0
_MOST_LISTENING = 8
_UNAUTHORISED = 4401
_NO_TEXT = 1003
_TOO_SLOW = 4408


def add_socket(app: FastAPI, desk: Desk, feed: Feed, door: Door) -> None:
    """Adds ``/api/ws``."""
    origins = desk.lead.settings.cors_origins

    async def socket(websocket: WebSocket) -> None:
        if not _is_from_here(websocket, origins):
            # Before it is accepted: a page of another site learns nothing but that it may not.
            await websocket.close()
            return
        await websocket.accept()
        try:
            caller, stays = await _identify(websocket, door)
        except RateLimitedError as exc:
            await asyncio.sleep(min(float(exc.fields["retry_after"]), _PATIENCE))
            await websocket.close(_UNAUTHORISED, "no valid key")
            return
        except (UnauthorisedError, TimeoutError, ValueError):
            await websocket.close(_UNAUTHORISED, "no valid key")
            return
        except WebSocketDisconnect:
            return
        await _Conversation(websocket, caller, stays, desk, feed, door.rates).go_on()

    app.add_api_websocket_route("/api/ws", socket)


def _is_from_here(websocket: WebSocket, origins: Sequence[str]) -> bool:
    """Whether it was opened by a program, by a page of this server, or by one of an origin that the settings name."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in origins or "*" in origins:
        return True
    return origin.partition("://")[2] == websocket.headers.get("host")


async def _identify(websocket: WebSocket, door: Door) -> tuple[Caller, Stays]:
    header = websocket.headers.get("authorization")
    if header is None:
        first = orjson.loads(await asyncio.wait_for(_text(websocket), _PATIENCE))
        header = f"Bearer {first['key']}" if isinstance(first, dict) and isinstance(first.get("key"), str) else None
    caller = door.identify(websocket.client.host if websocket.client else "", header)
    return caller, partial(door.stays, caller, header)


class _Conversation:
    """One authenticated connection."""

    def __init__(
        self, websocket: WebSocket, caller: Caller, stays: Stays, desk: Desk, feed: Feed, rates: Rates
    ) -> None:
        self._websocket = websocket
        self._caller = caller
        self._stays = stays
        self._desk = desk
        self._feed = feed
        self._rates = rates
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()

    async def go_on(self) -> None:
        await self._say({"hello": self._caller.name, "tenant": str(self._caller.tenant), "role": self._caller.role})
        try:
            while True:
                text = await _text(self._websocket)
                if not self._stays():
                    await self._websocket.close(_UNAUTHORISED, "the key is valid no more")
                    return
                if len(self._tasks) >= _MOST_LISTENING:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED, timeout=_PATIENCE)
                task = asyncio.create_task(self._take(text))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except WebSocketDisconnect:
            return
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, text: str) -> None:
        request_id = new_id("req")
        identity: Any = None
        try:
            message = _read(text)
            identity = message.get("id")
            taken = self._rates.take(self._caller)
            if not taken.allowed:
                raise RateLimitedError("too many requests with this key.", remedy="Wait.", retry_after=taken.wait)
            if "listen" in message:
                await self._listen(identity, message["listen"], request_id)
                return
            arguments = message.get("arguments") or {}
            if not isinstance(message.get("verb"), str) or not isinstance(arguments, dict):
                raise InvalidInputError("there is no verb.", remedy='Send {"id", "verb", "arguments"}.', field="verb")
            answer = await self._desk.call(self._caller, message["verb"], arguments, request_id)
            await self._say({"id": identity, "answer": answer})
        except FairleadError as exc:
            await self._say({"id": identity, "problem": problem(exc, request_id)})

    async def _listen(self, identity: Any, wanted: Any, request_id: str) -> None:
        wanted = wanted if isinstance(wanted, dict) else {}
        after, subject = wanted.get("after"), wanted.get("subject")
        if (after is not None and (type(after) is not int or not 0 <= after < 2**60)) or not isinstance(
            subject, str | None
        ):
            raise InvalidInputError(
                "after or subject cannot be used.", remedy="Give an index and a run.", field="listen"
            )
        self._desk.grant(self._caller, "events", {}, request_id)
        if subject is not None:
            subject = find_of(self._desk, self._caller, subject).id
            after = after or 0
        head = to_bytes({"id": identity})[:-1]
        listened = self._feed.listen(str(self._caller.tenant), after=after, subject=subject, stays=self._stays)
        async with aclosing(listened) as listening:
            async for lines in listening:
                for line in lines:
                    await self._send(head + b',"event":' + line.data + b"}")
        await self._say({"id": identity, "ended": True})

    async def _say(self, value: Any) -> None:
        await self._send(to_bytes(value))

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            try:
                async with asyncio.timeout(SLOWEST_READ):
                    await self._websocket.send_text(data.decode())
            except TimeoutError:
                await self._websocket.close(_TOO_SLOW, "too slow; go on with the last index")


async def _text(websocket: WebSocket) -> str:
    """The next message; one of bytes ends the connection, since nothing here is said in bytes."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if text is None:
        await websocket.close(_NO_TEXT, "send text")
        raise WebSocketDisconnect(_NO_TEXT)
    return str(text)


def _read(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise InvalidInputError("the message is no JSON object.", remedy="Send one object.", field="message")
    return message
