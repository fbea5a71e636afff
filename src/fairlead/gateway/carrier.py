"""The path of a call: reserve, wait for the limits, call, settle; retry, fall back, escalate. One closed loop.

What is carried comes in as functions, so that a plain generation request, a stream, and an agent's model request take
the same path.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

from fairlead.clock import Clock
from fairlead.errors import (
    BudgetError,
    FairleadError,
    NetworkError,
    RateLimitedError,
    RefusedError,
    RetryError,
    UnavailableError,
)
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.backends import Answer, AnswerStream
from fairlead.gateway.catalogue import Catalogue, ModelInfo
from fairlead.gateway.config import Policy
from fairlead.gateway.ledger import Ask, Ledger, Reservation, event
from fairlead.gateway.messages import Attempt
from fairlead.gateway.prices import NANO, Usage
from fairlead.gateway.resilience.retry import certainly_unbilled, delay, worth_falling_back, worth_retrying
from fairlead.gateway.routing.router import Decision
from fairlead.gateway.routing.verifiers import Verdict
from fairlead.gateway.tokens import TokenCounter, estimate_tokens
from fairlead.gateway.traffic import Traffic

Send = Callable[[ModelInfo], Awaitable[Answer]]
Open = Callable[[ModelInfo], AbstractAsyncContextManager[AnswerStream]]
Check = Callable[[Answer], Verdict]


class Job(NamedTuple):
    """One request on its way. ``text`` is what is sent, for counting; ``estimated`` its tokens as estimated
    once, ``attempts`` the most calls to one model."""

    request_id: str
    attribution: Attribution
    decision: Decision
    text: str
    estimated: int
    max_tokens: int
    attempts: int = 1
    cost_limit_nano: int | None = None
    tokens_saved: int = 0


class Outcome(NamedTuple):
    """What came of a job."""

    answer: Answer
    info: ModelInfo
    usage: Usage
    attempts: Sequence[Attempt]


class Attempts:
    """The calls of one job: numbered when they begin, written down when they end."""

    __slots__ = ("_number", "made")

    def __init__(self) -> None:
        self._number = 0
        self.made: list[Attempt] = []

    def next_number(self) -> int:
        self._number += 1
        return self._number


class Carrier:
    """Takes jobs to models."""

    def __init__(
        self,
        catalogue: Catalogue,
        ledger: Ledger,
        counter: TokenCounter,
        traffic: Traffic,
        policy: Policy,
        clock: Clock,
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._counter = counter
        self._traffic = traffic
        self._policy = policy
        self._clock = clock
        self._random = rng
        self._sleep = sleep

    async def carry(self, job: Job, send: Send, check: Check) -> Outcome:
        """Asks the models of the decision's chain until one answers and passes ``check``.

        Raises the last failure with ``attempts`` in its fields, so that what was spent is never lost from sight. When
        only the check was not passed, the best rejected answer is not returned: :class:`RefusedError` says why.
        """
        attempts = Attempts()
        try:
            if self._policy.hedge_after > 0 and len(job.decision.chain) > 1:
                return await self._hedged(job, attempts, send, check)
            return await self._along(job.decision.chain, job, attempts, send, check)
        except FairleadError as exc:
            exc.fields["attempts"] = tuple(attempts.made)
            raise

    async def _along(self, chain: tuple[str, ...], job: Job, attempts: Attempts, send: Send, check: Check) -> Outcome:
        last: FairleadError | None = None
        for at, model_id in enumerate(chain):
            info = self._catalogue.get(model_id)
            for number in range(1, job.attempts + 1):
                try:
                    return await self._attempt(job, info, attempts, send, check)
                except FairleadError as exc:
                    last = exc
                    if not worth_falling_back(exc):
                        raise
                    if not self._again(exc, number, job.attempts, info, chain[at + 1 :]):
                        break
                    await self._sleep(delay(number, self._random, exc.fields.get("retry_after")))
        assert last is not None
        raise last

    def _again(self, exc: FairleadError, number: int, attempts: int, info: ModelInfo, others: tuple[str, ...]) -> bool:
        """Whether the same model is asked again before another is."""
        if isinstance(exc, BreakerOpenError) or not worth_retrying(exc, number, attempts):
            return False
        # Where nobody listens, waiting helps less than somebody else who does.
        unreachable = isinstance(exc, NetworkError) and not exc.fields.get("sent")
        return not (unreachable and any(self._catalogue.get(o).provider != info.provider for o in others))

    async def _hedged(self, job: Job, attempts: Attempts, send: Send, check: Check) -> Outcome:
        """Asks the second model as well when the first is slow (Dean and Barroso, "The Tail at Scale", CACM 2013). The
        answer that comes first is taken; the other call is cancelled, and billed for what it was sent."""
        chain = job.decision.chain
        first = asyncio.create_task(self._along(chain[:1], job, attempts, send, check))
        running: set[asyncio.Task[Outcome]] = {first}
        try:
            await asyncio.wait(running, timeout=self._policy.hedge_after)
            if not first.done() or first.exception() is not None:
                running.add(asyncio.create_task(self._along(chain[1:], job, attempts, send, check)))
            waiting = set(running)
            last: BaseException | None = None
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    last = task.exception()
                    if last is None:
                        return task.result()
            assert last is not None
            raise last
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _attempt(self, job: Job, info: ModelInfo, attempts: Attempts, send: Send, check: Check) -> Outcome:
        async with self._admitted(job, info, attempts) as trip:
            answer = await send(info)
            usage = self._usage(job, info, answer)
            verdict = check(answer)
            await trip.end(usage, "ok" if verdict.passed else "rejected", verdict.reason)
            if not verdict.passed:
                raise RejectedError(
                    f"the answer of {info.id} was rejected: {verdict.reason}.",
                    remedy="Allow fallback to a better model, or relax the check.",
                    model=info.id,
                )
            return Outcome(answer, info, usage, attempts.made)

    @asynccontextmanager
    async def stream(self, job: Job, opener: Open) -> AsyncIterator[Streaming]:
        """Opens a stream at the first model of the chain that yields a first chunk.

        Up to then failures are retried and fall back like any other; afterwards nothing is hidden from the reader: a
        stream that breaks raises, and what had come is billed.
        """
        attempts = Attempts()
        last: FairleadError | None = None
        for at, model_id in enumerate(job.decision.chain):
            info = self._catalogue.get(model_id)
            for number in range(1, job.attempts + 1):
                began = False
                try:
                    async with self._admitted(job, info, attempts) as trip, opener(info) as stream:
                        began = True
                        streaming = Streaming(stream, info, attempts)
                        try:
                            yield streaming
                        except BaseException:
                            trip.partial = self._usage(job, info, stream.answer())
                            raise
                        streaming.usage = self._usage(job, info, stream.answer())
                        await trip.end(streaming.usage, "ok", "")
                    return
                except FairleadError as exc:
                    last = exc
                    if began or not worth_falling_back(exc):
                        raise
                    if not self._again(exc, number, job.attempts, info, job.decision.chain[at + 1 :]):
                        break
                    await self._sleep(delay(number, self._random, exc.fields.get("retry_after")))
        assert last is not None
        raise _with_attempts(last, attempts)

    # ── one attempt ──────────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _admitted(self, job: Job, info: ModelInfo, attempts: Attempts) -> AsyncIterator[Trip]:
        """Budget, breaker and limits around one call; however it ends, it is settled and written to ``attempts``."""
        lane = self._traffic.lane(info, job.attribution)
        if not lane.breaker.admit(self._clock.monotonic()):
            raise BreakerOpenError(
                f"{info.provider} has failed repeatedly, so {info.id} is not called for now.",
                remedy="Wait for its breaker to close, or allow fallback.",
                model=info.id,
            )
        count = self._counter.scale(info.id, job.estimated, len(job.text.encode()))
        trip: Trip | None = None
        try:
            ask = self._ask(job, info, count.most, attempts.next_number())
            trip = Trip(self, job, await self._ledger.reserve(ask), attempts, count.tokens)
            await lane.enter(count.most)
        except BaseException as exc:
            lane.breaker.withdraw()
            if trip is not None:
                await trip.fail(exc, sent=False)
            raise
        ok, limited, retry_after = False, False, None
        try:
            yield trip
            ok = True
        except RejectedError:
            ok = True
            raise
        except BaseException as exc:
            limited = isinstance(exc, RateLimitedError)
            retry_after = exc.fields.get("retry_after") if isinstance(exc, FairleadError) else None
            if isinstance(exc, RetryError) and not limited:
                lane.breaker.record(True, self._clock.monotonic())
            else:
                lane.breaker.withdraw()
            await trip.fail(exc)
            raise
        finally:
            if ok:
                lane.breaker.record(False, self._clock.monotonic())
            lane.leave(ok=ok, limited=limited, retry_after=retry_after)

    def _ask(self, job: Job, info: ModelInfo, input_tokens: int, attempt: int) -> Ask:
        price = info.price
        most = None if price is None else price.ceiling(input_tokens, job.max_tokens)
        ceiling = None
        if most is None and self._policy.unknown_price == "ceiling":
            ceiling = -(-self._policy.ceiling_nano * (input_tokens + job.max_tokens) // 1_000_000)
        if job.cost_limit_nano is not None:
            known = most if most is not None else ceiling
            if known is None or known > job.cost_limit_nano:
                what = "is unknown" if known is None else f"may be {known / NANO:.6g} USD"
                raise BudgetError(
                    f"the cost of {info.id} {what}, but cost_limit is {job.cost_limit_nano / NANO:g} USD.",
                    remedy="Raise cost_limit, lower max_tokens, or use a cheaper model.",
                    reason="cost_limit",
                    model=info.id,
                )
        return Ask(
            job.attribution,
            info.id,
            info.tier,
            most,
            info.price_state,
            ceiling,
            job.request_id,
            attempt,
            job.decision.task_type,
            info.id != job.decision.model,
            job.tokens_saved,
        )

    def _usage(self, job: Job, info: ModelInfo, answer: Answer) -> Usage:
        """What the provider reported, from which the counter learns; else an estimate, labelled as one."""
        if answer.usage is not None:
            if answer.usage.label == "reported":
                ratio, samples = self._counter.learn(info.id, job.estimated, answer.usage.input_tokens)
                if samples in (5, 10) or samples % 25 == 0:
                    self._ledger.keep_calibration(info.id, ratio, samples)
            return answer.usage
        count = self._counter.scale(info.id, job.estimated, len(job.text.encode()))
        output = estimate_tokens(answer.content) if answer.content else 0
        return Usage(count.tokens, 0, 0, output, count.label)

    async def settle(self, trip: Trip, usage: Usage, outcome: str, error: str, category: str) -> None:
        """Ends a trip's reservation and writes the attempt down."""
        reservation, info = trip.reservation, self._catalogue.get(trip.reservation.ask.model)
        cost = None if info.price is None else info.price.cost(usage)
        trip.attempts.made.append(Attempt(reservation.call_id, info.id, outcome, cost, usage, error, category))
        now = self._clock.now()
        data: dict[str, Any] = {
            "call": reservation.call_id,
            "model": info.id,
            "tier": info.tier,
            "outcome": outcome,
            "cost": None if cost is None else cost / NANO,
            "tokens": {"input": usage.input_tokens, "cached": usage.cached_tokens, "output": usage.output_tokens},
            "usage": usage.label,
            "seconds": round(now - reservation.started, 6),
        }
        if error:
            data |= {"error": error, "category": category}
        kind = "model.called" if outcome == "ok" else "model.failed"
        await self._ledger.settle(
            reservation,
            cost,
            usage,
            outcome=outcome,
            error_category=category,
            events=(event(reservation.ask, kind, data, now),),
        )


