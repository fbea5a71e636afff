"""What was done: the record of a change, and the result of a batch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple
else:
    from fairlead.records import NamedTuple


class Change(NamedTuple):
    """One change that somebody made: the fields, sets and entries of one thing, with the values before and after.

    ``edits`` holds (field, before, after); for a set, ``before`` is a removed member or ``after`` an added one.
    ``batch`` is shared by the changes of one transaction.
    """

    id: str
    thing_id: str
    at: str
    by: str
    action: str
    edits: tuple[tuple[str, str | None, str | None], ...] = ()
    note: str = ""
    batch: str | None = None
    branch: str | None = None


class BatchResult(NamedTuple):
    """What a batch did. ``success`` is true only when every item was done; after a rollback the id lists are empty."""

    success: bool
    operations_executed: int
    operations_failed: int
    created_ids: tuple[str, ...] = ()
    updated_ids: tuple[str, ...] = ()
    deleted_ids: tuple[str, ...] = ()
    errors: tuple[Mapping[str, Any], ...] = ()
    duration_ms: float = 0.0
    rolled_back: bool = False
