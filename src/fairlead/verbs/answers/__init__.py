"""What each verb answers, declared as types: checked by tests, and published in OpenAPI and in the tools of MCP.

The types stand apart from the verbs, because a command line is started for every call and has no use for them. Each
module has ``ANSWERS``: the name of a verb -> the type of its answer. Pydantic makes the schemas. A type lists what is
always there and, as ``NotRequired``, what may be; what a schema does not know may be added to an answer later, so
readers must not refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

_MODULES = ("runs", "tickets", "memory", "spending", "keys", "jobs")


def every_answer() -> dict[str, Any]:
    """The name of each verb with a declared answer -> the type."""
    found: dict[str, Any] = {}
    for name in _MODULES:
        found |= import_module(f"fairlead.verbs.answers.{name}").ANSWERS
    return found


def schemas_of(types: Mapping[str, Any], template: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """(the JSON Schema of each type, the schemas that these refer to by ``template``)."""
    from pydantic import TypeAdapter

    adapters: list[Any] = [(name, "serialization", TypeAdapter(kind)) for name, kind in types.items()]
    made, rest = TypeAdapter.json_schemas(adapters, ref_template=template)
    found = {str(name): _untitled(schema) for (name, _), schema in made.items()}
    return found, {name: _untitled(schema) for name, schema in rest.get("$defs", {}).items()}


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes from names: they say nothing that the names do not."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _untitled(value) for key, value in part.items()} if name == "properties" else _untitled(part)
        for name, part in schema.items()
        if name != "title" or not isinstance(part, str)
    }
