"""The seam: what is wrapped around a step's call. The scheduler knows none of it.

A middleware's ``wrap`` is asked once per node when a graph is compiled and returns the call unchanged when it has
nothing to do there, so a policy that is not used costs nothing. Order, outermost first: hooks, permission, fallback,
retry, breaker, timeouts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fairlead.breaker import Breaker, BreakerPolicy, BreakerState
from fairlead.clock import Clock
from fairlead.errors import ForbiddenError
from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime.graph import Node, Retry
from fairlead.runtime.hooks import Hooks, Moment
from fairlead.runtime.states import PermissionMode
from fairlead.runtime.step import Invoke, StepContext

OUTAGES = frozenset({ErrorCategory.NETWORK, ErrorCategory.TIMEOUT, ErrorCategory.SERVICE_UNAVAILABLE})
"""What counts against a breaker: the other side did not answer. A refused or wrong request says nothing about it."""


class Middleware(Protocol):
    """Wraps the call of a node's steps; asked once per node, ``agent`` is the name under which they count."""

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke: ...


class HookCalls:
    """Calls the ``step`` hooks around every step."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        if not self.hooks.placed("step"):
            return call
        fire = self.hooks.fire

        async def invoke(step: StepContext) -> StepResult:
            moment = Moment("step.pre", step.key, step.run_id, step.tenant, step.item)
            try:
                step.item = await fire(moment)
            except ForbiddenError as exc:
                step.note("hook.vetoed", reason=exc.fields.get("reason", exc.message))
                return StepResult.from_exception(exc)
            result = await call(step)
            if not result.success:
                await fire(moment._replace(point="step.error", value=result.error))
                return result
            value = await fire(moment._replace(point="step.post", value=result.data))
            if value is not result.data:
                result.data = value
            return result

        return invoke


def decide_permission(mode: str, permission: str) -> str:
    """``allow``, ``ask`` or ``refuse``: what a permission mode says to an action. Unknown pairs are refused."""
    if permission == "read":
        return "allow"
    table = {
        (PermissionMode.DEFAULT, "edit"): "ask",
        (PermissionMode.DEFAULT, "execute"): "ask",
        (PermissionMode.ACCEPT_EDITS, "edit"): "allow",
        (PermissionMode.ACCEPT_EDITS, "execute"): "ask",
        (PermissionMode.BYPASS, "edit"): "allow",
        (PermissionMode.BYPASS, "execute"): "allow",
    }
    return table.get((PermissionMode(mode), permission), "refuse")


class PermissionGate:
    """Asks a person, or refuses, before steps that edit or execute."""

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        if node.permission == "read":
            return call

        async def invoke(step: StepContext) -> StepResult:
            word = decide_permission(step.permission_mode, node.permission)
            if word == "ask":
                answer = await step.ask(f"May step {step.key!r} {node.permission}?", name="permission")
                word = "allow" if answer is True or answer in ("approve", "yes", "allow") else "refuse"
            if word == "refuse":
                return StepResult.fail(
                    f"step {step.key!r} may not {node.permission} in permission mode {step.permission_mode!r}.",
                    ErrorCategory.AUTHORIZATION,
                )
            return await call(step)

        return invoke


class Fallbacks:
    """Calls the node's fallback when the step has failed for good."""

    def __init__(self, compile_call: Callable[[Node, Callable[..., Any]], Invoke]) -> None:
        self.compile_call = compile_call

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        if node.fallback is None:
            return call
        spare = self.compile_call(node, node.fallback)

        async def invoke(step: StepContext) -> StepResult:
            result = await call(step)
            if result.success:
                return result
            second = await spare(step)
            second.metadata = {**second.metadata, "fallback_used": True, "fallback_reason": result.error}
            return second

        return invoke


def retry_delay(retry: Retry, attempt: int, asked: float | None, rng: random.Random) -> float:
    """Seconds to wait after failed ``attempt`` (from 1): full jitter, at least what the other side asked for."""
    ceiling = min(retry.longest, retry.base * retry.factor ** min(attempt - 1, 64))
    return max(asked or 0.0, rng.uniform(0.0, ceiling))


