"""Files of older formats brought up to date: with a backup, a dry run and a way back.

A step says which version it starts from and edits the text of one file. Reading never migrates: a file of an older
format is read as it is, and changed only by :func:`migrate` (or not at all). Format 0 is the layout that the
repository-ticket system wrote: YAML under ``open/``, ``closed/``, ``epics/`` and ``backlog/``.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from fairlead.clock import isoformat
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.tickets import files, intents, layout
from fairlead.tickets.fields import FORMAT_VERSION
from fairlead.tickets.old_format import convert, old_files

Step = Callable[[files.Document], dict[str, str]]

STEPS: dict[int, Step] = {}
"""Version -> the step from it to the next one: the fields to set. Format 1 is the first of this layout."""


def migrate(board: Any, *, dry_run: bool = False) -> dict[str, Any]:
    """Brings every file up to date in one write, after a backup in the clone's common folder.

    Answers with the files (old name, or old name and new), the backup's path, and what could not be read; such a file
    is left as it is. With ``dry_run`` nothing is written.
    """
    with board.writing():
        writes, failed = _planned(board.place.tickets)
        answer: dict[str, Any] = {"files": sorted(writes), "failed": failed, "dry_run": dry_run, "backup": None}
        if dry_run or not writes:
            return answer
        answer["backup"] = _back_up(board, writes)
        intents.put_down(board.place.own, writes)
        try:
            intents.carry_out(board.place.tickets, writes)
        except OSError as exc:
            take_back(board, answer["backup"], locked=True)
            raise intents.explained(exc, board.place.tickets) from exc
        finally:
            intents.take_up(board.place.own)
        board.refresh(force=True)
    return answer


def take_back(board: Any, backup: str, *, locked: bool = False) -> list[str]:
    """Puts the files of a backup back as they were, and removes those that the migration made."""
    path = os.path.join(_folder(board), os.path.basename(backup))
    if not os.path.exists(path):
        known = ", ".join(sorted(os.listdir(_folder(board)))) if os.path.isdir(_folder(board)) else "none"
        raise NotFoundError(f"there is no backup {backup!r}.", remedy=f"Known: {known}.", value=backup)
    if not locked:
        with board.writing():
            names = take_back(board, backup, locked=True)
            board.refresh(force=True)
            return names
    writes: dict[str, bytes | None] = {}
    with zipfile.ZipFile(path) as archive:
        made = json.loads(archive.read("made.json"))
        writes.update(dict.fromkeys(made, None))
        for name in archive.namelist():
            if name != "made.json":
                writes[name] = archive.read(name)
    intents.put_down(board.place.own, writes)
    intents.carry_out(board.place.tickets, writes)
    intents.take_up(board.place.own)
    return sorted(writes)


def _planned(tickets: str) -> tuple[dict[str, bytes | None], list[str]]:
    writes: dict[str, bytes | None] = {}
    failed: list[str] = []
    for name, data in _files(tickets):
        document = files.parse(data, name)
        text = document.fields.get("version", "1")
        if not document.readable or document.conflicted or not text.isdigit():
            continue
        version = int(text)
        if version < FORMAT_VERSION:
            try:
                writes[name] = _stepped(document, data, version)
            except InvalidInputError as exc:
                failed.append(f"{name}:1: {exc.message}")
    taken = {name.partition("/")[0].removesuffix(".md") for name, _ in _files(tickets)}
    for name, data in old_files(tickets):
        try:
            made = convert(name, data, taken)
        except InvalidInputError as exc:
            failed.append(f"{name}:1: {exc.message}")
            continue
        writes[name] = None
        writes.update(made)
    return writes, failed


def _stepped(document: files.Document, data: bytes, version: int) -> bytes:
    while version < FORMAT_VERSION:
        step = STEPS.get(version)
        if step is None:
            raise InvalidInputError(f"no step leads on from format {version}.", value=version)
        version += 1
        data = files.edit(data, {**step(document), "version": str(version)}, ["version", "kind"])
        document = files.parse(data, document.path)
    return data


def _files(tickets: str) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(tickets):
        folders[:] = sorted(f for f in folders if layout.is_thing_id(f) and not os.path.islink(os.path.join(folder, f)))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(".md") and name != "README.md" and not os.path.islink(path):
                with open(path, "rb") as file:
                    yield os.path.relpath(path, tickets).replace(os.sep, "/"), file.read()


def _folder(board: Any) -> str:
    return os.path.join(board.place.shared, "backups")


def _back_up(board: Any, writes: dict[str, bytes | None]) -> str:
    folder = _folder(board)
    os.makedirs(folder, exist_ok=True)
    stamp = layout.stamp(isoformat(board.clock.now()))
    path = os.path.join(folder, f"tickets-{stamp}.zip")
    made = []
    with zipfile.ZipFile(path + ".new", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in writes:
            source = os.path.join(board.place.tickets, name)
            if os.path.exists(source):
                archive.write(source, name)
            else:
                made.append(name)
        archive.writestr("made.json", json.dumps(made))
    os.rename(path + ".new", path)
    return path
