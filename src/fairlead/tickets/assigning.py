"""Who should do a ticket: a choice among agents, with its reasons. A function of values.

The score is that of the repository-ticket system: ``(1 - load) * 10 + success * 20 + 15 if the kind of work is
preferred + confidence * 10``. An agent that has finished nothing yet counts as half successful. A learned selection
takes this function's place through the same arguments and the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairlead.errors import NotFoundError

UNKNOWN_SUCCESS = 0.5


class Candidate(NamedTuple):
    """An agent that could do the work. ``confidence`` by capability from 0 to 1; ``active`` tickets it has now."""

    name: str
    capabilities: dict[str, float]
    preferred: tuple[str, ...] = ()
    most: int = 1
    active: int = 0
    completed: int = 0
    failed: int = 0


class Choice(NamedTuple):
    """The agent chosen, why, and every candidate with its score, best first."""

    agent: str
    reason: str
    ranking: tuple[tuple[str, float], ...]


def score(candidate: Candidate, kind: str, labels: Sequence[str]) -> tuple[float, str]:
    """How well an agent fits work of a kind with these labels, and the sum in words."""
    load = min(candidate.active / candidate.most, 1.0)
    done = candidate.completed + candidate.failed
    success = candidate.completed / done if done else UNKNOWN_SUCCESS
    preferred = kind in candidate.preferred
    confidence = max((candidate.capabilities.get(word, 0.0) for word in (kind, *labels)), default=0.0)
    total = (1 - load) * 10 + success * 20 + (15 if preferred else 0) + confidence * 10
    words = (
        f"load {candidate.active} of {candidate.most}, "
        f"success {f'{candidate.completed} of {done}' if done else 'unknown'}, "
        f"{'prefers' if preferred else 'does not prefer'} {kind}, confidence {confidence:g}"
    )
    return total, words


def choose(candidates: Sequence[Candidate], kind: str, labels: Sequence[str] = ()) -> Choice:
    """The best of the candidates that still have room; of equals the first by name.

    :class:`NotFoundError` when there is none, or all have as much work as they take.
    """
    free = [c for c in candidates if c.active < c.most]
    if not free:
        why = "every agent has as much work as it takes" if candidates else "no agent is registered"
        raise NotFoundError(f"{why}.", remedy="Name one with --agent, or see `fairlead agent list`.")
    scored = sorted(((score(c, kind, labels), c.name) for c in free), key=lambda s: (-s[0][0], s[1]))
    (points, words), name = scored[0]
    ranking = tuple((other, round(value[0], 2)) for value, other in scored)
    return Choice(name, f"chosen with {points:.1f} points: {words}", ranking)
