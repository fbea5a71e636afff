"""Words of a text: folded, split where identifiers join them, and stemmed; the same for entries and queries."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from fairlead.memory.porter import stem

ANALYSER_VERSION = 1
"""Changes when the same text would give other words; what was analysed before must then be analysed again."""

MOST_QUERY_TERMS = 64
"""Longer queries lose the rest: no question has so many words, and a pasted page must not scan everything."""

_LONGEST_WORD = 64
_WORD = re.compile(r"[^\W_]+(?:_+[^\W_]+)*(?:['’][a-zA-Z]{1,2}\b)?")
_JOINTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")
# Scripts written without spaces: kana, CJK ideographs, Hangul is spaced and stays whole, Thai, Lao, Khmer, Myanmar.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")

_STOP_WORDS = """
    a about above after again against all also am an and any are as at be because been before being below
    between both but by can cannot could did do does doing down during each few for from further had has have
    having he her here hers herself him himself his how i if in into is it its itself just me more most my
    myself no nor not now of off on once only or other our ours ourselves out over own same she should so some
    such than that the their theirs them themselves then there these they this those through to too under
    until up very was we were what when where which while who whom why will with would you your yours yourself
    yourselves
"""

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""English words that say nothing about what a question is after. They are kept in entries."""


class Word:
    """One word of a text and where it stands: ``text[start:end]``."""

    __slots__ = ("end", "start", "stem", "surface")

    def __init__(self, surface: str, stem_: str, start: int, end: int) -> None:
        self.surface = surface
        self.stem = stem_
        self.start = start
        self.end = end


def iterate_words(text: str) -> Iterator[Word]:
    """The words of a text in order.

    An identifier such as ``parseHTTPRequest`` or ``max_retries`` gives its parts and itself. Scripts without spaces
    give overlapping pairs of characters.
    """
    for match in _WORD.finditer(text):
        for surface, one in _surfaces_and_stems_of(match.group()):
            yield Word(surface, one, match.start(), match.end())


def stems(text: str) -> list[str]:
    """The stems of a text in order, stop words included."""
    return surfaces_and_stems(text)[1]


def surfaces_and_stems(text: str) -> tuple[list[str], list[str]]:
    """The folded words of a text and their stems, in order and of equal length."""
    surfaces: list[str] = []
    found: list[str] = []
    for match in _WORD.finditer(text):
        for surface, one in _surfaces_and_stems_of(match.group()):
            surfaces.append(surface)
            found.append(one)
    return surfaces, found


def query_stems(text: str, most: int = MOST_QUERY_TERMS) -> list[str]:
    """The distinct stems to search for, in order, at most ``most``; stop words only when there is nothing else."""
    content: dict[str, None] = {}
    others: dict[str, None] = {}
    for word in iterate_words(text):
        (others if word.surface in STOP_WORDS else content)[word.stem] = None
        if len(content) >= most:
            break
    return list(content or others)[:most]


def matching_spans(text: str, wanted: frozenset[str], most: int = 16) -> tuple[tuple[int, int], ...]:
    """Where in ``text`` words with one of the ``wanted`` stems stand, as (start, end) character offsets."""
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        if not wanted.isdisjoint(_stems_of(match.group())):
            spans.append(match.span())
            if len(spans) == most:
                break
    return tuple(spans)


@lru_cache(maxsize=200_000)
def _surfaces_and_stems_of(raw: str) -> tuple[tuple[str, str], ...]:
    return tuple((surface, _stem(surface)) for surface in _surfaces(raw))


@lru_cache(maxsize=200_000)
def _stems_of(raw: str) -> frozenset[str]:
    return frozenset(one for _, one in _surfaces_and_stems_of(raw))


def _stem(surface: str) -> str:
    return stem(surface) if surface.isascii() and surface.isalpha() else surface


def _surfaces(raw: str) -> list[str]:
    raw = re.sub(r"['’][a-zA-Z]{1,2}$", "", raw)
    if raw.isascii() and (raw.islower() or raw.isdigit()):
        return [raw[:_LONGEST_WORD]] if "_" not in raw else _parts(raw)
    return _parts(raw)


def _parts(raw: str) -> list[str]:
    if _UNSPACED.search(raw):
        return [raw[at : at + 2] for at in range(max(1, len(raw) - 1))]
    parts = [p for p in _JOINTS.split(raw) if p]
    whole = fold("".join(parts))[:_LONGEST_WORD]
    if len(parts) == 1:
        return [whole] if whole else []
    return [*(f for p in parts if len(f := fold(p)[:_LONGEST_WORD]) > 1), whole]


def fold(text: str) -> str:
    """Compatibility forms, case and accents taken away: ``Ǆurđevdan``, ``ﬁ`` and ``Café`` compare equal to plain."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in decomposed if c.isalnum())
