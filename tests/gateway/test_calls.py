"""The whole path with a real provider client against a loopback server: answers, faults, fallback, money."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

from fairlead.errors import BudgetReachedError, InvalidInputError, TenantMissingError
from fairlead.events import Event
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.attribution import attribute
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.messages import GenerationRequest, Message
from fairlead.gateway.routing.verifiers import Verdict
from fairlead.store import Database
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock, joined, priced

pytestmark = pytest.mark.usefixtures("tenant")

Make = Callable[..., Gateway]
CLOUD = GenerationRequest(prompt="Write a line about the sea.", force_cloud=True, max_tokens=50)


def rows(database: Database, clock: HandClock) -> list[dict[str, Any]]:
    return list(reversed(Accounts(database, clock).calls("acme")))


async def test_an_answer_with_its_bill(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    heard: list[Event] = []
    database.bus.subscribe(heard.append, types=["model.called"])
    gateway = make_gateway(priced(server))
    with attribute(run="run_1", agent="writer", step="draft"):
        response = await gateway.generate(CLOUD)
    assert response.success, response.error_message
    assert response.content == "A short answer, word by word, of ten words or so."
    assert (response.model_used, response.model_type) == ("one:m", "cloud_one")
    usage = server.requests[0]
    assert usage["max_completion_tokens"] == 50
    assert response.usage.label == "reported"
    expected = (response.usage.input_tokens * 1.0 + response.usage.output_tokens * 2.0) / 1e6
    assert response.cost == pytest.approx(expected)
    (row,) = rows(database, clock)
    assert (row["run"], row["agent"], row["step"], row["outcome"]) == ("run_1", "writer", "draft", "ok")
    assert heard[0].data["cost"] == pytest.approx(expected)
    assert heard[0].subject == "run_1"
    await gateway.close()


async def test_messages_system_and_history_reach_the_provider(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    turns = (
        Message("system", "Be kind."),
        Message("user", "Hello"),
        Message("assistant", "Hi"),
        Message("user", "Go on."),
    )
    await gateway.generate(GenerationRequest(messages=turns, model_preference="one:m"))
    sent = [(m["role"], m["content"]) for m in server.requests[0]["messages"]]
    assert sent == [("system", "Be kind."), ("user", "Hello"), ("assistant", "Hi"), ("user", "Go on.")]
    await gateway.close()


@pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "malformed"])
async def test_what_may_pass_is_tried_again(make_gateway: Make, server: ModelServer, fault: str) -> None:
    gateway = make_gateway(priced(server))
    server.fail(fault)
    response = await gateway.generate(CLOUD)
    assert response.success, response.error_message
    assert [a.outcome for a in response.attempts] == ["failed", "ok"]
    # The SDK's own retries are off: two attempts are two requests.
    assert len(server.requests) == 2
    assert not response.fallback_used
    await gateway.close()


async def test_retry_after_is_obeyed(make_gateway: Make, server: ModelServer, clock: HandClock) -> None:
    gateway = make_gateway(priced(server))
    server.fail("429:7")
    assert (await gateway.generate(CLOUD)).success
    assert 7.0 <= sum(clock.slept) < 8.0
    await gateway.close()


@pytest.mark.parametrize("fault", ["401", "400"])
async def test_what_cannot_pass_is_not_tried_again(make_gateway: Make, server: ModelServer, fault: str) -> None:
    gateway = make_gateway(priced(server))
    server.fail_always(fault)
    response = await gateway.generate(CLOUD)
    assert not response.success
    assert len(server.requests) == 1
    assert response.error_category in ("authorization", "validation")
    assert response.cost == 0.0
    await gateway.close()


@pytest.mark.parametrize("fault", ["500", "401", "reset"])
async def test_another_provider_stands_in(
    make_gateway: Make, server: ModelServer, second: ModelServer, fault: str
) -> None:
    gateway = make_gateway(joined(priced(server, attempts=2), priced(second, "two", tier="standard", attempts=2)))
    server.fail_always(fault)
    response = await gateway.generate(CLOUD._replace(model_preference="one:m"))
    assert response.success
    assert (response.model_used, response.fallback_used) == ("two:m", True)
    refused = await gateway.generate(CLOUD._replace(model_preference="one:m", fallback_allowed=False))
    assert not refused.success
    await gateway.close()


async def test_a_dead_address_falls_back(make_gateway: Make, second: ModelServer, clock: HandClock) -> None:
    table = joined(
        priced(second, "two"), {"providers": {"gone": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}}}
    )
    table["models"]["gone:m"] = {"input_per_mtok": 1, "output_per_mtok": 1}
    gateway = make_gateway(table)
    response = await gateway.generate(CLOUD._replace(model_preference="gone:m"))
    assert response.model_used == "two:m"
    # It is not asked twice, nor waited for, when somebody else can answer.
    assert [(a.model, a.cost_nano == 0) for a in response.attempts] == [("gone:m", True), ("two:m", False)]
    assert clock.slept == []
    await gateway.close()


async def test_an_unreadable_answer_is_billed_to_who_asked(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(priced(server))
    server.fail("malformed")
    with attribute(agent="unlucky"):
        response = await gateway.generate(CLOUD)
    failed, ok = response.attempts
    assert failed.cost_nano is not None and failed.cost_nano > 0
    assert failed.usage.label == "estimated"
    assert response.cost_nano == failed.cost_nano + (ok.cost_nano or 0)
    (by,) = Accounts(database, clock).by("acme", "agent")
    assert by["agent"] == "unlucky"
    assert by["lost"] == pytest.approx(failed.cost_nano / 1e9)
    await gateway.close()


async def test_silence_ends_in_a_timeout_and_is_billed(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server, attempts=1))
    server.fail("hang:5")
    response = await gateway.generate(CLOUD._replace(timeout=0.2))
    assert not response.success
    assert response.error_category == "timeout"
    assert response.attempts[0].cost_nano
    await gateway.close()


async def test_a_cancelled_caller_is_still_accounted_for(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(priced(server))
    gateway.budgets.set("acme", "tenant", "acme", "1", period="total", cause="test")
    server.fail("hang:5")
    task = asyncio.create_task(gateway.generate(CLOUD))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if server.requests:
            break
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (row,) = rows(database, clock)
    assert (row["state"], row["outcome"]) == ("settled", "cancelled")
    assert gateway.budgets.all("acme")[0]["windows"][0]["reserved"] == 0.0
    await gateway.close()


async def test_usage_that_is_left_out_is_estimated_and_labelled(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    server.fail("no_usage")
    response = await gateway.generate(CLOUD)
    assert response.usage.label == "estimated"
    assert response.usage.input_tokens > 0 and response.usage.output_tokens > 5
    await gateway.close()


async def test_the_counter_learns_from_returned_usage(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    long = CLOUD._replace(prompt="Write about the sea. " * 60)
    for n in range(6):
        await gateway.generate(long._replace(prompt=f"{n} {long.prompt}"))
    count = gateway.counter.count("one:m", long.prompt)
    assert count.label == "calibrated"
    assert count.tokens == pytest.approx(len(long.prompt) // 4, rel=0.05)
    await gateway.close()


async def test_a_budget_refuses_before_the_server_hears_of_it(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    gateway.budgets.set("acme", "tenant", "acme", "0.00001", period="day", cause="test")
    response = await gateway.generate(CLOUD)
    assert not response.success
    assert response.error_category == "insufficient_resources"
    assert "fairlead budget set" in response.error_message
    assert server.requests == []
    await gateway.close()


async def test_a_budget_that_asks_raises(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    gateway.budgets.set("acme", "tenant", "acme", "0.00001", period="day", on_limit="ask", cause="test")
    with pytest.raises(BudgetReachedError):
        await gateway.generate(CLOUD)
    await gateway.close()


async def test_near_the_limit_only_local_models_answer(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server, quality_floor=0.65))
    question = GenerationRequest(
        prompt="Who built it?", context="The bridge is old. Ada built it in 1851.", max_tokens=50
    )
    assert (await gateway.generate(question)).model_used == "one:m"
    gateway.budgets.set("acme", "tenant", "acme", "0.0001", period="total", local_only_at=1, cause="test")
    await gateway.generate(question)
    response = await gateway.generate(question)
    assert response.model_used == "local/extractive"
    assert response.content == "Ada built it in 1851."
    assert response.cost == 0.0
    await gateway.close()


async def test_a_cost_limit_holds_for_one_request(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    assert not (await gateway.generate(CLOUD._replace(cost_limit=0.000001))).success
    assert (await gateway.generate(CLOUD._replace(cost_limit=0.01))).success
    await gateway.close()


async def test_an_unknown_price_meets_policy(make_gateway: Make, server: ModelServer) -> None:
    table = {"providers": {"one": {"kind": "openai", "base_url": server.url}}, "models": {"one:m": {}}}
    gateway = make_gateway(table)
    unknown = await gateway.generate(CLOUD)
    assert unknown.success
    assert unknown.cost is None
    gateway.budgets.set("acme", "tenant", "acme", "1", period="day", cause="test")
    refused = await gateway.generate(CLOUD)
    assert not refused.success and "price is unknown" in refused.error_message
    allowed = make_gateway({**table, "policy": {"unknown_price": "ceiling", "ceiling_per_mtok": 50}})
    assert (await allowed.generate(CLOUD)).success
    (window,) = allowed.budgets.all("acme")[0]["windows"]
    assert window["spent"] > 0
    await gateway.close()
    await allowed.close()


async def test_a_rejected_answer_escalates_and_is_billed(
    make_gateway: Make, server: ModelServer, second: ModelServer, database: Database
) -> None:
    gateway = make_gateway(joined(priced(server), priced(second, "two", tier="premium")))
    response = await gateway.generate(
        CLOUD._replace(model_preference="one:m"),
        verifier=lambda request, content: Verdict("second" in content, "it is not the second"),
    )
    assert response.content == "The second server says this."
    assert [a.outcome for a in response.attempts] == ["rejected", "ok"]
    assert response.attempts[0].cost_nano
    # What was turned down counts against the model.
    await database.write(lambda tx: None)
    assert gateway.knowledge._table("acme") is not None
    fresh = make_gateway(joined(priced(server), priced(second, "two", tier="premium")))
    assert fresh.knowledge.posterior("acme", "write", fresh.catalogue.get("one:m")).losses > 1.2
    await gateway.close()


async def test_a_schema_is_checked(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    response = await gateway.generate(CLOUD._replace(schema={"type": "object", "required": ["a"]}))
    assert not response.success
    assert "not JSON" in response.error_message
    await gateway.close()


async def test_the_breaker_opens_and_lets_one_probe_through(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    heard: list[str] = []
    database.bus.subscribe(
        lambda e: heard.append(e.type), types=["breaker.opened", "breaker.half_opened", "breaker.closed"]
    )
    gateway = make_gateway(priced(server, attempts=1))
    server.fail_always("500")
    for _ in range(5):
        await gateway.generate(CLOUD)
    before = len(server.requests)
    response = await gateway.generate(CLOUD)
    assert not response.success and "breaker" in response.error_message
    assert len(server.requests) == before
    server.fail_always("")
    clock.advance(31)
    assert (await gateway.generate(CLOUD)).success
    await database.write(lambda tx: None)
    await asyncio.sleep(0.05)
    assert heard == ["breaker.opened", "breaker.half_opened", "breaker.closed"]
    await gateway.close()


async def test_requests_that_cannot_be_used_are_refused(make_gateway: Make) -> None:
    gateway = make_gateway()
    for bad in (
        GenerationRequest(prompt="  "),
        GenerationRequest(prompt="x", force_local=True, force_cloud=True),
        GenerationRequest(prompt="x", max_tokens=0),
        GenerationRequest(prompt="x", temperature=3),
        GenerationRequest(prompt="x", quality_floor=2),
        GenerationRequest(prompt="x", cost_limit=-1),
        GenerationRequest(messages=(Message("robot", "x"),)),
    ):
        with pytest.raises(InvalidInputError):
            await gateway.generate(bad)


async def test_parallel_agents_are_accounted_for_as_a_tree(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(priced(server))

    async def helper(name: str) -> None:
        with attribute(agent=name):
            await gateway.generate(CLOUD._replace(prompt=f"Write a line for {name}."))

    with attribute(epic="e1", run="run_1", agent="lead"):
        await asyncio.gather(*(helper(f"helper-{n}") for n in range(5)))
        await gateway.generate(CLOUD)
    tree = Accounts(database, clock).tree("acme")
    assert tree["calls"] == 6
    (epic,) = tree["children"]
    (run,) = epic["children"]
    (lead,) = run["children"]
    assert [epic["name"], run["name"], lead["name"], lead["calls"]] == ["e1", "run_1", "lead", 6]
    assert sorted(c["name"] for c in lead["children"]) == [f"helper-{n}" for n in range(5)]
    assert sum(c["cost"] for c in lead["children"]) < lead["cost"] == pytest.approx(tree["cost"])
    await gateway.close()


async def test_servers_of_ones_own_are_told_the_limit_in_the_older_word(
    make_gateway: Make, server: ModelServer
) -> None:
    table = priced(server)
    table["providers"]["one"]["local"] = True
    gateway = make_gateway({**table, "models": {"one:m": {}}})
    response = await gateway.generate(CLOUD._replace(force_cloud=False))
    assert (response.model_type, response.cost) == ("local_opensource", 0.0)
    assert server.requests[0]["max_tokens"] == 50
    assert "max_completion_tokens" not in server.requests[0]
    await gateway.close()


async def test_one_gateway_serves_one_loop_after_another(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))

    async def once() -> bool:
        try:
            return (await gateway.generate(CLOUD)).success
        finally:
            await gateway.close()

    context = contextvars.copy_context()
    for _ in range(3):
        assert await asyncio.to_thread(context.copy().run, asyncio.run, once())
    await gateway.close()


async def test_several_samples_are_one_attempt_with_the_bill_of_all(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    single = await gateway.generate(CLOUD)
    response = await gateway.generate(CLOUD._replace(samples=3))
    assert response.success and len(server.requests) == 4
    assert response.usage.output_tokens == 3 * single.usage.output_tokens
    assert len(response.attempts) == 1
    server.fail("", "401")
    assert not (await gateway.generate(CLOUD._replace(samples=3, fallback_allowed=False))).success
    await gateway.close()


async def test_unlikely_tokens_turn_an_answer_down(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    # The server's tokens have a probability of exp(-0.1), about 0.905.
    assert (await gateway.generate(CLOUD._replace(least_probability=0.85))).success
    assert server.requests[0]["logprobs"] is True
    refused = await gateway.generate(CLOUD._replace(least_probability=0.95))
    assert not refused.success and "probability" in refused.error_message
    await gateway.close()


async def test_a_hedge_asks_a_second_model_when_the_first_is_slow(
    make_gateway: Make, server: ModelServer, second: ModelServer
) -> None:
    gateway = make_gateway(joined(priced(second, "two"), priced(server, hedge_after=0.1)))
    server.fail("hang:5")
    response = await gateway.generate(CLOUD._replace(model_preference="one:m"))
    assert response.content == "The second server says this."
    assert sorted(a.outcome for a in response.attempts) == ["cancelled", "ok"]
    # The call that was given up had been sent, so it is on the bill.
    assert all(a.cost_nano for a in response.attempts)
    quick = await gateway.generate(CLOUD._replace(model_preference="one:m"))
    assert quick.model_used == "one:m" and len(quick.attempts) == 1
    await gateway.close()


async def test_a_context_is_shortened_and_the_answer_kept_brief(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    context = " ".join(f"Sentence number {n} speaks about topic {n % 9} and nothing else." for n in range(60))
    request = CLOUD._replace(prompt="What speaks about topic 4?", context=context, task_type="answer", compress=True)
    response = await gateway.generate(request._replace(max_tokens=900))
    assert response.tokens_saved > 300
    sent = server.requests[0]
    assert len(sent["messages"][0]["content"]) < 0.5 * len(context)
    assert sent["messages"][0]["content"].endswith("Answer in one or two sentences.")
    assert sent["max_completion_tokens"] < 900
    assert gateway.shortener.original(response.shortened.handle) == context
    assert response.to_dict()["shortened"]["dropped"]
    await gateway.close()


async def test_calibrations_outlive_the_process(make_gateway: Make, server: ModelServer, database: Database) -> None:
    gateway = make_gateway(priced(server))
    for n in range(5):
        await gateway.generate(CLOUD._replace(prompt=f"{n} " + "Write about the sea. " * 60))
    await database.write(lambda tx: None)
    fresh = make_gateway(priced(server))
    fresh.route(CLOUD)
    assert fresh.counter.count("one:m", "Write about the sea.").label == "calibrated"
    await gateway.close()


async def test_the_real_model_answers_with_exact_usage(
    make_gateway: Make, story_server: ModelServer, stories: Any
) -> None:
    gateway = make_gateway(priced(story_server))
    response = await gateway.generate(
        GenerationRequest(prompt="Once upon a time", model_preference="one:m", max_tokens=20)
    )
    assert "there was a little girl named Lily" in response.content
    assert response.usage.input_tokens == len(stories.encode("Once upon a time"))
    assert response.usage.output_tokens == 20
    await gateway.close()


def test_a_call_without_a_tenant_is_refused(make_gateway: Make) -> None:
    gateway = make_gateway()
    with pytest.raises(TenantMissingError):
        contextvars.Context().run(lambda: asyncio.run(gateway.generate(CLOUD)))
