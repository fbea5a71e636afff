"""Captions: who says what at which second, however a platform writes it down; and captions that mean harm."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.captions import read_json3, read_srt, read_vtt
from fairlead.pipeline.parsing import parse_bytes
from fairlead.pipeline.sources import DocumentRef


def _said(blocks: list[Block]) -> list[tuple[str, str, float | None, float | None]]:
    return [(block.speaker, block.text, block.start_s, block.end_s) for block in blocks]


def test_voices_within_one_caption_are_turns() -> None:
    text = (
        "WEBVTT\n\n1\n00:00:01.000 --> 00:00:04.000\n<v Ada Harbour>The anchor holds.\n<v.loud Bo>It slips!</v>\n\n"
        "00:00:04.000 --> 00:00:06.000\n<v Bo>Every <i>single</i> time.\n"
    )
    assert _said(read_vtt(text)) == [
        ("Ada Harbour", "The anchor holds.", 1.0, 4.0),
        ("Bo", "It slips!", 1.0, 4.0),
        ("Bo", "Every single time.", 4.0, 6.0),
    ]


def test_inline_time_stamps_lead_to_the_word() -> None:
    text = (
        "WEBVTT\n\n00:00:10.000 --> 00:00:20.000\n"
        "The<00:00:11.000><c> anchor</c><00:00:12.000> holds.<00:00:15.500><c> It</c><00:00:16.000> slips.\n"
    )
    assert _said(read_vtt(text)) == [("", "The anchor holds.", 10.0, 15.5), ("", "It slips.", 15.5, 20.0)]


def test_rolling_captions_with_time_stamps_are_said_once() -> None:
    """The form in which automatic captions are served as WebVTT: each line is shown three times."""
    text = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
the<00:00:00.500><c> anchor</c><00:00:01.000><c> holds</c><00:00:01.500><c> fast.</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
the anchor holds fast.
\x20

00:00:02.010 --> 00:00:05.000 align:start position:0%
the anchor holds fast.
Then<00:00:03.000><c> it</c><00:00:03.400><c> slips</c><00:00:03.900><c> away.</c>
"""
    assert _said(read_vtt(text)) == [
        ("", "the anchor holds fast.", 0.0, 2.0),
        ("", "Then it slips away.", 2.01, 5.0),
    ]


