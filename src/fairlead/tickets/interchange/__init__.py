"""Exchange with other ticket tools: pure functions between their documents and records of tickets.

A record is a mapping with the field names of :class:`fairlead.tickets.model.Ticket`, without the fields that say
nothing; ``ext`` holds what is kept for other tools. :data:`FORMATS` names what can be read and written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.errors import InvalidInputError

FORMATS: Mapping[str, str] = {
    "beads": "beads JSONL, one issue a line",
    "backlog-md": "a Backlog.md folder of tasks",
    "github": "GitHub issues JSON, of the REST API or of gh",
    "jira": "Jira CSV, all fields or key, title, description, story points",
    "markdown": "one Markdown document (export only)",
    "html": "a self-contained HTML report (export only)",
}
"""Name -> what it is."""

READABLE = ("beads", "backlog-md", "github", "jira")
SUFFIXES: Mapping[str, str] = {".jsonl": "beads", ".json": "github", ".csv": "jira", ".md": "markdown", ".html": "html"}


def format_for(name: str, *, folder: bool = False, writing: bool = False) -> str:
    """The format that a file name suggests; :class:`InvalidInputError` when it suggests none."""
    found = "backlog-md" if folder else next((f for s, f in SUFFIXES.items() if name.lower().endswith(s)), None)
    if found is None:
        flag, known = ("--to", tuple(FORMATS)) if writing else ("--from", READABLE)
        raise InvalidInputError(
            f"the format of {name!r} cannot be told from its name.",
            remedy=f"Say which with {flag}: {', '.join(known)}.",
            field="format",
            value=name,
        )
    return found


def read_text(format_: str, source: str) -> list[dict[str, Any]]:
    """The records of a text in a format of one file."""
    from fairlead.tickets.interchange import beads, github, jira
    from fairlead.tickets.interchange.kept import absorb

    if format_ == "beads":
        return [absorb(beads.LENS, d) for d in beads.parse(source)]
    if format_ == "github":
        return [absorb(github.lens_of(d), d) for d in github.parse(source)]
    if format_ == "jira":
        return [absorb(jira.lens_of(d), d) for d in jira.parse(source)]
    raise InvalidInputError(
        f"{format_!r} cannot be imported from a file.",
        remedy=f"Formats that can be read: {', '.join(READABLE)}.",
        field="format",
        value=format_,
    )


def write_text(format_: str, records: Sequence[dict[str, Any]], *, title: str = "Tickets", now: str = "") -> str:
    """The text of records in a format of one file."""
    from fairlead.tickets.interchange import beads, github, jira, markdown
    from fairlead.tickets.interchange.kept import release

    if format_ == "beads":
        return beads.render(release(beads.LENS, r) for r in records)
    if format_ == "github":
        return github.render(release(github.lens_for(r), r) for r in records)
    if format_ == "jira":
        return jira.render([release(jira.lens_for(records), r) for r in records])
    if format_ == "markdown":
        return markdown.render(records, title)
    if format_ == "html":
        from fairlead.tickets.interchange import report

        return report.render(records, title, now=now)
    raise InvalidInputError(
        f"{format_!r} is not a format of one file.",
        remedy=f"Formats: {', '.join(FORMATS)}.",
        field="format",
        value=format_,
    )


__all__ = ["FORMATS", "READABLE", "SUFFIXES", "format_for", "read_text", "write_text"]
