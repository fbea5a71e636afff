"""Planning: epics and how far they are, backlog items and their order, and turning an item into a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.clock import isoformat
from fairlead.errors import InvalidInputError, StateError
from fairlead.tickets.fields import FINISHED_STATUSES, PRIORITIES
from fairlead.tickets.model import BacklogItem, Epic, Ticket
from fairlead.tickets.port import EntryDraft, Operation

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService

DEFAULT_VALUE = 50
"""Business value of an item that names none (1 to 100)."""

DEFAULT_POINTS = 5.0
"""Story points of an item that names none."""

_TICKET_TYPES = {
    "story": "feature",
    "feature": "feature",
    "bug": "bug",
    "epic": "epic",
    "task": "task",
    "spike": "spike",
}


# ── backlog ──────────────────────────────────────────────────────────────────────────────────────────────────────


def priority_score(priority: str, business_value: int | None, story_points: float | None) -> float:
    """What to take first: 100 for each step of priority (critical 4 to low 1), plus value, minus twice the points."""
    rank = len(PRIORITIES) - PRIORITIES.index(priority)
    value = DEFAULT_VALUE if business_value is None else business_value
    points = DEFAULT_POINTS if story_points is None else story_points
    return rank * 100 + value - 2 * points


def score_of(item: BacklogItem) -> float:
    return priority_score(item.priority, item.business_value, item.story_points)


def check_value(business_value: int | None) -> None:
    """:class:`InvalidInputError` unless the value is from 1 to 100 or absent."""
    if business_value is not None and not 1 <= business_value <= 100:
        raise InvalidInputError(
            f"business_value is {business_value}.",
            remedy="Give a whole number from 1 to 100.",
            field="business_value",
            value=business_value,
        )


def in_order(drafts: Iterable[EntryDraft], now: float) -> list[EntryDraft]:
    """Entries a millisecond apart: what is written in one go keeps its order, which is that of time."""
    return [
        draft._replace(values={**draft.values, "created_at": isoformat(now + number / 1000)})
        for number, draft in enumerate(drafts)
    ]


def conversion(item: BacklogItem, now: float, name: str = "$ticket") -> list[Operation]:
    """The plan that makes a ticket of a backlog item: its criteria become requirements, both sides know the other.

    :class:`StateError` for an item that has a ticket already or is cancelled.
    """
    if item.ticket_id is not None or item.status in ("done", "cancelled"):
        why = f"was converted to {item.ticket_id}" if item.ticket_id else f"is {item.status}"
        raise StateError(f"backlog item {item.id} {why}.", remedy="Choose another one.", id=item.id, allowed=[])
    values: dict[str, Any] = {
        "title": item.title,
        "description": item.description,
        "type": _TICKET_TYPES[item.type],
        "priority": item.priority,
        "assignee": item.assignee,
        "story_points": item.story_points,
        "epic_id": item.epic_id,
    }
    drafts = [
        EntryDraft("requirement", _requirement(criterion.text, item.priority)) for criterion in item.acceptance_criteria
    ]
    create = Operation(
        "create",
        name,
        values={k: v for k, v in values.items() if v not in (None, "")},
        add={"labels": list(item.labels)} if item.labels else {},
        entries=in_order(drafts, now),
        note=f"from backlog item {item.id}",
    )
    return [create, Operation("update", item.id, values={"ticket_id": name, "status": "in-progress"})]


def _requirement(text: str, priority: str) -> dict[str, Any]:
    """The first line of a criterion is its title, the rest its description."""
    title, _, rest = text.strip().partition("\n")
    return {"title": title, "description": rest.strip(), "priority": priority}


def convert(service: TicketService, item_id: str) -> Ticket:
    """Makes a ticket of a backlog item in one transaction and returns it."""
    item = service.get(item_id, "backlog")
    assert isinstance(item, BacklogItem)
    # The item is named by its revision: of two conversions at once the second is refused, not doubled.
    create, update = conversion(item, service.clock.now())
    outcome = service.carry_out([create, update._replace(if_match=item.revision)])
    ticket = service.get(outcome.created[0], "ticket")
    assert isinstance(ticket, Ticket)
    return ticket


# ── epics ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Progress(NamedTuple):
    """How far an epic is. ``percent`` is of points when every ticket has them, else of tickets; None without any."""

    total: int
    done: int
    cancelled: int
    in_progress: int
    points: float
    points_done: float
    percent: float | None


def progress(rows: Iterable[Mapping[str, Any]]) -> Progress:
    """Progress over the lean rows of an epic's tickets. A cancelled ticket counts neither as work nor as done."""
    every = list(rows)
    work = [row for row in every if row["status"] != "cancelled"]
    done = [row for row in work if row["status"] == "closed"]
    points = sum(row.get("story_points") or 0 for row in work)
    points_done = sum(row.get("story_points") or 0 for row in done)
    percent = None
    if work:
        pointed = all(row.get("story_points") for row in work)
        percent = 100.0 * points_done / points if pointed else 100.0 * len(done) / len(work)
    active = sum(row["status"] == "in-progress" for row in work)
    return Progress(len(work), len(done), len(every) - len(work), active, points, points_done, percent)


def epic_changes(epic: Epic, status: str, rows: Sequence[Mapping[str, Any]], *, force: bool = False) -> dict[str, Any]:
    """The fields that bring an epic to a status; an epic with open tickets is completed only by force."""
    open_ids = [str(row["id"]) for row in rows if row["status"] not in FINISHED_STATUSES]
    if status == "completed" and open_ids and not force:
        shown = ", ".join(open_ids[:5]) + (" …" if len(open_ids) > 5 else "")
        raise StateError(
            f"epic {epic.id} has {len(open_ids)} open tickets: {shown}.",
            remedy="Close them, take them out, or say --force.",
            id=epic.id,
            open=open_ids,
        )
    return {} if epic.status == status else {"status": status}


def epic_tickets(service: TicketService, epic_id: str) -> list[dict[str, Any]]:
    """Lean rows of an epic's tickets, most urgent first."""
    return service.rows("ticket", epic=epic_id, sort="priority")


def move_tickets(service: TicketService, epic_id: str | None, ticket_ids: Sequence[str]) -> None:
    """Puts tickets into an epic (out of theirs for None) in one transaction."""
    service.carry_out([Operation("update", ticket_id, values={"epic_id": epic_id}) for ticket_id in ticket_ids])
