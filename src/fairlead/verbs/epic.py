"""Verbs of `epic`: what belongs together, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.opened import Opened, deleted, print_deleted, put, with_status
from fairlead.verbs.table import Noun, Param, Verb

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output


def create(
    context: Context,
    goal: list[str] | None = None,
    criterion: list[str] | None = None,
    label: list[str] | None = None,
    points: float | None = None,
    **fields: Any,
) -> dict[str, Any]:
    values = {**fields, "estimated_story_points": points}
    with Opened(context) as service:
        made = put(service, "epic", None, values, {"goal": goal, "criterion": criterion}, label=label)
        return _shown(service, made)


def _shown(service: TicketService, epic: Any) -> dict[str, Any]:
    from fairlead.tickets.plain import as_data
    from fairlead.tickets.planning import epic_tickets, progress

    rows = epic_tickets(service, epic.id)
    tickets = [{k: row[k] for k in ("id", "title", "status", "priority", "assignee")} for row in rows]
    found: dict[str, Any] = as_data(epic)
    found.pop("ticket_ids", None)
    return {**found, "progress": progress(rows)._asdict(), "tickets": tickets}


def list_epics(
    context: Context,
    status: list[str] | None = None,
    all: bool = False,  # noqa: A002 - the word that users type
    limit: int = 50,
) -> dict[str, Any]:
    from fairlead.tickets.planning import epic_tickets, progress

    with Opened(context) as service:
        filters = with_status("epic", status, all)
        rows = service.rows("epic", sort="priority", limit=limit + 1, **filters)
        items = []
        for row in rows[:limit]:
            told = {k: row[k] for k in ("id", "title", "status", "priority", "labels") if row.get(k)}
            items.append({**told, "progress": progress(epic_tickets(service, row["id"]))._asdict()})
    return {"items": items, "has_more": len(rows) > limit}


def show(context: Context, epic: str) -> dict[str, Any]:
    with Opened(context) as service:
        return _shown(service, service.get(epic, "epic"))


def update(
    context: Context,
    epic: str,
    goal: list[str] | None = None,
    criterion: list[str] | None = None,
    points: float | None = None,
    force: bool = False,
    label: list[str] | None = None,
    remove_label: list[str] | None = None,
    if_match: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    from fairlead.tickets.fields import read_status
    from fairlead.tickets.planning import epic_changes, epic_tickets

    values = {**fields, "estimated_story_points": points}
    if values.get("status"):
        values["status"] = read_status(values["status"], "epic")
    texts = {"goal": goal, "criterion": criterion}
    with Opened(context) as service:
        found: Any = service.get(epic, "epic")
        if values.get("status"):
            epic_changes(found, values["status"], epic_tickets(service, found.id), force=force)
        more: dict[str, Any] = {"label": label, "remove_label": remove_label, "if_match": if_match}
        return _shown(service, put(service, "epic", found.id, values, texts, **more))


def complete(context: Context, epic: str, force: bool = False) -> dict[str, Any]:
    return update(context, epic, status="completed", force=force)


def add_ticket(context: Context, epic: str, ticket: list[str]) -> dict[str, Any]:
    return _move(context, epic, ticket, inside=True)


def remove_ticket(context: Context, epic: str, ticket: list[str]) -> dict[str, Any]:
    return _move(context, epic, ticket, inside=False)


def _move(context: Context, epic: str, ticket: list[str], *, inside: bool) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.tickets.planning import move_tickets

    with Opened(context) as service:
        found: Any = service.get(epic, "epic")
        ids = [service.resolve(one, "ticket") for one in ticket]
        strangers = sorted(set(ids) - set(found.ticket_ids))
        if not inside and strangers:
            raise InvalidInputError(
                f"{strangers[0]} is not in epic {found.id}.", remedy="See `fairlead epic show`.", field="ticket"
            )
        move_tickets(service, found.id if inside else None, ids)
        return _shown(service, service.get(found.id, "epic"))


def delete(context: Context, epic: str) -> dict[str, Any]:
    return deleted(context, "epic", epic)


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────


def print_epic(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['id']}  {value['title']}")
    out.line(f"  {value['status']}, {value['priority']}  {_bar(value['progress'])}".rstrip())
    for name in ("owner", "target_version", "target_date"):
        if value.get(name):
            out.line(f"  {name.replace('_', ' ')}: {value[name]}")
    if value.get("description"):
        out.line("\n" + value["description"] + "\n")
    for name in ("goals", "success_criteria"):
        if value.get(name):
            out.line(f"  {name.replace('_', ' ')}:")
        for item in value.get(name, ()):
            out.line(f"  - {item['text']}")
    for row in value["tickets"]:
        out.line(f"  {row['id']:<10} {row['status']:<12} {row['priority']:<9} {row['title']}")


def print_epics(value: dict[str, Any], out: Output) -> None:
    for item in value["items"]:
        out.line(f"{item['id']:<10} {item['status']:<10} {_bar(item['progress'])}  {item['title']}")
    if not value["items"]:
        out.line("No epics. Make one with: fairlead epic create TITLE")
    if value["has_more"]:
        out.line("... more with --limit")


def _bar(progress: dict[str, Any]) -> str:
    if progress["percent"] is None:
        return "no tickets".ljust(26)
    full = round(progress["percent"] / 10)
    return f"{'█' * full}{'░' * (10 - full)} {progress['percent']:3.0f} % {progress['done']:>3}/{progress['total']:<3}"


_EPIC = Param("epic", "str", "identifier or its unique beginning", positional=True, required=True)
_TICKETS = Param("ticket", "str", "tickets", positional=True, required=True, many=True)
_STATUSES = "draft, active, completed or cancelled"
_PRIORITY = Param("priority", "str", "critical to low, or P0 to P4", aliases=("-p",))
_FIELDS = (
    Param("description", "str", "text; - reads standard input", aliases=("-d", "--body")),
    Param("status", "str", _STATUSES, aliases=("-s",)),
    _PRIORITY,
    Param("owner", "str", "who answers for it", aliases=("--assignee",)),
    Param("target_version", "str", "version it is meant for"),
    Param("target_date", "str", "day it is meant for, YYYY-MM-DD", aliases=("--due",)),
    Param("points", "float", "estimated story points", aliases=("--story-points",)),
    Param("goal", "str", "a goal", many=True),
    Param("criterion", "str", "a criterion of success", many=True, aliases=("--success-criterion",)),
    Param("label", "str", "labels", many=True, aliases=("-l", "--labels", "--tag")),
)
_EPICS = Noun("epic", print_epic)
_CREATE = _EPICS.changes(
    "create",
    "make an epic",
    create,
    Param("title", "str", "its title", positional=True, required=True),
    *_FIELDS,
    aliases=("new", "add"),
    examples=('fairlead epic create "Faster search" --goal "answers within 50 ms" --priority P1',),
)
_UPDATE = _EPICS.changes(
    "update",
    "change an epic",
    update,
    _EPIC,
    Param("title", "str", "its title"),
    *_FIELDS,
    Param("remove_label", "str", "labels to take away", many=True),
    Param("if_match", "str", "only when this is still its revision"),
    Param("force", "bool", "complete it with open tickets"),
    aliases=("edit",),
)
VERBS: tuple[Verb, ...] = (
    _CREATE,
    _EPICS.reads(
        "list",
        "unfinished epics with their progress",
        list_epics,
        Param("status", "str", f"only in these states: {_STATUSES}", many=True, aliases=("-s",)),
        Param("all", "bool", "finished ones too"),
        Param("limit", "int", "how many", default=50, aliases=("-n",)),
        show=print_epics,
        aliases=("ls",),
    ),
    _EPICS.reads("show", "one epic with its tickets", show, _EPIC),
    _UPDATE,
    _EPICS.changes(
        "complete",
        "say that it is done",
        complete,
        _EPIC,
        Param("force", "bool", "with open tickets too"),
        aliases=("close", "done"),
    ),
    _EPICS.changes(
        "add-ticket",
        "put tickets into an epic",
        add_ticket,
        _EPIC,
        _TICKETS,
        aliases=("add-tickets", "link"),
    ),
    _EPICS.changes(
        "remove-ticket",
        "take tickets out of an epic",
        remove_ticket,
        _EPIC,
        _TICKETS,
        aliases=("remove-tickets", "unlink"),
    ),
    _EPICS.changes("delete", "delete an epic", delete, _EPIC, show=print_deleted),
)
