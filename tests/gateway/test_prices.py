"""Prices: exact sums, agreement with the price book, and unknown that stays unknown."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as BookUsage
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.gateway.catalogue import EXTRACTIVE, Catalogue
from fairlead.gateway.config import parse_config
from fairlead.gateway.prices import NANO, Price, Rates, Usage, to_nano
from tests.gateway.support import HandClock

NOW = 1_795_000_000.0


def catalogue(**table: object) -> Catalogue:
    return Catalogue(parse_config(table), HandClock(NOW))


@pytest.mark.parametrize(
    "model", ["openai:gpt-4o", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-pro", "mistral:mistral-large-latest"]
)
@given(
    fresh=st.integers(0, 400_000),
    cached=st.integers(0, 100_000),
    written=st.integers(0, 10_000),
    out=st.integers(0, 50_000),
)
@settings(max_examples=15, deadline=None)
def test_cost_agrees_with_the_price_book(model: str, fresh: int, cached: int, written: int, out: int) -> None:
    info = catalogue().get(model)
    assert info.price is not None
    usage = Usage(fresh + cached + written, cached, written, out)
    provider, name = model.split(":")
    book_provider, book_model = get_snapshot().find_provider_model(name, None, provider, None)
    prices = book_model.get_prices(datetime.fromtimestamp(NOW, UTC))
    kinds = {"input_tokens": usage.input_tokens, "output_tokens": out}
    if prices.cache_read_mtok is not None:
        kinds["cache_read_tokens"] = cached
    if prices.cache_write_mtok is not None:
        kinds["cache_write_tokens"] = written
    expected = prices.calc_price(BookUsage(**kinds))["total_price"] * NANO
    assert book_provider.id
    assert abs(Decimal(info.price.cost(usage)) - expected) <= 1


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 10**11)
)
@settings(deadline=None)
def test_no_split_of_the_same_tokens_costs_more_than_the_ceiling(
    fresh: int, cached: int, written: int, out: int, rate: int
) -> None:
    price = Price(
        "known",
        Rates(rate, 4 * rate, rate // 10, rate * 5 // 4),
        ((200_000, Rates(2 * rate, 6 * rate, rate // 5, 5 * rate // 2)),),
        "test",
        "",
    )
    usage = Usage(fresh + cached + written, cached, written, out)
    assert price.cost(usage) <= price.ceiling(usage.input_tokens, out)


def test_a_long_context_is_priced_by_its_tier() -> None:
    price = catalogue().get("google:gemini-2.5-pro").price
    assert price is not None and price.tiers
    start = price.tiers[0][0]
    below, above = price.cost(Usage(start)), price.cost(Usage(start + 1))
    assert above > 1.5 * below


def test_an_unknown_price_is_a_state_and_never_zero() -> None:
    info = catalogue().get("openai:a-model-nobody-has-heard-of")
    assert info.price is None
    assert info.price_state == "unknown"
    assert info.to_dict()["price"] == {"state": "unknown"}
    # What nobody knows the price of may be dear.
    assert info.tier == "premium"


def test_a_server_of_ones_own_does_not_inherit_a_vendors_price() -> None:
    found = catalogue(providers={"mine": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}}).get("mine:gpt-4o")
    assert found.price is None


def test_an_override_beats_the_book_and_says_where_it_comes_from() -> None:
    info = catalogue(models={"openai:gpt-4o": {"input_per_mtok": 0.5, "output_per_mtok": 1.5}}).get("openai:gpt-4o")
    assert info.price is not None
    assert info.price.cost(Usage(1_000_000, 0, 0, 1_000_000)) == 2 * NANO
    assert info.price.state == "override"


def test_book_prices_name_their_source_and_day() -> None:
    shown = catalogue().get("openai:gpt-4o").to_dict()["price"]
    assert shown["source"].startswith("genai-prices ")
    assert shown["as_of"] >= "2026-01-01"
    assert shown["input_per_mtok"] == 2.5


def test_the_local_tier_is_free_and_says_local() -> None:
    info = catalogue().get(EXTRACTIVE)
    assert "local" in info.id
    assert info.price is not None and info.price.cost(Usage(10**6, 0, 0, 10**6)) == 0
    assert info.model_type == "local_opensource"


def test_tiers_follow_the_price() -> None:
    found = catalogue()
    tiers = [found.get(m).tier for m in ("openai:gpt-4.1-nano", "openai:gpt-4o", "openai:gpt-4")]
    assert tiers == ["cheap", "standard", "premium"]


def test_the_book_lists_models_with_prices() -> None:
    models = catalogue().book(provider="anthropic")
    assert len(models) > 10
    assert all(m.provider == "anthropic" for m in models)


def test_an_id_without_a_provider_is_refused() -> None:
    with pytest.raises(NotFoundError, match="gpt-4o"):
        catalogue().get("gpt-4o")


@pytest.mark.parametrize("bad", [-1, "x", math.nan, math.inf, "1e999999999999"])
def test_amounts_that_are_no_money_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInputError):
        to_nano(bad)  # type: ignore[arg-type]


def test_a_key_in_the_configuration_is_refused_without_being_repeated() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_config({"providers": {"x": {"api_key": "sk-verysecretvalue"}}})
    assert "key_variable" in str(caught.value)
    assert "verysecret" not in repr(caught.value) + str(caught.value.fields)
