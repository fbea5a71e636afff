"""Uploads: several files in one multipart request, streamed to disk, each whole or not there.

A file is written beside its place and moved there once it is complete, so a process that dies leaves no half file under
a name that was answered. The answers are those that clients of batch uploads know: 200 all kept, 207 some, 500 none,
and 400 or 413 when the batch cannot be taken, of which nothing is kept then.
"""

from __future__ import annotations

import asyncio
import errno
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from fairlead.clock import Clock, isoformat
from fairlead.errors import StoreFullError
from fairlead.ids import new_id
from fairlead.server.problems import BadRequestError, TooLargeError

MOST_FILES = 20
MOST_BYTES = 100 * 1024 * 1024
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


class Part(NamedTuple):
    """One file as it came in: complete on disk, not yet in its place."""

    original: str
    type: str
    temporary: Path
    size: int


class Batch(NamedTuple):
    """How a batch ended: the HTTP status and the answer."""

    status: int
    answer: dict[str, Any]
    kept: tuple[dict[str, Any], ...]


class Disk(NamedTuple):
    """What is asked of the file system: to put a file in its place, and to have written what was given to it."""

    move: Callable[[Path, Path], None] = os.replace
    sync: Callable[[int], None] = os.fsync


_DISK = Disk()


async def receive_batch(
    content_type: str, chunks: AsyncIterator[bytes], folder: Path, clock: Clock, *, disk: Disk = _DISK
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
        return await asyncio.to_thread(_place, form.parts, folder, clock, began, disk)
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreFullError("there is no room left for the files.", remedy="Free some, and send them again.") from exc
    finally:
        await asyncio.to_thread(form.discard)


def _place(parts: list[Part], folder: Path, clock: Clock, began: float, disk: Disk) -> Batch:
    stamp = isoformat(clock.now())[:19].replace(":", "-")
    kept: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    for part in parts:
        # The time alone would give two files of one second the same place.
        name = f"{stamp}_{new_id('up')}_{safe_name(part.original)}"[:255]
        try:
            disk.move(part.temporary, folder / name)
        except OSError as exc:
            failures.append({"originalName": part.original, "error": exc.strerror or type(exc).__name__})
        else:
            kept.append(
                {"originalName": part.original, "path": f"uploads/{name}", "size": part.size, "type": part.type}
            )
    if kept:
        _sync_folder(folder, disk)
    answer: dict[str, Any] = {"success": not failures, "files": kept, "count": len(kept)}
    if failures:
        answer |= {"partialSuccess": bool(kept), "failures": failures, "failureCount": len(failures)}
    answer["duration"] = round((clock.monotonic() - began) * 1000, 3)
    return Batch(200 if not failures else 207 if kept else 500, answer, tuple(kept))


def _sync_folder(folder: Path, disk: Disk) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        disk.sync(number)
    finally:
        os.close(number)


def safe_name(original: str) -> str:
    """The last component of a name with nothing in it that a file system or a shell could misread."""
    name = re.split(r"[/\\]", original)[-1].replace("..", "_")
    name = re.sub(r"[^a-zA-Z0-9._-]", "_", name)
    name = re.sub(r"^\.+", lambda dots: "_" * len(dots[0]), name)
    # Room is left for what is put before it.
    stem, dot, ending = name.rpartition(".")
    if len(name) > 180:
        name = f"{stem[: 180 - len(ending) - 1]}{dot}{ending}" if dot and len(ending) < 20 else name[:180]
    return name or "unnamed"


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
        self._file: BinaryIO | None = None
        self._open: Part | None = None
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
        if self._file is not None:
            self._file.close()
        for part in (*self.parts, *((self._open,) if self._open else ())):
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
        original = _plain_name(options[b"filename"].decode("utf-8", "replace"))
        kind = type_of(self._headers.get(b"content-type", b"").decode("latin-1"), original)
        temporary = self._folder / f".{new_id('part')}.part"
        self._open = Part(original, kind, temporary, 0)
        self._file = temporary.open("xb")

    def _write(self, data: bytes) -> None:
        if self._file is None or self._open is None:
            return
        size = self._open.size + len(data)
        if size > MOST_BYTES:
            raise TooLargeError(
                f"{self._open.original[:200]!r} is too large.", remedy=f"At most {MOST_BYTES:,} bytes.", field="files"
            )
        self._file.write(data)
        self._open = self._open._replace(size=size)

    def _end_part(self) -> None:
        if self._file is None or self._open is None:
            return
        self._file.flush()
        self._disk.sync(self._file.fileno())
        self._file.close()
        self._file = None
        if self._open.size == 0:
            raise BadRequestError(f"{self._open.original[:200]!r} is empty.", remedy="Leave it out.", field="files")
        self.parts.append(self._open)
        self._open = None

    def _end(self) -> None:
        self._ended = True


def _plain_name(name: str) -> str:
    """The name without control characters, for the answer; where it is kept is another name."""
    return "".join(c if c.isprintable() else "_" for c in name)[:1000] or "unnamed"


__all__ = ["MOST_BYTES", "MOST_FILES", "Batch", "Disk", "receive_batch", "safe_name", "type_of"]
