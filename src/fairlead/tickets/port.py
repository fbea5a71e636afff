"""The port of the ticket room: what a board can do, whichever store is behind it.

Two boards implement :class:`Board`: the one of files (:mod:`fairlead.tickets.board`) and the relational one
(:mod:`fairlead.tickets.relational`). ``fairlead.testing.tickets`` holds the conformance suite that both pass. Rules
(validation, cycles, readiness, events) live in :class:`fairlead.tickets.service.TicketService`, once for both.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NamedTuple
else:
    from fairlead.records import NamedTuple


class EntryDraft(NamedTuple):
    """An entry to be written: its fields by name, the free text among them. ``id`` None means a new one."""

    kind: str
    values: Mapping[str, Any] = {}
    id: str | None = None


class Operation(NamedTuple):
    """One step of a plan, applied to one thing. Any number of operations make one transaction.

    ``action`` is ``create``, ``update``, ``delete`` or ``restore``. ``id`` names the thing; for a creation None means
    a generated identifier and ``$name`` a temporary one that later operations of the same plan may refer to anywhere
    an identifier stands. ``values`` sets scalar fields and ``description`` (None empties a field), ``add`` and
    ``remove`` change sets, ``entries`` adds entries, ``entry_values`` changes fields of existing entries by their
    identifier. ``if_match`` is the revision the caller has read. ``at`` and ``by`` override time and author (for
    imports).
    """

    action: str
    id: str | None = None
    kind: str = "ticket"
    values: Mapping[str, Any] = {}
    add: Mapping[str, Sequence[str]] = {}
    remove: Mapping[str, Sequence[str]] = {}
    entries: Sequence[EntryDraft] = ()
    entry_values: Mapping[str, Mapping[str, Any]] = {}
    note: str = ""
    if_match: str | None = None
    at: str | None = None
    by: str | None = None


# What the rest of the room may rely on, as signatures of TicketService (fairlead.tickets.service):
#
#   open_service(context) -> TicketService                (fairlead.tickets.opening)
#   service.get(id_or_prefix, kind=None) -> Thing         full record with entries
#   service.create(kind, values, *, id=None, add={}, entries=(), note="") -> Thing
#   service.update(id, values={}, *, add={}, remove={}, entries=(), entry_values={}, note="", if_match=None) -> Thing
#   service.add_entry(id, kind, **values) -> Entry
#   service.update_entry(thing_id, entry_id, **values) -> Entry
#   service.delete(id), service.restore(id)
#   service.rows(kind="ticket", **filters) -> list[dict]  lean rows, straight from the index
#   service.everything(kind=None) -> Iterator[Thing]      full records of the whole board, for export
#   service.apply([Operation, ...], *, atomic=True, dry_run=False) -> BatchResult
#   service.announce(type, subject, data)                 an event that no field change implies
#
# Events follow from what is written and need no announcing: ticket.*, epic.created/updated/completed,
# requirement.added (a new requirement entry), requirement.verified (its status became verified), test.passed and
# test.failed (a scenario became passing or failing, an expected result verified or failed), milestone.reached (a
# journal entry of that type).
