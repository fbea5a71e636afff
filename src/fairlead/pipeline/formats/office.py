"""PDF and Word, read in a child process that is killed when it takes too long.

A damaged or hostile PDF can hold references that loop, and a DOCX is a zip archive that can unfold to gigabytes. The
parent checks what can be checked without unpacking; the child has a limit on its memory and the parent on its time.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import reads_as_prose, tidy

TIME_LIMIT_S = 60.0
_MEMORY_LIMIT = 2 * 1024**3
_MOST_PAGES = 2_000
_MOST_TEXT = 20_000_000
_MOST_UNPACKED = 100 * 1024**2
_MOST_ENTRIES = 5_000
_STEEPEST = 200
"""Unpacked bytes per packed byte of an entry over one megabyte; deflate cannot honestly pass it on office XML."""


def read_pdf(data: bytes, *, time_limit_s: float = TIME_LIMIT_S) -> list[Block]:
    """Paragraphs of a PDF; the heading of each is its page."""
    if not data[:1024].lstrip().startswith(b"%PDF-"):
        raise InvalidInputError(
            "the file is not a PDF: it does not start with '%PDF-'.", remedy="Check its type.", field="content"
        )
    return _in_child("pdf", data, time_limit_s)


def read_docx(data: bytes, *, time_limit_s: float = TIME_LIMIT_S) -> list[Block]:
    """Headings, paragraphs and list items of a Word document."""
    check_archive(data)
    return _in_child("docx", data, time_limit_s)


def check_archive(data: bytes) -> None:
    """Refuses an archive that is damaged, or that unfolds too far, before any of it is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise InvalidInputError(
            f"the file is not a Word document: {exc}.", remedy="Save it again as .docx.", field="content"
        ) from exc
    unpacked = sum(entry.file_size for entry in entries)
    steep = any(e.file_size > 1_000_000 and e.file_size > _STEEPEST * max(e.compress_size, 1) for e in entries)
    if len(entries) > _MOST_ENTRIES or unpacked > _MOST_UNPACKED or steep:
        raise InvalidInputError(
            f"the archive would unfold to {unpacked:,} bytes in {len(entries):,} entries.",
            remedy="Save the text alone as .docx or .txt.",
            field="content",
        )
    if not any(entry.filename == "word/document.xml" for entry in entries):
        raise InvalidInputError("the archive holds no Word document.", remedy="Check its type.", field="content")


def _in_child(form: str, data: bytes, time_limit_s: float) -> list[Block]:
    command = [sys.executable, "-I", "-c", f"from fairlead.pipeline.formats.office import child; child({form!r})"]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=time_limit_s, check=False)
    except subprocess.TimeoutExpired as exc:
        raise InvalidInputError(
            f"reading the {form} took more than {time_limit_s:g} s and was stopped.",
            remedy="Export its text, or split it.",
            field="content",
        ) from exc
    if done.returncode < 0 or not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InvalidInputError(
            f"the {form} reader stopped: {lines[-1] if lines else f'signal {-done.returncode}'}.",
            remedy="The file is damaged or needs too much memory.",
            field="content",
        )
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise InvalidInputError(
            f"the {form} cannot be read: {answer['error']}", remedy="Save it again.", field="content"
        )
    return [Block(text, kind, heading) for text, kind, heading in answer["blocks"]]


def child(form: str) -> None:
    """Body of the child process: bytes on standard input, JSON on standard output."""
    _limit_memory()
    data = sys.stdin.buffer.read()
    try:
        blocks = _pdf_blocks(data) if form == "pdf" else _docx_blocks(data)
        answer: dict[str, object] = {"blocks": [block[:3] for block in blocks]}
    except MemoryError:
        answer = {"error": "it needs more memory than allowed."}
    except Exception as exc:  # noqa: BLE001 - a parser's exceptions on hostile input are open-ended; all are told
        answer = {"error": f"{type(exc).__name__}: {exc}"[:300]}
    sys.stdout.write(json.dumps(answer))


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        # Windows has no such limit; the time limit still holds.
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT, _MEMORY_LIMIT))


def _pdf_blocks(data: bytes) -> list[Block]:
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise InvalidInputError("it is encrypted.", remedy="Save it without a password.")
    blocks: list[Block] = []
    size = 0
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text() or ""
        size += len(text)
        if number > _MOST_PAGES or size > _MOST_TEXT:
            raise InvalidInputError(
                f"it has more than {_MOST_PAGES:,} pages or {_MOST_TEXT:,} characters.", remedy="Split it."
            )
        blocks += [Block(words, "prose", f"Page {number}") for words in _page_paragraphs(text)]
    return blocks


def _page_paragraphs(text: str) -> list[str]:
    """Paragraphs of a page: lines are joined until one ends a sentence and the next starts anew; hyphens are healed."""
    paragraphs: list[str] = []
    held = ""
    for line in text.splitlines():
        line = line.strip()
        if not line:
            paragraphs.append(held)
            held = ""
        elif held.endswith("-") and line[:1].islower():
            held = held[:-1] + line
        else:
            if held.endswith((".", "!", "?", ":")) and len(line) < 60 and not line.endswith("."):
                paragraphs.append(held)
                held = ""
            held = f"{held} {line}" if held else line
    return [words for words in map(tidy, [*paragraphs, held]) if reads_as_prose(words)]


def _docx_blocks(data: bytes) -> list[Block]:
    import mammoth

    from fairlead.pipeline.formats.html import read_html_fragment

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith((".xml", ".rels")) and b"<!DOCTYPE" in archive.read(entry)[:4096]:
                raise InvalidInputError("its XML declares a document type.", remedy="Save it again.")
    result = mammoth.convert_to_html(
        io.BytesIO(data), convert_image=mammoth.images.img_element(lambda image: {"src": ""})
    )
    return read_html_fragment(result.value)
