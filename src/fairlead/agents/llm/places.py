"""Where model requests and tool calls are kept in the journal: by turn and position, which a replay repeats exactly."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.tools import RunContext


def request_key(turn: int, answer: int) -> str:
    """The place of an answer: its turn in the agent's run, and its number when a turn has several.

    The name of the model is no part of it: after a change of model the earlier answers are still the earlier ones.
    """
    return f"model#{turn}" if answer == 1 else f"model#{turn}.{answer}"


def calls_of_turn(ctx: RunContext[Any]) -> list[ToolCallPart]:
    """The tool calls of the response that is being worked off."""
    for message in reversed(ctx.messages):
        if isinstance(message, ModelResponse):
            return [part for part in message.parts if isinstance(part, ToolCallPart)]
    return []


def call_key(ctx: RunContext[Any], name: str, call_id: str | None) -> str:
    """The place of a tool call: its turn and its position in the model's response.

    Not its id alone, because some models number the calls of every turn anew. A call that is in no response, made by a
    tool that calls tools, is told by its id.
    """
    for position, part in enumerate(calls_of_turn(ctx), 1):
        if part.tool_call_id == call_id:
            return f"tool:{name}#{ctx.run_step}.{position}"
    return f"tool:{name}#{ctx.run_step}.{call_id}"
