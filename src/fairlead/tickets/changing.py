"""From two states of a thing to what has to be written: files, and the record of the change."""

from __future__ import annotations

from fairlead.tickets import change as records
from fairlead.tickets import files, layout
from fairlead.tickets.fields import BODIES, FIELDS, FORMAT_VERSION, SETS, field_of
from fairlead.tickets.outcomes import Change
from fairlead.tickets.state import EntryState, show_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.tickets.change import Edit
    from fairlead.tickets.reading import Reading
    from fairlead.tickets.state import State


def edits_between(old: State, new: State) -> list[Edit]:
    """Every field, set member and entry field that differs, as (name, before, after) texts. New entries are not
    edits: their own files tell of them."""
    found = _field_edits(old.kind, old.values, new.values, "")
    for name in SETS[old.kind]:
        before, after = set(old.sets.get(name, ())), set(new.sets.get(name, ()))
        found += [(name, member, None) for member in sorted(before - after)]
        found += [(name, None, member) for member in sorted(after - before)]
    if old.deleted != new.deleted:
        found.append(("deleted", "yes" if old.deleted else None, "yes" if new.deleted else None))
    earlier = {entry.id: entry for entry in old.entries}
    for entry in new.entries:
        if entry.id in earlier and entry.values != earlier[entry.id].values:
            found += _field_edits(entry.kind, earlier[entry.id].values, entry.values, f"{entry.kind}.{entry.id}.")
    return found


def _field_edits(kind: str, old: Any, new: Any, prefix: str) -> list[Edit]:
    found: list[Edit] = []
    for field in FIELDS[kind]:
        before, after = show_value(field, old.get(field.name)), show_value(field, new.get(field.name))
        if before != after:
            found.append((prefix + field.name, before or None, after or None))
    body = BODIES[kind]
    if old.get(body, "") != new.get(body, ""):
        found.append((prefix + body, records.kept(old.get(body) or None), records.kept(new.get(body) or None)))
    return found


def new_files(state: State) -> dict[str, bytes]:
    """The files of a new thing."""
    writes = {f"{state.id}.md": render(state)}
    for name, members in state.sets.items():
        for member in members:
            writes[f"{state.id}/{layout.mark_name(name, member)}"] = b""
    for entry in state.entries:
        writes.update(entry_file(state.id, entry))
    return writes


def render(state: State) -> bytes:
    """The text of a thing's own file."""
    values = state.values
    rows = [("version", str(FORMAT_VERSION)), ("kind", state.kind)]
    rows += [(f.name, show_value(f, values.get(f.name))) for f in FIELDS[state.kind]]
    rows += state.extras.items()
    return _rendered(rows, values.get("description") or "")


def _rendered(rows: list[tuple[str, str]], body: str) -> bytes:
    if files.has_opening(body):
        rows.append((files.LITERAL, "conflict markers"))
    return files.render(rows, body)


def entry_file(thing_id: str, entry: EntryState) -> dict[str, bytes]:
    name = layout.entry_name(str(entry.values["created_at"]), entry.kind, entry.id)
    rows = [("version", str(FORMAT_VERSION))]
    rows += [(f.name, show_value(f, entry.values.get(f.name))) for f in FIELDS[entry.kind]]
    rows += entry.extras.items()
    return {f"{thing_id}/{name}": _rendered(rows, entry.values.get(BODIES[entry.kind]) or "")}


def changed_files(reading: Reading, new: State, change: Change | None) -> dict[str, bytes | None]:
    """The writes that turn what was read into ``new``; only the lines of changed fields change."""
    old = reading.state
    writes: dict[str, bytes | None] = {}
    order = [f.name for f in FIELDS[old.kind]]
    lines = _changed_lines(old.kind, old.values, new.values)
    lines |= {k: v for k, v in new.extras.items() if old.extras.get(k) != v}
    body = new.values["description"] if old.values["description"] != new.values["description"] else None
    if body is not None and files.has_opening(body):
        lines[files.LITERAL] = "conflict markers"
    if lines or body is not None:
        writes[f"{old.id}.md"] = files.edit(reading.data, lines, ["version", "kind", *order], body)
    for name in SETS[old.kind]:
        before, after = set(old.sets.get(name, ())), set(new.sets.get(name, ()))
        for member in after - before:
            writes[f"{old.id}/{layout.mark_name(name, member)}"] = b""
        for member in before - after:
            writes[f"{old.id}/{layout.mark_name(name, member)}"] = None
    if old.deleted != new.deleted:
        writes[f"{old.id}/{layout.DELETED}"] = b"" if new.deleted else None
    earlier = {entry.id: entry for entry in old.entries}
    for entry in new.entries:
        if entry.id not in earlier:
            writes.update(entry_file(old.id, entry))
        elif entry.values != earlier[entry.id].values:
            writes.update(_changed_entry(reading, earlier[entry.id], entry))
    if change is not None:
        writes[f"{old.id}/{layout.change_name(change.at, change.id)}"] = records.render(change).encode()
    return writes


def _changed_lines(kind: str, old: Any, new: Any) -> dict[str, str]:
    lines = {}
    for field in FIELDS[kind]:
        if old.get(field.name) != new.get(field.name):
            lines[field.name] = show_value(field, new.get(field.name))
    return lines


def _changed_entry(reading: Reading, old: EntryState, new: EntryState) -> dict[str, bytes | None]:
    name, data = reading.entry_files[old.id]
    body_name = BODIES[old.kind]
    body = new.values[body_name] if old.values[body_name] != new.values[body_name] else None
    order = ["version", *(f.name for f in FIELDS[old.kind])]
    lines = _changed_lines(old.kind, old.values, new.values)
    if body is not None and files.has_opening(body):
        lines[files.LITERAL] = "conflict markers"
    return {f"{reading.state.id}/{name}": files.edit(data, lines, order, body)}


def restored_value(kind: str, name: str, text: str | None) -> Any:
    """The typed value of a record's text, for undoing it."""
    from fairlead.tickets.state import read_value

    if name == BODIES[kind]:
        return text or ""
    field = field_of(kind, name)
    return None if field is None else read_value(field, text or "")
