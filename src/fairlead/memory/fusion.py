"""Fusion: how the terms that speak for an entry become one score. Pure functions, each usable alone.

Scores of one kind are divided by the best of that kind for the query and added with weights (convex combination:
Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023). On the collections at hand
it does better than reciprocal rank fusion, which is here for lists whose scores cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Weights(NamedTuple):
    """What each term counts for. The defaults are the same for every namespace until feedback has taught others.

    ``lexical``, ``hashed`` and ``semantic`` make up the similarity; ``echo`` is likeness to what was found first,
    ``before`` and ``after`` let an entry share in its neighbours of the same source, ``graph`` is nearness in the
    graph, ``named`` that the question calls something by the several words of a name that the entry is filed under.
    ``outcome`` and ``recency`` are added to the similarity, whose share is what they leave of one.
    """

    lexical: float = 0.5
    hashed: float = 0.5
    semantic: float = 1.0
    echo: float = 0.7
    before: float = 0.4
    after: float = 0.2
    graph: float = 0.25
    named: float = 1.5
    outcome: float = 0.3
    recency: float = 0.02


DEFAULT_WEIGHTS = Weights()

HALF_LIFE = 30 * 86_400.0
"""Seconds after which recency is worth half."""


def of_best(scores: Any) -> Any:
    """Scores as shares of the best one; all zero when none is above zero."""
    best = float(scores.max()) if len(scores) else 0.0
    return scores / best if best > 0 else scores * 0


def stretched(scores: Any) -> Any:
    """Scores from 0 for the least to 1 for the best: for cosines, which are high even between strangers."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else scores * 0


def reciprocal_ranks(rankings: Iterable[Sequence[int]], k: float = 10.0) -> dict[int, float]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): the sum of 1 / (k + rank) over rankings."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (k + rank)
    return scores


def recency(age: float, half_life: float = HALF_LIFE) -> float:
    """1 for what is new, half after each half-life; seconds."""
    return float(0.5 ** (max(age, 0.0) / half_life))


def outcome(success: float, usage: int) -> float:
    """How well an entry has served: two parts success, one part use (which counts less and less), 0 to 1."""
    used = min(1.0, math.log1p(max(usage, 0)) / math.log1p(100))
    return (2 * success + used) / 3


def margin(scores: Sequence[float]) -> float:
    """How far the best score stands out from the tenth, as a share of the best; 1 when there is no second."""
    ordered = sorted(scores, reverse=True)[:10]
    if not ordered or ordered[0] <= 0:
        return 0.0
    return 1.0 if len(ordered) == 1 else (ordered[0] - ordered[-1]) / ordered[0]


def total(similarity: float, terms: Mapping[str, float], weights: Weights) -> float:
    """The final score: similarity with what outcome and recency leave of the weight, and these."""
    rest = 1 - weights.outcome - weights.recency
    return rest * similarity + weights.outcome * terms.get("outcome", 0.0) + weights.recency * terms.get("recency", 0.0)


def diverse(scores: Sequence[float], likeness: Callable[[int], Any], k: int, diversity: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): ``k`` positions in order.

    ``likeness(i)`` gives the similarity of candidate i to every candidate, 0 to 1; ``diversity`` 0 keeps the order of
    the scores, 1 looks only at how new a candidate is beside those already chosen.
    """
    left = list(range(len(scores)))
    nearest = [0.0] * len(scores)
    chosen: list[int] = []
    while left and len(chosen) < k:
        best = max(left, key=lambda i: ((1 - diversity) * scores[i] - diversity * nearest[i], -i))
        chosen.append(best)
        left.remove(best)
        alike = likeness(best)
        for i in left:
            nearest[i] = max(nearest[i], float(alike[i]))
    return chosen
