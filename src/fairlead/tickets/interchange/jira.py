"""Jira: the CSV of an issue search ("Export CSV, all fields"), where one header may stand over several columns.

Short research exports (``issuekey, title, description, storypoint``) are read as well. A document maps each header to
the list of its cells that are not empty; columns that a ticket has no place for are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fairlead.tickets.interchange.kept import EXTENSION, OWN, Document, Lens, Record
from fairlead.tickets.interchange.words import finished, line, moment, names, text, tidy, title, word

_ALIASES = {
    "key": ("Issue key", "issuekey", "Key"),
    "title": ("Summary", "title"),
    "description": ("Description", "description"),
    "status": ("Status",),
    "priority": ("Priority",),
    "type": ("Issue Type",),
    "assignee": ("Assignee",),
    "reporter": ("Reporter",),
    "created_at": ("Created",),
    "updated_at": ("Updated",),
    "closed_at": ("Resolved",),
    "labels": ("Labels",),
    "comments": ("Comment",),
    "story_points": ("Custom field (Story Points)", "Story Points", "storypoint"),
    "estimate": ("Original Estimate",),
    "parent": ("Parent key", "Custom field (Parent Link)"),
    "blocked_by": ("Inward issue link (Blocks)",),
    "related_to": ("Outward issue link (Relates)", "Inward issue link (Relates)"),
}
"""Our name -> headers that mean it; the first one is written."""

_SHORT = {"key": "issuekey", "title": "title", "description": "description", "story_points": "storypoint"}
"""The headers of the short form, which has no others."""

_STATUSES = {
    "to do": "open",
    "open": "open",
    "backlog": "open",
    "new": "open",
    "reopened": "open",
    "in progress": "in-progress",
    "in review": "in-progress",
    "blocked": "blocked",
    "done": "closed",
    "closed": "closed",
    "resolved": "closed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "won't do": "cancelled",
    "won't fix": "cancelled",
}
_STATUS_BACK = {
    "open": "To Do",
    "in-progress": "In Progress",
    "blocked": "Blocked",
    "closed": "Done",
    "cancelled": "Cancelled",
}
_PRIORITIES = {
    "highest": "critical",
    "blocker": "critical",
    "critical": "critical",
    "high": "high",
    "major": "high",
    "medium": "medium",
    "low": "low",
    "minor": "low",
    "lowest": "low",
    "trivial": "low",
}
_PRIORITY_BACK = {"critical": "Highest", "high": "High", "medium": "Medium", "low": "Low"}
_LIST_FIELDS = ("labels", "comments", "blocked_by", "related_to")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_JIRA_TIME = re.compile(r"(\d{1,2})/([a-z]{3})/(\d\d) (\d{1,2}):(\d\d)(?: (am|pm))?\Z", re.I)


def to_record(document: Document) -> Record:
    def cells(name: str) -> list[str]:
        return [cell for h in _ALIASES[name] if h in document for cell in document[h] if cell != ""]

    def cell(name: str) -> str:
        return next(iter(cells(name)), "")

    record: Record = {
        "id": cell("key").strip(),
        "title": title(cell("title")),
        "description": text(cell("description")),
        "status": _STATUSES.get(cell("status").strip().lower(), "open"),
        "priority": _PRIORITIES.get(cell("priority").strip().lower(), "medium"),
        "type": word(cell("type"), "task"),
        "assignee": line(cell("assignee")),
        "reporter": line(cell("reporter")),
        "labels": names(cells("labels")),
        "created_at": _moment(cell("created_at")),
        "updated_at": _moment(cell("updated_at")),
        "closed_at": _moment(cell("closed_at")),
        "story_points": _number(cell("story_points")),
        "estimated_hours": _hours(cell("estimate")),
        "parent_ticket_id": cell("parent").strip() or None,
        "blocked_by": names(cells("blocked_by")),
        "related_to": names(cells("related_to")),
        "comments": [c for c in map(_comment, cells("comments")) if c],
    }
    if not finished(record):
        record["closed_at"] = None
    return tidy(record)


def _moment(cell: str) -> str | None:
    """ISO 8601, or the form of Jira's own export (``15/Jan/26 9:05 AM``)."""
    found = _JIRA_TIME.match(cell.strip())
    if found is None:
        return moment(cell)
    month = found[2].lower()
    if month not in _MONTHS:
        return None
    hour = int(found[4]) % 12 + (12 if found[6].lower() == "pm" else 0) if found[6] else int(found[4])
    return moment(f"20{found[3]}-{_MONTHS.index(month) + 1:02d}-{int(found[1]):02d}T{hour:02d}:{found[5]}:00")


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if 0 <= value < 1e6 else None


def _hours(cell: str) -> float | None:
    seconds = _number(cell)
    return round(seconds / 3600, 6) if seconds else None


