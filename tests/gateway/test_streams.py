"""Streaming: text as it comes, no fallback after the first chunk, and a bill for what came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairlead.errors import BudgetError, FairleadError
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.messages import GenerationRequest
from fairlead.store import Database
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock, joined, priced

pytestmark = pytest.mark.usefixtures("tenant")

Make = Callable[..., Gateway]
ASK = GenerationRequest(prompt="Write a line.", force_cloud=True, max_tokens=50)


async def test_chunks_come_one_by_one_and_are_billed(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    async with gateway.stream(ASK) as flow:
        chunks = [chunk async for chunk in flow]
    assert len(chunks) > 5
    assert flow.response is not None
    assert "".join(chunks) == flow.response.content == "A short answer, word by word, of ten words or so."
    assert flow.response.usage.label == "reported"
    assert flow.response.cost
    await gateway.close()


@pytest.mark.parametrize("fault", ["500", "reset", "429"])
async def test_before_the_first_chunk_it_falls_back(
    make_gateway: Make, server: ModelServer, second: ModelServer, fault: str
) -> None:
    gateway = make_gateway(joined(priced(server, attempts=1), priced(second, "two", attempts=1)))
    server.fail_always(fault)
    async with gateway.stream(ASK._replace(model_preference="one:m")) as flow:
        text = "".join([chunk async for chunk in flow])
    assert text == "The second server says this."
    assert flow.response is not None and flow.response.fallback_used
    await gateway.close()


async def test_after_the_first_chunk_nothing_is_hidden(
    make_gateway: Make, server: ModelServer, second: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(joined(priced(server), priced(second, "two")))
    server.fail("truncate")
    seen: list[str] = []
    with pytest.raises(FairleadError):
        async with gateway.stream(ASK._replace(model_preference="one:m")) as flow:
            async for chunk in flow:
                seen.append(chunk)
    assert "".join(seen) == "A short answer, word"
    assert second.requests == []
    (row,) = Accounts(database, clock).calls("acme")
    assert row["outcome"] == "failed"
    # Half an answer was paid for.
    assert row["output_tokens"] >= 3 and row["cost"] > 0
    await gateway.close()


async def test_a_reader_that_leaves_pays_for_what_came(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(priced(server))

    class EnoughError(Exception):
        pass

    with pytest.raises(EnoughError):
        async with gateway.stream(ASK) as flow:
            async for _ in flow:
                raise EnoughError
    (row,) = Accounts(database, clock).calls("acme")
    assert row["state"] == "settled"
    assert row["cost"] > 0
    await gateway.close()


async def test_budgets_hold_for_streams(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server))
    gateway.budgets.set("acme", "tenant", "acme", "0.00001", period="day", cause="test")
    with pytest.raises(BudgetError):
        async with gateway.stream(ASK):
            raise AssertionError("the stream was opened")
    assert server.requests == []
    await gateway.close()


async def test_the_local_tier_streams(make_gateway: Make) -> None:
    gateway = make_gateway()
    request = GenerationRequest(prompt="What did Ada do?", context="Ada wrote the first program. It was long.")
    async with gateway.stream(request) as flow:
        text = "".join([chunk async for chunk in flow])
    assert text == "Ada wrote the first program."
    assert flow.response is not None and flow.response.cost == 0.0


async def test_the_real_model_streams(make_gateway: Make, story_server: ModelServer) -> None:
    gateway = make_gateway(priced(story_server))
    async with gateway.stream(ASK._replace(prompt="Once upon a time", max_tokens=12)) as flow:
        chunks = [chunk async for chunk in flow]
    assert len(chunks) == 12
    assert flow.response is not None and flow.response.usage.output_tokens == 12
    await gateway.close()
