"""The columns of a board: what is ready, what waits, what is being done, what was finished last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService

COLUMNS: tuple[tuple[str, str], ...] = (
    ("ready", "Ready"),
    ("waiting", "Waiting"),
    ("in-progress", "In progress"),
    ("finished", "Finished"),
)
"""(key, title) from left to right. A claimed ticket that is still open stands under In progress."""


def columns_of(service: TicketService, *, limit: int = 30, **filters: Any) -> list[dict[str, Any]]:
    """Each column with its count and its first ``limit`` cards, most urgent first; finished ones latest first."""
    claims = service.board.shared.claims(service.clock.now())
    ready = service.ready(claimed=True, **filters)
    held = [row for row in ready if row["id"] in claims]
    free = [row for row in ready if row["id"] not in claims]
    active = service.rows("ticket", status=["in-progress"], **filters)
    waiting = service.blocked(**filters)
    waiting = [row for row in waiting if row["status"] != "in-progress"]
    finished = service.rows("ticket", finished=True, sort="closed", reverse=True, limit=limit, **filters)
    found = {
        "ready": (len(free), free),
        "waiting": (len(waiting), waiting),
        "in-progress": (len(held) + len(active), [*active, *held]),
        "finished": (service.count("ticket", finished=True, **filters), finished),
    }
    columns = []
    for key, title in COLUMNS:
        count, rows = found[key]
        cards = [_card(row, claims) for row in rows[:limit]]
        columns.append({"key": key, "title": title, "count": count, "cards": cards})
    return columns


def _card(row: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    claim = claims.get(row["id"])
    return {
        "id": row["id"],
        "title": row["title"],
        "status": row["status"],
        "priority": row["priority"],
        "type": row["type"],
        "labels": list(row.get("labels") or ()),
        "who": claim.agent if claim else row["assigned_agent"] or row["assignee"] or "",
        "claimed": claim is not None,
        "waiting_for": list(row.get("waiting_for") or ()),
    }
