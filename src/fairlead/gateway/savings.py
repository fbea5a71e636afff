"""The savings report: what the same requests would have cost under the simplest policy, always the premium model.

Every request in the ledger is replayed at the reference model's price with the tokens it really took. What failed or
was rejected on the way is on the bill of the gateway's side, so savings can be negative, and are shown so. The
confidence interval comes from resampling requests (Efron's bootstrap).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fairlead.gateway.prices import NANO, Price, Usage


class Replayed(NamedTuple):
    """One request: what it cost, and what it would have cost at the reference, in nano-dollars.

    ``whole`` is the reference with the tokens that shortening saved put back, ``sent`` the reference with the tokens
    as they were sent; both are 0-cost questions for a kept answer, whose ``real`` is 0.
    """

    real: int
    sent: int
    whole: int
    kept: bool
    unpriced: bool
    local: bool = False


class Report(NamedTuple):
    """The result in US dollars. ``factors`` multiply to real / reference; below 1 a lever saved, above it cost.
    ``interval`` holds the share saved with 95 %; None for no requests."""

    requests: int
    unpriced: int
    reference_model: str
    reference: float
    real: float
    share_saved: float | None
    interval: tuple[float, float] | None
    factors: dict[str, float]
    failed_cost: float
    judged: int
    mean_quality: float | None

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "saved": self.reference - self.real}


def replay(calls: Sequence[dict[str, Any]], reference: Price) -> list[Replayed]:
    """Requests from the ledger's calls (as :func:`fairlead.store.gateway.calls_of` returns them)."""
    requests: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        if call["state"] != "reserved":
            requests.setdefault(call["id"].rpartition(".")[0], []).append(call)
    return [_replayed(attempts, reference) for attempts in requests.values()]


def _replayed(attempts: list[dict[str, Any]], reference: Price) -> Replayed:
    answered = next((a for a in attempts if a["outcome"] in ("ok", "cached")), None)
    costs = [a["cost_nano"] for a in attempts]
    real = sum(c for c in costs if c is not None)
    unpriced = any(c is None for c in costs)
    if answered is None:
        # Nothing was delivered: the premium model would have answered, so nothing is credited.
        return Replayed(real, 0, 0, False, unpriced)
    usage = Usage(
        answered["input_tokens"], answered["cached_tokens"], answered["written_tokens"], answered["output_tokens"]
    )
    sent = reference.cost(usage)
    whole = reference.cost(usage._replace(input_tokens=usage.input_tokens + answered["tokens_saved"]))
    return Replayed(real, sent, whole, answered["outcome"] == "cached", unpriced, answered["tier"] == "local")


def report(
    calls: Sequence[dict[str, Any]], reference_model: str, reference: Price, *, seed: int = 0, draws: int = 1000
) -> Report:
    """Replays ``calls`` against a reference. Requests with an unknown price are counted and left out of every sum."""
    all_requests = replay(calls, reference)
    requests = [r for r in all_requests if not r.unpriced]
    failed = sum(c["cost_nano"] or 0 for c in calls if c["outcome"] in ("failed", "rejected", "cancelled"))
    judged = [c["quality"] for c in calls if c["quality"] is not None]
    whole = np.array([r.whole for r in requests], float)
    real = np.array([r.real for r in requests], float)
    share = 1 - real.sum() / whole.sum() if whole.sum() > 0 else None
    return Report(
        requests=len(requests),
        unpriced=len(all_requests) - len(requests),
        reference_model=reference_model,
        reference=float(whole.sum()) / NANO,
        real=float(real.sum()) / NANO,
        share_saved=None if share is None else float(share),
        interval=_interval(whole, real, seed, draws),
        factors=_factors(requests),
        failed_cost=failed / NANO,
        judged=len(judged),
        mean_quality=float(np.mean(judged)) if judged else None,
    )


def _factors(requests: Sequence[Replayed]) -> dict[str, float]:
    """One factor per lever, each over what the lever before left; they multiply to real / reference.

    ``tokens``: shortening; ``cache``: kept answers; ``tier``: what local models answered for nothing; ``routing``:
    cheaper models for the rest, with every failed attempt.
    """
    whole = sum(r.whole for r in requests)
    sent = sum(r.sent for r in requests)
    asked = sum(r.sent for r in requests if not r.kept)
    real = sum(r.real for r in requests)
    if not (whole and sent and asked):
        return {}
    paid = sum(r.sent for r in requests if not (r.kept or r.local))
    if not paid:
        # Everything was local; what failed on the way there is all that was paid.
        return {"tokens": sent / whole, "cache": asked / sent, "tier": real / asked, "routing": 1.0}
    return {"tokens": sent / whole, "cache": asked / sent, "tier": paid / asked, "routing": real / paid}


def _interval(whole: Any, real: Any, seed: int, draws: int) -> tuple[float, float] | None:
    if len(whole) == 0 or whole.sum() <= 0:
        return None
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(whole), (draws, len(whole)))
    totals = whole[picks].sum(axis=1)
    shares = 1 - real[picks].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)
