"""Requirements: what a ticket must fulfil, how that is shown, and how far it is.

A ticket carries requirements, user stories, Gherkin scenarios and expected results as entries. Everything here is a
function of values: nothing reads a file or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from fairlead.errors import InvalidInputError, StateError
from fairlead.tickets.fields import REQUIREMENT_STATUSES, RESULT_STATUSES, SCENARIO_STATUSES
from fairlead.tickets.gherkin import GherkinScenario, format_scenario, parse_feature

REQUIREMENT_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "draft": ("approved",),
    "approved": ("draft", "implemented", "verified"),
    "implemented": ("approved", "verified"),
    "verified": ("approved", "implemented"),
}
"""From -> to. A draft is never verified: nobody agreed to it. A verified one falls back when a check fails later."""

SCENARIO_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "draft": ("ready",),
    "ready": ("draft", "passing", "failing", "blocked"),
    "passing": ("ready", "failing", "blocked"),
    "failing": ("ready", "passing", "blocked"),
    "blocked": ("ready", "passing", "failing"),
}

RESULT_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "pending": ("verified", "failed", "blocked"),
    "verified": ("pending", "failed", "blocked"),
    "failed": ("pending", "verified", "blocked"),
    "blocked": ("pending", "verified", "failed"),
}


class Kind(NamedTuple):
    """One kind of entry with states: its words, what may follow what, and the word that settles it."""

    name: str
    statuses: tuple[str, ...]
    transitions: Mapping[str, tuple[str, ...]]
    met: str


KINDS: Mapping[str, Kind] = {
    "requirement": Kind("requirement", REQUIREMENT_STATUSES, REQUIREMENT_TRANSITIONS, "verified"),
    "scenario": Kind("scenario", SCENARIO_STATUSES, SCENARIO_TRANSITIONS, "passing"),
    "result": Kind("result", RESULT_STATUSES, RESULT_TRANSITIONS, "verified"),
}
"""A user story has no state of its own: the scenarios and results that belong to it have."""


class Entry(Protocol):
    """What of an entry is looked at here."""

    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...


def move(kind: str, now: str, status: str, *, by: str, at: str, note: str = "") -> dict[str, Any]:
    """The fields to change so that an entry of a kind goes from state ``now`` to ``status``; empty when it is there.

    Who verified and when is set with a requirement or result that becomes verified, and emptied when it no longer is.
    ``note`` is kept as the requirement's evidence or the result's notes.
    :class:`StateError` when that state cannot follow.
    """
    known = KINDS.get(kind)
    if known is None:
        raise InvalidInputError(
            f"a {kind} has no states.", remedy=f"States belong to {', '.join(KINDS)}.", field="kind", value=kind
        )
    if status not in known.statuses:
        raise InvalidInputError(
            f"status is {status!r}.", remedy=f"Use one of {', '.join(known.statuses)}.", field="status", value=status
        )
    if status == now:
        return {}
    allowed = known.transitions.get(now, ())
    if status not in allowed:
        raise StateError(
            f"the {kind} is {now} and cannot become {status}.",
            remedy=f"From {now} it can become {' or '.join(allowed)}.",
            field="status",
            value=status,
            allowed=list(allowed),
        )
    changes: dict[str, Any] = {"status": status}
    if kind != "scenario" and known.met in (status, now):
        settled = status == known.met
        changes |= {"verified_by": by if settled else None, "verified_at": at if settled else None}
    if note and kind != "scenario":
        changes["evidence" if kind == "requirement" else "notes"] = note
    return changes


# ── how far it is ────────────────────────────────────────────────────────────────────────────────────────────


class Coverage(NamedTuple):
    """How much of a ticket's requirements is shown to hold; percentages from 0 to 100."""

    requirements: int
    requirements_verified: int
    requirement_coverage: float
    scenarios: int
    scenarios_passing: int
    test_pass_rate: float
    results: int
    results_verified: int
    acceptance_met: bool
    unmet: tuple[str, ...]


def coverage(requirements: Iterable[Entry], scenarios: Iterable[Entry] = (), results: Iterable[Entry] = ()) -> Coverage:
    """Coverage of entries.

    Without requirements the coverage is 100 %, for nothing is uncovered; without scenarios the pass rate is 0, for
    nothing passed; and acceptance is met only when there is an entry of some kind and every one is verified or
    passing.
    """
    wanted, checks, outcomes = list(requirements), list(scenarios), list(results)
    verified = sum(entry.status == "verified" for entry in wanted)
    passing = sum(entry.status == "passing" for entry in checks)
    reached = sum(entry.status == "verified" for entry in outcomes)
    unmet = [entry.id for entry in (*wanted, *outcomes) if entry.status != "verified"]
    unmet += [entry.id for entry in checks if entry.status != "passing"]
    return Coverage(
        len(wanted),
        verified,
        100.0 * verified / len(wanted) if wanted else 100.0,
        len(checks),
        passing,
        100.0 * passing / len(checks) if checks else 0.0,
        len(outcomes),
        reached,
        bool(wanted or checks or outcomes) and not unmet,
        tuple(unmet),
    )


# ── scenarios and user stories as text ───────────────────────────────────────────────────────────────────────────


def read_scenarios(text: str) -> list[tuple[str, str]]:
    """(title, Gherkin text) of each scenario of a feature file, each text complete with its background."""
    scenarios = parse_feature(text)
    if not scenarios:
        raise InvalidInputError(
            "the text holds no scenario.", remedy="Begin one with `Scenario: title`.", field="gherkin", value=text[:80]
        )
    return [(scenario.title, format_scenario(scenario).strip("\n")) for scenario in scenarios]


def make_scenario(title: str, *, given: Iterable[str] = (), when: Iterable[str] = (), then: Iterable[str] = ()) -> str:
    """The Gherkin text of a scenario given in parts."""
    from fairlead.tickets.gherkin import check_scenario

    scenario = GherkinScenario(title, tuple(given), tuple(when), tuple(then))
    return format_scenario(check_scenario(scenario)).strip("\n")


class Story(NamedTuple):
    persona: str
    goal: str
    benefit: str = ""


_STORY = re.compile(
    r"\s*as\s+an?\s+(.+?),?\s+i\s+(?:want|need)\s+(.+?)(?:,?\s+so\s+that\s+(.+?))?\s*\.?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)


def format_story(persona: str, goal: str, benefit: str = "") -> str:
    """``As a developer, I want …, so that ….``"""
    article = "an" if persona[:1].lower() in tuple("aeiou") else "a"
    return f"As {article} {persona}, I want {goal}{f', so that {benefit}' if benefit else ''}."


def parse_story(text: str) -> Story:
    """A story from its sentence; :class:`InvalidInputError` when the sentence has another shape."""
    found = _STORY.match(text)
    if found is None:
        raise InvalidInputError(
            f"{text!r} is not a user story.",
            remedy="Write: As a WHO, I want WHAT, so that WHY.",
            field="text",
            value=text,
        )
    return Story(*(" ".join(part.split()) if part else "" for part in found.groups()))
