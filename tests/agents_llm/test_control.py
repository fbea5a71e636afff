"""A hand on a running agent: pause, steer, change its model, stop it, hooks, permissions, and unknown effects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Tool as AiTool
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

from fairlead.agents.llm import LlmAgent, llm_tool
from fairlead.result import ErrorCategory
from fairlead.runtime import BreakerPolicy, Moment, Retry, Rewrite, RunState, RuntimeOptions, Veto
from tests.agents_llm.conftest import Opened, Script, crash, event_types, until


def notes() -> tuple[list[str], Callable[[str], str]]:
    done: list[str] = []

    def note(word: str) -> str:
        done.append(word)
        return f"noted {word}"

    return done, note


def outcomes(messages: list[ModelMessage]) -> list[str]:
    return [part.outcome for m in messages for part in m.parts if isinstance(part, ToolReturnPart)]


# ── pause, steer, model, terminate ───────────────────────────────────────────────────────────────────────────────


def test_a_pause_takes_effect_before_the_next_request(opened: Opened) -> None:
    done, note = notes()
    script = Script(*(("note", {"word": str(n)}) for n in range(30)), "done", delay=0.005)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("a", model=script.model, tools=[note]), {"prompt": "go"})
            await until(lambda: len(done) >= 3)
            await run.pause()
            await until(lambda: runtime.executions[run.id].in_flight == 0)
            asked = len(script.asked)
            await asyncio.sleep(0.05)
            assert len(script.asked) == asked < 30
            assert await run.state() is RunState.PAUSED
            await run.resume()
            assert (await run.result()).data == "done"
            assert done == [str(n) for n in range(30)]
            assert "run.drained" in await event_types(runtime, run.id)

    asyncio.run(main())


def test_another_model_takes_over_and_a_replay_keeps_each_answer_in_its_place(opened: Opened) -> None:
    done, note = notes()
    gates = {word: asyncio.Event() for word in ("one", "two", "three")}
    steps = [("note", {"word": word}) for word in gates]
    first, second, third = Script(*steps, "first"), Script(*steps, "second"), Script(*steps, "third")

    async def hold(word: str) -> str:
        await gates[word].wait()
        return note(word)

    def make(model_b: Model) -> LlmAgent:
        tools = [AiTool(hold, name="note")]
        return LlmAgent.build("a", model=first.model, tools=tools, resolve={"b": model_b}.__getitem__)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(make(second.model), {"prompt": "go"})
            await first.arrived.wait()
            await run.change_model("b")
            gates["one"].set()
            await until(lambda: len(second.asked) == 1)
            await asyncio.sleep(0.05)
            await crash(runtime, run.id)
        for gate in gates.values():
            gate.set()
        async with opened() as runtime:
            runtime.register(make(third.model).as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "third"
            assert (len(first.asked), len(second.asked), len(third.asked)) == (1, 1, 2)
            assert done == ["one", "two", "three"]

    asyncio.run(main())


def test_a_model_that_does_not_exist_does_not_end_the_run(opened: Opened) -> None:
    _, note = notes()
    script = Script(("note", {"word": "1"}), ("note", {"word": "2"}), "done", delay=0.03)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("a", model=script.model, tools=[note]), {"prompt": "go"})
            await script.arrived.wait()
            await run.change_model("no-such-thing")
            assert (await run.result()).data == "done"
            (failed,) = await runtime.store.events(subject=run.id, types=("model.failed",))
            assert failed.data["name"] == "no-such-thing"
            assert "no-such-thing" in failed.data["error"]
            fresh = await runtime.start(
                LlmAgent.build("b", model=script.model), {"prompt": "go"}, model="no-such-thing"
            )
            assert (await fresh.result()).error_category is ErrorCategory.CONFIGURATION

    asyncio.run(main())


def test_nor_does_it_after_a_crash(opened: Opened) -> None:
    hold = asyncio.Event()
    script = Script(("wait", {}), "done")

    async def wait() -> str:
        await hold.wait()
        return "waited"

    agent = LlmAgent.build("a", model=script.model, tools=[wait])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            await script.arrived.wait()
            await run.change_model("no-such-thing")
            await asyncio.sleep(0.05)
            await crash(runtime, run.id)
        hold.set()
        async with opened() as runtime:
            runtime.register(agent.as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "done"

    asyncio.run(main())


def test_a_run_may_name_the_model_from_the_start(opened: Opened) -> None:
    own, named = Script("own"), Script("named")
    agent = LlmAgent.build("a", model=own.model, resolve={"n": named.model}.__getitem__)

    async def main() -> None:
        async with opened() as runtime:
            assert (await (await runtime.start(agent, {"prompt": "go"}, model="n")).result()).data == "named"
            assert (await (await runtime.start(agent, {"prompt": "go"})).result()).data == "own"

    asyncio.run(main())


def test_what_it_is_steered_with_is_in_the_next_request_and_receipted(opened: Opened) -> None:
    _, note = notes()
    script = Script(("note", {"word": "1"}), ("note", {"word": "2"}), "done", delay=0.03)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("a", model=script.model, tools=[note]), {"prompt": "go"})
            await script.arrived.wait()
            message_id = await run.steer("mind the gap")
            assert (await run.result()).data == "done"
            assert "mind the gap" not in script.texts(0)
            assert all("mind the gap" in script.texts(n) for n in (1, 2))
            events = await runtime.store.events(subject=run.id, types=("run.message_delivered",))
            assert [event.data["message_id"] for event in events] == [message_id]

    asyncio.run(main())


def test_a_word_during_the_last_answer_is_still_heard(opened: Opened) -> None:
    script = Script("first answer", "second answer", delay=0.05)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("a", model=script.model), {"prompt": "go"})
            await script.arrived.wait()
            await run.steer("also this")
            assert (await run.result()).data == "second answer"
            assert "also this" in script.texts()

    asyncio.run(main())


def test_a_replay_hears_each_word_where_it_was_said(opened: Opened) -> None:
    gate = asyncio.Event()

    async def slow(word: str) -> str:
        if word == "2":
            await gate.wait()
        return word

    first = Script(("slow", {"word": "1"}), ("slow", {"word": "2"}), "done", delay=0.03)
    second = Script(*first.turns)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("a", model=first.model, tools=[slow]), {"prompt": "go"})
            await first.arrived.wait()
            await run.steer("early word")
            await until(lambda: len(first.asked) == 2)
            await asyncio.sleep(0.06)
            await run.steer("late word")
            await crash(runtime, run.id)
        gate.set()
        async with opened() as runtime:
            runtime.register(LlmAgent.build("a", model=second.model, tools=[slow]).as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "done"
            assert len(second.asked) == 1
            text = second.texts()
            assert text.count("early word") == text.count("late word") == 1
            assert text.index("early word") < text.index("late word")
            # The early word stands before the second answer, as it did when that answer was given.
            responses = [n for n, m in enumerate(second.asked[0]) if isinstance(m, ModelResponse)]
            early = next(n for n, m in enumerate(second.asked[0]) if "early word" in repr(m))
            assert responses[0] < early < responses[1]

    asyncio.run(main())


def test_termination_cancels_the_request_in_flight(opened: Opened) -> None:
    cancelled = asyncio.Event()
    arrived = asyncio.Event()

    async def forever(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        arrived.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError("not reached")

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(LlmAgent.build("a", model=FunctionModel(forever)), {"prompt": "go"})
            await arrived.wait()
            begin = time.perf_counter()
            await run.terminate("operator:test")
            assert cancelled.is_set()
            assert time.perf_counter() - begin < 0.5
            assert await run.state() is RunState.TERMINATED
            assert (await run.result()).metadata["terminated"]

    asyncio.run(main())


def test_a_request_that_takes_too_long_is_a_timeout_and_tried_again(opened: Opened) -> None:
    waits = [60.0, 0.0]

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(waits.pop(0))
        return ModelResponse(parts=[TextPart("in time")])

    policies: dict[str, Any] = {"timeout": 1.0, "retry": Retry(attempts=2, base=0.0)}
    agent = LlmAgent.build("a", model=FunctionModel(answer), **policies)

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            assert (await run.result()).data == "in time"
            (retried,) = await runtime.store.events(subject=run.id, types=("step.retried",))
            assert "timeout" in retried.data["error"]

    asyncio.run(main())


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vetoed_tool_is_told_to_the_model_and_stays_vetoed(opened: Opened) -> None:
    done, note = notes()
    hold = asyncio.Event()
    script = Script(("note", {"word": "no"}), "understood")
    waiting: list[int] = []

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        response = await script._answer(messages, info)
        if len(script.asked) == 2:
            waiting.append(1)
            await hold.wait()
        return response

    agent = LlmAgent.build("a", model=FunctionModel(answer), tools=[note])

    async def main() -> None:
        async with opened() as runtime:
            runtime.hooks.add("tool.pre", lambda moment: Veto("not on a Friday"), match="tool:note")
            run = await runtime.start(agent, {"prompt": "go"})
            await until(lambda: bool(waiting))
            await crash(runtime, run.id)
            assert "hook.vetoed" in await event_types(runtime, run.id)
        hold.set()
        async with opened() as runtime:
            runtime.register(agent.as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "understood"
            assert "not on a Friday" in script.texts()
            assert outcomes(script.asked[-1]) == ["denied"]
            assert done == []

    asyncio.run(main())


def test_a_result_may_be_withheld_from_the_model(opened: Opened) -> None:
    """The effect has happened, and that is known: it is neither repeated nor unknown."""
    done, note = notes()
    script = Script(("note", {"word": "secret"}), "never mind")

    async def main() -> None:
        async with opened() as runtime:
            runtime.hooks.add("tool.post", lambda moment: Veto("it holds a secret"))
            agent = LlmAgent.build("a", model=script.model, tools=[llm_tool(note, effect=True)])
            run = await runtime.start(agent, {"prompt": "go"})
            assert (await run.result()).data == "never mind"
            assert done == ["secret"]
            assert "it holds a secret" in script.texts()
            assert "noted" not in script.texts()
            (row,) = [r for r in await runtime.store.journal(run.id) if "tool:" in r.key]
            assert row.status == "success"

    asyncio.run(main())


def test_a_vetoed_request_fails_the_step_with_the_reason(opened: Opened) -> None:
    script = Script("never")

    async def main() -> None:
        async with opened() as runtime:
            runtime.hooks.add("model.pre", lambda moment: Veto("out of hours"))
            result = await (await runtime.start(LlmAgent.build("a", model=script.model), {"prompt": "go"})).result()
            assert result.error_category is ErrorCategory.AUTHORIZATION
            assert "out of hours" in str(result.error)
            assert script.asked == []

    asyncio.run(main())


def test_hooks_rewrite_what_goes_in_and_what_comes_out(opened: Opened) -> None:
    done, note = notes()
    script = Script(("note", {"word": "secret"}), "the end")
    moments: list[str] = []

    def reword(moment: Moment) -> Rewrite:
        (args,) = moment.value["args"]
        return Rewrite({**moment.value, "args": ({**args, "word": "public"},)})

    def whisper(moment: Moment) -> Rewrite:
        messages = moment.value["kwargs"]["messages"]
        first = messages[0]
        parts = [replace(first.parts[0], content="rewritten prompt")]
        kwargs = {**moment.value["kwargs"], "messages": [replace(first, parts=parts), *messages[1:]]}
        return Rewrite({**moment.value, "kwargs": kwargs})

    def shout(moment: Moment) -> Rewrite | None:
        moments.append(moment.name)
        text = moment.value.text
        return Rewrite(replace(moment.value, parts=[TextPart(text.upper())])) if text else None

    async def main() -> None:
        async with opened() as runtime:
            hooks = runtime.hooks
            hooks.add("tool.pre", reword)
            hooks.add("tool.post", lambda moment: Rewrite(f"{moment.value}, checked"))
            hooks.add("model.pre", whisper)
            hooks.add("model.post", shout)
            agent = LlmAgent.build("a", model=script.model, tools=[note])
            run = await runtime.start(agent, {"prompt": "original prompt"})
            assert (await run.result()).data == "THE END"
            assert done == ["public"]
            assert "noted public, checked" in script.texts()
            assert "rewritten prompt" in script.texts(0)
            assert "original prompt" not in script.texts(0)
            assert moments == ["model:script", "model:script"]
            assert hooks.failures == {}

    asyncio.run(main())


def test_a_rewrite_that_a_tool_cannot_take_is_refused(opened: Opened) -> None:
    done, note = notes()
    script = Script(("note", {"word": "x"}), "the end")

    async def main() -> None:
        async with opened() as runtime:
            runtime.hooks.add("tool.pre", lambda m: Rewrite({"args": ({"word": ["no", "text"]},), "kwargs": {}}))
            errors: list[Any] = []
            runtime.hooks.add("tool.error", lambda moment: errors.append(moment.value))
            agent = LlmAgent.build("a", model=script.model, tools=[note])
            result = await (await runtime.start(agent, {"prompt": "go"})).result()
            assert result.error_category is ErrorCategory.VALIDATION
            assert "note" in str(result.error)
            assert len(errors) == 1
            assert done == []

    asyncio.run(main())


# ── permissions ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "permission", "answer", "expected"),
    [
        ("plan", "edit", None, "denied"),
        ("default", "edit", True, "success"),
        ("default", "execute", "no", "denied"),
        ("acceptEdits", "edit", None, "success"),
        ("acceptEdits", "execute", "approve", "success"),
        ("bypassPermissions", "execute", None, "success"),
        ("plan", "read", None, "success"),
    ],
)
def test_permission_modes(opened: Opened, mode: str, permission: Any, answer: Any, expected: str) -> None:
    done, note = notes()
    script = Script(("note", {"word": "x"}), "done")
    agent = LlmAgent.build("a", model=script.model, tools=[llm_tool(note, permission=permission)])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"}, permission_mode=mode)
            if answer is not None:
                event = await run.rest()
                assert event.type == "run.blocked"
                assert done == []
                (question,) = event.data["waiting_for"]
                assert permission in question["reason"]
                await run.decide(question["key"], "answer", answer)
            assert (await run.result()).data == "done"
            assert outcomes(script.asked[-1]) == [expected]
            assert done == (["x"] if expected == "success" else [])

    asyncio.run(main())


def test_the_mode_may_change_while_it_runs(opened: Opened) -> None:
    done, note = notes()
    script = Script(("note", {"word": "1"}), ("note", {"word": "2"}), "done", delay=0.03)
    agent = LlmAgent.build("a", model=script.model, tools=[llm_tool(note, permission="edit")])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"}, permission_mode="plan")
            await until(lambda: len(script.asked) == 2)
            await run.change_permission_mode("acceptEdits")
            assert (await run.result()).data == "done"
            assert outcomes(script.asked[-1]) == ["denied", "success"]
            assert done == ["2"]

    asyncio.run(main())


def test_a_tool_that_needs_approval_asks_once_even_over_a_crash(opened: Opened) -> None:
    done: list[str] = []
    hold = asyncio.Event()

    async def launch(what: str) -> str:
        await hold.wait()
        done.append(what)
        return "launched"

    script = Script(("launch", {"what": "ship"}), "done")
    agent = LlmAgent.build("a", model=script.model, tools=[AiTool(launch, requires_approval=True)])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            (question,) = (await run.rest()).data["waiting_for"]
            assert "ship" in question["reason"]
            await run.decide(question["key"], "answer", "yes")
            await asyncio.sleep(0.05)
            await crash(runtime, run.id)
        hold.set()
        async with opened() as runtime:
            runtime.register(agent.as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "done"
            assert done == ["ship"]
            assert len(script.asked) == 2

    asyncio.run(main())


def test_two_tools_that_ask_at_once_are_each_answered(opened: Opened) -> None:
    done, note = notes()
    script = Script([("note", {"word": "1"}), ("note", {"word": "2"})], "done")
    agent = LlmAgent.build("a", model=script.model, tools=[llm_tool(note, permission="edit")])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            event = await run.rest()
            keys = {question["key"] for question in event.data["waiting_for"]}
            assert keys == {"a/tool:note#1.1.permission", "a/tool:note#1.2.permission"}
            await run.decide("a/tool:note#1.1.permission", "answer", "no")
            await run.decide("a/tool:note#1.2.permission", "answer", "yes")
            assert (await run.result()).data == "done"
            assert done == ["2"]
            assert sorted(outcomes(script.asked[-1])) == ["denied", "success"]

    asyncio.run(main())


# ── side by side, and unknown ────────────────────────────────────────────────────────────────────────────────────


def test_parallel_calls_get_their_own_results_back(opened: Opened) -> None:
    """The replay's calls end in another order than the first ones did."""
    started: list[str] = []
    hold = asyncio.Event()

    async def work(word: str, delay: float) -> str:
        started.append(word)
        if word == "c" and not hold.is_set():
            await asyncio.sleep(60)
        await asyncio.sleep(delay)
        return f"result of {word}"

    calls = [("work", {"word": w, "delay": d}) for w, d in (("a", 0.04), ("b", 0.0), ("c", 0.0))]
    script = Script(calls, "done")
    agent = LlmAgent.build("a", model=script.model, tools=[work])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            await asyncio.sleep(0.2)
            await crash(runtime, run.id)
        hold.set()
        async with opened() as runtime:
            runtime.register(agent.as_workflow())
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == "done"
            assert started == ["a", "b", "c", "c"]
            returns = [p for m in script.asked[-1] for p in m.parts if isinstance(p, ToolReturnPart)]
            calls_made = [p for p in script.asked[-1][1].parts if hasattr(p, "args")]
            given = {p.tool_call_id: p.content for p in returns}
            assert [given[call.tool_call_id] for call in calls_made] == [f"result of {w}" for w in "abc"]

    asyncio.run(main())


