"""A document made ready for the analysers: sentences with tokens, terms and how well each stands alone.

Computed once per document and shared, since tokenising is the largest part of the work.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from fairlead.pipeline.documents import Document, Segment
from fairlead.pipeline.formats.prose import has_cjk, is_boilerplate
from fairlead.pipeline.text.sentences import split_sentences
from fairlead.pipeline.text.signals import FILLER, LEANING, LINK, POINTER_AWAY, PROCEDURE, SYMBOLS, UPKEEP
from fairlead.pipeline.text.words import STOP, WORD, fold, is_content

TOKEN = re.compile(rf"{WORD.pattern}|[^\w\s]")


class Sentence(NamedTuple):
    """A sentence with its place. ``tokens`` include punctuation; ``terms`` are the folded words that carry topics.

    ``quality`` is 0 (do not show) to 1 (reads well out of context).
    """

    text: str
    start: int
    end: int
    segment: int
    tokens: list[str]
    terms: list[str]
    quality: float


class Reading(NamedTuple):
    """A document, its sentences, and how many words it has."""

    document: Document
    sentences: list[Sentence]
    words: int

    def segment_of(self, sentence: Sentence) -> Segment:
        return self.document.segments[sentence.segment]

    def sentence_at(self, position: int) -> Sentence:
        """The sentence that holds the character at ``position``."""
        return self.sentences[bisect_right(self.sentences, position, key=lambda sentence: sentence.start) - 1]

    def segment_at(self, position: int) -> Segment:
        """The segment that holds the character at ``position``."""
        segments = self.document.segments
        return segments[max(0, bisect_right(segments, position, key=lambda segment: segment.start_char) - 1)]


def read(document: Document) -> Reading:
    """Cuts a document into sentences; turns of a transcript that are sentences already stay whole."""
    sentences = list(_sentences(document))
    words = sum(1 for sentence in sentences for token in sentence.tokens if token[0].isalnum())
    return Reading(document, sentences, words)


def _sentences(document: Document) -> Iterator[Sentence]:
    for index, segment in enumerate(document.segments):
        upkeep = bool(segment.heading) and is_boilerplate(segment.heading)
        for start, end in split_sentences(segment.text):
            text = segment.text[start:end]
            tokens = TOKEN.findall(text) if not has_cjk(text) else list(text)
            terms = [fold(token) for token in tokens if is_content(token.lower())]
            quality = judge(text, tokens, spoken=segment.kind == "turn")
            if upkeep:
                quality *= 0.15
            yield Sentence(text, segment.start_char + start, segment.start_char + end, index, tokens, terms, quality)


def judge(text: str, tokens: list[str], *, spoken: bool) -> float:
    """How well a sentence can stand alone: 0 for fragments, commands and pointers elsewhere, up to 1."""
    words = [token for token in tokens if token[0].isalnum()]
    count = len(words)
    if count < 6 or count > 55 or text[-1] in ":;,-" or not (text[0].isalnum() or text[0] in "\"'“‘("):
        return 0.0
    lowered = [word.lower() for word in words]
    function_words = sum(word in STOP for word in lowered)
    symbols = len(SYMBOLS.findall(text))
    if function_words * 6 < count or symbols > 3 or len(set(lowered)) * 2 < count:
        return 0.0
    value = 1.0
    if symbols:
        value *= 0.8**symbols
    if LINK.search(text):
        value *= 0.2
    if text[-1] not in '.!?"”’)':
        value *= 0.5
    if text[-1] == "?":
        value *= 0.5
    if text[0].islower():
        value *= 0.5
    if UPKEEP.search(text):
        value *= 0.05
    if POINTER_AWAY.search(text):
        value *= 0.1
    elif LEANING.match(text):
        value *= 0.75 if spoken else 0.55
    if spoken:
        value *= 0.85 ** len(FILLER.findall(text))
        if PROCEDURE.search(text):
            value *= 0.2
    capitals = sum(word[0].isupper() for word in words)
    if capitals * 2 > count:
        value *= 0.4
    if count < 9:
        value *= 0.8
    elif count > 38:
        value *= 0.7
    return value
