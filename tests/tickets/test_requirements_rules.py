"""Requirements, stories and expected results: their states, their coverage, their sentences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError, StateError
from fairlead.tickets import effort
from fairlead.tickets.requirements import KINDS, UserStory, coverage, format_story, make, move, parse_story, plain

statuses = {
    name: st.lists(st.sampled_from(kind.statuses).map(lambda s: {"status": s}), max_size=4)
    for name, kind in KINDS.items()
    if kind.statuses
}


def test_nothing_to_cover_is_covered_but_nothing_is_accepted() -> None:
    empty = coverage([])
    assert (empty.requirement_coverage, empty.test_pass_rate, empty.acceptance_met) == (100.0, 0.0, False)


@given(statuses["requirement"], statuses["scenario"], statuses["result"])
@settings(deadline=None)
def test_acceptance_needs_every_kind_present_to_be_met(wanted: list, checks: list, results: list) -> None:
    found = coverage(wanted, checks, results)
    present = [e["status"] for e in (*wanted, *checks, *results)]
    assert found.acceptance_met == (bool(present) and set(present) <= {"verified", "passing"})
    assert 0 <= found.requirement_coverage <= 100
    assert 0 <= found.test_pass_rate <= 100
    assert len(found.unmet) == sum(s not in ("verified", "passing") for s in present)


def test_an_implemented_requirement_is_not_yet_covered() -> None:
    found = coverage([{"status": "implemented"}, {"status": "verified"}], [{"status": "passing"}, {"status": "draft"}])
    assert found.requirement_coverage == 50.0
    assert found.test_pass_rate == 50.0
    assert not found.acceptance_met


def test_a_draft_is_never_verified_and_who_verified_is_kept() -> None:
    entry = plain(make("requirement", {"title": "It is fast"}))
    with pytest.raises(StateError) as caught:
        move("requirement", entry, "verified")
    assert caught.value.fields["allowed"] == ["approved"]
    approved = move("requirement", entry, "approved")
    verified = move("requirement", approved, "verified", by="mia", at="2026-01-01T00:00:00.000Z", note="bench/x")
    assert verified == {
        "title": "It is fast",
        "status": "verified",
        "verified_by": "mia",
        "verified_at": "2026-01-01T00:00:00.000Z",
        "evidence": "bench/x",
    }
    fallen = move("requirement", verified, "implemented")
    assert "verified_by" not in fallen


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
    assert known.met in known.statuses and known.unmet in known.statuses


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("requirement", {"title": " "}, "title"),
        ("requirement", {"title": "x", "status": "done"}, "status"),
        ("requirement", {"title": "x", "colour": "red"}, "colour"),
        ("requirement", {"title": "x", "acceptance_criteria": "one"}, "acceptance_criteria"),
        ("result", {"description": "x", "verification_method": "magic"}, "verification_method"),
        ("story", {"persona": "dev"}, "goal"),
        ("story", {"persona": "dev", "goal": "x", "story_points": True}, "story_points"),
        ("wish", {}, "kind"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(kind: str, values: dict, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make(kind, values)
    assert caught.value.fields["field"] == field


def test_what_make_takes_plain_gives() -> None:
    values = {"title": "a", "status": "draft", "acceptance_criteria": ["b", "c"], "priority": "high"}
    assert plain(make("requirement", values)) == values


words = st.lists(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda w: w not in ("so", "that", "i", "want", "need")),
    min_size=1,
    max_size=4,
).map(" ".join)


@given(words, words, st.one_of(st.just(""), words))
@settings(deadline=None)
def test_a_story_is_read_back_from_its_sentence(persona: str, goal: str, benefit: str) -> None:
    story = UserStory(persona, goal, benefit)
    assert parse_story(format_story(story)) == story


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


@given(st.integers(1, 50_000))
@settings(deadline=None)
def test_a_formatted_duration_is_read_back(minutes: int) -> None:
    assert effort.parse_duration(effort.format_duration(minutes)) == minutes


def test_time_adds_up_by_type_and_author_and_a_session_counts_until_now() -> None:
    done = effort.plain(effort.log_time("1h", now=10_000.0, author="mia"))
    open_ = effort.plain(effort.start_time(now=10_000.0, author="bo", kind="review"))
    total = effort.spent([done, open_], now=10_000.0 + 1800, estimated_hours=3)
    assert (total.minutes, total.by_type, total.active) == (90.0, {"work": 60.0, "review": 30.0}, 1)
    assert total.used == 0.5
    stopped = effort.stop_time(open_, now=10_600.0)
    assert stopped["duration_minutes"] == 10.0
    with pytest.raises(StateError):
        effort.stop_time(stopped, now=10_700.0)
    assert effort.active([done, open_], "bo") is open_
    assert effort.active([done, stopped], "bo") is None


def test_a_journal_entry_says_something_and_knows_its_type() -> None:
    assert effort.plain(effort.journal(" done ", now=0.0, author="a", completion=100))["content"] == "done"
    for bad in ({"content": " "}, {"content": "x", "kind": "song"}, {"content": "x", "completion": 101}):
        with pytest.raises(InvalidInputError):
            effort.journal(**{"now": 0.0, "author": "a", **bad})
