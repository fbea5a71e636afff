"""Files and folders of this machine, and standard input, as a source."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.pipeline.sources import on_disk
from fairlead.pipeline.sources.port import START, Discovery, Found, Position, Record, Transcript
from fairlead.pipeline.sources.watching import choose, unchanged

STDIN = "-"
MEDIA = frozenset({".aac", ".flac", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".ogg", ".opus", ".wav", ".webm"})
"""Endings of files that can be listened to and not read."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MOST_STDIN = 20_000_000


class FileSource:
    """What lies on this machine. ``read_stdin`` gives at most so many bytes of standard input; it is read once.

    A folder is looked at by when its files last changed: a later look finds those that changed since.
    """

    name = "file"

    def __init__(self, read_stdin: Callable[[int], bytes] | None = None) -> None:
        self._read_stdin = read_stdin
        self._stdin: bytes | None = None

    def accepts(self, address: str) -> bool:
        return bool(address) and not _SCHEME.match(address) and "\x00" not in address

    async def discover(self, address: str, position: Position = START, limit: int = 50) -> Discovery:
        if address == STDIN:
            record = await self.metadata(STDIN)
            return choose([Found(record.external_id, STDIN, record.title)], position, limit=limit)
        listed = await asyncio.to_thread(_list, Path(address).expanduser())
        state = hashlib.sha256(repr([(found.external_id, changed) for changed, found in listed]).encode()).hexdigest()
        if position.etag == state:
            return unchanged(position)
        if not position.cursor:
            found = choose((found for _, found in listed), position, limit=limit)
        else:
            since = int(position.cursor)
            # Whatever is named as seen is not in the list: a file that changed again is new again.
            newer = (found for changed, found in listed if changed > since)
            found = choose(newer, position._replace(last_seen="\x00"), limit=limit)
            if not found.items:
                found = found._replace(position=position)
        return _remembered(found, listed, state, position)

    async def metadata(self, address: str) -> Record:
        if address == STDIN:
            data = await asyncio.to_thread(self._stdin_bytes)
            digest = hashlib.sha256(data).hexdigest()[:16]
            return Record(self.name, f"stdin-{digest}", STDIN, "Standard input", kind="text")
        path = await asyncio.to_thread(_existing, address)
        changed = (await asyncio.to_thread(path.stat)).st_mtime
        return Record(
            self.name, str(path), str(path), on_disk.title_of(path.stem), published_at=max(changed, 1.0), kind="file"
        )

    async def transcript(self, address: str, record: Record) -> Transcript | None:
        if address == STDIN:
            return Transcript("text", await asyncio.to_thread(self._stdin_bytes), origin="file")
        path = await asyncio.to_thread(_existing, address)
        if path.suffix.lower() in MEDIA:
            return None
        (ref,) = await asyncio.to_thread(on_disk.discover, [path])
        data, form = await asyncio.to_thread(on_disk.read_bytes, ref)
        return Transcript(form, data, origin="file")

    async def media(self, address: str, record: Record, folder: Path) -> Path:
        path = await asyncio.to_thread(_existing, address) if address != STDIN else Path(STDIN)
        if path.suffix.lower() not in MEDIA:
            raise InvalidInputError(f"{address!r} holds no audio or video.", remedy="Read its text.", field="address")
        return await asyncio.to_thread(_link, path, folder / path.name)

    def _stdin_bytes(self) -> bytes:
        if self._stdin is None:
            data = self._read_stdin(_MOST_STDIN + 1) if self._read_stdin else b""
            if not data or len(data) > _MOST_STDIN:
                raise InvalidInputError(
                    "standard input is empty." if not data else f"standard input has more than {_MOST_STDIN:,} bytes.",
                    remedy="Send text, or give a file.",
                    field="address",
                )
            self._stdin = data
        return self._stdin


def _remembered(found: Discovery, listed: list[tuple[int, Found]], state: str, before: Position) -> Discovery:
    """The position after a look: the change of the newest item that was taken, and the state of the whole list when
    nothing was left over."""
    changes = {item.external_id: changed for changed, item in listed}
    head = found.position.last_seen
    cursor = str(changes.get(head, before.cursor or 0))
    left_over = any(changed > int(cursor) for changed, _ in listed)
    last_seen = before.last_seen if head == "\x00" else head
    return found._replace(position=Position(cursor, last_seen, "" if left_over else state))


def _existing(address: str) -> Path:
    path = Path(address).expanduser()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise NotFoundError(f"{address!r} {what}.", remedy="Give an existing file.", address=address)
    return path.resolve()


def _list(path: Path) -> list[tuple[int, Found]]:
    """When each file last changed (content or place, in nanoseconds) and the file, the latest first."""
    if path.is_file() and path.suffix.lower() in MEDIA:
        paths = [path.resolve()]
    else:
        paths = [Path(ref.path) for ref in on_disk.discover([path])]
        paths += _media_in(path.resolve()) if path.is_dir() else []
    listed: list[tuple[int, Found]] = []
    for each in paths:
        status = each.lstat()
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        listed.append((changed, Found(str(each), str(each), on_disk.title_of(each.stem), changed / 1e9)))
    return sorted(listed, key=lambda pair: (-pair[0], pair[1].url))


def _media_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(base, name) for name in sorted(names) if Path(name).suffix.lower() in MEDIA and name[0] != "."]
    return [path for path in found if not path.is_symlink()][: on_disk.MOST_FILES]


def _link(path: Path, target: Path) -> Path:
    """The file under another name in another folder, without a copy where the file system can do it."""
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
    return target
