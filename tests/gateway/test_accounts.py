"""Accounts, forecasts, alerts and the savings report."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from fairlead.errors import InvalidInputError
from fairlead.events import Event
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.attribution import Attribution, attribute, current_attribution
from fairlead.gateway.budgets import BudgetBook
from fairlead.gateway.forecast import anomaly, burn_rate, forecast
from fairlead.gateway.ledger import Ask, Ledger
from fairlead.gateway.prices import NANO, Price, Rates, Usage
from fairlead.gateway.savings import report
from fairlead.gateway.watch import SpendingWatch
from fairlead.store import Database
from fairlead.tenancy import make_tenant, use_tenant
from tests.gateway.support import HandClock

REFERENCE = Price("known", Rates(10 * NANO, 30 * NANO, 10 * NANO, 10 * NANO), (), "test", "")


def spend(ledger: Ledger, dollars: float, who: Attribution | None = None, **more: Any) -> None:
    outcome = more.pop("outcome", "ok")
    held = ledger.reserve_sync(Ask(who or Attribution("acme", "main"), "one:m", "cheap", int(dollars * NANO), **more))
    ledger.settle_sync(held, int(dollars * NANO), Usage(100, 40, 0, 10), outcome=outcome)


def test_sums_keep_cached_fresh_failed_and_unpriced_apart(database: Database, clock: HandClock) -> None:
    ledger, accounts = Ledger(database, clock), Accounts(database, clock)
    spend(ledger, 0.5, Attribution("acme", "main", agent="a"))
    spend(ledger, 0.25, Attribution("acme", "main", agent="b"), outcome="failed")
    held = ledger.reserve_sync(Ask(Attribution("acme", "main", agent="b"), "x:y", "premium", None, "unknown"))
    ledger.settle_sync(held, None, Usage(7, 0, 0, 3))
    ledger.reserve_sync(Ask(Attribution("acme", "main"), "one:m", "cheap", 1000))
    spend(ledger, 9.0, Attribution("rival", "main"))
    found = accounts.summary("acme")
    assert (found["calls"], found["succeeded"], found["unpriced"]) == (4, 2, 1)
    assert (found["cost"], found["lost"], found["in_flight"]) == (0.75, 0.25, 1000 / NANO)
    assert (found["input_tokens"], found["cached_tokens"], found["fresh_tokens"]) == (207, 80, 127)
    assert [r["agent"] for r in accounts.by("acme", "agent")][:2] == ["a", "b"]
    with pytest.raises(InvalidInputError, match="grouped"):
        accounts.by("acme", "id; DROP TABLE model_calls")


def test_old_calls_fall_out_of_the_window(database: Database, clock: HandClock) -> None:
    spend(Ledger(database, clock), 1.0)
    clock.advance(8 * 86400)
    assert Accounts(database, clock).summary("acme", days=7)["calls"] == 0
    assert Accounts(database, clock).summary("acme", days=9)["calls"] == 1


def test_attribution_nests_and_does_not_leak() -> None:
    with use_tenant(make_tenant("acme", "west")):
        with attribute(run="r", agent="lead", step="plan"):
            with attribute(agent="helper"):
                inner = current_attribution()
            outer = current_attribution()
        after = current_attribution()
    assert inner[:6] == ("acme", "west", "", "helper", "r", "")
    assert inner.path == ("run=r", "agent=lead", "step=plan", "agent=helper")
    assert outer.step == "plan"
    assert after.run == "" and after.path == ()


def daily(hours: int, rng: random.Random, *, spike: int | None = None) -> list[float]:
    values = [max(0.0, 5 + 4 * math.sin(2 * math.pi * h / 24) + rng.gauss(0, 0.3)) for h in range(hours)]
    if spike is not None:
        values[spike] += 200
    return values


def test_a_seasonal_series_is_forecast_better_than_by_the_last_value() -> None:
    found = forecast(daily(24 * 14, random.Random(1)), 48)
    assert found.method == "seasonal"
    assert found.seasonal_error is not None and found.naive_error is not None
    assert found.seasonal_error < 0.5 * found.naive_error
    truth = [5 + 4 * math.sin(2 * math.pi * h / 24) for h in range(24 * 14, 24 * 16)]
    assert sum(abs(a - b) for a, b in zip(found.values, truth, strict=True)) / 48 < 0.5
    assert all(low <= v <= high for low, v, high in zip(found.low, found.values, found.high, strict=True))


def test_one_runaway_hour_does_not_move_the_forecast() -> None:
    calm = forecast(daily(24 * 14, random.Random(1)), 24).total
    wild = forecast(daily(24 * 14, random.Random(1), spike=200), 24).total
    assert wild == pytest.approx(calm, rel=0.1)


def test_a_series_without_a_season_falls_back_to_the_naive_method() -> None:
    rng = random.Random(2)
    level, walk = 10.0, []
    for _ in range(24 * 10):
        level = max(0.0, level + rng.gauss(0, 0.2))
        walk.append(level)
    found = forecast(walk, 24)
    assert found.method == "naive"
    assert found.naive_error is not None and found.seasonal_error is not None
    assert found.naive_error < found.seasonal_error


def test_too_little_history_is_said_to_be_too_little() -> None:
    assert forecast([], 3).values == (0.0, 0.0, 0.0)
    short = forecast([1.0, 2.0], 2)
    assert (short.method, short.seasonal_error) == ("naive", None)


def test_unusual_spending_stands_out_at_its_hour() -> None:
    usual = daily(24 * 10 + 1, random.Random(3))
    assert anomaly(usual) is None
    assert (anomaly([*usual[:-1], usual[-1] + 30]) or 0) > 4
    assert anomaly([1.0] * 10) is None
    assert burn_rate(1.0, 10.0, 3600, 36_000) == pytest.approx(1.0)


def test_alerts_are_raised_once_and_resolved(database: Database, clock: HandClock) -> None:
    heard: list[Event] = []
    database.bus.subscribe(heard.append, types=["alert.raised", "alert.resolved"])
    ledger, watch = Ledger(database, clock), SpendingWatch(database, clock)
    BudgetBook(database, clock).set("acme", "tenant", "acme", "100", period="month", cause="test")
    assert watch.look("acme") == []
    spend(ledger, 5.0)
    (alert, *_) = watch.look("acme")
    assert alert["severity"] == "critical" and alert["rate"] > 14
    watch.look("acme")
    raised = len(heard)
    clock.advance(7 * 3600)
    assert watch.look("acme") == []
    assert {e.type for e in heard[:raised]} == {"alert.raised"}
    assert [e.type for e in heard[raised:]] == ["alert.resolved"] * raised


def call(
    request: str, attempt: int, outcome: str, cost: float | None, tokens: tuple[int, int] = (1000, 100), **more: Any
) -> dict[str, Any]:
    return {
        "id": f"{request}.{attempt}",
        "state": "settled",
        "outcome": outcome,
        "cost_nano": None if cost is None else int(cost * NANO),
        "input_tokens": tokens[0],
        "cached_tokens": 0,
        "written_tokens": 0,
        "output_tokens": tokens[1],
        "tokens_saved": 0,
        "quality": None,
        "tier": "cheap",
        **more,
    }


def test_savings_bill_failed_cheap_attempts() -> None:
    # The reference costs 0.013 a request.
    found = report(
        [call("a", 1, "rejected", 0.001), call("a", 2, "ok", 0.005), call("b", 1, "ok", 0.002)], "ref", REFERENCE
    )
    assert found.reference == pytest.approx(0.026)
    assert found.real == pytest.approx(0.008)
    assert found.failed_cost == pytest.approx(0.001)
    assert found.share_saved == pytest.approx(1 - 0.008 / 0.026)
    product = math.prod(found.factors.values())
    assert product == pytest.approx(found.real / found.reference)


def test_negative_savings_are_shown() -> None:
    found = report([call("a", 1, "rejected", 0.02), call("a", 2, "ok", 0.013)], "ref", REFERENCE)
    assert found.share_saved is not None and found.share_saved < -1
    assert found.interval is not None and found.interval[0] <= found.share_saved <= found.interval[1]


def test_each_lever_has_its_factor() -> None:
    calls = [
        call("a", 1, "ok", 0.0065),
        call("b", 1, "cached", 0.0),
        call("c", 1, "ok", 0.0065, tokens=(500, 100), tokens_saved=500),
        call("d", 1, "ok", 0.0, tier="local"),
    ]
    found = report(calls, "ref", REFERENCE)
    assert found.factors["tokens"] == pytest.approx((3 * 0.013 + 0.008) / 0.052)
    assert found.factors["cache"] == pytest.approx(0.034 / 0.047)
    assert found.factors["tier"] == pytest.approx(0.021 / 0.034)
    assert found.factors["routing"] == pytest.approx(0.013 / 0.021)
    assert math.prod(found.factors.values()) == pytest.approx(found.real / found.reference)


def test_unknown_prices_and_undelivered_requests_claim_nothing() -> None:
    found = report([call("a", 1, "ok", None), call("b", 1, "failed", 0.004)], "ref", REFERENCE)
    assert (found.requests, found.unpriced) == (1, 1)
    assert found.reference == 0.0 and found.real == pytest.approx(0.004)
    assert found.share_saved is None and found.interval is None
