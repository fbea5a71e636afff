"""Captions: WebVTT and SubRip through webvtt-py, and the JSON3 of timed text, as sentences with seconds and speakers.

Cues are cut where a screen is full, not where a sentence ends. They are joined to sentences here; a sentence carries
the start of its first cue and the end of its last. Automatic captions repeat the line before ("rolling" captions):
words that a cue shares with the end of what was said are dropped.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import has_cjk, tidy
from fairlead.pipeline.text.sentences import split_sentences

_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_TAG = re.compile(r"<[^>]*>")
_NOISE = re.compile(r"^[\s>♪♫-]*(?:\[[^\]]{1,40}\]|\([A-Z][A-Z ,'-]{1,40}\)|♪.*)?[\s♪♫-]*$")
_TURN = re.compile(r"^(?:>>+|-\s)\s*(?:([A-Z][A-Za-z.' ]{1,30}):)?\s*")
_NAMED = re.compile(r"^([A-Z][A-Z.' -]{2,30}):\s+(?=\S)")
_SLIDE = re.compile(r"^slide[-_ ]?(\d+)$", re.IGNORECASE)
_PAUSE_S = 2.5
_LONGEST_WORDS = 60


class Cue(NamedTuple):
    """What one caption says, from ``start`` to ``end`` in seconds."""

    start: float
    end: float
    text: str
    speaker: str = ""
    new_turn: bool = False
    heading: str = ""


def read_vtt(text: str) -> list[Block]:
    """Blocks of a WebVTT file."""
    return sentences_of(drop_rolling(_read(text, "vtt")))


def read_srt(text: str) -> list[Block]:
    """Blocks of a SubRip file."""
    return sentences_of(drop_rolling(_read(text, "srt")))


def read_json3(text: str) -> list[Block]:
    """Blocks of timed text in JSON3: ``events`` with ``tStartMs``, ``dDurationMs`` and ``segs`` of ``utf8``."""
    try:
        events = json.loads(text)["events"]
        cues = [_json3_cue(event) for event in events if event.get("segs") and not event.get("aAppend")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise InvalidInputError(
            "the file is not timed text in JSON3.", remedy="It needs an 'events' list.", field="content"
        ) from exc
    return sentences_of(drop_rolling(cue for cue in cues if cue.text))


def is_json3(value: str) -> bool:
    head = value[:4096]
    return '"events"' in head and '"tStartMs"' in head


def _json3_cue(event: dict[str, object]) -> Cue:
    start = float(str(event["tStartMs"])) / 1000
    segs = event["segs"]
    words = "".join(str(seg.get("utf8", "")) for seg in segs) if isinstance(segs, list) else ""
    return Cue(start, start + float(str(event.get("dDurationMs", 0))) / 1000, _clean(words))


def _read(text: str, form: str) -> Iterator[Cue]:
    import io

    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    try:
        captions = webvtt.from_buffer(io.StringIO(text.lstrip("\ufeff")), format=form)
    except (MalformedFileError, MalformedCaptionError) as exc:
        raise InvalidInputError(
            f"the captions cannot be read: {exc}.", remedy=f"Check that it is {form.upper()}.", field="content"
        ) from exc
    heading = ""
    for caption in captions.captions:
        slide = _SLIDE.match(caption.identifier or "")
        if slide:
            heading = f"Slide {slide.group(1)}"
        yield from _cues_of(caption.raw_text, _seconds(caption.start), _seconds(caption.end), heading)


def _cues_of(raw: str, start: float, end: float, heading: str) -> Iterator[Cue]:
    voice = _VOICE.search(raw)
    speaker, new_turn = "", False
    if voice:
        name = tidy(html.unescape(voice.group(1))).strip("-– ")
        speaker, new_turn = name, True
    for line in _TAG.sub("", raw).split("\n"):
        found = _TURN.match(line)
        named = found or _NAMED.match(line)
        if named:
            line = line[named.end() :]
            speaker, new_turn = (named.group(1) or "").strip().title(), True
        text = _clean(line)
        if text:
            yield Cue(start, end, text, speaker, new_turn, heading)
            new_turn = False


def _clean(text: str) -> str:
    text = tidy(html.unescape(_TAG.sub("", text)))
    return "" if _NOISE.match(text) else text


def _seconds(stamp: str) -> float:
    parts = [float(part) for part in stamp.replace(",", ".").split(":")]
    total = 0.0
    for part in parts:
        total = total * 60 + part
    return total


def drop_rolling(cues: Iterable[Cue]) -> list[Cue]:
    """Removes from each cue the words that the cues before it already showed.

    A cue that starts less than a second after the one before ended, and whose first words are the last words said
    (two or more of them, or the whole cue), keeps only what is new.
    """
    kept: list[Cue] = []
    tail: list[str] = []
    last_end = -10.0
    for cue in cues:
        words = cue.text.split()
        if cue.start - last_end < 1.0 and not cue.new_turn:
            overlap = _overlap(tail, [word.lower() for word in words])
            words = words[overlap:]
        last_end = max(last_end, cue.end)
        if words:
            kept.append(cue._replace(text=" ".join(words)))
            tail = (tail + [word.lower() for word in words])[-60:]
    return kept


def _overlap(tail: list[str], words: list[str]) -> int:
    for size in range(min(len(tail), len(words)), 0, -1):
        if tail[-size:] == words[:size] and (size >= 3 or size == len(words) >= 2):
            return size
    return 0


def sentences_of(cues: list[Cue]) -> list[Block]:
    """Joins cues to sentences. Where nobody set marks, a pause of 2.5 s or sixty words ends one."""
    blocks: list[Block] = []
    run: list[Cue] = []
    speaker = ""
    for cue in cues:
        turn = cue.new_turn and bool(run)
        unmarked = bool(run) and (
            cue.start - run[-1].end > _PAUSE_S or sum(len(c.text.split()) for c in run) > _LONGEST_WORDS * 8
        )
        if turn or unmarked or (run and cue.heading != run[-1].heading and run[-1].text[-1:] in ".!?。！？"):
            blocks += _cut(run, speaker)
            run = []
        if cue.new_turn or cue.speaker:
            speaker = cue.speaker
        run.append(cue)
    return blocks + _cut(run, speaker)


def _cut(run: list[Cue], speaker: str) -> list[Block]:
    if not run:
        return []
    joint = "" if has_cjk(run[0].text) else " "
    text, starts = "", list[int]()
    for cue in run:
        text += (joint if text else "") + cue.text
        starts.append(len(text) - len(cue.text))
    blocks: list[Block] = []
    first = 0
    for start, end in _bounded(text):
        while first + 1 < len(run) and starts[first + 1] <= start:
            first += 1
        last = first
        while last + 1 < len(run) and starts[last + 1] < end:
            last += 1
        blocks.append(
            Block(
                text[start:end],
                "turn",
                run[first].heading,
                speaker,
                round(run[first].start, 3),
                round(run[last].end, 3),
            )
        )
    return blocks


def _bounded(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, with those longer than sixty words cut at a word."""
    for start, end in split_sentences(text):
        words = list(re.finditer(r"\S+", text[start:end]))
        for i in range(0, len(words), _LONGEST_WORDS):
            part = words[i : i + _LONGEST_WORDS]
            yield start + part[0].start(), start + part[-1].end()
