"""The tools that a model gets for tickets: eight of them, made from the table of verbs, small enough to be read whole.

A tool offers some verbs and some of their parameters, so its schema is short; ``ticket_verb`` reaches every other verb
of the room by name, with its parameters told on request. What a tool answers is the JSON of the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.errors import FairleadError, InvalidInputError
from fairlead.verbs import load
from fairlead.verbs.table import Param, Verb, param_schema

if TYPE_CHECKING:
    from fairlead.verbs.context import Context

MOST_TOOLS = 8
MOST_BYTES = 7_000
ROOM = ("ticket", "epic", "backlog", "requirement", "time", "batch", "index", "cache")
_LOCAL = ("ticket.init", "ticket.merge-driver", "ticket.hooks", "ticket.migrate")
"""Verbs for people at the clone's own machine; a model does not get them."""


class Tool(NamedTuple):
    """One tool: ``verbs`` by the word that chooses among them (empty for the only one), and the parameters offered."""

    name: str
    description: str
    verbs: Mapping[str, str]
    offers: tuple[str, ...]
    chooser: str = ""


TOOLS: tuple[Tool, ...] = (
    Tool(
        "ticket_find",
        "Find tickets: ready (can be done now), list, blocked, or search in all texts. Lean rows.",
        {"ready": "ticket.ready", "list": "ticket.list", "blocked": "ticket.blocked", "search": "ticket.search"},
        ("words", "status", "priority", "type", "label", "assignee", "epic", "limit", "offset"),
        "what",
    ),
    Tool("ticket_show", "Read tickets in full, with comments and links.", {"": "ticket.show"}, ("ids",)),
    Tool(
        "ticket_create",
        "Write a ticket. Say with blocked_by what it waits for, with discovered_from where it was found.",
        {"": "ticket.create"},
        (
            "title",
            "body",
            "priority",
            "type",
            "label",
            "assignee",
            "epic",
            "parent",
            "blocked_by",
            "blocks",
            "discovered_from",
        ),
    ),
    Tool(
        "ticket_update",
        "Change tickets. if_match refuses when somebody else changed it first.",
        {"": "ticket.update"},
        (
            "ids",
            "title",
            "status",
            "priority",
            "assignee",
            "body",
            "append",
            "label",
            "unlabel",
            "blocked_by",
            "comment",
            "if_match",
        ),
    ),
    Tool(
        "ticket_close",
        "Close tickets with the reason and, where it is demanded, evidence.",
        {"": "ticket.close"},
        ("ids", "comment", "commit", "file", "command", "cancel", "force"),
    ),
    Tool(
        "ticket_claim",
        "Hold a ticket while you work on it: claim (ids, or next), heartbeat (id), release (ids).",
        {"claim": "ticket.claim", "heartbeat": "ticket.heartbeat", "release": "ticket.release"},
        ("ids", "id", "next", "agent", "start"),
        "what",
    ),
    Tool(
        "ticket_note",
        "Add to a ticket: comment, journal (progress), or requirement.",
        {"comment": "ticket.comment", "journal": "time.journal", "requirement": "requirement.add"},
        ("id", "ticket", "text", "title", "type", "completion"),
        "what",
    ),
    Tool(
        "ticket_verb",
        "Any other verb on tickets, epics, backlog, requirements and time, such as epic.create, ticket.link or "
        "batch.run (operations: a list). Without a verb: all of them. With one and help=true: its arguments.",
        {},
        (),
    ),
)


def tool(name: str) -> Tool:
    found = next((t for t in TOOLS if t.name == name), None)
    if found is None:
        raise InvalidInputError(
            f"there is no tool {name!r}.",
            remedy=f"Tools: {', '.join(t.name for t in TOOLS)}.",
            field="name",
            value=name,
        )
    return found


def verb_named(name: str) -> Verb:
    """A verb of the ticket room that a model may call."""
    noun, _, word = name.partition(".")
    found = next((v for v in load(noun) if word == v.verb or word in v.aliases), None) if noun in ROOM else None
    if found is None or found.name in _LOCAL:
        raise InvalidInputError(
            f"there is no verb {name!r} here.", remedy="Call ticket_verb without a verb for all of them.", field="verb"
        )
    return found


def declarations() -> list[dict[str, Any]]:
    """Name, description and input schema of each tool, as MCP lists them."""
    return [{"name": t.name, "description": t.description, "inputSchema": _schema(t)} for t in TOOLS]


def _schema(entry: Tool) -> dict[str, Any]:
    if not entry.verbs:
        properties: dict[str, Any] = {
            "verb": {"type": "string"},
            "arguments": {"type": "object"},
            "help": {"type": "boolean"},
        }
        return {"type": "object", "properties": properties}
    properties = {}
    required = []
    if entry.chooser:
        properties[entry.chooser] = {"type": "string", "enum": list(entry.verbs)}
        required.append(entry.chooser)
    verbs = [verb_named(name) for name in entry.verbs.values()]
    for name in entry.offers:
        param = _param(verbs, name)
        properties[name] = param_schema(param)
        if len(verbs) == 1 and param.required:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _param(verbs: list[Verb], name: str) -> Param:
    for verb in verbs:
        for param in verb.params:
            if param.name == name:
                return param
    raise LookupError(f"no verb of {[v.name for v in verbs]} has a parameter {name!r}")


