"""Markdown: a board as one document for people, grouped by status, with checklists for what must hold."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.tickets.fields import PRIORITIES, TICKET_STATUSES
from fairlead.tickets.interchange.kept import Record

_HEADINGS = {
    "in-progress": "In progress",
    "blocked": "Blocked",
    "open": "Open",
    "closed": "Closed",
    "cancelled": "Cancelled",
}


def order(record: Record) -> tuple[int, str, str]:
    """Most urgent first, then oldest."""
    return PRIORITIES.index(record.get("priority", "medium")), record.get("created_at", ""), record["id"]


def render(records: Sequence[Record], title: str, *, full: bool = True) -> str:
    """The document. Without ``full`` only one line a ticket."""
    titles = {r["id"]: r.get("title", "") for r in records}
    parts = [f"# {_inline(title)}", "", _summary(records)]
    for status, heading in _HEADINGS.items():
        group = sorted((r for r in records if r.get("status", "open") == status), key=order)
        if group:
            parts += ["", f"## {heading} ({len(group)})"]
            for record in group:
                parts += _ticket(record, titles) if full else [_row(record)]
    return "\n".join(parts) + "\n"


def _summary(records: Sequence[Record]) -> str:
    counts = {s: sum(r.get("status", "open") == s for r in records) for s in TICKET_STATUSES}
    said = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
    return f"{len(records)} tickets: {said}." if records else "No tickets."


def _row(record: Record) -> str:
    tick = "x" if record.get("status") in ("closed", "cancelled") else " "
    who = f" @{record['assignee']}" if record.get("assignee") else ""
    return f"- [{tick}] `{record['id']}` **{record.get('priority', 'medium')}** {_inline(record.get('title', ''))}{who}"


def _ticket(record: Record, titles: dict[str, str]) -> list[str]:
    lines = ["", f"### {_inline(record.get('title', ''))} `{record['id']}`", "", _facts(record)]
    for name, said in (("blocked_by", "Blocked by"), ("related_to", "Related to"), ("discovered_from", "Found in")):
        for target in record.get(name, []):
            lines.append(f"- {said} `{target}` {_inline(titles.get(target, ''))}".rstrip())
    if record.get("parent_ticket_id"):
        parent = record["parent_ticket_id"]
        lines.append(f"- Part of `{parent}` {_inline(titles.get(parent, ''))}".rstrip())
    if record.get("description"):
        lines += ["", _below(record["description"])]
    lines += _checks(record)
    for comment in record.get("comments", []):
        when = str(comment.get("created_at", ""))[:10]
        lines += ["", f"> **{comment.get('author', '')}** {when}".rstrip(), ">"]
        lines += [f"> {row}".rstrip() for row in comment.get("text", "").split("\n")]
    return lines


def _facts(record: Record) -> str:
    facts = [record.get("type", "task"), record.get("priority", "medium")]
    if record.get("assignee"):
        facts.append(f"@{record['assignee']}")
    facts += [f"`{label}`" for label in record.get("labels", [])]
    if record.get("story_points"):
        facts.append(f"{record['story_points']:g} points")
    if record.get("due_date"):
        facts.append(f"due {record['due_date']}")
    return "*" + "* · *".join(facts) + "*"


def _checks(record: Record) -> list[str]:
    rows = []
    for place, met in (
        ("requirements", "verified"),
        ("gherkin_scenarios", "passing"),
        ("expected_results", "verified"),
    ):
        for entry in record.get(place, []):
            tick = "x" if entry.get("status") == met else " "
            rows.append(f"- [{tick}] {_inline(entry.get('title') or entry.get('description', ''))}")
    return ["", *rows] if rows else []


def _inline(text: str) -> str:
    """A title on one line whose signs do not become markup."""
    out = " ".join(text.split())
    for sign in "\\`*_[]<>|":
        out = out.replace(sign, "\\" + sign)
    return out


def _below(text: str) -> str:
    """A description under a third-level heading: its own headings go three levels down."""
    rows = []
    fenced = False
    for row in text.split("\n"):
        fenced ^= row.lstrip().startswith(("```", "~~~"))
        marks = len(row) - len(row.lstrip("#"))
        if not fenced and 0 < marks <= 6 and row[marks : marks + 1] == " ":
            row = "#" * min(marks + 3, 6) + row[marks:]
        rows.append(row)
    return "\n".join(rows)
