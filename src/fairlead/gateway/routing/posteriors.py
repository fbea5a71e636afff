"""What outcomes say about each model at each kind of work: Beta posteriors, with their intervals.

The table starts from a prior of a stated mean and weight, and moves by one for every judged answer.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

PRIOR_WEIGHT = 4.0
"""Answers that the prior counts for: few, so that real outcomes soon outweigh it."""


class Posterior(NamedTuple):
    """A Beta distribution over the share of good answers; ``wins`` and ``losses`` include the prior."""

    wins: float
    losses: float

    @property
    def mean(self) -> float:
        return self.wins / (self.wins + self.losses)

    @property
    def samples(self) -> float:
        """Judged answers behind it, without the prior."""
        return max(0.0, self.wins + self.losses - PRIOR_WEIGHT)

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """An interval that holds the share with probability ``level``, by the normal approximation in log-odds.

        Beta's log-odds have mean psi(a) - psi(b) and variance psi1(a) + psi1(b); for a and b of 1 and more the normal
        with these moments is within about 0.02 of the exact quantiles.
        """
        return _interval(self.wins, self.losses, level)


@functools.lru_cache(maxsize=1024)
def _interval(wins: float, losses: float, level: float) -> tuple[float, float]:
    center = _digamma(wins) - _digamma(losses)
    spread = math.sqrt(_trigamma(wins) + _trigamma(losses)) * _quantile(level)
    return _logistic(center - spread), _logistic(center + spread)


def posterior(prior: float, wins: float = 0.0, losses: float = 0.0) -> Posterior:
    """The posterior of a model with prior mean ``prior`` after so many good and bad answers."""
    mean = min(0.98, max(0.02, prior))
    return Posterior(PRIOR_WEIGHT * mean + wins, PRIOR_WEIGHT * (1 - mean) + losses)


def shifted(value: float, logit: float) -> float:
    """A probability moved by ``logit`` in log-odds."""
    value = min(1 - 1e-9, max(1e-9, value))
    return _logistic(math.log(value / (1 - value)) + logit)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


@functools.cache
def _quantile(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def _digamma(x: float) -> float:
    # Recurrence up to 6, then the asymptotic series (Abramowitz and Stegun 6.3.18).
    shift = 0.0
    while x < 6:
        shift -= 1 / x
        x += 1
    inverse = 1 / (x * x)
    return shift + math.log(x) - 0.5 / x - inverse * (1 / 12 - inverse * (1 / 120 - inverse / 252))


def _trigamma(x: float) -> float:
    shift = 0.0
    while x < 6:
        shift += 1 / (x * x)
        x += 1
    inverse = 1 / (x * x)
    return shift + 1 / x + inverse / 2 + inverse / x * (1 / 6 - inverse * (1 / 30 - inverse / 42))
