"""Batches as files: what a person or an agent writes down, read into a plan.

A batch is JSON (a list, an object with ``operations``, or one object a line) or CSV with a header. An item of a
create batch is a ticket's fields; ``id`` beginning with ``$`` is a temporary name that other items may use in
``blocked_by``, ``blocks``, ``parent``, ``epic`` and the like. An item may say ``action`` itself, so one ordered file
can create, link, update, close and delete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.errors import InvalidInputError
from fairlead.tickets.fields import FIELDS
from fairlead.tickets.port import EntryDraft, Operation

_SETS = {
    "labels": "labels",
    "label": "labels",
    "blocked_by": "blocked_by",
    "depends_on": "blocked_by",
    "related_to": "related_to",
    "related": "related_to",
    "discovered_from": "discovered_from",
}
_NAMES = {"epic": "epic_id", "parent": "parent_ticket_id", "agent": "assigned_agent", "body": "description"}
_OWN = {"action", "op", "id", "kind", "note", "if_match", "remove", "comments", "comment", "blocks", "ref"}
_CLOSED = {"close": "closed", "cancel": "cancelled", "reopen": "open"}


def read(text: str, action: str, *, name: str = "batch") -> list[Operation]:
    """The plan in a batch file; :class:`InvalidInputError` names the item that cannot be one."""
    items = list(_items(text, name))
    plan: list[Operation] = []
    named: set[str] = set()
    for number, item in enumerate(items):
        if isinstance(item, str) and action in ("delete", "close", "reopen"):
            item = {"id": item}
        if not isinstance(item, Mapping):
            raise InvalidInputError(
                f"item {number} of {name} is {type(item).__name__}, not an object.", remedy="Write one object an item."
            )
        own = str(item.get("id") or "")
        # In a mixed plan an item that names nothing yet known creates it.
        fresh = action == "run" and (not own or (own.startswith("$") and own not in named))
        named.add(own)
        plan += _operations(dict(item), "create" if fresh else "update" if action == "run" else action, number, name)
    return plan


def _items(text: str, name: str) -> Iterator[Any]:
    stripped = text.strip()
    if not stripped:
        raise InvalidInputError(f"{name} is empty.", remedy="Write at least one item.")
    if stripped[0] not in "[{":
        yield from _csv(text)
        return
    try:
        whole = json.loads(stripped)
    except json.JSONDecodeError as whole_fault:
        for number, line in enumerate(stripped.split("\n"), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as exc:
                    fault = whole_fault if number == 1 else exc
                    raise InvalidInputError(f"{name}:{number}: {fault}.", remedy="Write JSON, or JSON lines.") from exc
        return
    if isinstance(whole, dict):
        whole = next((whole[k] for k in ("operations", "items", "tickets") if isinstance(whole.get(k), list)), [whole])
    yield from whole


def _csv(text: str) -> Iterator[dict[str, Any]]:
    import csv
    import io

    for row in csv.DictReader(io.StringIO(text)):
        yield {key.strip(): value for key, value in row.items() if key and value not in (None, "")}


def _operations(item: dict[str, Any], action: str, number: int, name: str) -> Iterator[Operation]:
    action = str(item.get("action") or item.get("op") or action)
    kind = str(item.get("kind") or "ticket")
    values: dict[str, Any] = {}
    add: dict[str, list[str]] = {}
    for key, value in item.items():
        if key in _SETS:
            add[_SETS[key]] = _words(value)
        elif key not in _OWN:
            values[_NAMES.get(key, key)] = value
    known = {f.name for f in FIELDS.get(kind, ())} | {"description", "extras"}
    strange = [key for key in values if key not in known]
    if strange:
        raise InvalidInputError(
            f"item {number} of {name} has the unknown field {strange[0]!r}.",
            remedy=f"Known: {', '.join(sorted(known | _SETS.keys() | _OWN))}.",
            field=strange[0],
        )
    if action in _CLOSED:
        values["status"], action = _CLOSED[action], "update"
    elif action in ("link", "add"):
        action = "update"
    comments = [*_texts(item.get("comments")), *_texts(item.get("comment"))]
    own = item.get("id") or item.get("ref") or (f"$item{number}" if action == "create" and item.get("blocks") else None)
    yield Operation(
        action,
        None if own is None else str(own),
        kind,
        values,
        add,
        {_SETS.get(k, k): _words(v) for k, v in (item.get("remove") or {}).items()},
        [EntryDraft("comment", {"text": text}) for text in comments],
        note=str(item.get("note") or ""),
        if_match=item.get("if_match"),
    )
    for other in _words(item.get("blocks") or ()):
        yield Operation("update", other, add={"blocked_by": [str(own)]})


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word.strip() for word in value.replace(";", ",").split(",") if word.strip()]
    return [str(word) for word in value]


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    items = [value] if isinstance(value, (str, Mapping)) else value
    return [str(item.get("text", "")) if isinstance(item, Mapping) else str(item) for item in items]
