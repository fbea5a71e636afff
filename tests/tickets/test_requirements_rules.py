"""Requirements, stories and expected results: their states, their coverage, their sentences."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError, StateError
from fairlead.tickets import effort
from fairlead.tickets.model import ExpectedResult, Requirement, Scenario, TimeLog
from fairlead.tickets.requirements import (
    KINDS,
    Story,
    coverage,
    format_story,
    make_scenario,
    move,
    parse_story,
    read_scenarios,
)


def entries(kind: str) -> st.SearchStrategy:
    make = {
        "requirement": lambda s: Requirement("r", "t", "x", status=s),
        "scenario": lambda s: Scenario("s", "t", "x", "", status=s),
        "result": lambda s: ExpectedResult("e", "t", "x", status=s),
    }[kind]
    return st.lists(st.sampled_from(KINDS[kind].statuses).map(make), max_size=4)


def test_nothing_to_cover_is_covered_but_nothing_is_accepted() -> None:
    empty = coverage([])
    assert (empty.requirement_coverage, empty.test_pass_rate, empty.acceptance_met) == (100.0, 0.0, False)


@given(entries("requirement"), entries("scenario"), entries("result"))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_acceptance_needs_every_kind_present_to_be_met(wanted: list, checks: list, results: list) -> None:
    found = coverage(wanted, checks, results)
    present = [e.status for e in (*wanted, *checks, *results)]
    assert found.acceptance_met == (bool(present) and set(present) <= {"verified", "passing"})
    assert 0 <= found.requirement_coverage <= 100
    assert 0 <= found.test_pass_rate <= 100
    assert len(found.unmet) == sum(s not in ("verified", "passing") for s in present)


def test_an_implemented_requirement_is_not_yet_covered() -> None:
    wanted = [Requirement("a", "t", "x", status="implemented"), Requirement("b", "t", "x", status="verified")]
    checks = [Scenario("c", "t", "x", "", status="passing"), Scenario("d", "t", "x", "")]
    found = coverage(wanted, checks)
    assert (found.requirement_coverage, found.test_pass_rate, found.acceptance_met) == (50.0, 50.0, False)
    assert found.unmet == ("a", "d")


def test_a_draft_is_never_verified_and_who_verified_is_kept() -> None:
    with pytest.raises(StateError) as caught:
        move("requirement", "draft", "verified", by="mia", at="2026-01-01T00:00:00.000Z")
    assert caught.value.fields["allowed"] == ["approved"]
    assert move("requirement", "draft", "approved", by="mia", at="x") == {"status": "approved"}
    verified = move("result", "pending", "verified", by="mia", at="2026-01-01T00:00:00.000Z", note="seen")
    assert verified == {
        "status": "verified",
        "verified_by": "mia",
        "verified_at": "2026-01-01T00:00:00.000Z",
        "notes": "seen",
    }
    fallen = move("requirement", "verified", "implemented", by="bo", at="x")
    assert fallen == {"status": "implemented", "verified_by": None, "verified_at": None}
    assert move("scenario", "ready", "ready", by="bo", at="x") == {}
    for kind, word in (("story", "verified"), ("scenario", "verified")):
        with pytest.raises(InvalidInputError):
            move(kind, "ready", word, by="bo", at="x")


@pytest.mark.parametrize("kind", ["requirement", "scenario", "result"])
def test_every_state_is_reachable_and_every_target_is_a_state(kind: str) -> None:
    known = KINDS[kind]
    assert set(known.transitions) == set(known.statuses)
    reached, edge = {known.statuses[0]}, [known.statuses[0]]
    while edge:
        fresh = set(known.transitions[edge.pop()]) - reached
        reached |= fresh
        edge += fresh
    assert reached == set(known.statuses)
    assert known.met in known.statuses


def test_a_feature_becomes_one_complete_text_a_scenario() -> None:
    text = "Feature: f\nBackground:\n Given a board\nScenario: one\n When x\nScenario: two\n When y\n"
    (first, one), (second, two) = read_scenarios(text)
    assert (first, second) == ("one", "two")
    assert "Given a board" in one and "Given a board" in two
    assert read_scenarios(one) == [("one", one)]
    with pytest.raises(InvalidInputError, match="no scenario"):
        read_scenarios("Feature: empty")


def test_a_scenario_given_in_parts() -> None:
    text = make_scenario("It works", given=["a", "b"], when=["c"], then=["d"])
    assert text == "Scenario: It works\n  Given a\n  And b\n  When c\n  Then d"
    with pytest.raises(InvalidInputError):
        make_scenario("It works", given=["a\nWhen b"])


words = st.lists(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda w: w not in ("so", "that", "i", "want", "need")),
    min_size=1,
    max_size=4,
).map(" ".join)


@given(words, words, st.one_of(st.just(""), words))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_story_is_read_back_from_its_sentence(persona: str, goal: str, benefit: str) -> None:
    assert parse_story(format_story(persona, goal, benefit)) == Story(persona, goal, benefit)


def test_a_sentence_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="As a WHO"):
        parse_story("It should be nice")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("1h30m", 90),
        ("1.5h", 90),
        ("1:30", 90),
        ("45 min", 45),
        ("1d", 1440),
        ("30s", 0.5),
        ("2 hours 5 minutes", 125),
    ],
)
def test_durations(text: str, minutes: float) -> None:
    assert effort.parse_duration(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "-5", "soon", "1x", "1:75", "h"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError):
        effort.parse_duration(text)


@given(st.integers(1, 31 * 24 * 60))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_formatted_duration_is_read_back(minutes: int) -> None:
    assert effort.parse_duration(effort.format_duration(minutes)) == minutes


def log(author: str, fields: dict) -> TimeLog:
    return TimeLog("l", "t", author=author, **fields)


def test_time_adds_up_by_type_and_author_and_a_clock_counts_until_now() -> None:
    done = log("mia", effort.logged("1h", now=10_000.0))
    clock = log("bo", effort.started(now=10_000.0, kind="review"))
    total = effort.spent([done, clock], now=10_000.0 + 1800, estimated_hours=3)
    assert (total.minutes, total.by_type, total.running) == (90.0, {"work": 60.0, "review": 30.0}, 1)
    assert total.by_author == {"mia": 60.0, "bo": 30.0}
    assert total.used == 0.5
    assert effort.spent([], now=0.0).used is None
    assert effort.running([done, clock], "bo") is clock
    assert effort.running([done, clock], "mia") is None
    stopped = clock._replace(**effort.stopped(clock, now=10_600.0))
    assert stopped.duration_minutes == 10.0
    assert effort.running([stopped], "bo") is None
    with pytest.raises(StateError):
        effort.stopped(stopped, now=10_700.0)


def test_a_log_with_times_but_no_minutes_is_as_long_as_its_times_say() -> None:
    by_hand = TimeLog("l", "t", "", start_time="2026-01-01T10:00:00Z", end_time="2026-01-01T11:30:00+00:00")
    assert effort.minutes_of(by_hand, 0.0) == 90.0
    assert effort.minutes_of(TimeLog("l", "t", ""), 0.0) == 0.0
    with pytest.raises(InvalidInputError):
        effort.minutes_of(TimeLog("l", "t", "", start_time="yesterday"), 0.0)


def test_an_unknown_type_of_work_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="documentation"):
        effort.logged("1h", now=0.0, kind="song")
