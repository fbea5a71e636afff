"""Sentences, words, languages: the ground of every analyser."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.pipeline.text.language import identify
from fairlead.pipeline.text.sentences import split_sentences
from fairlead.pipeline.text.words import fold, words_of


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Mr. Smith paid $3.50 to Dr. Lee.", "He left at noon."],
        ["It grew by 4.5 percent, i.e. more than before.", "Nobody knew why."],
        ["See fig. 3 of the report.", "It shows the tide."],
        ["The U.S. Senate met in Washington D.C. on Monday.", "It voted."],
        ["J. R. R. Tolkien wrote it.", "He was from Oxford."],
        ['"Is it high?" she asked.', "It was."],
        ["Node.js and TensorFlow.js run in the browser.", "They are fast!"],
        ["Wait... there is more.", "Is there?", "Yes."],
        ["1. Open the gate.", "2. Close it again."],
        ["Boats, nets, etc. are stored here.", "The shed is dry."],
        ["潮水很高。", "我们等一等！"],
        ["He works for Acme Inc. in Paris.", "She does not."],
    ],
)
def test_known_boundaries(expected: list[str]) -> None:
    assert sentences(("" if "。" in expected[0] else " ").join(expected)) == expected


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.sampled_from("aB .!?\n\"'(1,。…é"), max_size=300))
def test_sentences_are_ordered_apart_and_lose_only_space(text: str) -> None:
    spans = split_sentences(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    kept = "".join(text[start:end] for start, end in spans)
    assert "".join(kept.split()) == "".join(text.split())
    assert all(not text[start].isspace() and not text[end - 1].isspace() for start, end in spans)


def test_a_run_without_marks_is_cut() -> None:
    spans = split_sentences("word " * 2000)
    assert max(end - start for start, end in spans) <= 1200
    assert len(spans) > 5


def test_words_and_folding() -> None:
    assert words_of("Node.js isn't C++ or C#, it's 3.5% of state-of-the-art.") == [
        "Node.js", "isn't", "C++", "or", "C#", "it's", "3.5%", "of", "state-of-the-art",
    ]  # fmt: skip
    pairs = {
        "Models": "model",
        "policies": "policy",
        "boxes": "box",
        "analysis": "analysis",
        "Smith's": "smith",
        "bus": "bus",
    }
    assert {word: fold(word) for word in pairs} == pairs


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The tide comes in twice a day and the boats wait for it at the pier."),
        ("de", "Die Flut kommt zweimal am Tag und die Boote warten auf sie an dem Steg."),
        ("fr", "La marée monte deux fois par jour et les bateaux attendent dans le port."),
        ("es", "La marea sube dos veces al día y los barcos esperan en el puerto por ella."),
        ("ru", "Прилив приходит два раза в день, и лодки ждут его у причала."),
        ("zh", "潮水每天来两次，船在码头等着。"),
        ("ja", "潮は一日に二回来て、船は桟橋で待っています。"),
        ("", "xq zzt 12 34"),
    ],
)
def test_language(language: str, text: str) -> None:
    assert identify(text) == language
