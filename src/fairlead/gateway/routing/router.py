"""The router: a pure function of what is asked, what is known of the models, and policy.

It takes the cheapest model whose expected quality reaches the floor, so local models come first when they are good
enough. Expected quality is the task type's posterior, moved by how hard the difficulty model finds this prompt. The
caller's knob is the quality floor or a cost ceiling, never a threshold of some score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fairlead.errors import RefusedError
from fairlead.gateway.catalogue import ModelInfo
from fairlead.gateway.prices import NANO
from fairlead.gateway.routing.posteriors import Posterior, shifted


class Wanted(NamedTuple):
    """What a request needs. ``most_nano`` is the caller's cost ceiling; ``needs`` are capabilities."""

    task_type: str = "other"
    preference: str = "auto"
    input_tokens: int = 0
    output_tokens: int = 0
    needs: frozenset[str] = frozenset()
    force_local: bool = False
    force_cloud: bool = False
    local_only: bool = False
    fallback_allowed: bool = True
    floor: float = 0.5
    most_nano: int | None = None


class Candidate(NamedTuple):
    """A model and what is known of it for this request. ``shift`` is the difficulty model's log-odds, 0 when it has
    none; ``price_nano`` the most the call can cost, None when unknown; ``down`` says why it cannot be called now."""

    info: ModelInfo
    posterior: Posterior
    shift: float = 0.0
    price_nano: int | None = 0
    down: str = ""


class Scored(NamedTuple):
    """A candidate in a decision. ``against`` says why it was not eligible, empty when it was."""

    model: str
    tier: str
    quality: float
    low: float
    high: float
    price_nano: int | None
    samples: float
    against: str = ""

    def to_dict(self) -> dict[str, Any]:
        price = None if self.price_nano is None else self.price_nano / NANO
        return {
            "model": self.model,
            "tier": self.tier,
            "expected_quality": round(self.quality, 4),
            "interval": [round(self.low, 4), round(self.high, 4)],
            "price": price,
            "samples": self.samples,
            "against": self.against,
        }


class Decision(NamedTuple):
    """What was chosen and why. ``chain`` are the models to try in order, the chosen one first; ``explored`` says that
    this is a shadow sample, taken to learn."""

    model: str
    chain: tuple[str, ...]
    reasons: tuple[str, ...]
    candidates: tuple[Scored, ...]
    task_type: str
    explored: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "chain": list(self.chain),
            "reasons": list(self.reasons),
            "task_type": self.task_type,
            "explored": self.explored,
            "candidates": [c.to_dict() for c in self.candidates],
        }


def decide(wanted: Wanted, candidates: Sequence[Candidate], *, chance: float = 1.0, shadow: float = 0.0) -> Decision:
    """Chooses a model.

    ``chance`` is a uniform random number from 0 to 1: below ``shadow`` another eligible model is taken, the least
    known one, so that the table of outcomes does not only hold what the router believes already. Raises
    :class:`RefusedError` with every candidate's reason when nothing can be used.
    """
    scored = [_score(wanted, c) for c in candidates]
    eligible = [s for s in scored if not s.against]
    if not eligible:
        raise _nothing(wanted, scored)
    if wanted.preference != "auto":
        chosen, reasons = eligible[0], [f"{wanted.preference} was asked for by name"]
        if chosen.model != wanted.preference:
            chosen = next((s for s in eligible if s.model == wanted.preference), chosen)
        if chosen.model != wanted.preference:
            reasons = [f"{wanted.preference} cannot be used; {chosen.model} stands in for it"]
        return _decision(wanted, chosen, eligible, scored, reasons)
    chosen, reasons = _cheapest_good(wanted, eligible)
    if chance < shadow and len(eligible) > 1:
        other = min((s for s in eligible if s is not chosen), key=lambda s: (s.samples, _price(s)))
        reasons = [f"shadow sample of {other.model} ({other.samples:g} outcomes) instead of {chosen.model}"]
        return _decision(wanted, other, eligible, scored, reasons, explored=True)
    return _decision(wanted, chosen, eligible, scored, reasons)


