"""What every index of dense vectors must do, whatever stands behind it. Needs numpy, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.memory.dense import VectorIndex

_DIMENSIONS = 64
_COUNT = 2_000


def clustered(count: int, dimensions: int, *, seed: int) -> Any:
    """Vectors of length one around 50 centres, float32 [count, dimensions]: like those of texts, they are not evenly
    spread."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(50, dimensions))
    vectors = centres[rng.integers(0, 50, count)] + 0.7 * rng.normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def check_vector_index(make: Callable[[int], VectorIndex]) -> None:
    """Raises AssertionError when an index made by ``make(dimensions)`` breaks the port's promises."""
    import numpy as np

    from fairlead.memory.dense import VectorRow, quantise

    vectors = clustered(_COUNT, _DIMENSIONS, seed=7)
    rows = [VectorRow(10 + n, scale, data) for n, (scale, data) in enumerate(quantise(vectors))]
    index = make(_DIMENSIONS)
    assert index.search(vectors[0], 5)[0].tolist() == [], "an empty index finds nothing"
    assert index.score(vectors[0], np.array([10])).tolist() == [0], "an absent number scores 0"
    for at in range(0, _COUNT, 400):
        index.apply(rows[at : at + 400], [])
    queries = clustered(50, _DIMENSIONS, seed=8)
    everything = np.arange(_COUNT)
    _check_recall(index, vectors, queries, everything, None)
    for share in (100, 10, 2):
        allowed = everything[::share]
        _check_recall(index, vectors, queries, allowed, allowed + 10)
    _check_order(index, queries[0])
    _check_changes(index, vectors, rows)


def _check_recall(index: VectorIndex, vectors: Any, queries: Any, living: Any, allowed: Any) -> None:
    found = 0
    for query in queries:
        best = living[(-(vectors[living] @ query)).argsort(kind="stable")[:10]] + 10
        numbers, _ = index.search(query, 10, allowed)
        assert len(numbers) == 10, "a search gives as many as there are"
        if allowed is not None:
            assert set(numbers.tolist()) <= set(allowed.tolist()), "a filter is never passed by"
        found += len(set(best.tolist()) & set(numbers.tolist()))
    recall = found / (10 * len(queries))
    assert recall >= 0.95, f"recall@10 is {recall:.3f} with {'a' if allowed is not None else 'no'} filter"


def _check_order(index: VectorIndex, query: Any) -> None:
    numbers, cosines = index.search(query, 20)
    assert (cosines[:-1] >= cosines[1:] - 1e-6).all(), "the best comes first"
    assert abs(index.score(query, numbers) - cosines).max() < 0.02, "score agrees with search"


def _check_changes(index: VectorIndex, vectors: Any, rows: Any) -> None:
    gone = [row.seq for row in rows[:700]]
    index.apply([], gone)
    assert not set(index.search(vectors[0], 50)[0].tolist()) & set(gone), "what is gone is not found"
    index.apply([rows[900]._replace(seq=10)], [])
    assert index.search(vectors[900], 2)[0].tolist() in ([10, 910], [910, 10]), "a number may come back changed"
    index.apply([rows[1200]._replace(seq=910)], [])
    assert 910 not in index.search(vectors[900], 1)[0].tolist(), "a changed entry has only its new vector"
    assert len(index.numbers()) == _COUNT - 700 + 1
    # A few late changes, which an index may hold aside: none of them may escape a filter or outlive its removal.
    index.apply([rows[0]._replace(seq=5000), rows[1]._replace(seq=5001)], [])
    index.apply([], [5001])
    assert index.search(vectors[0], 1)[0].tolist() == [5000], "what came late is found"
    assert 5001 not in index.search(vectors[1], 20)[0].tolist(), "what came late and went is not found"
    some = index.numbers()[:600]
    assert 5000 not in index.search(vectors[0], 20, some)[0].tolist(), "what came late does not pass a filter by"
