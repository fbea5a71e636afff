"""Plain text: paragraphs, underlined and all-capital headings, lists, indented code, and speaker turns.

Also reads the topics of ``pydoc``, which are manual pages already rendered as text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import Trail, reads_as_prose, tidy
from fairlead.pipeline.text.wordset import word_set

_UNDERLINE = re.compile(r"^([=\-*~^\"#+])\1{2,}\s*$")
_ITEM = re.compile(r"^\s{0,8}(?:[-*•‣o+]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
_TURN = re.compile(r"^\s*(?:\[?(\d{1,2}:)?\d{1,2}:\d{2}\]?\s+)?([A-Z][\w.'’-]*(?: [A-Z(][\w.'’)-]*){0,3}):\s+(?=\S)")
_NOT_SPEAKERS = word_set(
    """
    note notes warning example examples see todo tip important usage hint caution info http https
    """
)
_EMPHASIS = re.compile(r"(?<![\w*])\*(\w(?:[^*\n]{0,60}\w)?)\*(?![\w*])")
_LONGEST_LINE = 20_000


def read_plain(text: str) -> list[Block]:
    """Blocks of a plain text. Lines longer than 20,000 characters are cut, so none can stall an expression."""
    lines = [
        line[i : i + _LONGEST_LINE] for line in text.splitlines() for i in range(0, max(len(line), 1), _LONGEST_LINE)
    ]
    speakers = _speakers(lines)
    return list(_turns(lines, speakers)) if speakers else list(_paragraphs(lines))


def _speakers(lines: list[str]) -> frozenset[str]:
    """Names that open lines often enough for a transcript: two or more names, on a tenth of the lines with text."""
    counts: Counter[str] = Counter()
    filled = 0
    for line in lines:
        filled += bool(line.strip())
        found = _TURN.match(line[:120])
        if found and found.group(2).lower() not in _NOT_SPEAKERS:
            counts[found.group(2)] += 1
    names = {name: count for name, count in counts.items() if count >= 2}
    enough = len(names) >= 2 and sum(names.values()) * 10 >= filled and sum(names.values()) >= 4
    return frozenset(counts if enough else ())


def _turns(lines: list[str], speakers: frozenset[str]) -> Iterator[Block]:
    speaker, words = "", list[str]()
    for line in lines:
        found = _TURN.match(line[:120])
        if found and found.group(2) in speakers:
            if words:
                yield Block(tidy(" ".join(words)), "turn", speaker=speaker)
            speaker, words = found.group(2), [line[found.end() :]]
        elif line.strip():
            words.append(line)
    if words:
        yield Block(tidy(" ".join(words)), "turn", speaker=speaker)


def _paragraphs(lines: list[str]) -> Iterator[Block]:
    trail, marks = Trail(), list[str]()
    for chunk in _chunks(lines):
        if len(chunk) >= 2 and (mark := _UNDERLINE.match(chunk[1])):
            if mark.group(1) not in marks:
                marks.append(mark.group(1))
            heading = tidy(chunk[0])
            trail.enter(marks.index(mark.group(1)) + 1, heading)
            yield Block(heading, "heading")
            chunk = chunk[2:]
        elif len(chunk) == 1 and _is_title(chunk[0]):
            heading = tidy(chunk[0]).title() if chunk[0].isupper() else tidy(chunk[0]).rstrip(":")
            trail.enter(len(marks) + 1, heading)
            yield Block(heading, "heading")
            continue
        for kind, piece in _pieces(chunk):
            text = _EMPHASIS.sub(r"\1", tidy(piece))
            if reads_as_prose(text):
                yield Block(text, kind, str(trail))


def _chunks(lines: list[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for line in lines:
        if line.strip():
            chunk.append(line)
        elif chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _is_title(line: str) -> bool:
    text = line.strip()
    return (
        2 < len(text) <= 80
        and not line[0].isspace()
        and text[-1] not in ".,;!?)\"'"
        and (text.isupper() or (text[0].isupper() and len(text.split()) <= 8 and text.endswith(":")))
    )


def _pieces(chunk: list[str]) -> Iterator[tuple[str, str]]:
    """A paragraph, or the items of a list when the lines open with marks."""
    kind, held = "prose", list[str]()
    for line in chunk:
        opened = _ITEM.match(line)
        if opened:
            if held:
                yield kind, "\n".join(held)
            kind, held = "item", [line[opened.end() :]]
        else:
            held.append(line)
    if held:
        yield kind, "\n".join(held)
