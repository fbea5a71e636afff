"""Findings of the newer analysers: sentiment, fallacies, questions, dates and quantities, each with exact offsets."""

from __future__ import annotations

import datetime as dt
import json
import lzma
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.pipeline.analyse import analyse
from fairlead.pipeline.analysis.claims import BIAS, WEIGHTS, check_worthiness
from fairlead.pipeline.analysis.dates import dates_in
from fairlead.pipeline.analysis.fallacies import fallacies_in, fallacies_of, patterns
from fairlead.pipeline.analysis.numerals import ONES, SCALES, TENS, read_words
from fairlead.pipeline.analysis.quantities import UNITS, quantities_in
from fairlead.pipeline.analysis.questions import questions_of
from fairlead.pipeline.analysis.sentiment import MODEL_FILE, classify, load_model
from fairlead.pipeline.documents import Block, Document, place
from fairlead.pipeline.text.reading import TOKEN, read
from fairlead.pipeline.training.claims import train
from tests.pipeline.test_analysis import document_of, turns

FALLACIES = {
    "ad hominem": [
        "You are just a liar.",
        "Of course he would say that, he sells them.",
        "Never trust anything they say.",
    ],
    "whataboutism": ["But what about when your party did it?", "You did the same thing yourself."],
    "false dilemma": ["Either we close the harbour or we lose the town.", "You are either with us or against us."],
    "slippery slope": [
        "If we allow one café on the beach, soon the whole coast will be concrete.",
        "Where does it end?",
        "That opens the door to anything.",
    ],
    "appeal to authority": ["Trust me, I'm a doctor.", "It is true because he is an expert."],
    "appeal to popularity": ["Everybody knows that coffee is bad for you.", "Millions of users can't be wrong."],
    "appeal to fear": ["If we do not act now we are doomed."],
    "appeal to tradition": ["We have always done it this way."],
    "appeal to nature": ["It is safe because it's natural."],
    "straw man": ["So you're saying that we should let everybody drown?"],
    "hasty generalisation": ["Politicians are all the same.", "Which just proves all of them lie."],
    "circular reasoning": ["It's right because it's right.", "Because I said so."],
    "appeal to ignorance": ["Nobody has ever proved it wrong.", "You can't prove it doesn't work."],
    "no true Scotsman": ["No true sailor would fear the rain."],
    "loaded question": ["When did you stop lying to the voters?", "Why do they always hate the town?"],
    "false cause": ["It is no use: I don't believe that's a coincidence."],
}
SOUND = [
    "The pier was built in 1858 and is 46 metres long.",
    "Experts from six countries measured the current.",
    "What about the ferry timetable for Sunday?",
    "The tide turns either at six or at seven.",
    "He said that the turbine needs no fuel.",
    "Nobody was on the pier when the storm came.",
    "Most people take the early ferry, because the late one is full.",
    "The only way to the island is the ferry.",
    "Natural gas is cheaper here because it comes from the same field.",
    "If we start at nine, we will be back before dark.",
    "Everyone in the crew has a life jacket.",
    "All of them are done with the same tool.",
    "I trust the measurements, because they were repeated.",
    "Is this the ferry to Kirkwall?",
    "The real time of arrival is shown on the board.",
    "She has lived there since 1999.",
]


@pytest.mark.parametrize("label", sorted(FALLACIES))
def test_fallacies_are_found_by_their_wording(label: str) -> None:
    for text in FALLACIES[label]:
        found = {finding.label: finding for finding in fallacies_in(text, TOKEN.findall(text))}
        assert label in found, text
        assert found[label].value["why"]
        assert 0 < found[label].confidence < 1


@pytest.mark.parametrize("text", SOUND)
def test_plain_sentences_are_no_fallacies(text: str) -> None:
    assert [finding.label for finding in fallacies_in(text, TOKEN.findall(text))] == []


def test_every_kind_of_fallacy_has_examples_and_each_confidence_comes_from_counts() -> None:
    assert {pattern.label for pattern in patterns()} == set(FALLACIES)
    for pattern in patterns():
        assert 0 <= pattern.right <= pattern.read
        assert pattern.confidence == pytest.approx((pattern.right + 1) / (pattern.read + 2))


def test_a_classifier_of_ones_own_adds_its_findings() -> None:
    reading = read(document_of("The harbour is a harbour of the town. The pier is as long as it is."))
    found = fallacies_of(reading, lambda text: ("circular reasoning", 0.8) if "pier" in text else None)
    assert [(f.label, f.model, f.text) for f in found] == [
        ("circular reasoning", "fallacies/trained", "The pier is as long as it is.")
    ]


def test_fallacies_are_rare_in_text_that_does_not_argue(shared_data: Path) -> None:
    articles = json.loads(lzma.decompress((shared_data / "qa-xquad-en" / "xquad.en.json.xz").read_bytes()))["data"]
    paragraphs = [p["context"] for article in articles for p in article["paragraphs"]][:120]
    reading = read(Document("d", "t", "text", "s", place([Block(p) for p in paragraphs]), "0" * 64, "en"))
    assert len(reading.sentences) > 400
    assert len(fallacies_of(reading)) * 200 <= len(reading.sentences)


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────


