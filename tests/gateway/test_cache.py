"""Kept answers: the same question costs once, near ones only where that is safe."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fairlead.gateway.accounts import Accounts
from fairlead.gateway.attribution import require_attribution
from fairlead.gateway.cache import decisive_words, embed
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.messages import GenerationRequest
from fairlead.store import Database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock, priced

Make = Callable[..., Gateway]
ASK = GenerationRequest(
    prompt="What is the capital of France?", model_preference="one:m", temperature=0.0, task_type="answer"
)


@pytest.mark.usefixtures("tenant")
async def test_the_same_request_is_paid_for_once(
    make_gateway: Make, server: ModelServer, database: Database, clock: HandClock
) -> None:
    gateway = make_gateway(priced(server))
    first = await gateway.generate(ASK)
    second = await gateway.generate(ASK)
    assert (first.cached, second.cached) == ("", "exact")
    assert second.content == first.content
    assert second.cost == 0.0
    assert len(server.requests) == 1
    await database.write(lambda tx: None)
    stats = gateway.cache.statistics(require_attribution())
    (row,) = stats
    assert (row["exact"], row["missed"], row["hit_rate"]) == (1, 1, 0.5)
    assert row["saved"] == pytest.approx(first.cost)
    assert Accounts(database, clock).by("acme", "outcome")[-1]["outcome"] == "cached"
    await gateway.close()


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(
    "changed",
    [{"temperature": 0.5}, {"max_tokens": 5}, {"context": "Another text."}, {"labels": ("a", "b")}, {"seed": 3}],
)
async def test_whatever_determines_the_answer_is_part_of_the_key(
    make_gateway: Make, server: ModelServer, changed: dict[str, object]
) -> None:
    gateway = make_gateway(priced(server))
    await gateway.generate(ASK)
    assert (await gateway.generate(ASK._replace(**changed))).cached == ""
    await gateway.close()


@pytest.mark.usefixtures("tenant")
async def test_answers_that_are_meant_to_vary_are_not_kept_unless_asked(
    make_gateway: Make, server: ModelServer
) -> None:
    gateway = make_gateway(priced(server))
    warm = ASK._replace(temperature=0.9)
    await gateway.generate(warm)
    assert (await gateway.generate(warm)).cached == ""
    asked = warm._replace(cache="exact")
    await gateway.generate(asked)
    assert (await gateway.generate(asked)).cached == "exact"
    await gateway.close()


@pytest.mark.usefixtures("tenant")
async def test_near_questions_share_an_answer_only_when_nothing_decisive_differs(
    make_gateway: Make, server: ModelServer
) -> None:
    gateway = make_gateway(priced(server, cache="semantic"))
    ask = ASK._replace(prompt="what is the opening time of the city library in winter")
    await gateway.generate(ask)
    near = await gateway.generate(ask._replace(prompt="what are the opening times of the city library in winter?"))
    assert near.cached == "semantic"
    for other in (
        "what is the opening time of the city library in winter 2024",
        "what is the opening time of the city library not in winter",
        "what is the opening time of the city Museum in winter",
        "how many books does the library own",
    ):
        assert (await gateway.generate(ask._replace(prompt=other))).cached == "", other
    await gateway.close()


async def test_tenants_and_time_keep_answers_apart(make_gateway: Make, server: ModelServer, clock: HandClock) -> None:
    gateway = make_gateway(priced(server, cache_ttl=60.0))
    with use_tenant(make_tenant("acme")):
        await gateway.generate(ASK)
    with use_tenant(make_tenant("rival")):
        assert (await gateway.generate(ASK)).cached == ""
    with use_tenant(make_tenant("acme", "other")):
        assert (await gateway.generate(ASK)).cached == ""
    with use_tenant(make_tenant("acme")):
        assert (await gateway.generate(ASK)).cached == "exact"
        clock.advance(61)
        assert (await gateway.generate(ASK)).cached == ""
        assert gateway.cache.forget(require_attribution()) == 1
    await gateway.close()


def test_failures_and_vectors() -> None:
    a, b = embed("the opening times of the library"), embed("opening time of the libraries")
    assert float(a @ b) > 0.75 > float(a @ embed("a recipe for onion soup"))
    assert decisive_words("Is 5 more than 4?") == {"5", "4"}
    assert decisive_words("The trip before Paris") != decisive_words("The trip after Paris")


@pytest.mark.usefixtures("tenant")
async def test_failed_answers_are_not_kept(make_gateway: Make, server: ModelServer) -> None:
    gateway = make_gateway(priced(server, attempts=1))
    server.fail("500")
    assert not (await gateway.generate(ASK)).success
    assert (await gateway.generate(ASK)).cached == ""
    await gateway.close()