class Retries:
    """Repeats attempts whose result says that a repetition can help."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        policy = node.retry
        if policy is None or policy.attempts < 2:
            return call

        async def invoke(step: StepContext) -> StepResult:
            attempt = step.attempt
            while True:
                result = await call(step)
                if result.success or not result.retryable or attempt >= policy.attempts:
                    return result
                delay = retry_delay(policy, attempt, result.metadata.get("retry_after"), self.rng)
                step.note("step.retried", attempt=attempt, error=result.error, delay=round(delay, 3))
                await asyncio.sleep(delay)
                await step.safe_point()
                attempt += 1
                step.begin_attempt(attempt)

        return invoke


class Breakers:
    """One circuit breaker per agent. Steps without an agent have no common destination and no breaker."""

    def __init__(
        self,
        clock: Clock,
        policy: BreakerPolicy,
        *,
        overrides: Mapping[str, BreakerPolicy] | None = None,
    ) -> None:
        self.clock = clock
        self.policy = policy
        self.overrides = dict(overrides or {})
        self.by_agent: dict[str, Breaker] = {}

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        if agent is None:
            return call
        policy = self.overrides.get(agent, self.policy)
        breaker = self.by_agent.setdefault(agent, Breaker(policy))
        monotonic = self.clock.monotonic

        async def invoke(step: StepContext) -> StepResult:
            now = monotonic()
            before = breaker.state
            if not breaker.admit(now):
                wait = breaker.retry_after(now)
                return StepResult.service_unavailable(
                    f"the circuit breaker of agent {agent!r} is {breaker.state.value}; try again in {wait:.1f} s.",
                    retry_after=wait,
                )
            if breaker.state is not before:
                step.note("breaker.half_opened", agent=agent)
            try:
                result = await call(step)
            except BaseException:
                breaker.withdraw()
                raise
            before = breaker.state
            breaker.record(result.error_category in OUTAGES and not result.success, monotonic())
            if breaker.state is not before:
                word = "opened" if breaker.state is BreakerState.OPEN else "closed"
                step.note(f"breaker.{word}", agent=agent)
            return result

        return invoke


class Timeouts:
    """Ends an attempt that takes too long in all, or that shows no sign of life for too long."""

    def wrap(self, node: Node, agent: str | None, call: Invoke) -> Invoke:
        if node.timeout is None and node.idle_timeout is None:
            return call
        hard, idle = node.timeout, node.idle_timeout

        async def invoke(step: StepContext) -> StepResult:
            loop = asyncio.get_running_loop()
            begin = loop.time()
            limit = min(t for t in (hard, idle) if t is not None)
            try:
                async with asyncio.timeout(limit) as scope:
                    watch = _watch_beats(step, scope, begin, hard, idle) if idle is not None else None
                    try:
                        return await call(step)
                    finally:
                        if watch is not None:
                            watch()
            except TimeoutError:
                spent = loop.time() - begin
                kind = "hard" if hard is not None and spent >= hard * 0.999 else "idle"
                seconds = hard if kind == "hard" else idle
                return StepResult.timeout_error(
                    f"step {step.key!r} passed its {kind} timeout of {seconds:g} s.", timeout=kind
                )

        return invoke


def _watch_beats(
    step: StepContext, scope: asyncio.Timeout, begin: float, hard: float | None, idle: float
) -> Callable[[], None]:
    """Moves the deadline on while the step's count of heartbeats grows; returns what ends the watch."""
    loop = asyncio.get_running_loop()
    seen = step.beats
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal seen, timer
        if scope.expired():
            return
        if step.beats != seen:
            seen = step.beats
            deadline = loop.time() + idle
            scope.reschedule(deadline if hard is None else min(deadline, begin + hard))
        timer = loop.call_later(idle / 4, look)

    timer = loop.call_later(idle / 4, look)
    return lambda: timer.cancel()
