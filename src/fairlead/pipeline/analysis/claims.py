"""Check-worthy claims: sentences that state a fact somebody could check, and that it matters to check.

A sum of weighted signs, after the features that Hassan, Li and Tremayne found to matter in "Detecting Check-worthy
Factual Claims in Presidential Debates" (CIKM 2015): quantities, named things, the past, comparison and blame speak for
it; questions, wishes, thanks and plans against it. The weights are set by hand, not trained, because the sets that
could train them are for research only; ``bench/pipeline_claims.py`` measures the ranking on one of those.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

MODEL = "claims/1"


class Sign(NamedTuple):
    """A sign with its weight; ``name`` is what is shown as a reason."""

    name: str
    weight: float
    pattern: re.Pattern[str]


def _sign(name: str, weight: float, pattern: str) -> Sign:
    return Sign(name, weight, re.compile(pattern, re.IGNORECASE))


SIGNS = (
    _sign(
        "quantity",
        1.3,
        r"(?<![\w.-])(?<!python )[$€£]?\d[\d.,]*(?:x|%|st|nd|rd|th|s)?(?![\w-])"
        r"|\b(?:hundreds?|thousands?|millions?|billions?|trillions?|percent|half|twice|double[ds]?|tripled?|quarter)\b",
    ),
    _sign(
        "money or share", 0.8, r"[$€£]\s?\d|\b\d[\d.,]* ?(?:percent|%|million|billion|trillion|dollars|thousand|jobs)"
    ),
    _sign(
        "record",
        0.9,
        r"\b(?:voted|passed|signed|supported|opposed|proposed|started|approved|invested|cut|lost|created|raised|increased"
        r"|decreased|doubled|caused|blocked|sued|paid|spent|built|negotiated|ended|killed|released|deleted|called)\b",
    ),
    _sign(
        "reported words", 0.7, r"\b(?:said|says|told|claimed|admitted|promised|denied|called (?:it|him|her|them|for))\b"
    ),
    _sign(
        "comparison",
        0.6,
        r"\b(?:more|less|fewer|higher|lower|largest|biggest|highest|lowest|worst|best|fastest|most|least|first) ?\w*"
        r"\b(?:than|in (?:the )?(?:history|world|country|years)|since|ever|on record)\b|\bnever\b",
    ),
    _sign(
        "change",
        0.5,
        r"\b(?:rose|fell|gone (?:up|down)|going (?:up|down)|growing|shrinking|leaving|since \d|years? ago|now)\b",
    ),
    _sign(
        "state of things",
        0.35,
        r"\b(?:unemployment|taxes?|deficit|debt|trade|jobs?|crime|murders?|wages?|immigra\w+|refugees?|e-?mails?"
        r"|health care|insurance|nuclear|war|troops|budget|economy|income|poverty"
        r"|regulations?|trillion|oil|energy|foundation|police)\b",
    ),
    _sign(
        "somebody's doing",
        0.45,
        r"\b(?:he|she|they|who|which|you|(?-i:[A-Z]\w+)) (?:has|have|had|was|were|is|did|didn't|never)\b",
    ),
    _sign("question", -1.6, r"\?\W*$"),
    _sign(
        "wish or plan", -0.9, r"\b(?:will|would|should|must|going to|want to|need to|let's|hope|plan to|gonna|can)\b"
    ),
    _sign(
        "opinion",
        -0.6,
        r"\b(?:think|believe|feel|guess|love|respect|great|wonderful|terrible|beautiful|honor|proud|agree)\b",
    ),
    _sign(
        "address",
        -1.2,
        r"\b(?:thank|thanks|please|sorry|excuse|welcome|good (?:evening|morning)|you're right|let me|wait)\b",
    ),
)
_FIRST_PERSON = re.compile(r"^\W*(?:and |but |so |well,? |look,? |now,? )*(?:I|we)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_MIDDLE = 1.7
"""The sum at which the score is one half."""


def check_worthiness(text: str) -> tuple[float, list[str]]:
    """How much a sentence is worth checking, 0 to 1, and the signs that speak for it."""
    words = _WORD.findall(text)
    if len(words) < 5:
        return 0.0, []
    total = 0.25 * min(math.log2(len(words) / 5), 2.0)
    reasons: list[str] = []
    for sign in SIGNS:
        if sign.pattern.search(text):
            total += sign.weight
            if sign.weight > 0:
                reasons.append(sign.name)
    names = sum(word[0].isupper() and word != "I" for word in words[1:])
    if names:
        total += 0.3 + 0.1 * min(names, 3)
        reasons.append("named")
    if _FIRST_PERSON.match(text):
        total -= 0.5
    return 1 / (1 + math.exp(-1.6 * (total - _MIDDLE))), reasons
