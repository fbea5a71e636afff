"""The tagger of names over the states of a sentence encoder: its arithmetic, its file, and what it finds."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from fairlead.errors import InvalidInputError
from fairlead.pipeline.analysis.name_network import Head, NameNetwork, best_labels, hashed_features, probabilities

pytest.importorskip("scipy", reason="training needs scikit-learn, which brings scipy")

from fairlead.pipeline.training.name_network import Plan, Task, crf_gradients, labels_of, legal_moves, train

SMALL = Plan(layers=(1,), hidden=8, epochs=40, rate=2e-2, batch=40, drop_states=0.0, least=1, drop_hidden=0.0)


def made_up(count: int, seed: int) -> Task:
    """Sentences of which only the states tell which word is a name: its first number is high."""
    random = np.random.default_rng(seed)
    sentences, states = [], []
    for _ in range(count):
        names = random.random(6) < 0.3
        sentences.append([(f"w{random.integers(5)}", "B-PER" if name else "O") for name in names])
        states.append(np.column_stack([np.where(names, 2.0, -2.0), random.normal(size=(6, 3))]))
    return Task(sentences, np.concatenate(states).astype(np.float16))


def a_head(random: np.random.Generator) -> Head:
    moves, opening = random.normal(size=(3, 3)), random.normal(size=3)
    none = np.zeros((1, 3), np.float32)
    return Head(("O", "B-PER", "I-PER"), none, none[0], moves.astype(np.float32), opening.astype(np.float32))


def test_the_best_labels_and_probabilities_are_those_of_all_sequences_counted() -> None:
    random = np.random.default_rng(0)
    head, scores = a_head(random), random.normal(size=(4, 3)).astype(np.float32)
    totals = {
        path: head.opening[path[0]]
        + sum(scores[i, label] for i, label in enumerate(path))
        + sum(head.moves[a, b] for a, b in pairwise(path))
        for path in product(range(3), repeat=4)
    }
    assert tuple(best_labels(scores, head)) == max(totals, key=lambda path: totals[path])
    weights = {path: np.exp(total) for path, total in totals.items()}
    whole = sum(weights.values())
    for i, label in product(range(4), range(3)):
        share = sum(weight for path, weight in weights.items() if path[i] == label) / whole
        assert probabilities(scores, head)[i, label] == pytest.approx(share, abs=1e-5)


def test_gradients_are_the_slope_of_the_loss() -> None:
    random = np.random.default_rng(1)
    head, scores = a_head(random), random.normal(size=(2, 4, 3)).astype(np.float32)
    gold, lengths = random.integers(0, 3, (2, 4)), np.array([4, 2])
    found = crf_gradients(scores, gold, lengths, head.moves, head.opening)
    for array, slope in ((scores, found.scores), (head.moves, found.moves), (head.opening, found.opening)):
        for place in np.ndindex(array.shape):
            kept, losses = array[place], []
            for step in (1e-2, -1e-2):
                array[place] = kept + step
                losses.append(crf_gradients(scores, gold, lengths, head.moves, head.opening).loss)
            array[place] = kept
            assert (losses[0] - losses[1]) / 2e-2 == pytest.approx(slope[place], abs=2e-3)


def test_it_learns_from_states_and_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    task, unseen = made_up(60, 0), made_up(30, 1)
    network = train({"a": task, "b": made_up(20, 2)}, SMALL)
    right = sum(
        guess == label
        for labels, sentence in zip(labels_of(network, unseen, "a"), unseen.sentences, strict=True)
        for guess, (_, label) in zip(labels, sentence, strict=True)
    )
    assert right > 0.95 * 180
    again = train({"a": task, "b": made_up(20, 2)}, SMALL)
    assert np.array_equal(network.embedded, again.embedded)
    assert np.array_equal(network.states, again.states)
    network.save(tmp_path / "n.npz")
    loaded = NameNetwork.load(tmp_path / "n.npz")
    assert loaded.heads["a"].labels == ("O", "B-PER", "I-PER")
    assert labels_of(loaded, unseen, "a") == labels_of(network, unseen, "a")


def test_joined_networks_score_with_their_mean(tmp_path: Path) -> None:
    task = made_up(20, 0)
    networks = [train({"a": task}, SMALL._replace(epochs=3, seed=seed)) for seed in (1, 2)]
    joined = NameNetwork.joined(networks)
    words, states = [word for word, _ in task.sentences[0]], task.states[:6].astype(np.float32)
    mean = sum(network.scores(words, states, "a") for network in networks) / 2
    assert joined.scores(words, states, "a") == pytest.approx(mean, abs=1e-5)
    joined.save(tmp_path / "n.npz")
    assert NameNetwork.load(tmp_path / "n.npz").scores(words, states, "a") == pytest.approx(mean, abs=0.05)


def test_an_entity_goes_on_only_where_it_began() -> None:
    moves, opening = legal_moves(("O", "B-LOC", "B-PER", "I-LOC", "I-PER"))
    assert (opening < 0).tolist() == [False, False, False, True, True]
    assert np.argwhere(moves < 0).tolist() == [[0, 3], [0, 4], [1, 4], [2, 3], [3, 4], [4, 3]]


def test_damaged_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(InvalidInputError, match="not a tagger"):
        NameNetwork.load(path)
    np.savez(path, about=np.frombuffer(b'{"format": 99}', dtype=np.uint8))
    with pytest.raises(InvalidInputError, match="format 99"):
        NameNetwork.load(path)


def test_features_of_a_word_tell_of_its_neighbours() -> None:
    one, two = (list(hashed_features(words)) for words in (["Mr", "Stone"], ["a", "Stone"]))
    assert len(one) == 2
    assert set(one[1]) != set(two[1])
    assert [list(row) for row in hashed_features(["Mr", "Stone"])] == [list(row) for row in one]
