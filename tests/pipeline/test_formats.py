"""Each format gives its prose and nothing else, with offsets that hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Read = Callable[..., dict[str, Any]]
Build = Callable[..., bytes]


def texts(document: dict[str, Any]) -> list[str]:
    assert "error" not in document, document
    return [segment["text"] for segment in document["segments"]]


def joined(document: dict[str, Any]) -> str:
    return "\n\n".join(texts(document))


MARKDOWN = """---
title: front matter
---
# Tidewater

[![Build](https://ci.example/badge.svg)](https://ci.example) ![logo](logo.png)

Tidewater predicts the height of the tide at [two hundred ports](https://ports.example/list). It needs `numpy`
and nothing else :tada: to run.

```python
raise SystemExit("this is code and must not be read as prose")
```

| option | what it does for the people who use it |
|---|---|
| --fast | it is faster than it would be without the option |

- The first item is a full sentence about harbours.
- Second

<p align="center">A paragraph in HTML that is part of the text.</p>
<!-- a comment that nobody is meant to see in the text -->

## Changelog

### Fixes

Everything that was broken in the last release has been repaired.
"""


def test_markdown_keeps_prose_and_drops_code_tables_badges_and_targets(read_file: Read) -> None:
    document = read_file("tide.md", MARKDOWN)
    text = joined(document)
    assert document["title"] == "Tidewater"
    assert "height of the tide at two hundred ports. It needs numpy and nothing else to run." in text
    assert "The first item is a full sentence about harbours." in text
    assert "A paragraph in HTML that is part of the text." in text
    for absent in (
        "SystemExit",
        "--fast",
        "faster than",
        "https://",
        "badge",
        "logo",
        "comment",
        "front matter",
        "tada",
    ):
        assert absent not in text


def test_headings_are_carried_as_a_trail_without_the_title(read_file: Read) -> None:
    document = read_file("tide.md", MARKDOWN)
    last = document["segments"][-1]
    assert last["heading"] == "Changelog › Fixes"
    assert "heading" not in document["segments"][0]


def test_rst_reads_roles_and_skips_directives(read_file: Read) -> None:
    source = """
Anchorage
=========

.. image:: https://badge.example/x.svg
.. include:: /etc/passwd
.. raw:: html

   <script>alert("raw")</script>

The :class:`~anchor.Chain` holds the ship where the wind would take it, see `the manual <https://m.example>`_.

.. code-block:: python

   print("code is no prose at all, however long it is")

========  =======================
 name      what is said in a table
========  =======================
 a         it is only for looking up
========  =======================

Usage
-----

* An item that says what a person has to do first.
"""
    document = read_file("anchor.rst", source)
    text = joined(document)
    assert text.startswith("The anchor.Chain holds the ship where the wind would take it, see the manual.")
    assert document["segments"][-1] == {
        **document["segments"][-1],
        "kind": "item",
        "text": "An item that says what a person has to do first.",
    }
    for absent in ("root:", "alert", "print(", "looking up", "https"):
        assert absent not in text


def test_html_reads_the_article_only(read_file: Read) -> None:
    page = """<html><head><title>Harbour &amp; sea</title><style>p{color:red}</style></head><body>
    <nav><ul><li>This is the navigation of the site and not its text.</li></ul></nav>
    <main><h1>Harbour</h1><h2>Depth</h2><p>The harbour is <b>eleven</b> metres deep at
    the pier.</p><pre>this is code for the people who read it</pre><script>var a = "a script is not the text";</script>
    <p hidden>This paragraph is hidden from those who read the page.</p>
    <div>Loose text in a division is read as well as it is.<br>It goes on here.</div></main>
    <footer><p>This is the footer of the page and it is not read.</p></footer></body></html>"""
    document = read_file("harbour.html", page)
    assert document["title"] == "Harbour & sea"
    assert texts(document) == [
        "The harbour is eleven metres deep at the pier.",
        "Loose text in a division is read as well as it is. It goes on here.",
    ]
    assert document["segments"][0]["heading"] == "Depth"


def test_plain_text_finds_headings_items_and_turns(read_file: Read) -> None:
    document = read_file(
        "a.txt",
        "REPORT\n\nThe tide was high when we\ncame to the harbour.\n\n- The pier is old and it is wet.\n"
        "\n    x = compute(y)\n",
    )
    assert texts(document) == ["The tide was high when we came to the harbour.", "The pier is old and it is wet."]
    talk = (
        "ANNA: The tide is high today.\nBEN: I do not think so.\nIt was higher on Monday.\nANNA: You "
        "may be right.\nBEN: I am.\n"
    )
    document = read_file("b.txt", talk)
    assert [(s["speaker"], s["text"]) for s in document["segments"]][1] == (
        "BEN",
        "I do not think so. It was higher on Monday.",
    )


def test_debate_tables_become_turns_without_stage_directions(read_file: Read) -> None:
    rows = (
        "1\tHOLT\tGood evening from the hall.\t0\n2\tSYSTEM\t(APPLAUSE)\t0\n3\tSMITH\tTaxes must "
        "fall.\t1\n4\tHOLT\tWhy?\t0\n"
    )
    document = read_file("debate.txt", rows)
    assert document["kind"] == "transcript"
    assert [(s["speaker"], s["text"]) for s in document["segments"]] == [
        ("Holt", "Good evening from the hall."),
        ("Smith", "Taxes must fall."),
        ("Holt", "Why?"),
    ]


def test_csv_and_json_give_prose_cells_under_their_names(read_file: Read) -> None:
    document = read_file("t.csv", 'id,comment\n1,"The pier was closed, and nobody said why."\n2,ok\n')
    assert [(s["heading"], s["text"]) for s in document["segments"]] == [
        ("comment", "The pier was closed, and nobody said why.")
    ]
    value = {
        "title": "Log",
        "entries": [{"id": "a-1", "note": "The crew was told to wait for the tide."}],
        "url": "https://x.example/a",
    }
    document = read_file("t.json", json.dumps(value))
    assert (document["title"], texts(document)) == ("Log", ["The crew was told to wait for the tide."])


def test_vtt_joins_cues_to_sentences_with_seconds_and_voices(read_file: Read) -> None:
    vtt = """WEBVTT

slide-1
00:00:01.000 --> 00:00:03.000
<v Lisa>The first sentence is cut

2
00:00:03.000 --> 00:00:05.500
in two by the screen. And the second

3
00:00:05.500 --> 00:00:07.000
ends here.

4
00:00:08.000 --> 00:00:09.000
<v Josh>[music] I see &amp; agree.
"""
    document = read_file("talk.vtt", vtt)
    rows = [(s["speaker"], s["start_s"], s["end_s"], s["text"]) for s in document["segments"]]
    assert rows == [
        ("Lisa", 1.0, 5.5, "The first sentence is cut in two by the screen."),
        ("Lisa", 3.0, 7.0, "And the second ends here."),
        ("Josh", 8.0, 9.0, "[music] I see & agree."),
    ]
    assert document["segments"][0]["heading"] == "Slide 1"


def test_srt_and_json3_roll_only_once(read_file: Read) -> None:
    srt = (
        "1\n00:00:01,000 --> 00:00:02,500\nthe tide comes in\n\n"
        "2\n00:00:02,500 --> 00:00:02,600\nthe tide comes in\n\n"
        "3\n00:00:02,600 --> 00:00:04,000\nthe tide comes in\ntwice a day at the old pier\n"
    )
    (segment,) = read_file("roll.srt", srt)["segments"]
    assert segment["text"] == "the tide comes in twice a day at the old pier"
    events = [
        {"tStartMs": 0, "dDurationMs": 2000, "segs": [{"utf8": "we begin "}, {"utf8": "now", "tOffsetMs": 900}]},
        {"tStartMs": 1000, "dDurationMs": 1000, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 2000, "dDurationMs": 2000, "segs": [{"utf8": "we begin now with the tide."}]},
    ]
    (segment,) = read_file("t.json3", json.dumps({"wireMagic": "pb3", "events": events}))["segments"]
    assert (segment["text"], segment["start_s"], segment["end_s"]) == ("we begin now with the tide.", 0.0, 4.0)


def test_a_talk_without_voices_takes_the_name_that_is_said(read_file: Read) -> None:
    vtt = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v ->Hello, I'm Jeff Hammond from Intel.</v>\n\n00:02.000 "
        "--> 00:03.000\nI talk about tides.\n"
    )
    document = read_file("jh.vtt", vtt)
    assert {segment["speaker"] for segment in document["segments"]} == {"Jeff Hammond"}
    assert "introduction" in document["warnings"][0]


def test_pdf_and_docx_are_read_in_a_child(read_file: Read, pdf: Build, docx: Build) -> None:
    document = read_file(
        "a.pdf", pdf("The tide rises in the morning|and it falls at noon.", "A second page says that the pier is old.")
    )
    assert [(s["heading"], s["text"]) for s in document["segments"]] == [
        ("Page 1", "The tide rises in the morning and it falls at noon."),
        ("Page 2", "A second page says that the pier is old."),
    ]
    document = read_file("a.docx", docx("The harbour was built by hand.", heading="History of the pier"))
    assert texts(document) == ["The harbour was built by hand."]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
def test_other_encodings_are_read(read_file: Read, encoding: str) -> None:
    document = read_file("e.txt", "The café by the harbour is open, and it is full.".encode(encoding))
    assert texts(document) == ["The café by the harbour is open, and it is full."]
    assert ("warnings" in document and bool(document["warnings"])) == (encoding == "windows-1252")
