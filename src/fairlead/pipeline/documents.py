"""What a document is once it has been read: its text in segments that know where they came from.

``Document.text`` is the readable text only (no code blocks, tables, badges or link targets): the segments in order,
joined by a blank line. Every offset in Fairlead's analyses counts characters in that text, so that
``document.text[start:end]`` is exactly the statement that is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

JOINT = "\n\n"
"""What stands between two segments in ``Document.text``."""


class Block(NamedTuple):
    """A piece of readable text that a format's reader found, before it has offsets.

    ``kind`` is ``prose``, ``item`` (of a list), ``turn`` (of a speaker) or ``heading``; times are seconds.
    """

    text: str
    kind: str = "prose"
    heading: str = ""
    speaker: str = ""
    start_s: float | None = None
    end_s: float | None = None


class Segment(NamedTuple):
    """A block with its place: ``text == document.text[start_char:end_char]``."""

    text: str
    start_char: int
    end_char: int
    kind: str = "prose"
    heading: str = ""
    speaker: str = ""
    start_s: float | None = None
    end_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields that say something: empty ones are left out."""
        return {key: value for key, value in self._asdict().items() if value is not None and value != ""}


class Document(NamedTuple):
    """A document that was read. ``checksum`` is the SHA-256 of the input bytes, in hexadecimal digits."""

    id: str
    title: str
    kind: str
    source: str
    segments: tuple[Segment, ...]
    checksum: str
    language: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return JOINT.join(segment.text for segment in self.segments)

    def to_dict(self) -> dict[str, Any]:
        value = self._asdict()
        value["segments"] = [segment.to_dict() for segment in self.segments]
        value["warnings"] = list(self.warnings)
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Document:
        segments = tuple(Segment(**segment) for segment in value["segments"])
        warnings = tuple(value.get("warnings", ()))
        return cls(**{**value, "segments": segments, "warnings": warnings})


def place(blocks: Iterable[Block]) -> tuple[Segment, ...]:
    """Gives each block that has text its offsets. Headings are carried by what follows them."""
    segments: list[Segment] = []
    position = 0
    for block in blocks:
        if block.kind == "heading" or not block.text:
            continue
        end = position + len(block.text)
        segments.append(Segment(block.text, position, end, *block[1:]))
        position = end + len(JOINT)
    return tuple(segments)


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def short_id(prefix: str, key: str) -> str:
    """A name for a document that is the same on every run: the prefix and ten digits of the key's SHA-256."""
    return f"{prefix}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