class Trip:
    """One attempt between its reservation and its settlement."""

    __slots__ = ("_carrier", "attempts", "input_tokens", "job", "open", "partial", "reservation")

    def __init__(
        self, carrier: Carrier, job: Job, reservation: Reservation, attempts: Attempts, input_tokens: int
    ) -> None:
        self._carrier = carrier
        self.job = job
        self.reservation = reservation
        self.attempts = attempts
        self.input_tokens = input_tokens
        self.partial: Usage | None = None
        self.open = True

    async def end(self, usage: Usage, outcome: str, error: str) -> None:
        self.open = False
        await self._carrier.settle(self, usage, outcome, error, "validation" if error else "")

    async def fail(self, exc: BaseException, *, sent: bool = True) -> None:
        """Settles a failed attempt: at nothing when the provider cannot have charged for it, else at what it was sent
        and had returned. ``sent`` says that it may have got the request at all."""
        if not self.open:
            return
        self.open = False
        cancelled = not isinstance(exc, Exception)
        usage = self.partial or Usage(0, 0, 0, 0, "estimated")
        if (
            self.partial is None
            and sent
            and (cancelled or (isinstance(exc, Exception) and not certainly_unbilled(exc)))
        ):
            usage = Usage(self.input_tokens, 0, 0, 0, "estimated")
        category = exc.category if isinstance(exc, FairleadError) else "system"
        # The settlement must not be lost to the cancellation that it accounts for.
        await asyncio.shield(
            self._carrier.settle(
                self, usage, "cancelled" if cancelled else "failed", _short(exc), "" if cancelled else category
            )
        )


class Streaming:
    """An open stream: iterate it for text; ``usage`` is there once its context ended well."""

    __slots__ = ("attempts", "info", "stream", "usage")

    def __init__(self, stream: AnswerStream, info: ModelInfo, attempts: Attempts) -> None:
        self.stream = stream
        self.info = info
        self.attempts = attempts
        self.usage: Usage | None = None

    def __aiter__(self) -> AsyncIterator[str]:
        return self.stream.__aiter__()


class RejectedError(RefusedError):
    """A verifier turned the answer down."""

    category = "processing"


class BreakerOpenError(UnavailableError):
    """The provider's breaker does not let the call through."""


def _with_attempts(exc: FairleadError, attempts: Attempts) -> FairleadError:
    exc.fields["attempts"] = tuple(attempts.made)
    return exc


def _short(exc: BaseException) -> str:
    # Only our own errors are quoted: they were cleaned of secrets when they were made.
    return exc.message if isinstance(exc, FairleadError) else type(exc).__name__
