"""Which events a change is: the 23 types, each at the moment it becomes true, read from the record of the change.

The same function tells of changes made here and of those that came with a merge, a checkout or a person's editor, so
the history of a board is the same however a change arrived.
"""

from __future__ import annotations

from fairlead.tickets.fields import FINISHED_STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.tickets.outcomes import Change

    Told = tuple[str, dict[str, Any]]

_ADDED = {"requirement": "requirement.added"}
_MET = {"passing": "test.passed", "verified": "test.passed", "failing": "test.failed", "failed": "test.failed"}


def events_of(kind: str, change: Change) -> list[Told]:
    """(type, data) of every event that a change of a thing of ``kind`` is."""
    if change.action.startswith("create"):
        return _creation(kind, change)
    if change.action.startswith("add "):
        return _entry(kind, change)
    if kind == "epic":
        return _epic(change)
    if kind != "ticket":
        return []
    return _ticket(change)


def _creation(kind: str, change: Change) -> list[Told]:
    data = {"kind": kind, "title": next((after for field, _, after in change.edits if field == "title"), None)}
    if kind == "backlog":
        return []
    return [(f"{kind}.created", data)]


def _entry(kind: str, change: Change) -> list[Told]:
    entry_kind = change.action[4:]
    fields = {field: after for field, _, after in change.edits}
    data: dict[str, Any] = {"entry": change.id, "text": fields.get(entry_kind)}
    if entry_kind == "comment":
        return [("ticket.commented", data)] if kind == "ticket" else []
    told: list[Told] = [(_ADDED[entry_kind], data)] if entry_kind in _ADDED else []
    if entry_kind == "journal" and fields.get("type") == "milestone":
        told.append(("milestone.reached", data))
    if fields.get("status"):
        told += _status_of_entry(entry_kind, fields["status"] or "", data)
    return told


def _status_of_entry(entry_kind: str, status: str, data: dict[str, Any]) -> list[Told]:
    if entry_kind == "requirement":
        return [("requirement.verified", data)] if status == "verified" else []
    return [(_MET[status], data)] if entry_kind in ("scenario", "result") and status in _MET else []


def _epic(change: Change) -> list[Told]:
    told: list[Told] = [("epic.updated", _changes(change))] if change.edits else []
    told += [
        ("epic.completed", {"before": before})
        for field, before, after in change.edits
        if field == "status" and after == "completed"
    ]
    return told


def _ticket(change: Change) -> list[Told]:
    told: list[Told] = []
    fields = {field for field, _, _ in change.edits}
    if "deleted" in fields:
        gone = any(field == "deleted" and after for field, _, after in change.edits)
        return [("ticket.deleted", {}) if gone else ("ticket.updated", _changes(change))]
    if change.edits:
        told.append(("ticket.updated", _changes(change)))
    for field, before, after in change.edits:
        if field == "status":
            was, now = before in FINISHED_STATUSES, after in FINISHED_STATUSES
            if now and not was:
                told.append(("ticket.closed", {"status": after, "before": before, "reason": change.note}))
            elif was and not now:
                told.append(("ticket.reopened", {"status": after, "before": before}))
        elif field in ("assignee", "assigned_agent"):
            told.append(("ticket.assigned", {"field": field, "before": before, "after": after}))
        elif "." in field and field.endswith(".status"):
            told += _of_entry_status(field, after)
    return told


def _of_entry_status(field: str, after: str | None) -> list[Told]:
    entry_kind, _, rest = field.partition(".")
    return _status_of_entry(entry_kind, after or "", {"entry": rest.rpartition(".")[0], "status": after})


def _changes(change: Change) -> dict[str, Any]:
    return {
        "changes": [
            {"field": field, "before": _short(before), "after": _short(after)} for field, before, after in change.edits
        ],
        **({"note": change.note} if change.note else {}),
    }


def _short(value: str | None) -> str | None:
    return value if value is None or len(value) <= 500 else value[:500] + "…"
