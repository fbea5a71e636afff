"""GitHub issues: the array of the REST API, and the one of ``gh issue list --json ...``.

An issue becomes the ticket ``gh-NUMBER``. GitHub has no field for a dependency in these documents; lines such as
``Blocked by #12`` at the end of the body are read and written for it, as people and bots do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.tickets.interchange.kept import EXTENSION, Document, Lens, Record
from fairlead.tickets.interchange.words import finished, inner, line, moment, names, objects, text, tidy, title

_TRAILER = re.compile(r"(Blocked by|Related to|Discovered from|Part of):? (#?[\w.-]+)\s*\Z", re.I)
_FIELDS = {"blocked by": "blocked_by", "related to": "related_to", "discovered from": "discovered_from"}
_PRIORITY_LABEL = re.compile(r"(?:priority[:/ -]+)?(p[0-4]|critical|high|medium|low)\Z", re.I)
_RANKS = {"p0": "critical", "p1": "high", "p2": "medium", "p3": "low", "p4": "low"}
_TYPES = {"bug": "bug", "enhancement": "feature", "feature": "feature", "documentation": "docs", "epic": "epic"}

_CLI_KEYS = {
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "closed_at": "closedAt",
    "state_reason": "stateReason",
    "html_url": "url",
    "user": "author",
}
"""REST key -> key of ``gh``. What else differs is the case of the state."""


def to_record(document: Document) -> Record:
    if _is_cli(document):
        document = _as_rest(document)
    given = document.get("labels")
    labels = [inner(x, "name") or x for x in given] if isinstance(given, list) else []
    labels = [label for label in labels if isinstance(label, str)]
    people = [p.get("login", "") for p in objects(document.get("assignees"))]
    body, edges = _split_body(text(document.get("body")))
    record: Record = {
        "id": ticket_id(document.get("number")) or str(document.get("id", "")),
        "title": title(document.get("title")),
        "description": body,
        "status": _status(document),
        "priority": next((_RANKS.get(p, p) for p in map(_priority_of, labels) if p), "medium"),
        "type": next((_TYPES[name.lower()] for name in labels if name.lower() in _TYPES), "task"),
        "assignee": line(people[0]) if people else None,
        "reporter": line(inner(document.get("user"), "login")),
        "labels": names(labels),
        "created_at": moment(document.get("created_at")),
        "updated_at": moment(document.get("updated_at")),
        "closed_at": moment(document.get("closed_at")),
        "comments": _comments(document.get("comments")),
        **edges,
    }
    if not finished(record):
        record["closed_at"] = None
    return tidy(record)


def ticket_id(number: Any) -> str:
    return f"gh-{number}" if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else ""


def _status(document: Mapping[str, Any]) -> str:
    if str(document.get("state", "open")).lower() != "closed":
        return "open"
    return "cancelled" if str(document.get("state_reason", "")).lower() in ("not_planned", "duplicate") else "closed"


def _priority_of(label: str) -> str:
    found = _PRIORITY_LABEL.match(label.strip())
    return found[1].lower() if found else ""


def _comments(rows: Any) -> list[Record]:
    # The REST list holds only their number; gh gives them whole.
    found = []
    for row in objects(rows):
        author = inner(row.get("author") or row.get("user"), "login")
        created = moment(row.get("createdAt") or row.get("created_at"))
        found.append(tidy({"text": text(row.get("body")), "author": line(author), "created_at": created}))
    return [c for c in found if c.get("text")]


def _split_body(body: str) -> tuple[str, Record]:
    """The body without its closing lines about other issues, and what those say."""
    lines = body.split("\n")
    sets: dict[str, set[str]] = {field: set() for field in _FIELDS.values()}
    parent = None
    while lines and (not lines[-1].strip() or _TRAILER.match(lines[-1].strip())):
        found = _TRAILER.match(lines.pop().strip())
        if found is None:
            continue
        target = f"gh-{found[2][1:]}" if found[2].startswith("#") else found[2]
        field = _FIELDS.get(found[1].lower())
        if field is None:
            parent = target
        else:
            sets[field].add(target)
    return "\n".join(lines).rstrip(), {**{k: sorted(v) for k, v in sets.items()}, "parent_ticket_id": parent}


def to_document(record: Record) -> Document:
    own = record.get("id", "")
    number = int(own[3:]) if re.fullmatch(r"gh-\d{1,18}", own) else None
    status = record.get("status", "open")
    body = record.get("description", "")
    trailer = _trailer(record)
    document: Document = {
        "number": number,
        "id": None if number is not None else own,
        "title": record.get("title", ""),
        "body": f"{body}\n\n{trailer}" if body and trailer else body or trailer or None,
        "state": "closed" if finished(record) else "open",
        "state_reason": {"closed": "completed", "cancelled": "not_planned"}.get(status),
        "labels": [{"name": name} for name in _labels(record)],
        "assignees": [{"login": record["assignee"]}] if record.get("assignee") else [],
        "user": {"login": record["reporter"]} if record.get("reporter") else None,
        "created_at": record.get("created_at"),
        "updated_at": record.get("updated_at"),
        "closed_at": record.get("closed_at"),
        "comments": [
            {"user": {"login": c.get("author")}, "body": c.get("text"), "created_at": c.get("created_at")}
            for c in record.get("comments", [])
        ],
    }
    return {k: v for k, v in document.items() if v is not None and (v or k not in ("comments", "assignees"))}


def _trailer(record: Record) -> str:
    words = {field: said.capitalize() for said, field in _FIELDS.items()}
    rows = [(words[field], target) for field in words for target in record.get(field, [])]
    if record.get("parent_ticket_id"):
        rows.append(("Part of", record["parent_ticket_id"]))
    return "\n".join(f"{said} {'#' + t[3:] if re.fullmatch(r'gh-[0-9]+', t) else t}" for said, t in rows)


def _labels(record: Record) -> list[str]:
    """The ticket's labels; one that names another priority is replaced."""
    labels = list(record.get("labels", []))
    priority = record.get("priority", "medium")
    said = [(name, _priority_of(name)) for name in labels]
    wrong = [name for name, rank in said if rank and _RANKS.get(rank, rank) != priority]
    labels = [name for name in labels if name not in wrong]
    if priority != "medium" and not any(_priority_of(name) for name in labels):
        labels.append(f"priority: {priority}")
    return labels


