"""Gherkin is read and written without loss, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError
from fairlead.tickets.gherkin import (
    GherkinScenario,
    check_scenario,
    format_feature,
    format_scenario,
    parse_feature,
    parse_scenario,
)

FEATURE = """
@api @fast
Feature: Search
  Words that do not matter here.

  Background:
    Given a board with 3 tickets
    And the index is fresh

  Rule: prefixes
    Background:
      Given prefixes are on

    # a comment
    @slow
    Scenario: A prefix finds
      Longer words about it,
      on two lines.
      Given the query "mig"
        | word | hits |
        | mig  | 2    |
      When I search
      Then I see 2 rows
      But not the closed one
      * nothing else

    Scenario Outline: counts
      When I search <word>
      Then I see <n> rows
        \"\"\"json
        {"n":
          1}
        \"\"\"
      Examples: few
        | word | n |
        | a    | 1 |
      Examples:
        | word | n |
"""

words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp"), blacklist_characters="\ufeff"), min_size=1, max_size=20
)
line = words.map(str.strip).filter(lambda s: s and s.splitlines() == [s])
tables = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda rows: "\n".join("|" + "|".join(map(str, row)) + "|" for row in rows)
)
block = st.lists(words.filter(lambda s: s.strip() not in ('"""', "```")), max_size=3).map(
    lambda ls: '"""\n' + "".join(f"{x}\n" for x in ls) + '"""'
)
step = st.one_of(line, st.tuples(line, st.one_of(tables, block)).map("\n".join))
steps = st.lists(step, max_size=3).map(tuple)
tag = st.from_regex(r"[a-z][a-z0-9_:-]{0,8}", fullmatch=True)
scenarios = st.builds(
    GherkinScenario,
    title=line,
    given=steps,
    when=steps,
    then=steps,
    background=steps,
    tags=st.lists(tag, max_size=3, unique=True).map(tuple),
    description=st.sampled_from(["", "One line.", "Two\nlines", "A gap\n\nbetween"]),
    examples=st.lists(st.tuples(st.sampled_from(["", "few"]), tables).map("\n".join), max_size=2).map(tuple),
)


def _carried(scenario: GherkinScenario) -> bool:
    try:
        check_scenario(tuple(scenario))
    except InvalidInputError:
        return False
    return True


@given(st.lists(scenarios.filter(_carried), max_size=4))
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_is_read_back(many: list[GherkinScenario]) -> None:
    text = format_feature(many, "title")
    assert parse_feature(text) == many
    assert format_feature(parse_feature(text), "title") == text


@given(scenarios)
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_hardly_any_scenario_is_refused_and_one_alone_survives(scenario: GherkinScenario) -> None:
    if _carried(scenario):
        assert parse_scenario(format_scenario(scenario)) == scenario


@given(
    st.lists(
        st.sampled_from(
            [*FEATURE.splitlines(), "  Then x", "| a |", '"""', "@t", "Given", "And y", "Rule:", "Example: z"]
        ),
        max_size=25,
    )
)
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_refused_by_line_or_becomes_stable(lines: list[str]) -> None:
    try:
        first = parse_feature("\n".join(lines))
    except InvalidInputError as exc:
        assert exc.message.startswith("line ")
        assert 1 <= exc.fields["line"] <= len(lines)
        return
    text = format_feature(first)
    assert parse_feature(text) == first
    assert format_feature(parse_feature(text)) == text


def test_a_whole_feature() -> None:
    prefix, outline = parse_feature(FEATURE)
    assert prefix.title == "A prefix finds"
    assert prefix.tags == ("api", "fast", "slow")
    assert prefix.background == ("a board with 3 tickets", "the index is fresh", "prefixes are on")
    assert prefix.given == ('the query "mig"\n| word | hits |\n| mig  | 2    |',)
    assert prefix.when == ("I search",)
    assert prefix.then == ("I see 2 rows", "But not the closed one", "nothing else")
    assert prefix.description == "Longer words about it,\non two lines."
    assert outline.then == ('I see <n> rows\n"""json\n{"n":\n  1}\n"""',)
    assert outline.examples == ("few\n| word | n |\n| a    | 1 |", "\n| word | n |")
    assert "Scenario Outline: counts" in format_scenario(outline)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("Scenario: x\nWhen a\nThen b\nWhen c", 4, "Split it into two"),
        ("Scenario: x\nAnd a", 2, "no step to go on from"),
        ("Scenario:", 1, "no title"),
        ("Feature: f\nBackground:\nWhen x", 3, "only Given"),
        ('Scenario: x\nGiven a\n"""\nopen', 3, "not closed"),
        ("hello", 1, "not Gherkin"),
        ("Scenario: x\nGiven", 2, "no text"),
        ("Scenario: x\n| a |", 2, "follows no step"),
    ],
)
def test_errors_name_the_line_and_the_remedy(text: str, line: int, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_feature(text)
    assert caught.value.fields["line"] == line
    assert says in str(caught.value)


def test_crlf_and_a_byte_order_mark_do_not_matter() -> None:
    assert parse_feature("\ufeffScenario: x\r\n  Given a\r\n") == [GherkinScenario("x", given=("a",))]


@pytest.mark.parametrize(
    "bad",
    [
        {"title": " x "},
        {"title": "x", "given": ["a\nb"]},
        {"title": "x", "given": [""]},
        {"title": "x", "moon": 1},
        {"given": ["a"]},
        {"title": "x", "tags": ["a b"]},
        {"title": "x", "description": "Given that"},
    ],
)
def test_a_scenario_that_gherkin_cannot_carry_is_refused(bad: dict) -> None:
    with pytest.raises(InvalidInputError):
        check_scenario(bad)
