"""Effort: what the time logs of a ticket add up to, durations as people write them, and running clocks.

Everything is a function of values; ``now`` is seconds since the epoch, times in entries are RFC 3339 texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from fairlead.clock import isoformat
from fairlead.errors import InvalidInputError, StateError
from fairlead.tickets.fields import TIME_TYPES
from fairlead.tickets.model import TimeLog

MOST_MINUTES = 31 * 24 * 60
_UNITS = {"d": 24 * 60.0, "h": 60.0, "m": 1.0, "s": 1 / 60}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Minutes of ``90``, ``1h30m``, ``1.5h``, ``45 min`` or ``1:30`` (hours and minutes). A bare number is minutes."""
    stripped = text.strip().lower()
    minutes = 0.0
    if re.fullmatch(r"\d+(\.\d+)?", stripped):
        minutes = float(stripped)
    elif clock := re.fullmatch(r"(\d+):([0-5]\d)", stripped):
        minutes = int(clock[1]) * 60.0 + int(clock[2])
    else:
        position = 0
        while position < len(stripped) and (part := _PART.match(stripped, position)):
            minutes += float(part[1]) * _UNITS[part[2].lower()]
            position = part.end()
        if position < len(stripped):
            minutes = 0.0
    if not 0 < minutes <= MOST_MINUTES:
        raise InvalidInputError(
            f"duration is {text!r}, but it must be a time above zero and at most 31 days.",
            remedy="Write 90, 45m, 1h30m, 1.5h or 1:30; log long work in several entries.",
            field="duration",
            value=text,
        )
    return round(minutes, 4)


def format_duration(minutes: float) -> str:
    """``1h 30m``; seconds only below ten minutes, where they matter."""
    total = round(minutes * 60)
    hours, rest = divmod(total, 3600)
    whole, seconds = divmod(rest, 60)
    parts = [f"{hours}h"] * bool(hours) + [f"{whole}m"] * bool(whole)
    if seconds and total < 600:
        parts.append(f"{seconds}s")
    return " ".join(parts) or "0m"


def logged(duration: str, *, now: float, kind: str = "work", text: str = "") -> dict[str, Any]:
    """The fields of a finished stretch that ended now."""
    minutes = parse_duration(duration)
    start = isoformat(now - minutes * 60)
    return {
        "type": _type(kind),
        "start_time": start,
        "end_time": isoformat(now),
        "duration_minutes": minutes,
        "description": text,
    }


def started(*, now: float, kind: str = "work", text: str = "") -> dict[str, Any]:
    """The fields of a clock that runs until :func:`stopped`."""
    return {"type": _type(kind), "start_time": isoformat(now), "description": text}


def _type(kind: str) -> str:
    if kind not in TIME_TYPES:
        raise InvalidInputError(
            f"type is {kind!r}.", remedy=f"Use one of {', '.join(TIME_TYPES)}.", field="type", value=kind
        )
    return kind


def is_running(log: TimeLog) -> bool:
    return not log.end_time and log.duration_minutes is None and bool(log.start_time)


def running(logs: Iterable[TimeLog], author: str) -> TimeLog | None:
    """The author's clock that runs, the latest when there are several (two branches may have started one each)."""
    found = [log for log in logs if is_running(log) and log.author == author]
    return max(found, key=lambda log: log.start_time or "", default=None)


def stopped(log: TimeLog, *, now: float) -> dict[str, Any]:
    """The fields to change so that a clock stops now; :class:`StateError` when it does not run."""
    if not is_running(log):
        raise StateError(f"time log {log.id} does not run.", remedy="Start one with `time start`.", id=log.id)
    return {"end_time": isoformat(now), "duration_minutes": round(minutes_of(log, now), 4)}


def minutes_of(log: TimeLog, now: float) -> float:
    """Length of a log in minutes; of one that runs, up to now. 0 when it has neither times nor minutes."""
    if log.duration_minutes is not None:
        return float(log.duration_minutes)
    if not log.start_time:
        return 0.0
    end = seconds_of(log.end_time) if log.end_time else now
    return max(0.0, end - seconds_of(log.start_time)) / 60


class Spent(NamedTuple):
    """Minutes in all, by type and by author, against the estimate; ``used`` is a fraction, None without an estimate."""

    minutes: float
    by_type: dict[str, float]
    by_author: dict[str, float]
    estimated_minutes: float | None
    running: int
    used: float | None


def spent(logs: Iterable[TimeLog], *, now: float, estimated_hours: float | None = None) -> Spent:
    """What the logs add up to."""
    by_type: dict[str, float] = {}
    by_author: dict[str, float] = {}
    clocks = 0
    for log in logs:
        minutes = minutes_of(log, now)
        clocks += is_running(log)
        author = log.author or "unknown"
        by_type[log.type] = by_type.get(log.type, 0.0) + minutes
        by_author[author] = by_author.get(author, 0.0) + minutes
    total = sum(by_type.values())
    estimate = None if estimated_hours is None else float(estimated_hours) * 60
    return Spent(total, by_type, by_author, estimate, clocks, total / estimate if estimate else None)


def seconds_of(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 text; a text without an offset is UTC."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is not a time.", remedy="Write it as 2026-01-31T09:05:00Z.", field="time", value=text
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
