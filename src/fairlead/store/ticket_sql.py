"""Questions that both ticket boards ask: the same tables in the disposable index and in the relational store.

A *thing* is a ticket, an epic or a backlog item. Every table has ``board``: the tenant's workspace in the relational
store, the empty text in an index, which holds one board. SQL here is portable; full text is in the module of its
dialect. This module imports nothing, because a command line that lists tickets pays for what it imports.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Rows = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

COLUMNS = (
    "id",
    "kind",
    "title",
    "status",
    "priority",
    "type",
    "assignee",
    "assigned_agent",
    "epic_id",
    "parent_id",
    "reporter",
    "created_at",
    "updated_at",
    "closed_at",
    "due_date",
    "story_points",
    "estimated_hours",
    "risk",
    "business_value",
    "deleted",
    "flawed",
    "revision",
)
"""Columns of a thing, in order. ``priority`` is its rank, 0 for critical; ``flawed`` 1 when its files have a fault."""

FINISHED = "('closed', 'cancelled', 'completed', 'done')"

_SORTS = {
    "priority": "t.priority, t.created_at, t.id",
    "created": "t.created_at, t.id",
    "updated": "t.updated_at, t.id",
    "closed": "t.closed_at, t.id",
    "title": "t.title, t.id",
    "status": "t.status, t.priority, t.created_at, t.id",
    "due": "t.due_date IS NULL, t.due_date, t.priority, t.id",
    "id": "t.id",
    # First what is most urgent, then what frees most other work, then what has waited longest.
    "ready": "t.priority, unblocks DESC, t.created_at, t.id",
}
SORTS = tuple(_SORTS)

_BLOCKED = f"""EXISTS (SELECT 1 FROM tk_edges e JOIN tk_things b ON b.board = e.board AND b.id = e.other
 WHERE e.board = t.board AND e.id = t.id AND e.type = 'blocked_by' AND b.deleted = 0 AND b.status NOT IN {FINISHED})"""
_UNBLOCKS = f"""(SELECT count(*) FROM tk_edges e JOIN tk_things d ON d.board = e.board AND d.id = e.id
 WHERE e.board = t.board AND e.other = t.id AND e.type = 'blocked_by' AND d.deleted = 0
 AND d.status NOT IN {FINISHED})"""
# Both look up a thing's own edges: in the order of priority only as many things are looked at as a page has.


def conditions(board: str, filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The WHERE clause (over ``tk_things t``) and its parameters for filters that are set.

    Filters: ``kind``; lists ``status``, ``priority`` (ranks), ``type``, ``ids``, ``except_ids``; ``label`` (all of a
    list), ``without_label``; ``assignee``, ``agent``, ``reporter``, ``epic``, ``parent`` (None for "none");
    ``finished``, ``deleted``, ``flawed``, ``ready``, ``blocked`` (true or false); ``created_since``,
    ``updated_since``, ``closed_since``, ``due_before`` (times).
    """
    where, values = ["t.board = ?"], [board]

    def add(clause: str, *parameters: Any) -> None:
        where.append(clause)
        values.extend(parameters)

    if filters.get("kind"):
        add("t.kind = ?", filters["kind"])
    add("t.deleted = ?", int(bool(filters.get("deleted"))))
    for name, column in (("status", "status"), ("priority", "priority"), ("type", "type"), ("ids", "id")):
        if filters.get(name) is not None:
            wanted = list(filters[name])
            add(f"t.{column} IN ({', '.join('?' * len(wanted))})", *wanted)
    if filters.get("except_ids"):
        add(f"t.id NOT IN ({', '.join('?' * len(filters['except_ids']))})", *filters["except_ids"])
    for name, column in _PEOPLE:
        if name in filters:
            value = filters[name]
            add(f"t.{column} IS NULL") if value is None else add(f"t.{column} = ?", value)
    if filters.get("finished") is not None:
        add(f"t.status {'' if filters['finished'] else 'NOT '}IN {FINISHED}")
    if filters.get("flawed") is not None:
        add("t.flawed = ?", int(filters["flawed"]))
    for label in filters.get("label") or ():
        add("t.id IN (SELECT l.id FROM tk_labels l WHERE l.board = ? AND l.label = ?)", board, label)
    for label in filters.get("without_label") or ():
        add("t.id NOT IN (SELECT l.id FROM tk_labels l WHERE l.board = ? AND l.label = ?)", board, label)
    for name, clause in _TIMES:
        if filters.get(name):
            add(clause, filters[name])
    if filters.get("ready"):
        add("t.status = 'open'")
        add(f"NOT {_BLOCKED}")
    if filters.get("blocked"):
        add(f"t.status NOT IN {FINISHED}")
        add(f"(t.status = 'blocked' OR {_BLOCKED})")
    return " AND ".join(where), values


_PEOPLE = (
    ("assignee", "assignee"),
    ("agent", "assigned_agent"),
    ("reporter", "reporter"),
    ("epic", "epic_id"),
    ("parent", "parent_id"),
)
_TIMES = (
    ("created_since", "t.created_at >= ?"),
    ("updated_since", "t.updated_at >= ?"),
    ("closed_since", "t.closed_at >= ?"),
    ("due_before", "t.due_date <= ?"),
)


