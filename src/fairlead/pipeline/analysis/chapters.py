"""Chapters of a long talk: the division under which its words are most probable.

Each chapter is taken for a bag of words with its own probabilities, and every chapter more costs a fixed amount, so
that a division is made where it explains more than it costs; the cheapest is found by dynamic programming (Utiyama and
Isahara, "A Statistical Model for Domain-Independent Text Segmentation", ACL 2001). On concatenated articles and talks
it makes half to a quarter of the errors of block comparison (``bench/pipeline_segments.py``). Each chapter is named by
the phrases that it has more of than the rest.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fairlead.pipeline.analysis.keyphrases import key_of, phrases_in
from fairlead.pipeline.text.reading import Reading

_LEAST_SENTENCES = 40
_LEAST_CHAPTER = 8
_MOST_CHAPTERS = 12
_LONGEST_CHAPTER = 300
_PENALTY = 3.0
"""What a chapter costs, in logarithms of the number of words; chosen on concatenations of another seed."""

_FINE = 400
"""Up to this many sentences every gap may part chapters; in longer texts every second, third ... one."""


def chapters_of(reading: Reading, forms: dict[str, str]) -> list[dict[str, Any]]:
    """Chapters in order: ``{start_char, end_char, sentences, phrases, start_s?, end_s?}``; none for a short document.

    ``forms`` are the document's key phrases: key -> how it is written.
    """
    count = len(reading.sentences)
    if count < _LEAST_SENTENCES:
        return []
    gaps = boundaries([sentence.terms for sentence in reading.sentences])
    edges = [0, *gaps, count]
    counted = [_phrases(reading, start, end, forms) for start, end in itertools.pairwise(edges)]
    everywhere: Counter[str] = Counter(key for counts in counted for key in counts)
    return [
        _chapter(reading, start, end, _names(counts, everywhere, len(counted), forms))
        for start, end, counts in zip(edges, edges[1:], counted, strict=False)
    ]


def boundaries(term_lists: Sequence[Sequence[str]]) -> list[int]:
    """Gaps (the index of the sentence after each) where a new chapter begins; ``term_lists`` is terms by sentence."""
    count = len(term_lists)
    step = 1 + count // _FINE
    least = max(_LEAST_CHAPTER, step)
    gaps = [0, *range(-(-least // step) * step, count - least + 1, step), count]
    prices = _prices(_numbered(term_lists), gaps, least)
    price = _PENALTY * math.log(max(2, sum(map(len, term_lists))))
    chosen = _cheapest(prices, price)
    while len(chosen) >= _MOST_CHAPTERS:
        price *= 1.5
        chosen = _cheapest(prices, price)
    return [gaps[i] for i in chosen]


def _numbered(term_lists: Sequence[Sequence[str]]) -> list[list[int]]:
    numbers: dict[str, int] = {}
    return [[numbers.setdefault(term, len(numbers)) for term in terms] for terms in term_lists]


def _prices(sentences: list[list[int]], gaps: list[int], least: int) -> list[list[tuple[int, float]]]:
    """For each gap, where a chapter that begins there may end, and what its words cost in nats.

    A word costs the logarithm of its probability in the chapter, (count + 1) / (words of the chapter + vocabulary).
    """
    vocabulary = 1 + max((term for sentence in sentences for term in sentence), default=0)
    most = 2 + sum(map(len, sentences))
    # What the (k + 1)th occurrence of a word adds to the sum of count * log(count + 1).
    gains = [(k + 1) * math.log(k + 2) - k * math.log(k + 1) for k in range(most)]
    prices: list[list[tuple[int, float]]] = []
    for a, start in enumerate(gaps[:-1]):
        counts = [0] * vocabulary
        words, repeated, at = 0, 0.0, start
        row: list[tuple[int, float]] = []
        for b in range(a + 1, len(gaps)):
            for sentence in sentences[at : gaps[b]]:
                for term in sentence:
                    repeated += gains[counts[term]]
                    counts[term] += 1
                words += len(sentence)
            at = gaps[b]
            if at - start >= least:
                row.append((b, words * math.log(words + vocabulary) - repeated))
            if at - start > _LONGEST_CHAPTER:
                break
        prices.append(row)
    return prices


def _cheapest(prices: list[list[tuple[int, float]]], penalty: float) -> list[int]:
    """The inner gaps of the cheapest way through, when each chapter costs ``penalty`` beside its words."""
    best = [0.0, *([math.inf] * len(prices))]
    came = [0] * len(best)
    for a, row in enumerate(prices):
        for b, price in row:
            total = best[a] + price + penalty
            if total < best[b]:
                best[b], came[b] = total, a
    path: list[int] = []
    at = came[-1]
    while at > 0:
        path.append(at)
        at = came[at]
    return path[::-1]


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
