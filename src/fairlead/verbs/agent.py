"""Verbs of `agent`: who can do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.agents import AgentRegistry
    from fairlead.verbs.context import Context, Output


def _registry(context: Context) -> AgentRegistry:
    from fairlead.agents import AgentRegistry
    from fairlead.pipeline.agents import content_agents

    registry = AgentRegistry()
    for agent in content_agents(None, context.settings.home):  # type: ignore[arg-type] # only their specs are used
        registry.register(agent)
    return registry


def list_agents(context: Context, capability: str | None = None) -> dict[str, Any]:
    registry = _registry(context)
    found = registry.discover(capability) if capability else list(registry)
    return {"items": [agent.spec.model_dump(mode="json", exclude_defaults=True) for agent in found], "has_more": False}


def print_agents(value: dict[str, Any], out: Output) -> None:
    if not value["items"]:
        out.line("No agent fits.")
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "type", "capabilities", "what it does"):
        table.add_column(column, overflow="fold")
    for item in value["items"]:
        capabilities = ", ".join(c["name"] for c in item.get("capabilities", ()))
        table.add_row(item["name"], item.get("agent_type", "general"), capabilities, item.get("description", ""))
    out.print(table)


def show_agent(context: Context, agent: str) -> dict[str, Any]:
    spec: dict[str, Any] = _registry(context).resolve(agent).spec.model_dump(mode="json")
    return spec


VERBS: tuple[Verb, ...] = (
    Verb(
        "agent",
        "list",
        "the agents that are built in",
        list_agents,
        params=(Param("capability", "str", "only those that can do this, the most confident first"),),
        show=print_agents,
        aliases=("ls",),
    ),
    Verb(
        "agent",
        "show",
        "one agent's spec",
        show_agent,
        params=(Param("agent", "str", "name of the agent", positional=True, required=True),),
    ),
)