def find(
    rows: Rows,
    board: str,
    filters: Mapping[str, Any],
    *,
    sort: str = "priority",
    reverse: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Things that meet the filters, as lean rows with their labels."""
    where, values = conditions(board, filters)
    columns = ", ".join(f"t.{c}" for c in COLUMNS)
    names: tuple[str, ...] = COLUMNS
    order = _SORTS[sort]
    if sort == "ready":
        columns += f", {_UNBLOCKS} AS unblocks"
        names = (*COLUMNS, "unblocks")
    elif reverse:
        order = ", ".join(f"{part} DESC" for part in order.split(", "))
    sql = f"SELECT {columns} FROM tk_things t WHERE {where} ORDER BY {order}"
    if limit is not None:
        sql += " LIMIT ? OFFSET ?"
        values += [limit, offset]
    found = [dict(zip(names, row, strict=True)) for row in rows(sql, values)]
    return with_labels(rows, board, found)


def with_labels(rows: Rows, board: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds ``labels`` to lean rows."""
    labels: dict[str, list[str]] = {}
    for start in range(0, len(found), 500):
        part = [row["id"] for row in found[start : start + 500]]
        marks = ", ".join("?" * len(part))
        sql = f"SELECT id, label FROM tk_labels WHERE board = ? AND id IN ({marks}) ORDER BY id, label"
        for thing_id, label in rows(sql, [board, *part]):
            labels.setdefault(thing_id, []).append(label)
    for row in found:
        row["labels"] = labels.get(row["id"], [])
    return found


def count(rows: Rows, board: str, filters: Mapping[str, Any]) -> int:
    where, values = conditions(board, filters)
    return int(rows(f"SELECT count(*) FROM tk_things t WHERE {where}", values)[0][0])


def count_by(rows: Rows, board: str, filters: Mapping[str, Any], column: str) -> dict[Any, int]:
    """How many things have each value of a column."""
    if column not in COLUMNS:
        raise ValueError(column)
    where, values = conditions(board, filters)
    sql = f"SELECT t.{column}, count(*) FROM tk_things t WHERE {where} GROUP BY t.{column} ORDER BY 2 DESC, 1"
    return {value: int(many) for value, many in rows(sql, values)}


def label_counts(rows: Rows, board: str) -> dict[str, int]:
    sql = (
        "SELECT l.label, count(*) FROM tk_labels l JOIN tk_things t ON t.board = l.board AND t.id = l.id "
        "WHERE l.board = ? AND t.deleted = 0 GROUP BY l.label ORDER BY 2 DESC, 1"
    )
    return {label: int(many) for label, many in rows(sql, [board])}


def total(rows: Rows, board: str) -> int:
    """All things there are, deleted ones too (identifiers are never given twice)."""
    return int(rows("SELECT count(*) FROM tk_things WHERE board = ?", [board])[0][0])


def resolve(rows: Rows, board: str, prefix: str, kind: str | None, limit: int = 12) -> list[tuple[str, str, str, int]]:
    """(id, kind, title, deleted) of the things whose identifier is or begins with ``prefix``, deleted ones last; an
    exact hit is alone."""
    exact = rows("SELECT id, kind, title, deleted FROM tk_things WHERE board = ? AND id = ?", [board, prefix])
    if exact:
        return exact
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    sql = "SELECT id, kind, title, deleted FROM tk_things WHERE board = ? AND id >= ? AND id < ?"
    values: list[Any] = [board, prefix, end]
    if kind:
        sql += " AND kind = ?"
        values.append(kind)
    return rows(f"{sql} ORDER BY deleted, id LIMIT ?", [*values, limit])


def edges(rows: Rows, board: str, type_: str = "blocked_by") -> list[tuple[str, str]]:
    """(thing, other) of every edge of a type; ``parent`` gives (child, parent)."""
    if type_ == "parent":
        sql = "SELECT id, parent_id FROM tk_things WHERE board = ? AND parent_id IS NOT NULL"
        return rows(sql, [board])
    return rows("SELECT id, other FROM tk_edges WHERE board = ? AND type = ?", [board, type_])


def other_ends(rows: Rows, board: str, thing_id: str) -> tuple[list[str], list[str], list[str]]:
    """What a thing blocks, its children, and the tickets of it as an epic."""
    blocks = rows(
        "SELECT e.id FROM tk_edges e JOIN tk_things t ON t.board = e.board AND t.id = e.id AND t.deleted = 0 "
        "WHERE e.board = ? AND e.other = ? AND e.type = 'blocked_by' ORDER BY e.id",
        [board, thing_id],
    )
    children = rows(
        "SELECT id FROM tk_things WHERE board = ? AND parent_id = ? AND deleted = 0 ORDER BY created_at, id",
        [board, thing_id],
    )
    members = rows(
        "SELECT id FROM tk_things WHERE board = ? AND epic_id = ? AND coalesce(kind, '') = 'ticket' AND deleted = 0 "
        "ORDER BY created_at, id",
        [board, thing_id],
    )
    return [r[0] for r in blocks], [r[0] for r in children], [r[0] for r in members]


def blockers(rows: Rows, board: str, ids: Sequence[str]) -> dict[str, list[str]]:
    """The unfinished things that block each of ``ids``."""
    found: dict[str, list[str]] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        sql = (
            f"SELECT e.id, e.other FROM tk_edges e JOIN tk_things b ON b.board = e.board AND b.id = e.other "
            f"WHERE e.board = ? AND e.type = 'blocked_by' AND b.deleted = 0 AND b.status NOT IN {FINISHED} "
            f"AND e.id IN ({', '.join('?' * len(part))}) ORDER BY e.other"
        )
        for thing_id, other in rows(sql, [board, *part]):
            found.setdefault(thing_id, []).append(other)
    return found


def changes(rows: Rows, board: str, thing_id: str | None, since: str | None, limit: int) -> list[tuple[str, str, str]]:
    """(change id, thing id, text) of change records, newest first."""
    sql, values = "SELECT id, thing_id, text FROM tk_changes WHERE board = ?", [board]
    if thing_id is not None:
        sql += " AND thing_id = ?"
        values.append(thing_id)
    if since is not None:
        sql += " AND at >= ?"
        values.append(since)
    return rows(f"{sql} ORDER BY at DESC, id DESC LIMIT ?", [*values, limit])
