"""The derived index of one namespace: postings, rarity and dense vectors, brought up to date from the database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from fairlead.errors import UnavailableError
from fairlead.memory.ann import AnnVectors, make_vectors
from fairlead.memory.dense import VectorIndex, VectorRow
from fairlead.memory.likeness import SAMPLE, Features, Rarity
from fairlead.memory.moving import MovingVectors, MovingWords
from fairlead.memory.postings import Postings, WordIndex, WordRow
from fairlead.store.memory import Scope
from fairlead.store.memory_statements import NamespaceRow

_log = logging.getLogger(__name__)

_FEATURES_PER_ENTRY = 64
_REGROWTH = 8
_SAVED_SHARE = 0.05

MakeVectors = Callable[[int, int], VectorIndex]
"""(dimensions, expected vectors) -> an empty index."""

MakeTarget = Callable[[str, int], VectorIndex]
"""(name of a target, dimensions) -> an index that a namespace can move to."""

MakeWords = Callable[[str], WordIndex | None]
"""Name of a target -> an index of words there, None for a target of vectors alone."""


class NamespaceIndex:
    """What a namespace's recall works on. Everything in it can be thrown away and built again.

    ``path`` is where a large approximate index is kept between processes; None keeps it in memory only.
    """

    def __init__(
        self,
        path: Path | None = None,
        make_vectors: MakeVectors = make_vectors,
        make_target: MakeTarget | None = None,
        make_words: MakeWords | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.stamp = -1
        self.postings = Postings()
        self.words: WordIndex = self.postings
        self.rarity: Rarity | None = None
        self.features = Features()
        self.has_graph = False
        self.vectors: VectorIndex | None = None
        self.model: str | None = None
        self._embedded: VectorIndex | None = None
        self._make_vectors = make_vectors
        self._make_target = make_target
        self._make_words = make_words
        self._path = path
        self._rarity_for = 0
        self._unsaved = 0

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        rarity = self.rarity.size if self.rarity else 0
        return self.postings.size + rarity + self.features.size + (self.vectors.size if self.vectors else 0)

    def catch_up(self, scope: Scope, facts: NamespaceRow) -> None:
        """Reads what was stamped after the last time. Rows that change meanwhile are read the next time."""
        if facts.changed == self.stamp:
            return
        with self.lock:
            if facts.changed <= self.stamp:
                return
            between = (self.stamp, facts.changed)
            gone = [int(r[0]) for r in scope.rows("memory_tombstones", "seq", "stamp > ? AND stamp <= ?", between)]
            rows = self._take_words(scope, between, gone)
            self._learn_rarity(scope, [row.seq for row in rows])
            self.has_graph = bool(scope.rows("memory_entities", "1", tail="LIMIT 1"))
            self._take_vectors(scope, facts, self.stamp, gone)
            self.stamp = facts.changed

    def _take_words(self, scope: Scope, between: tuple[int, int], gone: Sequence[int]) -> list[WordRow]:
        columns = "seq, length, words, grams" if self.features.complete else "seq, length, words"
        found = scope.rows("memory_features", columns, "stamp > ? AND stamp <= ?", between)
        rows = [WordRow(*r[:3]) for r in found]
        self.postings.apply(rows, gone)
        self._move_words(scope, rows, gone)
        self.features.apply(((int(r[0]), bytes(r[3])) for r in found if len(r) > 3), gone)
        return rows

    def _move_words(self, scope: Scope, rows: Sequence[WordRow], gone: Sequence[int]) -> None:
        """Begins, continues or takes back the words' move to a target that has a place for them."""
        row = scope.move()
        if row is None or self._make_words is None:
            self._stay()
            return
        target, share = row
        try:
            if isinstance(self.words, MovingWords):
                self.words.apply(rows, gone)
            else:
                self.words = self._begin_move(scope, self._make_words(target))
        except UnavailableError as exc:
            # What it has missed it is told when the move begins anew, with the next change.
            _log.warning("%s The present index answers instead.", exc)
            self._stay()
        if isinstance(self.words, MovingWords):
            self.words.set_share(share)

    def _stay(self) -> None:
        if isinstance(self.words, MovingWords):
            self.words.close()
        self.words = self.postings

    def close(self) -> None:
        """Lets go of connections to other indexes."""
        self._stay()
        if isinstance(self.vectors, MovingVectors):
            self.vectors.close()
            self.vectors = self._embedded

    def _begin_move(self, scope: Scope, other: WordIndex | None) -> WordIndex:
        if other is None:
            return self.postings
        every = [WordRow(*r) for r in scope.rows("memory_features", "seq, length, words")]
        there = {row.seq for row in every}
        other.apply(every, [n for n in other.numbers().tolist() if n not in there])
        return MovingWords(self.postings, other)

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

    def _take_vectors(self, scope: Scope, facts: NamespaceRow, since: int, gone: Sequence[int]) -> None:
        if facts.model is None or facts.dimensions is None:
            return
        if self.vectors is None or self.model != facts.model:
            self.model = facts.model
            self.vectors = self._embedded = self._make_vectors(facts.dimensions, facts.entries)
            since = self._load(facts.model)
            between = (since, facts.changed)
            gone = [int(r[0]) for r in scope.rows("memory_tombstones", "seq", "stamp > ? AND stamp <= ?", between)]
        where, parameters = "stamp > ? AND stamp <= ? AND model = ?", (since, facts.changed, facts.model)
        rows = [VectorRow(*r) for r in scope.rows("memory_vectors", "seq, scale, data", where, parameters)]
        self.vectors.apply(rows, gone)
        self._follow_move(scope, facts)
        self._unsaved += len(rows) + len(gone)
        self._save(facts)

    def _follow_move(self, scope: Scope, facts: NamespaceRow) -> None:
        """Begins, continues or takes back a move to another index, as the database says."""
        row = scope.move()
        if row is None or self._make_target is None or facts.dimensions is None or self._embedded is None:
            if isinstance(self.vectors, MovingVectors):
                self.vectors.close()
                self.vectors = self._embedded
            return
        target, share = row
        if isinstance(self.vectors, MovingVectors) and self.vectors.behind:
            # What it has missed it is told when it is filled anew.
            self.vectors.close()
            self.vectors = self._embedded
        if not isinstance(self.vectors, MovingVectors):
            try:
                self.vectors = MovingVectors(self._embedded, self._filled(scope, facts, target))
            except UnavailableError as exc:
                _log.warning("%s The present index answers instead.", exc)
                return
        self.vectors.set_share(share)

    def _filled(self, scope: Scope, facts: NamespaceRow, target: str) -> VectorIndex:
        """The index at a target, with what the database has."""
        assert self._make_target is not None and facts.dimensions is not None
        other = self._make_target(target, facts.dimensions)
        every = scope.rows("memory_vectors", "seq, scale, data", "model = ?", (facts.model,))
        there = {int(r[0]) for r in every}
        other.apply([VectorRow(*r) for r in every], [n for n in other.numbers().tolist() if n not in there])
        return other

    def _load(self, model: str) -> int:
        """The stamp up to which a saved index knows the vectors; -1 without one."""
        if self._path is None or not isinstance(self._embedded, AnnVectors):
            return -1
        return self._embedded.load(self._path, model)

    def _save(self, facts: NamespaceRow) -> None:
        """Keeps the approximate index in its file once enough has changed to be worth reading it instead."""
        vectors = self._embedded
        if self._path is None or self.model is None or not isinstance(vectors, AnnVectors):
            return
        if vectors.index_size and self._unsaved > _SAVED_SHARE * len(vectors.bytes):
            vectors.save(self._path, facts.changed, self.model)
            self._unsaved = 0
