"""Answers quote, cite, and say no."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.pipeline.answer import answer

PASSAGES = [
    {
        "text": "The lighthouse of Skagen was built in 1858. It was drawn by Niels Nebelong and is 46 metres high.",
        "source": "skagen.txt",
        "title": "Skagen",
        "start_char": 100,
        "speaker": "Guide",
        "score": 7.5,
    },
    {"text": "The pier of the town was closed in winter. Nobody repaired it.", "source": "pier.txt"},
]


def test_the_best_sentence_is_quoted_with_its_source_and_offsets() -> None:
    found = answer("When was the lighthouse of Skagen built?", PASSAGES)
    best = found["statements"][0]
    assert found["answered"]
    assert best["text"] == "The lighthouse of Skagen was built in 1858."
    assert (best["source"], best["speaker"], best["start_char"], best["end_char"]) == ("skagen.txt", "Guide", 100, 143)
    assert 0 < best["score"] <= 1.1


def test_the_kind_of_thing_asked_for_decides() -> None:
    found = answer("How high is the lighthouse of Skagen?", PASSAGES)
    assert "46 metres" in found["statements"][0]["text"]


def test_it_says_no_with_a_reason() -> None:
    for question, passages, reason in (
        ("Who won the football match in Lisbon?", PASSAGES, "covers too little"),
        ("When was the lighthouse of Bergen built?", PASSAGES[1:], "covers too little"),
        ("What is it?", PASSAGES, "no word to look for"),
        ("When was the lighthouse built?", [], "nothing was remembered"),
    ):
        found = answer(question, passages)
        assert found["answered"] is False
        assert found["statements"] == []
        assert reason in found["reason"]


@settings(deadline=None, max_examples=60)
@given(question=st.text(max_size=80), texts=st.lists(st.text(max_size=120), max_size=4))
def test_nothing_is_invented(question: str, texts: list[str]) -> None:
    found = answer(question, [{"text": text, "source": str(i)} for i, text in enumerate(texts)], threshold=0.0)
    for statement in found["statements"]:
        assert statement["text"] in texts[int(statement["source"])]
    assert found["answered"] == bool(found["statements"])


def test_paragraphs_of_xquad_answer_their_own_questions(shared_data: Path) -> None:
    file = shared_data / "qa-xquad-en" / "xquad.en.json.xz"
    articles = json.loads(lzma.decompress(file.read_bytes()))["data"][:12]
    right = asked = refused = 0
    for article, other in zip(articles, [*articles[1:], articles[0]], strict=True):
        own = [{"text": p["context"], "source": str(i)} for i, p in enumerate(article["paragraphs"])]
        away = [{"text": p["context"], "source": str(i)} for i, p in enumerate(other["paragraphs"])]
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                asked += 1
                found = answer(qa["question"], own)
                right += any(qa["answers"][0]["text"] in s["text"] for s in found["statements"])
                refused += not answer(qa["question"], away)["answered"]
    assert right / asked > 0.7
    assert refused / asked > 0.9


def test_what_is_asks_for_the_definition() -> None:
    passages = [
        {"text": "I want to conclude with where the Loader API is in the process.", "source": "a"},
        {"text": "The basic concept of the Loader API is that a developer has a model.", "source": "b"},
    ]
    assert answer("What is the Loader API?", passages)["statements"][0]["source"] == "b"
    opening = {
        "text": "An extremely fast linter for Python, written in Rust.",
        "source": "r",
        "title": "ruff",
        "start_char": 0,
    }
    other = {
        "text": "Ruff can also be used as an extension of editors.",
        "source": "r",
        "title": "ruff",
        "start_char": 900,
    }
    assert answer("What is ruff?", [other, opening])["statements"][0]["text"].startswith("An extremely fast linter")


def test_spellings_of_both_sides_of_the_ocean_meet() -> None:
    passages = [{"text": "Jane Roe gave it an MIT license.", "source": "x", "title": "roe LICENSE"}]
    assert answer("Which licence does roe have?", passages)["answered"]
