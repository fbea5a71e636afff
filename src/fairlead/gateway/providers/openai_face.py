"""The function behind an OpenAI-compatible endpoint: existing clients get routing, budgets and accounting by changing
their base URL. A server turns the answers into HTTP; nothing here knows of one.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pydantic_ai.messages import (
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from fairlead.errors import FairleadError, InvalidInputError, NotFoundError
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.prices import NANO
from fairlead.gateway.providers.model import GatewayModel
from fairlead.ids import new_id

_PASSED_ON = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "parallel_tool_calls")


async def chat_completion(gateway: Gateway, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answers the body of ``POST /v1/chat/completions`` without ``stream``.

    ``model`` is ``auto``, an id of the catalogue, or the bare name of a configured model. The answer carries
    ``fairlead`` with the model used, the cost in US dollars (None when unknown) and the number of attempts.
    """
    model = GatewayModel(gateway, _preference(gateway, body))
    outcome = await model.carry(_messages(body), _settings(body), _parameters(body))
    costs = [a.cost_nano for a in outcome.attempts]
    cost = None if any(c is None for c in costs) else sum(c or 0 for c in costs) / NANO
    response: ModelResponse = outcome.answer.native
    message: dict[str, Any] = {"role": "assistant", "content": outcome.answer.content or None}
    calls = [_call_out(p) for p in response.parts if isinstance(p, ToolCallPart)]
    if calls:
        message["tool_calls"] = calls
    usage = outcome.usage
    return {
        "id": new_id("chat"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": outcome.info.id,
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(response.finish_reason, bool(calls))}],
        "usage": _usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens),
        "fairlead": {"model": outcome.info.id, "cost": cost, "attempts": len(outcome.attempts), "usage": usage.label},
    }


