"""Who says what: speaker turns where the document has speakers, reported speech elsewhere.

A speaker's statements are those most central to what that speaker says (LexRank within the speaker's own sentences).
Reported speech is found by verbs of saying and by ``according to``; the name is taken as it is written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from fairlead.pipeline.analysis.gazetteer import NOT_NAMES
from fairlead.pipeline.analysis.summary import mmr, rank_sentences
from fairlead.pipeline.text.reading import Reading, Sentence

_NAME = r"((?:(?:[A-Z][\w.'’-]+|of|the|for|de|van)\s){0,5}[A-Z][\w'’-]+)"
_VERBS = (
    "says|said|states|stated|argues|argued|claims|claimed|reports|reported|announced|warned|warns|believes|believed|explains|explained"
    "|writes|wrote|notes|noted|recommends|recommended|concluded|concludes|suggested|suggests|told"
)
_REPORTED = re.compile(rf"\b{_NAME}(?:,[^,]{{2,60}},)?\s(?:has\s|have\s)?(?:{_VERBS})\s(?:\w+\s)?(?:that\b|:|,|“|\")")
_ACCORDING = re.compile(rf"\b[Aa]ccording to (?:the )?{_NAME}")
_MOST_VOICES = 12


def voices_of(reading: Reading, statement: Callable[[Sentence], dict[str, Any]], each: int = 4) -> list[dict[str, Any]]:
    """Speakers by the words they say: name, words, share, turns, and the statements most central to them."""
    spoken: dict[str, list[Sentence]] = defaultdict(list)
    turns: dict[str, int] = defaultdict(int)
    last = ""
    for sentence in reading.sentences:
        speaker = reading.segment_of(sentence).speaker
        if speaker:
            spoken[speaker].append(sentence)
            turns[speaker] += speaker != last
        last = speaker
    words = {name: sum(_word_count(s) for s in sentences) for name, sentences in spoken.items()}
    total = max(sum(words.values()), 1)
    ordered = sorted(spoken, key=lambda name: (-words[name], name))[:_MOST_VOICES]
    return [
        {
            "name": name,
            "words": words[name],
            "share": round(words[name] / total, 3),
            "turns": turns[name],
            "statements": [statement(s) for s in _central(spoken[name], each)],
        }
        for name in ordered
    ]


def _word_count(sentence: Sentence) -> int:
    return sum(token[0].isalnum() for token in sentence.tokens)


def _central(sentences: list[Sentence], most: int) -> list[Sentence]:
    good = [s for s in sentences if s.quality >= 0.45 and len(s.terms) >= 4]
    usable, scores, similarity = rank_sentences(good)
    return [usable[i] for i in sorted(mmr(scores, similarity, most))]


def reported_speech(
    reading: Reading, statement: Callable[[Sentence], dict[str, Any]], most: int = 8
) -> list[dict[str, Any]]:
    """Statements that a document attributes to somebody else: ``{"name", **statement}``."""
    found: list[dict[str, Any]] = []
    for sentence in reading.sentences:
        if sentence.quality < 0.3:
            continue
        match = _ACCORDING.search(sentence.text) or _REPORTED.search(sentence.text)
        if match and (name := _clean(match.group(1))):
            found.append({"name": name, **statement(sentence)})
    return found[:most]


def _clean(name: str) -> str:
    words = name.split()
    while words and (words[0] in NOT_NAMES or words[0][0].islower()):
        words.pop(0)
    return " ".join(words) if words and len(words[-1]) > 1 and words[-1] not in NOT_NAMES else ""
