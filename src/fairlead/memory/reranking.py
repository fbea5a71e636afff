"""Reranking: the best hits of a recall, put in order anew by something that reads them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from fairlead.errors import RetryError
from fairlead.memory.entries import Hit

_log = logging.getLogger(__name__)

Reranker = Callable[[str, Sequence[str]], Awaitable[Sequence[float]]]
"""(question, texts) -> how well each text answers it, 0 to 1, in their order."""


async def reranked(hits: Sequence[Hit], question: str, reranker: Reranker) -> list[Hit]:
    """The hits by what the reranker says, and among equals as they were; ``why`` has both scores.

    When it cannot be asked now the hits stay as they were, without ``rerank`` among their reasons. What refuses it for
    good, such as a budget, is raised.
    """
    try:
        scores = await reranker(question, [hit.entry.content for hit in hits])
    except RetryError as exc:
        _log.warning("the hits are not put in order anew: %s", exc)
        return list(hits)
    judged = [
        hit._replace(score=score, why={**hit.why, "rerank": score, "recall": hit.score})
        for hit, score in zip(hits, scores, strict=True)
    ]
    return sorted(judged, key=lambda hit: -hit.score)
