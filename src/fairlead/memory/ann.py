"""Approximate dense search for large namespaces, by FAISS. Needs the extra ``ann``.

Two layouts. ``pq``: product quantisation to one bit a dimension (two below 256 dimensions), scanned with the
processor's vector instructions (Jegou et al., "Product Quantization for Nearest Neighbor Search", 2011; Andre et al.,
"Quicker ADC", 2019): 48 bytes a vector of 384 dimensions, quick to build, and the better one above a recall of 0.99.
``hnsw``: a navigable small-world graph over 8-bit vectors (Malkov and Yashunin, 2018) with M = 16 and ef_construction
= 200: quicker at a recall of 0.98, ten times the memory. What either proposes is compared again with the 8-bit
vectors.

A search among few allowed entries compares with exactly those: a filter never costs recall.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fairlead.errors import InvalidInputError, MissingDependencyError, StoreCorruptError
from fairlead.memory.dense import EXACT_MOST, ByteVectors, ExactVectors, VectorIndex, VectorRow
from fairlead.memory.vector_file import read_vectors, write_vectors

_log = logging.getLogger(__name__)

LAYOUTS = ("pq", "hnsw")
M, EF_CONSTRUCTION, EF_SEARCH = 16, 200, 64
_RESCORED = {"pq": (128, 4.0), "hnsw": (10, 1.0)}
"""How many proposals are compared again: at least, and for each hit."""
_TRAINED_ON = 10_000
_MOST_DEAD = 0.25
_FILTER_EXACT = 4096
_FILTER_WIDER = 3.0


def ann_available() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("faiss") is not None


def make_vectors(dimensions: int, expected: int, layout: str = "pq") -> VectorIndex:
    """Exact search for a small namespace; approximate for a large one when the extra is there."""
    if expected > EXACT_MOST and ann_available():
        return AnnVectors(dimensions, layout=layout)
    return ExactVectors(dimensions)


class AnnVectors:
    """A :class:`~fairlead.memory.dense.VectorIndex` over FAISS. Up to ``exact_most`` vectors it compares with all."""

    def __init__(self, dimensions: int, *, layout: str = "pq", exact_most: int = EXACT_MOST) -> None:
        if layout not in LAYOUTS:
            raise InvalidInputError(f"layout {layout!r} is unknown.", remedy=f"Choose one of {', '.join(LAYOUTS)}.")
        self.bytes = ByteVectors(dimensions)
        self.layout = layout
        self._exact_most = exact_most
        self._faiss_index: Any = None
        self._inside = 0
        self._lock = threading.RLock()

    @property
    def dimensions(self) -> int:
        return self.bytes.dimensions

    @property
    def size(self) -> int:
        return self.bytes.size + self.index_size

    @property
    def index_size(self) -> int:
        """Bytes that the approximate index holds, without the 8-bit vectors."""
        if self._faiss_index is None:
            return 0
        if self.layout == "pq":
            return int(self._faiss_index.ntotal * self._faiss_index.code_size)
        links = 4 * (2 * M + M // (M - 1) + 2)
        return int(self._inside * (self.bytes.dimensions + links))

    def numbers(self) -> Any:
        return self.bytes.seqs[: self.bytes.used][self.bytes.alive[: self.bytes.used]]

    def apply(self, rows: Sequence[VectorRow], gone: Iterable[int]) -> None:
        with self._lock:
            self._apply(rows, gone)

    def _apply(self, rows: Sequence[VectorRow], gone: Iterable[int]) -> None:
        for seq in (*gone, *(row.seq for row in rows)):
            self.bytes.remove(seq)
        if rows:
            self.bytes.append(rows)
        if self.bytes.used - len(self.bytes) > _MOST_DEAD * max(self.bytes.used, 1):
            self._pack()
        if len(self.bytes) > self._exact_most:
            self._bring_up()

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        # FAISS must not be asked while it takes in more.
        with self._lock:
            return self._search(vector, most, allowed)

    def _search(self, vector: Any, most: int, allowed: Any) -> tuple[Any, Any]:
        import numpy as np

        store = self.bytes
        if self._faiss_index is None or (allowed is not None and len(allowed) <= _FILTER_EXACT):
            return self._exactly(vector, most, allowed)
        least, per_hit = _RESCORED[self.layout]
        wanted = max(least, per_hit * most)
        share = 1.0 if allowed is None else len(allowed) / max(len(store), 1) / _FILTER_WIDER
        scores, found = self._faiss_index.search(vector[None, :], min(int(wanted / share), self._inside))
        places = found[0]
        if len(store) < store.used or allowed is not None:
            places = self._open(places, allowed)
            if len(places) < most:
                return self._exactly(vector, most, allowed)
        elif self.layout == "hnsw" and self._inside == store.used and places[-1] >= 0:
            # The graph has compared 8-bit vectors itself; doing it again would not change the order.
            return store.seqs[places[:most]], scores[0][:most]
        elif places[-1] < 0:
            places = places[places >= 0]
        if self._inside < store.used:
            late = self._open(np.arange(self._inside, store.used), allowed)
            places = np.concatenate([places, late])
        cosines = (store.data[places] @ vector) * store.scales[places]
        best = cosines.argpartition(len(cosines) - most)[-most:] if len(cosines) > most else np.arange(len(cosines))
        order = best[(-cosines[best]).argsort()]
        return store.seqs[places[order]], cosines[order]

    def score(self, vector: Any, numbers: Any) -> Any:
        import numpy as np

        places = self.bytes.places_of(numbers)
        if not self.bytes.used:
            return np.zeros(len(places), np.float32)
        return np.where(places >= 0, self.bytes.cosines(vector, places), 0)

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, path: Path, stamp: int, model: str) -> None:
        """Writes the index beside its place and renames it there; ``stamp`` is what the database had by then."""
        network = b"" if self._faiss_index is None else _faiss().serialize_index(self._faiss_index).tobytes()
        write_vectors(path, self.bytes, network, stamp=stamp, model=model, layout=self.layout, inside=self._inside)

    def load(self, path: Path, model: str) -> int:
        """Reads a saved index and returns its stamp; -1 when there is none that can be trusted.

        A torn, flipped or foreign file is reported, removed, and made again from the database by the caller.
        """
        import numpy as np

        try:
            saved = read_vectors(path, model=model, layout=self.layout, dimensions=self.bytes.dimensions)
        except FileNotFoundError:
            return -1
        except StoreCorruptError as exc:
            _log.warning("%s The index is built again from the database.", exc)
            path.unlink(missing_ok=True)
            return -1
        self.bytes = saved.vectors
        self._inside = saved.inside
        self._faiss_index = (
            _faiss().deserialize_index(np.frombuffer(saved.network, np.uint8)) if saved.network else None
        )
        self._tune()
        return saved.stamp

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, places: Any, allowed: Any) -> Any:
        places = places[places >= 0]
        places = places[self.bytes.alive[places]]
        if allowed is not None:
            numbers = self.bytes.seqs[places]
            at = allowed.searchsorted(numbers)
            at[at == len(allowed)] = 0
            places = places[allowed[at] == numbers]
        return places

    def _exactly(self, vector: Any, most: int, allowed: Any) -> tuple[Any, Any]:
        exact = ExactVectors(self.bytes.dimensions)
        exact.bytes = self.bytes
        return exact.search(vector, most, allowed)

    def _bring_up(self) -> None:
        """Takes what is not yet inside into the approximate index; builds it when there is none."""
        if self._faiss_index is not None and self.bytes.used - self._inside < 256:
            return
        faiss = _faiss()
        threads = faiss.omp_get_max_threads()
        # Training meets at a barrier every few microseconds: on a busy machine several threads wait most of the time.
        faiss.omp_set_num_threads(1 if self.layout == "pq" else threads)
        try:
            self._take_in()
        finally:
            faiss.omp_set_num_threads(threads)

    def _take_in(self) -> None:
        import numpy as np

        if self._faiss_index is None:
            self._faiss_index, self._inside = self._built(), 0
        for at in range(self._inside, self.bytes.used, 16384):
            block = self.bytes.floats(slice(at, min(at + 16384, self.bytes.used)))
            self._faiss_index.add(np.ascontiguousarray(block))
        self._inside = self.bytes.used
        self._tune()

    def _built(self) -> Any:
        faiss, d = _faiss(), self.bytes.dimensions
        if self.layout == "pq":
            index = faiss.IndexPQFastScan(d, max(1, d // (4 if d >= 256 else 2)), 4, faiss.METRIC_INNER_PRODUCT)
        else:
            index = faiss.IndexHNSWSQ(d, faiss.ScalarQuantizer.QT_8bit, M, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = EF_CONSTRUCTION
        stride = max(1, self.bytes.used // _TRAINED_ON)
        index.train(self.bytes.floats(slice(0, self.bytes.used, stride)))
        return index

    def _tune(self) -> None:
        if self._faiss_index is not None and self.layout == "hnsw":
            self._faiss_index.hnsw.efSearch = EF_SEARCH

    def _pack(self) -> None:
        """Lets go of dead rows; the approximate index is built anew over the rest."""
        kept = ByteVectors(self.bytes.dimensions)
        old = self.bytes
        places = [at for at in range(old.used) if old.alive[at]]
        kept.append([VectorRow(int(old.seqs[at]), float(old.scales[at]), old.data[at].tobytes()) for at in places])
        self.bytes, self._faiss_index, self._inside = kept, None, 0


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as exc:
        raise MissingDependencyError(
            "FAISS is not installed.", remedy="Install the extra: pip install 'fairlead[ann]'."
        ) from exc
    return faiss
