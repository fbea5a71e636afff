"""Retry: which failures are worth another try, how long to wait, and whether another model may help. Pure functions."""

from __future__ import annotations

import random

from fairlead.errors import (
    AskError,
    FairleadError,
    InvalidInputError,
    RetryError,
    StopError,
    TenantMissingError,
)

_BASE, _MOST = 0.25, 20.0
_PATIENCE = 30.0
"""Longest wait that a provider may ask for before another model is asked instead."""


def worth_retrying(exc: Exception, attempt: int, attempts: int) -> bool:
    """Whether the same model should be asked again after ``attempt`` of ``attempts``."""
    if attempt >= attempts or not isinstance(exc, RetryError):
        return False
    return float(exc.fields.get("retry_after") or 0.0) <= _PATIENCE


def worth_falling_back(exc: Exception) -> bool:
    """Whether another model may do what this one could not: everything a provider does wrong, wrong credentials and
    a budget that is too small for this model included; not what is wrong with the request, the tenant or the store."""
    return isinstance(exc, FairleadError) and not isinstance(
        exc, (AskError, StopError, TenantMissingError, InvalidInputError)
    )


def delay(attempt: int, rng: random.Random, retry_after: float | None = None) -> float:
    """Seconds before the attempt after ``attempt``: what the provider asked for, else exponential with full jitter
    (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015)."""
    if retry_after is not None:
        return min(_PATIENCE, max(0.0, retry_after)) * (1 + 0.1 * rng.random())
    return float(min(_MOST, _BASE * 2 ** (attempt - 1)) * rng.random())


def certainly_unbilled(exc: Exception) -> bool:
    """Whether the provider cannot have charged for the attempt: it refused it, or never got it."""
    if isinstance(exc, RetryError):
        return not exc.fields.get("sent", False)
    # What is not one of our errors is a fault of the code, and may have come after the answer.
    return isinstance(exc, FairleadError)
