"""Summaries by choice of sentences: LexRank with a penalty for repetition."""

from __future__ import annotations

from collections import Counter

import numpy as np

from fairlead.gateway.local.text import content_stems, inverse_frequencies, overlap, sentences
from fairlead.gateway.tokens import estimate_tokens

_DAMPING = 0.85
_MOST_SENTENCES = 400


def summarise(text: str, *, max_tokens: int = 200, share: float = 0.35) -> list[str]:
    """The sentences that carry a text, in their order, within ``max_tokens`` and ``share`` of the sentences.

    Sentences are ranked by the stationary distribution of a walk along their similarity (LexRank: Erkan and Radev,
    JAIR 22, 2004) and taken in that order unless they repeat what is taken (MMR: Carbonell and Goldstein, SIGIR
    1998). The first sentence, which in most prose says what it is about, starts with a small advantage.
    """
    found = sentences(text)[:_MOST_SENTENCES]
    if len(found) <= 2:
        return found
    bags = [Counter(content_stems(s)) for s in found]
    weights = inverse_frequencies(bags)
    likeness = np.array([[overlap(a, b, weights) if a is not b else 0.0 for b in bags] for a in bags])
    rank = _walk(likeness)
    rank[0] *= 1.25
    wanted = max(1, round(len(found) * share))
    taken: list[int] = []
    left = max_tokens
    while len(taken) < wanted:
        scores = rank * (1 - (likeness[:, taken].max(axis=1) if taken else 0.0))
        scores[taken] = -1.0
        best = int(scores.argmax())
        cost = estimate_tokens(found[best])
        if scores[best] < 0 or (taken and cost > left):
            break
        taken.append(best)
        left -= cost
    return [found[n] for n in sorted(taken)]


def _walk(likeness: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    count = len(likeness)
    out = likeness.sum(axis=1, keepdims=True)
    steps = np.where(out > 0, likeness / np.where(out > 0, out, 1.0), 1.0 / count)
    rank = np.full(count, 1.0 / count)
    for _ in range(60):
        moved = (1 - _DAMPING) / count + _DAMPING * rank @ steps
        if np.abs(moved - rank).sum() < 1e-8:
            break
        rank = moved
    result: np.ndarray[tuple[int], np.dtype[np.float64]] = moved
    return result
