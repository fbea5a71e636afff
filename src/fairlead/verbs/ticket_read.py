"""What the reading verbs of tickets do, and how they show it."""

from __future__ import annotations

from fairlead.errors import InvalidInputError
from fairlead.verbs.opened import Opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output

LEAN = ("id", "title", "status", "priority", "type", "assignee", "labels", "updated_at")
"""Columns of a row unless `--full` asks for all: what an agent needs to choose, at few tokens."""

LIMIT = 50


def pick(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Some of the fields, where they are."""
    return {name: data[name] for name in names if name in data}


def split(given: Sequence[str] | None) -> list[str]:
    """Words given one by one or with commas between them."""
    return [word.strip() for part in given or () for word in part.split(",") if word.strip()]


def filters_of(service: TicketService, given: Mapping[str, Any]) -> dict[str, Any]:
    """Index filters from the words of the command line."""
    from fairlead.tickets.fields import PRIORITIES, read_priority, read_status

    filters: dict[str, Any] = {}
    if given.get("status"):
        words = split(given["status"])
        if "all" not in words:
            filters["status"] = [read_status(word) for word in words]
    elif not given.get("all") and not given.get("deleted"):
        filters["finished"] = False
    if given.get("priority"):
        filters["priority"] = [PRIORITIES.index(read_priority(word)) for word in split(given["priority"])]
    for name in ("assignee", "agent", "reporter"):
        if given.get(name) is not None:
            filters[name] = person(service, given[name])
    for name, kind in (("epic", "epic"), ("parent", None)):
        if given.get(name) is not None:
            filters[name] = None if given[name] == "none" else service.resolve(given[name], kind)
    for name in ("type", "label", "without_label"):
        if given.get(name):
            filters[name] = split(given[name])
    for name in ("created_since", "updated_since", "closed_since", "due_before"):
        if given.get(name):
            filters[name] = moment(service, given[name])
    for name in ("ready", "blocked", "deleted"):
        if given.get(name):
            filters[name] = True
    if given.get("problems"):
        filters["flawed"] = True
    return filters


def person(service: TicketService, word: str) -> str | None:
    """``me`` is whoever gives the command, ``none`` nobody."""
    if word == "me":
        return service.author().name
    return None if word in ("none", "") else word


def moment(service: TicketService, text: str) -> str:
    """A time from a date, a time, or an age like ``3d``, ``12h``, ``30m``."""
    from fairlead.clock import isoformat

    units = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    if text[:-1].isdigit() and text[-1] in units:
        return isoformat(service.clock.now() - int(text[:-1]) * units[text[-1]])
    if len(text) < 10 or not text[:4].isdigit() or text[4] != "-":
        raise InvalidInputError(
            f"time {text!r} cannot be read.",
            remedy="Use 2026-11-20, 2026-11-20T09:12:00Z or an age like 3d.",
            value=text,
        )
    return text


def page(
    rows: list[dict[str, Any]], limit: int | None, offset: int, full: bool, more: Sequence[str] = ()
) -> dict[str, Any]:
    """One page of rows, which were asked for with one row more than the limit."""
    has_more = limit is not None and len(rows) > limit
    rows = rows[:limit]
    if not full:
        rows = [pick(row, *LEAN, *more) for row in rows]
    answer: dict[str, Any] = {"items": rows, "has_more": has_more}
    if has_more and limit is not None:
        answer["next_offset"] = offset + limit
    return answer


def limit_of(limit: int | None, all_: bool) -> int | None:
    """Rows on a page; None for all. A limit of 0 means all too."""
    if limit is None:
        return None if all_ else LIMIT
    if limit < 0:
        raise InvalidInputError(f"limit is {limit}.", remedy="Use 0 for all, or a number above it.", field="limit")
    return limit or None


# ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────


def list_(context: Context, **given: Any) -> Any:
    with Opened(context) as service:
        limit = limit_of(given.get("limit"), bool(given.get("all")))
        offset = given.get("offset") or 0
        more = None if limit is None else limit + 1
        filters = filters_of(service, given)
        sort = given.get("sort") or ("ready" if given.get("ready") else "priority")
        if filters.pop("ready", None):
            rows = service.ready(limit=None if more is None else offset + more, **filters)[offset:]
        elif given.get("text"):
            rows = service.search(given["text"], "ticket", limit=more or 1_000_000, offset=offset, **filters)
        else:
            ask: dict[str, Any] = {"sort": sort, "reverse": bool(given.get("reverse")), "limit": more, "offset": offset}
            rows = service.rows("ticket", **ask, **filters)
            shown = [row["id"] for row in rows]
            if shown and not service.board.settled(shown):
                # A file was written in place since all were last looked at.
                service.board.refresh(force=True)
                rows = service.rows("ticket", **ask, **filters)
        return _with_problems(service, page(rows, limit, offset, bool(given.get("full"))))


def _with_problems(service: TicketService, answer: dict[str, Any]) -> dict[str, Any]:
    """Files that are wrong are named in every listing: they are never passed over in silence."""
    found = service.board.index.problems() if hasattr(service.board, "index") else []
    if found:
        answer["problems"] = [text for _, text in found[:20]]
        if len(found) > 20:
            answer["problems"].append(f"and {len(found) - 20} more: see `fairlead ticket doctor`")
    return answer


def show_rows(answer: Any, out: Output) -> None:
    """Rows in columns; what is wrong on the board goes to standard error."""
    rows = answer["items"]
    width = max((len(row["id"]) for row in rows), default=0)
    for row in rows:
        out.line(row_line(row, width))
    if not rows:
        out.line("no tickets")
    if answer.get("has_more"):
        out.line(f"… more: --offset {answer['next_offset']}, or --all")
    warn(answer.get("problems", ()))


def row_line(row: Mapping[str, Any], width: int = 0) -> str:
    """A row as a line: what a person chooses by."""
    labels = "".join(f" #{label}" for label in row.get("labels") or ())
    who = f" @{row['assignee']}" if row.get("assignee") else ""
    extra = f"  waits for {', '.join(row['waiting_for'])}" if row.get("waiting_for") else ""
    if row.get("snippet"):
        extra += f"\n{'':{width}}    {' '.join(row['snippet'].split())}"
    rank = _MARK.get(row["priority"], "?")
    return f"{row['id']:<{width}}  {rank} {row['status']:<11} {row['title']}{who}{labels}{extra}"


def warn(problems: Sequence[str]) -> None:
    import sys

    for text in problems:
        sys.stderr.write(f"warning: {text}\n")


_MARK = {"critical": "P0", "high": "P1", "medium": "P2", "low": "P3"}


def show(context: Context, ids: Sequence[str], full: bool = False) -> Any:
    with Opened(context) as service:
        found = [detail(service, text) for text in ids]
        return found[0] if len(found) == 1 else {"items": found}


def detail(service: TicketService, text: str) -> dict[str, Any]:
    """A thing as data, with who holds it, what it waits for, and what is wrong with its files."""
    from fairlead.store import ticket_sql as sql

    record = service.get(text)
    data: dict[str, Any] = as_data(record)
    waiting = sql.blockers(service.board.rows, service.board.board, [record.id]).get(record.id, [])
    if waiting:
        data["waiting_for"] = waiting
    claim = service.board.claims(service.clock.now()).get(record.id)
    if claim is not None:
        data["claim"] = claim.to_dict()
    problems = [text for thing_id, text in service.problems() if thing_id == record.id]
    if problems:
        data["problems"] = problems
    return data


def as_data(record: Any) -> Any:
    """A record as plain data, nested entries included."""
    if hasattr(record, "_asdict"):
        return {name: as_data(value) for name, value in record._asdict().items()}
    if isinstance(record, tuple):
        return [as_data(value) for value in record]
    return dict(record) if hasattr(record, "items") else record


def show_detail(data: Any, out: Output) -> None:
    for item in data.get("items", [data]):
        out.line(f"{item['id']}  {item['title']}")
        facts = [(name, item.get(name)) for name in _FACTS if item.get(name) not in (None, [], "", {}, False)]
        for name, value in facts:
            out.line(f"  {name}: {', '.join(value) if isinstance(value, list) else value}")
        if item.get("claim"):
            out.line(f"  held by: {item['claim']['agent']}")
        if item.get("description"):
            out.line()
            out.line(item["description"])
        for name, kind in _ENTRIES:
            for entry in item.get(name) or ():
                state = f" [{entry['status']}]" if entry.get("status") else ""
                who = entry.get("author") or ""
                out.line(f"\n-- {kind} {entry['id']}{state} {who} {entry.get('created_at')}")
                out.line(_said(entry))
        warn(item.get("problems", ()))


def _said(entry: Mapping[str, Any]) -> str:
    if entry.get("persona"):
        from fairlead.tickets.requirements import format_story

        return format_story(entry["persona"], entry["goal"] or "", entry["benefit"] or "")
    words = (entry.get(name) for name in ("text", "content", "title", "description"))
    return str(next((said for said in words if said), ""))


_ENTRIES = (
    ("requirements", "requirement"),
    ("user_stories", "story"),
    ("gherkin_scenarios", "scenario"),
    ("expected_results", "expected result"),
    ("journal_entries", "journal"),
    ("comments", "comment"),
    ("goals", "goal"),
    ("success_criteria", "criterion"),
    ("acceptance_criteria", "criterion"),
)
_FACTS = (
    "status",
    "priority",
    "type",
    "assignee",
    "assigned_agent",
    "labels",
    "epic_id",
    "parent_ticket_id",
    "child_ticket_ids",
    "blocked_by",
    "waiting_for",
    "blocks",
    "related_to",
    "discovered_from",
    "due_date",
    "story_points",
    "estimated_hours",
    "reporter",
    "created_at",
    "updated_at",
    "closed_at",
    "revision",
    "deleted",
)


def ready(context: Context, **given: Any) -> Any:
    return list_(context, **{**given, "ready": True})


def blocked(context: Context, **given: Any) -> Any:
    with Opened(context) as service:
        limit = limit_of(given.get("limit"), bool(given.get("all")))
        rows = service.blocked(
            limit=None if limit is None else limit + 1, **filters_of(service, {**given, "all": True})
        )
        return _with_problems(service, page(rows, limit, 0, bool(given.get("full")), ("waiting_for",)))


def search(context: Context, words: Sequence[str], **given: Any) -> Any:
    with Opened(context) as service:
        limit = limit_of(given.get("limit"), False) or 1_000_000
        offset = given.get("offset") or 0
        filters = filters_of(service, {"all": True, **given})
        kind = given.get("kind") or "ticket"
        rows = service.search(
            " ".join(words), None if kind == "all" else kind, limit=limit + 1, offset=offset, **filters
        )
        return _with_problems(service, page(rows, limit, offset, bool(given.get("full")), ("score", "snippet")))


def tree(context: Context, id: str | None = None, all: bool = False) -> Any:  # noqa: A002 - names of the command line
    with Opened(context) as service:
        rows = {
            row["id"]: row
            for row in service.rows("ticket", sort="created", **({} if all or id else {"finished": False}))
        }
        below: dict[str | None, list[str]] = {}
        for thing_id, row in rows.items():
            parent = row["parent_id"] if row["parent_id"] in rows else None
            below.setdefault(parent, []).append(thing_id)
        roots = [service.resolve(id)] if id else below.get(None, [])
        seen: set[str] = set()

        def branch(thing_id: str) -> dict[str, Any]:
            seen.add(thing_id)
            row = rows[thing_id]
            children = [branch(child) for child in below.get(thing_id, ()) if child not in seen]
            return {**pick(row, *LEAN), "children": children}

        return {"items": [branch(root) for root in roots if root in rows]}


def show_tree(answer: Any, out: Output) -> None:
    def line(item: Mapping[str, Any], prefix: str, last: bool | None) -> None:
        stem = "" if last is None else prefix + ("└── " if last else "├── ")
        out.line(f"{stem}{item['id']}  {_MARK.get(item['priority'], '?')} {item['status']:<11} {item['title']}")
        inner = "" if last is None else prefix + ("    " if last else "│   ")
        for child in item["children"]:
            line(child, inner, child is item["children"][-1])

    for item in answer["items"]:
        line(item, "", None)


def graph(context: Context, id: str | None = None, as_: str = "text", all: bool = False) -> Any:  # noqa: A002
    from fairlead.store import ticket_sql as sql
    from fairlead.tickets import graph as drawing

    with Opened(context) as service:
        rows = service.rows("ticket", sort="created", **({} if all else {"finished": False}))
        edges = [(a, b) for a, b in sql.edges(service.board.rows, service.board.board)]
        names = {row["id"] for row in rows}
        if id:
            names &= _reach(service.resolve(id), edges)
        else:
            names &= {end for edge in edges for end in edge}
        rows = [row for row in rows if row["id"] in names]
        edges = [(a, b) for a, b in edges if a in names and b in names]
        answer: dict[str, Any] = {
            "nodes": [pick(row, "id", "title", "status", "priority") for row in rows],
            "edges": [{"id": a, "blocked_by": b} for a, b in edges],
            "layers": drawing.layers(edges, names),
        }
        cycle = drawing.find_cycle(edges, sorted(names))
        if cycle:
            answer["cycle"] = cycle
        if as_ in ("mermaid", "dot"):
            answer["drawing"] = (drawing.mermaid if as_ == "mermaid" else drawing.dot)(rows, edges)
        return answer


def _reach(start: str, edges: Sequence[tuple[str, str]]) -> set[str]:
    """Everything that waits for a ticket or that it waits for, however far."""
    found = set()
    for forward in (True, False):
        near: dict[str, list[str]] = {}
        for a, b in edges:
            near.setdefault(a if forward else b, []).append(b if forward else a)
        stack = [start]
        seen = {start}
        while stack:
            for node in near.get(stack.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    stack.append(node)
        found |= seen
    return found


def show_graph(answer: Any, out: Output) -> None:
    if "drawing" in answer:
        out.line(answer["drawing"])
        return
    titles = {node["id"]: node for node in answer["nodes"]}
    waits: dict[str, list[str]] = {}
    for edge in answer["edges"]:
        waits.setdefault(edge["id"], []).append(edge["blocked_by"])
    for number, layer in enumerate(answer["layers"]):
        out.line(f"step {number + 1}")
        for thing_id in layer:
            after = f"  after {', '.join(sorted(waits[thing_id]))}" if thing_id in waits else ""
            out.line(f"  {thing_id}  {titles[thing_id]['title']}{after}")
    if "cycle" in answer:
        warn([f"a circle came in with a merge: {' is blocked by '.join(answer['cycle'])}"])


def history(context: Context, id: str | None = None, since: str | None = None, limit: int = LIMIT) -> Any:  # noqa: A002
    with Opened(context) as service:
        after = None if since is None else moment(service, since)
        changes = service.history(id, since=after, limit=limit or 1_000_000)
        return {"items": [_change_data(change) for change in changes]}


def _change_data(change: Any) -> dict[str, Any]:
    data: dict[str, Any] = change._asdict()
    data["edits"] = [{"field": f, "before": b, "after": a} for f, b, a in change.edits]
    return data


def show_history(answer: Any, out: Output) -> None:
    for item in answer["items"]:
        out.line(f"{item['at']}  {item['thing_id']}  {item['action']}  by {item['by'] or 'unknown'}  ({item['id']})")
        if item["note"]:
            out.line(f"    {item['note']}")
        for edit in item["edits"]:
            before, after = (_brief(edit[name]) for name in ("before", "after"))
            out.line(f"    {edit['field']}: {before} -> {after}")


def _brief(text: str | None) -> str:
    if text is None:
        return "nothing"
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def stats(context: Context) -> Any:
    from fairlead.store import ticket_sql as sql

    with Opened(context) as service:
        rows, key = service.board.rows, service.board.board
        tickets = {"kind": "ticket"}
        names = ("critical", "high", "medium", "low")
        ranks = sql.count_by(rows, key, {**tickets, "finished": False}, "priority")
        return {
            "tickets": sql.count(rows, key, tickets),
            "deleted": sql.count(rows, key, {**tickets, "deleted": True}),
            "by_status": sql.count_by(rows, key, tickets, "status"),
            "open_by_priority": {names[rank]: many for rank, many in sorted(ranks.items()) if rank < len(names)},
            "by_type": sql.count_by(rows, key, tickets, "type"),
            "by_assignee": {str(k): v for k, v in sql.count_by(rows, key, tickets, "assignee").items() if k},
            "by_label": sql.label_counts(rows, key),
            "epics": sql.count(rows, key, {"kind": "epic"}),
            "backlog": sql.count(rows, key, {"kind": "backlog"}),
            "ready": sql.count(rows, key, {**tickets, "ready": True}),
            "blocked": sql.count(rows, key, {**tickets, "blocked": True}),
            "claimed": len(service.board.claims(service.clock.now())),
            "problems": len(service.problems()),
        }


def show_stats(answer: Any, out: Output) -> None:
    for name, value in answer.items():
        if isinstance(value, dict):
            out.line(f"{name}: " + (", ".join(f"{k} {v}" for k, v in list(value.items())[:12]) or "none"))
        else:
            out.line(f"{name}: {value}")
