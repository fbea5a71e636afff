"""Which sentences of a context to keep for a question."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.gateway.local.relevance import relevance
from fairlead.gateway.local.text import sentences

KEEP_ABOVE = 0.4
"""Share of the best sentence's score that a sentence needs to stay. On XQuAD this cuts half of the tokens and keeps
97 % of the answers (bench/gateway_tokens.py)."""


class Selection(NamedTuple):
    """What stays, in order, and what was left out."""

    kept: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.kept)


def select(question: str, text: str, *, keep_above: float = KEEP_ABOVE) -> Selection:
    """The sentences that bear on ``question``; all of them when none does, because then nothing is known."""
    found = sentences(text)
    scores = relevance(question, found) if question.strip() else [0.0] * len(found)
    least = keep_above * max(scores, default=0.0)
    kept = tuple(s for s, score in zip(found, scores, strict=True) if score >= least)
    dropped = tuple(s for s, score in zip(found, scores, strict=True) if score < least)
    return Selection(kept, dropped)
