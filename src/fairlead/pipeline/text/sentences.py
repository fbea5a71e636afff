"""Sentence boundaries by rules: terminal marks that are not part of an abbreviation, initial, number or list label.

The rules follow the observations of Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary Detection"
(Computational Linguistics 32(4), 2006): most mistakes come from abbreviations, initials and ordinal numbers. Their
statistics are not learned here; a closed list of abbreviations stands in for them, so the result is the same for a
sentence wherever it occurs.
"""

from __future__ import annotations

import re

from fairlead.pipeline.text.wordset import word_set

_MARK = re.compile(
    r"""[.!?…]+["'”’)\]»]*(?=\s|$)   # a mark, closing quotes, then a space
      | [。！？]+["”’」』）]*          # full-width marks need no space
      | \n{2,}                        # a blank line
    """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"(\S+)$")
_ABBREVIATIONS = word_set(
    """
    mr mrs ms dr prof sr jr st gen col sgt capt lt maj rep sen gov hon rev fr pres adm cmdr vs v cf e.g i.e etc
    al approx ca dept est fig figs eq eqs no nos vol pp p ch sec ed eds inc ltd co corp bros jan feb mar apr jun
    jul aug sept sep oct nov dec mon tue tues wed thu thur thurs fri sat sun u.s u.k u.n e.u a.m p.m ph.d m.d
    b.a m.a d.c resp incl min max avg def sect para art
    """
)
# These end a sentence as often as not, so a capital that follows decides.
_SOFT = word_set(
    """
    etc al inc ltd co corp bros a.m p.m u.s u.k u.n e.u d.c ph.d m.d b.a m.a min max jr sr no
    """
)
_OPENERS = word_set(
    """
    the a an it its this that these those he she they we you i in on at for if when while as but and so there
    here what how why who where not no yes our my your his her their to by with from after before since
    """
)
_LONGEST = 1200
"""Characters after which a run without any mark is cut at a comma or space: a line of a gigabyte is no sentence."""


def split_sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of ``text`` as (start, end) offsets without the spaces around them."""
    spans: list[tuple[int, int]] = []
    start = 0
    for mark in _MARK.finditer(text):
        end = mark.end()
        if mark.group().startswith("\n"):
            _add(spans, text, start, mark.start())
            start = end
        elif text[mark.start()] in "。！？" or _ends_here(text, start, mark):
            _add(spans, text, start, end)
            start = end
    _add(spans, text, start, len(text))
    return spans


def _ends_here(text: str, start: int, mark: re.Match[str]) -> bool:
    if text[mark.start()] != "." or mark.group().count(".") > 1:
        return _next_starts(text, mark.end())
    found = _LAST_WORD.search(text, max(start, mark.start() - 40), mark.start())
    word = found.group(1).lstrip("(\"'“‘[") if found else ""
    lowered = word.lower()
    if len(word) == 1 and word.isupper() and word != "I":
        return False
    if word.isdigit() and not text[start : mark.start() - len(word)].strip():
        return False
    if lowered in _ABBREVIATIONS:
        following = text[mark.end() : mark.end() + 24].split(None, 1)
        word_after = following[0].strip(",;") if following else ""
        return lowered in _SOFT and word_after[:1].isupper() and word_after.lower() in _OPENERS
    return _next_starts(text, mark.end())


def _next_starts(text: str, end: int) -> bool:
    following = text[end : end + 8].lstrip().lstrip("\"'“‘([«*-–—•")
    return not following or not following[0].islower()


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > _LONGEST:
        cut = max(text.rfind(joint, start, start + _LONGEST) for joint in (", ", "; ", " "))
        cut = start + _LONGEST if cut <= start else cut + 1
        spans.append((start, cut))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if end > start:
        spans.append((start, end))
