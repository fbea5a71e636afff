"""Records as plain data, for JSON and for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.tickets.model import BacklogItem, Epic, Ticket

_THING = frozenset({"extras", "version"})
_ENTRY = frozenset({"extras", "ticket_id"})


def as_data(value: Any, *, full: bool = False) -> Any:
    """A record (or anything that holds records) as mappings, lists and scalars.

    Fields that say nothing are left out unless ``full``. The machinery's own fields, and the identifier of the thing
    that an entry stands in anyway, are left out in both.
    """
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        hidden = _THING if isinstance(value, (Ticket, Epic, BacklogItem)) else _ENTRY
        found = {k: as_data(v, full=full) for k, v in value._asdict().items() if k not in hidden}
        return found if full else {k: v for k, v in found.items() if v not in (None, "", [], {}, False)}
    if isinstance(value, (list, tuple)):
        return [as_data(item, full=full) for item in value]
    if isinstance(value, Mapping):
        return {k: as_data(v, full=full) for k, v in value.items()}
    return value
