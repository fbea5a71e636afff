"""Extractive summary: LexRank for what is central, maximal marginal relevance against saying it twice.

Sentences are TF-ISF vectors in a graph weighted by cosine; their standing is the stationary distribution of a random
walk on it (Erkan and Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", JAIR 22,
2004, continuous variant). It is multiplied by the sentence's quality and a slight preference for the opening, and the
choice is made by MMR (Carbonell and Goldstein, SIGIR 1998).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.pipeline.text.reading import Sentence

Matrix = NDArray[np.float32]
_MOST_NODES = 240
_DAMPING = 0.85
_THRESHOLD = 0.05


def vectors(term_lists: Sequence[Sequence[str]]) -> Matrix:
    """Unit TF-ISF rows (ISF: inverse sentence frequency), one per list of terms."""
    frequency = Counter(term for terms in term_lists for term in set(terms))
    column = {term: i for i, term in enumerate(sorted(frequency))}
    total = len(term_lists)
    rows = np.zeros((total, max(len(column), 1)), dtype=np.float32)
    for i, terms in enumerate(term_lists):
        for term, count in Counter(terms).items():
            rows[i, column[term]] = (1 + math.log(count)) * math.log(1 + total / frequency[term])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms == 0, 1, norms), dtype=np.float32)


def lexrank(similarity: Matrix, *, steps: int = 60) -> NDArray[Any]:
    """Standing of each node, 0 to 1 with the best at 1."""
    graph = np.where(similarity >= _THRESHOLD, similarity, 0).astype(np.float64)
    np.fill_diagonal(graph, 0)
    sums = graph.sum(axis=1, keepdims=True)
    count = len(graph)
    walk = np.where(sums > 0, graph / np.where(sums == 0, 1, sums), 1 / max(count, 1))
    rank = np.full(count, 1 / max(count, 1))
    for _ in range(steps):
        after = (1 - _DAMPING) / count + _DAMPING * (walk.T @ rank)
        if float(np.abs(after - rank).sum()) < 1e-7:
            rank = after
            break
        rank = after
    return np.asarray(rank / rank.max()) if count else rank


def mmr(
    scores: NDArray[Any], similarity: Matrix, most: int, *, balance: float = 0.7, too_close: float = 0.75
) -> list[int]:
    """Indexes in order of choice: relevant, and not like one chosen before."""
    chosen: list[int] = []
    left = [i for i in range(len(scores)) if scores[i] > 0]
    closest = np.zeros(len(scores))
    while left and len(chosen) < most:
        best = max(left, key=lambda i: (balance * scores[i] - (1 - balance) * closest[i], -i))
        left.remove(best)
        if chosen and closest[best] >= too_close:
            continue
        chosen.append(best)
        closest = np.maximum(closest, similarity[:, best])
    return chosen


def rank_sentences(sentences: list[Sentence], lead: float = 0.25) -> tuple[list[Sentence], NDArray[Any], Matrix]:
    """The sentences worth showing, their standing, and the cosines between them.

    ``lead`` is how much the opening of the document counts for. More than 240 are narrowed first to those closest to
    the document's own word distribution.
    """
    usable = [sentence for sentence in sentences if sentence.quality > 0.05 and len(sentence.terms) >= 2]
    if len(usable) > _MOST_NODES:
        usable = _nearest_to_all(usable)
    if not usable:
        return [], np.zeros(0), np.zeros((0, 0), dtype=np.float32)
    rows = vectors([sentence.terms for sentence in usable])
    similarity = np.asarray(rows @ rows.T, dtype=np.float32)
    total = max(sentence.end for sentence in sentences)
    standing = lexrank(similarity)
    weight = np.array([s.quality * (1.0 + lead * math.exp(-8 * s.start / max(total, 1))) for s in usable])
    return usable, standing * weight, similarity


def _nearest_to_all(sentences: list[Sentence]) -> list[Sentence]:
    counts = Counter(term for sentence in sentences for term in set(sentence.terms))

    def worth(sentence: Sentence) -> float:
        terms = set(sentence.terms)
        return sentence.quality * sum(math.log(1 + counts[term]) for term in terms) / math.sqrt(len(terms) + 4)

    ordered = sorted(range(len(sentences)), key=lambda i: (-worth(sentences[i]), i))
    return [sentences[i] for i in sorted(ordered[:_MOST_NODES])]
