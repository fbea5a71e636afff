"""Captions: WebVTT and SubRip through webvtt-py, and the JSON3 of timed text, as sentences with seconds and speakers.

Cues are cut where a screen is full, not where a sentence ends. They are joined to sentences here. A sentence carries
the second at which its first word is said and the one at which its last has been: where the captions time their words
(inline time stamps, offsets of JSON3) those of the words, else the start of its first cue and the end of its last.
Automatic captions repeat the line before ("rolling" captions): words that a cue shares with the end of what was said
are dropped.
"""

from __future__ import annotations

import html
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import has_cjk, tidy
from fairlead.pipeline.text.sentences import split_sentences

_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,99})?\s+([^<>]{0,300})>")
_STAMP = re.compile(r"<((?:\d{2,6}:)?\d{2}:\d{2}\.\d{3})>")
_STYLE = re.compile(r"\{\\[^{}]{0,200}\}")
_TAG = re.compile(r"<[^<>]*>")
_NOISE = re.compile(r"^[\s>♪♫-]*(?:\[[^\]]{1,40}\]|\([A-Z][A-Z ,'-]{1,40}\)|♪.*)?[\s♪♫-]*$")
_TURN = re.compile(r"^(?:>>+|-\s)\s*(?:([A-Z][A-Za-z.' ]{1,30}):)?\s*")
_NAMED = re.compile(r"^([A-Z][A-Z.' -]{2,30}):\s+(?=\S)")
_SLIDE = re.compile(r"^slide[-_ ]?(\d+)$", re.IGNORECASE)
_PAUSE_S = 2.5
_LONGEST_WORDS = 60


Marks = tuple[tuple[int, float], ...]
Piece = tuple[float | None, str]


