"""The brief over many documents, and its three renderings."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fairlead.pipeline import steps
from fairlead.pipeline.analyse import analyse
from fairlead.pipeline.brief import compose
from fairlead.pipeline.render import to_html, to_markdown
from tests.pipeline.test_analysis import turns

TIDES = (
    "Tidal energy is the power that a turbine takes from the tide. {0} builds a tidal turbine in "
    "the strait of Messina. Tidal energy can be foretold for years ahead by {0}. The tidal turbine "
    "of {0} makes no noise under water."
)
BREAD = (
    "Sourdough bread rises slowly in a cold kitchen. {0} bakes sourdough bread with rye flour from "
    "the mill. The rye flour gives the sourdough bread its colour. A baker at {0} feeds the "
    "sourdough starter every morning."
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(["Orkney Power", "Messina Energy", "Galway Labs"]):
        (tmp_path / f"tide-{i}.txt").write_text(TIDES.format(name))
    for i, name in enumerate(["Anna Miller", "Ben Baker", "Clara Stone"]):
        (tmp_path / f"bread-{i}.txt").write_text(BREAD.format(name))
    (tmp_path / "tide-9-copy.txt").write_text(TIDES.format("Orkney Power"))
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


def analyses_of(folder: Path) -> list[dict[str, Any]]:
    refs = steps.discover_documents([str(folder)])
    return [steps.analyse_document(steps.parse_document(ref)) for ref in refs]


def test_themes_part_the_documents_and_every_statement_has_a_source(folder: Path) -> None:
    analyses = analyses_of(folder)
    brief = steps.compose_brief(analyses)
    labels = " / ".join(theme["label"].lower() for theme in brief["themes"])
    assert "tidal" in labels
    assert "sourdough" in labels or "rye" in labels
    ids = {document["id"] for document in brief["documents"]}
    statements = [s for theme in brief["themes"] for s in theme["statements"]] + brief["lead"]
    assert statements
    assert all(s["document"] in ids and s["end_char"] > s["start_char"] for s in statements)
    assert len({(s["document"], s["start_char"]) for s in statements}) == len(statements)


def test_copies_are_said_once_and_broken_files_are_named(folder: Path) -> None:
    brief = steps.compose_brief(analyses_of(folder))
    assert brief["numbers"]["near_duplicates"] == 1
    assert [d["copies"] for d in brief["documents"] if d["copies"]] == [["Tide 9 copy"]]
    assert len(brief["documents"]) == 6
    assert [one["title"] for one in brief["not_read"]] == ["Broken"]


def test_focus_brings_a_theme_to_the_front(folder: Path) -> None:
    analyses = analyses_of(folder)
    for focus in ("sourdough bread", "tidal turbine"):
        brief = steps.compose_brief(analyses, focus=[focus])
        word = focus.split()[0]
        assert word in json.dumps(brief["themes"][0]).lower()
        assert word in brief["themes"][0]["statements"][0]["text"].lower()


def test_same_input_same_bytes(folder: Path, tmp_path: Path) -> None:
    analyses = analyses_of(folder)
    texts = []
    for name in ("one", "two"):
        paths = steps.write_outputs(steps.compose_brief(json.loads(json.dumps(analyses))), tmp_path / "out" / name)
        assert set(paths) == {"markdown", "json", "html"}
        texts.append([Path(path).read_bytes() for path in paths.values()])
    assert texts[0] == texts[1]
    assert sorted(p.name for p in (tmp_path / "out" / "one").iterdir()) == ["brief.html", "brief.json", "brief.md"]


def test_nothing_readable_is_still_a_brief(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    brief = steps.compose_brief(analyses_of(tmp_path))
    assert brief["title"] == "Nothing could be read"
    assert "Broken" not in to_markdown(brief)
    assert "JSON cannot be read" in to_html(brief)
    assert steps.compose_brief([])["documents"] == []


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.handlers: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "xlink:href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.add(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_asks_for_nothing_and_every_citation_leads_to_a_card(folder: Path) -> None:
    html = to_html(steps.compose_brief(analyses_of(folder)))
    page = Page()
    page.feed(html)
    assert not page.tags & {"script", "img", "iframe", "link", "object", "embed", "form", "base"}
    assert page.links
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "url(" not in html
    assert "@import" not in html


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> [x](javascript:alert(3)) `</style>`'


def test_hostile_titles_names_and_sources_stay_text(folder: Path) -> None:
    brief = steps.compose_brief(analyses_of(folder))
    brief["title"] = HOSTILE
    for document in brief["documents"]:
        document.update(
            title=HOSTILE, source="javascript:alert(4)", warnings=[HOSTILE], copies=[HOSTILE], speakers=[HOSTILE]
        )
        document["key_phrases"] = [HOSTILE]
        for statement in document["summary"]:
            statement.update(text=HOSTILE, speaker=HOSTILE, heading=HOSTILE)
    for theme in brief["themes"]:
        theme.update(label=HOSTILE, phrases=[HOSTILE])
        for statement in theme["statements"]:
            statement.update(text=HOSTILE, speaker=HOSTILE, heading=HOSTILE)
    for entity in brief["entities"]:
        entity["name"] = HOSTILE
    for node in brief["links"]["nodes"]:
        node["name"] = HOSTILE
    brief["voices"] = [{"name": HOSTILE, "words": 1, "share": 1.0, "documents": [], "statements": []}]
    brief["focus"] = [HOSTILE]
    brief["licences"] = [{"name": HOSTILE, "count": 1, "documents": [HOSTILE], "holders": []}]
    brief["not_read"] = [{"title": HOSTILE, "reason": HOSTILE}]
    page = Page()
    page.feed(to_html(brief))
    assert not page.tags & {"script", "img"}
    assert page.handlers == []
    assert all(link.startswith("#") for link in page.links)
    assert "alert(1)" in page.text
    markdown = to_markdown(brief)
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert not re.search(r"(?<!\\)\]\(javascript:", markdown)


def test_web_sources_become_links(folder: Path) -> None:
    brief = steps.compose_brief(analyses_of(folder))
    brief["documents"][0]["source"] = 'https://example.org/a?b=1&c="2"'
    page = Page()
    page.feed(to_html(brief))
    assert 'https://example.org/a?b=1&c="2"' in page.links


def test_talks_cite_seconds(shared_data: Path) -> None:
    talks = shared_data / "cap-w3c-ml-vtt"
    refs = steps.discover_documents(
        [str(talks / name) for name in ("jb_model.vtt", "en_onnxjs.vtt", "jm_tensorflowjs.vtt")]
    )
    brief = steps.compose_brief([steps.analyse_document(steps.parse_document(ref)) for ref in refs])
    assert [voice["name"] for voice in brief["voices"]] == ["Jonathan Bingham", "Jason Mayes", "Emma"]
    assert all("start_s" in s for theme in brief["themes"] for s in theme["statements"])
    assert brief["numbers"]["seconds"] > 1500
    assert re.search(r"\\\[\d, \d+:\d\d\\\]", to_markdown(brief))


def test_what_every_installation_carries() -> None:
    refs = steps.discover_documents()
    kinds = {ref["kind"] for ref in refs}
    assert {"readme", "licence", "topic"} <= kinds <= {"readme", "licence", "topic", "left-out"}
    assert 30 <= len(refs) <= 125
    assert refs == steps.discover_documents(None)
    chosen = [ref for ref in refs if ref["kind"] in ("readme", "licence")][::7] + [
        ref for ref in refs if ref["kind"] == "topic"
    ][:5]
    analyses = [steps.analyse_document(steps.parse_document(ref)) for ref in chosen]
    brief = steps.compose_brief(analyses)
    said = " ".join(s["text"] for theme in brief["themes"] for s in theme["statements"])
    assert "WARRANTY" not in said
    assert "pip install" not in said
    assert {one["name"] for one in brief["licences"]} & {"MIT", "BSD-3-Clause", "Apache-2.0"}


def test_the_brief_shows_questions_dates_arguments_and_tone_of_talks_but_not_of_readmes() -> None:
    rows = (
        ("Anna", "When will the north quay of the harbour be closed for the repair?"),
        ("Ben", "The north quay of the harbour will be closed for repair from March 2027."),
        ("Anna", "Everybody knows that the old crane of the north quay was built in 1858."),
        ("Ben", "The crane of the south quay was built in 1931 by the town of Kirkwall."),
        ("Anna", "You are just a liar and never trust anything they say about the quay."),
        ("Ben", "I love the wonderful harbour and its happy, friendly people so very much!"),
    )
    found = compose([analyse(turns(*rows))])
    assert found["questions"][0]["answer"]["speaker"] == "Ben"
    assert [dated["when"] for dated in found["timeline"]] == ["1858", "1931", "2027-03"]
    assert "ad hominem" in {argument["label"] for argument in found["fallacies"]}
    assert found["tone"]["positive"][0]["speaker"] == "Ben"
    page, text = to_html(found), to_markdown(found)
    for title in ("Questions", "In the order of dates", "Arguments to look at twice", "Tone"):
        assert f"<h2>{title}</h2>" in page
        assert f"## {title}" in text
    readme = compose([analyse(turns(*rows)._replace(kind="readme"))])
    assert [readme[name] for name in ("questions", "timeline", "fallacies")] == [[], [], []]
    assert "<h2>Tone</h2>" not in to_html(readme)
