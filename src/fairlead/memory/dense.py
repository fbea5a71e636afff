"""Dense vectors of one namespace: quantised storage, exact search, and the port that other indexes stand behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from fairlead.errors import InvalidInputError

EXACT_MOST = 20_000
"""Vectors up to which comparing with all of them is as fast as any approximate index and always right."""


class VectorRow(NamedTuple):
    """One vector as the database keeps it: value = signed byte * scale."""

    seq: int
    scale: float
    data: bytes


class Embedder(Protocol):
    """Turns texts into vectors of length one.

    ``name`` says exactly which model it is: vectors of different names are never compared. ``embed`` returns float32
    of shape [texts, dimensions].
    """

    name: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> Any: ...


class VectorIndex(Protocol):
    """What finds the nearest vectors of one namespace.

    ``apply`` takes in new or changed rows and removes numbers; ``search`` returns (numbers, cosines) of the ``most``
    nearest, best first, among ``allowed`` (a sorted array of numbers, or None for all); ``score`` gives the cosines of
    given numbers (0 for an absent one). Every adapter passes ``fairlead.testing.vectors.check_vector_index``.
    """

    @property
    def dimensions(self) -> int: ...
    def apply(self, rows: Sequence[VectorRow], gone: Iterable[int]) -> None: ...
    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]: ...
    def score(self, vector: Any, numbers: Any) -> Any: ...
    def numbers(self) -> Any: ...
    @property
    def size(self) -> int: ...


def quantise(vectors: Any) -> list[tuple[float, bytes]]:
    """(scale, one signed byte a dimension) of each row of a float array [n, d]; a quarter of its size.

    The largest component of each vector becomes 127, so the error of a component is at most scale / 2.
    """
    import numpy as np

    vectors = np.asarray(vectors, np.float32)
    if not np.isfinite(vectors).all():
        raise InvalidInputError("an embedding holds a value that is not finite.", remedy="Embed the text again.")
    scales = np.abs(vectors).max(axis=1) / 127
    scales[scales == 0] = 1
    bytes_ = np.rint(vectors / scales[:, None]).astype(np.int8)
    return [(float(scale), row.tobytes()) for scale, row in zip(scales, bytes_, strict=True)]


def unit(vector: Any) -> Any:
    """``vector`` as float32 of length one; a zero vector stays zero."""
    import numpy as np

    vector = np.asarray(vector, np.float32).ravel()
    return vector / (np.linalg.norm(vector) or 1.0)


class ByteVectors:
    """Quantised vectors in memory, addressed by entry number. Rows are kept in order of arrival."""

    def __init__(self, dimensions: int) -> None:
        import numpy as np

        self.dimensions = dimensions
        self.data = np.zeros((0, dimensions), np.int8)
        self.scales = np.zeros(0, np.float32)
        self.seqs = np.zeros(0, np.int64)
        self.alive = np.zeros(0, bool)
        self.used = 0
        self.places: dict[int, int] = {}
        self._increasing = True

    def __len__(self) -> int:
        return len(self.places)

    @property
    def size(self) -> int:
        return int(self.data.nbytes + self.scales.nbytes + self.seqs.nbytes + self.alive.nbytes)

    def remove(self, seq: int) -> int | None:
        """The row that held the entry, or None."""
        at = self.places.pop(seq, None)
        if at is not None:
            self.alive[at] = False
        return at

    def append(self, rows: Sequence[VectorRow]) -> int:
        """Adds rows and returns the place of the first."""
        import numpy as np

        first, end = self.used, self.used + len(rows)
        last = self.seqs[first - 1] if first else -1
        for row in rows:
            self._increasing = self._increasing and row.seq > last
            last = row.seq
        if end > len(self.seqs):
            self._grow(max(end, 2 * len(self.seqs), 64))
        raw = np.frombuffer(b"".join(row.data for row in rows), np.int8)
        self.data[first:end] = raw.reshape(len(rows), self.dimensions)
        self.scales[first:end] = [row.scale for row in rows]
        self.seqs[first:end] = [row.seq for row in rows]
        self.alive[first:end] = True
        self.places.update((row.seq, first + n) for n, row in enumerate(rows))
        self.used = end
        return first

    def note_order(self) -> None:
        """Looks anew whether the numbers increase from row to row, after the rows were put there from elsewhere."""
        numbers = self.seqs[: self.used]
        self._increasing = bool((numbers[1:] > numbers[:-1]).all())

    def places_of(self, numbers: Any) -> Any:
        """The place of each number, -1 for one that is not here."""
        import numpy as np

        if len(numbers) < 64 or not self._increasing:
            return np.array([self.places.get(n, -1) for n in numbers.tolist()], np.int64)
        at = self.seqs[: self.used].searchsorted(numbers)
        at[at == self.used] = 0
        return np.where((self.seqs[at] == numbers) & self.alive[at], at, -1)

    def floats(self, places: Any) -> Any:
        """The vectors at some places as float32."""
        import numpy as np

        return self.data[places].astype(np.float32) * self.scales[places, None]

    def cosines(self, vector: Any, places: Any) -> Any:
        import numpy as np

        return (self.data[places].astype(np.float32) @ vector) * self.scales[places]

    def _grow(self, capacity: int) -> None:
        import numpy as np

        for name in ("data", "scales", "seqs", "alive"):
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[: self.used] = old[: self.used]
            setattr(self, name, new)


class ExactVectors:
    """Compares with every vector. Floats of the whole are kept beside the bytes once it has been searched."""

    def __init__(self, dimensions: int) -> None:
        self.bytes = ByteVectors(dimensions)
        self._floats: Any = None

    @property
    def dimensions(self) -> int:
        return self.bytes.dimensions

    @property
    def size(self) -> int:
        return self.bytes.size + (0 if self._floats is None else int(self._floats.nbytes))

    def numbers(self) -> Any:
        return self.bytes.seqs[: self.bytes.used][self.bytes.alive[: self.bytes.used]]

    def apply(self, rows: Sequence[VectorRow], gone: Iterable[int]) -> None:
        import numpy as np

        for seq in (*gone, *(row.seq for row in rows)):
            self.bytes.remove(seq)
        if not rows:
            return
        first = self.bytes.append(rows)
        if self._floats is not None and first == len(self._floats) and len(rows) * 8 > first:
            added = self.bytes.floats(slice(first, self.bytes.used))
            self._floats = np.concatenate([self._floats, added])

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        import numpy as np

        store = self.bytes
        if allowed is not None:
            places = store.places_of(allowed)
            places = places[places >= 0]
            cosines = store.cosines(vector, places) if len(places) else np.zeros(0, np.float32)
            return _best(store.seqs[places], cosines, most)
        cosines = self._all(vector)
        # Another thread may be adding rows; this search is over those that it has seen.
        count = len(cosines)
        cosines[~store.alive[:count]] = -np.inf
        return _best(store.seqs[:count], cosines, most)

    def score(self, vector: Any, numbers: Any) -> Any:
        import numpy as np

        places = self.bytes.places_of(numbers)
        if not self.bytes.used:
            return np.zeros(len(places), np.float32)
        return np.where(places >= 0, self.bytes.cosines(vector, places), 0)

    def _all(self, vector: Any) -> Any:
        import numpy as np

        store = self.bytes
        used, floats = store.used, self._floats
        if not used:
            return np.zeros(0, np.float32)
        if used <= EXACT_MOST:
            have = 0 if floats is None else len(floats)
            if have < used:
                fresh = store.floats(slice(have, used))
                floats = fresh if floats is None else np.concatenate([floats, fresh])
                self._floats = floats
            return floats @ vector
        self._floats = None
        return np.concatenate([store.cosines(vector, slice(a, min(a + 8192, used))) for a in range(0, used, 8192)])


def _best(numbers: Any, cosines: Any, most: int) -> tuple[Any, Any]:
    import numpy as np

    if len(cosines) > most:
        best = np.argpartition(cosines, len(cosines) - most)[len(cosines) - most :]
        numbers, cosines = numbers[best], cosines[best]
    order = np.argsort(-cosines, kind="stable")
    order = order[np.isfinite(cosines[order])]
    return numbers[order], cosines[order]
