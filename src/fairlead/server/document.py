"""The OpenAPI document: what FastAPI knows of the routes, completed with the shapes of answers and problems.

Routes name the shapes, and the shapes are made when the document is asked for: making them takes longer than
everything else that a server does before it answers first.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from fairlead.server import shapes
from fairlead.server.conditions import tags_in
from fairlead.server.problems import PROBLEM_SCHEMA
from fairlead.verbs.answers import every_answer, schemas_of

REFERENCE = "#/components/schemas/"
_DEFS = "#/$defs/"


def answer_name(verb: str) -> str:
    """The name of a verb's answer among the schemas of the document."""
    return f"answer.{verb}"


def complete_document(app: FastAPI) -> None:
    """Lets the application's document have the schemas that its routes name, and say how callers are known."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        made = app.openapi_schema is not None
        document = make()
        if not made:
            components = document.setdefault("components", {})
            components["schemas"] = dict(sorted((components.get("schemas", {}) | _schemas()).items()))
            components["responses"] = _fold_problems(document["paths"])
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"key": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_route("/openapi.json", _Document(app).give, include_in_schema=False)


class _Document:
    """The document as bytes, made once, on a thread: it takes as long as some hundred requests, and anybody may ask."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._body: bytes | None = None
        self._making = asyncio.Lock()

    async def give(self, request: Request) -> Response:
        async with self._making:
            if self._body is None:
                self._body = await asyncio.to_thread(lambda: orjson.dumps(self._app.openapi()))
        tag = f'"{hashlib.blake2b(self._body, digest_size=12).hexdigest()}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if tag in tags_in(request.headers.get("if-none-match", "")):
            return Response(None, 304, headers)
        return Response(self._body, 200, headers, "application/json")


def _fold_problems(paths: dict[str, Any]) -> dict[str, Any]:
    """Puts a reference wherever the commonest answer of a failing status stands, and returns those answers."""
    answers = [operation["responses"] for item in paths.values() for operation in item.values()]
    common = {}
    for code in sorted({code for said in answers for code in said if code >= "400"}):
        texts = Counter(orjson.dumps(said[code]) for said in answers if code in said)
        common[code] = orjson.loads(texts.most_common(1)[0][0])
    for said in answers:
        for code, answer in common.items():
            if said.get(code) == answer:
                said[code] = {"$ref": f"#/components/responses/{code}"}
    return common


@cache
def tool_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of what each verb and each tool of MCP answers there: an object, complete in itself."""
    named, used = schemas_of({**every_answer(), **shapes.TOOLS}, _DEFS + "{model}")
    found = {}
    for name, schema in named.items():
        if _is_list(schema):
            schema = {"type": "object", "required": ["items"], "properties": {"items": schema}}
        needed = _reached(schema, used)
        found[name] = _short({"type": "object", **schema, **({"$defs": needed} if needed else {})})
    return found


def _short(schema: Any) -> Any:
    """The same schema in fewer words: a listing of tools is read by models, who pay for each."""
    if isinstance(schema, list):
        return [_short(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kinds = [part.get("type") for part in schema.get("anyOf", ()) if part.keys() == {"type"}]
    if kinds and len(kinds) == len(schema["anyOf"]):
        return {"type": kinds}
    return {
        name: {key: _short(value) for key, value in part.items()} if name in ("properties", "$defs") else _short(part)
        for name, part in schema.items()
        if name != "description"
    }


def _is_list(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "array"


def _reached(schema: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Those of ``known`` that a schema refers to, directly or through others."""
    found: dict[str, Any] = {}
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix(_DEFS)
            if name in known and name not in found:
                found[name] = known[name]
                waiting.append(known[name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return dict(sorted(found.items()))


def _schemas() -> dict[str, Any]:
    named, used = schemas_of({**every_answer(), **shapes.SHAPES}, REFERENCE + "{model}")
    verbs = {answer_name(name): schema for name, schema in named.items() if name not in shapes.SHAPES}
    return used | verbs | {"Problem": PROBLEM_SCHEMA}
