"""The session of a board of files: what a unit puts, as the files to write and as how they were."""

from __future__ import annotations

import os

from fairlead.errors import ConflictError, RefusedError, SchemaNewerError
from fairlead.tickets import intents, layout
from fairlead.tickets.changing import changed_files, new_files
from fairlead.tickets.fields import FORMAT_VERSION
from fairlead.tickets.reading import Reading, read_thing
from fairlead.tickets.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fairlead.tickets.outcomes import Change
    from fairlead.tickets.reading import Record
    from fairlead.tickets.state import State


class FileSession(Session):
    """States as the files have them now. ``writes`` is path -> new content of what was put."""

    def __init__(self, board: Any) -> None:
        super().__init__(board.index.rows, board.board)
        self._tickets = board.place.tickets
        self.writes: dict[str, bytes | None] = {}
        self._undo: dict[str, bytes | None] = {}

    def _taken(self, thing_id: str) -> bool:
        return any(os.path.lexists(f"{self._tickets}/{name}") for name in (f"{thing_id}.md", thing_id))

    def _read(self, thing_id: str) -> Reading | None:
        return read_thing(self._tickets, thing_id, {}) if layout.is_thing_id(thing_id) else None

    def _made(self, state: State, history: list[Record]) -> Reading:
        writes = new_files(state)
        self._write(writes, dict.fromkeys(writes))
        return Reading(state, history, writes[f"{state.id}.md"], _entry_files(writes), (0, 0, 0, 0))

    def _changed(self, reading: Reading, new: State, change: Change | None, history: list[Record]) -> Reading:
        _check_writable(reading, self._tickets)
        writes = changed_files(reading, new, change)
        self._write(writes, {path: _before(reading, path, self._tickets) for path in writes})
        data = writes.get(f"{new.id}.md") or reading.data
        return Reading(new, history, data, {**reading.entry_files, **_entry_files(writes)}, reading.stat)

    def _write(self, writes: Mapping[str, bytes | None], before: Mapping[str, bytes | None]) -> None:
        self.writes.update(writes)
        for path, content in before.items():
            self._undo.setdefault(path, content)

    def forget(self) -> None:
        super().forget()
        self.writes.clear()

    def restore(self) -> None:
        """Puts the files back as they were, after a write that the system refused half way."""
        intents.carry_out(self._tickets, {p: c for p, c in self._undo.items() if c is None})
        intents.carry_out(self._tickets, {p: c for p, c in self._undo.items() if c is not None})
        for thing_id in self.created:
            if os.path.isdir(folder := f"{self._tickets}/{thing_id}"):
                os.rmdir(folder)


def _entry_files(writes: Mapping[str, bytes | None]) -> dict[str, tuple[str, bytes]]:
    found = {}
    for path, content in writes.items():
        name = path.partition("/")[2]
        parts = layout.read_entry_name(name) if name and content else None
        if parts is not None and parts[1] != "change" and content:
            found[parts[2]] = (name, content)
    return found


def _before(reading: Reading, path: str, tickets: str) -> bytes | None:
    if path == f"{reading.state.id}.md":
        return reading.data
    name = path.partition("/")[2]
    for known, data in reading.entry_files.values():
        if known == name:
            return data
    return b"" if os.path.lexists(os.path.join(tickets, path)) else None


def _check_writable(reading: Reading, tickets: str) -> None:
    state = reading.state
    for name in (f"{state.id}.md", state.id):
        if os.path.islink(os.path.join(tickets, name)):
            raise RefusedError(
                f"{name} is a symbolic link, and nothing is written through one.",
                remedy="Put a plain file or folder in its place.",
                path=name,
            )
    newest = max([state.version, *(entry.version for entry in state.entries)])
    if newest > FORMAT_VERSION:
        raise SchemaNewerError(
            f"{state.id} is written in format {newest} and this Fairlead writes format {FORMAT_VERSION}.",
            remedy="Update Fairlead. It can be read meanwhile; nothing was changed.",
            id=state.id,
            version=newest,
        )
    if state.conflicts or not reading.data.lstrip(b"\xef\xbb\xbf").startswith((b"---\n", b"---\r\n")):
        raise ConflictError(
            f"{state.id} has unsettled merge conflicts or cannot be read: {'; '.join(state.problems)}.",
            remedy="Run `fairlead ticket doctor --fix`, or mend the file by hand.",
            id=state.id,
        )
