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
