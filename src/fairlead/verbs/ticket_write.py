"""What the changing verbs of tickets do."""

from __future__ import annotations

import sys

from fairlead.errors import InvalidInputError, RefusedError
from fairlead.verbs.opened import Opened
from fairlead.verbs.ticket_read import LEAN, as_data, detail, pick, row_line, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from fairlead.tickets.service import TicketService
    from fairlead.verbs.context import Context, Output

_WORDS = {"epic": "epic_id", "parent": "parent_ticket_id", "agent": "assigned_agent"}
_LINKS = {"blocked_by": "blocked_by", "related": "related_to", "discovered_from": "discovered_from"}
_SETS = {"label": "labels", **_LINKS}


def init(context: Context, driver: bool = True, evidence: bool = False) -> Any:
    from fairlead.tickets.opening import find_place
    from fairlead.tickets.start import start

    place = find_place(must_exist=False)
    answer: dict[str, Any] = {"path": place.tickets, "created": start(place, evidence=evidence)}
    if driver and place.vcs == "git":
        from fairlead.tickets.driver import set_up

        answer["merge_driver"] = set_up(place)
    return answer


def show_init(answer: Any, out: Output) -> None:
    out.line(f"{'made' if answer['created'] else 'found'} {answer['path']}")
    if answer.get("merge_driver"):
        out.line("git merges tickets field by field in this clone; without it they merge line by line, which works too")


def text_of(value: str | None, file: str | None, field: str) -> str | None:
    """Text given as an argument, as `-` for standard input, or in a file."""
    if value is not None and file is not None:
        raise InvalidInputError(f"{field} is given twice.", remedy=f"Give --{field} or --{field}-file.", field=field)
    if file is not None and file != "-":
        try:
            with open(file, encoding="utf-8") as source:
                return source.read().rstrip("\n")
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidInputError(f"{file} cannot be read: {exc}.", remedy="Name a text file.", value=file) from exc
    if value == "-" or file == "-":
        return sys.stdin.read().rstrip("\n")
    return value


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Field values from the words of the command line; ``none`` and the empty text empty a field."""
    from fairlead.tickets.fields import FIELDS

    words = {field.name: field.name for field in FIELDS["ticket"]} | _WORDS
    values = {words[word]: value for word, value in given.items() if word in words and value is not None}
    return {k: None if v in ("none", "") and k not in ("title", "status") else v for k, v in values.items()}


def _me(service: TicketService, values: dict[str, Any]) -> dict[str, Any]:
    if values.get("assignee") == "me":
        values["assignee"] = service.author().name
    return values


def _sets_of(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Members that labels and links get."""
    return {name: split(given[word]) for word, name in _SETS.items() if given.get(word)}


def _comments(texts: Sequence[str | None] | None) -> list[Any]:
    from fairlead.tickets.port import EntryDraft

    return [EntryDraft("comment", {"text": text_of(text, None, "comment")}) for text in texts or ()]


def create(context: Context, **given: Any) -> Any:
    from fairlead.tickets.port import Operation

    with Opened(context) as service:
        values = _me(service, values_of(given))
        title = given.get("title")
        values["title"] = " ".join(title) if isinstance(title, list) else title
        body = text_of(given.get("body"), given.get("body_file"), "body")
        if body is not None:
            values["description"] = body
        own = given.get("id") or "$new"
        entries = _comments(given.get("comment"))
        plan = [Operation("create", own, "ticket", values, _sets_of(given), entries=entries)]
        plan += [Operation("update", other, add={"blocked_by": [own]}) for other in split(given.get("blocks"))]
        outcome = service.carry_out(plan, dry_run=bool(given.get("dry_run")))
        if given.get("dry_run"):
            return {"dry_run": True, "title": values["title"]}
        [row] = service.rows(None, ids=[outcome.created[0]])
        return pick(row, *LEAN[:-1], "revision")


def show_created(answer: Any, out: Output) -> None:
    out.line(f"{answer.get('id', '(dry run)')}  {answer['title']}")