async def chat_stream(gateway: Gateway, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The same with ``stream``: the events of a server-sent stream, without the closing ``[DONE]``."""
    model = GatewayModel(gateway, _preference(gateway, body))
    head = {"id": new_id("chat"), "object": "chat.completion.chunk", "created": int(time.time())}
    async with model.request_stream(_messages(body), _settings(body), _parameters(body)) as response:
        head["model"] = response.model_name
        async for event in response:
            delta = _delta(event)
            if delta:
                yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        final = response.get()
        called = any(isinstance(p, ToolCallPart) for p in final.parts)
        yield {
            **head,
            "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(final.finish_reason, called)}],
        }
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = final.usage
            tokens = _usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
            yield {**head, "choices": [], "usage": tokens}


def model_list(gateway: Gateway) -> dict[str, Any]:
    """The answer to ``GET /v1/models``."""
    found = [
        {"id": info.id, "object": "model", "created": 0, "owned_by": info.provider} for info in gateway.catalogue.pool()
    ]
    return {"object": "list", "data": [{"id": "auto", "object": "model", "created": 0, "owned_by": "fairlead"}, *found]}


def error_answer(exc: FairleadError) -> tuple[int, dict[str, Any]]:
    """(HTTP status, body) of a failure, in the shape that clients of this API know."""
    error = {"message": str(exc), "type": exc.category, "code": type(exc).__name__, "param": exc.fields.get("field")}
    return exc.http_status, {"error": error}


def _preference(gateway: Gateway, body: Mapping[str, Any]) -> str:
    wanted = body.get("model") or "auto"
    if wanted == "auto" or ":" in wanted or wanted.startswith("local/"):
        return str(wanted)
    for info in gateway.catalogue.pool():
        if info.name == wanted:
            return info.id
    raise NotFoundError(
        f"no configured model is called {wanted!r}.",
        remedy="Give auto or provider:model, or configure the model.",
        field="model",
        value=wanted,
    )


def _settings(body: Mapping[str, Any]) -> ModelSettings:
    settings: dict[str, Any] = {name: body[name] for name in _PASSED_ON if body.get(name) is not None}
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most:
        settings["max_tokens"] = int(most)
    if body.get("stop"):
        stop = body["stop"]
        settings["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    return settings  # type: ignore[return-value]


def _parameters(body: Mapping[str, Any]) -> ModelRequestParameters:
    tools = []
    for tool in body.get("tools") or ():
        function = tool.get("function") or {}
        if tool.get("type") != "function" or "name" not in function:
            raise InvalidInputError("only tools of type function are known.", field="tools", value=tool.get("type"))
        tools.append(
            ToolDefinition(
                name=function["name"],
                description=function.get("description"),
                parameters_json_schema=function.get("parameters") or {"type": "object", "properties": {}},
            )
        )
    return ModelRequestParameters(function_tools=tools)


def _messages(body: Mapping[str, Any]) -> list[ModelMessage]:
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise InvalidInputError("messages is empty.", remedy="Give at least one message.", field="messages")
    names: dict[str, str] = {}
    found: list[ModelMessage] = []
    for turn in turns:
        role = turn.get("role")
        if role == "assistant":
            parts: list[ModelResponsePart] = [TextPart(turn["content"])] if turn.get("content") else []
            for call in turn.get("tool_calls") or ():
                names[call["id"]] = call["function"]["name"]
                parts.append(ToolCallPart(call["function"]["name"], call["function"]["arguments"], call["id"]))
            found.append(ModelResponse(parts=parts))
            continue
        part = _request_part(role, turn, names)
        if found and isinstance(found[-1], ModelRequest):
            found[-1] = ModelRequest(parts=[*found[-1].parts, part])
        else:
            found.append(ModelRequest(parts=[part]))
    return found


def _request_part(role: Any, turn: Mapping[str, Any], names: Mapping[str, str]) -> ModelRequestPart:
    content = turn.get("content")
    if role in ("system", "developer"):
        return SystemPromptPart(_plain(content))
    if role == "user":
        return UserPromptPart(content if isinstance(content, str) else _parts(content or ()))
    if role == "tool":
        call = str(turn.get("tool_call_id", ""))
        return ToolReturnPart(tool_name=names.get(call, "tool"), content=_plain(content), tool_call_id=call)
    raise InvalidInputError(
        f"role {role!r} is not known.", remedy="Use system, user, assistant or tool.", field="messages", value=role
    )


def _parts(content: Sequence[Mapping[str, Any]]) -> list[UserContent]:
    found: list[UserContent] = []
    for part in content:
        if part.get("type") == "text":
            found.append(str(part["text"]))
        elif part.get("type") == "image_url":
            found.append(ImageUrl(part["image_url"]["url"]))
        else:
            raise InvalidInputError(f"content of type {part.get('type')!r} is not known.", field="messages")
    return found


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or ())


def _call_out(part: ToolCallPart) -> dict[str, Any]:
    arguments = part.args if isinstance(part.args, str) else json.dumps(part.args or {})
    return {"id": part.tool_call_id, "type": "function", "function": {"name": part.tool_name, "arguments": arguments}}


def _delta(event: Any) -> dict[str, Any]:
    if isinstance(event, PartStartEvent):
        if isinstance(event.part, TextPart) and event.part.content:
            return {"role": "assistant", "content": event.part.content}
        if isinstance(event.part, ToolCallPart):
            return {"tool_calls": [{"index": event.index, **_call_out(event.part)}]}
    if isinstance(event, PartDeltaEvent):
        if isinstance(event.delta, TextPartDelta):
            return {"content": event.delta.content_delta}
        if isinstance(event.delta, ToolCallPartDelta) and isinstance(event.delta.args_delta, str):
            return {"tool_calls": [{"index": event.index, "function": {"arguments": event.delta.args_delta}}]}
    return {}


def _finish(reason: Any, called: bool) -> str:
    return {"length": "length", "content_filter": "content_filter"}.get(str(reason), "tool_calls" if called else "stop")


def _usage(given: int, output: int, cached: int) -> dict[str, Any]:
    return {
        "prompt_tokens": given,
        "completion_tokens": output,
        "total_tokens": given + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
