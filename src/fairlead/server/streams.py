"""Routes of events: server-sent, for everything of a tenant and for one run."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from fairlead.server.answers import EventStream, caller_of, last_event_id
from fairlead.server.desk import Desk
from fairlead.server.feed import ENDINGS, Feed
from fairlead.server.rest import responses
from fairlead.server.running import find_of

_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}
_RESUME = [
    {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    },
    {"name": "after", "in": "query", "required": False, "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}},
]


def add_streams(app: FastAPI, desk: Desk, feed: Feed) -> None:
    """Adds ``/api/events/stream`` and ``/api/runs/{run}/events``; the first is also ``/api/events`` for clients that
    accept event streams."""

    async def everything(request: Request) -> Response:
        caller = caller_of(request)
        desk.grant(caller, "events", {}, request.state.request_id)
        return EventStream(request, feed, last_event_id(request))

    async def of_run(request: Request) -> Response:
        caller = caller_of(request)
        desk.grant(caller, "runs.show", {}, request.state.request_id)
        row = find_of(desk, caller, request.path_params["run"])
        after = last_event_id(request) or 0
        last = await desk.lead.store.events(subject=row.id, types=tuple(ENDINGS), newest=True, limit=1)
        if last and after >= last[-1].index:
            # The reader has seen the end; nothing will follow.
            return Response(b"", 200, {"cache-control": "no-store"}, "text/event-stream")
        return EventStream(request, feed, after, row.id)

    described = responses(200)
    described[200] = {"description": "events, each with its index as id", "content": _STREAM}
    for path, endpoint, name in (
        ("/api/events/stream", everything, "events as they happen"),
        ("/api/runs/{run}/events", of_run, "the events of a run until it ends"),
    ):
        held = [{"name": "run", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]
        app.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            summary=name,
            tags=["events"],
            response_class=Response,
            responses=described,
            openapi_extra={"parameters": [*(held if "{run}" in path else ()), *_RESUME]},
        )
