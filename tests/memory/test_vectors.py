"""Dense vectors: every index passes the same checks; files are trusted only whole."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import ModelMismatchError
from fairlead.memory import Memory, NewEntry
from fairlead.memory.ann import AnnVectors, ann_available
from fairlead.memory.dense import ExactVectors, VectorRow, quantise, unit
from fairlead.memory.index import NamespaceIndex
from fairlead.store import Database, open_database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.vectors import check_vector_index, clustered

needs_ann = pytest.mark.skipif(not ann_available(), reason="the extra `ann` (faiss) is not installed")
ANN = [pytest.param("pq", marks=needs_ann), pytest.param("hnsw", marks=needs_ann)]


def test_quantising_keeps_each_component_within_half_a_step() -> None:
    import numpy as np

    vectors = clustered(50, 64, seed=1)
    for row, (scale, data) in zip(vectors, quantise(vectors), strict=True):
        assert np.abs(np.frombuffer(data, np.int8) * scale - row).max() <= scale / 2 + 1e-7
    assert quantise(np.zeros((1, 4)))[0][1] == bytes(4)


def test_exact_search_passes_the_conformance_suite() -> None:
    check_vector_index(ExactVectors)


@pytest.mark.parametrize("layout", ANN)
def test_approximate_search_passes_the_conformance_suite(layout: str) -> None:
    check_vector_index(lambda d: AnnVectors(d, layout=layout, exact_most=500))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    if not ann_available():
        pytest.skip("the extra `ann` (faiss) is not installed")
    index = AnnVectors(64, exact_most=500)
    index.apply(_rows(clustered(1000, 64, seed=2)), [])
    index.apply([], [5])
    path = tmp_path / "a.vectors"
    index.save(path, 7, "m")
    return path


def _rows(vectors: Any, first: int = 1) -> list[VectorRow]:
    return [VectorRow(first + n, scale, data) for n, (scale, data) in enumerate(quantise(vectors))]


def test_a_saved_index_comes_back_as_it_was(saved: Path) -> None:
    index = AnnVectors(64, exact_most=500)
    assert index.load(saved, "m") == 7
    query = unit(clustered(1000, 64, seed=2)[10])
    assert index.search(query, 1)[0].tolist() == [11]
    assert index.numbers().tolist() == [n for n in range(1, 1001) if n != 5]
    assert index.index_size == 1000 * 16


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "header", "version", "longer"])
def test_a_damaged_file_is_told_apart_and_removed(saved: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    raw = bytearray(saved.read_bytes())
    rng = random.Random(3)
    if damage == "cut":
        raw = raw[: rng.randrange(100, len(raw))]
    elif damage == "flip":
        raw[rng.randrange(600, len(raw))] ^= 1
    elif damage == "empty":
        raw = bytearray()
    elif damage == "header":
        raw[14:40] = b"\xff" * 26
    elif damage == "version":
        raw[7] = 9
    else:
        raw += b"x"
    saved.write_bytes(raw)
    with caplog.at_level(logging.WARNING):
        assert AnnVectors(64).load(saved, "m") == -1
    assert "built again from the database" in caplog.text
    assert not saved.exists()


def test_a_file_of_another_model_is_not_used(saved: Path) -> None:
    assert AnnVectors(64).load(saved, "other") == -1


@needs_ann
def test_a_flipped_bit_anywhere_never_changes_an_answer(saved: Path, tmp_path: Path) -> None:
    raw = saved.read_bytes()
    rng = random.Random(4)
    for _ in range(100):
        at = rng.randrange(len(raw))
        torn = bytearray(raw)
        torn[at] ^= 1 << rng.randrange(8)
        path = tmp_path / "torn.vectors"
        path.write_bytes(torn)
        index = AnnVectors(64, exact_most=500)
        stamp = index.load(path, "m")
        # A flip in the header may leave a value that nothing depends on; then the content is still whole.
        assert stamp == -1 or index.search(unit(clustered(1000, 64, seed=2)[10]), 1)[0].tolist() == [11]


@needs_ann
def test_an_index_that_was_written_late_catches_up_from_the_database(tmp_path: Path, clock: Any) -> None:
    """The database has committed more than the file knows: what a kill between the two leaves."""
    from fairlead.store.memory import open_scope

    vectors = clustered(300, 64, seed=5)
    path = tmp_path / "i.vectors"
    database = open_database(tmp_path / "m.db", clock=clock)
    memory = Memory(database, clock=clock)

    def make(dimensions: int, expected: int) -> AnnVectors:
        return AnnVectors(dimensions, exact_most=100)

    def catch_up(index: NamespaceIndex) -> None:
        def reading(reader: Any) -> None:
            scope = open_scope(reader, make_tenant("acme"), "default")
            assert scope is not None
            index.catch_up(scope, scope.facts())

        database.read_sync(reading)

    async def scenario() -> None:
        news = [NewEntry(f"entry {n}", embedding=v) for n, v in enumerate(vectors)]
        entries = await memory.remember_many(news[:200])
        catch_up(NamespaceIndex(path, make))
        assert path.exists()
        kept = path.read_bytes()
        await memory.remember_many(news[200:])
        await memory.forget(entries[7].id)
        path.write_bytes(kept)
        late = NamespaceIndex(path, make)
        catch_up(late)
        assert late.vectors is not None
        assert sorted(late.vectors.numbers().tolist()) == sorted({*range(1, 301)} - {8})
        for n in (3, 250):
            assert late.vectors.search(unit(vectors[n]), 1)[0].tolist() == [n + 1]
        assert 8 not in late.vectors.search(unit(vectors[7]), 20)[0].tolist()

    with use_tenant(make_tenant("acme")):
        asyncio.run(scenario())
    database.close()


@pytest.mark.anyio
@pytest.mark.usefixtures("tenant")
async def test_pattern_search_over_given_vectors(memory: Memory, anyio_backend: str) -> None:
    vectors = clustered(50, 32, seed=6)
    await memory.remember_many([NewEntry(f"e{n}", embedding=v, tags=(f"t{n % 5}",)) for n, v in enumerate(vectors)])
    space = await memory.space()
    assert len(space) == 50
    number, cosine = space.nearest(vectors[9] * 3, k=3)[0]
    assert cosine == pytest.approx(1, abs=0.01)
    assert [e.content for e in await space.entries([number])] == ["e9"]
    with pytest.raises(ModelMismatchError):
        space.nearest([1.0, 2.0])
    with pytest.raises(ModelMismatchError, match="reindex"):
        await memory.remember_many([NewEntry("other size", embedding=[1.0, 0.0])])
    assert len(await memory.list(limit=100)) == 50


class Letters:
    """A tiny real embedder: counts of letters."""

    dimensions = 26

    def __init__(self, name: str) -> None:
        self.name = name
        self.embedded: list[str] = []

    def embed(self, texts: Any) -> Any:
        import numpy as np

        self.embedded += texts
        counts = np.array([[t.lower().count(chr(97 + n)) for n in range(26)] for t in texts], np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


@pytest.mark.anyio
@pytest.mark.usefixtures("tenant")
async def test_contents_are_embedded_once_and_a_change_of_model_asks_for_reindex(
    database: Database, clock: Any, anyio_backend: str
) -> None:
    first = Letters("letters-1")
    memory = Memory(database, clock=clock, embedder=first)
    await memory.remember_many([NewEntry("aabb"), NewEntry("aabb", source="b"), NewEntry("ccdd")])
    await memory.remember_many([NewEntry("aabb"), NewEntry("ccdd")])
    assert first.embedded == ["aabb", "ccdd"]
    (hit, *_) = await memory.recall("bbaa")
    assert hit.entry.content == "aabb"
    assert hit.why["semantic"] > 0.99
    second = Memory(database, clock=clock, embedder=Letters("letters-2"))
    with pytest.raises(ModelMismatchError):
        await second.remember("eeff")
    assert await second.upkeep.reindex() == 3
    assert (await second.stats())["model"] == "letters-2"
    assert (await second.recall("ddcc"))[0].entry.content == "ccdd"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
