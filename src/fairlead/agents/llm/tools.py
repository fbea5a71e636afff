"""Tools for language-model agents: what they may do to the world, said where the runtime can read it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic_ai.tools import Tool as AiTool
from pydantic_ai.tools import ToolDefinition

from fairlead.agents.function import Agent
from fairlead.agents.tools import Tool
from fairlead.runtime.graph import Permission

_MARK = "fairlead"


class Declared(NamedTuple):
    """What a tool's maker said about it.

    ``permission`` is what it does to the user's things; ``effect`` that it may act on the world, so that its start is
    made durable and it is never silently repeated; ``guarded`` that its exceptions are told to the model and do not end
    the agent's run.
    """

    permission: Permission = "read"
    effect: bool = False
    guarded: bool = False


def llm_tool(
    function: Callable[..., Any],
    *,
    permission: Permission = "read",
    effect: bool | None = None,
    guarded: bool = False,
    **options: Any,
) -> AiTool[Any]:
    """A function as a tool of pydantic-ai, with what it may do.

    ``effect`` follows ``permission`` unless given: what edits or executes acts on the world. ``options`` are those of
    :class:`pydantic_ai.Tool`.
    """
    acts = permission != "read" if effect is None else effect
    metadata = {**(options.pop("metadata", None) or {}), _MARK: Declared(permission, acts, guarded)._asdict()}
    with warnings.catch_warnings():
        # A tool may answer with a StepResult, which has no schema of its own; what the model is told is its data.
        warnings.filterwarnings("ignore", "Could not generate return schema", UserWarning)
        return AiTool(function, metadata=metadata, **options)


def as_llm_tool(target: Any) -> Any:
    """What can be given to an agent as a tool, as pydantic-ai takes it.

    Tools and agents of Fairlead become tools of pydantic-ai; its own tools, and plain functions, stay as they are.
    """
    if isinstance(target, Tool):
        return llm_tool(
            target.call,
            name=target.name,
            description=target.description or None,
            permission=target.permission,
            effect=target.effect,
            guarded=True,
        )
    if isinstance(target, Agent):
        return llm_tool(
            target.call,
            name=tool_name(target.name),
            description=target.spec.description or None,
            permission=target.policies.get("permission", "read"),
            effect=target.policies.get("effect", False),
            guarded=True,
        )
    as_tool = getattr(target, "as_tool", None)
    return target if as_tool is None else as_tool()


def tool_name(agent_name: str) -> str:
    """An agent's name in the letters that model providers take for tools."""
    return agent_name.replace("-", "_").replace(".", "_")


def declared_of(definition: ToolDefinition) -> Declared:
    """What a tool was declared to do. An MCP tool that is not hinted to be read-only counts as acting on the world."""
    metadata = definition.metadata or {}
    if _MARK in metadata:
        return Declared(**metadata[_MARK])
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        return Declared(effect=annotations.get("readOnlyHint") is not True)
    return Declared()
