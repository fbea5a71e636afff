"""The local tier: what it finds is in the text, and what it cannot do it says."""

from __future__ import annotations

import json
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import RefusedError
from fairlead.gateway.local.answer import best_answer
from fairlead.gateway.local.classify import classify
from fairlead.gateway.local.extract import extract, extract_fields
from fairlead.gateway.local.extractive import NO_ANSWER, generate, infer_task
from fairlead.gateway.local.summarise import summarise
from fairlead.gateway.local.text import sentences
from fairlead.gateway.messages import GenerationRequest
from tests.gateway.support import data_folder

TEXT = (
    "Dr. Ada Lovelace was born in London in 1815. She wrote the first program for the Analytical Engine. "
    "The engine was never finished. Charles Babbage designed it. Her notes were published in 1843 and cost $3.50."
)


def test_sentences_end_where_sentences_end() -> None:
    assert sentences(TEXT)[0] == "Dr. Ada Lovelace was born in London in 1815."
    assert len(sentences(TEXT)) == 5
    assert sentences("First line\n\nSecond para. It goes on.") == ["First line", "Second para.", "It goes on."]


@given(st.text(max_size=300))
@settings(max_examples=80, deadline=None)
def test_no_word_is_lost_between_sentences(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(st.lists(st.sampled_from(TEXT.split()), max_size=60).map(" ".join), st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_a_summary_holds_only_sentences_of_the_text(text: str, most: int) -> None:
    found = sentences(text)
    chosen = summarise(text, max_tokens=most)
    assert all(s in found for s in chosen)
    assert [found.index(s) for s in chosen] == sorted(found.index(s) for s in chosen)


def test_questions_are_answered_from_the_text() -> None:
    found = best_answer("When was Ada Lovelace born?", TEXT)
    assert found.text.startswith("Dr. Ada Lovelace was born")
    assert found.span == "1815"
    assert best_answer("Who designed the engine?", TEXT).text == "Charles Babbage designed it."


def test_an_absent_answer_is_said_to_be_absent() -> None:
    answer = generate(GenerationRequest(prompt="What is the price of copper?", context=TEXT, task_type="answer"))
    assert answer.content == NO_ANSWER


def test_texts_are_classified_by_what_labels_say() -> None:
    assert (
        classify("I want my money back for this order", ["refund: money back", "shipping: delivery of an order late"])[
            0
        ]
        == "refund"
    )
    assert classify("This is great, I love it", ["positive", "negative", "neutral"])[0] == "positive"
    assert classify("It is not good at all", ["positive", "negative"])[0] == "negative"
    assert classify("qwerty", ["cats", "dogs", "other"]) == ("other", 0.0)


def test_values_are_extracted() -> None:
    text = (
        "Contact: ada@example.org, see https://example.org/a. Due 3 May 2024; total $1,200.50 or 15 %. "
        "Ada Lovelace agreed."
    )
    found = extract(text)
    assert found["emails"] == ["ada@example.org"]
    assert found["urls"] == ["https://example.org/a"]
    assert found["dates"] == ["3 May 2024"]
    assert found["amounts"] == ["$1,200.50"]
    assert "Ada Lovelace" in found["names"]
    schema = {"properties": {"total": {"type": "number"}, "email": {"type": "string"}, "colour": {"type": "string"}}}
    fields = extract_fields("Total: 1,200.50\nMail ada@example.org", schema)
    assert fields == {"total": 1200.5, "email": "ada@example.org", "colour": None}


@pytest.mark.parametrize(
    ("prompt", "task"),
    [
        ("Summarise this:", "summarise"),
        ("Classify the ticket", "classify"),
        ("Extract all dates", "extract"),
        ("Write a poem", "write"),
        ("Implement a function", "code"),
        ("Why is the sky blue?", "reason"),
        ("Hello there", "other"),
    ],
)
def test_the_kind_of_work_is_read_from_the_prompt(prompt: str, task: str) -> None:
    assert infer_task(prompt) == task


@pytest.mark.parametrize("prompt", ["Write a poem about the sea", "Implement quicksort in Python", "Hello"])
def test_free_generation_is_refused_with_the_remedy(prompt: str) -> None:
    with pytest.raises(RefusedError) as caught:
        generate(GenerationRequest(prompt=prompt))
    assert "OPENAI_API_KEY" in caught.value.remedy
    assert "Ollama" in caught.value.remedy


@pytest.mark.parametrize(
    "request_",
    [
        GenerationRequest(prompt="Summarise", task_type="summarise"),
        GenerationRequest(prompt="Classify this", task_type="classify", context="x"),
        GenerationRequest(prompt="What is it?", task_type="answer"),
    ],
)
def test_missing_material_is_asked_for(request_: GenerationRequest) -> None:
    with pytest.raises(RefusedError):
        generate(request_)


def test_labels_may_stand_in_the_prompt() -> None:
    request = GenerationRequest(prompt="Classify as one of: positive, negative\n\nI love this, it works great")
    assert generate(request).content == "positive"


def test_a_question_may_stand_behind_its_text() -> None:
    assert "1843" in generate(GenerationRequest(prompt=f"{TEXT}\n\nWhen were her notes published?")).content


def test_real_questions_find_their_sentence() -> None:
    """On XQuAD the chosen sentence holds the answer in about four of five questions."""
    raw = lzma.decompress((data_folder("qa-xquad-en") / "xquad.en.json.xz").read_bytes())
    hits = questions = 0
    for article in json.loads(raw)["data"][::4]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                found = best_answer(question["question"], paragraph["context"]).text
                hits += any(a["text"] in found for a in question["answers"])
                questions += 1
    assert hits / questions >= 0.75
