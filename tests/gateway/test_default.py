"""In an opened Fairlead every model request of every agent is routed, priced, budgeted and accounted for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic_ai import Agent as AiAgent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentedModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel as CannedModel
from pydantic_ai.providers.openai import OpenAIProvider

import fairlead
from fairlead.agents.llm import LlmAgent
from fairlead.app import Fairlead
from fairlead.errors import BudgetError, NotFoundError, RefusedError
from fairlead.gateway import GatewayModel, parse_config
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.catalogue import Catalogue
from fairlead.gateway.present import present_gateway
from fairlead.gateway.providers.metered import metered
from fairlead.runtime import BreakerPolicy, Retry
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock

PRICED = '[models."one:m"]\ninput_per_mtok = 1.0\noutput_per_mtok = 2.0\ntier = "cheap"\n'
SAYS = "A short answer, word by word, of ten words or so."


@asynccontextmanager
async def opened(
    home: Path, server: ModelServer | None = None, policy: str = "", models: str = PRICED, **options: Any
) -> AsyncIterator[Any]:
    """An opened Fairlead whose configuration names two servers, `one` and `bare`, and a priced model of the first."""
    if server is not None:
        home.joinpath("gateway.toml").write_text(
            f'[policy]\nshadow_share = 0.0\n{policy}\n[providers.one]\nkind = "openai"\nbase_url = "{server.url}"\n'
            f'[providers.bare]\nkind = "openai"\nbase_url = "{server.url}"\n'
            f"{models}"
        )
    async with fairlead.open(home=str(home), **options) as lead:
        yield lead


def calls(lead: Fairlead) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Accounts(lead.database, lead.clock).calls("local")
    return found


async def outcome(lead: Fairlead, agent: LlmAgent, prompt: str = "Say something.") -> Any:
    run = await lead.start(agent, {"prompt": prompt})
    return run, await run.result()


def answering(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    return ModelResponse(parts=[TextPart("by hand")])


# ── models named by their names ──────────────────────────────────────────────────────────────────────────────


async def test_an_agent_with_a_models_name_is_billed_to_agent_run_and_step(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server) as lead:
        run, result = await outcome(lead, LlmAgent.build("writer", model="one:m"))
        assert (result.success, result.data) == (True, SAYS)
        (row,) = calls(lead)
        assert (row["agent"], row["run"], row["step"]) == ("writer", run.id, "writer")
        assert row["cost"] > 0
        (step,) = (r for r in await lead.store.journal(run.id) if r.key == "writer")
        usage = orjson.loads(step.metadata or "{}")["usage"]
        assert usage["cost_usd"] == pytest.approx(row["cost"]), "the run's own usage says what the ledger says"


async def test_a_budget_refuses_before_the_call(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server) as lead:
        lead.gateway.budgets.set("local", "agent", "writer", "0.00001", period="day", cause="test")
        _, result = await outcome(lead, LlmAgent.build("writer", model="one:m"))
        assert not result.success
        assert "budget agent 'writer' per day" in result.error
        assert server.requests == []


async def test_a_budget_that_asks_pauses_the_run_until_a_person_has_decided(
    tmp_path: Path, server: ModelServer
) -> None:
    async with opened(tmp_path, server) as lead:
        lead.gateway.budgets.set("local", "run", "*", "0.00001", period="total", on_limit="ask", cause="test")
        run = await lead.start(LlmAgent.build("writer", model="one:m"), {"prompt": "Say something."})
        event = await run.rest()
        assert event.type == "run.blocked"
        (question,) = event.data["waiting_for"]
        assert "Try again?" in question["reason"]
        assert server.requests == []
        lead.gateway.budgets.set("local", "run", "*", "5", period="total", on_limit="ask", cause="test")
        await run.decide(question["key"], "answer", "yes")
        assert (await run.result()).data == SAYS
        assert len(server.requests) == 1


async def test_an_answer_of_no_ends_the_run(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server) as lead:
        lead.gateway.budgets.set("local", "run", "*", "0.00001", period="total", on_limit="ask", cause="test")
        run = await lead.start(LlmAgent.build("writer", model="one:m"), {"prompt": "Say something."})
        event = await run.rest()
        await run.decide(event.data["waiting_for"][0]["key"], "answer", "no")
        result = await run.result()
        assert not result.success and "budget run" in result.error
        assert server.requests == []


async def test_an_unlisted_model_without_a_price_is_refused_where_a_budget_applies(
    tmp_path: Path, server: ModelServer
) -> None:
    async with opened(tmp_path, server, models="") as lead:
        agent = LlmAgent.build("writer", model="bare:unlisted")
        _, free = await outcome(lead, agent)
        assert free.data == SAYS
        assert calls(lead)[0]["cost"] is None, "unknown is not nothing"
        lead.gateway.budgets.set("local", "tenant", "local", "10", period="day", cause="test")
        _, refused = await outcome(lead, LlmAgent.build("writer", model="bare:unlisted"))
        assert not refused.success
        assert "price is unknown" in refused.error
        assert len(server.requests) == 1


async def test_policy_may_reserve_a_ceiling_instead(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server, 'unknown_price = "ceiling"', models="") as lead:
        lead.gateway.budgets.set("local", "tenant", "local", "10", period="day", cause="test")
        _, result = await outcome(lead, LlmAgent.build("writer", model="bare:unlisted"))
        assert result.data == SAYS
        (standing,) = lead.gateway.budgets.all("local")
        assert standing["windows"][0]["spent"] > 0, "what was reserved is charged, because nobody knows better"


async def test_an_agent_without_a_model_leaves_the_choice_to_the_router(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server) as lead:
        _, written = await outcome(lead, LlmAgent.build("any"), "Write a poem about the sea.")
        assert written.data == SAYS
        text = "Bees make honey. Bees live in hives. Bees feed on flowers. Honey is sweet."
        _, summed = await outcome(lead, LlmAgent.build("any2"), f"Summarise:\n\n{text}")
        assert summed.data.split(". ")[0].strip(".") in text
        assert [row["model"] for row in calls(lead)].count("local/extractive") == 1


async def test_what_picks_sentences_does_not_stand_in_for_a_named_model(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server, "attempts = 1") as lead:
        server.fail_always("500")
        _, result = await outcome(lead, LlmAgent.build("sums", model="one:m"), "Summarise:\n\nBees make honey. Yes.")
        assert not result.success


@pytest.mark.parametrize("name", ["no-provider", "nobody:knows"])
async def test_a_name_that_nobody_could_answer_to_fails_the_run_with_a_remedy(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path) as lead:
        _, result = await outcome(lead, LlmAgent.build("lost", model=name))
        assert not result.success
        assert name in result.error


async def test_a_vendors_model_without_its_key_is_refused_and_says_which(tmp_path: Path) -> None:
    async with opened(tmp_path) as lead:
        _, result = await outcome(lead, LlmAgent.build("keyless", model="openai:gpt-4o"))
        assert not result.success
        assert "OPENAI_API_KEY" in result.error


async def test_a_change_to_a_model_that_cannot_be_asked_changes_nothing(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server) as lead:

        async def look(word: str) -> str:
            await run.change_model("nobody:knows")
            return "seen"

        def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            if not any(isinstance(m, ModelResponse) for m in messages):
                return ModelResponse(parts=[ToolCallPart("look", {"word": "x"})])
            return ModelResponse(parts=[TextPart("done")])

        run = await lead.start(LlmAgent.build("steady", model=FunctionModel(answer), tools=[look]), {"prompt": "go"})
        assert (await run.result()).data == "done"
        events = await lead.store.events(subject=run.id)
        assert any(e.type == "model.failed" and e.data.get("name") == "nobody:knows" for e in events)


# ── models that somebody brings ──────────────────────────────────────────────────────────────────────────────


async def test_a_canned_model_is_accounted_for_at_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as lead:
        lead.gateway.budgets.set("local", "tenant", "local", "0.01", period="day", cause="test")
        run, result = await outcome(lead, LlmAgent.build("canned", model=CannedModel(custom_output_text="hello")))
        assert result.data == "hello"
        (row,) = calls(lead)
        assert (row["model"], row["cost"], row["run"]) == ("test:test", 0.0, run.id)


async def test_what_a_function_costs_is_unknown_until_it_is_stated(tmp_path: Path) -> None:
    async with opened(tmp_path) as lead:
        agent = LlmAgent.build("hand", model=FunctionModel(answering, model_name="hand"))
        assert (await outcome(lead, agent))[1].data == "by hand"
        assert [(row["model"], row["cost"]) for row in calls(lead)] == [("function:hand", None)]
        lead.gateway.budgets.set("local", "tenant", "local", "10", period="day", cause="test")
        _, refused = await outcome(lead, agent)
        assert not refused.success and "price is unknown" in refused.error
    tmp_path.joinpath("gateway.toml").write_text(
        '[models."function:hand"]\ninput_per_mtok = 0\noutput_per_mtok = 0\ntier = "local"\n'
    )
    async with opened(tmp_path) as lead:
        assert (await outcome(lead, agent))[1].data == "by hand"


async def test_a_client_of_somebodys_own_is_held_to_the_budget(tmp_path: Path, server: ModelServer) -> None:
    model = OpenAIChatModel("gpt-4o", provider=OpenAIProvider(base_url=server.url, api_key="none"))
    async with opened(tmp_path) as lead:
        async with model:
            assert (await outcome(lead, LlmAgent.build("own", model=model)))[1].data == SAYS
        (row,) = calls(lead)
        assert row["model"] == "openai@127.0.0.1:gpt-4o"
        assert row["cost"] is None, "another server than the vendor's may ask another price"
        lead.gateway.budgets.set("local", "agent", "own", "10", period="day", cause="test")
        assert not (await outcome(lead, LlmAgent.build("own", model=model)))[1].success
        assert len(server.requests) == 1


async def test_a_streamed_answer_is_accounted_for(tmp_path: Path, server: ModelServer) -> None:
    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=server.url, api_key="none"))
    async with opened(tmp_path) as lead, model:
        assert (await outcome(lead, LlmAgent.build("own", model=model, stream=True)))[1].data == SAYS
        assert [row["outcome"] for row in calls(lead)] == ["ok"]


async def test_a_finished_agent_called_outside_of_a_step_is_accounted_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as lead:
        agent = LlmAgent(AiAgent(CannedModel(custom_output_text="plain"), name="plain"))
        assert await agent("go") == "plain"
        (row,) = calls(lead)
        assert (row["agent"], row["run"]) == ("plain", "")
    assert present_gateway() is None


async def test_failures_of_a_brought_model_are_its_own_and_every_attempt_is_written_down(tmp_path: Path) -> None:
    failures = 2

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        nonlocal failures
        if failures:
            failures -= 1
            raise ModelHTTPError(503, "hand")
        return ModelResponse(parts=[TextPart("at last")])

    async with opened(tmp_path) as lead:
        agent = LlmAgent.build("patient", model=FunctionModel(answer), retry=Retry(attempts=3, base=0.0))
        assert (await outcome(lead, agent))[1].data == "at last"
        assert sorted(row["outcome"] for row in calls(lead)) == ["failed", "failed", "ok"]
        broken = LlmAgent.build("broken", model=FunctionModel(lambda m, i: 1 / 0))  # type: ignore[arg-type,return-value]
        assert "division by zero" in (await outcome(lead, broken))[1].error


async def test_each_model_of_a_chain_is_accounted_for_by_itself(tmp_path: Path) -> None:
    def down(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(503, "down")

    chain = FallbackModel(FunctionModel(down, model_name="down"), CannedModel(custom_output_text="stood in"))
    async with opened(tmp_path) as lead:
        assert (await outcome(lead, LlmAgent.build("chain", model=chain)))[1].data == "stood in"
        assert sorted((row["model"], row["outcome"]) for row in calls(lead)) == [
            ("function:down", "failed"),
            ("test:test", "ok"),
        ]


async def test_nothing_is_metered_twice(make_gateway: Any) -> None:
    gateway = make_gateway()
    for model in (
        GatewayModel(gateway),
        metered(gateway, CannedModel()),
        InstrumentedModel(GatewayModel(gateway)),
        FallbackModel(GatewayModel(gateway), GatewayModel(gateway)),
    ):
        assert metered(gateway, model) is model


async def test_two_applications_each_meter_their_own(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    model: Model = CannedModel(custom_output_text="hi")
    async with opened(one) as first, opened(two) as second:
        await outcome(first, LlmAgent.build("a", model=model))
        await outcome(second, LlmAgent.build("b", model=model))
        assert [row["agent"] for row in calls(first)] == ["a"]
        assert [row["agent"] for row in calls(second)] == ["b"]


# ── the pieces ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_is_required_by_name(make_gateway: Any) -> None:
    gateway = make_gateway()
    with pytest.raises(NotFoundError):
        gateway.require("nobody:knows")
    with pytest.raises(RefusedError, match="OPENAI_API_KEY is not set"):
        gateway.require("openai:gpt-4o")
    assert gateway.require("local/extractive").local
    # Another model that can be asked stands in.
    pool = {"providers": {"one": {"kind": "openai", "base_url": "http://127.0.0.1:9"}}, "models": {"one:m": {}}}
    assert make_gateway(pool).require("openai:gpt-4o").id == "openai:gpt-4o"


def test_a_brought_client_is_known_by_where_it_calls(clock: HandClock) -> None:
    catalogue = Catalogue(parse_config({}), clock)
    vendors = catalogue.brought("openai", "gpt-4o", "https://api.openai.com/v1/")
    assert vendors.id == "openai:gpt-4o" and vendors.price is not None
    elsewhere = catalogue.brought("openai", "gpt-4o", "http://localhost:8000/v1")
    assert elsewhere.id == "openai@localhost:gpt-4o" and elsewhere.price is None
    assert catalogue.get(elsewhere.id) is elsewhere


# ── policies given to the composition ────────────────────────────────────────────────────────────────────────


async def test_middleware_and_the_breakers_policy_are_given_to_open(tmp_path: Path) -> None:
    wrapped: list[str] = []

    class Seen:
        def wrap(self, node: Any, agent: str | None, call: Any) -> Any:
            wrapped.append(node.name)
            return call

    asked = 0

    def down(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        nonlocal asked
        asked += 1
        raise ModelHTTPError(503, "down")

    async with opened(tmp_path, middleware=[Seen()], breaker=BreakerPolicy(failures=2, cooldown=60)) as lead:
        agent = LlmAgent.build("frail", model=FunctionModel(down))
        for _ in range(4):
            _, result = await outcome(lead, agent)
        assert asked == 2
        assert "circuit breaker of agent 'frail' is open" in result.error
    assert "frail" in wrapped


async def test_a_budget_error_outside_of_a_step_is_raised(tmp_path: Path, server: ModelServer) -> None:
    async with opened(tmp_path, server) as lead:
        lead.gateway.budgets.set("local", "agent", "*", "0.00001", period="day", cause="test")
        with pytest.raises(BudgetError):
            await LlmAgent.build("writer", model="one:m")("Say something.")
        assert server.requests == []
