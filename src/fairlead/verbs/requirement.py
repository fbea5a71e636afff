"""Verbs of `requirement`: what a ticket must fulfil, how that is shown, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.tickets.fields import RESULT_METHODS, SCENARIO_STATUSES
from fairlead.verbs.opened import Opened, described
from fairlead.verbs.table import Noun, Param, Verb

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output

_PLACES = {
    "requirement": "requirements",
    "story": "user_stories",
    "scenario": "gherkin_scenarios",
    "result": "expected_results",
}


def _answer(service: TicketService, ticket_id: str, entries: list[Any]) -> dict[str, Any]:
    from fairlead.tickets.plain import as_data

    return {
        "ticket": ticket_id,
        "entries": [as_data(entry) for entry in entries],
        "coverage": _coverage(service, ticket_id),
    }


def _coverage(service: TicketService, ticket_id: str) -> dict[str, Any]:
    from fairlead.tickets.requirements import coverage

    ticket: Any = service.get(ticket_id, "ticket")
    found = coverage(ticket.requirements, ticket.gherkin_scenarios, ticket.expected_results)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in found._asdict().items()}


def _add(context: Context, ticket: str, kind: str, values: dict[str, Any]) -> dict[str, Any]:
    if values.get("priority"):
        from fairlead.tickets.fields import read_priority

        values["priority"] = read_priority(values["priority"])
    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        entry = service.add_entry(ticket_id, kind, **{k: v for k, v in values.items() if v is not None})
        return _answer(service, ticket_id, [entry])


def add(context: Context, ticket: str, title: str, criterion: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    return _add(context, ticket, "requirement", {"title": title, "acceptance_criteria": criterion, **described(fields)})


def story(
    context: Context,
    ticket: str,
    text: str | None = None,
    persona: str | None = None,
    goal: str | None = None,
    benefit: str | None = None,
    criterion: list[str] | None = None,
    points: float | None = None,
    **fields: Any,
) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.tickets.requirements import parse_story

    if text is not None:
        persona, goal, benefit = parse_story(text)
    if not persona or not goal:
        raise InvalidInputError(
            "a story needs a persona and a goal.",
            remedy='Write "As a WHO, I want WHAT, so that WHY", or give --persona and --goal.',
            field="text",
        )
    values = {"persona": persona, "goal": goal, "benefit": benefit or None, "story_points": points}
    return _add(context, ticket, "story", {**values, "acceptance_criteria": criterion, **fields})


def gherkin(
    context: Context,
    ticket: str,
    text: str | None = None,
    file: str | None = None,
    title: str | None = None,
    given: list[str] | None = None,
    when: list[str] | None = None,
    then: list[str] | None = None,
    status: str = "draft",
) -> dict[str, Any]:
    from fairlead.errors import InvalidInputError
    from fairlead.tickets.planning import in_order
    from fairlead.tickets.port import EntryDraft
    from fairlead.tickets.requirements import make_scenario, read_scenarios
    from fairlead.verbs.ticket_write import text_of

    text = text_of(text, file, "text")
    if text is None:
        if not title:
            raise InvalidInputError(
                "no scenario is given.",
                remedy="Give Gherkin (- reads standard input), --file, or --title with --given, --when, --then.",
                field="text",
            )
        text = make_scenario(title, given=given or (), when=when or (), then=then or ())
    scenarios = read_scenarios(text)
    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        before = {entry.id for entry in service.entries(ticket_id, "scenario")}
        drafts = [EntryDraft("scenario", {"title": name, "text": said, "status": status}) for name, said in scenarios]
        service.update(ticket_id, entries=in_order(drafts, service.clock.now()))
        return _answer(service, ticket_id, [e for e in service.entries(ticket_id, "scenario") if e.id not in before])


def result(
    context: Context, ticket: str, description: str, method: str = "manual", criterion: list[str] | None = None
) -> dict[str, Any]:
    values = {"description": description, "verification_method": method, "success_criteria": criterion}
    return _add(context, ticket, "result", values)


def list_entries(context: Context, ticket: str, kind: list[str] | None = None) -> dict[str, Any]:
    from fairlead.tickets.plain import as_data

    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        found: dict[str, Any] = {"ticket": ticket_id}
        for name, place in _PLACES.items():
            if not kind or name in kind:
                found[place] = [as_data(entry) for entry in service.entries(ticket_id, name)]
        return {**found, "coverage": _coverage(service, ticket_id)}


def set_status(context: Context, ticket: str, entry: str, status: str, note: str = "") -> dict[str, Any]:
    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        changed = _moved(service, ticket_id, [_entry(service, ticket_id, entry)], {entry: status}, note)
        return _answer(service, ticket_id, changed)


def verify(context: Context, ticket: str, entry: list[str] | None = None, evidence: str = "") -> dict[str, Any]:
    """Verifies the entries that are named, else all that are ready to be."""
    from fairlead.tickets.requirements import KINDS

    with Opened(context) as service:
        ticket_id = service.resolve(ticket, "ticket")
        if entry:
            chosen = [_entry(service, ticket_id, one) for one in entry]
        else:
            chosen = [
                (kind.name, e)
                for kind in KINDS.values()
                for e in service.entries(ticket_id, kind.name)
                if kind.met in kind.transitions[_status(e)]
            ]
        if not chosen:
            _refuse_unready(service, ticket_id)
        wanted = {e.id: KINDS[kind].met for kind, e in chosen}
        changed = _moved(service, ticket_id, chosen, wanted, evidence)
        return _answer(service, ticket_id, changed)


def _refuse_unready(service: TicketService, ticket_id: str) -> None:
    """Says why nothing could be verified, unless everything is."""
    from fairlead.errors import StateError

    unmet = [e for e in service.entries(ticket_id) if e.id in _coverage(service, ticket_id)["unmet"]]
    if unmet:
        shown = ", ".join(f"{e.id} is {_status(e)}" for e in unmet[:3]) + (" …" if len(unmet) > 3 else "")
        agreed = "ready" if hasattr(unmet[0], "text") else "approved"
        raise StateError(
            f"nothing of {ticket_id} can be verified yet: {shown}.",
            remedy=f"Agree to it first: `fairlead requirement set {ticket_id} {unmet[0].id} {agreed}`.",
            id=ticket_id,
        )


def _status(entry: Any) -> str:
    return str(entry.status)


def _entry(service: TicketService, ticket_id: str, word: str) -> tuple[str, Any]:
    from fairlead.errors import NotFoundError
    from fairlead.tickets.requirements import KINDS

    found = [(k, e) for k in (*KINDS, "story") for e in service.entries(ticket_id, k) if e.id.startswith(word)]
    if len(found) != 1:
        why = "begins several entries" if found else "is no requirement, scenario or result"
        raise NotFoundError(
            f"{word!r} {why} of {ticket_id}.", remedy=f"See `fairlead requirement list {ticket_id}`.", entry=word
        )
    return found[0]


def _moved(
    service: TicketService, ticket_id: str, chosen: list[tuple[str, Any]], wanted: dict[str, str], note: str
) -> list[Any]:
    from fairlead.clock import isoformat
    from fairlead.tickets.requirements import move

    author = service.author()
    changes = {}
    for kind, entry in chosen:
        status = next(s for word, s in wanted.items() if entry.id.startswith(word))
        now = isoformat(service.clock.now())
        found = move(kind, getattr(entry, "status", ""), status, by=author.name, at=now, note=note)
        if found:
            changes[entry.id] = found
    if changes:
        service.update(ticket_id, entry_values=changes)
    ids = {entry.id for _, entry in chosen}
    return [e for e in service.entries(ticket_id) if e.id in ids]


def show_coverage(context: Context, ticket: str | None = None, epic: str | None = None) -> dict[str, Any]:
    """Of one ticket, of an epic's tickets, or of every unfinished ticket that has requirements of any kind."""
    with Opened(context) as service:
        if ticket is not None:
            return {"ticket": service.resolve(ticket, "ticket"), **_coverage(service, ticket)}
        from fairlead.tickets.requirements import coverage

        filters: dict[str, Any] = {"epic": service.resolve(epic, "epic")} if epic else {"finished": False}
        items = []
        pools: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for row in service.rows("ticket", **filters):
            one: Any = service.get(row["id"], "ticket")
            kinds = (one.requirements, one.gherkin_scenarios, one.expected_results)
            if any(kinds):
                for pool, entries in zip(pools, kinds, strict=True):
                    pool.extend(entries)
                found = coverage(*kinds)._asdict()
                items.append({"ticket": one.id, "title": one.title, **found, "unmet": list(found["unmet"])})
        total = coverage(*pools)._asdict()
        total["unmet"] = len(total["unmet"])
        return {"items": items, "total": total}


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────


