"""Answers by choice: the sentence that bears most on the question, and the span in it that the question asks for."""

from __future__ import annotations

import re
from typing import NamedTuple

from fairlead.gateway.local.relevance import expected_kind, relevance
from fairlead.gateway.local.text import content_stems, sentences, stem

_LEAST_SHARED = 0.2
"""Share of the question's words that must be in the sentence before it counts as an answer."""

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_SPANS = {
    "time": re.compile(
        rf"\b(?:(?:{_MONTHS})\s+\d{{1,2}}(?:,\s*\d{{4}})?|\d{{1,2}}\s+(?:{_MONTHS})(?:\s+\d{{4}})?|(?:{_MONTHS})\s+\d{{4}}"
        r"|\d{1,2}(?:st|nd|rd|th) century|1\d{3}s?|20\d{2}s?)\b"
    ),
    "number": re.compile(
        r"[$€£]?\d[\d,.]*\d(?:\s*(?:%|percent|million|billion|trillion|thousand))?|[$€£]?\d(?:\s*(?:%|percent|million|billion))?"
        r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|dozen)\b",
        re.IGNORECASE,
    ),
    "name": re.compile(r"[A-Z][\w’'.-]+(?:\s+(?:(?:of|the|de|von|van|la|and|for)\s+)?[A-Z][\w’'.-]+)*"),
}


class Found(NamedTuple):
    """The sentence that answers, empty when the text holds none, and the ``span`` in it of the kind that the question
    wants, empty when the question does not say. ``confidence`` is the share of the question that the sentence
    covers."""

    text: str
    confidence: float
    span: str = ""


def best_answer(question: str, text: str) -> Found:
    """The sentence of ``text`` that answers ``question``, with the span that does."""
    found = sentences(text)
    if not found:
        return Found("", 0.0)
    scores = relevance(question, found)
    best = max(range(len(found)), key=scores.__getitem__)
    asked = set(content_stems(question))
    covered = len(asked.intersection(content_stems(found[best]))) / max(1, len(asked))
    if covered < _LEAST_SHARED:
        return Found("", covered)
    return Found(found[best], covered, _span(question, found[best], expected_kind(question)))


def _span(question: str, sentence: str, kind: str) -> str:
    """The candidate of the expected kind that stands nearest to the question's words and is not one of them."""
    pattern = _SPANS.get(kind)
    if pattern is None:
        return ""
    asked = set(content_stems(question))
    anchors = [m.start() for m in re.finditer(r"\w+", sentence) if stem(m.group().lower()) in asked]
    best, nearest = "", float("inf")
    for match in pattern.finditer(sentence):
        own = set(content_stems(match.group()))
        if own and own <= asked:
            continue
        middle = (match.start() + match.end()) / 2
        distance = sum(abs(middle - a) for a in anchors) / len(anchors) if anchors else middle
        if distance < nearest:
            best, nearest = match.group().strip(" .,"), distance
    return best
