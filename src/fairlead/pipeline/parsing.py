"""From a reference to a document: bytes to text to blocks to segments with offsets.

Hostile input is refused with an :class:`InvalidInputError` that says why: sizes, nesting, time and memory are bounded
in the readers, and none of them reaches the network or another file.
"""

from __future__ import annotations

import re

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block, Document, Segment, checksum, place
from fairlead.pipeline.formats import captions, plain, tables
from fairlead.pipeline.sources import DocumentRef, read_bytes
from fairlead.pipeline.text.language import identify
from fairlead.pipeline.text.wordset import word_set

_INTRODUCTION = re.compile(
    r"(?:\b[Mm]y name(?:'s|’s)? (?:is |'s )?|^(?:\w+[,.!]? ){0,4}[Tt]his is |\bI'm |\bI am |\bI’m |\bi am )"
    r"((?:[A-Z][\w’-]+)(?: [A-Z](?:[’'][A-Z])?[\w-]+){0,2})(?=[\s,.]|$)"
)
_NO_NAMES = word_set(
    """
    Slide Web Today Google Microsoft Intel Part Invited Chapter Part Session Machine Learning The A An
    """
)
_LONGEST_TEXT = 20_000_000


def parse(ref: DocumentRef) -> Document:
    """Reads what ``ref`` names. Raises :class:`InvalidInputError` for what cannot be read, saying why."""
    data, form = read_bytes(ref)
    return parse_bytes(ref, data, form)


def parse_bytes(ref: DocumentRef, data: bytes, form: str) -> Document:
    """Reads ``data`` as ``form`` (a kind, or a media type)."""
    warnings: list[str] = []
    title, kind = ref.title, ref.kind
    if form in ("pdf", "docx"):
        from fairlead.pipeline.formats import office

        blocks = office.read_pdf(data) if form == "pdf" else office.read_docx(data)
    else:
        text, encoding = decode(data)
        if encoding == "windows-1252":
            warnings.append("the text is not UTF-8; it was read as Windows-1252")
        if form in ("text", "csv") and tables.is_debate_table(text):
            blocks, kind = tables.read_debate_table(text), "transcript"
        else:
            found, blocks = _read_text(text, form)
            title = _better_title(ref, found, blocks)
    segments = place(blocks)
    if not segments:
        raise InvalidInputError(f"{ref.title}: no readable text was found.", remedy="Leave it out.", field="content")
    if form in ("vtt", "srt", "json3") and not any(segment.speaker for segment in segments):
        segments, named = _name_speaker(segments)
        if named:
            warnings.append(f"no voices are marked; the speaker is taken from the introduction: {named}")
    sample = " ".join(segment.text for segment in segments[:200])
    return Document(
        ref.id, title, kind, ref.path or ref.origin, segments, checksum(data), identify(sample), tuple(warnings)
    )


def decode(data: bytes) -> tuple[str, str]:
    """The text of ``data`` and the encoding it was read with: UTF-8 or UTF-16 by mark or pattern, else Windows-1252.

    NUL bytes outside UTF-16 and a high share of control bytes mean that it is no text at all.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    if b"\x00" in data[:65536]:
        even, odd = data[:65536:2].count(0), data[1:65536:2].count(0)
        half = max(len(data[:65536]) // 2, 1)
        if max(even, odd) * 10 < half * 7 or min(even, odd) * 10 > half:
            raise InvalidInputError(
                "the file holds NUL bytes: it is no text.", remedy="Check its type.", field="content"
            )
        encoding = "utf-16-be" if even > odd else "utf-16-le"
        return data.decode(encoding, "replace"), encoding
    try:
        return data.decode("utf-8").replace("\x00", ""), "utf-8"
    except UnicodeDecodeError:
        control = sum(data[:65536].count(bytes([code])) for code in (*range(1, 9), *range(14, 32)))
        if control * 20 > len(data[:65536]):
            raise InvalidInputError(
                "the file is binary: it is no text.", remedy="Check its type.", field="content"
            ) from None
        return data.decode("windows-1252", "replace"), "windows-1252"


def _read_text(text: str, form: str) -> tuple[str, list[Block]]:
    """A title that the text itself states, and its blocks."""
    if len(text) > _LONGEST_TEXT:
        raise InvalidInputError(f"the text has {len(text):,} characters.", remedy="Split it.", field="content")
    if "markdown" in form:
        from fairlead.pipeline.formats.markdown import read_markdown

        return _titled(read_markdown(text))
    if "rst" in form:
        from fairlead.pipeline.formats.rst import read_rst

        return _titled(read_rst(text))
    match form:
        case "html":
            from fairlead.pipeline.formats.html import read_html

            return read_html(text)
        case "json":
            return ("", captions.read_json3(text)) if captions.is_json3(text) else tables.read_json(text)
        case "json3":
            return "", captions.read_json3(text)
        case "csv":
            return "", tables.read_csv(text)
        case "vtt":
            return "", captions.read_vtt(text)
        case "srt":
            return "", captions.read_srt(text)
        case _:
            return _titled(plain.read_plain(text))


def _titled(blocks: list[Block]) -> tuple[str, list[Block]]:
    first = blocks[0] if blocks else None
    return (first.text if first and first.kind == "heading" else ""), blocks


def _better_title(ref: DocumentRef, found: str, blocks: list[Block]) -> str:
    """The title in the text, for files; documents of the installation keep the name of their package."""
    usable = ref.path and 3 <= len(found) <= 120 and blocks
    return found if usable else ref.title


def _name_speaker(segments: tuple[Segment, ...]) -> tuple[tuple[Segment, ...], str]:
    """Gives a talk without voices the name that its speaker says in the first ten sentences, if one does."""
    for segment in segments[:10]:
        for found in _INTRODUCTION.finditer(segment.text):
            name = found.group(1)
            if not _NO_NAMES & set(name.split()):
                return tuple(each._replace(speaker=name) for each in segments), name
    return segments, ""
