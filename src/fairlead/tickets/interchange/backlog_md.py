"""Backlog.md: a folder of Markdown files with front matter, one a task.

A document is ``{"path", "front", "sections"}``: the name below the tasks folder, the front matter as data, and the body
as (heading, text) pairs. What the text of the file says beyond that is kept whole.
"""

from __future__ import annotations

import re
from typing import Any

from fairlead.tickets.interchange.kept import OWN, Document, Lens, Record, absorb, release
from fairlead.tickets.interchange.words import day, line, moment, names, text, tidy, title, word

_STATUSES = {"to do": "open", "in progress": "in-progress", "blocked": "blocked", "done": "closed", "draft": "open"}
_STATUS_BACK = {
    "open": "To Do",
    "in-progress": "In Progress",
    "blocked": "Blocked",
    "closed": "Done",
    "cancelled": "Done",
}
_HEADING = re.compile(r"^## (.+?)\s*$", re.M)
_MARK = re.compile(r"^<!-- ([A-Z_:]+):(?:BEGIN|END) -->\n?", re.M)
_CHECK = re.compile(r"^- \[([ xX])\] (?:#\d+ )?(.*)$")
_JOURNALS = {"Implementation Plan": "decision", "Implementation Notes": "progress", "Final Summary": "milestone"}
_MARKS = {
    "Description": "SECTION:DESCRIPTION",
    "Implementation Plan": "SECTION:PLAN",
    "Implementation Notes": "SECTION:NOTES",
    "Final Summary": "SECTION:FINAL_SUMMARY",
    "Acceptance Criteria": "AC",
    "Comments": "COMMENTS",
}
_COMMENT = re.compile(r"^(?:author: (?P<author>.*)\n)?created: (?P<created>.*)\n---\n(?P<text>.*?)\n---$", re.M | re.S)


def to_record(document: Document) -> Record:
    front: dict[str, Any] = document.get("front", {})
    sections: dict[str, str] = document.get("sections", {})
    people = front.get("assignee")
    people = [people] if isinstance(people, str) else people if isinstance(people, list) else []
    journal = [
        {"id": _entry_id(heading), "content": sections[heading], "type": kind}
        for heading, kind in _JOURNALS.items()
        if sections.get(heading)
    ]
    record: Record = {
        "id": str(front.get("id", "")),
        "title": title(front.get("title")),
        "description": text(sections.get("Description") or sections.get("")),
        "status": _STATUSES.get(str(front.get("status", "")).strip().lower(), "open"),
        "priority": _priority(front.get("priority")),
        "type": word(front.get("type"), "task"),
        "assignee": line(str(people[0])).removeprefix("@") if people else None,
        "reporter": line(front.get("reporter")).removeprefix("@"),
        "labels": names(front.get("labels")),
        "created_at": moment(front.get("created_date")),
        "updated_at": moment(front.get("updated_date")),
        "due_date": day(front.get("due_date")),
        "parent_ticket_id": line(front.get("parent_task_id")),
        "blocked_by": names(front.get("dependencies")),
        "requirements": _criteria(sections.get("Acceptance Criteria", "")),
        "journal_entries": journal,
        "comments": _comments(sections.get("Comments", "")),
    }
    return tidy(record)


def _entry_id(heading: str) -> str:
    return "backlog_" + heading.lower().replace(" ", "_")


def _priority(value: Any) -> str:
    found = str(value or "medium").strip().lower()
    return found if found in ("critical", "high", "medium", "low") else "medium"


def _criteria(section: str) -> list[Record]:
    """Each criterion is a requirement; a ticked one is verified."""
    found = []
    for number, row in enumerate(section.split("\n"), 1):
        check = _CHECK.match(row)
        if check and check[2].strip():
            status = "approved" if check[1] == " " else "verified"
            found.append({"id": f"backlog_ac_{number}", "title": line(check[2]), "status": status})
    return found


def _comments(section: str) -> list[Record]:
    return [
        tidy({"text": text(c["text"]), "author": line(c["author"]), "created_at": moment(c["created"])})
        for c in _COMMENT.finditer(section)
    ]


def to_document(record: Record) -> Document:
    own = str(record.get("id", ""))
    front: dict[str, Any] = {
        "id": own,
        "title": record.get("title", ""),
        "status": _STATUS_BACK[record.get("status", "open")],
        "assignee": [f"@{record['assignee']}"] if record.get("assignee") else [],
        "reporter": f"@{record['reporter']}" if record.get("reporter") else None,
        "created_date": _minute(record.get("created_at")),
        "updated_date": _minute(record.get("updated_at")),
        "due_date": record.get("due_date"),
        "labels": record.get("labels", []),
        "dependencies": record.get("blocked_by", []),
        "parent_task_id": record.get("parent_ticket_id"),
        "priority": record.get("priority", "medium"),
        "type": record.get("type"),
    }
    sections = {
        "Description": record.get("description", ""),
        "Acceptance Criteria": _checklist(record.get("requirements", [])),
        "Comments": _comment_blocks(record.get("comments", [])),
    }
    entries = {entry.get("id"): entry for entry in record.get("journal_entries", [])}
    for heading in _JOURNALS:
        if _entry_id(heading) in entries:
            sections[heading] = entries[_entry_id(heading)]["content"]
    name = re.sub(r"[^\w.-]+", "-", str(record.get("title", ""))).strip("-")[:80]
    return {
        "path": f"{own.lower()} - {name}.md",
        "front": {k: v for k, v in front.items() if v is not None},
        # A file cannot tell empty lines around a section's text from its layout, so they are not the document's.
        "sections": {k: stripped for k, v in sections.items() if (stripped := v.strip("\n"))},
    }


