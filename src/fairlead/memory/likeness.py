"""How alike a query and candidates are in hashed features: cosine with the rarity learned from the namespace."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from fairlead.memory.features import KIND_BITS, KIND_WEIGHTS

_LEAST_BITS, _MOST_BITS = 14, 20
MOST_BYTES = 256 * 1024**2
"""Features of a namespace that are kept in memory; those of larger ones are fetched from the database."""

SAMPLE = 20_000
"""Entries from which the rarity of features is estimated; more would change the weights in the third digit."""


class Rarity:
    """Document frequencies of features, folded into one table; what is rarer weighs more.

    The table has 2^14 to 2^20 places, by how much the namespace holds: two features may share a place, which makes
    both look a little more common than they are.
    """

    def __init__(self, expected_features: int) -> None:
        import numpy as np

        bits = max(_LEAST_BITS, min(_MOST_BITS, int(expected_features).bit_length()))
        self._mask = (1 << bits) - 1
        self._counts = np.zeros(1 << bits, np.uint32)
        self.documents = 0
        self._weights: Any = None
        self._local = threading.local()

    @property
    def size(self) -> int:
        """Bytes of the counts, the weights and one scratch table."""
        return int(self._counts.nbytes) * 3

    @property
    def learned(self) -> tuple[int, int]:
        """Changes when the weights do."""
        return id(self), self.documents

    def scratch(self) -> Any:
        """This thread's table of zeros, one place each; whoever writes to it clears it again."""
        import numpy as np

        table = getattr(self._local, "table", None)
        if table is None:
            table = self._local.table = np.zeros(self._mask + 1, np.float32)
        return table

    def add(self, packed: Sequence[bytes]) -> None:
        """Counts the features of further entries."""
        import numpy as np

        places = self._places(np.frombuffer(b"".join(packed), dtype="<u4"))
        self._counts += np.bincount(places, minlength=len(self._counts)).astype(np.uint32)
        self.documents += len(packed)
        self._weights = None

    def weigh(self, packed: Any) -> tuple[Any, Any]:
        """(places, weights) of packed features: damped count x kind x rarity."""
        import numpy as np

        if self._weights is None:
            total = np.float32(max(self.documents, 1))
            n = np.minimum(self._counts.astype(np.float32), total)
            self._weights = np.log1p((total - n + 0.5) / (n + 0.5)).astype(np.float32)
        places = self._places(packed)
        kinds_and_counts = packed >> np.uint32(8 + KIND_BITS) << np.uint32(8) | packed & np.uint32(255)
        return places, _damping().take(kinds_and_counts) * self._weights.take(places)

    def _places(self, packed: Any) -> Any:
        import numpy as np

        features = packed >> np.uint32(8)
        # The kind is mixed in, so that a word and a pair with the same hash fall apart.
        places = (features ^ (features >> np.uint32(KIND_BITS)) * np.uint32(0x9E3779B1)) & np.uint32(self._mask)
        return places.astype(np.int64)


class Features:
    """Packed features of a namespace's entries, in memory as long as they fit, with the lengths of their vectors.

    Fetching those of some ninety candidates from the database took a tenth of a recall, and weighing all of their
    features to find the length of their vectors as much again.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._packed: dict[int, bytes] = {}
        self._lengths: dict[int, float] = {}
        self._measured_by = (0, 0)
        self.size = 0
        self.complete = True
        """Whether every entry is here; once there are too many, none is."""

    def apply(self, rows: Iterable[tuple[int, bytes]], gone: Iterable[int]) -> None:
        """Takes in new or changed entries and lets go of those that are gone."""
        if not self.complete:
            return
        for number in gone:
            self.size -= len(self._packed.pop(number, b""))
            self._lengths.pop(number, None)
        for number, packed in rows:
            self.size += len(packed) - len(self._packed.get(number, b""))
            self._packed[number] = packed
            self._lengths.pop(number, None)
        if self.size > self._most:
            self.complete, self.size, self._packed, self._lengths = False, 0, {}, {}

    def of(self, numbers: Iterable[int]) -> list[bytes]:
        """The features of entries in their order; empty for one that is not here."""
        return [self._packed.get(number, b"") for number in numbers]

    def lengths(self, numbers: Sequence[int], rarity: Rarity) -> dict[int, float]:
        """The length of each entry's vector by these weights; each is measured once, until the weights change."""
        if self._measured_by != rarity.learned:
            self._measured_by, self._lengths = rarity.learned, {}
        kept = self._lengths
        fresh = [number for number in numbers if number not in kept and number in self._packed]
        for at in range(0, len(fresh), 1000):
            block = fresh[at : at + 1000]
            kept.update(zip(block, Vectors(rarity, self.of(block)).lengths.tolist(), strict=True))
        return kept

    def measure(self, rarity: Rarity) -> None:
        """Measures every vector, so that the first questions need not."""
        self.lengths(list(self._packed), rarity)


class Vectors:
    """Weighted feature vectors of candidates, each of length one, one after the other.

    ``lengths`` are those of the vectors before they were scaled, when they are known.
    """

    def __init__(self, rarity: Rarity, packed: Sequence[bytes], lengths: Any = None) -> None:
        import numpy as np

        sizes = np.array([len(p) // 4 for p in packed], np.int64)
        self._starts = np.concatenate(([0], np.cumsum(sizes)))
        self._empty = sizes == 0
        self._places, self._weights = rarity.weigh(np.frombuffer(b"".join(packed), dtype="<u4"))
        if lengths is None:
            lengths = np.sqrt(self._sums(self._weights * self._weights))
            lengths[lengths == 0] = 1
        self.lengths = lengths
        self._rarity = rarity

    def __len__(self) -> int:
        return len(self._starts) - 1

    def vector(self, at: int) -> tuple[Any, Any]:
        """(places, weights) of one candidate."""
        span = slice(self._starts[at], self._starts[at + 1])
        return self._places[span], self._weights[span] / self.lengths[at]

    def against(self, parts: Sequence[tuple[float, tuple[Any, Any]]]) -> Any:
        """The dot product of each candidate with a sum of sparse vectors, each times its share."""
        table = self._rarity.scratch()
        for share, (places, weights) in parts:
            table[places] += share * weights
        products = self._sums(table.take(self._places) * self._weights)
        for _, (places, _) in parts:
            table[places] = 0
        return products / self.lengths

    def _sums(self, values: Any) -> Any:
        """The sum over each candidate's part of ``values``."""
        import numpy as np

        if not len(values):
            return np.zeros(len(self), np.float32)
        sums = np.add.reduceat(values, np.minimum(self._starts[:-1], len(values) - 1))
        # Between equal bounds reduceat gives one element instead of nothing.
        sums[self._empty] = 0
        return sums


def one_vector(rarity: Rarity, packed: bytes) -> tuple[Any, Any]:
    """(places, weights) of one text, of length one."""
    return Vectors(rarity, [packed]).vector(0)


@lru_cache(maxsize=1)
def _damping() -> Any:
    """kind << 8 | count -> weight of the kind x (1 + ln(count)), for all that a packed feature can hold."""
    import numpy as np

    damped = 1 + np.log(np.maximum(np.arange(256), 1))
    kinds = np.array([*KIND_WEIGHTS, 0, 0, 0])
    return (kinds[:, None] * damped[None, :]).astype(np.float32).ravel()
