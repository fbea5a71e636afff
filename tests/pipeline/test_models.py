"""The tagger of names that ships, and classifiers that a user trains."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from fairlead.errors import InvalidInputError
from fairlead.pipeline.analysis.name_features import TOKEN, features, lists, shape
from fairlead.pipeline.analysis.names import MODEL, find_names
from fairlead.pipeline.classify import Classifier, feature_counts
from fairlead.pipeline.training.names_data import COMMON, entities_in, f1, read_columns, relabel


def named(text: str) -> dict[str, str]:
    return {text[name.start : name.end]: name.type for name in find_names(text)}


def test_names_in_edited_text() -> None:
    text = "Angela Merkel met Emmanuel Macron in Strasbourg on Tuesday."
    assert named(text) == {"Angela Merkel": "person", "Emmanuel Macron": "person", "Strasbourg": "place"}
    assert named("Dr. Jane Porter of the Harbour Institute moved to Galway.") == {
        "Jane Porter": "person",
        "Harbour Institute": "organisation",
        "Galway": "place",
    }
    assert named("yesterday we went to the shop and it was closed.") == {}
    assert named("") == {}


def test_the_tagger_is_safe_in_threads() -> None:
    text = "Angela Merkel met Emmanuel Macron in Strasbourg on Tuesday."
    expected, found = find_names(text), []
    threads = [threading.Thread(target=lambda: found.extend(find_names(text) for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 200


def test_the_model_is_small_and_has_its_card() -> None:
    assert MODEL.stat().st_size < 5_000_000
    card = json.loads((MODEL.parent / "names.json").read_text())
    assert card["scores"]["wnut17 test"]["f1"] > 40
    assert "CC BY" in (MODEL.parent / "names.md").read_text()


def test_features_are_the_same_for_the_same_words() -> None:
    words = TOKEN.findall("The Washington Post's @editor wrote B2B news in 2016.")
    rows = features(words)
    assert rows == features(list(words))
    assert len(rows) == len(words)
    assert "k=Borganisation" in rows[1]
    assert "first" in rows[0]
    assert [shape(word) for word in ("Hello", "B2B", "2016", "iPhone")] == ["Xx", "XdX", "d", "xXx"]
    assert "gfirst" in lists().words["angela"]


def test_f1_counts_whole_entities() -> None:
    gold = [["B-PER", "I-PER", "O", "B-LOC"]]
    assert f1(gold, gold) == (100.0, 100.0, 100.0)
    assert f1(gold, [["B-PER", "O", "O", "B-LOC"]]) == (50.0, 50.0, 50.0)
    assert f1(gold, [["O"] * 4])[2] == 0.0
    assert entities_in(["I-ORG", "I-ORG", "B-ORG"]) == {(0, 2, "ORG"), (2, 3, "ORG")}


def test_columns_are_read_and_relabelled(tmp_path: Path) -> None:
    file = tmp_path / "a.conll"
    file.write_text("-DOCSTART- O\n\nRio I-LOC\nde I-LOC\n\n@ B-PER\njoe B-PER\nsaw O\nAcme B-corporation\n")
    ((one, two),) = relabel(read_columns(file), COMMON)
    assert one == [("Rio", "B-LOC"), ("de", "I-LOC")]
    assert two == [("@", "O"), ("joe", "O"), ("saw", "O"), ("Acme", "B-ORG")]
    ((_, published),) = relabel(read_columns(file), None)
    assert published == [("@", "B-PER"), ("joe", "B-PER"), ("saw", "O"), ("Acme", "B-corporation")]


def test_the_published_entities_are_all_there(shared_data: Path) -> None:
    documents = relabel(read_columns(shared_data / "ner-wnut17" / "test.conll"), None)
    assert sum(len(entities_in([label for _, label in s])) for d in documents for s in d) == 1079


def test_the_shipped_tagger_on_filings_it_was_not_trained_on(shared_data: Path) -> None:
    documents = relabel(read_columns(shared_data / "ner-sec-filings" / "test.conll"), COMMON)
    found = wanted = 0
    for sentence in [s for d in documents for s in d][:150]:
        text = " ".join(word for word, _ in sentence)
        people = [
            " ".join(sentence[i][0] for i in range(a, b))
            for a, b, kind in entities_in([t for _, t in sentence])
            if kind == "PER"
        ]
        names = named(text)
        wanted += len(people)
        found += sum(names.get(person) == "person" for person in people)
    assert wanted > 50
    assert found / wanted > 0.6


TEXTS = ["where is my card", "my card has not come", "the card is late", "when does the card come"] * 3
OTHERS = ["how much money is left", "show me the balance", "what is my balance", "how much is on the account"] * 3


def test_a_classifier_learns_saves_and_tells_what_it_does_not_know(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    from fairlead.pipeline.training.classifier import train

    model = train(TEXTS + OTHERS, ["card"] * len(TEXTS) + ["balance"] * len(OTHERS))
    assert model.predict("has my card come").label == "card"
    assert model.predict("tell me the balance of the account").label == "balance"
    model.save(tmp_path / "m.npz")
    loaded = Classifier.load(tmp_path / "m.npz")
    assert loaded.labels == ("balance", "card")
    assert loaded.predict("has my card come") == model.predict("has my card come")
    assert not loaded.predict("zebra quantum xylophone").in_scope
    again = train(TEXTS + OTHERS, ["card"] * len(TEXTS) + ["balance"] * len(OTHERS))
    assert np.array_equal(again.weights, model.weights)


def test_training_needs_two_labels_and_a_table_with_its_columns(tmp_path: Path) -> None:
    from fairlead.pipeline.training.classifier import read_table, train

    with pytest.raises(InvalidInputError, match="at least two labels"):
        train(["one text"], ["only"])
    table = tmp_path / "t.csv"
    table.write_text("text,label\nhello,a\n,b\n")
    assert read_table(table) == (["hello"], ["a"])
    table.write_text("words,kind\nhello,a\n")
    with pytest.raises(InvalidInputError, match="needs 'text' and 'label'"):
        read_table(table)


def test_damaged_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(InvalidInputError, match="not a classifier"):
        Classifier.load(path)
    np.savez(path, about=np.array([{"x": 1}], dtype=object))
    with pytest.raises(InvalidInputError, match="not a classifier"):
        Classifier.load(path)


def test_features_of_texts_are_bounded() -> None:
    assert sum(feature_counts("word " * 1_000_000).values()) < 200_000


def test_train_and_label_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    from fairlead.cli.main import main

    table, model = tmp_path / "t.csv", str(tmp_path / "m.npz")
    rows = [f"{text},card" for text in TEXTS] + [f"{text},balance" for text in OTHERS]
    table.write_text("text,label\n" + "\n".join(rows) + "\n")
    assert main(["classifier", "train", str(table), "--output", model]) == 0
    assert "2 labels from 24 texts" in capsys.readouterr().out
    assert main(["classifier", "label", model, "has my card come", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["data"]
    assert (row["label"], row["in_scope"]) == ("card", True)
    assert main(["classifier", "label", str(table), "x"]) != 0
    assert "not a classifier" in capsys.readouterr().err


def test_analyse_with_models_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One spelling of the training verb is as good as the other; the labels land where they were found."""
    from fairlead.cli.main import main

    tide = [f"The tidal turbine number {n} takes its power from the tide of the strait." for n in range(12)]
    bread = [f"The baker number {n} kneads rye flour and sourdough in the kitchen." for n in range(12)]
    rows = [*(f"{text},tide" for text in tide), *(f"{text},none" for text in bread)]
    (tmp_path / "set.csv").write_text("\n".join(["text,label", *rows]))
    assert main(["model", "train-classifier", str(tmp_path / "set.csv")]) == 0
    assert main(["classifier", "train", str(tmp_path / "set.csv"), "--output", str(tmp_path / "other.npz")]) == 0
    assert (tmp_path / "set.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    (tmp_path / "notes.txt").write_text(f"{tide[3]}\n\n{bread[3]}\n")
    capsys.readouterr()
    model = str(tmp_path / "set.npz")
    learned = Classifier.load(Path(model))
    learned.threshold = 0.0  # Two dozen texts of two moulds say little about what is out of scope.
    learned.save(Path(model))
    words = ["analyse", str(tmp_path / "notes.txt"), "--labels", model, "--arguments", model, "--json"]
    assert main(words) == 0
    (found,) = json.loads(capsys.readouterr().out)["data"]["documents"]
    assert [(row["label"], row["start_char"]) for row in found["labels"]] == [("tide", 0), ("none", len(tide[3]) + 2)]
    assert {row["model"] for row in found["labels"]} == {f"classifier/{learned.version}"}
    assert [(row["label"], row["text"]) for row in found["fallacies"]] == [("tide", tide[3])]
