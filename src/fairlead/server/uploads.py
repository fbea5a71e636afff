"""Uploads: several files in one multipart request, kept as :mod:`fairlead.pipeline.intake.uploads` keeps files.

The type that a client declares has to be one that is taken, and the content too. The answers are those that clients of
batch uploads know: 200 all kept, 207 some, 500 none, and 400 or 413 when the batch cannot be taken, of which nothing is
kept then.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import mimetypes
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, StoreFullError
from fairlead.pipeline.intake.uploads import (
    DISK,
    MOST_BYTES,
    MOST_FILES,
    Disk,
    Kept,
    Part,
    Receiving,
    place,
    plain_name,
    safe_name,
)
from fairlead.server.problems import BadRequestError, TooLargeError

_GATHERED = 1024 * 1024
_TYPES = frozenset(
    {
        "application/json",
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/x-subrip",
        "application/xml",
        "application/yaml",
        "image/jpeg",
        "image/png",
        "image/webp",
    }
)


_STALE = 3600.0
"""Seconds without a byte after which a half file belongs to nobody."""


def sweep(uploads: Path, now: float) -> int:
    """Removes half files that processes left which were killed; how many. ``now`` is seconds since the epoch, UTC.

    Those of a process that is at work are younger: it writes to them.
    """
    removed = 0
    for part in uploads.glob("*/*/.part_*.part"):
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_mtime < now - _STALE:
                part.unlink()
                removed += 1
    return removed


class Batch(NamedTuple):
    """How a batch ended: the HTTP status and the answer."""

    status: int
    answer: dict[str, Any]
    kept: tuple[Kept, ...]


async def receive_batch(
    content_type: str, chunks: AsyncIterator[bytes], folder: Path, clock: Clock, *, disk: Disk = DISK
) -> Batch:
    """Takes a multipart body; :class:`BadRequestError` or :class:`TooLargeError` when the batch cannot be taken.

    What is answered as kept survives a power cut: files are synchronised before they are moved, and their folder
    before the answer.
    """
    began = clock.monotonic()
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadRequestError("the body is no multipart form.", remedy="Send multipart/form-data with files.")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    form = _Form(folder, options[b"boundary"], disk)
    try:
        await form.read(chunks)
        return await asyncio.to_thread(_batch, form.parts, folder, clock, began, disk)
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreFullError("there is no room left for the files.", remedy="Free some, and send them again.") from exc
    finally:
        await asyncio.to_thread(form.discard)


def _batch(parts: list[Part], folder: Path, clock: Clock, began: float, disk: Disk) -> Batch:
    placed = place(parts, folder, clock, disk=disk)
    placed = placed._replace(duration_ms=(clock.monotonic() - began) * 1000)
    status = 200 if placed.success else 207 if placed.partial_success else 500
    return Batch(status, placed.to_dict(), placed.files)


def type_of(given: str, name: str) -> str:
    """The media type when it is one that is taken, else :class:`BadRequestError`."""
    found = given.partition(";")[0].strip().lower()
    if found in ("", "application/octet-stream"):
        found = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if found in _TYPES or found.startswith("text/"):
        return found
    raise BadRequestError(
        f"{name[:200]!r} has the type {found[:100]!r}.",
        remedy="Send text, Markdown, HTML, JSON, PDF, Office documents, captions or images.",
        field="files",
    )


class _Form:
    """A multipart body being read: files go to disk as they come."""

    def __init__(self, folder: Path, boundary: bytes, disk: Disk) -> None:
        self._disk = disk
        self.parts: list[Part] = []
        self._folder = folder
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._open: Receiving | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, a, b: self._name(data[a:b]),
                "on_header_value": lambda data, a, b: self._add(data[a:b]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._start_file,
                "on_part_data": lambda data, a, b: self._write(data[a:b]),
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    async def read(self, chunks: AsyncIterator[bytes]) -> None:
        gathered = bytearray()
        try:
            async for chunk in chunks:
                gathered += chunk
                if len(gathered) >= _GATHERED:
                    await asyncio.to_thread(self._parser.write, bytes(gathered))
                    gathered.clear()
            await asyncio.to_thread(self._parser.write, bytes(gathered))
        except FormParserError as exc:
            raise BadRequestError(f"the form cannot be read: {exc}.", remedy="Send a well-formed form.") from exc
        if not self._ended:
            raise BadRequestError("the form ends in the middle.", remedy="Send it whole.")
        if not self.parts:
            raise BadRequestError("there are no files.", remedy="Send them in the field `files`.", field="files")

    def discard(self) -> None:
        """Closes and removes what was not put in its place."""
        if self._open is not None:
            self._open.discard()
        for part in self.parts:
            part.temporary.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._headers = {}
        self._field = self._value = b""

    def _name(self, data: bytes) -> None:
        self._field += data

    def _add(self, data: bytes) -> None:
        self._value += data

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _start_file(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"filename" not in options:
            return
        if options.get(b"name") != b"files":
            raise BadRequestError("a file is in another field than `files`.", remedy="Use `files`.", field="files")
        if len(self.parts) >= MOST_FILES:
            raise BadRequestError(f"there are more than {MOST_FILES} files.", remedy="Send fewer.", field="files")
        original = plain_name(options[b"filename"].decode("utf-8", "replace"))
        type_of(self._headers.get(b"content-type", b"").decode("latin-1"), original)
        self._open = Receiving(self._folder, original, most=MOST_BYTES, disk=self._disk)

    def _write(self, data: bytes) -> None:
        if self._open is None:
            return
        if self._open.size + len(data) > MOST_BYTES:
            raise TooLargeError(
                f"{self._open.original[:200]!r} is too large.", remedy=f"At most {MOST_BYTES:,} bytes.", field="files"
            )
        self._open.write(data)

    def _end_part(self) -> None:
        if self._open is None:
            return
        try:
            part = self._open.complete()
        except InvalidInputError as exc:
            raise BadRequestError(exc.message, remedy=exc.remedy, field="files") from exc
        self.parts.append(part)
        self._open = None

    def _end(self) -> None:
        self._ended = True


__all__ = ["MOST_BYTES", "MOST_FILES", "Batch", "Disk", "receive_batch", "safe_name", "type_of"]
