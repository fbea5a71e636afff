"""A pydantic-ai agent as a run: its result, its journal, its usage, and that a replay asks no model."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent as AiAgent
from pydantic_ai import BinaryContent, ModelRetry, ToolReturn
from pydantic_ai.capabilities import ModelFallback
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import FilePart, ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

from fairlead.agents import AgentRegistry, tool
from fairlead.agents.llm import LlmAgent
from fairlead.clock import SystemClock
from fairlead.errors import InvalidInputError
from fairlead.gateway import Attribution, Gateway, GatewayModel, current_attribution, parse_config
from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime import Edge, Node, Retry, RunHandle, Runtime, StepContext, Workflow
from fairlead.store import open_database
from fairlead.store.port import JournalRow
from tests.agents_llm.conftest import Opened, Script, crash, event_types, until


async def journal_of(runtime: Runtime, run: RunHandle) -> dict[str, JournalRow]:
    return {row.key: row for row in await runtime.store.journal(run.id)}


async def usage_of(runtime: Runtime, run: RunHandle, step: str) -> dict[str, Any]:
    row = (await journal_of(runtime, run))[step]
    usage: dict[str, Any] = orjson.loads(row.metadata or "{}")["usage"]
    return usage


def test_an_agent_is_run_by_itself_and_its_parts_are_journaled(opened: Opened) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    script = Script(("add", {"a": 2, "b": 3}), "five")
    agent = LlmAgent.build("adder", model=script.model, tools=[add], instructions="Add.")

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "2 + 3?"})
            result = await run.result()
            assert (result.success, result.data) == (True, "five")
            journal = await journal_of(runtime, run)
            assert set(journal) == {"adder", "adder/model#1", "adder/tool:add#1.1", "adder/model#2"}
            assert journal["adder/model#1"].kind == "model"
            assert journal["adder/tool:add#1.1"].kind == "tool"
            types = await event_types(runtime, run.id)
            assert types.count("model.called") == 2
            assert types.count("tool.called") == 1
            usage = await usage_of(runtime, run, "adder")
            assert usage["requests"] == 2
            assert usage["input_tokens"] > 0
            assert usage["output_tokens"] > 0

    asyncio.run(main())


def test_after_a_crash_what_is_journaled_is_neither_asked_nor_done_again(opened: Opened) -> None:
    done: list[str] = []
    stuck = asyncio.Event()

    async def note(word: str) -> str:
        if word == "second" and not stuck.is_set():
            await asyncio.sleep(60)
        done.append(word)
        return f"noted {word}"

    first = Script(("note", {"word": "first"}), ("note", {"word": "second"}), "ready")
    second = Script(*first.turns)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("noter", model=first.model, tools=[note]), {"prompt": "note"})
            await until(lambda: len(first.asked) == 2)
            await asyncio.sleep(0.02)
            await crash(runtime, run.id)
        stuck.set()
        async with opened() as runtime:
            runtime.register(LlmAgent.build("noter", model=second.model, tools=[note]).as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "ready"
            assert len(second.asked) == 1
            assert done == ["first", "second"]
            assert "noted first" in second.texts()
            assert (await usage_of(runtime, again, "noter"))["requests"] == 3

    asyncio.run(main())


def test_a_repeated_attempt_goes_on_where_the_first_one_failed(opened: Opened) -> None:
    calls: list[int] = []
    failures = 2

    def count() -> int:
        calls.append(1)
        return len(calls)

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        nonlocal failures
        if not any(isinstance(m, ModelResponse) for m in messages):
            return ModelResponse(parts=[ToolCallPart("count", {})])
        if failures:
            failures -= 1
            raise ModelHTTPError(503, "script")
        return ModelResponse(parts=[TextPart("done")])

    retry = Retry(attempts=3, base=0.0)
    agent = LlmAgent.build("patient", model=FunctionModel(answer), tools=[count], retry=retry)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            assert (await run.result()).data == "done"
            assert len(calls) == 1
            types = await event_types(runtime, run.id)
            assert types.count("step.retried") == 2
            assert types.count("model.failed") == 2
            assert (await usage_of(runtime, run, "patient"))["requests"] == 2

    asyncio.run(main())


class City(BaseModel):
    name: str
    people: int


def test_structured_output_comes_back_as_data(opened: Opened) -> None:
    agent = LlmAgent.build(
        "cities", model=TestModel(custom_output_args={"name": "Ghent", "people": 270_000}), output_type=City
    )

    async def work(ctx: StepContext) -> str:
        city = await agent("Which city?")
        assert isinstance(city, City)
        return city.name

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "Which city?"})
            assert (await run.result()).data == {"name": "Ghent", "people": 270_000}
            assert (await (await runtime.start(work)).result()).data == "Ghent"

    asyncio.run(main())


def test_pictures_survive_the_journal(opened: Opened) -> None:
    picture = BinaryContent(data=bytes(range(256)), media_type="image/png")
    finish = asyncio.Event()
    seen: list[list[ModelMessage]] = []

    def paint() -> ToolReturn[str]:
        return ToolReturn(return_value="painted", content=["look:", picture], metadata={"size": 256})

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if not any(isinstance(m, ModelResponse) for m in messages):
            return ModelResponse(parts=[FilePart(picture), ToolCallPart("paint", {})])
        seen.append(messages)
        await finish.wait()
        return ModelResponse(parts=[TextPart("seen")])

    agent = LlmAgent.build("painter", model=FunctionModel(answer), tools=[paint])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "paint"})
            await until(lambda: len(seen) == 1)
            await crash(runtime, run.id)
        finish.set()
        async with opened() as runtime:
            runtime.register(agent.as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "seen"
        for messages in seen:
            response = messages[1]
            assert isinstance(response.parts[0], FilePart)
            assert response.parts[0].content.data == picture.data
            content = messages[-1].parts[-1].content
            assert isinstance(content, list)
            assert content[1].data == picture.data

    asyncio.run(main())


def test_it_is_a_step_of_a_workflow_by_object_and_by_name(opened: Opened) -> None:
    writer, critic = Script("a draft"), Script("good")
    registry = AgentRegistry()
    registry.register(LlmAgent.build("critic", model=critic.model, capabilities=["review"]))
    workflow = Workflow(
        "essay",
        (
            Node("write", LlmAgent.build("writer", model=writer.model), arguments={"prompt": "${{ inputs.topic }}"}),
            Node(
                "judge",
                agent="critic",
                depends_on=(Edge("write"),),
                arguments={"prompt": "${{ steps.write }}"},
            ),
        ),
        inputs={"topic": "rope"},
    )

    async def main() -> None:
        async with opened(resolve=registry.resolve) as runtime:
            run = await runtime.start(workflow)
            assert (await run.result()).data == {"judge": "good"}
            assert "rope" in writer.texts()
            assert "a draft" in critic.texts()
            assert "judge/model#1" in await journal_of(runtime, run)
            assert runtime.plans.of(workflow).agents == ["writer", "critic"]
            assert [agent.name for agent in registry.discover("review")] == ["critic"]

    asyncio.run(main())


def test_calls_from_one_function_have_places_of_their_own(opened: Opened) -> None:
    agent = LlmAgent.build("echo", model=FunctionModel(_echo))

    async def work(ctx: StepContext) -> list[str]:
        return list(await asyncio.gather(agent("one"), agent("two"), agent({"three": 3})))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(Workflow("calls", (Node("work", work),)))
            assert (await run.result()).data == ["one", "two", '{"three":3}']
            keys = set(await journal_of(runtime, run))
            assert keys == {"work", *(f"work/agent:echo#{n}/model#1" for n in (1, 2, 3))}

    asyncio.run(main())


async def _echo(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    text = str(messages[0].parts[-1].content)
    await asyncio.sleep(0.02 if text == "one" else 0)
    return ModelResponse(parts=[TextPart(text)])


def test_what_tools_answer_besides_values_is_told_to_the_model_and_kept(opened: Opened) -> None:
    calls: list[str] = []

    @tool()
    def look_up(word: str) -> StepResult:
        calls.append(word)
        if word == "bad":
            return StepResult.bad_request("that is no word")
        if word == "gone":
            return StepResult.not_found("no entry for it")
        if word == "broken":
            raise ConnectionError("the library is closed")
        return StepResult.ok({"meaning": "a fitting for lines"})

    def insist(word: str) -> str:
        calls.append(word)
        raise ModelRetry("say please")

    words = ["bad", "gone", "broken", "fairlead"]
    script = Script(*(("look_up", {"word": w}) for w in words), ("insist", {"word": "x"}), "done")
    agent = LlmAgent.build("lexicon", model=script.model, tools=[look_up, insist])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "look up"})
            assert (await run.result()).data == "done"
        for request, told in enumerate(
            ["that is no word", "no entry for it", "the library is closed", "a fitting for lines", "say please"], 1
        ):
            assert told in script.texts(request)
        assert calls == [*words, "x"]

    asyncio.run(main())


def test_without_a_step_it_is_the_plain_agent() -> None:
    agent = LlmAgent(AiAgent(TestModel(custom_output_text="hello"), name="plain"))
    assert agent.name == "plain"
    assert asyncio.run(agent("hi")) == "hello"


def test_an_agent_needs_a_name() -> None:
    with pytest.raises(InvalidInputError, match="no name"):
        LlmAgent(AiAgent(TestModel()))


def test_an_agent_is_a_tool_of_another_as_a_run_of_its_own(opened: Opened) -> None:
    go_on = asyncio.Event()
    asked = 0

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        nonlocal asked
        asked += 1
        await go_on.wait()
        return ModelResponse(parts=[TextPart("found it")])

    def make(script: Script) -> LlmAgent:
        helper = LlmAgent.build("researcher", model=FunctionModel(answer), description="Looks things up.")
        return LlmAgent.build("chief", model=script.model, tools=[helper])

    first = Script(("researcher", {"prompt": "where?"}), "thanks")
    second = Script(*first.turns)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(make(first), {"prompt": "find"})
            await until(lambda: asked == 1)
            (child,) = await runtime.store.find(tenant=None, parent_id=run.id)
            assert (child.name, child.kind, child.state) == ("researcher", "agent", "running")
            await crash(runtime, child.id)
            await crash(runtime, run.id)
        go_on.set()
        async with opened() as runtime:
            runtime.register(make(second).as_workflow())
            await runtime.recover()
            assert (await RunHandle(runtime, run.id).result()).data == "thanks"
            assert (await RunHandle(runtime, child.id).result()).data == "found it"
            assert len(await runtime.store.find(tenant=None)) == 2
            assert len(second.asked) == 1
            assert "found it" in second.texts()

    asyncio.run(main())


def test_a_failed_child_is_told_to_the_model(opened: Opened) -> None:
    helper = LlmAgent.build("helper", model=Script(ModelHTTPError(401, "script")).model)
    script = Script(("helper", {"prompt": "do"}), "did without")

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("boss", model=script.model, tools=[helper]), {"prompt": "go"})
            assert (await run.result()).data == "did without"
            assert "401" in script.texts()

    asyncio.run(main())


def test_chunks_of_a_streamed_answer_are_signs_of_life(opened: Opened) -> None:
    async def trickle(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        for word in ("slow ", "but ", "steady"):
            await asyncio.sleep(0.15)
            yield word

    model = FunctionModel(stream_function=trickle)

    async def main() -> None:
        async with opened() as runtime:
            agent = LlmAgent.build("stream", model=model, stream=True, idle_timeout=0.3)
            run = await runtime.start(agent, {"prompt": "go"})
            assert (await run.result()).data == "slow but steady"
            journal = await journal_of(runtime, run)
            assert b"slow but steady" in (journal["stream/model#1"].value or b"")
            hasty = LlmAgent.build("hasty", model=model, stream=True, idle_timeout=0.05)
            result = await (await runtime.start(hasty, {"prompt": "go"})).result()
            assert result.error_category is ErrorCategory.TIMEOUT

    asyncio.run(main())


def test_an_agent_without_a_model_says_so(opened: Opened) -> None:
    async def main() -> None:
        async with opened() as runtime:
            result = await (await runtime.start(LlmAgent.build("bare"), {"prompt": "go"})).result()
            assert result.error_category is ErrorCategory.CONFIGURATION
            assert "model" in str(result.error)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["no such provider:x", "nonsense"])
def test_an_unknown_model_is_refused(opened: Opened, name: str) -> None:
    async def main() -> None:
        async with opened() as runtime:
            result = await (await runtime.start(LlmAgent.build("lost", model=name), {"prompt": "go"})).result()
            assert not result.success
            assert result.error_category is ErrorCategory.CONFIGURATION

    asyncio.run(main())


def test_the_gateway_is_a_model_and_bills_to_the_agent_and_the_run(opened: Opened, tmp_path: Path) -> None:
    database = open_database(tmp_path / "gateway.db")
    config = parse_config({}, models=("local/extractive",))
    gateway = Gateway(
        database, SystemClock(), random.Random(1), config=config, read_variable=lambda name: "", home=tmp_path
    )
    seen: list[Attribution] = []

    class Watched(GatewayModel):
        async def request(self, *args: Any) -> ModelResponse:
            seen.append(current_attribution())
            return await super().request(*args)

    text = "A fairlead keeps lines apart. It is a fitting on a ship. Lines run through it without chafing."
    agent = LlmAgent.build("reader", model="local/extractive", resolve=lambda name: Watched(gateway, name))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": f"Summarise: {text}"})
            result = await run.result()
            assert result.success, result.error
            assert "fairlead" in result.data
            (whose,) = seen
            assert (whose.tenant, whose.agent, whose.run, whose.step) == ("test", "reader", run.id, "reader")

    asyncio.run(main())
    database.close()


def test_a_replay_does_not_try_the_models_that_had_failed(opened: Opened) -> None:
    """Only answers have a place in the journal, so the stand-in's is found there at once."""
    down = Script(ModelHTTPError(503, "down"), ModelHTTPError(503, "down"), name="down")
    hold = asyncio.Event()
    stand_in = Script(("wait", {}), "done", name="stand-in")

    async def wait() -> str:
        await hold.wait()
        return "waited"

    def make() -> LlmAgent:
        fallback = ModelFallback(down.model, stand_in.model)
        return LlmAgent(AiAgent(name="steady", tools=[wait], capabilities=[fallback]))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(make(), {"prompt": "go"})
            await until(lambda: len(stand_in.asked) == 1)
            await asyncio.sleep(0.05)
            await crash(runtime, run.id)
            assert len(down.asked) == 1
        hold.set()
        async with opened() as runtime:
            runtime.register(make().as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "done"
            assert len(down.asked) == len(stand_in.asked) == 2

    asyncio.run(main())