def update(context: Context, ids: Sequence[str], **given: Any) -> Any:
    from fairlead.tickets.port import Operation

    with Opened(context) as service:
        values = _me(service, values_of(given))
        body = text_of(given.get("body"), given.get("body_file"), "body")
        add, entries = _sets_of(given), _comments(given.get("comment"))
        remove = {"labels": split(given["unlabel"])} if given.get("unlabel") else {}
        plan = []
        for thing_id in ids:
            mine = dict(values)
            new_body = _new_body(service, thing_id, body, given)
            if new_body is not None:
                mine["description"] = new_body
            plan.append(
                Operation(
                    "update",
                    thing_id,
                    values=mine,
                    add=add,
                    remove=remove,
                    entries=entries,
                    note=given.get("note") or "",
                    if_match=given.get("if_match"),
                )
            )
        plan += [Operation("update", other, add={"blocked_by": list(ids)}) for other in split(given.get("blocks"))]
        return changed(service, plan, ids)


def _new_body(service: TicketService, thing_id: str, body: str | None, given: Mapping[str, Any]) -> str | None:
    """The text after `--body`, `--append` or an exact replacement that hits exactly once."""
    old, new = given.get("replace"), given.get("replace_with")
    addition = text_of(given.get("append"), None, "append")
    if old is None and addition is None:
        return body
    text = body if body is not None else service.get(thing_id).description
    if old is not None:
        if new is None:
            raise InvalidInputError("--replace needs --with.", remedy="Give the new text with --with.", field="with")
        hits = text.count(old)
        if hits != 1:
            raise RefusedError(
                f"the text to replace occurs {hits} times in {thing_id}, not once.",
                remedy="Give more of its surroundings. Nothing was changed.",
                id=thing_id,
                hits=hits,
            )
        text = text.replace(old, new)
    return text if addition is None else f"{text}\n\n{addition}".strip("\n")


def changed(service: TicketService, plan: Sequence[Any], ids: Sequence[str]) -> Any:
    """Carries out a plan that changes things as one and answers with their state."""
    service.carry_out(plan)
    names = (*LEAN[:-1], "blocked_by", "updated_at", "revision")
    found = [pick(as_data(service.get(text)), *names) for text in dict.fromkeys(ids)]
    return found[0] if len(found) == 1 else {"items": found}


def show_changed(answer: Any, out: Output) -> None:
    for item in answer.get("items", [answer]):
        out.line(row_line(item))
        if item.get("reason"):
            out.line(f"  {item['reason']}")


def close(context: Context, ids: Sequence[str], **given: Any) -> Any:
    from fairlead.tickets.evidence import check
    from fairlead.tickets.port import Operation

    with Opened(context) as service:
        from fairlead.store import ticket_sql as sql

        reason = " ".join(given.get("reason") or ()) or given.get("comment") or given.get("note") or ""
        reason = text_of(reason, None, "comment") or ""
        proof = check(
            service.board,
            commits=given.get("commit") or (),
            files=given.get("file") or (),
            commands=given.get("command") or (),
            force=bool(given.get("force")),
        )
        resolved = [service.resolve(text) for text in ids]
        waiting = sql.blockers(service.board.rows, service.board.board, resolved)
        open_ones = {k: [b for b in v if b not in resolved] for k, v in waiting.items()}
        if any(open_ones.values()) and not given.get("force"):
            thing_id, blockers = next((k, v) for k, v in open_ones.items() if v)
            raise RefusedError(
                f"{thing_id} waits for {', '.join(blockers)}, which is not finished.",
                remedy="Close that first, `unlink` it, or close with --force.",
                id=thing_id,
                waiting_for=blockers,
            )
        status = "cancelled" if given.get("cancel") else "closed"
        note = "; ".join(part for part in (reason.split("\n")[0][:200], *proof) if part)
        more: dict[str, Any] = {
            "entries": _comments([reason] if reason else ()),
            "note": note,
            "if_match": given.get("if_match"),
        }
        plan = [Operation("update", thing_id, values={"status": status}, **more) for thing_id in resolved]
        before = {row["id"] for row in service.rows("ticket", ready=True)} if len(resolved) < 100 else set()
        answer = changed(service, plan, resolved)
        for thing_id in resolved:
            service.board.shared.release(thing_id, None, now=service.clock.now())
        freed = sorted({row["id"] for row in service.rows("ticket", ready=True)} - before)
        return {**answer, "newly_unblocked": freed, **({"evidence": proof} if proof else {})}


