"""A thing as its files tell it: read into a :class:`State`, and what the index keeps of it."""

from __future__ import annotations

import os
from binascii import crc32

from fairlead.store.ticket_index import IndexedThing
from fairlead.tickets import change as records
from fairlead.tickets import files, layout
from fairlead.tickets.fields import (
    BODIES,
    FIELDS,
    FINISHED_STATUSES,
    FORMAT_VERSION,
    PRIORITIES,
    SETS,
    THINGS,
)
from fairlead.tickets.files import Document
from fairlead.tickets.state import EntryState, State, read_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairlead.tickets.intents import Writes
    from fairlead.tickets.outcomes import Change

    Stat = tuple[int, int, int, int]
    Record = tuple[str, str, str]
    """Change id, time, text."""

FINISHED_ANY = (*FINISHED_STATUSES, "completed", "done")
_RACY_NS = 20_000_000
_MACHINERY = ("version", "kind", files.LITERAL)


class Reading:
    """What was read of one thing: its state, its history, the bytes and stats of its files."""

    __slots__ = ("data", "entry_files", "records", "stat", "state")

    def __init__(
        self, state: State, history: list[Record], data: bytes, entry_files: dict[str, tuple[str, bytes]], stat: Stat
    ) -> None:
        self.state = state
        self.records = history
        self.data = data
        self.entry_files = entry_files
        self.stat = stat