def _minute(stamp: str | None) -> str | None:
    return f"{stamp[:10]} {stamp[11:16]}" if stamp else None


def _checklist(requirements: list[Record]) -> str:
    rows = []
    for number, entry in enumerate(requirements, 1):
        tick = "x" if entry.get("status") == "verified" else " "
        rows.append(f"- [{tick}] #{number} {entry.get('title', '')}")
    return "\n".join(rows)


def _comment_blocks(comments: list[Record]) -> str:
    blocks = []
    for comment in comments:
        author = f"author: {comment['author']}\n" if comment.get("author") else ""
        blocks.append(
            f"{author}created: {_minute(comment.get('created_at')) or ''}\n---\n{comment.get('text', '')}\n---"
        )
    return "\n".join(blocks)


# ── one level deeper: front matter and sections are kept field by field ──────────────────────────────────────────


def _flatten(document: Document) -> Document:
    flat: Document = {"path": document.get("path", "")}
    flat |= {f"front:{k}": v for k, v in document.get("front", {}).items()}
    flat |= {f"section:{k}": v for k, v in document.get("sections", {}).items()}
    return flat


def _deepen(flat: Document) -> Document:
    found: Document = {"path": flat.get("path", ""), "front": {}, "sections": {}}
    for key, value in flat.items():
        place, _, name = key.partition(":")
        if place == "front":
            found["front"][name] = value
        elif place == "section":
            found["sections"][name] = value
    return found


LENS = Lens("backlog-md", lambda flat: to_record(_deepen(flat)), lambda record: _flatten(to_document(record)))


def parse_file(path: str, source: str) -> Document:
    """The flat document of one file; ``InvalidInputError`` names the file when it is no task."""
    import yaml

    from fairlead.errors import InvalidInputError

    body = source.removeprefix("\ufeff").replace("\r\n", "\n")
    parts = body.split("---\n", 2)
    try:
        front = _load(parts[1]) if body.startswith("---\n") and len(parts) == 3 else None
    except yaml.YAMLError as exc:
        raise InvalidInputError(f"{path}: the front matter is not YAML: {exc}.", remedy="Mend it.", file=path) from exc
    if not isinstance(front, dict) or not front.get("id"):
        raise InvalidInputError(
            f"{path} has no front matter with an id.",
            remedy="Leave it out, or mend it.",
            field="file",
            file=path,
        )
    own = front.pop(OWN, None)
    deep: Document = {"path": path, "front": _plain(front), "sections": _sections(parts[2])}
    flat = _flatten(deep)
    if own is not None:
        flat[OWN] = own
    if render_file(flat) != source:
        flat["text"] = source
    return flat


def _load(text: str) -> Any:
    """YAML without aliases: a few lines of them can stand for more data than fits into memory."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases are not read")
            return super().compose_node(parent, index)

    return yaml.load(text, Loader)


def _plain(value: Any) -> Any:
    """YAML's dates as the texts that they were."""
    from datetime import date, datetime

    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _sections(body: str) -> dict[str, str]:
    found: dict[str, str] = {}
    starts = list(_HEADING.finditer(body))
    preamble = body[: starts[0].start()] if starts else body
    if preamble.strip():
        found[""] = preamble.strip("\n")
    ends = [*(m.start() for m in starts[1:]), len(body)]
    for start, end in zip(starts, ends, strict=False):
        found.setdefault(start[1], _MARK.sub("", body[start.end() : end]).strip("\n"))
    return found


def render_file(flat: Document) -> str:
    """The file of a flat document. A kept text is used while it says the same."""
    import yaml

    deep = _deepen(flat)
    front = {**deep["front"], **({OWN: flat[OWN]} if OWN in flat else {})}

    class Dumper(yaml.SafeDumper):
        """Writes Unicode as it is, but escapes what YAML would take for a line break and fold."""

    def write(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = '"' if any(c in value for c in "\x85\u2028\u2029") else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, write)
    head = yaml.dump(front, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=4096)
    parts = [f"---\n{head}---\n"]
    for heading, said in deep["sections"].items():
        mark = _MARKS.get(heading)
        inner = f"<!-- {mark}:BEGIN -->\n{said}\n<!-- {mark}:END -->" if mark else said
        parts.append(f"\n## {heading}\n\n{inner}\n" if heading else f"\n{inner}\n")
    return "".join(parts)


def read_files(files: dict[str, str]) -> list[Record]:
    """The records of a folder's files (name -> text)."""
    return [absorb(LENS, parse_file(path, source)) for path, source in sorted(files.items())]


def write_file(record: Record) -> tuple[str, str]:
    """The name and text of a record's file: its old text when nothing in it changed."""
    flat = release(LENS, record)
    kept = flat.pop("text", None)
    if isinstance(kept, str):
        again = parse_file(str(flat["path"]), kept)
        again.pop("text", None)
        if again == flat:
            return str(flat["path"]), kept
    return str(flat["path"]), render_file(flat)
