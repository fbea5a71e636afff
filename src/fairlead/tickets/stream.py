"""The board's events: told once for each change, kept for the clone, handed out by a cursor.

A cursor is ``epoch.number.time``. The number counts the events of this clone in the order in which it learned of
them; when the clone's file was lost the epoch differs, and reading goes on from the time, which may repeat events but
leaves none out.
"""

from __future__ import annotations

from fairlead.compact import dumps
from fairlead.tickets.reading import change_of
from fairlead.tickets.telling import events_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from fairlead.store.ticket_state import TicketState
    from fairlead.tickets.reading import Record


_MANY = 200
"""Things from which on asking what was told already costs less than telling it again."""


def tell(shared: TicketState, new: Sequence[tuple[str, str, Sequence[Record]]], *, source: str) -> list[int]:
    """Adds the events of (kind, thing, records) to the clone's history; the numbers of those that were new to it."""
    rows = []
    known = shared.told() if len(new) > _MANY else frozenset()
    for kind, thing_id, records in new:
        for record in records:
            if f"{thing_id}.{record[0]}.0" in known:
                continue
            change = change_of(record, thing_id)
            for n, (type_, data) in enumerate(events_of(kind, change)):
                text = dumps(data)
                rows.append((seconds(record[1]), record[0], n, type_, thing_id, text, change.by))
    # Changes of one batch have one time; the order in which they were made is that of the list.
    rows.sort(key=lambda r: r[0])
    return shared.add_events(
        (f"{thing_id}.{record_id}.{n}", type_, thing_id, text, source, by, at)
        for at, record_id, n, type_, thing_id, text, by in rows
    )


def seconds(at: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; 0 for one that cannot be read."""
    canonical = len(at) == 24 and at[23] == "Z" and at[4] == at[7] == "-" and at[10] == "T"
    digits = at[:4] + at[5:7] + at[8:10] + at[11:13] + at[14:16] + at[17:19] + at[20:23]
    if canonical and digits.isdecimal():
        days = _days(int(at[:4]), int(at[5:7]), int(at[8:10]))
        minutes = (days * 24 + int(at[11:13])) * 60 + int(at[14:16])
        return float(minutes * 60 + int(at[17:19])) + int(at[20:23]) / 1000
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(at)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "Low-Level Date Algorithms")."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def read_cursor(shared: TicketState, cursor: str) -> tuple[int, float | None]:
    """(number to start behind, time to start at) of a cursor, a plain number or a time."""
    parts = cursor.split(".", 2)
    if len(parts) == 3 and parts[1].isdigit():
        if parts[0] == shared.epoch():
            return int(parts[1]), None
        return 0, float(parts[2])
    if cursor.isdigit():
        return int(cursor), None
    return 0, seconds(cursor)


def cursor_at(shared: TicketState, number: int, time: float) -> str:
    return f"{shared.epoch()}.{number}.{time:.3f}"


def as_dict(row: Sequence[Any]) -> dict[str, Any]:
    """An event row as data."""
    import json

    number, event_id, type_, subject, data, source, cause, time = row
    return {
        "id": event_id,
        "index": number,
        "type": type_,
        "subject": subject,
        "data": json.loads(data),
        "source": source,
        "cause": cause,
        "time": time,
    }
