"""beads: one JSON object a line (``.beads/issues.jsonl`` of bd and br)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.tickets.fields import PRIORITIES
from fairlead.tickets.interchange.kept import Document, Lens, Record
from fairlead.tickets.interchange.words import (
    day,
    finished,
    line,
    moment,
    names,
    objects,
    text,
    tidy,
    title,
    word,
)

_STATUSES = {
    "open": "open",
    "in_progress": "in-progress",
    "hooked": "in-progress",
    "blocked": "blocked",
    "deferred": "open",
    "pinned": "open",
    "closed": "closed",
    "tombstone": "cancelled",
}
_BACK = {"open": "open", "in-progress": "in_progress", "blocked": "blocked", "closed": "closed", "cancelled": "closed"}
_EDGES = {"related": "related_to", "relates-to": "related_to", "discovered-from": "discovered_from"}
_TEXTS = {"design": "decision", "notes": "progress"}
"""Long field -> type of the journal entry that it becomes; the entry's identifier says where it came from."""


def to_record(document: Document) -> Record:
    priority = document.get("priority")
    minutes = document.get("estimated_minutes")
    if isinstance(minutes, bool) or not isinstance(minutes, int) or not 0 < minutes < 10**9:
        minutes = 0
    record: Record = {
        "id": str(document.get("id", "")),
        "title": title(document.get("title")),
        "description": text(document.get("description")),
        "status": _STATUSES.get(str(document.get("status", "open")), "open"),
        "priority": PRIORITIES[min(priority, 3)] if isinstance(priority, int) and priority >= 0 else "medium",
        "type": word(document.get("issue_type"), "task"),
        "assignee": line(document.get("assignee")),
        "reporter": line(document.get("created_by")),
        "labels": names(document.get("labels")),
        "created_at": moment(document.get("created_at")),
        "updated_at": moment(document.get("updated_at")),
        "closed_at": moment(document.get("closed_at")),
        "close_reason": text(document.get("close_reason")),
        "due_date": day(document.get("due_at")),
        "estimated_hours": round(minutes / 60, 6) if minutes else None,
        "comments": _comments(document.get("comments")),
        "journal_entries": _journal(document),
        **_edges(document),
    }
    criteria = text(document.get("acceptance_criteria"))
    if criteria:
        entry = {"id": "beads_acceptance", "title": "Acceptance criteria", "description": criteria}
        record["requirements"] = [entry]
    if not finished(record):
        record["closed_at"] = record["close_reason"] = None
    return tidy(record)


def _comments(rows: Any) -> list[Record]:
    return [
        tidy(
            {
                "id": f"beads_{c['id']}" if isinstance(c.get("id"), int) else None,
                "text": text(c.get("text")),
                "author": line(c.get("author")),
                "created_at": moment(c.get("created_at")),
            }
        )
        for c in objects(rows)
        if text(c.get("text"))
    ]


def _journal(document: Document) -> list[Record]:
    found = []
    for key, kind in _TEXTS.items():
        body = text(document.get(key))
        if body:
            found.append({"id": f"beads_{key}", "content": body, "type": kind})
    return found


def _edges(document: Document) -> Record:
    own = document.get("id")
    sets: dict[str, set[str]] = {"blocked_by": set(), "related_to": set(), "discovered_from": set()}
    parents = []
    for edge in objects(document.get("dependencies")):
        kind, target = edge.get("type"), edge.get("depends_on_id")
        if not isinstance(target, str) or not isinstance(kind, str) or target == own:
            continue
        if kind == "blocks":
            sets["blocked_by"].add(target)
        elif kind in ("parent-child", "parent_child"):
            parents.append(target)
        elif kind in _EDGES:
            sets[_EDGES[kind]].add(target)
    return {**{k: sorted(v) for k, v in sets.items()}, "parent_ticket_id": parents[0] if parents else None}


def to_document(record: Record) -> Document:
    own = record.get("id", "")
    edges = [(target, "blocks") for target in record.get("blocked_by", [])]
    edges += [(target, "related") for target in record.get("related_to", [])]
    edges += [(target, "discovered-from") for target in record.get("discovered_from", [])]
    if record.get("parent_ticket_id"):
        edges.append((record["parent_ticket_id"], "parent-child"))
    comments = [_comment(own, number, c) for number, c in enumerate(record.get("comments", []), 1)]
    document = {
        "id": own,
        "title": record.get("title", ""),
        "description": record.get("description"),
        **_long_texts(record),
        "status": _BACK[record.get("status", "open")],
        "priority": PRIORITIES.index(record.get("priority", "medium")),
        "issue_type": record.get("type", "task"),
        "assignee": record.get("assignee"),
        "created_by": record.get("reporter"),
        "labels": record.get("labels"),
        "created_at": record.get("created_at"),
        "updated_at": record.get("updated_at"),
        "closed_at": record.get("closed_at"),
        "close_reason": record.get("close_reason"),
        "due_at": f"{record['due_date']}T00:00:00Z" if record.get("due_date") else None,
        "estimated_minutes": round(record["estimated_hours"] * 60) if record.get("estimated_hours") else None,
        "dependencies": [{"issue_id": own, "depends_on_id": target, "type": kind} for target, kind in edges],
        "comments": comments,
    }
    return tidy(document)


def _long_texts(record: Record) -> Document:
    """Only what came from this format goes back into its long fields; other entries have no place there."""
    entries = {e.get("id"): e for e in (*record.get("journal_entries", []), *record.get("requirements", []))}
    found: Document = {}
    if "beads_acceptance" in entries:
        found["acceptance_criteria"] = entries["beads_acceptance"].get("description")
    for key in _TEXTS:
        if f"beads_{key}" in entries:
            found[key] = entries[f"beads_{key}"].get("content")
    return found


def _comment(own: str, number: int, comment: Mapping[str, Any]) -> Document:
    said = str(comment.get("id", "")).removeprefix("beads_")
    return tidy(
        {
            "id": int(said) if said.isdigit() else number if said else None,
            "issue_id": own,
            "author": comment.get("author"),
            "text": comment.get("text"),
            "created_at": comment.get("created_at"),
        }
    )


LENS = Lens("beads", to_record, to_document)


def parse(source: str) -> list[Document]:
    """The objects of a JSONL text; an error names the line."""
    import json

    from fairlead.errors import InvalidInputError

    found = []
    for number, row in enumerate(source.split("\n"), 1):
        if not row.strip():
            continue
        try:
            document = json.loads(row)
        except ValueError as exc:
            raise InvalidInputError(
                f"line {number} is not JSON: {exc}.", remedy="Mend the line or remove it.", field="file", line=number
            ) from exc
        if not isinstance(document, dict) or not document.get("id"):
            raise InvalidInputError(
                f"line {number} is not an issue with an id.",
                remedy="Give a beads JSONL file.",
                field="file",
                line=number,
            )
        found.append(document)
    return found


def render(documents: Iterable[Document]) -> str:
    """One JSON object a line, as bd writes them."""
    import json

    return "".join(json.dumps(d, ensure_ascii=False, separators=(",", ":")) + "\n" for d in documents)
