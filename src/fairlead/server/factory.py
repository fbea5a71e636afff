"""Builds the application over an opened Fairlead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from fairlead.app import Fairlead
from fairlead.errors import FairleadError, NotFoundError
from fairlead.server.a2a import add_a2a
from fairlead.server.access import Caller
from fairlead.server.agents import Agents
from fairlead.server.answers import problem_answer
from fairlead.server.carrying import Carrying
from fairlead.server.desk import Desk
from fairlead.server.document import complete_document
from fairlead.server.door import Door
from fairlead.server.feed import Feed
from fairlead.server.gate import Gate
from fairlead.server.health import add_health
from fairlead.server.ingesting import Ingesting
from fairlead.server.interfaces import Interfaces
from fairlead.server.knowing import Knowing
from fairlead.server.mcp_server import make_mcp
from fairlead.server.monitoring import Monitoring
from fairlead.server.problems import BadRequestError
from fairlead.server.rest import add_routes
from fairlead.server.running import Runs
from fairlead.server.sockets import add_socket
from fairlead.server.streams import add_streams
from fairlead.server.uploads import sweep

UPLOAD_BYTES = 20 * 100 * 1024 * 1024 + 1024 * 1024


class Served(FastAPI):
    """The application with the parts that whoever runs it must reach."""

    desk: Desk
    feed: Feed

    def drain(self) -> None:
        """Takes no new work and lets listeners go; what is in progress goes on until the lead is closed."""
        self.desk.draining = True
        self.feed.end()


@asynccontextmanager
async def open_desk(lead: Fairlead) -> AsyncIterator[Desk]:
    """The desk over ``lead``, whose runtime is open and stays so for the block."""
    desk = Desk(lead)
    Runs(desk)
    Knowing(desk)
    Agents(desk)
    Ingesting(desk)
    try:
        yield desk
    finally:
        await desk.close()


@asynccontextmanager
async def open_server(lead: Fairlead) -> AsyncIterator[Served]:
    """The application over ``lead``, whose runtime is open and stays so for the block."""
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_desk(lead))
        feed = Feed(lead)
        await feed.open()
        await asyncio.to_thread(sweep, lead.settings.home / "uploads", lead.clock.now())
        stack.push_async_callback(feed.close)
        app = Served(
            title="Fairlead",
            version=version("fairlead"),
            description="The verbs of Fairlead over HTTP. Failures are RFC 9457 problem documents.",
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
        )
        app.desk, app.feed = desk, feed
        door = Door(lead)
        _add_failures(app)
        add_streams(app, desk, feed)
        add_health(app, desk, feed)
        Interfaces(desk, feed).add(app)
        Monitoring(desk).add(app)
        add_socket(app, desk, feed, door)
        carrying = Carrying(desk)
        desk.lines_out["memory.export"] = carrying.export
        desk.lines_in["memory.import"] = carrying.take_in
        add_routes(app, desk)
        mcp = StreamableHTTPSessionManager(make_mcp(desk, _caller_of_mcp), json_response=True, stateless=True)
        await stack.enter_async_context(mcp.run())
        app.router.routes.append(Route("/mcp", StreamableHTTPASGIApp(mcp)))
        add_a2a(app, desk, feed)
        complete_document(app)
        if lead.settings.cors_origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=list(lead.settings.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id"],
                expose_headers=["etag", "retry-after", "x-request-id"],
            )
        app.add_middleware(Gate, door=door, upload_bytes=UPLOAD_BYTES)
        yield app


def _caller_of_mcp(ctx: Any) -> Caller:
    """Whom the gate found for the HTTP request that carries an MCP message."""
    caller: Caller = ctx.request.state.caller
    return caller


def _add_failures(app: FastAPI) -> None:
    async def fairlead_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, FairleadError)
        return problem_answer(exc, request.state.request_id)

    async def http_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        problem: FairleadError
        if exc.status_code == 404:
            problem = NotFoundError("there is nothing at this address.", remedy="See /openapi.json.")
        else:
            problem = BadRequestError(str(exc.detail), remedy="See /openapi.json.")
        answer = problem_answer(problem, request.state.request_id)
        answer.status_code = exc.status_code
        for name, value in (exc.headers or {}).items():
            answer.headers[name] = value
        return answer

    app.add_exception_handler(FairleadError, fairlead_error)
    app.add_exception_handler(HTTPException, http_error)
