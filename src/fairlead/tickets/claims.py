"""Holding tickets: taking one so that nobody else does, keeping it, giving it up.

A claim lives beside the files, in the clone: content is the branch's, holding is everybody's at once. It says nothing
in the ticket's file unless asked to (``start``).
"""

from __future__ import annotations

from fairlead.clock import isoformat
from fairlead.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairlead.store.ticket_state import Claim
    from fairlead.tickets.service import TicketService

LEASE = 1800.0
"""Seconds that a claim holds without a heartbeat."""


def claim_these(
    service: TicketService, ids: Sequence[str], agent: str, *, lease: float = LEASE, start: bool = False
) -> list[dict[str, Any]]:
    """Claims each of the tickets; :class:`ConflictError` when somebody holds one, and what was taken is let go."""
    from fairlead.store import ticket_sql as sql

    taken: list[Claim] = []
    shared = service.board.shared
    now = service.clock.now()
    for text in ids:
        thing_id = service.resolve(text)
        row = sql.find(service.board.rows, service.board.board, {"ids": [thing_id]})[0]
        try:
            if row["status"] in ("closed", "cancelled"):
                raise StateError(f"{thing_id} is {row['status']}.", remedy="Reopen it first.", id=thing_id)
            taken.append(
                shared.claim(thing_id, agent, now=now, lease=lease, tree=_tree(service), token=_token(service))
            )
        except BaseException:
            for claim in taken:
                shared.release(claim.id, agent, now=now)
            raise
    return _started(service, taken, agent, start)


def claim_next(
    service: TicketService,
    agent: str,
    *,
    lease: float = LEASE,
    many: int = 1,
    start: bool = False,
    filters: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Claims the first ``many`` ready tickets; fewer, or none, when there are no more."""
    taken: list[Claim] = []
    size = many + 20
    while True:
        rows = service.ready(limit=size, **(filters or {}))
        taken += service.board.shared.claim_first(
            [row["id"] for row in rows],
            agent,
            many=many - len(taken),
            now=service.clock.now(),
            lease=lease,
            tree=_tree(service),
            token=_token(service),
        )
        if len(taken) >= many or len(rows) < size:
            break
        # Others took these while they were looked up, so more are needed to choose from.
        size *= 4
    return _started(service, taken, agent, start)


def beat(service: TicketService, id: str, agent: str | None = None, lease: float = LEASE) -> dict[str, Any]:  # noqa: A002
    """Extends a claim; :class:`ConflictError` when it is no longer the agent's."""
    thing_id = service.resolve(id)
    holder = agent or service.author().name
    return _shown(service, service.board.shared.beat(thing_id, holder, now=service.clock.now(), lease=lease), {})


def let_go(service: TicketService, id: str, agent: str | None = None, force: bool = False) -> str:  # noqa: A002
    """Ends a claim and returns the ticket's identifier."""
    thing_id = service.resolve(id)
    holder = None if force else agent or service.author().name
    service.board.shared.release(thing_id, holder, now=service.clock.now())
    return thing_id


def held(service: TicketService) -> list[dict[str, Any]]:
    """Every claim that holds, oldest first."""
    found = sorted(service.board.shared.claims(service.clock.now()).values(), key=lambda c: (c.claimed_at, c.id))
    titles = {row["id"]: row for row in service.rows(None, ids=[c.id for c in found])} if found else {}
    return [_shown(service, claim, titles.get(claim.id, {})) for claim in found]


def _started(service: TicketService, taken: Sequence[Claim], agent: str, start: bool) -> list[dict[str, Any]]:
    if start and taken:
        from fairlead.tickets.port import Operation

        service.apply([Operation("update", c.id, values={"status": "in-progress", "assignee": agent}) for c in taken])
    titles = {row["id"]: row for row in service.rows(None, ids=[c.id for c in taken])} if taken else {}
    return [_shown(service, claim, titles.get(claim.id, {})) for claim in taken]


def _shown(service: TicketService, claim: Claim, row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("title", "status", "priority", "type", "labels")
    return {
        "id": claim.id,
        "agent": claim.agent,
        "until": isoformat(claim.expires_at),
        "expires_at": claim.expires_at,
        **{name: row[name] for name in names if name in row},
    }


def _tree(service: TicketService) -> str:
    place = getattr(service.board, "place", None)
    return "" if place is None else str(place.root)


def _token(service: TicketService) -> str:
    return service.entropy(8).hex()
