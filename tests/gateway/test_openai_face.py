"""The OpenAI-compatible face: bodies in, bodies out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fairlead.errors import FairleadError, InvalidInputError, NotFoundError
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.providers.openai_face import chat_completion, chat_stream, error_answer, model_list
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import priced

pytestmark = pytest.mark.usefixtures("tenant")

Make = Callable[..., Gateway]
BODY = {"model": "one:m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 30}


async def test_an_answer_that_the_vendors_own_client_can_read(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    answer = await chat_completion(gateway, {**BODY, "temperature": 0.1})
    parsed = ChatCompletion.model_validate(answer)
    assert parsed.choices[0].message.content == "A short answer, word by word, of ten words or so."
    assert parsed.usage is not None and parsed.usage.completion_tokens == 11
    assert answer["fairlead"]["cost"] > 0
    assert server.requests[0]["temperature"] == 0.1
    await gateway.close()


async def test_a_stream_that_the_vendors_own_client_can_read(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    chunks = [ChatCompletionChunk.model_validate(c) async for c in chat_stream(gateway, body)]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "A short answer, word by word, of ten words or so."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 11
    await gateway.close()


async def test_tools_and_their_results_travel(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}
    body = {
        **BODY,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
        ],
    }
    await chat_completion(gateway, body)
    sent = server.requests[0]
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "tool"]
    assert sent["messages"][2]["tool_calls"][0]["function"]["name"] == "weather"
    assert sent["tools"][0]["function"]["name"] == "weather"
    await gateway.close()


async def test_a_bare_name_finds_the_configured_model(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    assert (await chat_completion(gateway, {**BODY, "model": "m"}))["model"] == "one:m"
    with pytest.raises(NotFoundError):
        await chat_completion(gateway, {**BODY, "model": "gpt-nothing"})
    assert [m["id"] for m in model_list(gateway)["data"]] == ["auto", "local/extractive", "one:m"]
    await gateway.close()


async def test_failures_have_the_shape_that_clients_know(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    gateway.budgets.set("acme", "tenant", "acme", "0.00001", period="day", cause="test")
    with pytest.raises(FairleadError) as caught:
        await chat_completion(gateway, BODY)
    status, answer = error_answer(caught.value)
    assert status == 402
    assert answer["error"]["code"] == "BudgetError"
    with pytest.raises(InvalidInputError):
        await chat_completion(gateway, {"model": "one:m", "messages": []})
    await gateway.close()
