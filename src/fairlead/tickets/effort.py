"""Effort: time logs and journal entries of a ticket, and what they add up to.

Everything is a function of values; times are seconds since the epoch in arguments and RFC 3339 texts in entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fairlead.clock import isoformat
from fairlead.errors import InvalidInputError, StateError

TIME_TYPES = ("work", "meeting", "research", "blocked", "review", "testing", "documentation", "other")
JOURNAL_TYPES = ("progress", "blocker", "milestone", "decision", "risk", "meeting")

_UNITS = {"d": 24 * 60.0, "h": 60.0, "m": 1.0, "s": 1 / 60}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*", re.I)


class TimeLog(NamedTuple):
    """A stretch of work. An entry without ``end_time`` and ``duration_minutes`` is a session still going on."""

    start_time: str
    end_time: str = ""
    duration_minutes: float | None = None
    description: str = ""
    type: str = "work"
    author: str = ""
    id: str = ""


class JournalEntry(NamedTuple):
    """A dated note about the work: what moved, what is in the way, what was decided."""

    content: str
    type: str = "progress"
    author: str = ""
    created_at: str = ""
    completion_percentage: int | None = None
    effort_spent_hours: float | None = None
    milestone: str = ""
    run: str = ""
    id: str = ""


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
    if minutes <= 0:
        raise InvalidInputError(
            f"duration is {text!r}, but it must be a time above zero.",
            remedy="Write 90, 45m, 1h30m, 1.5h or 1:30.",
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


def log_time(
    duration: str | float, *, now: float, author: str, kind: str = "work", description: str = "", id_: str = ""
) -> TimeLog:
    """A finished stretch that ended now."""
    minutes = parse_duration(duration) if isinstance(duration, str) else float(duration)
    _check_type(kind, TIME_TYPES)
    if not 0 < minutes <= 31 * 24 * 60:
        raise InvalidInputError(
            f"duration is {minutes:g} minutes, but it must be above zero and at most 31 days.",
            remedy="Log long work in several entries.",
            field="duration",
            value=minutes,
        )
    start = isoformat(now - minutes * 60)
    return TimeLog(start, isoformat(now), minutes, description, kind, author, id_)


def start_time(*, now: float, author: str, kind: str = "work", description: str = "", id_: str = "") -> TimeLog:
    """A session that goes on until :func:`stop_time`."""
    _check_type(kind, TIME_TYPES)
    return TimeLog(isoformat(now), "", None, description, kind, author, id_)


def is_active(entry: Mapping[str, Any]) -> bool:
    return not entry.get("end_time") and entry.get("duration_minutes") is None


def active(entries: Iterable[Mapping[str, Any]], author: str) -> Mapping[str, Any] | None:
    """The author's session that goes on, the latest when there are several."""
    running = [entry for entry in entries if is_active(entry) and entry.get("author", "") == author]
    return max(running, key=lambda entry: str(entry.get("start_time", "")), default=None)


def stop_time(entry: Mapping[str, Any], *, now: float) -> dict[str, Any]:
    """The session with its end; :class:`StateError` when it is over already."""
    if not is_active(entry):
        raise StateError(
            f"time log {entry.get('id', '')!r} is over already.",
            remedy="Start a new one.",
            field="id",
            allowed=["start"],
        )
    minutes = max(0.0, now - seconds_of(str(entry["start_time"]))) / 60
    return {**entry, "end_time": isoformat(now), "duration_minutes": round(minutes, 4)}


def minutes_of(entry: Mapping[str, Any], now: float) -> float:
    """Length of an entry in minutes; of a session that goes on, up to now."""
    if is_active(entry):
        return max(0.0, now - seconds_of(str(entry["start_time"]))) / 60
    duration = entry.get("duration_minutes")
    if duration is None:
        return max(0.0, seconds_of(str(entry["end_time"])) - seconds_of(str(entry["start_time"]))) / 60
    return float(duration)


class Spent(NamedTuple):
    """Minutes in all, by type and by author, against the estimate."""

    minutes: float
    by_type: dict[str, float]
    by_author: dict[str, float]
    estimated_minutes: float | None
    active: int

    @property
    def used(self) -> float | None:
        """Spent over estimated, as a fraction; None without an estimate."""
        return self.minutes / self.estimated_minutes if self.estimated_minutes else None


def spent(entries: Iterable[Mapping[str, Any]], *, now: float, estimated_hours: float | None = None) -> Spent:
    """What the entries add up to."""
    by_type: dict[str, float] = {}
    by_author: dict[str, float] = {}
    running = 0
    for entry in entries:
        minutes = minutes_of(entry, now)
        running += is_active(entry)
        kind, author = str(entry.get("type") or "work"), str(entry.get("author") or "unknown")
        by_type[kind] = by_type.get(kind, 0.0) + minutes
        by_author[author] = by_author.get(author, 0.0) + minutes
    estimate = None if estimated_hours is None else float(estimated_hours) * 60
    return Spent(sum(by_type.values()), by_type, by_author, estimate, running)


def journal(
    content: str,
    *,
    now: float,
    author: str,
    kind: str = "progress",
    completion: int | None = None,
    milestone: str = "",
    run: str = "",
    id_: str = "",
) -> JournalEntry:
    """A checked journal entry."""
    if not content.strip():
        raise InvalidInputError(
            "a journal entry must not be empty.", remedy="Say what happened.", field="content", value=content
        )
    _check_type(kind, JOURNAL_TYPES)
    if completion is not None and not 0 <= completion <= 100:
        raise InvalidInputError(
            f"completion is {completion}, but it must be from 0 to 100.",
            remedy="Give a percentage.",
            field="completion",
            value=completion,
        )
    return JournalEntry(content.strip(), kind, author, isoformat(now), completion, None, milestone, run, id_)


def plain(record: TimeLog | JournalEntry) -> dict[str, Any]:
    """The fields that are set, as plain data."""
    return {k: v for k, v in record._asdict().items() if v not in ("", None)}


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


def _check_type(kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        raise InvalidInputError(
            f"type is {kind!r}.", remedy=f"Use one of {', '.join(known)}.", field="type", value=kind
        )
