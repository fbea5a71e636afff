"""Verbs of `time`: what work took, and the journal of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.tickets.fields import JOURNAL_TYPES, TIME_TYPES
from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Param, Verb

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output


def _answer(service: TicketService, ticket_id: str, entry: Any = None) -> dict[str, Any]:
    from fairlead.tickets.effort import spent
    from fairlead.tickets.plain import as_data

    ticket: Any = service.get(ticket_id, "ticket")
    total = spent(ticket.time_logs, now=service.clock.now(), estimated_hours=ticket.estimated_hours)
    found: dict[str, Any] = {"ticket": ticket.id, "spent": total._asdict()}
    return found if entry is None else {**found, "entry": as_data(entry)}


def log(
    context: Context,
    ticket: str,
    duration: str,
    note: str = "",
    type: str = "work",  # noqa: A002
) -> dict[str, Any]:
    from fairlead.tickets.effort import logged

    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        values = logged(duration, now=service.clock.now(), kind=type, text=note)
        return _answer(service, ticket_id, service.add_entry(ticket_id, "time", **values))


def start(context: Context, ticket: str, note: str = "", type: str = "work") -> dict[str, Any]:  # noqa: A002
    """Starts the caller's clock on a ticket; one that runs on it already is stopped first."""
    from fairlead.tickets.effort import running, started, stopped
    from fairlead.tickets.port import EntryDraft

    with Opened(context) as service:
        found: Any = service.get(ticket, "ticket")
        now = service.clock.now()
        clock = running(found.time_logs, service.author().name)
        service.update(
            found.id,
            entries=[EntryDraft("time", started(now=now, kind=type, text=note))],
            entry_values={clock.id: stopped(clock, now=now)} if clock else {},
        )
        logs: Any = service.entries(found.id, "time")
        return _answer(service, found.id, running(logs, service.author().name))


def stop(context: Context, ticket: str) -> dict[str, Any]:
    from fairlead.errors import StateError
    from fairlead.tickets.effort import running, stopped

    with Opened(context) as service:
        found: Any = service.get(ticket, "ticket")
        author = service.author().name
        clock = running(found.time_logs, author)
        if clock is None:
            raise StateError(
                f"no clock of {author} runs on {found.id}.", remedy=f"Start one with `fairlead time start {found.id}`."
            )
        changed = service.update_entry(found.id, clock.id, **stopped(clock, now=service.clock.now()))
        return _answer(service, found.id, changed)


def show(context: Context, ticket: str) -> dict[str, Any]:
    from fairlead.tickets.plain import as_data

    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        entries = [as_data(entry) for entry in service.entries(ticket_id, "time")]
        return {**_answer(service, ticket_id), "entries": entries}


def journal(
    context: Context,
    ticket: str,
    text: str | None = None,
    type: str = "progress",  # noqa: A002
    completion: int | None = None,
    milestone: str | None = None,
) -> dict[str, Any]:
    """Adds an entry to a ticket's journal; without a text shows the journal."""
    from fairlead.errors import InvalidInputError
    from fairlead.tickets.plain import as_data

    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        if text is not None:
            if not text.strip():
                raise InvalidInputError("a journal entry must not be empty.", remedy="Say what happened.", field="text")
            if completion is not None and not 0 <= completion <= 100:
                raise InvalidInputError(
                    f"completion is {completion}.", remedy="Give a percentage, 0 to 100.", field="completion"
                )
            values = {
                "content": text.strip(),
                "type": type,
                "completion_percentage": completion,
                "milestone": milestone,
            }
            service.add_entry(ticket_id, "journal", **{k: v for k, v in values.items() if v is not None})
        entries = [as_data(entry) for entry in service.entries(ticket_id, "journal")]
    return {"ticket": ticket_id, "entries": entries}


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────


def print_time(value: dict[str, Any], out: Output) -> None:
    from fairlead.tickets.effort import format_duration

    entries = value.get("entries") or ([value["entry"]] if "entry" in value else [])
    for entry in entries:
        minutes = entry.get("duration_minutes")
        length = "running" if minutes is None else format_duration(minutes)
        facts = f"{entry.get('start_time', '')[:16]}  {length:>8}  {entry.get('type', ''):<13}"
        out.line(f"{facts} {entry.get('author', '')}  {entry.get('description', '')}".rstrip())
    total = value["spent"]
    used = f" of {format_duration(total['estimated_minutes'])} estimated" if total["estimated_minutes"] else ""
    out.line(f"{value['ticket']}: {format_duration(total['minutes'])}{used}")


def print_journal(value: dict[str, Any], out: Output) -> None:
    for entry in value["entries"]:
        share = f" {entry['completion_percentage']} %" if "completion_percentage" in entry else ""
        head = f"{entry['created_at'][:16]}  {entry['type']:<9} {entry.get('author', '')}{share}"
        out.line(f"{head}  " + entry["content"].replace("\n", "\n    "))
    if not value["entries"]:
        out.line(f"The journal of {value['ticket']} is empty.")


_TICKET = Param("ticket", "str", "identifier or its unique beginning", positional=True, required=True)
_NOTE = Param("note", "str", "what was done", aliases=("-m", "--description", "--message", "--comment"))
_TYPE = Param(
    "type",
    "str",
    "kind of work",
    choices=TIME_TYPES,
    default="work",
    aliases=("-t",),
)
_TIME = Noun("time", print_time)
VERBS: tuple[Verb, ...] = (
    _TIME.changes(
        "log",
        "add time that was spent",
        log,
        _TICKET,
        Param("duration", "str", "90, 45m, 1h30m, 1.5h or 1:30", positional=True, required=True),
        _NOTE,
        _TYPE,
        aliases=("add",),
    ),
    _TIME.changes("start", "start a clock", start, _TICKET, _NOTE, _TYPE),
    _TIME.changes("stop", "stop your clock", stop, _TICKET),
    _TIME.reads("show", "what a ticket took", show, _TICKET, aliases=("list", "report")),
    _TIME.changes(
        "journal",
        "add to a ticket's journal, or show it",
        journal,
        _TICKET,
        Param("text", "str", "what happened; - reads standard input", positional=True),
        Param(
            "type",
            "str",
            "kind of entry",
            choices=JOURNAL_TYPES,
            default="progress",
            aliases=("-t",),
        ),
        Param("completion", "int", "how far the ticket is, in percent"),
        Param("milestone", "str", "name of the milestone that was reached"),
        show=print_journal,
        aliases=("note",),
    ),
)
