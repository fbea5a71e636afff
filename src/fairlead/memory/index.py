"""The derived index of one namespace: postings, rarity and dense vectors, brought up to date from the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.memory.dense import ExactVectors, VectorIndex, VectorRow
from fairlead.memory.likeness import SAMPLE, Rarity
from fairlead.memory.postings import Postings, WordRow
from fairlead.store.memory import NamespaceRow, Scope

_FEATURES_PER_ENTRY = 64
_REGROWTH = 8

MakeVectors = Callable[[int, int], VectorIndex]
"""(dimensions, expected vectors) -> an empty index."""


def exact_vectors(dimensions: int, expected: int) -> VectorIndex:
    return ExactVectors(dimensions)


class NamespaceIndex:
    """What a namespace's recall works on. Everything in it can be thrown away and built again."""

    def __init__(self, make_vectors: MakeVectors = exact_vectors) -> None:
        self.lock = threading.Lock()
        self.stamp = -1
        self.postings = Postings()
        self.rarity: Rarity | None = None
        self.vectors: VectorIndex | None = None
        self.model: str | None = None
        self._make_vectors = make_vectors
        self._rarity_for = 0

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        rarity = self.rarity.size if self.rarity else 0
        return self.postings.size + rarity + (self.vectors.size if self.vectors else 0)

    def catch_up(self, scope: Scope, facts: NamespaceRow) -> None:
        """Reads what was stamped after the last time. Rows that change meanwhile are read the next time."""
        if facts.changed == self.stamp:
            return
        with self.lock:
            if facts.changed <= self.stamp:
                return
            between = (self.stamp, facts.changed)
            gone = [int(r[0]) for r in scope.rows("memory_tombstones", "seq", "stamp > ? AND stamp <= ?", between)]
            columns = "seq, length, words"
            rows = [WordRow(*r) for r in scope.rows("memory_features", columns, "stamp > ? AND stamp <= ?", between)]
            self.postings.apply(rows, gone)
            self._learn_rarity(scope, [row.seq for row in rows])
            self._take_vectors(scope, facts, between, gone)
            self.stamp = facts.changed

    def _learn_rarity(self, scope: Scope, fresh: Sequence[int]) -> None:
        entries = self.postings.count
        if self.rarity is None or entries > _REGROWTH * max(self._rarity_for, 64):
            self.rarity = Rarity(min(entries, SAMPLE) * _FEATURES_PER_ENTRY)
            self._rarity_for = entries
            stride = max(1, entries // SAMPLE)
            grams = scope.rows("memory_features", "grams", "seq % ? = 0", (stride,))
            for at in range(0, len(grams), 1000):
                self.rarity.add([bytes(r[0]) for r in grams[at : at + 1000]])
        elif fresh and self.rarity.documents < SAMPLE:
            self.rarity.add([bytes(r[1]) for r in scope.among("memory_features", "seq, grams", "seq", fresh)])

    def _take_vectors(self, scope: Scope, facts: NamespaceRow, between: tuple[int, int], gone: Sequence[int]) -> None:
        if facts.model is None or facts.dimensions is None:
            return
        if self.vectors is None or self.model != facts.model:
            self.model, between = facts.model, (-1, facts.changed)
            self.vectors = self._make_vectors(facts.dimensions, facts.entries)
        where, parameters = "stamp > ? AND stamp <= ? AND model = ?", (*between, facts.model)
        rows = [VectorRow(*r) for r in scope.rows("memory_vectors", "seq, scale, data", where, parameters)]
        self.vectors.apply(rows, gone)


def empty_numbers() -> Any:
    import numpy as np

    return np.empty(0, np.int64)