def test_an_effect_in_flight_in_a_crash_waits_for_a_person(opened: Opened) -> None:
    acted: list[str] = []

    async def send(to: str) -> str:
        acted.append(to)
        await asyncio.sleep(60 if to == "b" and acted.count("b") == 1 else 0)
        return f"sent to {to}"

    script = Script([("send", {"to": "a"}), ("send", {"to": "b"})], "done")
    agent = LlmAgent.build("a", model=script.model, tools=[llm_tool(send, effect=True)])

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            await until(lambda: "b" in acted)
            await asyncio.sleep(0.05)
            await crash(runtime, run.id)
        async with opened() as runtime:
            runtime.register(agent.as_workflow())
            (again,), _ = await runtime.recover()
            event = await again.rest()
            assert event.type == "run.blocked"
            (unknown,) = event.data["waiting_for"]
            assert unknown["key"] == "a/tool:send#1.2"
            assert acted == ["a", "b"]
            await again.decide(unknown["key"], "done", "the value did arrive")
            assert (await again.result()).data == "done"
            assert acted == ["a", "b"]
            assert "the value did arrive" in script.texts()

    asyncio.run(main())


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_breaker_of_an_agent_opens_on_outages_of_its_model(opened: Opened) -> None:
    script = Script(ModelHTTPError(500, "script"))
    agent = LlmAgent.build("a", model=script.model)

    async def main() -> None:
        options = RuntimeOptions(breaker=BreakerPolicy(failures=2, cooldown=60.0))
        async with opened(options=options) as runtime:
            for _ in range(3):
                result = await (await runtime.start(agent, {"prompt": "go"})).result()
                assert result.error_category is ErrorCategory.SERVICE_UNAVAILABLE
            assert len(script.asked) == 2

    asyncio.run(main())


def test_a_rate_limit_is_waited_out_as_long_as_the_other_side_asked(opened: Opened) -> None:
    limited = ModelHTTPError(429, "script", headers={"retry-after-ms": "200"})
    turns: list[Any] = [limited, "fine"]

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return ModelResponse(parts=[TextPart(turn)])

    agent = LlmAgent.build("a", model=FunctionModel(answer), retry=Retry(attempts=2, base=0.0))

    async def main() -> None:
        async with opened() as runtime:
            run = await runtime.start(agent, {"prompt": "go"})
            begin = time.perf_counter()
            assert (await run.result()).data == "fine"
            assert time.perf_counter() - begin >= 0.2
            (retried,) = await runtime.store.events(subject=run.id, types=("step.retried",))
            assert retried.data["delay"] == 0.2

    asyncio.run(main())
