"""Themes across documents: non-negative matrix factorisation of stretches of text by terms and phrases.

Multiplicative updates (Lee and Seung, "Learning the parts of objects by non-negative matrix factorization", Nature
401, 1999) from an NNDSVD start (Boutsidis and Gallopoulos, "SVD based initialization", Pattern Recognition 41, 2008),
which needs no random numbers: the same input gives the same themes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_VOCABULARY = 900
_STEPS = 120
_TINY = 1e-9


class Space(NamedTuple):
    """The vocabulary with its weights: ``column[term]`` and ``weight[column]`` (inverse document frequency)."""

    column: Mapping[str, int]
    weight: Array

    def vector(self, counts: Mapping[str, int]) -> Array:
        """A unit vector of the terms that are known; zeros when none is."""
        row = np.zeros(len(self.weight))
        for term, count in counts.items():
            column = self.column.get(term)
            if column is not None:
                row[column] = (1 + math.log(count)) * self.weight[column]
        norm = float(np.linalg.norm(row))
        return row / norm if norm else row


class Themes(NamedTuple):
    """``terms[k]`` is the profile of theme k over the space; ``rows[i, k]`` how much stretch i belongs to it."""

    space: Space
    terms: Array
    rows: Array


def build_space(documents: Sequence[Sequence[Mapping[str, int]]], boosted: frozenset[str] = frozenset()) -> Space:
    """The terms that can tell themes apart: in two stretches or more, and not in most documents.

    ``boosted`` terms (an operator's focus) count three times.
    """
    in_blocks: Counter[str] = Counter()
    in_documents: dict[str, set[int]] = defaultdict(set)
    for number, blocks in enumerate(documents):
        for block in blocks:
            in_blocks.update(block.keys())
            for term in block:
                in_documents[term].add(number)
    total = len(documents)
    most = max(total * 0.45, 3) if total >= 5 else total
    useful = {
        term: count
        for term, count in in_blocks.items()
        if count >= 2
        and (term in boosted or len(in_documents[term]) <= most)
        and (total < 5 or len(in_documents[term]) >= 2)
    }
    # A term in several documents can carry a theme across them; one that is frequent in a single document cannot.
    ranked = sorted(useful, key=lambda term: (-len(in_documents[term]) * math.log(1 + useful[term]), term))[
        :_VOCABULARY
    ]
    column = {term: i for i, term in enumerate(sorted(ranked))}
    weight = np.ones(len(column))
    for term, i in column.items():
        weight[i] = math.log(1 + total / len(in_documents[term])) * (1.25 if " " in term else 1.0)
        if term in boosted:
            weight[i] *= 3
    return Space(column, weight)


def factorise(
    documents: Sequence[Sequence[Mapping[str, int]]], count: int, boosted: frozenset[str] = frozenset()
) -> Themes:
    """At most ``count`` themes over all stretches of all documents."""
    space = build_space(documents, boosted)
    if not space.column:
        return Themes(space, np.zeros((0, 0)), np.zeros((0, 0)))
    rows = np.array([space.vector(block) / math.sqrt(len(blocks)) for blocks in documents for block in blocks])
    w, h = _start(rows, min(count, *rows.shape))
    for _ in range(_STEPS):
        h *= (w.T @ rows) / (w.T @ w @ h + _TINY)
        w *= (rows @ h.T) / (w @ (h @ h.T) + _TINY)
    scale = np.linalg.norm(h, axis=1)
    scale[scale == 0] = 1
    return Themes(space, h / scale[:, None], w * scale[None, :])


def _start(rows: Array, count: int) -> tuple[Array, Array]:
    """NNDSVD with zeros filled by a small share of the mean."""
    # The smaller of the two Gram matrices has the same singular values and costs far less.
    wide = rows.shape[0] < rows.shape[1]
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    order = np.argsort(values)[::-1][:count]
    w = np.zeros((len(rows), count))
    h = np.zeros((count, rows.shape[1]))
    for k, index in enumerate(order):
        sigma = math.sqrt(max(float(values[index]), _TINY))
        left = vectors[:, index] if wide else rows @ vectors[:, index] / sigma
        right = rows.T @ left / sigma if wide else vectors[:, index]
        positive = (np.maximum(left, 0), np.maximum(right, 0))
        negative = (np.maximum(-left, 0), np.maximum(-right, 0))
        u, v = max(positive, negative, key=lambda pair: float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1])))
        size_u, size_v = float(np.linalg.norm(u)), float(np.linalg.norm(v))
        if size_u and size_v:
            factor = math.sqrt(sigma * size_u * size_v)
            w[:, k], h[k] = factor * u / size_u, factor * v / size_v
    small = max(float(rows.mean()), _TINY) / 100
    w[w == 0] = small
    h[h == 0] = small
    return w, h


def theme_count(documents: int, blocks: int) -> int:
    """How many themes are worth asking for."""
    if documents <= 3:
        return max(2, min(6, round(math.sqrt(blocks) / 1.6)))
    return max(3, min(8, round(1.1 * math.sqrt(documents))))


def distinct(ranked: Sequence[str], worth: Callable[[str], float], most: int = 6) -> list[str]:
    """The first phrases of ``ranked`` that are worth something and share no word with one before."""
    chosen: list[str] = []
    for term in ranked:
        if worth(term) <= 0 or len(chosen) == most:
            break
        if not any(set(term.split()) & set(other.split()) for other in chosen):
            chosen.append(term)
    return chosen


def unit(row: Array) -> Array:
    norm = float(np.linalg.norm(row))
    return row / norm if norm else row


def as_floats(row: Any, digits: int = 3) -> list[float]:
    return [round(float(value), digits) for value in row]
