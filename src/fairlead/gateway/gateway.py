"""The gateway: every model call routed, priced, budgeted and accounted for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.clock import Clock
from fairlead.errors import AskError, FairleadError, InvalidInputError, NotFoundError, RefusedError, StopError
from fairlead.gateway.attribution import Attribution, require_attribution
from fairlead.gateway.backends import Answer, Backend, ExtractiveBackend
from fairlead.gateway.budgets import BudgetBook
from fairlead.gateway.cache import AnswerCache, Kept
from fairlead.gateway.carrier import Carrier, Job, Open, Outcome, Streaming
from fairlead.gateway.catalogue import EXTRACTIVE, Catalogue, ModelInfo
from fairlead.gateway.config import GatewayConfig
from fairlead.gateway.efficiency.compress import Shortened, Shortener
from fairlead.gateway.efficiency.verbosity import verbosity
from fairlead.gateway.knowledge import Knowledge
from fairlead.gateway.ledger import Ask, Ledger, event
from fairlead.gateway.local.extractive import infer_task
from fairlead.gateway.messages import Attempt, GenerationRequest, GenerationResponse
from fairlead.gateway.prices import Usage, to_nano
from fairlead.gateway.providers.clients import ClientBackend
from fairlead.gateway.routing.cascade import judged, sampled
from fairlead.gateway.routing.router import Candidate, Decision, Wanted, decide
from fairlead.gateway.routing.verifiers import Verdict, Verifier, all_of, usual
from fairlead.gateway.tokens import TokenCounter, estimate_tokens, load_vocabulary
from fairlead.gateway.traffic import Traffic
from fairlead.ids import new_id
from fairlead.store.database import Database


class Call(NamedTuple):
    """A model call of any shape: what the router and the budgets must know, apart from what is sent.

    ``brought`` says that the caller brings the client of the model that ``preference`` names: nothing is routed, and
    it is asked once.
    """

    prompt: str
    text: str
    task_type: str
    max_tokens: int
    needs: frozenset[str] = frozenset()
    preference: str = "auto"
    force_local: bool = False
    force_cloud: bool = False
    fallback_allowed: bool = True
    cost_limit: float | None = None
    floor: float | None = None
    tokens_saved: int = 0
    samples: int = 1
    brought: bool = False


class Gateway:
    """One gateway over a store.

    ``config`` says which models there are; ``read_variable`` returns an environment variable (for providers' keys);
    ``sleep`` waits between attempts. ``home`` is where a trained difficulty model lies.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rng: random.Random,
        *,
        config: GatewayConfig,
        read_variable: Callable[[str], str],
        home: Path | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        counter: TokenCounter | None = None,
    ) -> None:
        self._clock = clock
        self._random = rng
        self._database = database
        self._sleep = sleep
        self.config = config
        self.catalogue = Catalogue(config, clock)
        self.ledger = Ledger(database, clock)
        self.budgets = BudgetBook(database, clock)
        self.counter = counter or TokenCounter(_vocabularies(config))
        self._calibrated = False
        self.traffic = Traffic(self.catalogue, database, clock, sleep=sleep)
        self.knowledge = Knowledge(database, clock, home / "difficulty.npz" if home else None)
        self.cache = AnswerCache(database, clock, config.policy)
        self.shortener = Shortener(database, clock)
        self.clients = ClientBackend(self.catalogue, read_variable)
        self._extractive = ExtractiveBackend()
        self._carrier = Carrier(
            self.catalogue, self.ledger, self.counter, self.traffic, config.policy, clock, rng, sleep
        )

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────

    async def generate(self, request: GenerationRequest, *, verifier: Verifier | None = None) -> GenerationResponse:
        """Answers a request. Whatever a provider, a budget or a verifier refuses is in the response, with
        ``success`` False and the remedy in its text.

        ``verifier`` is a further check of the answer; one that does not pass escalates to the next model of the chain.
        Raises :class:`InvalidInputError` for a request that cannot be used, :class:`AskError` where a budget says to
        ask a person, and :class:`StopError` when the store cannot go on.
        """
        who = require_attribution()
        asked = request = self._typed(request.checked())
        began = self._clock.monotonic()
        request_id = new_id("req")
        kept = self.cache.find(who, request)
        if kept is not None:
            return await self._from_cache(who, request, request_id, kept, began)
        decision: Decision | None = None
        try:
            request, shortened = self._shortened(who, request)
            job = self._job(who, request_id, self._call(request, shortened))
            decision = job.decision
            check = all_of(usual, verifier) if verifier is not None else usual
            outcome = await self._carrier.carry(
                job,
                lambda info: sampled(self.backend(info), info, request),
                lambda answer: judged(request, answer, check),
            )
        except (InvalidInputError, AskError, StopError):
            raise
        except FairleadError as exc:
            self._count_rejections(who, decision, exc.fields.get("attempts", ()))
            return self._failed(request_id, decision, exc, began)
        self._count_rejections(who, decision, outcome.attempts)
        await self.cache.keep(
            who, asked, outcome.answer.content, outcome.info.id, _total(outcome.attempts), outcome.usage
        )
        return self._answered(request_id, decision, outcome, began, shortened)

    @asynccontextmanager
    async def stream(self, request: GenerationRequest) -> AsyncIterator[TextFlow]:
        """Streams the answer to a request; fallback ends with the first chunk.

        Iterate the flow for text; afterwards ``flow.response`` is the same as :meth:`generate` returns. Raises what
        went wrong, because half an answer is not one.
        """
        who = require_attribution()
        request = self._typed(request.checked())
        began = self._clock.monotonic()
        request_id = new_id("req")
        request, shortened = self._shortened(who, request)
        job = self._job(who, request_id, self._call(request, shortened))
        async with self._carrier.stream(job, lambda info: self.backend(info).stream(info, request)) as streaming:
            flow = TextFlow(streaming)
            yield flow
        assert streaming.usage is not None
        outcome = Outcome(streaming.stream.answer(), streaming.info, streaming.usage, streaming.attempts.made)
        flow.response = self._answered(request_id, job.decision, outcome, began, shortened)

    async def carry(self, call: Call, send: Callable[[ModelInfo], Awaitable[Answer]]) -> Outcome:
        """Takes a call of another shape, such as an agent's model request, down the same path. Raises what fails."""
        job = self._job(require_attribution(), new_id("req"), call)
        return await self._carrier.carry(job, send, lambda answer: Verdict(True))

    def carry_stream(self, call: Call, opener: Open) -> AbstractAsyncContextManager[Streaming]:
        """:meth:`carry` for a stream."""
        return self._carrier.stream(self._job(require_attribution(), new_id("req"), call), opener)

    def route(self, request: GenerationRequest) -> Decision:
        """The decision that :meth:`generate` would start with; nothing is called, taken or written."""
        request = self._typed(request.checked())
        who = require_attribution()
        return self._decide(who, self._call(request, None), explore=False)

    async def report_outcome(self, request_id: str, quality: float) -> None:
        """Tells the router how good an answer was, 0 to 1."""
        await self.knowledge.report(require_attribution().tenant, request_id, quality)

    async def close(self) -> None:
        """Closes the clients of the running loop."""
        await self.clients.close()

    def require(self, model_id: str) -> ModelInfo:
        """The entry of a model that can be asked here, or for which another one stands in.

        Raises :class:`NotFoundError` for what no provider could answer to, :class:`RefusedError` for what cannot be
        called and has no stand-in, with the reason.
        """
        info = self.catalogue.get(model_id)
        if info.id != EXTRACTIVE and not self.clients.knows(info):
            raise NotFoundError(
                f"there is no model {model_id!r}: nobody knows the provider {info.provider!r}.",
                remedy="Check its name, or describe the provider in gateway.toml.",
                model=model_id,
            )
        against = self.backend(info).ready(info)
        others = (m for m in self.catalogue.pool() if m.id not in (model_id, EXTRACTIVE))
        if against and all(self.backend(m).ready(m) for m in others):
            raise RefusedError(
                f"{model_id} cannot be asked: {against}.",
                remedy="Set its key, name the provider in gateway.toml, or choose another model.",
                model=model_id,
            )
        return info

    def backend(self, info: ModelInfo) -> Backend:
        return self._extractive if info.id == EXTRACTIVE else self.clients

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────

    def _typed(self, request: GenerationRequest) -> GenerationRequest:
        if request.task_type:
            return request
        prompt = request.prompt or next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        task = infer_task(prompt, labels=bool(request.labels), context=bool(request.context))
        return request._replace(task_type=task)

    def _call(self, request: GenerationRequest, shortened: Shortened | None) -> Call:
        return Call(
            prompt=request.prompt or request.messages[-1].content,
            text=request.text(),
            task_type=request.task_type,
            max_tokens=request.max_tokens * request.samples,
            samples=request.samples,
            preference=request.model_preference,
            force_local=request.force_local,
            force_cloud=request.force_cloud,
            fallback_allowed=request.fallback_allowed,
            cost_limit=request.cost_limit,
            floor=request.quality_floor,
            tokens_saved=shortened.tokens_saved if shortened else 0,
        )

    def _job(self, who: Attribution, request_id: str, call: Call) -> Job:
        self._calibrate()
        decision = _as_brought(call) if call.brought else self._decide(who, call, explore=True)
        limit = None if call.cost_limit is None else to_nano(call.cost_limit)
        # Every sample sends the whole text again.
        text = call.text * call.samples
        attempts = 1 if call.brought else self.config.policy.attempts
        estimated = estimate_tokens(text)
        return Job(request_id, who, decision, text, estimated, call.max_tokens, attempts, limit, call.tokens_saved)

    def _calibrate(self) -> None:
        if not self._calibrated:
            self._calibrated = True
            self.counter.restore(self.ledger.calibrations())

    def _decide(self, who: Attribution, call: Call, *, explore: bool) -> Decision:
        policy = self.config.policy
        self._calibrate()
        count = self.counter.scale("", estimate_tokens(call.text), len(call.text.encode()))
        used = self.budgets.fraction_used(who)
        wanted = Wanted(
            task_type=call.task_type,
            preference=call.preference,
            input_tokens=count.tokens,
            output_tokens=call.max_tokens,
            needs=call.needs,
            force_local=call.force_local,
            force_cloud=call.force_cloud,
            local_only=used * 100 >= policy.local_only_at,
            fallback_allowed=call.fallback_allowed,
            floor=policy.quality_floor if call.floor is None else call.floor,
            most_nano=None if call.cost_limit is None else to_nano(call.cost_limit),
        )
        pool = list(self.catalogue.pool())
        if call.preference != "auto":
            named = self.catalogue.get(call.preference)
            pool = [named, *(m for m in pool if m.id != named.id)] if call.fallback_allowed else [named]
        shifts = self.knowledge.shifts(call.prompt)
        candidates = [self._candidate(who, call, info, count.most, shifts) for info in pool]
        chance = self._random.random() if explore else 1.0
        return decide(wanted, candidates, chance=chance, shadow=policy.shadow_share)

    def _candidate(self, who: Attribution, call: Call, info: ModelInfo, most: int, shifts: Any) -> Candidate:
        price = None if info.price is None else info.price.ceiling(most, call.max_tokens)
        down = self.backend(info).ready(info) or self.traffic.down(info)
        shift = shifts.get(info.id, shifts.get(info.tier, 0.0))
        return Candidate(info, self.knowledge.posterior(who.tenant, call.task_type, info), shift, price, down)

    def _shortened(self, who: Attribution, request: GenerationRequest) -> tuple[GenerationRequest, Shortened | None]:
        question = request.prompt
        if not request.compress:
            return request, None
        used = self.budgets.fraction_used(who)
        wanted = verbosity(request.task_type, estimate_tokens(request.text()), request.max_tokens, budget_used=used)
        # What is asked for stands at the end, so that the beginning stays as a provider may have cached it.
        prompt = f"{request.prompt}\n{wanted.instruction}".rstrip() if request.prompt else ""
        local = request.force_local or not request.prompt
        request = request._replace(max_tokens=wanted.max_tokens, prompt=request.prompt if local else prompt)
        if not request.context:
            return request, None
        shortened = self.shortener.shorten(who, request.context, question=question)
        return request._replace(context=shortened.text), shortened

    # ── answering ────────────────────────────────────────────────────────────────────────────────────────────

    async def _from_cache(
        self, who: Attribution, request: GenerationRequest, request_id: str, kept: Kept, began: float
    ) -> GenerationResponse:
        info = self.catalogue.get(kept.model)
        ask = Ask(who, info.id, info.tier, 0, "free", None, request_id, 1, request.task_type)
        now = self._clock.now()
        data = {"model": info.id, "outcome": "cached", "kind": kept.kind, "similarity": kept.similarity, "cost": 0.0}
        await self.ledger.record(ask, kept.usage, outcome="cached", events=(event(ask, "model.called", data, now),))
        return GenerationResponse(
            content=kept.content,
            model_used=info.id,
            model_type=info.model_type,
            usage=kept.usage,
            cost_nano=0,
            response_time=self._clock.monotonic() - began,
            success=True,
            request_id=request_id,
            cached=kept.kind,
        )

    def _answered(
        self,
        request_id: str,
        decision: Decision,
        outcome: Outcome,
        began: float,
        shortened: Shortened | None,
    ) -> GenerationResponse:
        return GenerationResponse(
            content=outcome.answer.content,
            model_used=outcome.info.id,
            model_type=outcome.info.model_type,
            usage=outcome.usage,
            cost_nano=_total(outcome.attempts),
            response_time=self._clock.monotonic() - began,
            success=True,
            request_id=request_id,
            fallback_used=outcome.info.id != decision.model,
            decision=decision,
            attempts=tuple(outcome.attempts),
            native=outcome.answer.native,
            shortened=shortened,
        )

    def _failed(
        self, request_id: str, decision: Decision | None, exc: FairleadError, began: float
    ) -> GenerationResponse:
        attempts: tuple[Attempt, ...] = exc.fields.get("attempts", ())
        used = attempts[-1].model if attempts else ""
        usage = Usage(
            sum(a.usage.input_tokens for a in attempts),
            sum(a.usage.cached_tokens for a in attempts),
            sum(a.usage.written_tokens for a in attempts),
            sum(a.usage.output_tokens for a in attempts),
            attempts[-1].usage.label if attempts else "",
        )
        return GenerationResponse(
            content="",
            model_used=used,
            model_type=self.catalogue.get(used).model_type if used else "",
            usage=usage,
            cost_nano=_total(attempts),
            response_time=self._clock.monotonic() - began,
            success=False,
            request_id=request_id,
            error_message=str(exc),
            error_category=exc.category,
            fallback_used=len({a.model for a in attempts}) > 1,
            decision=decision,
            attempts=attempts,
        )

    def _count_rejections(self, who: Attribution, decision: Decision | None, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            if attempt.outcome == "rejected" and decision is not None:
                self.knowledge.rejected(who.tenant, decision.task_type, attempt.model)


class TextFlow:
    """A streamed answer: iterate it for text. ``response`` is None until the stream's context has ended well."""

    def __init__(self, streaming: Streaming) -> None:
        self._streaming = streaming
        self.model = streaming.info.id
        self.response: GenerationResponse | None = None

    def __aiter__(self) -> AsyncIterator[str]:
        return self._streaming.__aiter__()


def _as_brought(call: Call) -> Decision:
    reasons = ("the caller brought this model along",)
    return Decision(call.preference, (call.preference,), reasons, (), call.task_type)


def _vocabularies(config: GatewayConfig) -> dict[str, Callable[[str], int]]:
    """Exact counters of the models whose vocabulary configuration names."""
    named = {model: str(table["vocabulary"]) for model, table in config.overrides.items() if "vocabulary" in table}
    return {model: load_vocabulary(path) for model, path in named.items()}


def _total(attempts: Sequence[Attempt]) -> int | None:
    """Nano-dollars over all attempts; None as soon as one cost is unknown."""
    costs = [a.cost_nano for a in attempts]
    return None if any(c is None for c in costs) else sum(c for c in costs if c is not None)
