"""Check-worthy claims: sentences that state a fact somebody could check, and that it matters to check.

A sum of weighted signs, after the features that Hassan, Li and Tremayne found to matter in "Detecting Check-worthy
Factual Claims in Presidential Debates" (CIKM 2015): quantities, named things, the past, comparison and blame speak for
it; questions, wishes, thanks and plans against it. The weights are learned from sentences that were written for this
project (``training/claims.py``), because the sets that exist are for research only; ``bench/pipeline_claims.py``
measures the ranking on one of those, which nothing here was fitted to.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

MODEL = "claims/2"


class Sign(NamedTuple):
    """A sign; ``name`` is what is shown as a reason."""

    name: str
    pattern: re.Pattern[str]


def _sign(name: str, pattern: str) -> Sign:
    return Sign(name, re.compile(pattern, re.IGNORECASE))


SIGNS = (
    _sign(
        "quantity",
        r"(?<![\w.-])(?<!python )[$€£]?\d[\d.,]*(?:x|%|st|nd|rd|th|s)?(?![\w-])"
        r"|\b(?:hundreds?|thousands?|millions?|billions?|trillions?|percent|half|twice|double[ds]?|tripled?|quarter)\b",
    ),
    _sign("money or share", r"[$€£]\s?\d|\b\d[\d.,]* ?(?:percent|%|million|billion|trillion|dollars|thousand|jobs)"),
    _sign(
        "record",
        r"\b(?:voted|passed|signed|supported|opposed|proposed|started|approved|invested|cut|lost|created|raised|increased"
        r"|decreased|doubled|caused|blocked|sued|paid|spent|built|negotiated|ended|killed|released|deleted|called)\b",
    ),
    _sign("reported words", r"\b(?:said|says|told|claimed|admitted|promised|denied|called (?:it|him|her|them|for))\b"),
    _sign(
        "comparison",
        r"\b(?:more|less|fewer|higher|lower|largest|biggest|highest|lowest|worst|best|fastest|most|least|first) ?\w*"
        r"\b(?:than|in (?:the )?(?:history|world|country|years)|since|ever|on record)\b|\bnever\b",
    ),
    _sign(
        "change",
        r"\b(?:rose|fell|gone (?:up|down)|going (?:up|down)|growing|shrinking|leaving|since \d|years? ago|now)\b",
    ),
    _sign(
        "state of things",
        r"\b(?:unemployment|taxes?|deficit|debt|trade|jobs?|crime|murders?|wages?|immigra\w+|refugees?|e-?mails?"
        r"|health care|insurance|nuclear|war|troops|budget|economy|income|poverty"
        r"|regulations?|trillion|oil|energy|foundation|police)\b",
    ),
    _sign(
        "somebody's doing",
        r"\b(?:he|she|they|who|which|you|(?-i:[A-Z]\w+)) (?:has|have|had|was|were|is|did|didn't|never)\b",
    ),
    _sign("question", r"\?\W*$"),
    _sign("wish or plan", r"\b(?:will|would|should|must|going to|want to|need to|let's|hope|plan to|gonna|can)\b"),
    _sign(
        "opinion",
        r"\b(?:think|believe|feel|guess|love|respect|great|wonderful|terrible|beautiful|honor|proud|agree)\b",
    ),
    _sign(
        "address",
        r"\b(?:thank|thanks|please|sorry|excuse|welcome|good (?:evening|morning)|you're right|let me|wait)\b",
    ),
)
_FIRST_PERSON = re.compile(r"^\W*(?:and |but |so |well,? |look,? |now,? )*(?:I|we)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
WEIGHTS = (0.55, 0.38, 0.59, 0.57, 0.43, 0.17, 0.34, -0.05, -0.47, -0.52, -0.46, -0.49, 0.94, -0.23, -0.52)
BIAS = -2.23
"""What ``python -m fairlead.pipeline.training.claims`` prints: a weight for each number of :func:`signs_in`."""

_FEWEST_WORDS = 5
_LONGEST_SPOKEN = 200
_LONGEST_WRITTEN = 20
_NAMES = -2
"""Where the names are among the numbers of :func:`signs_in`."""


def signs_in(text: str, longest: int = _LONGEST_SPOKEN) -> list[float]:
    """What the weights are for: each sign, the logarithm of the length, names, and whether ``I`` or ``we`` speak.

    ``longest`` is how many words count for the length.
    """
    words = _WORD.findall(text)
    names = sum(word[0].isupper() and word != "I" for word in words[1:])
    return [
        *(1.0 if sign.pattern.search(text) else 0.0 for sign in SIGNS),
        math.log1p(min(len(words), longest)),
        min(names, 4) / 4,
        1.0 if _FIRST_PERSON.match(text) else 0.0,
    ]


def check_worthiness(text: str, *, spoken: bool = True) -> tuple[float, list[str]]:
    """How much a sentence is worth checking, 0 to 1, and the signs that speak for it.

    In debates the long sentences are those that argue with facts; in writing length says less, so it counts for less.
    """
    if len(_WORD.findall(text)) < _FEWEST_WORDS:
        return 0.0, []
    found = signs_in(text, _LONGEST_SPOKEN if spoken else _LONGEST_WRITTEN)
    total = BIAS + sum(weight * value for weight, value in zip(WEIGHTS, found, strict=True))
    reasons = [sign.name for sign, value, weight in zip(SIGNS, found, WEIGHTS, strict=False) if value and weight > 0]
    if found[_NAMES] and WEIGHTS[_NAMES] > 0:
        reasons.append("named")
    return 1 / (1 + math.exp(-total)), reasons
