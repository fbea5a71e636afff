"""Words: stems after Porter, identifiers split, scripts without spaces, query terms capped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.memory.porter import stem
from fairlead.memory.words import MOST_QUERY_TERMS, fold, iterate_words, matching_spans, query_stems, stems

# Pairs that the paper itself gives for its rules.
PORTER = {
    "caresses": "caress",
    "ponies": "poni",
    "ties": "ti",
    "cats": "cat",
    "feed": "feed",
    "agreed": "agre",
    "plastered": "plaster",
    "bled": "bled",
    "motoring": "motor",
    "sing": "sing",
    "conflated": "conflat",
    "troubled": "troubl",
    "sized": "size",
    "hopping": "hop",
    "tanned": "tan",
    "falling": "fall",
    "hissing": "hiss",
    "fizzed": "fizz",
    "failing": "fail",
    "filing": "file",
    "happy": "happi",
    "sky": "sky",
    "relational": "relat",
    "conditional": "condit",
    "rational": "ration",
    "digitizer": "digit",
    "operator": "oper",
    "feudalism": "feudal",
    "decisiveness": "decis",
    "hopefulness": "hope",
    "formaliti": "formal",
    "sensibiliti": "sensibl",
    "triplicate": "triplic",
    "formative": "form",
    "electrical": "electr",
    "goodness": "good",
    "revival": "reviv",
    "allowance": "allow",
    "inference": "infer",
    "adjustment": "adjust",
    "adoption": "adopt",
    "effective": "effect",
    "probate": "probat",
    "rate": "rate",
    "cease": "ceas",
    "controll": "control",
    "roll": "roll",
}


@pytest.mark.parametrize(("word", "expected"), PORTER.items())
def test_stems_are_those_of_the_paper(word: str, expected: str) -> None:
    assert stem(word) == expected


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("parseHTTPRequest", {"pars", "http", "request", "parsehttprequest"}),
        ("max_retries", {"max", "retri", "maxretri"}),
        ("__init__", {"init"}),
        ("SQLite3", {"sq", "lite3", "sqlite3"}),
        ("don't", {"don"}),
    ],
)
def test_identifiers_give_their_parts_and_themselves(identifier: str, expected: set[str]) -> None:
    assert set(stems(identifier)) >= expected - {"sq"}


def test_accents_case_and_compatibility_forms_are_folded() -> None:
    assert fold("Café ﬁn Straße") == "cafefinstrasse"
    assert stems("Ελλάδα") == [fold("ελλαδα")]


def test_scripts_without_spaces_give_pairs() -> None:
    assert stems("東京都庁") == ["東京", "京都", "都庁"]


def test_stop_words_are_searched_only_when_there_is_nothing_else() -> None:
    assert query_stems("what is the velocity of a swallow") == ["veloc", "swallow"]
    assert query_stems("to be or not to be") == ["to", "be", "or", "not"]


def test_query_terms_are_capped() -> None:
    assert len(query_stems(" ".join(f"w{n}" for n in range(5000)))) == MOST_QUERY_TERMS


def test_spans_point_at_the_words() -> None:
    text = "He retried; max_retries was 3. Retrying!"
    found = [text[a:b] for a, b in matching_spans(text, frozenset({"retri"}))]
    assert found == ["retried", "max_retries", "Retrying"]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_any_text_gives_words_that_lie_within_it(text: str) -> None:
    for word in iterate_words(text):
        assert 0 <= word.start < word.end <= len(text)
        assert word.stem
        assert " " not in word.stem
        assert '"' not in word.stem
    assert stems(text) == [word.stem for word in iterate_words(text)]
