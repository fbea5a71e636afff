"""Epics, backlog, requirements and time on a real board, through the command line and the service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.cli.main import main
from fairlead.errors import ConflictError, InvalidInputError, StateError
from fairlead.tickets import planning
from fairlead.tickets.fields import PRIORITIES
from fairlead.tickets.service import TicketService
from tests.tickets.boards import open_board

Say = Callable[..., Any]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, value in (("XDG_STATE_HOME", "state"), ("HOME", "home"), ("FAIRLEAD_HOME", "lead")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("FAIRLEAD_ACTOR", "mia")

    def call(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        found = main([*words, "--json"])
        document = json.loads(capsys.readouterr().out)
        assert found == code, document
        return document.get("data", document.get("error"))

    call("ticket", "init")
    return call


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TicketService]:
    folder = tmp_path / "board"
    folder.mkdir()
    made = open_board(folder, make=True, seed=1)
    yield made
    made.close()


def told(service: TicketService, *types: str) -> list[tuple[str, str]]:
    return [(row[2], row[3]) for row in service.board.shared.events(types=types, limit=1000)]


# ── epics ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_epic_from_draft_to_done(say: Say) -> None:
    epic = say(
        "epic", "create", "Faster search", "--goal", "below 50 ms", "--criterion", "measured", "-p", "P1", "-l", "db"
    )
    assert (epic["status"], epic["priority"], epic["progress"]["percent"]) == ("draft", "high", None)
    assert [g["text"] for g in epic["goals"]] == ["below 50 ms"]
    one = say("ticket", "create", "One", "--points", "3")["id"]
    two = say("ticket", "create", "Two", "--points", "1")["id"]
    shown = say("epic", "add-ticket", epic["id"], one, two)
    assert shown["progress"]["total"] == 2
    say("epic", "update", epic["id"], "--status", "active", "--owner", "mia")
    say("ticket", "close", one)
    assert say("epic", "show", epic["id"])["progress"]["percent"] == 75.0
    refused = say("epic", "complete", epic["id"], code=1)
    assert refused["code"] == "StateError" and two in refused["message"]
    say("epic", "remove-ticket", epic["id"], two)
    assert say("epic", "complete", epic["id"])["status"] == "completed"
    assert say("epic", "list")["items"] == []
    assert len(say("epic", "list", "--all")["items"]) == 1
    types = {event["type"] for event in say_events(say)}
    assert {"epic.created", "epic.updated", "epic.completed"} <= types
    assert say("epic", "remove-ticket", epic["id"], two, code=2)["code"] == "InvalidInputError"
    say("epic", "delete", epic["id"])
    assert say("epic", "show", epic["id"])["deleted"] is True


def say_events(say: Say) -> list[dict[str, Any]]:
    from fairlead.tickets.opening import open_service

    service = open_service()
    try:
        return [{"type": row[2]} for row in service.board.shared.events(limit=1000)]
    finally:
        service.close()


@given(
    st.lists(st.tuples(st.sampled_from(["open", "closed", "cancelled", "in-progress"]), st.sampled_from([None, 1, 5])))
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_progress_is_complete_exactly_when_all_work_is_done(rows: list[tuple[str, int | None]]) -> None:
    found = planning.progress([{"status": s, "story_points": p} for s, p in rows])
    work = [s for s, _ in rows if s != "cancelled"]
    assert (found.percent is None) == (not work)
    if work:
        assert (found.percent == 100.0) == (set(work) == {"closed"})
        assert 0 <= (found.percent or 0) <= 100


# ── backlog ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_score_is_priority_then_value_less_effort() -> None:
    assert planning.priority_score("critical", 80, 3) == 474
    assert planning.priority_score("low", None, None) == 140
    assert planning.priority_score("medium", 1, 0) == 201


@given(st.sampled_from(PRIORITIES), st.integers(1, 100), st.integers(1, 100), st.floats(0, 100), st.floats(0, 100))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_more_value_or_less_effort_never_lowers_the_score(priority: str, a: int, b: int, p: float, q: float) -> None:
    low, high = sorted((a, b))
    less, more = sorted((p, q))
    assert planning.priority_score(priority, high, less) >= planning.priority_score(priority, low, more)


def test_a_backlog_item_becomes_a_ticket_once(say: Say) -> None:
    epic = say("epic", "create", "E")["id"]
    item = say(
        "backlog", "add", "Search comments", "--type", "bug", "--value", "80", "--points", "3", "--epic", epic,
        "--ac", "a comment is found", "--ac", "and ranked", "-p", "P0", "-l", "search", "-d", "why",
    )  # fmt: skip
    assert item["priority_score"] == 474
    say("backlog", "add", "Later")
    assert [i["title"] for i in say("backlog", "list")["items"]] == ["Search comments", "Later"]
    ticket = say("backlog", "convert", item["id"][:4])
    assert (ticket["title"], ticket["type"], ticket["priority"], ticket["epic_id"]) == (
        "Search comments",
        "bug",
        "critical",
        epic,
    )
    assert [r["title"] for r in ticket["requirements"]] == ["a comment is found", "and ranked"]
    assert (ticket["story_points"], ticket["labels"], ticket["description"]) == (3, ["search"], "why")
    after = say("backlog", "show", item["id"])
    assert (after["ticket_id"], after["status"]) == (ticket["id"], "in-progress")
    refused = say("backlog", "convert", item["id"], code=1)
    assert refused["code"] == "StateError" and ticket["id"] in refused["message"]
    assert len(say("ticket", "list", "--all")["items"]) == 1
    assert say("backlog", "add", "x", "--value", "101", code=2)["fields"]["field"] == "business_value"
    assert say("backlog", "update", item["id"], "--status", "done")["status"] == "done"


def test_two_conversions_at_once_make_one_ticket(service: TicketService) -> None:
    item: Any = service.create("backlog", {"title": "x"})
    plan = planning.conversion(item, service.clock.now())
    stale = [plan[0], plan[1]._replace(if_match=item.revision)]
    planning.convert(service, item.id)
    assert not service.apply(stale).success
    assert service.count("ticket") == 1
    with pytest.raises(StateError):
        planning.convert(service, item.id)
    cancelled = service.create("backlog", {"title": "y", "status": "cancelled"})
    with pytest.raises(StateError, match="cancelled"):
        planning.convert(service, cancelled.id)
    assert issubclass(ConflictError, Exception)


def test_a_value_out_of_range_is_refused() -> None:
    for value in (0, 101):
        with pytest.raises(InvalidInputError):
            planning.check_value(value)
    planning.check_value(None)


# ── requirements ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_requirements_from_nothing_to_met(say: Say, tmp_path: Path) -> None:
    ticket = say("ticket", "create", "T")["id"]
    empty = say("requirement", "coverage", ticket)
    assert (empty["requirement_coverage"], empty["test_pass_rate"], empty["acceptance_met"]) == (100.0, 0.0, False)
    wanted = say("requirement", "add", ticket, "It is fast", "--criterion", "below 50 ms", "-p", "P1")["entries"][0]
    story = say("requirement", "story", ticket, "As a dev, I want speed, so that I stay awake")["entries"][0]
    assert (story["persona"], story["benefit"]) == ("dev", "I stay awake")
    feature = tmp_path / "x.feature"
    feature.write_text(
        "Feature: f\nBackground:\n Given a board\nScenario: one\n When x\n Then y\nScenario: two\n When z\n", "utf-8"
    )
    scenarios = say("requirement", "gherkin", ticket, "--file", str(feature), "--status", "ready")["entries"]
    assert [s["title"] for s in scenarios] == ["one", "two"]
    assert all("Given a board" in s["text"] for s in scenarios)
    seen = say("requirement", "result", ticket, "The list shows", "--method", "automated")["entries"][0]
    refused = say("requirement", "verify", ticket, wanted["id"], code=1)
    assert refused["code"] == "StateError" and refused["fields"]["allowed"] == ["approved"]
    say("requirement", "set", ticket, wanted["id"], "approved")
    half = say("requirement", "set", ticket, scenarios[0]["id"], "failing")["coverage"]
    assert half["acceptance_met"] is False
    done = say("requirement", "verify", ticket, "--evidence", "make test")
    assert {e["id"] for e in done["entries"]} == {wanted["id"], seen["id"], *(s["id"] for s in scenarios)}
    assert done["coverage"]["acceptance_met"] is True
    listed = say("requirement", "list", ticket)
    assert listed["requirements"][0]["verified_by"] == "mia"
    assert listed["requirements"][0]["evidence"] == "make test"
    total = say("requirement", "coverage")
    assert (total["total"]["requirement_coverage"], [i["ticket"] for i in total["items"]]) == (100.0, [ticket])
    types = {event["type"] for event in say_events(say)}
    assert {"requirement.added", "requirement.verified", "test.passed", "test.failed"} <= types


def test_what_cannot_be_is_refused_before_anything_is_written(say: Say) -> None:
    ticket = say("ticket", "create", "T")["id"]
    assert "line 4" in say("requirement", "gherkin", ticket, "Scenario: x\nWhen a\nThen b\nWhen c", code=2)["message"]
    assert say("requirement", "gherkin", ticket, code=2)["fields"]["field"] == "text"
    assert say("requirement", "story", ticket, "nice", code=2)["code"] == "InvalidInputError"
    assert say("requirement", "set", ticket, "nope", "verified", code=1)["code"] == "NotFoundError"
    story = say("requirement", "story", ticket, "--persona", "dev", "--goal", "speed")["entries"][0]["id"]
    assert say("requirement", "set", ticket, story, "verified", code=2)["code"] == "InvalidInputError"
    parts = say("requirement", "gherkin", ticket, "--title", "It runs", "--given", "a", "--given", "b", "--then", "c")
    assert parts["entries"][0]["text"] == "Scenario: It runs\n  Given a\n  And b\n  Then c"
    assert len(say("requirement", "list", ticket)["gherkin_scenarios"]) == 1


# ── time and journal ─────────────────────────────────────────────────────────────────────────────────────────────


def test_time_is_logged_started_and_stopped(say: Say) -> None:
    ticket = say("ticket", "create", "T", "--estimate", "3")["id"]
    logged = say("time", "log", ticket, "1h30m", "-m", "thinking", "--type", "research")
    assert logged["entry"]["duration_minutes"] == 90
    assert (logged["spent"]["minutes"], logged["spent"]["used"]) == (90, 0.5)
    assert say("time", "stop", ticket, code=1)["code"] == "StateError"
    say("time", "start", ticket)
    again = say("time", "start", ticket, "--type", "review")
    assert again["spent"]["running"] == 1
    say("time", "stop", ticket)
    shown = say("time", "show", ticket)
    assert len(shown["entries"]) == 3
    assert shown["spent"]["running"] == 0
    assert set(shown["spent"]["by_type"]) == {"research", "work", "review"}
    assert say("time", "log", ticket, "soon", code=2)["fields"]["field"] == "duration"
    journal = say("time", "journal", ticket, "half done", "--completion", "50")
    assert (journal["entries"][0]["content"], journal["entries"][0]["completion_percentage"]) == ("half done", 50)
    say("time", "journal", ticket, "released", "--type", "milestone", "--milestone", "v1")
    assert "milestone.reached" in {event["type"] for event in say_events(say)}
    assert say("time", "journal", ticket, "x", "--completion", "101", code=2)["fields"]["field"] == "completion"


def test_what_people_see(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    ticket = say("ticket", "create", "T")["id"]
    epic = say("epic", "create", "E")["id"]
    say("epic", "add-ticket", epic, ticket)
    item = say("backlog", "add", "B", "--ac", "works")["id"]
    say("requirement", "add", ticket, "R")
    for words, wanted in [
        (["epic", "show", epic], "0 %"),
        (["epic", "list"], "0/1"),
        (["backlog", "list"], "240  story"),
        (["backlog", "show", item], "- works"),
        (["requirement", "list", ticket], "requirements 0 %"),
        (["requirement", "coverage"], "all: requirements 0 %"),
        (["time", "log", ticket, "45m"], "45m"),
        (["time", "journal", ticket], "is empty"),
        (["backlog", "convert", item], "1 requirements"),
        (["epic", "delete", epic], f"deleted {epic}"),
    ]:
        capsys.readouterr()
        assert main(words) == 0
        assert wanted in capsys.readouterr().out