def test_json3_times_its_words_and_marks_its_turns() -> None:
    def words(start: int, line: str, step: int = 500) -> dict[str, Any]:
        segs = [{"utf8": word + " ", **({"tOffsetMs": n * step} if n else {})} for n, word in enumerate(line.split())]
        return {"tStartMs": start, "dDurationMs": 4000, "wWinId": 1, "segs": segs}

    events = [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        words(1000, ">> the anchor holds. It slips."),
        {"tStartMs": 3000, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        words(5000, ">> BO: never again."),
    ]
    assert _said(read_json3(json.dumps({"events": events}))) == [
        ("", "the anchor holds.", 1.5, 3.0),
        ("", "It slips.", 3.0, 5.0),
        ("Bo", "never again.", 6.0, 9.0),
    ]


def test_srt_with_styles_dashes_and_names() -> None:
    text = (
        "\ufeff1\r\n00:00:01,500 --> 00:00:03,000\r\n{\\an8}<i>- The anchor holds.</i>\r\n- It slips.\r\n\r\n"
        "2\r\n00:00:03,000 --> 00:00:05,000\r\nADA HARBOUR: Then use more chain.\r\n"
    )
    assert _said(read_srt(text)) == [
        ("", "The anchor holds.", 1.5, 3.0),
        ("", "It slips.", 1.5, 3.0),
        ("Ada Harbour", "Then use more chain.", 3.0, 5.0),
    ]


def test_recorded_talks_keep_every_second_in_order(shared_data: Path) -> None:
    """Twenty talks as published: every sentence has a time within its talk, and they do not go back."""
    files = sorted((shared_data / "cap-w3c-ml-vtt").glob("*.vtt"))
    assert len(files) >= 20
    for path in files:
        document = parse_bytes(DocumentRef("d", path.stem, "vtt", path=str(path)), path.read_bytes(), "vtt")
        starts = [segment.start_s for segment in document.segments]
        assert all(start is not None for start in starts)
        assert starts == sorted(starts, key=lambda start: start or 0.0), path.name
        assert all((s.end_s or 0) >= (s.start_s or 0) for s in document.segments), path.name


# ── harm ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stamp", ["NaN", "inf", "-1", "1e999", "1e30", "x", None, [], {}])
def test_times_that_are_none_are_refused(stamp: Any) -> None:
    for event in (
        {"tStartMs": stamp, "segs": [{"utf8": "x"}]},
        {"tStartMs": 0, "dDurationMs": stamp, "segs": [{"utf8": "x"}]},
    ):
        with pytest.raises(InvalidInputError):
            read_json3(json.dumps({"events": [event]}))


@pytest.mark.parametrize(
    "events", [5, "x", [5], [None], [{"segs": 5}], [{"segs": [5], "tStartMs": 0}], {"a": 1}, [{"segs": [{}]}]]
)
def test_json3_of_another_shape_is_refused_or_empty(events: Any) -> None:
    try:
        assert read_json3(json.dumps({"events": events})) == []
    except InvalidInputError as refused:
        assert refused.remedy


@pytest.mark.parametrize(
    "body",
    [
        "<" * 200_000,
        "<v " * 100_000,
        "<v Ada>" * 50_000,
        "<00:00:01.000>" * 50_000,
        "{\\an8" * 50_000,
        ">> " * 100_000,
        "a " * 300_000,
        "A" * 500_000,
        "- " * 100_000,
        "&" * 200_000 + ";",
        "♪ " * 100_000,
    ],
)
def test_captions_that_mean_harm_end_soon(body: str) -> None:
    """No figure of time here: what is not linear would not end within the patience of a test run."""
    for block in read_vtt(f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{body}\n"):
        assert len(block.text.split()) <= 60 and block.start_s is not None


_LINES = st.lists(
    st.text(alphabet="ab .<>/v:0123456789&;{}\\-\n♪[]()", max_size=60)
    | st.sampled_from(["<v Ada>x", ">> BO: y", "-->"]),
    max_size=6,
)


@settings(deadline=None, max_examples=200)
@given(_LINES)
def test_any_captions_are_read_or_refused(lines: list[str]) -> None:
    cues = "\n\n".join(f"00:00:0{n}.000 --> 00:00:0{n + 1}.500\n{line}" for n, line in enumerate(lines))
    for read in (read_vtt, read_srt):
        try:
            blocks = read(f"WEBVTT\n\n{cues}\n" if read is read_vtt else cues)
        except InvalidInputError:
            continue
        for block in blocks:
            assert block.text and block.start_s is not None and block.end_s is not None
            assert math.isfinite(block.start_s) and math.isfinite(block.end_s)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(alphabet="abcdef", min_size=1, max_size=6), min_size=1, max_size=30), st.integers(1, 6))
def test_rolling_says_each_word_once(words: list[str], width: int) -> None:
    """Whatever was said is what is read, however many words a line of a rolling caption holds."""
    words = [f"{word}{n}" for n, word in enumerate(words)]
    lines = [words[n : n + width] for n in range(0, len(words), width)]
    events = [
        {"tStartMs": 2000 * n, "dDurationMs": 2000, "segs": [{"utf8": " ".join((lines[n - 1] if n else []) + line)}]}
        for n, line in enumerate(lines)
    ]
    read = " ".join(block.text for block in read_json3(json.dumps({"events": events}))).split()
    if width >= 3:
        assert read == words
    else:
        # One or two words may be repeated by somebody who means it; they are kept.
        assert list(dict.fromkeys(read)) == words