def print_answer(value: dict[str, Any], out: Output) -> None:
    for entry in value["entries"]:
        out.line(_line(entry))
    out.line(_summary(value["coverage"]))


def _line(entry: dict[str, Any]) -> str:
    from fairlead.tickets.requirements import format_story

    if "persona" in entry:
        said = format_story(entry["persona"], entry["goal"], entry.get("benefit", ""))
    else:
        said = entry.get("title") or entry.get("description", "")
    return f"{entry['id']:<10} {entry.get('status', ''):<12} {said}"


def _summary(found: dict[str, Any]) -> str:
    met = "met" if found["acceptance_met"] else f"not met, {len(found['unmet'])} open" if found["unmet"] else "not met"
    return (
        f"requirements {found['requirement_coverage']:.0f} %, scenarios {found['test_pass_rate']:.0f} %, "
        f"results {found['results_verified']}/{found['results']}; acceptance {met}"
    )


def print_list(value: dict[str, Any], out: Output) -> None:
    for place in _PLACES.values():
        if value.get(place):
            out.line(place.replace("_", " "))
            for entry in value[place]:
                out.line("  " + _line(entry))
    out.line(_summary(value["coverage"]))


def print_coverage(value: dict[str, Any], out: Output) -> None:
    if "items" not in value:
        out.line(_summary(value))
        return
    for item in value["items"]:
        out.line(f"{item['ticket']:<10} {_summary(item)}  {item['title']}")
    total = value["total"]
    out.line(f"all: requirements {total['requirement_coverage']:.0f} %, scenarios {total['test_pass_rate']:.0f} %")


