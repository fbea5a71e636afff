"""Chapters of a long talk: where its words change (TextTiling).

Blocks of sentences before and after each gap are compared by cosine; a gap where the curve has a deep valley, deeper
than the mean of all depths and half a standard deviation, parts two chapters (Hearst, "TextTiling: Segmenting Text
into Multi-paragraph Subtopic Passages", Computational Linguistics 23(1), 1997, block comparison). Each chapter is named
by the phrases that it has more of than the rest.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

from fairlead.pipeline.analysis.keyphrases import key_of, phrases_in
from fairlead.pipeline.text.reading import Reading

_BLOCK = 8
_LEAST_SENTENCES = 40
_LEAST_CHAPTER = 8
_MOST_CHAPTERS = 12


def chapters_of(reading: Reading, forms: dict[str, str]) -> list[dict[str, Any]]:
    """Chapters in order: ``{start_char, end_char, sentences, phrases, start_s?, end_s?}``; none for a short document.

    ``forms`` are the document's key phrases: key -> how it is written.
    """
    count = len(reading.sentences)
    if count < _LEAST_SENTENCES:
        return []
    terms = [Counter(sentence.terms) for sentence in reading.sentences]
    gaps = _boundaries(terms)
    edges = [0, *gaps, count]
    counted = [_phrases(reading, start, end, forms) for start, end in itertools.pairwise(edges)]
    everywhere: Counter[str] = Counter(key for counts in counted for key in counts)
    return [
        _chapter(reading, start, end, _names(counts, everywhere, len(counted), forms))
        for start, end, counts in zip(edges, edges[1:], counted, strict=False)
    ]


def _boundaries(terms: list[Counter[str]]) -> list[int]:
    """Gaps (the index of the sentence after each) where a new chapter begins."""
    similar = [_cosine(_sum(terms[max(0, i - _BLOCK) : i]), _sum(terms[i : i + _BLOCK])) for i in range(1, len(terms))]
    smooth = [sum(similar[max(0, i - 1) : i + 2]) / len(similar[max(0, i - 1) : i + 2]) for i in range(len(similar))]
    depths = [_depth(smooth, i) for i in range(len(smooth))]
    mean = sum(depths) / len(depths)
    spread = math.sqrt(sum((depth - mean) ** 2 for depth in depths) / len(depths))
    chosen: list[int] = []
    for i in sorted(range(len(depths)), key=lambda i: (-depths[i], i)):
        gap = i + 1
        if depths[i] <= mean + spread / 2 or len(chosen) == _MOST_CHAPTERS - 1:
            break
        if all(abs(gap - other) >= _LEAST_CHAPTER for other in (0, len(terms), *chosen)):
            chosen.append(gap)
    return sorted(chosen)


def _sum(counters: list[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    shared = sum(count * other[term] for term, count in one.items())
    size = math.sqrt(sum(c * c for c in one.values()) * sum(c * c for c in other.values()))
    return shared / size if size else 0.0


def _depth(values: list[float], i: int) -> float:
    """How far the curve falls to ``i`` from the nearest peaks on both sides."""
    left = right = i
    while left > 0 and values[left - 1] >= values[left]:
        left -= 1
    while right + 1 < len(values) and values[right + 1] >= values[right]:
        right += 1
    return values[left] + values[right] - 2 * values[i]


def _phrases(reading: Reading, start: int, end: int, forms: dict[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for sentence in reading.sentences[start:end]:
        found.update(key for words in phrases_in(sentence.tokens) if (key := key_of(words)) in forms)
    return found


def _names(counts: Counter[str], everywhere: Counter[str], total: int, forms: dict[str, str]) -> list[str]:
    """Up to three phrases, those of several words and of few chapters first."""

    def worth(key: str) -> float:
        return counts[key] * math.log(1 + total / everywhere[key]) * (1.6 if " " in key else 1.0)

    chosen: list[str] = []
    for key in sorted(counts, key=lambda key: (-worth(key), key)):
        if len(chosen) == 3:
            break
        if not any(set(key.split()) & set(other.split()) for other in chosen):
            chosen.append(key)
    return [forms[key] for key in chosen]


def _chapter(reading: Reading, start: int, end: int, phrases: list[str]) -> dict[str, Any]:
    first, last = reading.sentences[start], reading.sentences[end - 1]
    chapter: dict[str, Any] = {
        "start_char": first.start,
        "end_char": last.end,
        "sentences": end - start,
        "phrases": phrases,
    }
    begins, ends = reading.segment_of(first).start_s, reading.segment_of(last).end_s
    if begins is not None and ends is not None:
        chapter["start_s"], chapter["end_s"] = begins, ends
    return chapter
