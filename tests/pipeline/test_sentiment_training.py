"""How the model of sentiment is made: its labels, its measure and its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fairlead.pipeline.analysis import sentiment
from fairlead.pipeline.analysis.sentiment import LABELS, SentimentModel, Word, features, load_model
from fairlead.pipeline.text.reading import TOKEN
from fairlead.pipeline.training.sentiment import labels_of, lean, recall, save, soft, texts_of


def test_the_labels_are_of_posts_that_may_be_used(shared_data: Path) -> None:
    texts = texts_of(shared_data)
    gold = labels_of(texts)
    assert len(gold) == 440
    counts = np.bincount(list(gold.values()))
    assert counts.min() > 100
    assert texts == sorted(set(texts))


def test_macro_recall_gives_each_label_the_same_weight() -> None:
    assert recall([0, 1, 1, 1, 2], [0, 1, 1, 0, 2]) == pytest.approx(100 * (1 + 2 / 3 + 1) / 3)
    assert recall([0, 1, 2], [1, 1, 1]) == pytest.approx(100 / 3)


def test_soft_labels_are_the_likeliest_and_how_likely() -> None:
    labels, sure = soft(np.log(np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])))
    assert labels.tolist() == [1, 0]
    assert sure.tolist() == pytest.approx([0.5, 0.9])


def test_a_model_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    words = {"good": Word(1.9, 0.7, 0.6, 2.0, -1.0, 0.25, 0.75), "bad": Word(-2.5, -0.7, 0.66, 3.0, 1.5, -0.3, -1.2)}
    weights = tuple(tuple(0.1 * (k - 1) for _ in range(17)) for k in range(3))
    model = SentimentModel(words, weights, (0.1, 0.0, -0.1), "sentiment/test")
    save(model, tmp_path / "m.npz")
    read = sentiment.load_model.__wrapped__(tmp_path / "m.npz")
    assert read.version == model.version
    for name, word in words.items():
        assert read.words[name] == pytest.approx(word, abs=0.03)
    save(model, tmp_path / "again.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_the_lean_is_what_serves_the_validation_texts_best() -> None:
    """A model that always hesitates is pushed to where the labels are; one that is right is left alone."""
    model = load_model()
    plain = ["I love this, it is wonderful!", "This is terrible and I hate it.", "The ferry leaves at nine."]
    truth = [LABELS.index(name) for name in ("positive", "negative", "neutral")]
    assert lean(model, plain, truth) == (0.0, 0.0)
    shares = model.probabilities(features(plain[0], TOKEN.findall(plain[0]), model.words))
    doubt = float(np.log(shares[2] / shares[1])) + 0.35
    timid = model._replace(bias=(model.bias[0], model.bias[1] + doubt, model.bias[2]))
    assert lean(timid, plain, truth)[1] >= 0.4


def test_features_are_as_many_as_the_weights() -> None:
    model = load_model()
    found = features("Not bad!", TOKEN.findall("Not bad!"), model.words)
    assert {len(row) for row in model.weights} == {len(found)}
