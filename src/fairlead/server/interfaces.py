"""Routes that existing clients expect: uploads, OpenAI-compatible models, generation, monitoring and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse

from fairlead.errors import FairleadError, InvalidInputError
from fairlead.pipeline.intake.uploads import folder_of
from fairlead.server.access import Caller
from fairlead.server.answers import caller_of, json_answer, read_json, tagged_answer, to_bytes
from fairlead.server.arguments import check_text
from fairlead.server.desk import Desk
from fairlead.server.document import REFERENCE
from fairlead.server.feed import Feed
from fairlead.server.problems import NotOfferedError
from fairlead.server.rest import responses
from fairlead.server.uploads import MOST_FILES, receive_batch
from fairlead.tenancy import adopt_tenant, use_tenant

_GENERATION: Mapping[str, tuple[type, ...]] = {
    "prompt": (str,),
    "context": (str,),
    "model_preference": (str,),
    "max_tokens": (int,),
    "temperature": (int, float),
    "force_local": (bool,),
    "force_cloud": (bool,),
    "fallback_allowed": (bool,),
    "cost_limit": (int, float),
    "quality_floor": (int, float),
    "task_type": (str,),
}


_NOT_OFFERED = "/api/team/coordinate-epic"
_SHAPES: Mapping[str, str] = {
    "/api/upload": "Uploaded",
    "/v1/chat/completions": "ChatCompletion",
    "/v1/models": "ModelsOfApi",
    "/api/ai/generate": "Generated",
}


_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1, "maxItems": MOST_FILES}
_BODIES: Mapping[str, Mapping[str, Any]] = {
    "/api/upload": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["files"], "properties": {"files": _FILES}},
        }
    },
    "/v1/chat/completions": {"application/json": {"schema": {"$ref": REFERENCE + "ChatRequest"}}},
    "/api/ai/generate": {"application/json": {"schema": {"$ref": REFERENCE + "GenerateRequest"}}},
}


class Interfaces:
    """The endpoints, over one desk."""

    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._feed = feed

    def add(self, app: FastAPI) -> None:
        routes = (
            (
                "POST",
                "/api/upload",
                self.upload,
                "keep files, take in what can be read, or name them as inputs of runs",
            ),
            ("POST", "/v1/chat/completions", self.chat, "the chat API that clients of OpenAI speak"),
            ("GET", "/v1/models", self.models, "the models of that API"),
            ("POST", "/api/ai/generate", self.generate, "answer a prompt by way of the gateway"),
            ("POST", _NOT_OFFERED, self.coordinate, "not offered"),
            ("GET", "/metrics", self.metrics, "counters in the Prometheus text format"),
        )
        for method, path, endpoint, summary in routes:
            shape = _SHAPES.get(path)
            described = responses(200, {"$ref": REFERENCE + shape} if shape else None)
            if path.startswith("/v1/"):
                for code, said in described.items():
                    if int(code) >= 400:
                        # Clients of that API read failures in its own shape; those of the gate are problem documents.
                        said["content"] = {**said["content"], "application/json": {"schema": {"type": "object"}}}
            if path == "/v1/chat/completions":
                described[200]["content"]["text/event-stream"] = {"schema": {"type": "string"}}
            if path == _NOT_OFFERED:
                del described[200]
            if path == "/metrics":
                described[200] = {"description": summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
            if path == "/api/upload":
                kept = described[200]["content"]
                described[207] = {"description": "some files were kept, and why the others were not", "content": kept}
                described[500] = {
                    "description": "no file could be kept",
                    "content": {**described[500]["content"], **kept},
                }
            app.add_api_route(
                path,
                endpoint,
                methods=[method],
                summary=summary,
                tags=["interfaces"],
                response_class=Response,
                responses=described,
                # What is not offered has no answer of its own.
                status_code=501 if path == _NOT_OFFERED else 200,
                openapi_extra=_taken(path),
            )

    def _grant(self, request: Request, verb: str) -> Caller:
        caller = caller_of(request)
        self._desk.grant(caller, verb, {}, request.state.request_id)
        return caller

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────

    async def upload(self, request: Request) -> Response:
        """Keeps files and, unless ``ingest=false``, makes a job of each that something reads."""
        wanted = request.query_params.get("ingest", "true")
        if wanted not in ("true", "false"):
            raise InvalidInputError(f"ingest is {wanted[:40]!r}.", remedy="Give true or false.", field="ingest")
        caller = self._grant(request, "ingest" if wanted == "true" else "run")
        lead = self._desk.lead
        folder = folder_of(lead.settings.home, caller.tenant)
        batch = await receive_batch(request.headers.get("content-type", ""), request.stream(), folder, lead.clock)
        kept = batch.kept if wanted == "true" else [one._replace(kind="") for one in batch.kept]
        with use_tenant(caller.tenant):
            submitted = await lead.intake.take_uploads(kept, cause=f"key:{caller.actor}")
        return json_answer({**batch.answer, "jobs": [one.job.id for one in submitted]}, batch.status)

    # ── models ───────────────────────────────────────────────────────────────────────────────────────────────

    async def models(self, request: Request) -> Response:
        from fairlead.gateway.providers.openai_face import model_list

        self._grant(request, "model.list")
        return tagged_answer(request, model_list(self._desk.gateway))

    async def chat(self, request: Request) -> Response:
        from fairlead.gateway.providers.openai_face import chat_completion, error_answer

        caller = self._grant(request, "model.ask")
        try:
            body = _checked_chat(await read_json(request))
            with use_tenant(caller.tenant):
                if not body.get("stream"):
                    return json_answer(await chat_completion(self._desk.gateway, body))
                chunks = self._chat_chunks(caller, body)
                # A failure before the first chunk is still an answer with a status.
                first = await anext(chunks)
        except FairleadError as exc:
            status, answer = error_answer(exc)
            return json_answer(answer, status)

        async def rest() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        return StreamingResponse(rest(), media_type="text/event-stream")

    async def _chat_chunks(self, caller: Caller, body: Mapping[str, Any]) -> AsyncIterator[bytes]:
        from fairlead.gateway.providers.openai_face import chat_stream

        adopt_tenant(caller.tenant)
        async for event in chat_stream(self._desk.gateway, body):
            yield b"data: " + to_bytes(event) + b"\n\n"
        yield b"data: [DONE]\n\n"

    async def generate(self, request: Request) -> Response:
        from fairlead.gateway.messages import GenerationRequest

        caller = self._grant(request, "model.ask")
        body = await read_json(request)
        for name, value in body.items():
            kinds = _GENERATION.get(name)
            if kinds is None or not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                known = ", ".join(_GENERATION)
                raise InvalidInputError(
                    f"{name[:100]!r} cannot be used.", remedy=f"Known are {known}.", field=name[:100]
                )
            check_text(name, value)
        with use_tenant(caller.tenant):
            response = await self._desk.gateway.generate(GenerationRequest(**body))
        return json_answer(response.to_dict())

    # ── teams and counters ───────────────────────────────────────────────────────────────────────────────────

    async def coordinate(self, request: Request) -> Response:
        self._grant(request, "epic.create")
        raise NotOfferedError(
            "epics are not coordinated by this server: there is no team behind this route.",
            remedy="Make the epic and its tickets with /api/epic/create and /api/tickets.",
        )

    async def metrics(self, request: Request) -> Response:
        self._grant(request, "runs.list")
        lead = self._desk.lead
        rows = (
            ("fairlead_calls_total", "counter", "calls of verbs", self._desk.calls),
            ("fairlead_runs_in_progress", "gauge", "runs carried out here", len(lead.runtime.executions)),
            ("fairlead_event_listeners", "gauge", "open event streams", self._feed.listeners),
            ("fairlead_events_published_total", "counter", "events published here", lead.bus.published),
            ("fairlead_store_units_total", "counter", "write units", lead.database.units),
            ("fairlead_store_commits_total", "counter", "commits", lead.database.commits),
        )
        text = "".join(f"# HELP {n} {h}\n# TYPE {n} {k}\n{n} {v}\n" for n, k, h, v in rows)
        return Response(text, media_type="text/plain; version=0.0.4")


def _taken(path: str) -> dict[str, Any] | None:
    """What a route takes, for the OpenAPI document."""
    extra: dict[str, Any] = {}
    if path in _BODIES:
        extra["requestBody"] = {"required": True, "content": _BODIES[path]}
    if path == "/api/upload":
        said = "whether jobs take in what was kept"
        schema = {"enum": ["true", "false"], "default": "true"}
        extra["parameters"] = [
            {"name": "ingest", "in": "query", "required": False, "description": said, "schema": schema}
        ]
    return extra or None


def _checked_chat(body: dict[str, Any]) -> dict[str, Any]:
    check_text("messages", body.get("messages"))
    turns = body.get("messages")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise InvalidInputError("messages is no list of objects.", remedy="Give messages.", field="messages")
    kinds: Mapping[str, tuple[type, ...]] = {
        "model": (str,),
        "stream": (bool,),
        "max_tokens": (int,),
        "max_completion_tokens": (int,),
        "temperature": (int, float),
        "top_p": (int, float),
        "tools": (list,),
        "stream_options": (dict,),
    }
    for name, kind in kinds.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise InvalidInputError(f"{name} has the wrong type.", remedy="See the API's reference.", field=name)
    return body