class _Source:
    """The files of one thing, with those of an unfinished write laid over them."""

    def __init__(self, tickets: str, thing_id: str, overlay: Writes) -> None:
        self.tickets = tickets
        self.id = thing_id
        self.overlay = {
            name: content
            for name, content in overlay.items()
            if name == f"{thing_id}.md" or name.startswith(f"{thing_id}/")
        }
        self.problems: list[str] = []

    def main(self) -> tuple[bytes, tuple[int, int, int]] | None:
        name = f"{self.id}.md"
        if name in self.overlay:
            content = self.overlay[name]
            return None if content is None else (content, (0, 0, 0))
        found = self._read(name)
        if found is None:
            return None
        data, stat = found
        return data, (stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def names(self) -> tuple[list[str], int]:
        """File names in the folder, sorted, and the folder's time of change."""
        folder = os.path.join(self.tickets, self.id)
        mtime = 0
        names: set[str] = set()
        try:
            stat = os.lstat(folder)
            if stat.st_mode & 0o170000 == 0o120000:
                self.problems.append(f"{self.id}:1: this folder is a symbolic link and is not followed")
            else:
                names = set(os.listdir(folder))
                mtime = stat.st_mtime_ns
        except FileNotFoundError:
            mtime = 0
        except OSError as exc:
            self.problems.append(f"{self.id}:1: {exc.strerror}")
        for name, content in self.overlay.items():
            inner = name.partition("/")[2]
            if inner:
                names.discard(inner) if content is None else names.add(inner)
        return sorted(names), -1 if self.overlay else mtime

    def read(self, name: str) -> bytes | None:
        path = f"{self.id}/{name}"
        content = self.overlay.get(path)
        if content is not None:
            return content
        found = self._read(path)
        return None if found is None else found[0]

    def _read(self, name: str) -> tuple[bytes, os.stat_result] | None:
        try:
            descriptor = os.open(os.path.join(self.tickets, name), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None
        except OSError as exc:
            why = "is a symbolic link and is not followed" if exc.errno == 40 else exc.strerror
            self.problems.append(f"{name}:1: {why}")
            return None
        try:
            stat = os.fstat(descriptor)
            chunks = []
            while chunk := os.read(descriptor, max(65536, stat.st_size + 1)):
                chunks.append(chunk)
                if len(chunk) <= stat.st_size:
                    break
            return b"".join(chunks), stat
        except OSError as exc:
            self.problems.append(f"{name}:1: {exc.strerror}")
            return None
        finally:
            os.close(descriptor)


def read_thing(tickets: str, thing_id: str, overlay: Writes, now_ns: int = 0) -> Reading | None:
    """Reads a thing from disk; None when it has no file. Faults are in the state's ``problems``.

    With ``now_ns`` (the time at which reading began) a file that changed a moment before counts as not yet settled,
    since a second change within the same tick of the file system's clock could not be told from the first.
    """
    source = _Source(tickets, thing_id, overlay)
    found = source.main()
    if found is None:
        if not source.problems:
            return None
        found = (b"", (0, 0, 0))
    data, stat = found
    if now_ns and abs(now_ns - stat[1]) < _RACY_NS:
        stat = (stat[0], -1, stat[2])
    state = _state_of(thing_id, data, source.problems) if data or not source.problems else _unreadable(thing_id)
    names, folder_time = source.names()
    history, entry_files = _read_folder(state, names, source)
    state.problems = tuple(source.problems)
    reading = Reading(state, history, data, entry_files, (*stat, folder_time))
    settle(reading)
    return reading


def settle(reading: Reading) -> None:
    """Sets what follows from the rest: the times of the latest change and of closing, and the revision."""
    state, history = reading.state, reading.records
    state.touched = max((at for _, at, _ in history), default="") or None
    state.closed = (closing_time(history) or state.touched) if state.values.get("status") in FINISHED_ANY else None
    parts = [(name, data) for name, data in reading.entry_files.values()]
    parts += [(layout.mark_name(name, member), b"") for name, members in state.sets.items() for member in members]
    if state.deleted:
        parts.append((layout.DELETED, b""))
    check = crc32(reading.data)
    for name, data in sorted(parts):
        check = crc32(data, crc32(name.encode("utf-8", "surrogateescape"), check))
    state.revision = f"{check:08x}"


def _unreadable(thing_id: str) -> State:
    state = State("ticket", thing_id, {})
    return _fill(state, {}, "", lambda _name, _text: None)


def _state_of(thing_id: str, data: bytes, problems: list[str]) -> State:
    name = f"{thing_id}.md"
    document = files.parse(data, name)
    conflicts: tuple[str, ...] = ()
    if document.conflicted:
        from fairlead.tickets.merge import settle_text

        document, conflicts = settle_text(data, name)
    problems += [str(p) for p in document.problems]
    kind = document.fields.get("kind", "ticket")
    if kind not in THINGS:
        problems.append(f"{name}:{files.line_of(data, 'kind')}: kind is {kind!r}, not one of {', '.join(THINGS)}")
        kind = "ticket"
    state = State(kind, thing_id, {})
    state.conflicts = conflicts
    state.version = _version(document, data, name, problems)

    def report(field: str, text: str) -> None:
        problems.append(f"{name}:{files.line_of(data, field)}: {text}")

    _fill(state, document.fields, document.body, report)
    if document.readable and not state.values["title"]:
        report("title", "title is empty")
    return state


def _version(document: Document, data: bytes, name: str, problems: list[str]) -> int:
    text = document.fields.get("version", str(FORMAT_VERSION))
    if not text.isdigit():
        problems.append(f"{name}:{files.line_of(data, 'version')}: version is {text!r}, not a number")
        return FORMAT_VERSION
    return int(text)


def _fill(state: State, fields: Mapping[str, str], body: str, report: Any) -> State:
    state.values = _values(state.kind, fields, body, report)
    known = {f.name for f in FIELDS[state.kind]}
    state.extras = {k: v for k, v in fields.items() if k not in known and k not in _MACHINERY}
    return state


def _values(kind: str, fields: Mapping[str, str], body: str, report: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in FIELDS[kind]:
        name = field.name
        text = fields.get(name, "")
        kind_of = field.type
        if not text:
            values[name] = () if kind_of == "lines" else field.default
        elif kind_of == "line" or (kind_of == "choice" and text in field.choices):
            values[name] = text
        else:
            try:
                values[name] = read_value(field, text)
            except ValueError as exc:
                report(name, str(exc))
                values[name] = field.default
    values[BODIES[kind]] = body
    if "title" in values and values["title"] is None:
        values["title"] = ""
    return values


def _read_folder(state: State, names: list[str], source: _Source) -> tuple[list[Record], dict[str, tuple[str, bytes]]]:
    """Marks, entries and history out of a thing's folder."""
    history: list[Record] = [creation_record(state.id, state.kind, state.values)]
    entry_files: dict[str, tuple[str, bytes]] = {}
    if not names:
        return history, entry_files
    sets: dict[str, list[str]] = {}
    entries: list[EntryState] = []
    for name in names:
        mark = layout.read_mark(name)
        if mark is not None:
            if mark[0] in SETS[state.kind]:
                sets.setdefault(mark[0], []).append(mark[1])
            continue
        if name == layout.DELETED:
            state.deleted = True
            continue
        parts = layout.read_entry_name(name)
        if parts is None:
            if not name.startswith("."):
                source.problems.append(f"{state.id}/{name}:1: a file of this name does not belong here")
            continue
        data = source.read(name)
        if data is None:
            continue
        if parts[1] == "change":
            history.append((parts[2], layout.read_stamp(parts[0]), data.decode("utf-8", "replace")))
            continue
        entry = _entry(state.id, name, parts, data, source.problems)
        entries.append(entry)
        entry_files[entry.id] = (name, data)
        history.append(entry_record(entry))
    state.sets = {name: tuple(sorted(members)) for name, members in sets.items()}
    state.entries = tuple(entries)
    return history, entry_files


def _entry(thing_id: str, name: str, parts: tuple[str, str, str], data: bytes, problems: list[str]) -> EntryState:
    path = f"{thing_id}/{name}"
    document = files.parse(data, path)
    if document.conflicted:
        from fairlead.tickets.merge import settle_text

        document, _ = settle_text(data, path)
    problems += [str(p) for p in document.problems]
    kind = parts[1]

    def report(field: str, text: str) -> None:
        problems.append(f"{path}:{files.line_of(data, field)}: {text}")

    values = _values(
        kind, document.fields, document.body if document.readable else data.decode("utf-8", "replace"), report
    )
    if values.get("created_at") is None:
        values["created_at"] = layout.read_stamp(parts[0])
    known = {f.name for f in FIELDS[kind]}
    extras = {k: v for k, v in document.fields.items() if k not in known and k not in _MACHINERY}
    return EntryState(kind, parts[2], values, extras, _version(document, data, path, problems))


def creation_record(thing_id: str, kind: str, values: Mapping[str, Any]) -> Record:
    """The record of a thing's creation, told by its own file."""
    at = values.get("created_at") or ""
    title = str(values.get("title") or "")
    text = f"at: {at}\nby: {values.get('reporter') or ''}\naction: create {kind}\n\ntitle\n+ {title}\n"
    return (f"{thing_id}.created", at, text)


def entry_record(entry: EntryState) -> Record:
    """The record of an entry's addition, told by its own file."""
    at = str(entry.values["created_at"])
    body = str(entry.values.get("title") or entry.values.get(BODIES[entry.kind]) or "")[:200]
    lines = "\n".join(f"+ {line}" for line in body.split("\n"))
    status = f"\n\nstatus\n+ {entry.values['status']}" if entry.values.get("status") else ""
    kind = f"\n\ntype\n+ {entry.values['type']}" if entry.values.get("type") else ""
    head = f"at: {at}\nby: {entry.values.get('author') or ''}\naction: add {entry.kind}"
    return (entry.id, at, f"{head}\n\n{entry.kind}\n{lines}{status}{kind}\n")


def closing_time(history: Sequence[Record]) -> str | None:
    """The time of the latest record that set the status to a finished one."""
    closed = None
    for _, at, text in sorted(history, key=lambda r: (r[1], r[0])):
        start = text.find("\n\nstatus\n")
        if start >= 0 and "action: add " not in text[:start]:
            part = text[start + 9 :].split("\n\n", 1)[0]
            after = next((line[2:] for line in part.split("\n") if line.startswith("+ ")), "")
            closed = at if after in FINISHED_ANY else None
    return closed


# ── for the index ────────────────────────────────────────────────────────────────────────────────────────────────


def indexed(reading: Reading) -> IndexedThing:
    """What the index keeps."""
    state = reading.state
    return IndexedThing(
        thing_row(state),
        state.sets.get("labels", ()),
        edge_rows(state),
        text_of(state),
        reading.records,
        state.problems,
        reading.stat,
    )


def thing_row(state: State) -> tuple[Any, ...]:
    """The columns of ``fairlead.store.ticket_sql``."""
    values = state.values
    get = values.get
    priority = get("priority")
    return (
        state.id,
        state.kind,
        get("title"),
        get("status"),
        PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES),
        get("type"),
        get("assignee") or get("owner"),
        get("assigned_agent"),
        get("epic_id"),
        get("parent_ticket_id"),
        get("reporter"),
        get("created_at"),
        state.touched,
        state.closed,
        get("due_date") or get("target_date"),
        get("story_points") or get("estimated_story_points"),
        get("estimated_hours"),
        get("risk"),
        get("business_value"),
        int(state.deleted),
        int(bool(state.problems)),
        state.revision,
    )


def edge_rows(state: State) -> list[tuple[str, str]]:
    return [
        (name, other) for name in ("blocked_by", "related_to", "discovered_from") for other in state.sets.get(name, ())
    ]


def text_of(state: State) -> tuple[str, str, str, str]:
    """Title, body, notes and further words for full text."""
    title, body = str(state.values.get("title") or ""), str(state.values.get("description") or "")
    notes = "\n".join(
        str(entry.values[name])
        for entry in state.entries
        for name in ("title", "persona", "goal", "benefit", BODIES[entry.kind])
        if entry.values.get(name)
    )
    labels = " ".join(state.sets.get("labels", ()))
    extras = "\n".join(v for v in state.extras.values() if " " in v)
    if extras:
        notes = f"{notes}\n{extras}"
    return title, body, notes, f"{state.id} {labels} {split_words(f'{title} {body} {notes}')}".strip()


def split_words(text: str) -> str:
    """The parts of words written together, so that ``config`` finds ``parseConfig`` (underscores part words anyway)."""
    joined = {word for word in text.split() if word[1:] != word[1:].lower()}
    if not joined:
        return ""
    import re

    parts: list[str] = []
    for word in {w for w in re.findall(r"\w+", " ".join(joined)) if re.search("[a-z0-9][A-Z]", w)}:
        parts += re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", word)
    return " ".join(parts)


def change_of(record: Record, thing_id: str) -> Change:
    """The parsed change of a record."""
    return records.parse(record[2], thing_id, record[0])
