"""Undoing a change: the values before it come back where those after it still stand."""

from __future__ import annotations

from fairlead.errors import ConflictError, NotFoundError, RefusedError
from fairlead.tickets.change import is_whole
from fairlead.tickets.fields import SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.tickets.outcomes import Change
    from fairlead.tickets.port import Operation
    from fairlead.tickets.service import TicketService
    from fairlead.tickets.state import State


def undoing(service: TicketService, id: str, change_id: str | None) -> Operation:  # noqa: A002
    """The operation that takes a change back.

    :class:`ConflictError` when a field was changed again since, naming it; :class:`RefusedError` when the record does
    not hold the value before.
    """
    from fairlead.tickets.port import Operation

    thing_id = service.resolve(id, deleted=True)
    change = _wanted(service, thing_id, change_id)
    state: State | None = service.board.state(thing_id)
    if state is None:
        raise NotFoundError(f"there is no {id!r} on this board.", remedy="See `fairlead ticket list`.", id=id)
    values: dict[str, Any] = {}
    entry_values: dict[str, dict[str, Any]] = {}
    add: dict[str, list[str]] = {}
    remove: dict[str, list[str]] = {}
    for field, before, after in change.edits:
        if field == "deleted":
            return Operation("restore" if after else "delete", thing_id, note=_note(change), if_match=state.revision)
        if field in SETS[state.kind]:
            _undo_member(state, field, before, after, add, remove)
        elif "." in field:
            _undo_entry(state, field, before, after, entry_values)
        else:
            values[field] = _undone(state.kind, thing_id, field, state.values.get(field), before, after)
    return Operation(
        "undo",
        thing_id,
        values=values,
        add=add,
        remove=remove,
        entry_values=entry_values,
        note=_note(change),
        if_match=state.revision,
    )


def _wanted(service: TicketService, thing_id: str, change_id: str | None) -> Change:
    changes = [c for c in service.history(thing_id, limit=100_000) if not c.action.startswith(("create", "add "))]
    found = [c for c in changes if change_id is None or c.id.startswith(change_id)]
    if not found:
        raise NotFoundError(
            f"{thing_id} has no change {change_id or 'to take back'}.",
            remedy=f"See `fairlead ticket history {thing_id}`.",
            id=thing_id,
        )
    return found[0]


def _note(change: Change) -> str:
    return f"takes back {change.id} of {change.at} by {change.by}"


def _undo_member(
    state: State,
    field: str,
    before: str | None,
    after: str | None,
    add: dict[str, list[str]],
    remove: dict[str, list[str]],
) -> None:
    members = state.sets.get(field, ())
    if after is not None and after in members:
        remove.setdefault(field, []).append(after)
    elif before is not None and before not in members:
        add.setdefault(field, []).append(before)


def _undo_entry(
    state: State, field: str, before: str | None, after: str | None, entry_values: dict[str, dict[str, Any]]
) -> None:
    _, _, rest = field.partition(".")
    entry_id, _, name = rest.rpartition(".")
    for entry in state.entries:
        if entry.id == entry_id:
            now = entry.values.get(name)
            entry_values.setdefault(entry_id, {})[name] = _undone(entry.kind, state.id, name, now, before, after)


def _undone(kind: str, thing_id: str, name: str, now: Any, before: str | None, after: str | None) -> Any:
    from fairlead.tickets.changing import restored_value

    if not is_whole(before) or not is_whole(after):
        raise RefusedError(
            f"{name} of {thing_id} was too long to be kept in the record of the change.",
            remedy="Take the file from the version control system.",
            field=name,
        )
    if now != restored_value(kind, name, after) and (now or after):
        raise ConflictError(
            f"{name} of {thing_id} was changed again since.",
            remedy="Take the later change back first, or set the field.",
            id=thing_id,
            field=name,
        )
    return restored_value(kind, name, before)
