"""Retry, timeouts, breaker, fallback, hooks, adaptive limits."""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.breaker import Breaker, BreakerPolicy, BreakerState
from fairlead.errors import RateLimitedError, UnavailableError
from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime import Edge, Node, Retry, Rewrite, Runtime, RuntimeOptions, StepContext, Veto, Workflow
from fairlead.runtime.limits import AdaptiveLimiter, Limiter
from fairlead.runtime.middleware import decide_permission, retry_delay
from fairlead.testing.clock import StillClock
from tests.runtime.conftest import UNBOUNDED, durable

Run = Callable[..., Any]
QUICK = Retry(attempts=3, base=0.001, longest=0.002)


def one(call: Any, **policies: Any) -> Workflow:
    return Workflow("w", (Node("s", call, **policies),))


async def result(runtime: Runtime, workflow: Any) -> StepResult:
    return await (await runtime.start(workflow)).result()


def test_retryable_failures_are_repeated_and_others_are_not(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        calls: list[int] = []

        async def flaky(ctx: StepContext) -> str:
            calls.append(ctx.attempt)
            if ctx.attempt < 3:
                raise UnavailableError("not yet")
            return "ok"

        assert (await result(runtime, one(flaky, retry=QUICK))).data == "ok"
        assert calls == [1, 2, 3]
        events = await runtime.store.events(types=("step.retried",))
        assert [e.data["attempt"] for e in events] == [1, 2]

        async def wrong() -> None:
            calls.append(9)
            raise ValueError("never mind")

        calls.clear()
        assert not (await result(runtime, one(wrong, retry=QUICK))).success
        assert calls == [9]

    with_runtime(test)


def test_a_retry_does_not_redo_finished_parts(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        done: list[str] = []

        async def step(ctx: StepContext) -> list[int]:
            first = await ctx.step("part", lambda: done.append("a") or 1)  # type: ignore[func-returns-value]
            if ctx.attempt < 3:
                raise UnavailableError("later")
            second = await ctx.step("part", lambda: done.append("b") or 2)  # type: ignore[func-returns-value]
            return [first, second]

        assert (await result(runtime, one(step, retry=QUICK))).data == [1, 2]
        assert done == ["a", "b"]

    with_runtime(test)


@given(st.integers(1, 1000), st.one_of(st.none(), st.floats(0, 100)), st.integers())
def test_delays_stay_in_their_bounds(attempt: int, asked: float | None, seed: int) -> None:
    policy = Retry(base=0.5, factor=3, longest=20)
    delay = retry_delay(policy, attempt, asked, random.Random(seed))
    assert (asked or 0) <= delay <= max(asked or 0, min(20, 0.5 * 3 ** min(attempt - 1, 64)))


def test_hard_timeout(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        outcome = await result(runtime, one(lambda: asyncio.sleep(5), timeout=0.03))
        assert outcome.error_category is ErrorCategory.TIMEOUT
        assert "hard timeout of 0.03 s" in (outcome.error or "")

    with_runtime(test)


def test_idle_timeout_is_held_off_by_heartbeats(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        async def lively(ctx: StepContext) -> str:
            for n in range(10):
                await asyncio.sleep(0.04)
                ctx.heartbeat(done=n)
            return "alive"

        async def silent() -> None:
            await asyncio.sleep(5)

        assert (await result(runtime, one(lively, idle_timeout=0.2))).data == "alive"
        assert "idle timeout" in ((await result(runtime, one(silent, idle_timeout=0.05))).error or "")
        both = await result(runtime, one(lively, idle_timeout=0.2, timeout=0.15))
        assert "hard timeout" in (both.error or ""), "heartbeats do not move the hard limit"

    with_runtime(test)


def test_an_operators_stop_is_not_taken_for_a_timeout(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        handle = await runtime.start(one(lambda: asyncio.sleep(5), timeout=3, retry=QUICK))
        await asyncio.sleep(0.01)
        await handle.terminate("operator:ann")
        types = [e.type for e in await runtime.store.events(subject=handle.id, limit=100)]
        assert "step.retried" not in types
        assert "step.failed" not in types
        assert types[-1] == "run.terminated"

    with_runtime(test)


def test_the_breaker_opens_probes_and_closes(with_runtime: Run) -> None:
    options = UNBOUNDED._replace(breaker=BreakerPolicy(failures=3, cooldown=30))
    clock = StillClock()

    async def test(runtime: Runtime) -> None:
        healthy = False
        calls = 0

        async def remote() -> str:
            nonlocal calls
            calls += 1
            if not healthy:
                raise ConnectionError("refused")
            return "ok"

        remote.agent_name = "remote"  # type: ignore[attr-defined]
        for _ in range(6):
            await result(runtime, one(remote))
        assert calls == 3, "an open breaker lets nothing through"
        refused = await result(runtime, one(remote))
        assert "circuit breaker of agent 'remote' is open" in (refused.error or "")
        assert refused.retryable is False or refused.error_category is ErrorCategory.SERVICE_UNAVAILABLE
        clock.advance(31)
        healthy = True
        assert (await result(runtime, one(remote))).success
        assert (await result(runtime, one(remote))).success
        types = [e.type for e in await runtime.store.events(limit=1000) if e.type.startswith("breaker")]
        assert types == ["breaker.opened", "breaker.half_opened", "breaker.closed"]

    with_runtime(test, options=options, clock=clock)


@given(st.lists(st.tuples(st.sampled_from(["ok", "outage", "withdraw"]), st.floats(0, 20)), max_size=60))
def test_breaker_properties(calls: list[tuple[str, float]]) -> None:
    policy = BreakerPolicy(failures=3, cooldown=10, probes=1, successes=2)
    breaker = Breaker(policy)
    now, in_a_row = 0.0, 0
    for outcome, wait in calls:
        now += wait
        before, opened_at = breaker.state, now - (policy.cooldown - breaker.retry_after(now))
        admitted = breaker.admit(now)
        if before is BreakerState.OPEN:
            assert admitted == (now - opened_at >= policy.cooldown)
        if not admitted:
            continue
        if breaker.state is BreakerState.HALF_OPEN:
            assert not breaker.admit(now), "one probe at a time"
        if outcome == "withdraw":
            breaker.withdraw()
            continue
        breaker.record(outcome == "outage", now)
        in_a_row = in_a_row + 1 if outcome == "outage" else 0
        if before is BreakerState.CLOSED:
            assert (breaker.state is BreakerState.OPEN) == (in_a_row >= policy.failures)
        if breaker.state is not BreakerState.CLOSED and before is BreakerState.CLOSED:
            in_a_row = 0
        if breaker.state is BreakerState.CLOSED and before is not BreakerState.CLOSED:
            in_a_row = 0


def test_a_fallback_is_used_and_said(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        async def bad(x: int) -> int:
            raise ValueError("bad")

        async def spare(x: int) -> int:
            return x + 1

        workflow = Workflow("w", (Node("s", bad, fallback=spare),), inputs={"x": 1})
        handle = await runtime.start(workflow)
        assert (await handle.result()).data == 2
        rows = {r.key: r for r in await runtime.store.journal(handle.id)}
        assert '"fallback_used":true' in (rows["s"].metadata or "")

    with_runtime(test)


def test_hooks_veto_rewrite_and_are_isolated(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        moments: list[str] = []

        def refuse(moment: Any) -> Any:
            moments.append(f"{moment.point} {moment.name}")
            return Veto("not today") if moment.name == "b" else None

        async def shout(moment: Any) -> Any:
            return Rewrite(str(moment.value).upper())

        def broken(moment: Any) -> None:
            raise RuntimeError("a bug in a hook")

        runtime.hooks.add("step.pre", refuse)
        runtime.hooks.add("step.post", shout, match="a")
        removed = runtime.hooks.add("step.pre", broken)

        async def a() -> str:
            return "quiet"

        outcome = await result(
            runtime,
            Workflow("w", (Node("a", a), Node("b", a, tolerate=True), Node("c", a, depends_on=(Edge("b", "done"),)))),
        )
        assert outcome.data == {"a": "QUIET", "c": "quiet"}
        assert sorted(moments) == ["step.pre a", "step.pre b", "step.pre c"]
        assert sum(runtime.hooks.failures.values()) == 2, "a vetoed step asks no further hook"
        removed()
        vetoed = await result(runtime, one(a)._replace(nodes=(Node("b", a),)))
        assert "a hook refused step 'b': not today" in (vetoed.error or "")
        assert vetoed.error_category is ErrorCategory.AUTHORIZATION

    with_runtime(test)


def test_run_hooks_may_refuse_a_run_before_it_is_stored(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        from fairlead.errors import ForbiddenError

        runtime.hooks.add("run.pre", lambda moment: Veto("closed for the day"))
        with pytest.raises(ForbiddenError, match="closed for the day"):
            await runtime.start(one(lambda: 1))
        assert await runtime.store.find(tenant=None) == []

    with_runtime(test)


def test_adaptive_limit_falls_once_per_round_and_recovers() -> None:
    moves: list[tuple[int, int]] = []
    limiter = AdaptiveLimiter(16, on_change=lambda old, new: moves.append((old, new)))
    for _ in range(16):
        assert limiter.try_acquire()
    for _ in range(16):
        limiter.observe(ErrorCategory.RATE_LIMIT)
        limiter.release()
    assert moves == [(16, 11)], "one fall for one round of refusals"
    for _ in range(400):
        limiter.observe(None)
    assert limiter.limit == 16


@given(st.lists(st.sampled_from(["acquire", "release", "good", "bad"]), max_size=200), st.integers(1, 8))
def test_limiter_never_exceeds_its_limit_nor_forgets_who_waits(actions: list[str], most: int) -> None:
    limiter = AdaptiveLimiter(most)
    held = waiting = 0

    def again() -> None:
        nonlocal held, waiting
        waiting -= 1
        assert limiter.try_acquire()
        held += 1

    for action in actions:
        if action == "acquire":
            if limiter.try_acquire():
                held += 1
            else:
                waiting += 1
                limiter.park(again)
        elif action == "release" and held:
            held -= 1
            limiter.release()
        elif action in ("good", "bad"):
            limiter.observe(None if action == "good" else ErrorCategory.TIMEOUT)
        assert limiter.used == held
        assert 1 <= limiter.limit <= most
        assert not (waiting and limiter.used < limiter.limit)
    assert limiter.waiting == waiting


def test_rate_limits_lower_the_agents_limit(with_runtime: Run) -> None:
    async def test(runtime: Runtime) -> None:
        async def limited(item: int) -> None:
            await asyncio.sleep(0.001)
            raise RateLimitedError("slow down", retry_after=0.001)

        limited.agent_name = "limited"  # type: ignore[attr-defined]
        workflow = Workflow(
            "w",
            (Node("s", limited, foreach="inputs.x", on_item_error="keep", tolerate=True),),
            inputs={"x": list(range(64))},
        )
        await result(runtime, workflow)
        changes = await runtime.store.events(types=("limit.changed",), limit=1000)
        assert changes
        assert changes[-1].data["to"] < 16

    with_runtime(test, options=RuntimeOptions())


def test_a_fixed_limiter_learns_nothing() -> None:
    limiter = Limiter(2)
    limiter.observe(ErrorCategory.RATE_LIMIT)
    assert limiter.limit == 2


@pytest.mark.parametrize(
    ("mode", "permission", "word"),
    [
        (mode, permission, word)
        for mode, words in {
            "default": ("allow", "ask", "ask"),
            "acceptEdits": ("allow", "allow", "ask"),
            "bypassPermissions": ("allow", "allow", "allow"),
            "plan": ("allow", "refuse", "refuse"),
        }.items()
        for permission, word in zip(("read", "edit", "execute"), words, strict=True)
    ]
    + [("bypassPermissions", "launch", "refuse")],
)
def test_permission_table(mode: str, permission: str, word: str) -> None:
    assert decide_permission(mode, permission) == word


def test_a_coroutine_that_comes_after_the_timeout_is_closed(tmp_path: Path) -> None:
    """A plain function may hand over a coroutine when nobody waits for it any more."""
    released, made = threading.Event(), []

    async def never() -> None:
        raise AssertionError("it must not run")

    def late() -> Any:
        released.wait(10)
        made.append(never())
        return made[0]

    async def body() -> None:
        async with durable(tmp_path) as runtime:
            run = await runtime.start(Workflow("w", (Node("late", late, timeout=0.02),)))
            result = await run.result()
            assert not result.success and "late" in (result.error or "")
            released.set()
            while not made or inspect.getcoroutinestate(made[0]) != inspect.CORO_CLOSED:
                await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(body(), 30))