def _comment(cell: str) -> Record:
    """A cell ``moment;author;text``."""
    when, _, rest = cell.partition(";")
    author, _, said = rest.partition(";")
    if _moment(when) and said:
        return tidy({"text": text(said), "author": line(author), "created_at": _moment(when)})
    return tidy({"text": text(cell)})


def to_document(record: Record) -> Document:
    return {_ALIASES[name][0]: cells for name, cells in _cells(record).items()}


def _to_short_document(record: Record) -> Document:
    return {_SHORT[name]: cells for name, cells in _cells(record).items() if name in _SHORT}


def _cells(record: Record) -> dict[str, list[str]]:
    values: dict[str, Any] = {
        "key": record.get("id"),
        "title": record.get("title", ""),
        "description": record.get("description"),
        "status": _STATUS_BACK[record.get("status", "open")],
        "priority": _PRIORITY_BACK[record.get("priority", "medium")],
        "type": record.get("type", "task"),
        "assignee": record.get("assignee"),
        "reporter": record.get("reporter"),
        "created_at": record.get("created_at"),
        "updated_at": record.get("updated_at"),
        "closed_at": record.get("closed_at"),
        "labels": record.get("labels"),
        "story_points": _plain(record.get("story_points")),
        "estimate": _plain(round(record["estimated_hours"] * 3600)) if record.get("estimated_hours") else None,
        "parent": record.get("parent_ticket_id"),
        "blocked_by": record.get("blocked_by"),
        "related_to": record.get("related_to"),
        "comments": [
            f"{c['created_at']};{c.get('author', '')};{c['text']}" if c.get("created_at") else c["text"]
            for c in record.get("comments", [])
        ],
    }
    return {
        name: list(value) if name in _LIST_FIELDS else [value]
        for name, value in values.items()
        if value not in (None, "", [])
    }


def _plain(value: float | None) -> str | None:
    return None if value is None else f"{value:g}" if value < 1e15 else str(value)


LENS = Lens("jira", to_record, to_document)
SHORT_LENS = Lens("jira-short", to_record, _to_short_document)


def lens_of(document: Document) -> Lens:
    return SHORT_LENS if _SHORT["key"] in document else LENS


def lens_for(records: Iterable[Record]) -> Lens:
    """One file has one header: the short form when every record came in it."""
    kinds = {SHORT_LENS.name if SHORT_LENS.name in r.get(EXTENSION, {}) else LENS.name for r in records}
    return SHORT_LENS if kinds == {SHORT_LENS.name} else LENS


def parse(source: str) -> list[Document]:
    """The rows of a CSV text; an error names the line."""
    import csv
    import io

    from fairlead.errors import InvalidInputError

    csv.field_size_limit(1 << 30)
    reader = csv.reader(io.StringIO(source.removeprefix("\ufeff"), newline=""))
    headers = next(reader, [])
    if not any(h in headers for h in _ALIASES["key"]) or not any(h in headers for h in _ALIASES["title"]):
        raise InvalidInputError(
            f"the first line has no issue key and summary: {headers[:6]!r}.",
            remedy="Export the search as CSV with all fields.",
            field="file",
            line=1,
        )
    found = []
    for row in reader:
        if not any(row):
            continue
        if len(row) != len(headers):
            raise InvalidInputError(
                f"line {reader.line_num} has {len(row)} cells, the header has {len(headers)}.",
                remedy="Mend the quotes of that line.",
                field="file",
                line=reader.line_num,
            )
        document: Document = {}
        for header, cell in zip(headers, row, strict=True):
            if cell != "":
                document.setdefault(header, []).append(cell)
        if document.get(OWN):
            document[OWN] = _own(document[OWN][0], reader.line_num)
        found.append(document)
    return found


def _own(cell: str, number: int) -> Any:
    import json

    from fairlead.errors import InvalidInputError

    try:
        return json.loads(cell)
    except ValueError as exc:
        raise InvalidInputError(
            f"line {number}: column {OWN!r} is not JSON: {exc}.", remedy="Mend or empty it.", field="file", line=number
        ) from exc


def render(documents: Iterable[Document]) -> str:
    """CSV with every header as often as the fullest row needs it."""
    import csv
    import io
    import json

    rows = [{k: [json.dumps(v)] if k == OWN else v for k, v in d.items()} for d in documents]
    widths: dict[str, int] = {} if rows else {_ALIASES["key"][0]: 1, _ALIASES["title"][0]: 1}
    for row in rows:
        for header, cells in row.items():
            widths[header] = max(widths.get(header, 0), len(cells), 1)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([h for h, width in widths.items() for _ in range(width)])
    for row in rows:
        writer.writerow([cell for h, width in widths.items() for cell in _padded(row.get(h, []), width)])
    return out.getvalue()


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]