class Cue(NamedTuple):
    """What one caption says, from ``start`` to ``end`` in seconds.

    ``marks`` are pairs of a word's number in ``text`` and the second at which it is said, for captions that time words.
    """

    start: float
    end: float
    text: str
    speaker: str = ""
    new_turn: bool = False
    heading: str = ""
    marks: Marks = ()


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
        cues = [cue for event in events if event.get("segs") and not event.get("aAppend") for cue in _json3_cues(event)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as exc:
        raise InvalidInputError(
            "the file is not timed text in JSON3.", remedy="It needs an 'events' list.", field="content"
        ) from exc
    return sentences_of(drop_rolling(cues))


def is_json3(value: str) -> bool:
    head = value[:4096]
    return '"events"' in head and '"tStartMs"' in head


def _json3_cues(event: dict[str, object]) -> Iterator[Cue]:
    start = _milliseconds(event["tStartMs"])
    segs = event["segs"]
    pieces: list[Piece] = []
    for seg in segs if isinstance(segs, list) else ():
        offset = seg.get("tOffsetMs")
        pieces.append((None if offset is None else start + _milliseconds(offset), str(seg.get("utf8", ""))))
    return _cues_of(_lines_of(pieces), start, start + _milliseconds(event.get("dDurationMs", 0)), "")


def _milliseconds(value: object) -> float:
    """Seconds of a number of milliseconds; a time before the beginning or without end is refused."""
    seconds = float(str(value)) / 1000
    if not 0 <= seconds < 1e9:
        raise ValueError(value)
    return seconds


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
        raw = _STYLE.sub("", caption.raw_text)
        yield from _cues_of(_lines_of(_pieces_of(raw)), _seconds(caption.start), _seconds(caption.end), heading)


def _pieces_of(raw: str) -> Iterator[Piece]:
    """The text between inline time stamps, each with the second before it."""
    parts = _STAMP.split(raw)
    yield None, parts[0]
    for stamp, text in zip(parts[1::2], parts[2::2], strict=True):
        yield _seconds(stamp), text


def _lines_of(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces by line."""
    line: list[Piece] = []
    for second, text in pieces:
        first, *more = text.split("\n")
        line.append((second, first))
        for part in more:
            yield line
            line = [(None, part)]
    yield line


def _cues_of(lines: Iterable[list[Piece]], start: float, end: float, heading: str) -> Iterator[Cue]:
    """A cue for each line that says something. A voice holds until the next one within the caption."""
    speaker, new_turn = "", False
    for pieces in lines:
        line = "".join(text for _, text in pieces)
        voice = _VOICE.search(line)
        if voice:
            speaker, new_turn = tidy(html.unescape(voice.group(1))).strip("-– "), True
        bare = _TAG.sub("", line)
        found = _TURN.match(bare)
        named = found or _NAMED.match(bare)
        spoken = bare[named.end() :] if named else bare
        if named:
            speaker, new_turn = (named.group(1) or "").strip().title(), True
        text = _clean(spoken)
        if text:
            yield Cue(start, end, text, speaker, new_turn, heading, _marks_of(pieces, text))
            new_turn = False


def _marks_of(pieces: list[Piece], text: str) -> Marks:
    """The numbers of timed words, counted from the end: what is taken off a line (a name, a mark) stands before it."""
    if all(second is None for second, _ in pieces):
        return ()
    counts = [len(html.unescape(_TAG.sub("", part)).split()) for _, part in pieces]
    number = len(text.split()) - sum(counts)
    marks: list[tuple[int, float]] = []
    for (second, _), count in zip(pieces, counts, strict=True):
        if second is not None and count and number >= 0:
            marks.append((number, second))
        number += count
    return tuple(marks)


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
        overlap = 0
        if cue.start - last_end < 1.0 and not cue.new_turn:
            overlap = _overlap(tail, [word.lower() for word in words])
            words = words[overlap:]
        last_end = max(last_end, cue.end)
        if words:
            kept.append(cue._replace(text=" ".join(words), marks=_later(cue.marks, overlap)) if overlap else cue)
            tail = (tail + [word.lower() for word in words])[-60:]
    return kept


def _later(marks: Marks, dropped: int) -> Marks:
    """The marks of what is left when words at the beginning are dropped."""
    return tuple((number - dropped, second) for number, second in marks if number >= dropped)


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
    parts: list[str] = []
    starts: list[int] = []
    place = 0
    for cue in run:
        starts.append(place)
        parts.append(cue.text)
        place += len(cue.text) + len(joint)
    text = joint.join(parts)
    timed = [moment for cue, start in zip(run, starts, strict=True) for moment in _moments_of(cue, start)]
    begins = [place for place, _ in timed]
    blocks: list[Block] = []
    for start, end in _bounded(text):
        first, last = bisect_right(starts, start) - 1, bisect_left(starts, end) - 1
        before, after = bisect_right(begins, start) - 1, bisect_left(begins, end)
        said_from, said_to = run[first].start, run[last].end
        if before >= 0 and begins[before] >= starts[first]:
            said_from = timed[before][1]
        if after < len(timed) and (last + 1 == len(run) or begins[after] < starts[last + 1]):
            # The next word of the same cue is said then, so these have been.
            said_to = timed[after][1]
        blocks.append(
            Block(text[start:end], "turn", run[first].heading, speaker, round(said_from, 3), round(said_to, 3))
        )
    return blocks


def _moments_of(cue: Cue, start: int) -> list[tuple[int, float]]:
    """Where in the text each timed word of a cue stands, and the second at which it is said."""
    if not cue.marks:
        return []
    places = [found.start() for found in re.finditer(r"\S+", cue.text)]
    return [(start + places[number], second) for number, second in cue.marks if number < len(places)]


def _bounded(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, with those longer than sixty words cut at a word."""
    for start, end in split_sentences(text):
        words = list(re.finditer(r"\S+", text[start:end]))
        for i in range(0, len(words), _LONGEST_WORDS):
            part = words[i : i + _LONGEST_WORDS]
            yield start + part[0].start(), start + part[-1].end()
