"""The tools that a model gets for tickets: eight of them, made from the table of verbs, small enough to be read whole.

A tool offers some verbs and some of their parameters, so its schema is short; ``ticket_verb`` reaches every other verb
of the room by name, with its parameters told on request. ``verbs`` are those that are offered: a server leaves out what
is for people at the clone's own machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.verbs import load
from fairlead.verbs.table import Verb, param_schema

MOST_TOOLS = 8
MOST_BYTES = 7_000
ROOM = ("ticket", "epic", "backlog", "requirement", "time", "batch", "index", "cache")


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
        "batch.run (items: a list). Without a verb: all of them. With one and help=true: its arguments.",
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


def verb_named(name: str, verbs: Mapping[str, Verb]) -> Verb:
    """A verb of the ticket room among those that are offered; any of its spellings will do."""
    noun, _, word = name.partition(".")
    meant = next((v.name for v in load(noun) if word == v.verb or word in v.aliases), "") if noun in ROOM else ""
    if meant not in verbs:
        raise InvalidInputError(
            f"there is no verb {name!r} here.", remedy="Call ticket_verb without a verb for all of them.", field="verb"
        )
    return verbs[meant]


def schema_of(entry: Tool, verbs: Mapping[str, Verb]) -> dict[str, Any]:
    """The input schema of a tool, as MCP lists it."""
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
    meant = [verbs[name] for name in entry.verbs.values()]
    for name in entry.offers:
        param = next((p for verb in meant for p in verb.params if p.name == name), None)
        if param is None:
            # A server does not offer what names a path or a program of its machine.
            continue
        properties[name] = param_schema(param)
        if len(meant) == 1 and param.required:
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


class Chosen(NamedTuple):
    """What a call of a tool means: a verb and its arguments, still to be held against the verb's parameters."""

    verb: str
    arguments: dict[str, Any]


def choose(name: str, arguments: Mapping[str, Any], verbs: Mapping[str, Verb]) -> Chosen | dict[str, Any]:
    """The verb that a call of a tool means, or at once the answer when it asks what there is."""
    entry, given = tool(name), {n: v for n, v in arguments.items() if v is not None}
    if not entry.verbs:
        if not given.get("verb"):
            return {"verbs": {v.name: v.summary for v in verbs.values() if v.noun in ROOM}}
        verb = verb_named(str(given["verb"]), verbs)
        if given.get("help"):
            return {"verb": verb.name, "summary": verb.summary, "arguments": verb.schema()}
        given = dict(given.get("arguments") or {})
    else:
        word = given.pop(entry.chooser, None) if entry.chooser else ""
        if word not in entry.verbs:
            raise InvalidInputError(
                f"{entry.chooser} is {word!r}.",
                remedy=f"Use one of {', '.join(entry.verbs)}.",
                field=entry.chooser,
                value=word,
            )
        verb = verbs[entry.verbs[word]]
        given = _renamed(verb, given)
    for needed in _NEEDED.get(verb.name, ()):
        if given.get(needed) in (None, "", []):
            raise InvalidInputError(f"{verb.name} needs {needed!r}.", remedy="Give it.", field=needed)
    return Chosen(verb.name, _listed(verb, given))


_NEEDED = {"ticket.comment": ("text",), "time.journal": ("text",)}
"""What a verb would read from standard input, which a tool does not have."""


def _renamed(verb: Verb, arguments: dict[str, Any]) -> dict[str, Any]:
    """One name where the verbs of a tool have several: ``id``, ``ids`` and ``ticket`` stand for each other."""
    known = {p.name for p in verb.params}
    found = {}
    for name, value in arguments.items():
        if name not in known and name in _TICKET_NAMES:
            one = value[0] if isinstance(value, list) and value else value
            name, value = next((n for n in _TICKET_NAMES if n in known), name), one
        found[name] = value
    return found


_TICKET_NAMES = ("id", "ids", "ticket")


def _listed(verb: Verb, arguments: dict[str, Any]) -> dict[str, Any]:
    """One value is taken for a list of one, where a verb takes several: models write it so."""
    several = {p.name for p in verb.params if p.many}
    return {
        name: [value] if name in several and value is not None and not isinstance(value, list) else value
        for name, value in arguments.items()
    }
