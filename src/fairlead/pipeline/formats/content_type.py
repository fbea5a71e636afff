"""What a file is, told by its content. A name decides only between kinds of plain text, which content cannot."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePath
from typing import NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.pipeline.sources import KINDS

HEAD = 64 * 1024
"""Bytes from the start that are enough to tell."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
_ARCHIVES = (
    ("word/document.xml", f"{_OFFICE}wordprocessingml.document", "docx"),
    ("xl/workbook.xml", f"{_OFFICE}spreadsheetml.sheet", ""),
    ("ppt/presentation.xml", f"{_OFFICE}presentationml.presentation", ""),
)
_TEXT_TYPES = {
    "text": "text/plain",
    "markdown": "text/markdown",
    "rst": "text/x-rst",
    "html": "text/html",
    "json": "application/json",
    "csv": "text/csv",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
}
_SRT = re.compile(r"\d+\s*\n\d{1,2}:\d\d:\d\d[,.]\d{3} +--> +\d{1,2}:\d\d:\d\d")
_HTML = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_BY_NAME = frozenset({"markdown", "rst", "csv", "json"})


class Told(NamedTuple):
    """The media type, and the kind under which the readers know it; empty when none of them reads it."""

    type: str
    kind: str


def tell(path: Path, name: str = "") -> Told:
    """What the file at ``path`` is; ``name`` is the one that its owner gave it.

    Raises :class:`InvalidInputError` for what is none of the types that are taken.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head[:1024].lstrip().startswith(b"%PDF-"):
        return Told("application/pdf", "pdf")
    if head.startswith(b"PK\x03\x04"):
        return _archive(path, name)
    for magic, type_ in ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg")):
        if head.startswith(magic):
            return Told(type_, "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Told("image/webp", "")
    return _text(head, name)


def _archive(path: Path, name: str) -> Told:
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        members = set()
    for member, type_, kind in _ARCHIVES:
        if member in members:
            return Told(type_, kind)
    raise _refused(name, "it is an archive, and no Office document")


def _text(head: bytes, name: str) -> Told:
    from fairlead.pipeline.parsing import decode

    try:
        text, _ = decode(head)
    except InvalidInputError as exc:
        raise _refused(name, exc.message.rstrip(".")) from None
    start = text[:4096].lstrip("\ufeff \t\r\n")
    named = KINDS.get(PurePath(name).suffix.lower(), "text")
    if start.startswith("WEBVTT"):
        kind = "vtt"
    elif _SRT.match(start):
        kind = "srt"
    elif _HTML.search(start):
        kind = "html"
    elif start.startswith("<?xml"):
        return Told("application/xml", "")
    else:
        kind = named if named in _BY_NAME else "text"
    return Told(_TEXT_TYPES[kind], kind)


def _refused(name: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name[:200]!r} cannot be taken: {why}.",
        remedy="Give text, Markdown, HTML, JSON, CSV, captions, PDF or Office documents.",
        field="files",
    )