def _is_cli(document: Mapping[str, Any]) -> bool:
    return (
        any(key in document for key in ("createdAt", "author", "stateReason", "closedAt"))
        or str(document.get("state", "")).isupper()
    )


def _as_rest(document: Document) -> Document:
    back = {cli: rest for rest, cli in _CLI_KEYS.items()}
    return {back.get(k, k): v for k, v in document.items()}


def _to_cli_document(record: Record) -> Document:
    document = {_CLI_KEYS.get(k, k): v for k, v in to_document(record).items()}
    document["state"] = str(document["state"]).upper()
    document["stateReason"] = str(document.get("stateReason") or "").upper()
    document["comments"] = [
        {"author": c["user"], "body": c["body"], "createdAt": c["created_at"]} for c in document.get("comments", [])
    ]
    return document


LENS = Lens("github", to_record, to_document)
CLI_LENS = Lens("github-cli", to_record, _to_cli_document)


def lens_of(document: Document) -> Lens:
    return CLI_LENS if _is_cli(document) else LENS


def lens_for(record: Record) -> Lens:
    """The dialect that a record came in; the REST one for others."""
    return CLI_LENS if CLI_LENS.name in record.get(EXTENSION, {}) else LENS


def parse(source: str) -> list[Document]:
    """The issues of a JSON text: an array, one object, or an object with ``items`` or ``issues``."""
    import json

    from fairlead.errors import InvalidInputError

    try:
        value = json.loads(source)
    except ValueError as exc:
        raise InvalidInputError(f"not JSON: {exc}.", remedy="Give the answer of the API.", field="file") from exc
    if isinstance(value, dict):
        value = value.get("items") or value.get("issues") or [value]
    if not isinstance(value, list) or not all(isinstance(d, dict) and "title" in d for d in value):
        raise InvalidInputError(
            "the JSON holds no list of issues.", remedy="Use `gh issue list --json ...` or the REST API.", field="file"
        )
    return value


def render(documents: Iterable[Document]) -> str:
    import json

    return json.dumps(list(documents), ensure_ascii=False, indent=1) + "\n"
