"""The MCP server: tools, resources and prompts over a desk, for any transport."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from fairlead.errors import FairleadError, ForbiddenError, NotFoundError, NotInitialisedError
from fairlead.ids import new_id
from fairlead.server.access import Caller
from fairlead.server.answers import to_bytes
from fairlead.server.desk import Desk
from fairlead.server.tools import Tools

Context = Any
CallerOf = Callable[[Context], Caller]

_TEMPLATES = {
    "runs": ("runs.show", "run", "a run with its state, steps and result"),
    "tickets": ("ticket.show", "ids", "a ticket"),
    "memory": ("memory.show", "id", "an entry of the default namespace"),
}
_NEWEST: dict[str, tuple[str, dict[str, Any], str]] = {
    "runs": ("runs.list", {"limit": 20}, "name"),
    "tickets": ("ticket.ready", {"limit": 20}, "title"),
    "memory": ("memory.list", {"limit": 20}, "content"),
}
"""What is listed: verb, its arguments, and the field that says what it is."""
_PROMPTS = {
    "explain_run": (
        "run",
        "what a run did and why it ended as it did",
        "Read the resource fairlead://runs/{run} and call the tool trace with run={run}. Say in at most ten sentences "
        "what the run was for, what each step did, how long it took, and, if it failed, the first cause and a remedy.",
    ),
    "work_on_ticket": (
        "ticket",
        "take a ticket, do it, and close it with evidence",
        "Call ticket_show with ids=[{ticket}] and ticket_claim with the same. Do what it asks for. Recall what is "
        "known with memory_recall before you decide. Close it with ticket_close and the commit that shows the work.",
    ),
    "answer_from_memory": (
        "question",
        "answer from what was taken in, with sources, or say that it is not known",
        "Call ask with question={question}. If it is answered, give the statements with their sources and nothing "
        "else. If not, call memory_recall with the words that matter; if that brings nothing either, say that it is "
        "not known.",
    ),
}


class _Answers:
    """What an MCP client may ask for, answered over a desk."""

    def __init__(self, desk: Desk, caller_of: CallerOf) -> None:
        self._desk = desk
        self._caller_of = caller_of
        self._tools = Tools(desk)

    async def list_tools(self, ctx: Context, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._tools.listing(self._caller_of(ctx)))

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await self._tools.call(self._caller_of(ctx), params.name, params.arguments or {}, new_id("req"))

    async def list_resources(self, ctx: Context, params: Any) -> types.ListResourcesResult:
        """The newest of each kind that the caller may list; any other is read by its id."""
        caller, found = self._caller_of(ctx), []
        for kind, (verb, given, title) in _NEWEST.items():
            try:
                value = await self._desk.call(caller, verb, given, new_id("req"))
            except (ForbiddenError, NotFoundError, NotInitialisedError):
                # Not this caller's to see, or there is no board here: nothing of it to list.
                continue
            items = value["items"] if isinstance(value, dict) else value
            found += [
                types.Resource(
                    uri=f"fairlead://{kind}/{item['id']}",
                    name=item["id"],
                    title=" ".join(str(item[title]).split())[:120],
                    mime_type="application/json",
                )
                for item in items
            ]
        return types.ListResourcesResult(resources=found)

    async def list_templates(self, ctx: Context, params: Any) -> types.ListResourceTemplatesResult:
        self._caller_of(ctx)
        found = [
            types.ResourceTemplate(
                name=kind, uri_template=f"fairlead://{kind}/{{id}}", description=text, mime_type="application/json"
            )
            for kind, (_, _, text) in _TEMPLATES.items()
        ]
        return types.ListResourceTemplatesResult(resource_templates=found)

    async def read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        kind, _, identity = str(params.uri).removeprefix("fairlead://").partition("/")
        try:
            if kind not in _TEMPLATES or not identity:
                raise NotFoundError(f"there is no resource {str(params.uri)[:200]!r}.", remedy="List the templates.")
            verb, name, _ = _TEMPLATES[kind]
            given = {name: [identity] if name == "ids" else identity}
            value = await self._desk.call(self._caller_of(ctx), verb, given, new_id("req"))
        except FairleadError as exc:
            raise MCPError(types.INVALID_PARAMS, str(exc)) from exc
        text = types.TextResourceContents(
            uri=str(params.uri), mime_type="application/json", text=to_bytes(value).decode()
        )
        return types.ReadResourceResult(contents=[text])

    async def list_prompts(self, ctx: Context, params: Any) -> types.ListPromptsResult:
        self._caller_of(ctx)
        found = [
            types.Prompt(name=name, description=text, arguments=[types.PromptArgument(name=argument, required=True)])
            for name, (argument, text, _) in _PROMPTS.items()
        ]
        return types.ListPromptsResult(prompts=found)

    async def get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        self._caller_of(ctx)
        if params.name not in _PROMPTS:
            raise MCPError(types.INVALID_PARAMS, f"there is no prompt {params.name[:100]!r}")
        argument, text, words = _PROMPTS[params.name]
        value = (params.arguments or {}).get(argument)
        if not value:
            raise MCPError(types.INVALID_PARAMS, f"the prompt needs {argument}")
        content = types.TextContent(type="text", text=words.replace("{" + argument + "}", value))
        return types.GetPromptResult(description=text, messages=[types.PromptMessage(role="user", content=content)])


def make_mcp(desk: Desk, caller_of: CallerOf) -> Server[Any]:
    """A server whose calls are made on behalf of whoever ``caller_of`` finds in a request's context."""
    answers = _Answers(desk, caller_of)
    return Server(
        "fairlead",
        version=version("fairlead"),
        instructions="Runs agents durably: start with run, look with runs_show and trace, control with query_control.",
        on_list_tools=answers.list_tools,
        on_call_tool=answers.call_tool,
        on_list_resources=answers.list_resources,
        on_list_resource_templates=answers.list_templates,
        on_read_resource=answers.read_resource,
        on_list_prompts=answers.list_prompts,
        on_get_prompt=answers.get_prompt,
    )
