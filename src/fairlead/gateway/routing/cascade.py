"""What a cascade decides by: several samples that agree, likely tokens, and the request's checks."""

from __future__ import annotations

import asyncio

from fairlead.gateway.backends import Answer, Backend
from fairlead.gateway.catalogue import ModelInfo
from fairlead.gateway.messages import GenerationRequest
from fairlead.gateway.prices import Usage
from fairlead.gateway.routing.verifiers import Verdict, Verifier, agreement, closest, likely


async def sampled(backend: Backend, info: ModelInfo, request: GenerationRequest) -> Answer:
    """The model's answer; of several samples the one that most others agree with, with the usage of all.

    ``native`` then holds the texts of all samples. When one sample fails the others are given up.
    """
    if request.samples == 1:
        return await backend.complete(info, request)
    tasks = [asyncio.create_task(backend.complete(info, _seeded(request, n))) for n in range(request.samples)]
    try:
        answers = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    texts = tuple(answer.content for answer in answers)
    chosen = answers[closest(texts)]
    usages = [answer.usage for answer in answers if answer.usage is not None]
    whole = _sum(usages) if len(usages) == len(answers) else None
    return chosen._replace(usage=whole, native=texts)


def judged(request: GenerationRequest, answer: Answer, check: Verifier) -> Verdict:
    """Whether an answer passes everything that its request asks of it."""
    verdict = check(request, answer.content)
    if verdict.passed and request.samples > 1:
        verdict = agreement(answer.native)
    if verdict.passed and request.least_probability is not None:
        verdict = likely(answer.logprobs, least=request.least_probability)
    return verdict


def _seeded(request: GenerationRequest, n: int) -> GenerationRequest:
    return request if request.seed is None else request._replace(seed=request.seed + n)


def _sum(usages: list[Usage]) -> Usage:
    return Usage(
        sum(u.input_tokens for u in usages),
        sum(u.cached_tokens for u in usages),
        sum(u.written_tokens for u in usages),
        sum(u.output_tokens for u in usages),
        usages[0].label,
    )
