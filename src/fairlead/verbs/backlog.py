"""Verbs of `backlog`: what may become work, in the order of what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.tickets.fields import BACKLOG_TYPES, RISKS
from fairlead.verbs.opened import Opened, deleted, print_deleted, put, with_status
from fairlead.verbs.table import Noun, Param, Verb

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output


def add(context: Context, **given: Any) -> dict[str, Any]:
    with Opened(context) as service:
        return _put(service, None, **given)


def _put(
    service: TicketService,
    item_id: str | None,
    value: int | None = None,
    points: float | None = None,
    criterion: list[str] | None = None,
    label: list[str] | None = None,
    remove_label: list[str] | None = None,
    if_match: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    from fairlead.tickets.planning import check_value

    check_value(value)
    values = {**fields, "business_value": value, "story_points": points}
    more: dict[str, Any] = {"label": label, "remove_label": remove_label, "if_match": if_match}
    return _shown(put(service, "backlog", item_id, values, {"criterion": criterion}, **more))


def _shown(item: Any) -> dict[str, Any]:
    from fairlead.tickets.plain import as_data
    from fairlead.tickets.planning import score_of

    return {**as_data(item), "priority_score": score_of(item)}


def list_items(
    context: Context,
    status: list[str] | None = None,
    type: list[str] | None = None,  # noqa: A002 - the word that users type
    label: list[str] | None = None,
    epic: str | None = None,
    all: bool = False,  # noqa: A002 - the word that users type
    limit: int = 50,
) -> dict[str, Any]:
    from fairlead.tickets.planning import priority_score

    with Opened(context) as service:
        filters = {**with_status("backlog", status, all), "type": type, "label": label or ()}
        if epic:
            filters["epic"] = service.resolve(epic, "epic")
        rows = service.rows("backlog", sort="created", **filters)
    names = (
        "id",
        "title",
        "type",
        "status",
        "priority",
        "risk",
        "business_value",
        "story_points",
        "assignee",
        "labels",
    )
    items = []
    for row in rows:
        score = priority_score(row["priority"], row["business_value"], row["story_points"])
        items.append({**{k: row[k] for k in names if row.get(k) not in (None, "", [])}, "priority_score": score})
    items.sort(key=lambda item: -item["priority_score"])
    return {"items": items[:limit], "has_more": len(items) > limit}


def show(context: Context, item: str) -> dict[str, Any]:
    with Opened(context) as service:
        return _shown(service.get(item, "backlog"))


def update(context: Context, item: str, **given: Any) -> dict[str, Any]:
    with Opened(context) as service:
        return _put(service, service.resolve(item, "backlog"), **given)


def convert(context: Context, item: str) -> dict[str, Any]:
    from fairlead.tickets import planning
    from fairlead.tickets.plain import as_data

    with Opened(context) as service:
        ticket = planning.convert(service, service.resolve(item, "backlog"))
        found: dict[str, Any] = as_data(ticket)
        return found


def delete(context: Context, item: str) -> dict[str, Any]:
    return deleted(context, "backlog", item)


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────


def print_item(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['id']}  {value['title']}")
    facts = [value["type"], value["status"], value["priority"], f"score {value['priority_score']:g}"]
    facts += [
        f"{name.replace('_', ' ')} {value[name]}"
        for name in ("risk", "business_value", "story_points")
        if name in value
    ]
    out.line("  " + ", ".join(facts))
    if value.get("ticket_id"):
        out.line(f"  became ticket {value['ticket_id']}")
    if value.get("description"):
        out.line("\n" + value["description"] + "\n")
    for criterion in value.get("acceptance_criteria", ()):
        out.line(f"  - {criterion['text']}")


def print_items(value: dict[str, Any], out: Output) -> None:
    for item in value["items"]:
        facts = f"{item['priority_score']:>5g}  {item['type']:<8} {item['status']:<12} {item['priority']:<9}"
        out.line(f"{item['id']:<10} {facts} {item['title']}")
    if not value["items"]:
        out.line("The backlog is empty. Add to it with: fairlead backlog add TITLE")
    if value["has_more"]:
        out.line("... more with --limit")


def print_converted(value: dict[str, Any], out: Output) -> None:
    out.line(f"ticket {value['id']}  {value['title']}  ({len(value.get('requirements', ()))} requirements)")


_ITEM = Param("item", "str", "identifier or its unique beginning", positional=True, required=True)
_STATUSES = "new, groomed, ready, in-progress, done or cancelled"
_FIELDS = (
    Param("description", "str", "text; - reads standard input", aliases=("-d", "--body")),
    Param("type", "str", "what it is", choices=BACKLOG_TYPES, aliases=("-t",)),
    Param("status", "str", _STATUSES, aliases=("-s",)),
    Param("priority", "str", "critical to low, or P0 to P4", aliases=("-p",)),
    Param("value", "int", "business value, 1 to 100", aliases=("--business-value",)),
    Param("points", "float", "story points", aliases=("--story-points",)),
    Param("risk", "str", "risk", choices=RISKS),
    Param("criterion", "str", "an acceptance criterion", many=True, aliases=("--ac", "--acceptance-criterion")),
    Param("epic_id", "str", "epic it belongs to", aliases=("--epic",)),
    Param("assignee", "str", "who takes care of it", aliases=("-a",)),
    Param("label", "str", "labels", many=True, aliases=("-l", "--labels", "--tag")),
)
_BACKLOG = Noun("backlog", print_item)
VERBS: tuple[Verb, ...] = (
    _BACKLOG.changes(
        "add",
        "add an item",
        add,
        Param("title", "str", "its title", positional=True, required=True),
        *_FIELDS,
        aliases=("create", "new"),
        examples=('fairlead backlog add "Search comments" --value 80 --points 3 --ac "a comment is found"',),
    ),
    _BACKLOG.reads(
        "list",
        "items, the most worthwhile first",
        list_items,
        Param("status", "str", f"only in these states: {_STATUSES}", many=True, aliases=("-s",)),
        Param("type", "str", "only of these types", many=True, choices=BACKLOG_TYPES),
        Param("label", "str", "only with all of these labels", many=True, aliases=("-l",)),
        Param("epic", "str", "only of this epic"),
        Param("all", "bool", "done and cancelled ones too"),
        Param("limit", "int", "how many", default=50, aliases=("-n",)),
        show=print_items,
        aliases=("ls",),
        description="Score: 100 a step of priority, plus business value, minus twice the story points.",
    ),
    _BACKLOG.reads("show", "one item", show, _ITEM),
    _BACKLOG.changes(
        "update",
        "change an item",
        update,
        _ITEM,
        Param("title", "str", "its title"),
        *_FIELDS,
        Param("remove_label", "str", "labels to take away", many=True),
        Param("if_match", "str", "only when this is still its revision"),
        aliases=("edit",),
    ),
    _BACKLOG.changes(
        "convert",
        "make a ticket of an item; its criteria become requirements",
        convert,
        _ITEM,
        show=print_converted,
        aliases=("promote", "to-ticket"),
    ),
    _BACKLOG.changes("delete", "delete an item", delete, _ITEM, show=print_deleted),
)
