"""Which sentences of a text bear on a question. Used to answer from a text and to shorten one.

The score is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) over stems, with the text's
own sentences as the collection, raised by what the question asks for: a sentence with a year for "when", a number for
"how many", a name for "who". Neighbours of strong sentences get a share, because answers refer back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from fairlead.gateway.local.text import content_stems, inverse_frequencies, words

_K1, _B = 1.2, 0.4
_NEIGHBOUR = 0.35
_EXPECTED = 0.35
_PREFIX = 5
"""Letters that two long words must share to count as related, at part of the weight."""

_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|thousand|million|billion)\b", re.I
)
_TIME = re.compile(
    r"\b(?:1\d{3}|20\d{2}|\d{1,2}(?:st|nd|rd|th)|january|february|march|april|may|june|july|august|september|october|"
    r"november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|century|\d+s|year|years|days?)\b",
    re.I,
)
_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][\w’'-]+")


def expected_kind(question: str) -> str:
    """What a question asks for: ``number``, ``time``, ``name``, ``reason`` or empty when its words do not say."""
    text = question.lower()
    if re.search(
        r"\bhow (?:many|much|old|long|far|tall|high|large|big|often)\b|\bwhat (?:percent|number|amount|share)", text
    ):
        return "number"
    if re.search(r"\bwhen\b|\b(?:what|which|in what|in which) (?:year|date|day|month|century|decade|time)\b", text):
        return "time"
    if re.search(
        r"\bwho(?:m|se)?\b|\bwhere\b|\b(?:what|which) (?:city|country|person|team|company|state|place|name)\b", text
    ):
        return "name"
    return "reason" if re.search(r"\bwhy\b", text) else ""


def has_kind(sentence: str, kind: str) -> bool:
    """Whether a sentence holds something of the kind that was asked for."""
    if kind == "number":
        return _NUMBER.search(sentence) is not None
    if kind == "time":
        return _TIME.search(sentence) is not None
    if kind == "name":
        return _NAME.search(sentence) is not None
    if kind == "reason":
        return (
            re.search(r"\b(?:because|since|due to|so that|in order|as a result|therefore|caused?)\b", sentence, re.I)
            is not None
        )
    return False


def relevance(question: str, found: Sequence[str]) -> list[float]:
    """A score of 0 or more for each sentence: how much it bears on ``question``."""
    bags = [Counter(content_stems(s)) for s in found]
    weights = inverse_frequencies(bags)
    asked = list(dict.fromkeys(content_stems(question)))
    mean = sum(bag.total() for bag in bags) / max(1, len(bags))
    kind = expected_kind(question)
    base = [_bm25(asked, bag, weights, mean) for bag in bags]
    top = max(base, default=0.0) or 1.0
    raised = [
        score + _EXPECTED * top * (kind != "" and has_kind(sentence, kind)) * (0.4 + 0.6 * min(1.0, score / top))
        for score, sentence in zip(base, found, strict=True)
    ]
    return [
        score
        + _NEIGHBOUR * max(base[n - 1] if n else 0.0, base[n + 1] if n + 1 < len(base) else 0.0) * _refers(found[n])
        for n, score in enumerate(raised)
    ]


def _refers(sentence: str) -> float:
    """How much a sentence leans on the one beside it: fully when it opens with a word that points back."""
    first = words(sentence)[:3]
    pointing = {"he", "she", "it", "they", "this", "these", "that", "those", "his", "her", "its", "their", "such"}
    return 1.0 if pointing.intersection(first) else 0.5


def _bm25(asked: Sequence[str], bag: Counter[str], weights: dict[str, float], mean: float) -> float:
    length = _K1 * (1 - _B + _B * bag.total() / max(1.0, mean))
    score = 0.0
    for term in asked:
        count = float(bag.get(term, 0))
        weight = weights.get(term, 0.0)
        if not count and len(term) > _PREFIX:
            near = [t for t in bag if t[:_PREFIX] == term[:_PREFIX]]
            if near:
                count, weight = 0.6, weights[near[0]]
        score += weight * count * (_K1 + 1) / (count + length)
    return score
