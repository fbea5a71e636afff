"""Agents of pydantic-ai through the gateway."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic_ai import Agent

from fairlead.errors import BudgetError, RefusedError
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.attribution import attribute
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.providers.model import GatewayModel
from fairlead.store import Database
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock, joined, priced

pytestmark = pytest.mark.usefixtures("tenant")

Make = Callable[..., Gateway]


async def test_an_agents_request_is_accounted_for(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(priced(server))
    agent = Agent(GatewayModel(gateway, "one:m"), instructions="Be brief.")
    with attribute(run="run_9", agent="helper"):
        result = await agent.run("Say something.")
    assert result.output == "A short answer, word by word, of ten words or so."
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    (row,) = Accounts(database, clock).calls("acme", run="run_9")
    assert row["agent"] == "helper" and row["cost"] > 0
    await gateway.close()


async def test_an_agent_falls_back(make_gateway: Make, server: ModelServer, second: ModelServer) -> None:
    gateway = make_gateway(joined(priced(server, attempts=1), priced(second, "two", attempts=1)))
    server.fail_always("500")
    result = await Agent(GatewayModel(gateway, "one:m")).run("Say something.")
    assert result.output == "The second server says this."
    await gateway.close()


async def test_an_agent_streams(make_gateway: Make, server: ModelServer, database: Database, clock: HandClock) -> None:
    gateway = make_gateway(priced(server))
    async with Agent(GatewayModel(gateway, "one:m")).run_stream("Go.") as run:
        pieces = [piece async for piece in run.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == "A short answer, word by word, of ten words or so."
    (row,) = Accounts(database, clock).calls("acme")
    assert (row["outcome"], row["usage_label"]) == ("ok", "reported")
    await gateway.close()


async def test_a_budget_stops_an_agent(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    gateway.budgets.set("acme", "agent", "*", "0.00001", period="day", cause="test")
    with attribute(agent="spender"), pytest.raises(BudgetError, match="agent 'spender'"):
        await Agent(GatewayModel(gateway, "one:m")).run("Say something.")
    assert server.requests == []
    await gateway.close()


async def test_an_agent_with_tools_is_not_sent_to_a_model_without(make_gateway: Make) -> None:
    agent = Agent(GatewayModel(make_gateway()))

    @agent.tool_plain
    def weather(city: str) -> str:
        """The weather."""
        return "sunny"

    with pytest.raises(RefusedError):
        await agent.run("Summarise the weather in Bonn.")


async def test_without_any_provider_an_agent_summarises(make_gateway: Make) -> None:
    text = "Bees make honey. Bees live in hives. Bees feed on flowers. The weather was fine. Honey is sweet."
    result = await Agent(GatewayModel(make_gateway())).run(f"Summarise:\n\n{text}")
    assert result.output
    assert all(s.strip() in text for s in result.output.split(". "))