def show_closed(answer: Any, out: Output) -> None:
    show_changed(answer, out)
    if answer.get("newly_unblocked"):
        out.line(f"now ready: {', '.join(answer['newly_unblocked'])}")


def reopen(context: Context, ids: Sequence[str], comment: str | None = None) -> Any:
    from fairlead.tickets.port import Operation

    text = text_of(comment, None, "comment") or ""
    more: dict[str, Any] = {"values": {"status": "open"}, "entries": _comments([text] if text else ()), "note": text}
    plan = [Operation("update", thing_id, **more) for thing_id in ids]
    with Opened(context) as service:
        return changed(service, plan, ids)


def delete(context: Context, ids: Sequence[str], note: str = "", if_match: str | None = None) -> Any:
    from fairlead.tickets.port import Operation

    with Opened(context) as service:
        resolved = [service.resolve(text) for text in ids]
        service.carry_out([Operation("delete", thing_id, note=note, if_match=if_match) for thing_id in resolved])
        return {"deleted": resolved}


def show_deleted(answer: Any, out: Output) -> None:
    for thing_id in answer["deleted"]:
        out.line(f"{thing_id} deleted; `fairlead ticket restore {thing_id}` brings it back")


def restore(context: Context, ids: Sequence[str]) -> Any:
    from fairlead.tickets.port import Operation

    with Opened(context) as service:
        return changed(service, [Operation("restore", thing_id) for thing_id in ids], ids)


def comment(context: Context, id: str, text: Sequence[str] = (), file: str | None = None) -> Any:  # noqa: A002
    with Opened(context) as service:
        whole = " ".join(text) if text else None
        body = text_of(whole, file if whole is None else None, "text")
        if body is None:
            body = sys.stdin.read().rstrip("\n") if not sys.stdin.isatty() else ""
        return as_data(service.add_entry(id, "comment", text=body))


def show_entry(answer: Any, out: Output) -> None:
    out.line(f"{answer['ticket_id']}  {answer['id']}")


def assign(context: Context, id: str, who: str | None = None, agent: str | None = None, auto: bool = False) -> Any:  # noqa: A002
    with Opened(context) as service:
        from fairlead.tickets.port import Operation

        values: dict[str, Any] = {}
        why = ""
        if auto:
            from fairlead.tickets.assigning import choose
            from fairlead.verbs.ticket_more import candidates

            ticket = service.ticket(id)
            choice = choose(candidates(context, service), ticket.type, ticket.labels)
            values["assigned_agent"], why = choice.agent, choice.reason
        if agent is not None:
            values["assigned_agent"] = None if agent == "none" else agent
        if who is not None:
            values["assignee"] = service.author().name if who == "me" else None if who == "none" else who
        if not values:
            raise InvalidInputError(
                "nobody is named.", remedy="Give a name, `me`, `none`, --agent NAME or --auto.", field="who"
            )
        answer = changed(service, [Operation("update", id, values=values, note=why)], [id])
        if auto:
            service.announce("agent.task.assigned", answer["id"], {"agent": values["assigned_agent"], "reason": why})
            answer["reason"] = why
        return answer


def label(context: Context, id: str, labels: Sequence[str], remove: bool = False) -> Any:  # noqa: A002
    from fairlead.tickets.port import Operation

    sets = {"labels": split(labels)}
    operation = Operation("update", id, remove=sets) if remove else Operation("update", id, add=sets)
    with Opened(context) as service:
        return changed(service, [operation], [id])


def unlabel(context: Context, id: str, labels: Sequence[str]) -> Any:  # noqa: A002
    return label(context, id, labels, remove=True)


