"""Breakers, limits and waits, with time in the test's hand."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.breaker import Breaker, BreakerPolicy
from fairlead.errors import (
    BudgetError,
    BudgetReachedError,
    ForbiddenError,
    InvalidInputError,
    NetworkError,
    RateLimitedError,
    StoreFullError,
    UnavailableError,
)
from fairlead.gateway.resilience.limits import Limiter, LimitRules
from fairlead.gateway.resilience.retry import certainly_unbilled, delay, worth_falling_back, worth_retrying
from tests.gateway.support import HandClock


def test_errors_by_class() -> None:
    assert worth_retrying(UnavailableError("x"), 1, 3) and not worth_retrying(UnavailableError("x"), 3, 3)
    assert not worth_retrying(ForbiddenError("x"), 1, 3)
    assert not worth_retrying(RateLimitedError("x", retry_after=600), 1, 3)
    assert worth_falling_back(ForbiddenError("x")) and worth_falling_back(BudgetError("x"))
    for final in (BudgetReachedError("x"), StoreFullError("x"), InvalidInputError("x"), ValueError("x")):
        assert not worth_falling_back(final)
    assert certainly_unbilled(NetworkError("x")) and not certainly_unbilled(NetworkError("x", sent=True))


@given(st.integers(1, 10), st.integers(0, 10**6))
def test_waits_grow_and_stay_bounded(attempt: int, seed: int) -> None:
    assert 0 <= delay(attempt, random.Random(seed)) <= min(20.0, 0.25 * 2 ** (attempt - 1))
    assert 5 <= delay(attempt, random.Random(seed), 5) <= 5.5


def test_a_breaker_opens_on_a_row_of_failures_and_probes_once() -> None:
    states: list[str] = []
    breaker = Breaker(BreakerPolicy(failures=3, cooldown=10), states.append)
    for _ in range(3):
        assert breaker.admit(0)
        breaker.record(True, 0)
    assert not breaker.admit(9.9)
    assert breaker.would_admit(10)
    assert breaker.admit(10) and not breaker.admit(10)
    breaker.record(True, 10)
    assert not breaker.admit(19)
    assert breaker.admit(20)
    breaker.record(False, 20)
    assert breaker.admit(20) and breaker.admit(20)
    assert states == ["opened", "half_opened", "opened", "half_opened", "closed"]


def test_a_breaker_opens_on_a_share_of_failures() -> None:
    breaker = Breaker(BreakerPolicy(failures=100, share=0.5))
    for n in range(10):
        assert breaker.admit(0)
        breaker.record(n % 2 == 1, 0)
    assert breaker.state == "open"


def test_a_probe_that_says_nothing_is_given_back() -> None:
    breaker = Breaker(BreakerPolicy(failures=1, cooldown=1))
    breaker.record(True, 0)
    assert breaker.admit(2) and not breaker.admit(2)
    breaker.withdraw()
    assert breaker.admit(2)


@given(st.lists(st.tuples(st.sampled_from(["admit", "ok", "bad", "forget"]), st.floats(0, 20)), max_size=60))
def test_a_half_open_breaker_never_lets_two_probes_through(steps: list[tuple[str, float]]) -> None:
    breaker = Breaker(BreakerPolicy(failures=2, cooldown=5))
    now, probes = 0.0, 0
    for step, wait in steps:
        now += wait
        if step == "admit":
            admitted = breaker.admit(now)
            if breaker.state == "half_open" and admitted:
                probes += 1
                assert probes == 1
        elif step == "forget":
            breaker.withdraw()
            probes = 0
        else:
            breaker.record(step == "bad", now)
            probes = 0


async def test_requests_per_minute_are_spread(clock: HandClock) -> None:
    limiter = Limiter(LimitRules(requests_per_minute=60), clock, sleep=clock.sleep)
    began = clock.time
    for _ in range(90):
        await limiter.enter(1)
        limiter.leave()
    # 60 at once fill the bucket; the other 30 come one a second.
    assert 29.0 <= clock.time - began <= 31.0


async def test_tokens_per_minute_hold_large_calls_back(clock: HandClock) -> None:
    limiter = Limiter(LimitRules(tokens_per_minute=6000), clock, sleep=clock.sleep)
    await limiter.enter(6000)
    limiter.leave()
    waited = await limiter.enter(3000)
    assert waited == pytest.approx(30.0, abs=0.1)
    limiter.leave()


async def test_a_rate_limit_answer_holds_every_call_back_and_halves_the_limit(clock: HandClock) -> None:
    limits: list[float] = []
    limiter = Limiter(LimitRules(concurrency=16), clock, sleep=clock.sleep, changed=limits.append)
    for _ in range(8):
        await limiter.enter(1)
    limiter.leave(ok=False, limited=True, retry_after=12)
    assert limiter.limit == 4.0
    for _ in range(7):
        limiter.leave()
    assert await limiter.enter(1) == pytest.approx(12.0)
    limiter.leave()
    for _ in range(200):
        await limiter.enter(1)
        limiter.leave()
    assert limiter.limit == 16.0
    assert limits[0] == 4.0


async def test_concurrency_is_bounded_and_waiters_move_up(clock: HandClock) -> None:
    limiter = Limiter(LimitRules(concurrency=3), clock, sleep=clock.sleep)
    most = active = 0

    async def call() -> None:
        nonlocal most, active
        await limiter.enter(1)
        active += 1
        most = max(most, active)
        await asyncio.sleep(0)
        active -= 1
        limiter.leave()

    await asyncio.gather(*(call() for _ in range(20)))
    assert most == 3
    assert limiter.active == 0


async def test_a_cancelled_waiter_leaves_no_trace(clock: HandClock) -> None:
    limiter = Limiter(LimitRules(concurrency=1), clock, sleep=clock.sleep)
    await limiter.enter(1)
    waiting = asyncio.create_task(limiter.enter(1))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    limiter.leave()
    await asyncio.wait_for(limiter.enter(1), 1)
