"""The wire: HTTP/1.1 connections that cannot be held open for nothing, nor read in two ways.

Uvicorn's protocol over h11, with what a server needs that nothing stands in front of: a deadline for the head of a
request, a least rate for its body, a limit of connections in all and per address, and a reading of heads in which
every line ends with CR LF and none is folded, so that no proxy can see other requests than this server does
(RFC 9112, sections 2.2, 5.2 and 11.2).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, ClassVar, NamedTuple

import h11
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from fairlead.errors import FairleadError, UnavailableError
from fairlead.ids import new_id
from fairlead.server.problems import (
    BadRequestError,
    HeadTooLargeError,
    TooSlowError,
    problem_bytes,
    problem_headers,
)

MOST_HEAD = 32 * 1024
"""Bytes of a request's line and headers."""
_BARE_NEWLINE = re.compile(rb"(?<!\r)\n")


class Limits(NamedTuple):
    """What a connection may take. Times are seconds.

    ``head`` is how long the first line and the headers may take from their first byte on (or from the connection's
    begin); a body must come with ``rate`` bytes per second, looked at every ``window``. Callers on this machine are
    not limited by ``of_address``: behind a proxy everybody has its address.
    """

    head: float = 10.0
    rate: float = 1024.0
    window: float = 10.0
    connections: int = 2000
    of_address: int = 200
    spare_loopback: bool = True


def guarded(limits: Limits) -> type[H11Protocol]:
    """The protocol with these limits; connections of one server share its count of addresses."""
    return type("Guarded", (_Guarded,), {"limits": limits, "crowd": Counter()})


class _StrictLines(ReceiveBuffer):
    """Lines of a head, or of a chunked body's end, that end with CR LF only and are not folded."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        data = self._data
        if data[:2] == b"\r\n":
            self._extract(2)
            return []
        begin = max(0, self._multiple_lines_search - 3)
        end = data.find(b"\r\n\r\n", begin)
        if _BARE_NEWLINE.search(data, begin, len(data) if end < 0 else end + 2):
            raise h11.LocalProtocolError("a line ends without CR")
        if end < 0:
            self._multiple_lines_search = len(data)
            return None
        if end > MOST_HEAD:
            raise h11.LocalProtocolError("the head is too large")
        lines = self._extract(end + 4)[:-4].split(b"\r\n")
        if any(line.startswith((b" ", b"\t")) for line in lines):
            raise h11.LocalProtocolError("a header is folded")
        return lines


class _Guarded(H11Protocol):
    """One connection."""

    limits: ClassVar[Limits]
    crowd: ClassVar[Counter[str]]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn._receive_buffer = _StrictLines()
        self._address = ""
        self._timer: asyncio.TimerHandle | None = None
        self._timed = ""
        self._seen = 0

    # ── how many ─────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.crowd[self._address] += 1
        if len(self.connections) > self.limits.connections or self._is_crowd():
            self._refuse(UnavailableError("there are too many connections.", remedy="Close some.", retry_after=1))
        else:
            self._set_timer("head")

    def _is_crowd(self) -> bool:
        if self.crowd[self._address] <= self.limits.of_address:
            return False
        return not (self.limits.spare_loopback and _is_loopback(self._address))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self.crowd[self._address] <= 1:
            del self.crowd[self._address]
        else:
            self.crowd[self._address] -= 1

    # ── how slowly ───────────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._seen += len(data)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Sets the timer for what is awaited now; one that runs for it goes on, whatever comes in meanwhile."""
        awaited = ""
        if self.conn.their_state is h11.IDLE:
            begun = bool(self.conn.trailing_data[0]) or self.cycle is None
            awaited = "head" if begun else ""
        elif self.conn.their_state is h11.SEND_BODY:
            awaited = "body"
        if awaited != self._timed:
            self._set_timer(awaited)

    def _set_timer(self, awaited: str) -> None:
        self._stop_timer()
        self._timed = awaited
        if awaited and not self.transport.is_closing():
            self._seen = 0
            seconds = self.limits.head if awaited == "head" else self.limits.window
            self._timer = self.loop.call_later(seconds, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        enough = self._seen >= self.limits.rate * self.limits.window
        # A body that this server has not taken yet is not the caller's slowness.
        if self._timed == "body" and (enough or self.flow.read_paused):
            self._set_timer("body")
            return
        self._refuse(TooSlowError(f"the {self._timed} of the request came too slowly.", remedy="Send it at once."))

    # ── what cannot be read ──────────────────────────────────────────────────────────────────────────────────

    def send_400_response(self, msg: str) -> None:
        if len(self.conn.trailing_data[0]) > MOST_HEAD:
            self._refuse(HeadTooLargeError("the headers are too large.", remedy=f"At most {MOST_HEAD:,} bytes."))
        else:
            self._refuse(BadRequestError("this is no HTTP/1.1 request.", remedy="Send lines that end with CR LF."))

    def _refuse(self, exc: FairleadError) -> None:
        """Answers with a problem unless an answer was begun, and ends the connection."""
        self._stop_timer()
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says
        open_one = cycle if cycle is not None and not cycle.response_complete else None
        if open_one is None or not open_one.response_started:
            self.transport.write(_answer(exc))
        if open_one is not None:
            # Whoever carries the request out learns that the caller is gone.
            open_one.disconnected = True
            open_one.message_event.set()
        self.transport.close()

    # ── what goes on as something else ───────────────────────────────────────────────────────────────────────

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_timer()
        super().handle_websocket_upgrade(event)
        successor: Any = self.transport.get_protocol()
        lost = successor.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            self._leave()
            lost(exc)

        # The connection stays one of its address.
        successor.connection_lost = connection_lost


def _is_loopback(address: str) -> bool:
    """Whether the caller is on this machine; one without an address has come by a socket in the file system."""
    if not address:
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _answer(exc: FairleadError) -> bytes:
    request_id = new_id("req")
    body = problem_bytes(exc, request_id)
    headers = {**problem_headers(exc), "x-request-id": request_id, "connection": "close"}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    reason = HTTPStatus(exc.http_status).phrase
    head = [f"HTTP/1.1 {exc.http_status} {reason}", *lines, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


__all__ = ["MOST_HEAD", "Limits", "guarded"]
