"""The conformance suite of ticket boards: what every adapter of the port must do.

Each check gets a service over an empty board and fails with ``AssertionError``. A new adapter passes when
``for check in CHECKS: check(make_service())`` does.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.errors import ConflictError, FairleadError, InvalidGraphError, InvalidInputError, NotFoundError
from fairlead.tickets.claims import beat, claim_next, claim_these, let_go
from fairlead.tickets.fields import FIELDS
from fairlead.tickets.port import EntryDraft, Operation
from fairlead.tickets.service import TicketService

Check = Callable[[TicketService], None]


def _refused(kind: type[FairleadError], call: Callable[[], object]) -> FairleadError:
    try:
        call()
    except kind as exc:
        return exc
    raise AssertionError(f"{kind.__name__} was expected")


def keeps_every_field(service: TicketService) -> None:
    """What is given comes back, typed, from a fresh reading."""
    epic = service.create("epic", {"title": "Haul", "status": "active", "target_date": "2026-12-24"})
    parent = service.create("ticket", {"title": "Parent"})
    values = {
        "title": "  Pump: runs dry #1  ",
        "status": "in-progress",
        "priority": "P0",
        "type": "bug",
        "assignee": "ann",
        "assigned_agent": "a1",
        "epic_id": epic.id,
        "parent_ticket_id": parent.id,
        "estimated_hours": 1.5,
        "story_points": 3,
        "due_date": "2026-12-01",
        "requirements_status": "draft",
        "description": "first\n\n---\nlast ünï 🚢\n\n",
        "extras": {"x_odd": "a\nb", "x_plain": "|"},
    }
    made = service.create("ticket", values, add={"labels": ["db", "area: a/b"], "related_to": [parent.id]})
    found = service.ticket(made.id)
    assert found == made
    assert (found.title, found.priority, found.estimated_hours, found.story_points) == (
        "Pump: runs dry #1",
        "critical",
        1.5,
        3,
    )
    assert found.description == values["description"]
    assert dict(found.extras) == values["extras"]
    assert found.labels == ("area: a/b", "db")
    assert service.ticket(parent.id).child_ticket_ids == (made.id,)
    assert [row["id"] for row in service.rows(epic=epic.id)] == [made.id]
    assert {f.name for f in FIELDS["ticket"]} <= {*found._fields, "reporter_email"}


def finds_by_unique_beginning(service: TicketService) -> None:
    one = service.create("ticket", {"title": "one"}, id="abc-1")
    service.create("ticket", {"title": "two"}, id="abd")
    assert service.get("abc").id == one.id
    assert "several" in str(_refused(InvalidInputError, lambda: service.get("ab")))
    _refused(NotFoundError, lambda: service.get("zz"))
    _refused(ConflictError, lambda: service.create("ticket", {"title": "again"}, id="abd"))
    for bad in ("../x", "a/b", ".hid", "con", "x.md", "a b", ""):
        _refused(FairleadError, lambda bad=bad: service.create("ticket", {"title": "bad"}, id=bad))  # type: ignore[misc] # a default argument
    assert service.count() == 2


def refuses_what_cannot_be(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one"})
    for values in (
        {"priority": "bogus"},
        {"status": "maybe"},
        {"estimated_hours": "much"},
        {"due_date": "2026-13-01"},
        {"title": ""},
        {"nonsense": 1},
        {"epic_id": "zzzz"},
    ):
        _refused(FairleadError, lambda values=values: service.update(ticket.id, values))  # type: ignore[misc] # as above
    assert service.get(ticket.id) == ticket
    _refused(NotFoundError, lambda: service.update("zzzz", {"title": "x"}))
    _refused(NotFoundError, lambda: service.delete("zzzz"))


def compares_with_what_was_read(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one"})
    changed = service.update(ticket.id, {"title": "two"}, if_match=ticket.revision)
    assert changed.revision != ticket.revision
    exc = _refused(ConflictError, lambda: service.update(ticket.id, {"title": "three"}, if_match=ticket.revision))
    assert exc.exit_code == 4
    assert service.get(ticket.id).title == "two"


def refuses_circles_and_names_them(service: TicketService) -> None:
    a, b, c = (service.create("ticket", {"title": t}).id for t in "abc")
    service.update(b, add={"blocked_by": [a]})
    service.update(c, add={"blocked_by": [b]})
    exc = _refused(InvalidGraphError, lambda: service.update(a, add={"blocked_by": [c]}))
    assert set(exc.fields["path"]) == {a, b, c}
    _refused(InvalidInputError, lambda: service.update(a, add={"blocked_by": [a]}))
    service.update(b, {"parent_ticket_id": a})
    _refused(InvalidGraphError, lambda: service.update(a, {"parent_ticket_id": b}))
    assert service.ticket(a).blocks == (b,)


def computes_readiness(service: TicketService) -> None:
    first = service.create("ticket", {"title": "first", "priority": "low"}).id
    waits = service.create("ticket", {"title": "waits", "priority": "critical"}, add={"blocked_by": [first]}).id
    alone = service.create("ticket", {"title": "alone", "priority": "low"}).id
    assert [r["id"] for r in service.ready()] == [first, alone], "what frees other work comes first"
    assert [(r["id"], r["waiting_for"]) for r in service.blocked()] == [(waits, [first])]
    service.update(first, {"status": "closed"})
    assert [r["id"] for r in service.ready()] == [waits, alone]
    service.update(first, {"status": "open"})
    assert [r["id"] for r in service.ready()] == [first, alone]
    service.delete(first)
    assert [r["id"] for r in service.ready()] == [waits, alone]


def keeps_entries(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one"}, entries=[EntryDraft("comment", {"text": "at birth"})])
    service.add_entry(ticket.id, "comment", text="line 1\n\nline 2")
    requirement = service.add_entry(ticket.id, "requirement", title="must", acceptance_criteria=["a", "b"])
    service.update_entry(ticket.id, requirement.id, status="verified", verified_by="ann")
    found = service.ticket(ticket.id)
    assert {c.text for c in found.comments} == {"at birth", "line 1\n\nline 2"}
    [kept] = found.requirements
    assert (kept.status, kept.acceptance_criteria, kept.verified_by) == ("verified", ("a", "b"), "ann")
    _refused(InvalidInputError, lambda: service.add_entry(ticket.id, "comment", text=" "))
    _refused(InvalidInputError, lambda: service.update_entry(ticket.id, requirement.id, status="maybe"))


def deletes_and_restores(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one"})
    service.delete(ticket.id)
    assert service.rows() == []
    assert service.get(ticket.id).deleted
    _refused(NotFoundError, lambda: service.update(ticket.id, {"title": "x"}))
    _refused(ConflictError, lambda: service.create("ticket", {"title": "y"}, id=ticket.id))
    service.restore(ticket.id)
    assert [r["title"] for r in service.rows()] == ["one"]


def remembers_and_takes_back(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one", "description": "old\ntext"}, add={"labels": ["x"]})
    service.update(ticket.id, {"title": "two", "description": "new"}, add={"labels": ["y"]}, remove={"labels": ["x"]})
    [change] = [c for c in service.history(ticket.id) if c.action == "update"]
    assert ("title", "one", "two") in change.edits
    assert ("labels", None, "y") in change.edits
    assert ("labels", "x", None) in change.edits
    undone = service.undo(ticket.id)
    assert (undone.title, undone.description, undone.labels) == ("one", "old\ntext", ("x",))
    service.update(ticket.id, {"title": "three"})
    _refused(ConflictError, lambda: service.undo(ticket.id, change.id))


def tells_the_truth_about_batches(service: TicketService) -> None:
    kept = service.create("ticket", {"title": "kept"})
    plan = [
        Operation("create", "$a", values={"title": "a"}),
        Operation("create", "$b", values={"title": "b"}, add={"blocked_by": ["$a"]}),
        Operation("update", kept.id, values={"priority": "high"}),
    ]
    dry = service.apply(plan, dry_run=True)
    assert dry.success
    assert service.count() == 1
    done = service.apply(plan)
    assert done.success
    assert (done.operations_executed, len(done.created_ids), done.updated_ids) == (3, 2, (kept.id,))
    assert service.ticket(done.created_ids[1]).blocked_by == (done.created_ids[0],)
    bad = [*plan, Operation("update", "zzzz", values={"priority": "low"}), Operation("delete", "yyyy")]
    refused = service.apply(bad)
    assert (refused.success, refused.rolled_back, refused.operations_executed) == (False, True, 0)
    assert (refused.created_ids, refused.updated_ids, refused.deleted_ids) == ((), (), ())
    assert [e["item"] for e in refused.errors] == [3, 4]
    assert service.count() == 3
    some = service.apply(bad, atomic=False)
    assert (some.success, some.rolled_back, some.operations_executed, some.operations_failed) == (False, False, 3, 2)
    assert service.count() == 5
    circle = [
        Operation("create", "$a", values={"title": "a"}),
        Operation("create", "$b", values={"title": "b"}, add={"blocked_by": ["$a"]}),
        Operation("update", "$a", add={"blocked_by": ["$b"]}),
    ]
    assert not service.apply(circle).success
    assert service.count() == 5


def claims_are_exclusive(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one"})
    claim_these(service, [ticket.id], "ann")
    for agent in ("bob", "ann"):
        exc = _refused(ConflictError, lambda agent=agent: claim_these(service, [ticket.id], agent))  # type: ignore[misc] # as above
        assert exc.exit_code == 4
    assert service.ready() == []
    assert claim_next(service, "bob") == []
    _refused(ConflictError, lambda: beat(service, ticket.id, "bob"))
    beat(service, ticket.id, "ann")
    _refused(ConflictError, lambda: let_go(service, ticket.id, "bob"))
    let_go(service, ticket.id, "ann")
    [taken] = claim_next(service, "bob", lease=-1)
    assert taken["id"] == ticket.id
    assert [r["id"] for r in service.ready()] == [ticket.id], "a lease that ended holds nothing"


def searches(service: TicketService) -> None:
    hit = service.create("ticket", {"title": "Parser loses the cursor", "description": "see parseConfig in read_file"})
    other = service.create("ticket", {"title": "Something else", "description": "the parser is fine"})
    service.add_entry(other.id, "comment", text="quite unrelated quokka")
    found = service.search("parser")
    assert [r["id"] for r in found] == [hit.id, other.id], "a title counts more than a text"
    assert "[" in found[0]["snippet"]
    assert [r["id"] for r in service.search("quokka")] == [other.id]
    for words in ("config", "parseConfig", "read_file", "pars* curs*", '"loses the cursor"'):
        assert hit.id in [r["id"] for r in service.search(words)], words
    assert service.search("parser", finished=True) == []
    assert service.search('"cursor the loses"') == []
    _refused(InvalidInputError, lambda: service.search(" !! "))


def filters_compose(service: TicketService) -> None:
    for n in range(6):
        service.create(
            "ticket",
            {"title": f"t{n}", "priority": "high" if n % 2 else "low", "assignee": "ann" if n < 3 else None},
            add={"labels": ["even"] if n % 2 == 0 else ["odd", "x"]},
        )
    titles = [r["title"] for r in service.rows(label=["odd", "x"], assignee="ann", sort="title")]
    assert titles == ["t1"]
    assert [r["title"] for r in service.rows(sort="title", reverse=True, limit=2, offset=1)] == ["t4", "t3"]
    assert service.count(without_label=["odd"]) == 3
    assert service.count(assignee=None) == 3


def tells_events_when_they_are_true(service: TicketService) -> None:
    ticket = service.create("ticket", {"title": "one"})
    service.update(ticket.id, {"assignee": "ann"})
    service.add_entry(ticket.id, "comment", text="hello")
    service.update(ticket.id, {"status": "closed"})
    service.update(ticket.id, {"status": "open"})
    requirement = service.add_entry(ticket.id, "requirement", title="must")
    service.update_entry(ticket.id, requirement.id, status="verified")
    scenario = service.add_entry(ticket.id, "scenario", title="it works", text="Given a\nWhen b\nThen c")
    service.update_entry(ticket.id, scenario.id, status="failing")
    service.update_entry(ticket.id, scenario.id, status="passing")
    service.add_entry(ticket.id, "journal", type="milestone", content="half way")
    epic = service.create("epic", {"title": "E"})
    service.update(epic.id, {"status": "completed"})
    service.delete(ticket.id)
    before = service.board.shared.last_event()
    assert not service.apply([Operation("create", values={"title": "x"}), Operation("delete", "zzzz")]).success
    assert service.board.shared.last_event() == before, "what was rolled back tells nothing"
    told = [row[2] for row in service.board.shared.events(limit=1000)]
    expected = [
        "ticket.created",
        "ticket.updated",
        "ticket.assigned",
        "ticket.commented",
        "ticket.updated",
        "ticket.closed",
        "ticket.updated",
        "ticket.reopened",
        "requirement.added",
        "ticket.updated",
        "requirement.verified",
        "ticket.updated",
        "test.failed",
        "ticket.updated",
        "test.passed",
        "milestone.reached",
        "epic.created",
        "epic.updated",
        "epic.completed",
        "ticket.deleted",
    ]
    assert told == expected, told


CHECKS: tuple[Check, ...] = (
    keeps_every_field,
    finds_by_unique_beginning,
    refuses_what_cannot_be,
    compares_with_what_was_read,
    refuses_circles_and_names_them,
    computes_readiness,
    keeps_entries,
    deletes_and_restores,
    remembers_and_takes_back,
    tells_the_truth_about_batches,
    claims_are_exclusive,
    searches,
    filters_compose,
    tells_events_when_they_are_true,
)
"""Every check, in an order that reads well."""
