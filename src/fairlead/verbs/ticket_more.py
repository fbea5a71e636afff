"""Verbs of `ticket` that are used less often: events, migration, git's merge driver, choosing an agent."""

from __future__ import annotations

from fairlead.verbs.opened import Opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from fairlead.tickets.assigning import Candidate
    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output


def priority(context: Context, id: str, priority: str) -> Any:  # noqa: A002 - its name everywhere
    from fairlead.tickets.port import Operation
    from fairlead.verbs.ticket_write import changed

    plan = [Operation("update", id, values={"priority": priority})]
    with Opened(context) as service:
        return changed(service, plan, [id])


def merge_driver(context: Context, base: str, ours: str, theirs: str, path: str = "") -> Any:
    from fairlead.tickets.driver import merge_files

    return merge_files(base, ours, theirs, path)


def show_nothing(answer: Any, out: Output) -> None:
    """git shows what its driver prints; a clean merge has nothing to say."""


def migrate(context: Context, dry_run: bool = False, back: str | None = None) -> Any:
    from fairlead.tickets import migration

    with Opened(context) as service:
        if back is not None:
            return {"restored": migration.take_back(service.board, back)}
        return migration.migrate(service.board, dry_run=dry_run)


def show_migrate(answer: Any, out: Output) -> None:
    for name in answer.get("restored", answer.get("files", ())):
        out.line(name)
    if answer.get("backup"):
        out.line(f"backup: {answer['backup']}")
    elif not answer.get("files") and "restored" not in answer:
        out.line("every file is up to date")


def events(context: Context, follow: bool = False, **given: Any) -> Any:
    """A page of events with the cursor behind it, or with ``follow`` one event after the other, for ever."""

    if follow:
        return _follow(context, given)
    with Opened(context) as service:
        return _page(service, given)


def _page(service: TicketService, given: dict[str, Any]) -> dict[str, Any]:
    from fairlead.tickets.stream import as_dict, cursor_at, read_cursor, seconds
    from fairlead.verbs.ticket_read import moment

    service.board.refresh()
    shared = service.board.shared
    after, since = 0, None
    text = given.get("since")
    if text:
        number = text.count(".") >= 2 and text.split(".")[1].isdigit()
        after, since = read_cursor(shared, text) if number or text.isdigit() else (0, seconds(moment(service, text)))
    limit = given.get("limit") or 100
    subject = service.resolve(given["id"], deleted=True) if given.get("id") else None
    rows = shared.events(
        after=after,
        types=given.get("type") or (),
        subject=subject,
        since=since,
        limit=limit + 1,
        newest=not text and not given.get("oldest"),
    )
    items = [as_dict(row) for row in rows[:limit]]
    last = max((item["index"] for item in items), default=after)
    if not text and not given.get("oldest"):
        last = shared.last_event()
    time = max((item["time"] for item in items), default=service.clock.now())
    answer = {"items": items, "has_more": len(rows) > limit, "cursor": cursor_at(shared, last, time)}
    if given.get("counts"):
        answer["counts"] = shared.event_counts()
    return answer


def _follow(context: Context, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import time

    from fairlead.tickets.opening import open_service

    service = open_service(context)
    try:
        given = {**given, "limit": given.get("limit") or 100}
        page = _page(service, given)
        yield from page["items"] if given.get("since") else reversed(page["items"])
        while True:
            given["since"] = page["cursor"]
            page = _page(service, given)
            yield from page["items"]
            if not page["items"]:
                time.sleep(context.settings.poll_interval * 10)
    finally:
        service.close()


def show_events(answer: Any, out: Output) -> None:
    from fairlead.clock import isoformat

    for item in answer.get("items", [answer]):
        subject = f"{item['subject']:<10}" if item["subject"] else ""
        out.line(f"{item['index']:>6}  {isoformat(item['time'])}  {item['type']:<22} {subject} {item['cause']}")
    if "cursor" in answer:
        out.line(f"cursor {answer['cursor']}")
    for type_, many in answer.get("counts", {}).items():
        out.line(f"{many:>6}  {type_}")


# ── choosing an agent ────────────────────────────────────────────────────────────────────────────────────────────


def candidates(context: Context, service: TicketService) -> Sequence[Candidate]:
    """The registered agents with the work that this board says they have and have done."""
    from fairlead.tickets.assigning import Candidate
    from fairlead.verbs.agent import list_agents

    rows = service.rows("ticket")
    shared = service.board.shared
    found = []
    for spec in list_agents(context)["items"]:
        name = spec["name"]
        if spec.get("status", "active") not in ("active", "busy"):
            continue
        mine = [row for row in rows if row["assigned_agent"] == name]
        done = shared.events(types=("agent.task.completed", "agent.task.failed"), limit=100_000)
        ended = [row[2] for row in done if row[6] in (name, f"agent:{name}")]
        found.append(
            Candidate(
                name,
                {
                    c["name"]: c.get("confidence_level", 1.0)
                    for c in spec.get("capabilities", ())
                    if c.get("enabled", True)
                },
                tuple(spec.get("preferred_task_types", ())),
                spec.get("max_concurrent_tasks", 1),
                sum(row["status"] in ("open", "in-progress", "blocked") for row in mine),
                ended.count("agent.task.completed"),
                ended.count("agent.task.failed"),
            )
        )
    return found