def test_questions_open_answered_rhetorical_and_indirect() -> None:
    talk = turns(
        ("Anna", "When will the north quay be closed for repair?"),
        ("Ben", "The north quay will be closed from March until June."),
        ("Anna", "Who cares about the ferry?"),
        ("Ben", "I wonder whether the ferry can use the south quay."),
        ("Anna", "And what does the harbour master think of it?"),
    )
    found = questions_of(read(talk))
    assert [(f.label, f.value["asks"]) for f in found] == [
        ("answered", "when"),
        ("rhetorical", "who"),
        ("indirect", "whether"),
        ("open", "what"),
    ]
    answer = talk.text[found[0].value["answer_start_char"] : found[0].value["answer_end_char"]]
    assert answer == "The north quay will be closed from March until June."


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "written", "value"),
    [
        ("It opened on 12 March 2019.", "12 March 2019", "2019-03-12"),
        ("It opened on March 12th, 2019, at noon.", "March 12th, 2019", "2019-03-12"),
        ("Logged 2019-03-12T10:00:05Z here.", "2019-03-12T10:00:05Z", "2019-03-12T10:00:05Z"),
        ("In Sept. 2008 it fell.", "Sept. 2008", "2008-09"),
        ("Since 1858 it stands.", "1858", "1858"),
        ("In the 1990s.", "the 1990s", "199X"),
        ("A 19th-century pier.", "19th-century", "18XX"),
        ("Sales of Q3 2020 rose.", "Q3 2020", "2020-Q3"),
        ("Due on 25/12/2020.", "25/12/2020", "2020-12-25"),
        ("It was two weeks ago.", "two weeks ago", "-P2W"),
        ("At 5:30 p.m. we left.", "5:30 p.m.", "17:30"),
        ("Every May 5 they meet.", "May 5", "--05-05"),
    ],
)
def test_dates_are_normalised(text: str, written: str, value: str) -> None:
    (found,) = dates_in(text, 7)
    assert (found.text, found.value["value"]) == (written, value)
    assert text[found.start_char - 7 : found.end_char - 7] == written


def test_a_date_that_two_countries_read_differently_has_both_readings() -> None:
    (found,) = dates_in("Due on 03/04/2019.")
    assert {found.value["value"], found.value["or"]} == {"2019-04-03", "2019-03-04"}
    assert found.confidence <= 0.5


def test_what_is_no_date_is_left_alone() -> None:
    for text in ("Feb 30, 2020x", "You may 5 times.", "Version 1.2.3 of 17 files", "Room 2019b", "5000-12-44"):
        assert [f.text for f in dates_in(text)] == [], text


def test_relative_dates_need_the_day_on_which_they_were_said() -> None:
    said = dt.date(2026, 11, 20)
    values = {f.text: f.value["value"] for f in dates_in("Yesterday, last year, two weeks ago, next Monday.", 0, said)}
    assert values == {
        "Yesterday": "2026-11-19",
        "last year": "2025",
        "two weeks ago": "2026-W45",
        "next Monday": "2026-11-23",
    }


@settings(deadline=None, max_examples=60)
@given(st.dates(dt.date(1000, 1, 1), dt.date(2099, 12, 31)), st.sampled_from(["%d %B %Y", "%B %d, %Y", "%Y-%m-%d"]))
def test_any_day_is_read_back(day: dt.date, form: str) -> None:
    text = f"On {day.strftime(form)} it rained."
    (found,) = dates_in(text)
    assert found.value["value"] == day.isoformat()
    assert text[found.start_char : found.end_char] == found.text


# ── quantities ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "label", "written", "amount", "base"),
    [
        ("It cost $1.5 million.", "money", "$1.5 million", "1500000", "USD"),
        ("It cost €20bn.", "money", "€20bn", "20000000000", "EUR"),
        ("fifty dollars each", "money", "fifty dollars", "50", "USD"),
        ("It rose 12.5 percent.", "share", "12.5 percent", "0.125", "1"),
        ("The wall is 5-foot high.", "length", "5-foot", "1.524", "m"),
        ("after two hundred and five seconds", "time", "two hundred and five seconds", "205", "s"),
        ("1.2 GB of data", "data", "1.2 GB", "1200000000", "byte"),
        ("2,500 people came", "count", "2,500 people", "2500", "person"),
        ("at -4 °C", "temperature", "-4 °C", "-4", "°C"),
    ],
)
def test_quantities_are_brought_to_one_unit(text: str, label: str, written: str, amount: str, base: str) -> None:
    (found,) = quantities_in(text, 3)
    assert (found.label, found.text, found.value["amount"], found.value["base"]) == (label, written, amount, base)
    assert text[found.start_char - 3 : found.end_char - 3] == written


