"""Words, times and entries that every format translates: statuses, priorities, moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.tickets.fields import FINISHED_STATUSES


def moment(text: Any) -> str | None:
    """RFC 3339 in UTC with milliseconds for any ISO 8601 time; None for what is no time.

    A time without an offset is taken as UTC, digits below the millisecond are cut off.
    """
    from datetime import UTC, datetime

    if not isinstance(text, str) or len(text) < 10:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(text: Any) -> str | None:
    """``YYYY-MM-DD`` at the start of a text, or None."""
    from datetime import date

    if not isinstance(text, str):
        return None
    try:
        return date.fromisoformat(text.strip()[:10]).isoformat()
    except ValueError:
        return None


def word(text: Any, default: str) -> str:
    """A name without spaces, in lower case."""
    return "-".join(str(text).lower().split()) if isinstance(text, str) and text.strip() else default


def line(text: Any) -> str:
    """One line: what the title of a ticket may be."""
    return " ".join(text.split()) if isinstance(text, str) else ""


def title(value: Any) -> str:
    """A title; a ticket must have one, so what has none gets words that say so."""
    told = line(str(value) if isinstance(value, (int, float)) else value)
    return told or "(no title)"


def text(value: Any) -> str:
    """A text as our files carry it: newline ends, no empty lines before it, no blanks at its end."""
    return value.replace("\r\n", "\n").replace("\r", "\n").rstrip().lstrip("\n") if isinstance(value, str) else ""


def names(values: Any) -> list[str]:
    """The distinct names of a list, sorted, as a set of a ticket is kept."""
    if not isinstance(values, Iterable) or isinstance(values, (str, Mapping)):
        return []
    return sorted({v.strip() for v in values if isinstance(v, str) and v.strip()})


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a foreign list; what is none of them means nothing here."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def inner(value: Any, key: str) -> Any:
    """A field of a foreign object, None when it is no object."""
    return value.get(key) if isinstance(value, dict) else None


def finished(record: Mapping[str, Any]) -> bool:
    return record.get("status") in FINISHED_STATUSES


def tidy(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without the fields that say nothing."""
    return {k: v for k, v in record.items() if v is not None and v != "" and v != []}
