"""The analysers find what is in a text, with offsets that hold, the same on every run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.pipeline import steps
from fairlead.pipeline.analyse import analyse
from fairlead.pipeline.analysis.accord import find_pairs
from fairlead.pipeline.analysis.duplicates import group, resemblance
from fairlead.pipeline.analysis.licences import identify_licence
from fairlead.pipeline.analysis.summary import lexrank, mmr
from fairlead.pipeline.documents import Block, Document, place
from fairlead.pipeline.text.reading import judge
from fairlead.pipeline.text.words import words_of

TIDE = """Tidal energy is the power that a turbine takes from the tide. Tidal energy can be foretold for years ahead,
because the moon keeps its time. A tidal turbine stands on the sea floor where the current is strong. Engineers at the
University of Galway measured the current for Orkney Power in Scotland. According to Mary Sullivan, the turbine needs
no fuel and makes no noise. Salt water eats the steel of a tidal turbine within ten years. Divers change the blades of
a tidal turbine every second summer. The harbour of Kirkwall takes its electricity from tidal energy since 2019.
Wind energy costs less than tidal energy, but nobody can foretell the wind."""


def document_of(text: str, kind: str = "text", **fields: Any) -> Document:
    blocks = [Block(paragraph.replace("\n", " ")) for paragraph in text.split("\n\n")]
    values = {"id": "doc-1", "title": "Test", "kind": kind, "source": "test", "language": "en", "checksum": "0" * 64}
    return Document(segments=place(blocks), **{**values, **fields})


def turns(*rows: tuple[str, str]) -> Document:
    blocks = [
        Block(text, "turn", speaker=speaker, start_s=float(i), end_s=i + 1.0) for i, (speaker, text) in enumerate(rows)
    ]
    return Document("doc-1", "Talk", "transcript", "test", place(blocks), "0" * 64, "en")


def every_statement(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = [value] if "start_char" in value and "text" in value else []
        return own + [s for child in value.values() for s in every_statement(child)]
    return [s for child in value for s in every_statement(child)] if isinstance(value, list) else []


def test_phrases_entities_summary_and_reported_speech() -> None:
    found = analyse(document_of(TIDE))
    phrases = [p["phrase"] for p in found["key_phrases"]]
    assert phrases[:2] == ["tidal energy", "tidal turbine"] or phrases[:2] == ["tidal turbine", "tidal energy"]
    types = {entity["name"]: entity["type"] for entity in found["entities"]}
    assert types["University of Galway"] == "organisation"
    assert types["Scotland"] == "place"
    assert types["Mary Sullivan"] == "person"
    assert [s["name"] for s in found["reported"]] == ["Mary Sullivan"]
    assert 2 <= len(found["summary"]) <= 3
    assert any("Tidal energy" in s["text"] or "tidal turbine" in s["text"] for s in found["summary"])


def test_offsets_hold_for_every_statement_and_mention() -> None:
    document = document_of(TIDE)
    found = analyse(document)
    statements = every_statement(found)
    assert len(statements) > 8
    assert all(document.text[s["start_char"] : s["end_char"]] == s["text"] for s in statements)
    for entity in found["entities"]:
        for start, end in entity["mentions"]:
            assert entity["name"].split()[0] in document.text[start:end]


def test_analysis_is_json_and_the_same_each_time() -> None:
    document = document_of(TIDE).to_dict()
    one = json.dumps(steps.analyse_document(json.loads(json.dumps(document))))
    assert one == json.dumps(steps.analyse_document(document))


def test_speakers_have_their_shares_seconds_and_own_words() -> None:
    talk = turns(
        ("Anna", "The national minimum wage has to rise in every state of the country."),
        ("Ben", "Higher wages cost jobs in small business and in farming towns."),
        ("Anna", "A higher minimum wage brings money to every small business in town."),
        ("SMITH", "Thank you."),
    )
    voices = analyse(talk)["voices"]
    assert [voice["name"] for voice in voices] == ["Anna", "Ben", "SMITH"]
    assert voices[0]["turns"] == 2
    assert sum(voice["share"] for voice in voices) == pytest.approx(1, abs=0.01)
    assert all(s["speaker"] == "Anna" and s["end_s"] == s["start_s"] + 1 for s in voices[0]["statements"])


@pytest.mark.parametrize(
    "text",
    [
        "pip install tidewater",
        "See the documentation for more information on this.",
        "Click here to read about our sponsors.",
        "def compute(x): return [y for y in x]",
        "Fix the parser by @somebody in #1234.",
        "and then it is used as follows:",
        "Thank you all for coming to this talk.",
    ],
)
def test_pointers_commands_and_fragments_are_not_shown(text: str) -> None:
    assert judge(text, text.split(), spoken=False) < 0.3


def test_a_plain_sentence_is_shown() -> None:
    text = "Tidal energy is the power that a turbine takes from the tide."
    assert judge(text, words_of(text), spoken=False) == 1.0


def test_upkeep_sections_do_not_reach_phrases_or_summary() -> None:
    upkeep = Block(
        "The release pipeline was repaired and the release pipeline runs on every release now.",
        heading="Changelog › 2.0",
    )
    document = Document("d", "T", "readme", "s", place([Block(TIDE.replace("\n", " ")), *[upkeep] * 6]), "0" * 64, "en")
    found = analyse(document)
    assert not any("release" in p["phrase"] for p in found["key_phrases"])
    assert not any("release" in s["text"] for s in found["summary"])


def test_lexrank_prefers_what_is_connected_and_mmr_does_not_repeat() -> None:
    close = np.array([[1, 0.8, 0.8, 0], [0.8, 1, 0.95, 0], [0.8, 0.95, 1, 0], [0, 0, 0, 1]], dtype=np.float32)
    rank = lexrank(close)
    assert rank.argmin() == 3
    chosen = mmr(np.array([0.9, 1.0, 0.99, 0.5]), close, 3)
    assert chosen[0] == 1
    assert 2 not in chosen


def test_near_duplicates_are_grouped_and_others_not() -> None:
    one = analyse(document_of(TIDE))["sketch"]
    near = analyse(document_of(TIDE.replace("2019", "2020")))["sketch"]
    other = analyse(document_of("The pier of the old town is closed to cars, and people walk on it in the evening."))[
        "sketch"
    ]
    assert resemblance(one, one) == 1.0
    assert resemblance(one, near) > 0.8
    assert resemblance(one, other) == 0.0
    assert group([one, other, near, []]) == [[0, 2], [1], [3]]


def test_accord_needs_two_voices_and_the_same_matter() -> None:
    def said(speaker: str, text: str) -> dict[str, Any]:
        found = analyse(turns((speaker, text)))["statements"]
        return {**found[0], "quality": 1.0}

    raise_tax = said("Anna", "The carbon tax on coal power plants must rise next winter.")
    not_raise = said("Ben", "The carbon tax on coal power plants must not rise next winter.")
    also = said("Cora", "The carbon tax on coal power plants must rise next summer.")
    fish = said("Dora", "The herring fishery of the northern coast feeds twenty villages.")
    agreements, differences = find_pairs([raise_tax, not_raise, fish])
    assert agreements == []
    assert [s["speaker"] for s in differences[0]["statements"]] == ["Anna", "Ben"]
    agreements, differences = find_pairs([raise_tax, also, fish])
    assert differences == []
    assert {s["speaker"] for s in agreements[0]["statements"]} == {"Anna", "Cora"}
    dear = said("Anna", "The new carbon tax on coal power plants costs every family $300 a year.")
    cheap = said("Ben", "The new carbon tax on coal power plants costs every family $40 a year.")
    agreements, differences = find_pairs([dear, cheap, fish])
    assert (agreements, differences[0]["figures"]) == ([], "money")
    assert find_pairs([raise_tax, {**not_raise, "speaker": "Anna"}]) == ([], [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MIT", "MIT License Copyright (c) 2020 Jane Roe Permission is hereby granted, free of charge, to any person. "
                "The above notice shall be included in all copies or substantial portions of the Software."),
        ("Apache-2.0", "Apache License Version 2.0, January 2004 http://www.apache.org/licenses/"),
        ("Apache-2.0", "TERMS. License shall mean the terms as defined by Sections 1 through 9 of this document."),
        ("MPL-2.0", "Contributor Version means Covered Software. Or the GNU General Public License, Version 3.0."),
        ("LGPL-2.1", "By contrast, the GNU General Public License, version 2, is free. This license, the "
                     "Lesser General Public License, applies here. Either version 2.1 of it."),
        ("BSD-3-Clause", "Redistributions of source code must retain it. Neither the name of the holder may be used."),
        ("", "You may use this if you send a postcard to the harbour master."),
    ],
)  # fmt: skip
def test_licences_are_known_by_their_own_words(name: str, text: str) -> None:
    assert identify_licence(document_of(text, "licence"))[0] == name


def test_licence_holder() -> None:
    text = (
        "Copyright (c) 2019-2024 Jane Roe\n\nPermission is hereby granted, free of charge, to "
        "substantial portions of the Software"
    )
    assert identify_licence(document_of(text, "licence")) == ("MIT", ["Jane Roe"])


def test_passages_cover_the_text_within_speaker_and_heading(shared_data: Path) -> None:
    refs = steps.discover_documents([str(shared_data / "cap-w3c-ml-vtt" / "ls_joc_cognitive.vtt")])
    document = steps.parse_document(refs[0])
    passages = steps.passages_of(document)
    text = Document.from_dict(document).text
    covered = 0
    for passage in passages:
        assert text[passage["start_char"] : passage["end_char"]] == passage["text"]
        assert passage["start_char"] >= covered
        assert passage["end_s"] >= passage["start_s"]
        assert len(passage["text"]) < 2000
        covered = passage["end_char"]
    assert covered == len(text)
    assert {passage["speaker"] for passage in passages} == {"Josh", "Lisa"}


def test_chapters_part_a_talk_where_its_words_change() -> None:
    matters = ("tidal turbine", "sourdough bread", "carbon tax")
    rows = [
        ("Anna", f"The {matter} of number {word} was seen by the people of the {matter} committee.")
        for matter in matters
        for word in (
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "more",
            "most",
            "last",
        )
    ]
    talk = turns(*rows)
    chapters = analyse(talk)["chapters"]
    assert [chapter["sentences"] for chapter in chapters] == [15, 15, 15]
    assert [(c["start_s"], c["end_s"]) for c in chapters] == [(0.0, 15.0), (15.0, 30.0), (30.0, 45.0)]
    assert all(
        matter.split()[0] in " ".join(chapter["phrases"]) for matter, chapter in zip(matters, chapters, strict=True)
    )
    assert analyse(document_of(TIDE))["chapters"] == []