def test_numbers_without_a_unit_are_no_quantities() -> None:
    for text in ("There are 12 of them.", "version 2.5", "1,5 m", "a 5 M deal", "one two three"):
        assert [f.text for f in quantities_in(text)] == [], text


def in_words(number: int) -> str:
    """English words of a number below a trillion; the test's own, so that reading is checked against writing."""
    for name, scale in sorted(SCALES.items(), key=lambda pair: -pair[1]):
        if number >= scale:
            rest = number % scale
            return f"{in_words(number // scale)} {name}" + (f" {in_words(rest)}" if rest else "")
    if number >= 100:
        rest = number % 100
        return f"{in_words(number // 100)} hundred" + (f" and {in_words(rest)}" if rest else "")
    for name, tens in TENS.items():
        if tens <= number < tens + 10:
            return name + (f"-{in_words(number - tens)}" if number > tens else "")
    return next(name for name, one in ONES.items() if one == number)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 10**12 - 1))
def test_numbers_in_words_are_read_back(number: int) -> None:
    assert read_words(in_words(number)) == number
    (found,) = quantities_in(f"It weighs {in_words(number)} grams today.")
    assert Decimal(found.value["value"]) == number


@settings(deadline=None, max_examples=80)
@given(
    st.decimals(0, 10**9, places=3, allow_nan=False, allow_infinity=False),
    st.sampled_from(sorted(name for name in UNITS if len(name) > 3 and name.isalpha())),
)
def test_amounts_are_exact_whatever_the_number(number: Decimal, unit: str) -> None:
    (found,) = quantities_in(f"about {number:,f} {unit}.")
    assert Decimal(found.value["amount"]) == number * UNITS[unit].factor


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=80))
def test_no_text_upsets_the_readers_and_offsets_hold(text: str) -> None:
    for found in (*quantities_in(text), *dates_in(text)):
        assert text[found.start_char : found.end_char] == found.text
    assert read_words("one two") is None


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_weights_of_claims_are_those_that_training_gives() -> None:
    weights, bias = train()
    assert weights == pytest.approx(WEIGHTS, abs=0.02)
    assert bias == pytest.approx(BIAS, abs=0.05)


def test_claims_rank_above_wishes_questions_and_courtesies() -> None:
    claim, reasons = check_worthiness("The city said that crime rose by 30 percent in its poorest districts last year.")
    assert claim > 0.7
    assert {"quantity", "reported words"} <= set(reasons)
    for other in ("Thank you all for being here with us.", "What would you do about it?", "We will build ten bridges."):
        assert check_worthiness(other)[0] < 0.5, other
    assert check_worthiness("Yes.") == (0.0, [])


# ── sentiment ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("What a wonderful day, I love this town!", 2),
        ("The service was terrible and the staff were rude.", 0),
        ("The ferry leaves at nine from the south quay.", 1),
        ("This is not good at all, I hate waiting.", 0),
    ],
)
def test_sentiment_of_plain_cases(text: str, best: int) -> None:
    shares = classify(text)
    assert sum(shares) == pytest.approx(1)
    assert int(np.argmax(shares)) == best


def test_denial_turns_a_valence_round() -> None:
    assert classify("The food was good.")[2] > classify("The food was not good.")[2] + 0.2


def test_sentiment_of_segments_and_speakers() -> None:
    talk = turns(
        ("Anna", "I love this wonderful harbour and its happy people, thank you all so much!"),
        ("Ben", "It was a terrible, disgusting and stupid disaster that ruined the whole summer for us."),
    )
    found = analyse(talk)["sentiment"]
    assert [s["label"] for s in found["segments"]] == ["positive", "negative"]
    assert [talk.text[s["start_char"] : s["end_char"]] for s in found["segments"]] == [s.text for s in talk.segments]
    assert {s["name"]: s["label"] for s in found["speakers"]} == {"Anna": "positive", "Ben": "negative"}
    assert found["strongest"]["negative"][0]["speaker"] == "Ben"
    assert found["model"] == load_model().version


def test_the_model_file_is_small_and_holds_no_objects() -> None:
    assert MODEL_FILE.stat().st_size < 1_000_000
    with np.load(MODEL_FILE, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


def test_every_finding_of_a_document_has_offsets_confidence_and_model() -> None:
    text = "Who built the pier? On 12 March 2019 everybody knows that it cost $20 million. I love it."
    document = document_of(text)
    found: dict[str, Any] = analyse(document)
    for kind in ("questions", "fallacies", "dates", "quantities"):
        assert found[kind], kind
        for finding in found[kind]:
            assert document.text[finding["start_char"] : finding["end_char"]] == finding["text"]
            assert 0 < finding["confidence"] <= 1
            assert finding["model"].startswith(f"{kind}/")
    assert json.loads(json.dumps(found)) == found
