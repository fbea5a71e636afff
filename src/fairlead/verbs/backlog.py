"""Verbs of `backlog`: what may become work, in the order of what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.verbs.opened import Opened, described
from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.verbs.context import Context, Output


def _values(fields: dict[str, Any], value: int | None, points: float | None) -> dict[str, Any]:
    from fairlead.tickets.planning import check_value

    check_value(value)
    every = {**described(fields), "business_value": value, "story_points": points}
    return {k: v for k, v in every.items() if v is not None}


def add(
    context: Context,
    title: str,
    value: int | None = None,
    points: float | None = None,
    criterion: list[str] | None = None,
    label: list[str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    from fairlead.tickets.planning import in_order
    from fairlead.tickets.port import EntryDraft

    with Opened(context) as service:
        made = service.create(
            "backlog",
            {"title": title, **_values(fields, value, points)},
            add={"labels": label} if label else {},
            entries=in_order(
                (EntryDraft("criterion", {"text": text}) for text in criterion or ()), service.clock.now()
            ),
        )
        return _shown(made)


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
        filters: dict[str, Any] = {"status": status} if status else {} if all else {"finished": False}
        filters |= {"type": type, "label": label or ()}
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


def update(
    context: Context,
    item: str,
    value: int | None = None,
    points: float | None = None,
    criterion: list[str] | None = None,
    label: list[str] | None = None,
    remove_label: list[str] | None = None,
    if_match: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    from fairlead.tickets.planning import in_order
    from fairlead.tickets.port import EntryDraft

    with Opened(context) as service:
        changed = service.update(
            service.resolve(item, "backlog"),
            _values(fields, value, points),
            add={"labels": label} if label else {},
            remove={"labels": remove_label} if remove_label else {},
            entries=in_order(
                (EntryDraft("criterion", {"text": text}) for text in criterion or ()), service.clock.now()
            ),
            if_match=if_match,
        )
        return _shown(changed)


def convert(context: Context, item: str) -> dict[str, Any]:
    from fairlead.tickets import planning
    from fairlead.tickets.plain import as_data

    with Opened(context) as service:
        ticket = planning.convert(service, service.resolve(item, "backlog"))
        found: dict[str, Any] = as_data(ticket)
        return found


def delete(context: Context, item: str) -> dict[str, Any]:
    with Opened(context) as service:
        gone = service.delete(service.resolve(item, "backlog"))
        return {"id": gone.id, "deleted": True}


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


def print_deleted(value: dict[str, Any], out: Output) -> None:
    out.line(f"deleted {value['id']}")


_ITEM = Param("item", "str", "identifier or its unique beginning", positional=True, required=True)
_TYPES = ("story", "feature", "bug", "epic", "task", "spike")
_STATUSES = ("new", "groomed", "ready", "in-progress", "done", "cancelled")
_FIELDS = (
    Param("description", "str", "text; - reads standard input", aliases=("-d", "--body")),
    Param("type", "str", "what it is", choices=_TYPES, aliases=("-t",)),
    Param("status", "str", "state", choices=_STATUSES),
    Param("priority", "str", "critical to low, or P0 to P4", aliases=("-p",)),
    Param("value", "int", "business value, 1 to 100", aliases=("--business-value",)),
    Param("points", "float", "story points", aliases=("--story-points",)),
    Param("risk", "str", "risk", choices=("low", "medium", "high")),
    Param("criterion", "str", "an acceptance criterion", many=True, aliases=("--ac", "--acceptance-criterion")),
    Param("epic_id", "str", "epic it belongs to", aliases=("--epic",)),
    Param("assignee", "str", "who takes care of it", aliases=("-a",)),
    Param("label", "str", "labels", many=True, aliases=("-l", "--labels", "--tag")),
)
VERBS: tuple[Verb, ...] = (
    Verb(
        "backlog",
        "add",
        "add an item",
        add,
        params=(Param("title", "str", "its title", positional=True, required=True), *_FIELDS),
        show=print_item,
        aliases=("create", "new"),
        role="operator",
        changes=True,
        examples=('fairlead backlog add "Search comments" --value 80 --points 3 --ac "a comment is found"',),
    ),
    Verb(
        "backlog",
        "list",
        "items, the most worthwhile first",
        list_items,
        params=(
            Param("status", "str", "only in these states", many=True, choices=_STATUSES),
            Param("type", "str", "only of these types", many=True, choices=_TYPES),
            Param("label", "str", "only with all of these labels", many=True, aliases=("-l",)),
            Param("epic", "str", "only of this epic"),
            Param("all", "bool", "done and cancelled ones too"),
            Param("limit", "int", "how many", default=50, aliases=("-n",)),
        ),
        show=print_items,
        aliases=("ls",),
        description="Score: 100 a step of priority, plus business value, minus twice the story points.",
    ),
    Verb("backlog", "show", "one item", show, params=(_ITEM,), show=print_item),
    Verb(
        "backlog",
        "update",
        "change an item",
        update,
        params=(
            _ITEM,
            Param("title", "str", "its title"),
            *_FIELDS,
            Param("remove_label", "str", "labels to take away", many=True),
            Param("if_match", "str", "only when this is still its revision"),
        ),
        show=print_item,
        aliases=("edit",),
        role="operator",
        changes=True,
    ),
    Verb(
        "backlog",
        "convert",
        "make a ticket of an item; its criteria become requirements",
        convert,
        params=(_ITEM,),
        show=print_converted,
        aliases=("promote", "to-ticket"),
        role="operator",
        changes=True,
    ),
    Verb(
        "backlog",
        "delete",
        "delete an item",
        delete,
        params=(_ITEM,),
        show=print_deleted,
        role="operator",
        changes=True,
    ),
)