_TICKET = Param("ticket", "str", "identifier or its unique beginning", positional=True, required=True)
_CRITERION = Param("criterion", "str", "a criterion", many=True, aliases=("--ac",))
_PRIORITY = Param("priority", "str", "critical to low, or P0 to P4", aliases=("-p",))
_REQUIREMENTS = Noun("requirement", print_answer)
VERBS: tuple[Verb, ...] = (
    _REQUIREMENTS.changes(
        "add",
        "add a requirement to a ticket",
        add,
        _TICKET,
        Param("title", "str", "what must hold", positional=True, required=True),
        Param("description", "str", "more about it; - reads standard input", aliases=("-d",)),
        _CRITERION,
        _PRIORITY,
        Param("status", "str", "state", choices=("draft", "approved", "implemented")),
    ),
    _REQUIREMENTS.changes(
        "story",
        "add a user story",
        story,
        _TICKET,
        Param("text", "str", '"As a WHO, I want WHAT, so that WHY"', positional=True),
        Param("persona", "str", "who"),
        Param("goal", "str", "what"),
        Param("benefit", "str", "why"),
        _CRITERION,
        _PRIORITY,
        Param("points", "float", "story points"),
        aliases=("user-story",),
    ),
    _REQUIREMENTS.changes(
        "gherkin",
        "add scenarios in Gherkin",
        gherkin,
        _TICKET,
        Param("text", "str", "Gherkin; - reads standard input", positional=True),
        Param("file", "path", "a feature file"),
        Param("title", "str", "title of a scenario given in parts"),
        Param("given", "str", "a Given step", many=True),
        Param("when", "str", "a When step", many=True),
        Param("then", "str", "a Then step", many=True),
        Param("status", "str", "state", choices=SCENARIO_STATUSES, default="draft"),
        aliases=("scenario",),
    ),
    _REQUIREMENTS.changes(
        "result",
        "add an expected result",
        result,
        _TICKET,
        Param("description", "str", "what is to be seen", positional=True, required=True),
        Param("method", "str", "how it is verified", choices=RESULT_METHODS, default="manual"),
        _CRITERION,
    ),
    _REQUIREMENTS.reads(
        "list",
        "requirements, stories, scenarios and results of a ticket",
        list_entries,
        _TICKET,
        Param("kind", "str", "only of these kinds", many=True, choices=tuple(_PLACES)),
        show=print_list,
        aliases=("ls", "show"),
    ),
    _REQUIREMENTS.changes(
        "set",
        "bring an entry to another state",
        set_status,
        _TICKET,
        Param("entry", "str", "identifier of the entry", positional=True, required=True),
        Param("status", "str", "its new state", positional=True, required=True),
        Param("note", "str", "why, or the evidence", aliases=("--evidence",)),
        aliases=("status", "update"),
    ),
    _REQUIREMENTS.changes(
        "verify",
        "verify entries: all that can be, or those that are named",
        verify,
        _TICKET,
        Param("entry", "str", "identifiers of entries", positional=True, many=True),
        Param("evidence", "str", "commit, command or file that shows it", aliases=("--note",)),
    ),
    _REQUIREMENTS.reads(
        "coverage",
        "how much is shown to hold",
        show_coverage,
        Param("ticket", "str", "one ticket; all unfinished ones when left out", positional=True),
        Param("epic", "str", "only tickets of this epic"),
        show=print_coverage,
    ),
)