def call_tool(context: Context, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Calls a tool and returns the versioned document that the command line prints with ``--json``.

    A refusal is a document of kind ``error`` with code, message and remedy: a model reads it and goes on.
    """
    kind = name
    try:
        chosen, given = _choice(tool(name), dict(arguments))
        if isinstance(chosen, dict):
            return {"schema_version": 1, "kind": name, "data": chosen}
        kind = chosen.name
        return {"schema_version": 1, "kind": kind, "data": _invoked(context, chosen, given)}
    except FairleadError as exc:
        error = {"code": type(exc).__name__, "message": exc.message, "remedy": exc.remedy, "fields": exc.fields}
        return {"schema_version": 1, "kind": "error", "error": error}


def _invoked(context: Context, verb: Verb, given: dict[str, Any]) -> Any:
    operations = given.pop("operations", None) if verb.noun == "batch" else None
    if operations is None:
        value = verb.invoke(context, checked(verb, given))
        return {"items": list(value)} if hasattr(value, "__next__") else value
    import json
    import tempfile

    # The verb reads its plan from a file; a model gives it in the call.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(operations, file)
        file.flush()
        return verb.invoke(context, checked(verb, {**given, "file": file.name}))


def _choice(entry: Tool, arguments: dict[str, Any]) -> tuple[Verb | dict[str, Any], dict[str, Any]]:
    if not entry.verbs:
        if not arguments.get("verb"):
            verbs = [v for noun in ROOM for v in load(noun) if v.name not in _LOCAL]
            return {"verbs": {v.name: v.summary for v in verbs}}, {}
        verb = verb_named(str(arguments["verb"]))
        if arguments.get("help"):
            return {"verb": verb.name, "summary": verb.summary, "arguments": verb.schema()}, {}
        return verb, dict(arguments.get("arguments") or {})
    if not entry.chooser:
        return verb_named(next(iter(entry.verbs.values()))), arguments
    word = arguments.pop(entry.chooser, None)
    if word not in entry.verbs:
        raise InvalidInputError(
            f"{entry.chooser} is {word!r}.",
            remedy=f"Use one of {', '.join(entry.verbs)}.",
            field=entry.chooser,
            value=word,
        )
    return verb_named(entry.verbs[word]), _meant(verb_named(entry.verbs[word]), arguments)


def _meant(verb: Verb, arguments: dict[str, Any]) -> dict[str, Any]:
    """One name where the verbs of a tool have several: ``id``, ``ids`` and ``ticket`` stand for each other."""
    known = {p.name for p in verb.params}
    found = {}
    for name, value in arguments.items():
        if name not in known and name in ("id", "ids", "ticket"):
            one = value[0] if isinstance(value, list) and value else value
            name = next((n for n in ("id", "ids", "ticket") if n in known), name)
            value = [one] if name == "ids" else one
        found[name] = value
    return found


_KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "path": (str,), "int": (int,), "float": (int, float), "bool": (bool,)
}  # fmt: skip


def checked(verb: Verb, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments from outside the command line's parser, held against the verb's parameters."""
    params = {p.name: p for p in verb.params}
    found = {}
    for name, value in arguments.items():
        if name not in params:
            import difflib

            near = difflib.get_close_matches(name, params, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(params) or 'none'}."
            raise InvalidInputError(f"{verb.name} takes no {name!r}.", remedy=remedy, field=name, value=value)
        if value is not None:
            found[name] = _fitting(verb, params[name], value)
    needed = {p.name for p in verb.params if p.required} | _NEEDED.get(verb.name, set())
    missing = sorted(needed - found.keys())
    if missing:
        raise InvalidInputError(f"{verb.name} needs {missing[0]!r}.", remedy="Give it.", field=missing[0])
    return found


_NEEDED = {"ticket.comment": {"text"}}
"""What a verb would read from standard input, which a tool does not have."""


def _fitting(verb: Verb, param: Param, value: Any) -> Any:
    if param.many:
        values = value if isinstance(value, list) else [value]
        return [_fitting_one(verb, param, item) for item in values]
    return _fitting_one(verb, param, value)


def _fitting_one(verb: Verb, param: Param, value: Any) -> Any:
    if value == "-":
        raise InvalidInputError(
            f"{verb.name}: {param.name} is '-', but there is no standard input here.",
            remedy="Give the text itself.",
            field=param.name,
        )
    kinds = _KINDS.get(param.kind)
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and param.kind != "bool")):
        raise InvalidInputError(
            f"{verb.name}: {param.name} is {value!r}, but must be of type {param.kind}.",
            remedy=param.help,
            field=param.name,
            value=value,
        )
    if param.choices and value not in param.choices:
        raise InvalidInputError(
            f"{verb.name}: {param.name} is {value!r}.",
            remedy=f"Choose one of {', '.join(param.choices)}.",
            field=param.name,
            value=value,
        )
    return value
