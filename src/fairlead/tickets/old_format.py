"""Format 0: the YAML files of the repository-ticket system, read into files of today's format.

Its folder had ``open/``, ``closed/``, ``epics/`` and ``backlog/`` with one YAML file a thing; identifiers were the
title's first word and a number, and are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from fairlead.errors import FairleadError, InvalidInputError
from fairlead.tickets import layout
from fairlead.tickets.changing import new_files
from fairlead.tickets.fields import BODIES, FIELDS, SETS
from fairlead.tickets.model import ENTRY_PLACES
from fairlead.tickets.state import EntryState, State, checked, defaults

_FOLDERS = {"open": "ticket", "closed": "ticket", "epics": "epic", "backlog": "backlog"}
_TEXTS = {"comment": ("content", "text"), "journal": ("content", "text"), "time": ("description", "notes")}
_RENAMED = {"item_type": "type", "log_type": "type", "entry_type": "type", "hours": "duration_minutes"}


def old_files(tickets: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file of format 0 under a board."""
    for folder in _FOLDERS:
        path = os.path.join(tickets, folder)
        if os.path.isdir(path) and not os.path.islink(path):
            for name in sorted(os.listdir(path)):
                if name.endswith((".yaml", ".yml")):
                    with open(os.path.join(path, name), "rb") as file:
                        yield f"{folder}/{name}", file.read()


def convert(name: str, data: bytes, taken: set[str]) -> dict[str, bytes]:
    """The files of today's format; :class:`InvalidInputError` says what cannot be carried over."""
    try:
        found = yaml.safe_load(data)
    except yaml.YAMLError as exc:
        raise InvalidInputError(f"not YAML: {' '.join(str(exc).split())}.", value=name) from exc
    if not isinstance(found, dict):
        raise InvalidInputError("not a mapping.", value=name)
    kind = _FOLDERS[name.partition("/")[0]]
    thing_id = str(found.get("id") or os.path.splitext(os.path.basename(name))[0])
    if not layout.is_thing_id(thing_id) or thing_id in taken:
        raise InvalidInputError(f"identifier {thing_id!r} cannot be used or is taken.", value=thing_id)
    try:
        state = _state(kind, thing_id, found)
    except FairleadError as exc:
        raise InvalidInputError(exc.message, value=name) from exc
    taken.add(thing_id)
    return new_files(state)


def _state(kind: str, thing_id: str, found: Mapping[str, Any]) -> State:
    state = State(kind, thing_id, {})
    state.values = _values(kind, found)
    if not state.values["title"]:
        raise InvalidInputError("title is missing.", field="title")
    sets = {}
    for name in SETS[kind]:
        members = [" ".join(str(m).split()) for m in found.get(name) or ()]
        if members:
            sets[name] = tuple(sorted(set(members)))
    state.sets = sets
    entries = []
    for entry_kind, place in ENTRY_PLACES[kind].items():
        for number, item in enumerate(found.get(place) or ()):
            entries.append(_entry(entry_kind, item, number, state.values.get("created_at")))
    state.entries = tuple(entries)
    known = {f.name for f in FIELDS[kind]} | {BODIES[kind], "id", *SETS[kind], *ENTRY_PLACES[kind].values()} | _DERIVED
    state.extras = {
        k: str(v) for k, v in found.items() if k not in known and k not in _RENAMED and v not in (None, "", [], {})
    }
    return state


_DERIVED = {
    "updated_at",
    "blocks",
    "child_ticket_ids",
    "ticket_ids",
    "acceptance_criteria_met",
    "test_coverage_percentage",
}


def _values(kind: str, found: Mapping[str, Any]) -> dict[str, Any]:
    values = defaults(kind)
    fields = {f.name: f for f in FIELDS[kind]}
    for key, value in found.items():
        name = _RENAMED.get(key, key)
        if value is None or value == "":
            continue
        if name == BODIES[kind]:
            values[name] = str(value)
        elif name in fields:
            if fields[name].type == "time":
                value = _time(value)
            values[name] = checked(kind, name, value)
    return values


def _entry(kind: str, item: Any, number: int, born: str | None) -> EntryState:
    if not isinstance(item, Mapping):
        item = {BODIES[kind]: str(item)}
    values = _values(kind, item)
    for name in _TEXTS.get(kind, ()):
        values[BODIES[kind]] = values[BODIES[kind]] or str(item.get(name) or "")
    values["created_at"] = values["created_at"] or _time(item.get("timestamp") or born or "1970-01-01T00:00:00Z")
    own = "".join(c for c in str(item.get("id") or "") if c.isalnum() and c.isascii())[:40]
    return EntryState(kind, own or f"old{number}", values, {})


def _time(value: Any) -> str:
    from fairlead.clock import isoformat
    from fairlead.tickets.stream import seconds

    return isoformat(seconds(value.isoformat() if hasattr(value, "isoformat") else str(value)))
