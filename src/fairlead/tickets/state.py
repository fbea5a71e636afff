"""State: everything that is stored of one thing, typed and immutable, however it is stored.

Boards read and write states; :func:`record_of` makes the record that programs see.
"""

from __future__ import annotations

from fairlead.errors import InvalidInputError
from fairlead.tickets.fields import BODIES, FIELDS, SETS, Field, field_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from fairlead.tickets.model import Entry, Thing


class EntryState:
    """One entry: its fields by name (the free text among them), as typed values."""

    __slots__ = ("extras", "id", "kind", "values", "version")

    def __init__(
        self,
        kind: str,
        id: str,  # noqa: A002
        values: Mapping[str, Any],
        extras: Mapping[str, str],
        version: int = 1,
    ) -> None:
        self.kind = kind
        self.id = id
        self.values = values
        self.extras = extras
        self.version = version


class State:
    """One thing. ``values`` has every field of its kind with ``description``; ``sets`` sorted members by set name.

    ``touched`` is the time of its latest change and ``closed`` of the one that finished it (from its history);
    ``problems`` say what is wrong with its files and ``conflicts`` which fields have two values after a merge.
    """

    __slots__ = (
        "closed",
        "conflicts",
        "deleted",
        "entries",
        "extras",
        "id",
        "kind",
        "problems",
        "revision",
        "sets",
        "touched",
        "values",
        "version",
    )

    def __init__(self, kind: str, id: str, values: Mapping[str, Any]) -> None:  # noqa: A002 - its name everywhere
        self.kind = kind
        self.id = id
        self.values = values
        self.sets: Mapping[str, tuple[str, ...]] = {}
        self.entries: tuple[EntryState, ...] = ()
        self.extras: Mapping[str, str] = {}
        self.deleted = False
        self.version = 1
        self.revision = ""
        self.touched: str | None = None
        self.closed: str | None = None
        self.problems: tuple[str, ...] = ()
        self.conflicts: tuple[str, ...] = ()


# ── values as text ───────────────────────────────────────────────────────────────────────────────────────────────


def read_value(field: Field, text: str) -> Any:
    """The typed value of a field's text; ``ValueError`` with the reason when it has none. Empty text is None."""
    if not text:
        return () if field.type == "lines" else None
    kind = field.type
    if kind == "choice":
        if text in field.choices:
            return text
        raise ValueError(f"{field.name} is {text!r}, not one of {', '.join(field.choices)}")
    if kind in ("number", "int"):
        return _read_number(field, text)
    if kind == "lines":
        return tuple(text.split("\n"))
    if kind == "date":
        _check_date(field, text)
    elif kind == "time" and (len(text) < 19 or text[4] != "-" or text[7] != "-" or text[10] not in "T "):
        raise ValueError(f"{field.name} is {text!r}, not a time like 2026-11-20T09:12:00.123Z")
    return text


