"""Uploads: several files at once, streamed to disk, each whole or not there, under names of their own.

A file is written beside its place and moved there once it is complete, so a process that dies leaves no half file under
a name that was answered. How a batch ends is told per file: what was kept, and what was not and why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fairlead.clock import Clock, isoformat
from fairlead.errors import InvalidInputError, RefusedError
from fairlead.ids import new_id
from fairlead.pipeline.formats.content_type import Told, tell
from fairlead.tenancy import Tenant

MOST_FILES = 20
MOST_BYTES = 100 * 1024 * 1024
_BLOCK = 1024 * 1024

Given = str | Path | tuple[str, bytes] | tuple[str, BinaryIO]
"""A file's path, or a name with its bytes or with an open binary file."""


class Disk(NamedTuple):
    """What is asked of the file system: to put a file in its place, and to have written what was given to it."""

    move: Callable[[Path, Path], None] = os.replace
    sync: Callable[[int], None] = os.fsync


DISK = Disk()


class Part(NamedTuple):
    """One file as it came in: complete on disk, not yet in its place."""

    original: str
    told: Told
    temporary: Path
    size: int


class Kept(NamedTuple):
    """One file in its place. ``key`` is ``uploads/NAME``, which callers use; no ``kind`` when nothing reads it."""

    original: str
    key: str
    path: Path
    size: int
    type: str
    kind: str

    def to_dict(self) -> dict[str, Any]:
        return {"originalName": self.original, "path": self.key, "size": self.size, "type": self.type}


class Failure(NamedTuple):
    """One file that was not kept, and what to do."""

    original: str
    error: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return {"originalName": self.original, "error": self.error}


class UploadResult(NamedTuple):
    """How a batch ended. ``success`` only when every file was kept; ``jobs`` are those that will take them in."""

    files: tuple[Kept, ...]
    failures: tuple[Failure, ...]
    jobs: tuple[str, ...] = ()
    duration_ms: float = 0.0

    @property
    def success(self) -> bool:
        return not self.failures

    @property
    def partial_success(self) -> bool:
        return bool(self.files) and bool(self.failures)

    def to_dict(self) -> dict[str, Any]:
        """The shape that clients of batch uploads know."""
        value: dict[str, Any] = {
            "success": self.success,
            "files": [kept.to_dict() for kept in self.files],
            "count": len(self.files),
        }
        if self.failures:
            value |= {
                "partialSuccess": self.partial_success,
                "failures": [failure.to_dict() for failure in self.failures],
                "failureCount": len(self.failures),
            }
        if self.jobs:
            value["jobs"] = [*self.jobs]
        value["duration"] = round(self.duration_ms, 3)
        return value


def folder_of(home: Path, tenant: Tenant) -> Path:
    """Where the files of a tenant's workspace lie."""
    return home / "uploads" / tenant.tenant_id / tenant.workspace_id


class Receiving:
    """A file that comes in piece by piece: nothing of it is there before :meth:`complete`.

    Raises :class:`InvalidInputError` when it grows beyond ``most`` bytes, is empty, or is of no type that is taken.
    """

    def __init__(self, folder: Path, original: str, *, most: int | None = None, disk: Disk = DISK) -> None:
        self.original = plain_name(original)
        self.size = 0
        self._disk = disk
        self._most = MOST_BYTES if most is None else most
        self._temporary = folder / f".{new_id('part')}.part"
        self._file: BinaryIO | None = self._temporary.open("xb")

    def write(self, data: bytes) -> None:
        assert self._file is not None
        self.size += len(data)
        if self.size > self._most:
            raise InvalidInputError(
                f"{self.original[:200]!r} is too large.", remedy=f"At most {self._most:,} bytes.", field="files"
            )
        self._file.write(data)

    def complete(self) -> Part:
        """The file, on the disk and looked at."""
        assert self._file is not None
        self._file.flush()
        self._disk.sync(self._file.fileno())
        self._close()
        if self.size == 0:
            raise InvalidInputError(f"{self.original[:200]!r} is empty.", remedy="Leave it out.", field="files")
        return Part(self.original, tell(self._temporary, self.original), self._temporary, self.size)

    def discard(self) -> None:
        """Removes what came in, unless it was put in its place."""
        self._close()
        self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def receive_all(files: Iterable[Given], folder: Path, clock: Clock, *, disk: Disk = DISK) -> UploadResult:
    """Takes files one after the other; what cannot be taken is told, and does not stop the others."""
    began = clock.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = []
    failures: list[Failure] = []
    for given in files:
        name = str(given[0]) if isinstance(given, tuple) else Path(given).name
        try:
            parts.append(_received(given, name, folder, disk))
        except RefusedError as exc:
            failures.append(Failure(plain_name(name), exc.message, exc.remedy))
        except OSError as exc:
            failures.append(Failure(plain_name(name), exc.strerror or type(exc).__name__, "Check the file."))
    placed = place(parts, folder, clock, disk=disk)
    failed = (*failures, *placed.failures)
    return placed._replace(failures=failed, duration_ms=(clock.monotonic() - began) * 1000)


def _received(given: Given, name: str, folder: Path, disk: Disk) -> Part:
    receiving = Receiving(folder, name, disk=disk)
    try:
        for block in _blocks(given):
            receiving.write(block)
        part = receiving.complete()
        if not part.told.kind:
            raise InvalidInputError(
                f"{part.original[:200]!r} is of type {part.told.type}, which nothing reads.",
                remedy="Give text, Markdown, HTML, JSON, CSV, captions, PDF or Word.",
                field="files",
            )
    except BaseException:
        receiving.discard()
        raise
    return part


def place(parts: Sequence[Part], folder: Path, clock: Clock, *, disk: Disk = DISK) -> UploadResult:
    """Moves complete files to their places, under names that no other file has; what is kept survives a power cut."""
    stamp = isoformat(clock.now())[:19].replace(":", "-")
    kept: list[Kept] = []
    failures: list[Failure] = []
    for part in parts:
        # The time alone would give two files of one second the same place.
        name = f"{stamp}_{new_id('up')}_{safe_name(part.original)}"[:255]
        try:
            disk.move(part.temporary, folder / name)
        except OSError as exc:
            part.temporary.unlink(missing_ok=True)
            failures.append(
                Failure(part.original, exc.strerror or type(exc).__name__, "Free space, then send it again.")
            )
        else:
            kept.append(Kept(part.original, f"uploads/{name}", folder / name, part.size, *part.told))
    if kept:
        _sync_folder(folder, disk)
    return UploadResult(tuple(kept), tuple(failures))


def _sync_folder(folder: Path, disk: Disk) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        disk.sync(number)
    finally:
        os.close(number)


def _blocks(given: Given) -> Iterable[bytes]:
    if isinstance(given, tuple):
        content = given[1]
        if isinstance(content, (bytes, bytearray)):
            yield content
            return
        while block := content.read(_BLOCK):
            yield block
        return
    path = Path(given)
    if not path.is_file():
        raise InvalidInputError(f"{str(given)!r} is no file.", remedy="Give an existing file.", field="files")
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


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


def plain_name(name: str) -> str:
    """The name without control characters, for the answer; where it is kept is another name."""
    return "".join(c if c.isprintable() else "_" for c in name)[:1000] or "unnamed"
