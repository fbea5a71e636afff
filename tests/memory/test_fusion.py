"""The pure parts: each term alone, diversity, learning, find-or-spawn."""

from __future__ import annotations

import asyncio
import random

import pytest

from fairlead.memory import Memory, Need, NewEntry, find, find_or_spawn
from fairlead.memory.features import dense_vector, features_of, pack_features
from fairlead.memory.fusion import (
    DEFAULT_WEIGHTS,
    HALF_LIFE,
    diverse,
    margin,
    of_best,
    outcome,
    recency,
    reciprocal_ranks,
    stretched,
    total,
)
from fairlead.memory.learning import Sample, learn_weights, moved_success
from fairlead.memory.lexical import bm25_share, inverse_document_frequency
from fairlead.memory.reuse import grade, likeness


def test_recency_halves_and_outcome_has_its_parts() -> None:
    assert (recency(0), recency(HALF_LIFE), recency(-5)) == (1, 0.5, 1)
    assert outcome(1, 0) == pytest.approx(2 / 3)
    assert outcome(0, 100) == pytest.approx(1 / 3)
    assert outcome(1, 10**9) == 1


def test_shares_of_the_best() -> None:
    import numpy as np

    assert of_best(np.array([1.0, 2.0])).tolist() == [0.5, 1]
    assert of_best(np.zeros(2)).tolist() == [0, 0]
    assert stretched(np.array([0.5, 0.9, 0.7])).tolist() == pytest.approx([0, 1, 0.5])
    assert stretched(np.array([0.4, 0.4])).tolist() == [0, 0]


def test_margin_says_how_far_the_best_stands_out() -> None:
    assert margin([]) == 0
    assert margin([0.5]) == 1
    assert margin([1, 0.25]) == 0.75
    assert margin([1] * 20) == 0


def test_reciprocal_ranks() -> None:
    scores = reciprocal_ranks([[1, 2], [2, 3]], k=10)
    assert scores == {1: pytest.approx(1 / 11), 2: pytest.approx(1 / 12 + 1 / 11), 3: pytest.approx(1 / 12)}


def test_the_whole_is_similarity_success_and_recency() -> None:
    assert total(1, {"outcome": 1, "recency": 1}, DEFAULT_WEIGHTS) == pytest.approx(1)
    assert total(1, {}, DEFAULT_WEIGHTS) == pytest.approx(0.68)


def test_diversity_prefers_what_is_new() -> None:
    alike = [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert diverse([1.0, 0.9, 0.5], lambda i: alike[i], 2, 0.0) == [0, 1]
    assert diverse([1.0, 0.9, 0.5], lambda i: alike[i], 2, 0.5) == [0, 2]


def test_bm25_is_a_share_of_its_bound() -> None:
    weights = {"owl": inverse_document_frequency(10, 1), "red": inverse_document_frequency(10, 9)}
    assert weights["owl"] > weights["red"] > 0
    assert bm25_share([], weights, 5) == 0
    assert 0 < bm25_share(["owl", "sky"], weights, 5) < bm25_share(["owl", "red"], weights, 5) < 1
    assert bm25_share(["owl"] * 10_000, {"owl": 1.0}, 5) <= 1


def test_hash_embeddings_are_the_same_everywhere() -> None:
    """Fixed numbers: another process, platform or version must give them too."""
    packed = pack_features(features_of("Moor the ship."))
    assert len(packed) % 4 == 0
    numbers = sorted(int.from_bytes(packed[a : a + 4], "little") for a in range(0, len(packed), 4))
    assert (len(numbers), numbers[0], numbers[-1], sum(numbers)) == PINNED
    vector = dense_vector(features_of("Moor the ship."), 8)
    assert sum(x * x for x in vector) == pytest.approx(1)
    assert dense_vector({}, 4) == [0, 0, 0, 0]


PINNED = (21, 219916033, 2590384385, 32721494805)


def test_weights_follow_the_term_that_tells_good_from_bad() -> None:
    rng = random.Random(5)
    samples = []
    for _ in range(200):
        telling = rng.random()
        samples.append(
            Sample({"lexical": rng.random(), "hashed": telling, "semantic": rng.random()}, float(telling > 0.5))
        )
    learned = learn_weights(samples)
    parts = ("lexical", "hashed", "semantic")
    assert learned.hashed > 2 * DEFAULT_WEIGHTS.hashed
    assert sum(getattr(learned, p) for p in parts) == pytest.approx(sum(getattr(DEFAULT_WEIGHTS, p) for p in parts))
    assert all(getattr(learned, p) > 0 for p in parts)


def test_little_or_one_sided_feedback_teaches_nothing() -> None:
    few = [Sample({"lexical": 1.0, "hashed": 0.0}, 1.0)] * 10
    one_sided = [Sample({"lexical": 1.0, "hashed": 0.0}, 1.0)] * 100
    assert learn_weights(few) == learn_weights(one_sided) == learn_weights([]) == DEFAULT_WEIGHTS


def test_success_moves_slowly_and_stays_in_bounds() -> None:
    assert moved_success(0.5, 1.0) == pytest.approx(0.6)
    value = 0.5
    for _ in range(100):
        value = moved_success(value, 0.0)
    assert 0 <= value < 0.01


@pytest.mark.usefixtures("tenant")
def test_find_or_spawn_needs_likeness_and_compatibility(memory: Memory) -> None:
    text = "reviews python code for security problems"
    can = {"capabilities": ["python", "security"], "specialisation": "review"}

    async def scenario() -> None:
        await memory.remember_many(
            [
                NewEntry(text, "agent", source="a1", metadata={"capabilities": ["python"]}),
                NewEntry(text, "agent", source="a2", metadata=can),
                NewEntry("writes poems about ships", "agent", source="a3", metadata=can),
                NewEntry(text, "solution", source="s1", metadata=can),
            ]
        )
        need = Need("agent", text, frozenset({"security"}))
        match = await find(memory, need)
        assert match is not None
        assert (match.entry.source, match.grade, match.likeness) == ("a2", "exact", pytest.approx(1))
        assert await find(memory, need._replace(specialisation="design")) is None
        assert await find(memory, need._replace(capabilities=frozenset({"rust"}))) is None
        assert await find(memory, need._replace(description="python")) is None
        spawned = []

        async def spawn(wanted: Need) -> str:
            spawned.append(wanted)
            return "fresh"

        assert await find_or_spawn(memory, need, spawn) == match
        assert await find_or_spawn(memory, need._replace(kind="robot"), spawn) == "fresh"
        assert len(spawned) == 1

    asyncio.run(scenario())


def test_grades() -> None:
    assert [grade(x) for x in (0.99, 0.96, 0.92, 0.5)] == ["exact", "high", "good", None]
    assert likeness("moor the ship", "the weather is fine") < 0.3