def _read_number(field: Field, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number or number in (float("inf"), float("-inf")) or (field.type == "int" and number % 1):
        raise ValueError(f"{field.name} is {text!r}, not {'a whole number' if field.type == 'int' else 'a number'}")
    return int(number) if number % 1 == 0 else number


def _check_date(field: Field, text: str) -> None:
    import datetime

    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{field.name} is {text!r}, not a date like 2026-11-20") from None


def show_value(field: Field, value: Any) -> str:
    """The text of a typed value; empty for None."""
    if value is None:
        return ""
    if field.type in ("number", "int"):
        return f"{value:g}" if abs(value) < 1e6 and round(value, 3) == value else repr(value)
    if field.type == "lines":
        return "\n".join(value)
    return str(value)


def checked(kind: str, name: str, value: Any) -> Any:
    """A value that a caller gives for a field, typed and validated; :class:`InvalidInputError` names both."""
    if name == BODIES[kind]:
        return "" if value is None else str(value)
    field = field_of(kind, name)
    if field is None:
        known = ", ".join([*(f.name for f in FIELDS[kind]), BODIES[kind]])
        raise InvalidInputError(f"{kind} has no field {name!r}.", remedy=f"Known: {known}.", field=name, value=value)
    if value is None or value == "" or value == ():
        if field.default is not None or name == "title":
            raise InvalidInputError(f"{name} cannot be empty.", remedy="Give a value.", field=name, value=value)
        return () if field.type == "lines" else None
    try:
        return _typed(field, value)
    except ValueError as exc:
        raise InvalidInputError(f"{exc}.", remedy="Nothing was changed.", field=name, value=value) from None


def _typed(field: Field, value: Any) -> Any:
    if field.type == "lines":
        items = value.split("\n") if isinstance(value, str) else value
        return tuple(" ".join(str(item).split()) for item in items if str(item).strip())
    if isinstance(value, bool):
        raise ValueError(f"{field.name} is {value!r}, not of type {field.type}")
    text = str(value) if field.type == "text" else str(value).strip()
    if field.type == "line" and ("\n" in text or "\r" in text):
        text = " ".join(text.split())
    if field.type in ("word", "id") and any(c.isspace() for c in text):
        raise ValueError(f"{field.name} is {text!r}, which has a space in it")
    return read_value(field, text)


# ── states as plain data ─────────────────────────────────────────────────────────────────────────────────────────


def document_of(state: State) -> dict[str, Any]:
    """A state as JSON-able data: what the relational store and the cache keep."""
    return {
        "format": 1,
        "kind": state.kind,
        "version": state.version,
        "values": dict(state.values),
        "sets": dict(state.sets),
        "entries": [
            {"kind": e.kind, "id": e.id, "values": dict(e.values), "extras": dict(e.extras), "version": e.version}
            for e in state.entries
        ],
        "extras": dict(state.extras),
        "deleted": state.deleted,
        "revision": state.revision,
        "touched": state.touched,
        "closed": state.closed,
    }


def state_from(thing_id: str, found: Mapping[str, Any]) -> State:
    """The state of such data."""
    state = State(found["kind"], thing_id, _values(found["values"]))
    state.version = found["version"]
    state.sets = {name: tuple(members) for name, members in found["sets"].items()}
    state.entries = tuple(
        EntryState(e["kind"], e["id"], _values(e["values"]), e["extras"], e.get("version", 1)) for e in found["entries"]
    )
    state.extras, state.deleted = found["extras"], found["deleted"]
    state.revision, state.touched, state.closed = found["revision"], found["touched"], found["closed"]
    return state


def _values(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


# ── states as records ────────────────────────────────────────────────────────────────────────────────────────────


def defaults(kind: str) -> dict[str, Any]:
    """The values of a fresh thing or entry of a kind."""
    values: dict[str, Any] = {f.name: () if f.type == "lines" else f.default for f in FIELDS[kind]}
    values[BODIES[kind]] = ""
    return values


def entry_of(thing_id: str, entry: EntryState) -> Entry:
    """The record of an entry."""
    from types import MappingProxyType

    from fairlead.tickets.model import ENTRY_TYPES

    kind: Any = ENTRY_TYPES[entry.kind]
    values = {k: v for k, v in entry.values.items() if k in kind._fields}
    for name, value in kind._field_defaults.items():
        if values.get(name) is None and value is not None:
            values[name] = value
    values.pop("extras", None)
    made: Entry = kind(id=entry.id, ticket_id=thing_id, **values, extras=MappingProxyType(dict(entry.extras)))
    return made


def record_of(
    state: State, *, blocks: Iterable[str] = (), children: Iterable[str] = (), members: Iterable[str] = ()
) -> Thing:
    """The record of a thing. The other ends of relations come from the board's index."""
    from types import MappingProxyType

    from fairlead.tickets.model import ENTRY_PLACES, THING_TYPES

    kind: Any = THING_TYPES[state.kind]
    values = {k: v for k, v in state.values.items() if k in kind._fields}
    for name in SETS[state.kind]:
        values[name] = state.sets.get(name, ())
    for entry_kind, place in ENTRY_PLACES[state.kind].items():
        values[place] = tuple(entry_of(state.id, e) for e in state.entries if e.kind == entry_kind)
    if state.kind == "ticket":
        values["blocks"] = tuple(blocks)
        values["child_ticket_ids"] = tuple(children)
    elif state.kind == "epic":
        values["ticket_ids"] = tuple(members)
    made: Thing = kind(
        id=state.id,
        **values,
        updated_at=state.touched or values.get("created_at"),
        closed_at=state.closed,
        deleted=state.deleted,
        extras=MappingProxyType(dict(state.extras)),
        revision=state.revision,
        version=state.version,
    )
    return made
