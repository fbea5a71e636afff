"""MCP tools from the table of verbs: few, with small schemas, each carried out like any other call.

Three tools have the names and shapes that existing clients of agent swarms use: ``agents_spawn_parallel``,
``query_control`` and ``query_list``; a query is a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations

from fairlead.agents.spawning import SPAWN_SCHEMA
from fairlead.clock import isoformat
from fairlead.errors import FairleadError, ForbiddenError, InvalidInputError, NotFoundError
from fairlead.server.access import Caller, require_allowed
from fairlead.server.answers import to_bytes
from fairlead.server.desk import Desk
from fairlead.server.document import tool_schemas
from fairlead.server.problems import problem
from fairlead.verbs import ticket_tools
from fairlead.verbs.table import param_schema

_VERBS: Mapping[str, tuple[str, ...]] = {
    "run": ("target", "inputs", "model", "permissions", "key"),
    "ask": ("question", "name"),
    "ingest": ("urls", "uploads", "text", "title", "tags", "name"),
    "jobs.list": ("status", "batch", "limit", "before"),
    "jobs.show": ("job",),
    "jobs.retry": ("job", "every"),
    "trace": ("run",),
    "events": ("after", "subject", "type", "limit"),
    "runs.list": ("state", "name", "limit", "cursor"),
    "runs.show": ("run",),
    "runs.steer": ("run", "message"),
    "runs.decide": ("run", "step", "word", "value"),
    "agent.list": ("capability",),
    "agent.show": ("agent",),
    "agent.register": ("spec", "replace"),
    "agent.remove": ("agent",),
    "workflow.list": (),
    "workflow.show": ("workflow",),
    "memory.add": ("text", "name", "source", "tag"),
    "memory.recall": ("query", "name", "k", "tag"),
    "memory.forget": ("id", "name"),
    "cost.summary": ("days",),
    "budget.list": (),
    "model.list": (),
}
_ACTIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "pause": ("runs.pause", {}),
    "resume": ("runs.resume", {}),
    "terminate": ("runs.terminate", {}),
    "change_model": ("runs.model", {"model": "model"}),
    "change_permissions": ("runs.permissions", {"mode": "permissionMode"}),
    "execute_command": ("runs.command", {"command": "command"}),
}
_STATUS = {"init": "running", "error": "failed"}
_CONTROL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["action", "queryId"],
    "properties": {
        "action": {"enum": list(_ACTIONS)},
        "queryId": {"type": "string", "description": "id of the run"},
        "model": {"type": "string", "description": "for change_model"},
        "permissionMode": {"enum": ["default", "acceptEdits", "bypassPermissions", "plan"]},
        "command": {"type": "string", "description": "for execute_command"},
    },
}
_LIST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"includeHistory": {"type": "boolean", "default": False, "description": "also what has ended"}},
}
_OWN = {
    "agents_spawn_parallel": ("agent.spawn", "start many agents at once and measure it", SPAWN_SCHEMA),
    "query_control": ("runs.pause", "pause, resume, terminate or change a run", _CONTROL_SCHEMA),
    "query_list": ("runs.list", "runs with their state, model and permission mode", _LIST_SCHEMA),
}


class Tools:
    """The tools of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._own = {
            "agents_spawn_parallel": self._spawn,
            "query_control": self._control,
            "query_list": self._queries,
        }
        self.verb_of = {name.replace(".", "_"): name for name in _VERBS}
        self._of_tickets = {tool.name: tool for tool in ticket_tools.TOOLS}

    def listing(self, caller: Caller) -> list[Tool]:
        """The tools that the caller may call."""
        tools = [self._described(name) for name, verb in self.verb_of.items() if self._may(caller, verb)]
        tools += [
            Tool(
                name=name,
                description=text,
                input_schema=schema,
                output_schema=tool_schemas().get(verb) if name == "agents_spawn_parallel" else tool_schemas()[name],
            )
            for name, (verb, text, schema) in _OWN.items()
            if self._may(caller, verb)
        ]
        tools += [self._of_board(tool) for tool in self._of_tickets.values() if self._may_any(caller, tool)]
        return tools

    def _may_any(self, caller: Caller, tool: ticket_tools.Tool) -> bool:
        verbs = tool.verbs.values() or (name for name, v in self._desk.verbs.items() if v.noun in ticket_tools.ROOM)
        return any(self._may(caller, verb) for verb in verbs)

    def _of_board(self, tool: ticket_tools.Tool) -> Tool:
        verbs = [self._desk.verbs[name] for name in tool.verbs.values()]
        return Tool(
            name=tool.name,
            description=tool.description,
            input_schema=ticket_tools.schema_of(tool, self._desk.verbs),
            output_schema=tool_schemas().get(verbs[0].name) if len(verbs) == 1 else None,
            annotations=ToolAnnotations(
                read_only_hint=bool(verbs) and not any(verb.changes for verb in verbs), open_world_hint=False
            ),
        )

    def _may(self, caller: Caller, verb: str) -> bool:
        try:
            require_allowed(caller, self._desk.verbs[verb], {})
        except ForbiddenError:
            return False
        return True

    def _described(self, name: str) -> Tool:
        verb = self._desk.verbs[self.verb_of[name]]
        kept = [p for p in verb.params if p.name in _VERBS[verb.name]]
        schema = {
            "type": "object",
            "additionalProperties": False,
            "properties": {p.name: param_schema(p) for p in kept},
            "required": [p.name for p in kept if p.required],
        }
        hints = ToolAnnotations(read_only_hint=not verb.changes, open_world_hint=False)
        return Tool(
            name=name,
            description=verb.summary,
            input_schema=schema,
            output_schema=tool_schemas().get(verb.name),
            annotations=hints,
        )

    async def call(self, caller: Caller, name: str, arguments: Mapping[str, Any], request_id: str) -> CallToolResult:
        """Carries out a tool; a failure is an answer that says what and how to mend it."""
        try:
            if name in self._own:
                value = await self._own[name](caller, arguments, request_id)
            elif name in self.verb_of:
                verb = self.verb_of[name]
                outside = [a for a in arguments if a not in _VERBS[verb]]
                if outside:
                    raise InvalidInputError(f"{name} has no argument {outside[0]!r}.", remedy="See its schema.")
                value = await self._desk.call(caller, verb, arguments, request_id)
            elif name in self._of_tickets:
                chosen = ticket_tools.choose(name, arguments, self._desk.verbs)
                if isinstance(chosen, ticket_tools.Chosen):
                    value = await self._desk.call(caller, chosen.verb, chosen.arguments, request_id)
                else:
                    value = chosen
            else:
                raise NotFoundError(f"there is no tool {name[:100]!r}.", remedy="List the tools.")
        except FairleadError as exc:
            said = {"success": False, "error": problem(exc, request_id)}
            return CallToolResult(content=[_text(said)], structured_content=said, is_error=True)
        structured = value if isinstance(value, dict) else {"items": value}
        return CallToolResult(content=[_text(structured)], structured_content=_plain(structured))

    async def _spawn(self, caller: Caller, arguments: Mapping[str, Any], request_id: str) -> Any:
        names = {"agents": "agents", "maxConcurrency": "max_concurrency", "batchSize": "batch_size"}
        _require_known("agents_spawn_parallel", arguments, SPAWN_SCHEMA)
        given = {names[name]: value for name, value in arguments.items()}
        return await self._desk.call(caller, "agent.spawn", given, request_id)

    async def _control(self, caller: Caller, arguments: Mapping[str, Any], request_id: str) -> Any:
        action = arguments.get("action")
        if not isinstance(action, str) or action not in _ACTIONS:
            raise InvalidInputError(
                f"action {action!r} does not exist.", remedy=f"Choose one of {', '.join(_ACTIONS)}.", field="action"
            )
        _require_known("query_control", arguments, _CONTROL_SCHEMA)
        verb, names = _ACTIONS[action]
        given = {"run": arguments.get("queryId")} | {to: arguments.get(name) for to, name in names.items()}
        result = await self._desk.call(caller, verb, given, request_id)
        stamp = isoformat(self._desk.lead.clock.now())
        return {"success": True, "action": action, "queryId": result["run"], "result": result, "timestamp": stamp}

    async def _queries(self, caller: Caller, arguments: Mapping[str, Any], request_id: str) -> Any:
        _require_known("query_list", arguments, _LIST_SCHEMA)
        history = arguments.get("includeHistory", False)
        if not isinstance(history, bool):
            raise InvalidInputError(
                "includeHistory is no truth value.", remedy="Give true or false.", field="includeHistory"
            )
        # Without history each state is asked for by itself, so that no number of ended runs hides one that goes on.
        asked: list[dict[str, Any]] = [{}] if history else [{"state": state} for state in ("init", "running", "paused")]
        items: list[dict[str, Any]] = []
        for which in asked:
            found = await self._desk.call(caller, "runs.list", {"limit": 1000, "every": True, **which}, request_id)
            items += found["items"]
        queries = [
            {
                "queryId": item["id"],
                "name": item["name"],
                "status": _STATUS.get(item["state"], item["state"]),
                "model": item["model"],
                "permissionMode": item["permission_mode"],
                "startTime": item["created"],
            }
            for item in sorted(items, key=lambda item: str(item["created"]), reverse=True)
        ]
        stamp = isoformat(self._desk.lead.clock.now())
        return {"success": True, "queries": queries, "count": len(queries), "timestamp": stamp}


def _require_known(tool: str, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """:class:`InvalidInputError` for an argument that the tool's schema does not have."""
    for name in arguments:
        if name not in schema["properties"]:
            raise InvalidInputError(
                f"{tool} has no argument {name[:100]!r}.",
                remedy=f"It has: {', '.join(schema['properties'])}.",
                field=name[:100],
            )


def _text(value: Any) -> TextContent:
    return TextContent(type="text", text=to_bytes(value).decode())


def _plain(value: Any) -> Any:
    import orjson

    return orjson.loads(to_bytes(value))