def link(
    context: Context,
    id: str,  # noqa: A002
    others: Sequence[str] = (),
    remove: bool = False,
    **given: Any,
) -> Any:
    from fairlead.tickets.port import Operation

    if others:
        one, other = [id, *others][-2:]
        verb = "unlink" if remove else "link"
        raise InvalidInputError(
            f"{one} and {other} do not say by their order which waits for which.",
            remedy=f"Say `fairlead ticket {verb} {one} --blocked-by {other}`, or --blocks, --parent, --related.",
            field="others",
        )
    with Opened(context) as service:
        sets = {name: split(given.get(word)) for word, name in _LINKS.items() if given.get(word)}
        blocks, parent = split(given.get("blocks")), given.get("parent")
        children = split(given.get("child"))
        if not sets and not blocks and not children and parent is None:
            raise InvalidInputError(
                "the kind of link is not named.",
                remedy="Say --blocked-by, --blocks, --parent, --child, --related or --discovered-from.",
                field="link",
            )
        values = {} if parent is None else {"parent_ticket_id": None if remove or parent == "none" else parent}
        side = "remove" if remove else "add"
        plan = [Operation("update", id, values=values, **{side: sets})]  # type: ignore[arg-type] # add or remove
        plan += [Operation("update", other, **{side: {"blocked_by": [id]}}) for other in blocks]  # type: ignore[arg-type] # as above
        plan += [Operation("update", c, values={"parent_ticket_id": None if remove else id}) for c in children]
        service.carry_out(plan)
        ends = ("blocked_by", "blocks", "parent_ticket_id", "child_ticket_ids", "related_to", "discovered_from")
        return pick(detail(service, id), "id", "title", "status", *ends, "waiting_for")


def unlink(context: Context, id: str, **given: Any) -> Any:  # noqa: A002
    return link(context, id, remove=True, **given)


def show_links(answer: Any, out: Output) -> None:
    out.line(f"{answer['id']}  {answer['title']}")
    for name, value in answer.items():
        if name not in ("id", "title", "status") and value:
            out.line(f"  {name}: {', '.join(value) if isinstance(value, list) else value}")


def undo(context: Context, id: str, change: str | None = None) -> Any:  # noqa: A002
    with Opened(context) as service:
        return pick(as_data(service.undo(id, change)), *LEAN[:-1], "revision")


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────


def claim(context: Context, ids: Sequence[str] = (), agent: str | None = None, **given: Any) -> Any:
    with Opened(context) as service:
        from fairlead.tickets.claims import claim_next, claim_these

        holder = agent or service.author().name
        lease = given.get("lease") or 1800.0
        if ids and not given.get("next"):
            taken = claim_these(service, ids, holder, lease=lease, start=bool(given.get("start")))
        else:
            labels = {"label": split(given.get("label"))} if given.get("label") else {}
            taken = claim_next(
                service,
                holder,
                lease=lease,
                many=given.get("limit") or 1,
                start=bool(given.get("start")),
                filters=labels,
            )
        return {"items": taken}


def show_claims(answer: Any, out: Output) -> None:
    if not answer["items"]:
        out.line("nothing is ready")
    for item in answer["items"]:
        out.line(f"{item['id']}  held by {item['agent']} until {item['until']}  {item.get('title', '')}".rstrip())


def show_held(answer: Any, out: Output) -> None:
    if answer["items"]:
        show_claims(answer, out)
    else:
        out.line("nobody holds a ticket")


def heartbeat(context: Context, id: str, agent: str | None = None, lease: float = 1800.0) -> Any:  # noqa: A002
    from fairlead.tickets.claims import beat

    with Opened(context) as service:
        return {"items": [beat(service, id, agent, lease)]}


def release(context: Context, ids: Sequence[str], agent: str | None = None, force: bool = False) -> Any:
    from fairlead.tickets.claims import let_go

    with Opened(context) as service:
        return {"released": [let_go(service, i, agent, force) for i in ids]}


def show_released(answer: Any, out: Output) -> None:
    for thing_id in answer["released"]:
        out.line(f"{thing_id} is free")


def claims(context: Context) -> Any:
    from fairlead.tickets.claims import held

    with Opened(context) as service:
        return {"items": held(service)}


# ── mending ──────────────────────────────────────────────────────────────────────────────────────────────────────


def doctor(context: Context, fix: bool = False, stage: bool = False) -> Any:
    from fairlead.tickets.doctor import examine, mend, next_steps

    with Opened(context) as service:
        mended = mend(service.board, stage=stage) if fix else []
        found = examine(service.board)
        told = {"healthy": not found, "problems": found, "mended": mended, "next": next_steps(service.board)}
        return {**told, "exit_code": 1 if found else 0}


def show_doctor(answer: Any, out: Output) -> None:
    for line in answer["mended"]:
        out.line(f"mended: {line}")
    for line in answer["problems"]:
        out.line(line)
    if answer["healthy"]:
        out.line("the board is sound")
    if answer["next"]:
        out.line(f"git waits; next: {', then '.join(answer['next'])}")
