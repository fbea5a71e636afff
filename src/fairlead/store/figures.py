"""Readings for figures: runs that ended, runs that go on, and events of note, of one tenant in a span of time."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from fairlead.store.database import Reader

_OF_NOTE = (
    "type IN ('gate.passed', 'gate.failed', 'alert.raised', 'alert.resolved', 'budget.warned', 'budget.refused', "
    "'ticket.closed', 'epic.completed')"
)
"""Written as in the index that makes these readings short."""


class Ended(NamedTuple):
    """A run that no other began and that has ended; times are seconds since the epoch."""

    id: str
    name: str
    kind: str
    state: str
    error: str | None
    cause: str
    created: float
    finished: float


class Open(NamedTuple):
    """A run that no other began and that has not ended. ``waiting`` says that it waits for a person."""

    id: str
    name: str
    kind: str
    state: str
    cause: str
    created: float
    waiting: bool


class Noted(NamedTuple):
    """An event of note."""

    type: str
    subject: str
    data: dict[str, object]
    time: float


def ended_runs(reader: Reader, tenant: str, since: float, until: float, most: int) -> list[Ended]:
    """The newest ``most`` that ended from ``since`` to before ``until``, newest first."""
    columns = ", ".join(Ended._fields)
    rows = reader.rows(
        f"SELECT {columns} FROM runs WHERE tenant = ? AND finished IS NOT NULL AND finished >= ? AND finished < ?"
        " AND parent_id IS NULL ORDER BY finished DESC LIMIT ?",
        (tenant, since, until, most),
    )
    return [Ended._make(row) for row in rows]


def open_runs(reader: Reader, tenant: str, most: int) -> list[Open]:
    """Newest first."""
    rows = reader.rows(
        "SELECT id, name, kind, state, cause, created, CASE WHEN waiting_for IS NULL THEN 0 ELSE 1 END FROM runs"
        " WHERE tenant = ? AND finished IS NULL AND state IN ('init', 'running', 'paused') AND parent_id IS NULL"
        " ORDER BY created DESC LIMIT ?",
        (tenant, most),
    )
    return [Open._make((*row[:-1], bool(row[-1]))) for row in rows]


def noted(reader: Reader, tenant: str, since: float, until: float, most: int) -> list[Noted]:
    """The newest ``most`` events of note, newest first."""
    rows = reader.rows(
        f"SELECT type, subject, data, time FROM events WHERE tenant = ? AND {_OF_NOTE} AND time >= ? AND time < ?"
        " ORDER BY time DESC LIMIT ?",
        (tenant, since, until, most),
    )
    return [Noted(row[0], row[1], orjson.loads(row[2]), row[3]) for row in rows]


def runs_in_span(reader: Reader, tenant: str, since: float) -> int:
    """How many runs that no other began were created since a time."""
    row = reader.one(
        "SELECT count(*) FROM runs WHERE tenant = ? AND created >= ? AND parent_id IS NULL", (tenant, since)
    )
    return int(row[0]) if row else 0
