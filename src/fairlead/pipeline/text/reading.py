"""A document made ready for the analysers: its sentences with tokens, terms and a judgement of how well each stands alone.

Computed once per document and shared, since tokenising is the largest part of the work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fairlead.pipeline.documents import Document, Segment
from fairlead.pipeline.formats.prose import has_cjk, is_boilerplate
from fairlead.pipeline.text.sentences import split_sentences
from fairlead.pipeline.text.words import STOP, WORD, fold, is_content

TOKEN = re.compile(rf"{WORD.pattern}|[^\w\s]")
_SYMBOLS = re.compile(r"[{}<>=|\\^~#@$*_`\[\]]|::|->|\(\)|--|\.\.\.?|\w\.\w+\(")
_LINK = re.compile(r"https?://|www\.|\S+@\S+\.\w|\b\w+\.(?:com|org|io)/")
_POINTER = re.compile(
    r"^(?:see|for (?:more|further|details|a (?:full|complete|list))|please|click|note|check out|read|visit|refer|check|here(?:'s| is| are)|below|above|the following"
    r"|in this (?:section|example|chapter|talk|video|presentation|document)|for example|for instance|e\.g|example|next|slide|thank|thanks|hello|hi|hey|welcome|good (?:morning|evening|afternoon)"
    r"|my name|i'm |i am |this is |let me|let's|we'll |we will |i'll |i will |today|now|okay|ok |so |well|but |and |or |also|then|however|therefore|thus|instead|otherwise|additionally|in addition"
    r"|moreover|furthermore|finally|first|second|third|again|because|that's|it's|there's|these|those|this|that|it|they|he|she|his|her|their|its|such|both|which|where|when|while|if)\b",
    re.IGNORECASE,
)
_STRONG_POINTER = re.compile(
    r"^(?:see|click|check out|visit|refer|please|slide|thank|thanks|hello|hi|hey|welcome|my name|let me|okay|here(?:'s| is| are)|good (?:morning|evening|afternoon))\b"
    r"|\b(?:see (?:also|the|section|below|above|our)|shown (?:above|below)|as follows|following (?:example|code|table|command|section)|mailing list|pull requests?|star this|thank you|slide (?:\d+|one|two|three|four|five|six|seven|eight|nine|ten)|next slide|table of contents|all rights reserved|pip install)\b",
    re.IGNORECASE,
)
_UPKEEP = re.compile(
    r"\bby @\w|#\d{2,}\b|\b(?:sponsor\w*|donat\w+|tidelift|trademarks?|copyright|bug reports?|code of conduct|feel free|open an issue|unit tests|changelog"
    r"|GitHub (?:issues?|discussions?|sponsors)|stack ?overflow|gitter|discord|newsletter|PyPI|this readme|deprecated|backwards?[ -]compatib\w+)\b",
    re.IGNORECASE,
)
_SPEECH_FILLER = re.compile(r"\b(?:um|uh|you know|i mean|sort of|kind of|gonna|wanna|i think|i guess|let me tell you|excuse me|wait a minute|believe me)\b", re.IGNORECASE)


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
    symbols = len(_SYMBOLS.findall(text))
    if function_words * 6 < count or symbols > 3 or len(set(lowered)) * 2 < count:
        return 0.0
    value = 1.0
    if symbols:
        value *= 0.8**symbols
    if _LINK.search(text):
        value *= 0.2
    if text[-1] not in ".!?\"”’)":
        value *= 0.5
    if text[-1] == "?":
        value *= 0.5
    if text[0].islower():
        value *= 0.5
    if _UPKEEP.search(text):
        value *= 0.05
    if _STRONG_POINTER.search(text):
        value *= 0.1
    elif _POINTER.match(text):
        value *= 0.75 if spoken else 0.55
    if spoken:
        value *= 0.85 ** len(_SPEECH_FILLER.findall(text))
    capitals = sum(word[0].isupper() for word in words)
    if capitals * 2 > count:
        value *= 0.4
    if count < 9:
        value *= 0.8
    elif count > 38:
        value *= 0.7
    return value
