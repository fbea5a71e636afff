"""Dense search in Qdrant's engine inside this process. Needs the extra ``qdrant``.

One shard a namespace, in a folder of its own: nothing of another tenant can be found because it is not there. The
shard is derived like every index, so a folder that cannot be opened is made again from the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fairlead.errors import MissingDependencyError
from fairlead.memory.dense import VectorRow

_M, _EF_CONSTRUCTION, _EF_SEARCH = 16, 200, 64
_FULL_SCAN_KILOBYTES = 10_000
_BATCH = 1_000


class QdrantVectors:
    """A :class:`~fairlead.memory.dense.VectorIndex` over one shard with 8-bit quantisation and rescoring."""

    def __init__(self, dimensions: int, folder: Path) -> None:
        try:
            import qdrant_edge
        except ImportError as exc:
            raise MissingDependencyError(
                "Qdrant's engine is not installed.", remedy="Install the extra: pip install 'fairlead[qdrant]'."
            ) from exc
        self._qdrant: Any = qdrant_edge
        self._dimensions = dimensions
        self._folder = folder
        self._numbers: set[int] = set()
        self._shard = self._made()

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def size(self) -> int:
        """Bytes of its files; what of them is in memory is the engine's business."""
        return sum(p.stat().st_size for p in self._folder.rglob("*") if p.is_file())

    def numbers(self) -> Any:
        import numpy as np

        return np.array(sorted(self._numbers), np.int64)

    def apply(self, rows: Sequence[VectorRow], gone: Iterable[int]) -> None:
        import numpy as np

        q = self._qdrant
        removed = [seq for seq in gone if seq in self._numbers]
        if removed:
            self._shard.update(q.UpdateOperation.delete_points(removed))
            self._numbers.difference_update(removed)
        for at in range(0, len(rows), _BATCH):
            batch = rows[at : at + _BATCH]
            points = [
                q.Point(row.seq, (np.frombuffer(row.data, np.int8).astype(np.float32) * row.scale).tolist())
                for row in batch
            ]
            self._shard.update(q.UpdateOperation.upsert_points(points))
            self._numbers.update(row.seq for row in batch)
        if len(rows) >= _BATCH:
            self._shard.optimize()

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        import numpy as np

        q = self._qdrant
        if not self._numbers or (allowed is not None and not len(allowed)):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        among = None
        if allowed is not None:
            among = q.Filter(must=[q.HasIdCondition(set(allowed.tolist()))])
        quantised = q.QuantizationSearchParams(rescore=True, oversampling=2.0)
        params = q.SearchParams(hnsw_ef=max(_EF_SEARCH, 2 * most), quantization=quantised)
        request = q.SearchRequest(q.Query.Nearest(vector.tolist()), most, filter=among, params=params)
        found = self._shard.search(request)
        return np.array([p.id for p in found], np.int64), np.array([p.score for p in found], np.float32)

    def score(self, vector: Any, numbers: Any) -> Any:
        import numpy as np

        records = self._shard.retrieve([n for n in numbers.tolist() if n in self._numbers], False, True)
        cosines = {r.id: float(np.asarray(r.vector, np.float32) @ vector) for r in records}
        return np.array([cosines.get(n, 0.0) for n in numbers.tolist()], np.float32)

    def close(self) -> None:
        self._shard.close()

    def _made(self) -> Any:
        """A new shard: it is filled from the database, which knows better than what an earlier process left."""
        import shutil

        q = self._qdrant
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        config = q.EdgeConfig(
            vectors=q.EdgeVectorParams(self._dimensions, q.Distance.Cosine),
            hnsw_config=q.HnswIndexConfig(_M, _EF_CONSTRUCTION, _FULL_SCAN_KILOBYTES),
            quantization_config=q.ScalarQuantizationConfig(q.ScalarType.Int8, always_ram=True),
        )
        return q.EdgeShard.create(str(self._folder), config)