def _cheapest_good(wanted: Wanted, eligible: list[Scored]) -> tuple[Scored, list[str]]:
    good = [s for s in eligible if s.quality >= wanted.floor]
    if good:
        chosen = min(good, key=lambda s: (_price(s), -s.quality))
        what = "the cheapest" if len(good) > 1 else "the only one"
        reasons = [f"{chosen.model} is {what} expected to reach the quality floor of {wanted.floor:g}"]
    else:
        chosen = max(eligible, key=lambda s: (s.quality, -_price(s)))
        reasons = [
            f"no model reaches the quality floor of {wanted.floor:g}; {chosen.model} is expected to come nearest"
        ]
    reasons.append(f"expected quality {chosen.quality:.2f}, 90 % between {chosen.low:.2f} and {chosen.high:.2f}")
    if chosen.price_nano is None:
        reasons.append("its price is unknown")
    else:
        reasons.append(f"at most {chosen.price_nano / NANO:.6g} USD")
    return chosen, reasons


def _decision(
    wanted: Wanted,
    chosen: Scored,
    eligible: list[Scored],
    scored: list[Scored],
    reasons: list[str],
    *,
    explored: bool = False,
) -> Decision:
    rest: list[Scored] = []
    if wanted.fallback_allowed:
        # Better ones first, because a model that failed or was turned down is best followed by one that knows more.
        better = [s for s in eligible if s is not chosen and s.quality >= chosen.quality]
        others = [s for s in eligible if s is not chosen and s.quality < chosen.quality]
        rest = sorted(better, key=lambda s: (_price(s), -s.quality)) + sorted(others, key=lambda s: -s.quality)
    chain = (chosen.model, *(s.model for s in rest))
    return Decision(chosen.model, chain, tuple(reasons), tuple(scored), wanted.task_type, explored)


def _score(wanted: Wanted, candidate: Candidate) -> Scored:
    info = candidate.info
    low, high = candidate.posterior.interval()
    return Scored(
        info.id,
        info.tier,
        shifted(candidate.posterior.mean, candidate.shift),
        shifted(low, candidate.shift),
        shifted(high, candidate.shift),
        candidate.price_nano,
        candidate.posterior.samples,
        _against(wanted, candidate),
    )


def _against(wanted: Wanted, candidate: Candidate) -> str:
    info = candidate.info
    named = wanted.preference == info.id
    if wanted.preference not in ("auto", info.id) and not wanted.fallback_allowed:
        return "another model was asked for"
    if candidate.down:
        return candidate.down
    if (wanted.force_local or wanted.local_only) and not info.local:
        return "only local models are allowed" + (" at this level of the budget" if wanted.local_only else "")
    if wanted.force_cloud and info.local:
        return "only cloud models are allowed"
    if info.tasks and wanted.task_type not in info.tasks and not named:
        return f"does {', '.join(sorted(info.tasks))} and not {wanted.task_type}"
    missing = wanted.needs - info.capabilities
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    if info.context_window is not None and wanted.input_tokens + wanted.output_tokens > info.context_window:
        return f"its context of {info.context_window} tokens is too short"
    if wanted.most_nano is not None:
        if candidate.price_nano is None:
            return "its price is unknown and there is a cost limit"
        if candidate.price_nano > wanted.most_nano:
            return f"may cost {candidate.price_nano / NANO:.6g} USD, above the limit of {wanted.most_nano / NANO:g}"
    return ""


def _price(scored: Scored) -> float:
    """For ordering: an unknown price sorts behind every known one."""
    return float("inf") if scored.price_nano is None else scored.price_nano


def _nothing(wanted: Wanted, scored: list[Scored]) -> RefusedError:
    why = "; ".join(f"{s.model}: {s.against}" for s in scored) or "no model is configured"
    remedy = (
        "Configure a provider: its key (such as OPENAI_API_KEY) and a model in FAIRLEAD_MODELS or gateway.toml; or a "
        "local server. Or relax the request."
    )
    if wanted.force_local or wanted.local_only:
        remedy = (
            "Configure a local server (for example Ollama under [providers] in gateway.toml), ask for a summary, "
            "answer, classification or extraction, or allow cloud models."
        )
    return RefusedError(
        f"no model can do this {wanted.task_type!r} request ({why}).",
        remedy=remedy,
        task_type=wanted.task_type,
        candidates=[s.to_dict() for s in scored],
    )
