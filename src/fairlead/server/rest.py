"""REST from the table of verbs: one route per verb, with its schema, and the resources that clients expect."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from fairlead.errors import ConflictError, InvalidInputError
from fairlead.server.access import Caller
from fairlead.server.answers import caller_of, read_json, tagged_answer, to_bytes
from fairlead.server.arguments import from_query
from fairlead.server.carrying import LINES, sends_lines, wants_lines
from fairlead.server.conditions import can_be_conditional
from fairlead.server.desk import Desk
from fairlead.server.document import REFERENCE, answer_name
from fairlead.server.problems import MEDIA_TYPE, BadRequestError
from fairlead.store.keys import begin_answer, keep_answer
from fairlead.verbs.table import Verb, param_schema

Endpoint = Callable[[Request], Awaitable[Response]]

_KEEP_ANSWERS = 24 * 3600.0
_CREATED = frozenset(
    {
        "run",
        "runs.fork",
        "agent.register",
        "ingest",
        "key.create",
        "memory.add",
        "ticket.create",
        "epic.create",
        "backlog.add",
    }
)
"""Verbs whose answer is a new thing: 201, and safe to repeat with an Idempotency-Key."""
_KEYED = frozenset({"run", "runs.fork"})
"""Verbs whose idempotency key is stored with the run that they make."""
_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE + "Problem"}}}}
_MEANINGS = {
    400: "the request cannot be read",
    401: "no valid key",
    402: "a budget does not allow it",
    403: "role, scope or policy do not allow it",
    404: "there is no such thing for this tenant",
    409: "the state does not allow it, or somebody else was first",
    408: "it came too slowly",
    412: "it is not as it was when the entity tag was given",
    413: "too many bytes",
    415: "the body is compressed",
    422: "a value cannot be used",
    428: "this key changes things only with If-Match",
    429: "too many requests",
    431: "the headers are too large",
    500: "the server failed",
    501: "a part is not installed",
    503: "try again later",
    507: "no room left",
}


def add_routes(app: FastAPI, desk: Desk) -> None:
    """Adds a route for every verb that is offered, and the resource routes over the same verbs."""
    for verb in desk.verbs.values():
        path = "/api/" + (f"{verb.noun}/{verb.verb}" if verb.noun else verb.verb)
        if verb.changes:
            _add(app, desk, "POST", path, verb, _changing(desk, verb))
        else:
            _add(app, desk, "GET", path, verb, _reading(desk, verb))
    _add_resources(app, desk)


def _add_resources(app: FastAPI, desk: Desk) -> None:
    verbs = desk.verbs
    resources: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
        ("POST", "/api/runs", "run", ()),
        ("GET", "/api/runs", "runs.list", ()),
        ("GET", "/api/runs/{run}", "runs.show", ("run",)),
        ("GET", "/api/runs/{run}/trace", "trace", ("run",)),
        ("GET", "/api/runs/{run}/checkpoints", "runs.checkpoints", ("run",)),
        *(
            ("POST", f"/api/runs/{{run}}/{word}", f"runs.{word}", ("run",))
            for word in ("pause", "resume", "terminate", "steer", "model", "permissions", "command", "decide", "fork")
        ),
        ("GET", "/api/agents", "agent.list", ()),
        ("POST", "/api/agents", "agent.register", ()),
        ("GET", "/api/agents/{agent}", "agent.show", ("agent",)),
        ("GET", "/api/workflows", "workflow.list", ()),
        ("GET", "/api/workflows/{workflow}", "workflow.show", ("workflow",)),
        ("POST", "/api/memory", "memory.add", ()),
        ("GET", "/api/memory", "memory.list", ()),
        ("GET", "/api/jobs", "jobs.list", ()),
        ("GET", "/api/jobs/{job}", "jobs.show", ("job",)),
        ("POST", "/api/jobs/{job}/retry", "jobs.retry", ("job",)),
        ("POST", "/api/jobs/{job}/cancel", "jobs.cancel", ("job",)),
        ("GET", "/api/tickets", "ticket.list", ()),
        ("POST", "/api/tickets", "ticket.create", ()),
        ("GET", "/api/models", "model.list", ()),
        ("GET", "/api/costs", "cost.summary", ()),
        ("GET", "/api/budgets", "budget.list", ()),
        ("GET", "/api/keys", "key.list", ()),
        ("GET", "/api/audit", "key.audit", ()),
    )
    for method, path, name, held in resources:
        verb = verbs[name]
        make = _reading if method == "GET" else _changing
        _add(app, desk, method, path, verb, make(desk, verb, held), held)


def _add(
    app: FastAPI, desk: Desk, method: str, path: str, verb: Verb, endpoint: Endpoint, held: tuple[str, ...] = ()
) -> None:
    status = 201 if verb.name in _CREATED else 200
    app.add_api_route(
        path,
        endpoint,
        methods=[method],
        name=f"{method.lower()}:{path}",
        operation_id=f"{method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
        summary=verb.summary,
        description=f"The verb `{verb.name}`; needs the role {verb.role}.",
        tags=[verb.noun or "fairlead"],
        status_code=status,
        response_class=Response,
        responses=_answers(desk, verb, status, conditional=method == "GET"),
        openapi_extra=_described(method, verb, held, lines=verb.name in desk.lines_in),
    )


def _answers(desk: Desk, verb: Verb, status: int, *, conditional: bool) -> dict[int | str, dict[str, Any]]:
    found = responses(status, {"$ref": REFERENCE + answer_name(verb.name)}, conditional=conditional)
    if verb.name in desk.lines_out:
        found[status]["content"][LINES] = {"schema": {"type": "string"}}
    return found


def responses(
    status: int, schema: Mapping[str, Any] | None = None, *, conditional: bool = False
) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer, for the OpenAPI document."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": "what it answers", "content": {"application/json": {"schema": schema or {}}}}
    }
    if conditional:
        found[304] = {"description": "unchanged since the entity tag that was given"}
    for code, meaning in _MEANINGS.items():
        found[code] = {"description": meaning, **_PROBLEM}
    return found


def _described(method: str, verb: Verb, held: tuple[str, ...], *, lines: bool) -> dict[str, Any]:
    params: list[dict[str, Any]] = [
        {"name": n, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for n in held
    ]
    loose = [p for p in verb.params if p.name not in held]
    if method == "GET":
        params += [
            {"name": p.name, "in": "query", "required": p.required, "description": p.help, "schema": param_schema(p)}
            for p in loose
        ]
        params.append(_header("If-None-Match", "entity tag of an answer that is known; 304 when it is still the same"))
        return {"parameters": params}
    schema = verb.schema()
    schema["properties"] = {n: s for n, s in schema["properties"].items() if n not in held}
    schema["required"] = [n for n in schema.get("required", ()) if n not in held]
    params.append(_header("Idempotency-Key", "the request is done once; sent again, it gets the first answer"))
    if can_be_conditional(verb):
        params.append(_header("If-Match", "entity tag of what is changed; 412 when it is another by now"))
    content = {"application/json": {"schema": schema}}
    if lines:
        content[LINES] = {"schema": {"type": "string"}}
    body = {"required": bool(schema["required"]), "content": content}
    return {"parameters": params, "requestBody": body}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def _reading(desk: Desk, verb: Verb, held: tuple[str, ...] = ()) -> Endpoint:
    streamed = None if held else desk.lines_out.get(verb.name)

    async def endpoint(request: Request) -> Response:
        if streamed is not None and wants_lines(request):
            return await streamed(request)
        given = from_query(verb, request.query_params.multi_items())
        given = _with_held(verb, given, request, held)
        value = await desk.call(caller_of(request), verb.name, given, request.state.request_id)
        return tagged_answer(request, value, verb.name)

    return endpoint


def _changing(desk: Desk, verb: Verb, held: tuple[str, ...] = ()) -> Endpoint:
    status = 201 if verb.name in _CREATED else 200
    streamed = None if held else desk.lines_in.get(verb.name)

    async def endpoint(request: Request) -> Response:
        if streamed is not None and sends_lines(request):
            return await streamed(request)
        caller = caller_of(request)
        given = _with_held(verb, await read_json(request), request, held)
        key = request.headers.get("idempotency-key")

        async def work() -> bytes:
            return to_bytes(await _on_condition(desk, caller, verb, given, request))

        if key is None or ("key" in given and verb.name in _KEYED):
            return Response(await work(), status, media_type="application/json")
        if verb.name in _KEYED:
            # The runtime keeps its own keys, in one transaction with the run.
            given["key"] = f"{caller.id}/{_checked_key(key)}"
            return Response(await work(), status, media_type="application/json")
        body, again = await once(desk, caller, _checked_key(key), verb.name, given, work)
        headers = {"idempotency-replayed": "true"} if again else {}
        return Response(body, status, headers, "application/json")

    return endpoint


async def _on_condition(desk: Desk, caller: Caller, verb: Verb, given: Mapping[str, Any], request: Request) -> Any:
    """What the verb answers, called only when what it changes is as ``If-Match`` says."""
    request_id, header = request.state.request_id, request.headers.get("if-match")
    if header is None:
        return await desk.call(caller, verb.name, given, request_id)

    async def read(reading: str, arguments: Mapping[str, Any]) -> Any:
        return await desk.call(caller, reading, arguments, request_id)

    async with desk.conditions.met(caller, verb, given, header, read) as met:
        return await desk.call(caller, verb.name, met, request_id, compared=True)


def _with_held(verb: Verb, given: dict[str, Any], request: Request, held: tuple[str, ...]) -> dict[str, Any]:
    several = {param.name for param in verb.params if param.many}
    for name in held:
        if name in given:
            raise BadRequestError(f"{name} is in the path and again beside it.", remedy="Give it once.", field=name)
        given[name] = [request.path_params[name]] if name in several else request.path_params[name]
    return given


def _checked_key(key: str) -> str:
    if not 1 <= len(key) <= 200 or not key.isprintable():
        raise InvalidInputError(
            "the Idempotency-Key is not usable.", remedy="Send 1 to 200 printable characters.", field="Idempotency-Key"
        )
    return key


async def once(
    desk: Desk,
    caller: Caller,
    key: str,
    action: str,
    given: Mapping[str, Any],
    work: Callable[[], Awaitable[bytes]],
) -> tuple[bytes, bool]:
    """The answer of ``work``, done at most once per key of a tenant's caller; True when it is an earlier one.

    Raises :class:`InvalidInputError` for a key that was used for another request, and :class:`ConflictError` while the
    first is being carried out or when its process died: then nobody knows whether it was done, and it is not repeated.
    """
    database, now = desk.lead.database, desk.lead.clock.now()
    text = to_bytes([action, given])
    fingerprint = hashlib.sha256(orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)).hexdigest()
    tenant, own = str(caller.tenant), f"{caller.id}/{key}"
    kept = await database.write(lambda tx: begin_answer(tx, tenant, own, fingerprint, now, _KEEP_ANSWERS))
    if kept is not None:
        if kept.fingerprint != fingerprint:
            raise InvalidInputError(
                "this Idempotency-Key was used for another request.", remedy="Use a new one.", field="Idempotency-Key"
            )
        if kept.answer is None:
            raise ConflictError(
                "the first request with this Idempotency-Key has not answered.",
                remedy="Ask again; if it stays so, see whether it was done before using a new key.",
            )
        return kept.answer, True
    answer: bytes | None = None
    try:
        answer = await work()
        return answer, False
    finally:
        await database.write(lambda tx: keep_answer(tx, tenant, own, answer))


__all__ = ["add_routes", "once", "responses"]
