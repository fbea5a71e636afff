"""Learning from outcomes: what served well counts for more, and the weights of the terms follow. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fairlead.memory.fusion import DEFAULT_WEIGHTS, Weights

LEAST_SAMPLES = 30
_RATE = 0.2
_LEARNED = ("lexical", "hashed", "semantic")
_SPREAD = 3.0


class Sample(NamedTuple):
    """One outcome: the terms that had brought an entry up, and how useful it was (0 to 1)."""

    terms: Mapping[str, float]
    useful: float


def moved_success(success: float, useful: float, rate: float = _RATE) -> float:
    """An entry's success after one more outcome: an exponential mean that forgets slowly."""
    return min(1.0, max(0.0, success + rate * (useful - success)))


def learn_weights(samples: Sequence[Sample], start: Weights = DEFAULT_WEIGHTS) -> Weights:
    """Weights of the similarity's terms by logistic regression on outcomes, in the proportion of its coefficients.

    The terms' total weight stays that of ``start``, and no weight leaves a third to three times its start, so that
    little or one-sided feedback cannot turn a term off. With fewer than 30 samples, or only one kind of outcome,
    ``start`` is returned.
    """
    useful = [s.useful for s in samples]
    names = [name for name in _LEARNED if any(name in s.terms for s in samples)]
    if len(samples) < LEAST_SAMPLES or len(names) < 2 or max(useful) - min(useful) < 0.5:
        return start
    coefficients = _logistic([[s.terms.get(name, 0.0) for name in names] for s in samples], useful)
    positive = [max(c, 0.0) for c in coefficients]
    if not sum(positive):
        return start
    before = [float(getattr(start, name)) for name in names]
    shares = [sum(before) * c / sum(positive) for c in positive]
    bounded = [min(max(new, old / _SPREAD), old * _SPREAD) for new, old in zip(shares, before, strict=True)]
    scale = sum(before) / sum(bounded)
    return start._replace(**{name: value * scale for name, value in zip(names, bounded, strict=True)})


def _logistic(rows: Sequence[Sequence[float]], targets: Sequence[float], rounds: int = 200) -> list[float]:
    """Coefficients of a logistic regression over standardised columns, by gradient descent with a small ridge."""
    columns = list(zip(*rows, strict=True))
    means = [sum(c) / len(c) for c in columns]
    spreads = [math.sqrt(sum((x - m) ** 2 for x in c) / len(c)) or 1.0 for c, m in zip(columns, means, strict=True)]
    scaled = [[(x - m) / s for x, m, s in zip(row, means, spreads, strict=True)] for row in rows]
    coefficients, bias = [0.0] * len(columns), 0.0
    for _ in range(rounds):
        gradient, slope = [0.01 * c for c in coefficients], 0.0
        for row, target in zip(scaled, targets, strict=True):
            score = bias + sum(c * x for c, x in zip(coefficients, row, strict=True))
            error = 1 / (1 + math.exp(-max(-30.0, min(30.0, score)))) - target
            slope += error / len(rows)
            for at, x in enumerate(row):
                gradient[at] += error * x / len(rows)
        coefficients = [c - g for c, g in zip(coefficients, gradient, strict=True)]
        bias -= slope
    return coefficients
