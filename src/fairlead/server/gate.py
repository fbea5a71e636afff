"""The gate that every request passes: an id, who calls, how often, how much; and the headers that every answer has.

Plain ASGI, because it stands before every request and must not buffer what streams.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect

from fairlead.errors import FairleadError, InternalError, RateLimitedError, UnavailableError
from fairlead.ids import new_id
from fairlead.server.door import Door
from fairlead.server.problems import (
    BadRequestError,
    NotReadableError,
    TooLargeError,
    problem_bytes,
    problem_headers,
)
from fairlead.server.rates import Rates, Taken

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/health", "/liveness", "/readiness", "/openapi.json"})
_OPEN_WITHOUT_KEY = frozenset({"/.well-known/agent-card.json"})
"""Paths that answer anybody, and callers who name themselves with more."""
MOST_BODY = 4 * 1024 * 1024
"""Bytes of a request body, but for what is taken in as it comes."""
MOST_HELD = 128 * 1024 * 1024
"""Bytes of all request bodies that are held at once; beyond that callers are told to come back."""

_LARGE = frozenset({"/api/upload", "/api/memory/import"})
"""Paths whose bodies are taken in as they come."""
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")


class Held:
    """Bytes of bodies that are held in memory now."""

    def __init__(self) -> None:
        self.bytes = 0


class Gate:
    """Wraps the application. After it, ``scope["state"]`` holds ``caller``, ``request_id``, and ``stays``, which
    says whether the caller may still."""

    def __init__(self, app: App, door: Door, *, upload_bytes: int) -> None:
        self._app = app
        self._door = door
        self._most = MOST_BODY
        self._most_upload = upload_bytes
        self._held = Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        answer = _Answer(send, request_id, secure=scope.get("scheme") == "https")
        streamed = scope["path"] in _LARGE
        most = self._most_upload if streamed else self._most
        body = _Body(self._held, receive, most=most, streamed=streamed)
        try:
            state = scope.setdefault("state", {})
            state["request_id"] = request_id
            _require_one_reading(scope)
            address = (scope.get("client") or ("",))[0]
            if not _needs_key(scope):
                # Whether the process lives costs nothing to say, and must not depend on what others ask.
                if scope["path"] != "/liveness":
                    self._door.glance(address)
            else:
                authorization = header(scope["headers"], b"authorization")
                caller = self._door.identify(address, authorization)
                state["caller"], state["stays"] = caller, partial(self._door.stays, caller, authorization)
                answer.taken = self._door.rates.take(caller)
                answer.rate = self._door.rates
                if not answer.taken.allowed:
                    raise RateLimitedError(
                        "too many requests with this key.", remedy="Wait.", retry_after=answer.taken.wait
                    )
            _require_acceptable(scope, most)
            await self._app(scope, body.receive, answer.send)
        except ClientDisconnect:
            return
        except FairleadError as exc:
            await answer.problem(exc)
        except Exception:  # noqa: BLE001 - the caller gets a problem document, the log gets the fault
            _log.exception("request %s failed", request_id)
            await answer.problem(InternalError("the server failed.", remedy="Its log says why."))
        finally:
            body.let_go()


class _Body:
    """A request's body on its way in: refused when it turns out too large, or when all of them together are.

    What is taken in as it comes goes to the disk; of all other bodies the bytes are held until they are answered.
    """

    def __init__(self, held: Held, receive: Receive, *, most: int, streamed: bool) -> None:
        self._all = held
        self._receive = receive
        self._most = most
        self._streamed = streamed
        self._seen = 0

    async def receive(self) -> Message:
        message = await self._receive()
        size = len(message.get("body", b""))
        self._seen += size
        if self._seen > self._most:
            raise TooLargeError("the body is too large.", remedy=f"At most {self._most:,} bytes are accepted.")
        if not self._streamed:
            self._all.bytes += size
            if self._all.bytes > MOST_HELD:
                raise UnavailableError("too much is being taken in.", remedy="Send it again.", retry_after=1)
        return message

    def let_go(self) -> None:
        """Once it is answered."""
        if not self._streamed:
            self._all.bytes -= self._seen


def _require_acceptable(scope: Scope, most: int) -> None:
    """Refuses a body that is announced too large, or in a form that is not read."""
    if (coding := header(scope["headers"], b"content-encoding") or "identity").lower() != "identity":
        # A small body may be a large one, and nothing that callers send is worth that.
        raise NotReadableError(f"the body is compressed with {coding[:40]!r}.", remedy="Send it as it is.")
    announced = header(scope["headers"], b"content-length")
    if announced is not None and not announced.isdecimal():
        raise BadRequestError("content-length is no number.", remedy="Send the length in bytes.")
    if announced is not None and int(announced) > most:
        raise TooLargeError(f"the body has {announced} bytes.", remedy=f"At most {most:,} are accepted.")


class _Answer:
    """Puts the common headers on an answer, and turns a failure into one while none was begun."""

    def __init__(self, send: Send, request_id: str, *, secure: bool = False) -> None:
        self._send = send
        self._common = (*_SECURITY, _TLS_ONLY) if secure else _SECURITY
        self._id = request_id
        self._begun = False
        self._began = time.perf_counter()
        self.taken: Taken | None = None
        self.rate: Rates | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            given = message["headers"] = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            given += [(name, value) for name, value in self._common if name not in names]
            given.append((b"x-request-id", self._id.encode()))
            took = (time.perf_counter() - self._began) * 1000
            given.append((b"server-timing", f"total;dur={took:.2f}".encode()))
            if self.taken is not None and self.rate is not None:
                given += [
                    (b"ratelimit-limit", str(self.rate.burst).encode()),
                    (b"ratelimit-remaining", str(self.taken.remaining).encode()),
                    (b"ratelimit-reset", str(round(self.taken.wait) + 1).encode()),
                ]
        await self._send(message)

    async def problem(self, exc: FairleadError) -> None:
        if self._begun:
            # The status has gone out; the connection is ended, so that half an answer is not taken for one.
            raise exc
        body = problem_bytes(exc, self._id)
        headers = [(name.encode(), value.encode()) for name, value in problem_headers(exc).items()]
        headers.append((b"content-length", str(len(body)).encode()))
        if isinstance(exc, (BadRequestError, TooLargeError)):
            # What follows on the connection may be the body that was refused.
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": exc.http_status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _needs_key(scope: Scope) -> bool:
    if scope["path"] in _OPEN_WITHOUT_KEY:
        return header(scope["headers"], b"authorization") is not None
    return scope["path"] not in OPEN_PATHS


def _require_one_reading(scope: Scope) -> None:
    """Refuses what a proxy before this server may have read otherwise: the rest would be another request to it."""
    headers = scope["headers"]
    if header(headers, b"content-length") is not None and header(headers, b"transfer-encoding") is not None:
        raise BadRequestError("the body has two lengths.", remedy="Send content-length or transfer-encoding.")
    if scope["http_version"] not in ("1.0", "1.1", "2"):
        raise BadRequestError("this is no HTTP/1.1 request.", remedy="Send HTTP/1.1.")


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The value of a header that may stand once; :class:`BadRequestError` when it stands more often."""
    found = [value for key, value in headers if key == name]
    if len(found) > 1:
        raise BadRequestError(f"the header {name.decode()} is given {len(found)} times.", remedy="Send it once.")
    return found[0].decode("latin-1") if found else None


__all__ = ["Gate", "header"]
