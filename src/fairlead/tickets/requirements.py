"""Requirements: what a ticket must fulfil, how that is shown, and how far it is.

A ticket carries requirements, user stories, Gherkin scenarios and expected results. Everything here is a function of
values: nothing reads a file or a clock. The models with validation by pydantic are in
:mod:`fairlead.tickets.requirement_schema`, derived from the records below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError, StateError
from fairlead.tickets.gherkin import SCENARIO_STATUSES, GherkinScenario

REQUIREMENT_STATUSES = ("draft", "approved", "implemented", "verified")
RESULT_STATUSES = ("pending", "verified", "failed", "blocked")
VERIFICATION_METHODS = ("manual", "automated", "review")
PRIORITIES = ("critical", "high", "medium", "low")
REQUIREMENTS_STATUSES = ("draft", "review", "approved", "complete")
"""States of a ticket's requirements as a whole (``requirements_status``)."""

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


class Requirement(NamedTuple):
    """A statement that must hold, with the criteria by which it is accepted."""

    title: str
    description: str = ""
    status: str = "draft"
    priority: str = "medium"
    acceptance_criteria: tuple[str, ...] = ()
    author: str = ""
    created_at: str = ""
    verified_by: str = ""
    verified_at: str = ""
    evidence: str = ""
    id: str = ""


class UserStory(NamedTuple):
    """Who wants what, and why."""

    persona: str
    goal: str
    benefit: str = ""
    acceptance_criteria: tuple[str, ...] = ()
    priority: str = "medium"
    story_points: int | None = None
    id: str = ""


class ExpectedResult(NamedTuple):
    """An outcome that somebody or something checks."""

    description: str
    verification_method: str = "manual"
    status: str = "pending"
    success_criteria: tuple[str, ...] = ()
    notes: str = ""
    verified_by: str = ""
    verified_at: str = ""
    id: str = ""


class Kind(NamedTuple):
    """One kind of entry: the ticket's field that holds it, its record, its states and the ones that settle it."""

    name: str
    field: str
    record: type[Any]
    prefix: str
    statuses: tuple[str, ...]
    transitions: Mapping[str, tuple[str, ...]]
    met: str
    unmet: str


KINDS: Mapping[str, Kind] = {
    "requirement": Kind(
        "requirement",
        "requirements",
        Requirement,
        "rq",
        REQUIREMENT_STATUSES,
        REQUIREMENT_TRANSITIONS,
        "verified",
        "approved",
    ),
    "story": Kind("story", "user_stories", UserStory, "us", (), {}, "", ""),
    "scenario": Kind(
        "scenario",
        "gherkin_scenarios",
        GherkinScenario,
        "sc",
        SCENARIO_STATUSES,
        SCENARIO_TRANSITIONS,
        "passing",
        "failing",
    ),
    "result": Kind(
        "result", "expected_results", ExpectedResult, "er", RESULT_STATUSES, RESULT_TRANSITIONS, "verified", "failed"
    ),
}
"""Name -> kind. A user story has no state of its own: its scenarios and results have."""

_CHOICES = {"priority": PRIORITIES, "verification_method": VERIFICATION_METHODS}


def make(kind: str, values: Mapping[str, Any]) -> Any:
    """A checked record of a kind; :class:`InvalidInputError` names the field that cannot be used."""
    known = kind_of(kind)
    fields = known.record._fields
    for name in values:
        if name not in fields:
            raise _refused(kind, name, values[name], f"{kind} has no such field", f"Fields: {', '.join(fields)}.")
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if v is not None}
    for name in fields:
        if name not in known.record._field_defaults and not str(plain.get(name, "")).strip():
            raise _refused(kind, name, plain.get(name), "it must not be empty", f"Give the {name} of the {kind}.")
    if kind == "scenario":
        from fairlead.tickets.gherkin import check_scenario

        return check_scenario(plain)
    for name, choices in (*_CHOICES.items(), ("status", known.statuses)):
        if name in plain and choices and plain[name] not in choices:
            raise _refused(kind, name, plain[name], "it is not one of the words", f"Use one of {', '.join(choices)}.")
    _check_shapes(kind, plain)
    return known.record(**plain)


def _check_shapes(kind: str, plain: Mapping[str, Any]) -> None:
    for name, value in plain.items():
        if name == "story_points":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise _refused(kind, name, value, "it must be a whole number from 0", "Leave it out when unknown.")
        elif name in ("acceptance_criteria", "success_criteria"):
            if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
                raise _refused(kind, name, value, "it must be a list of texts", "Give one text per criterion.")
        elif not isinstance(value, str):
            raise _refused(kind, name, value, "it must be a text", "Put it in quotes.")


def kind_of(name: str) -> Kind:
    if name not in KINDS:
        raise InvalidInputError(
            f"there is no kind {name!r} of requirement.", remedy=f"Kinds: {', '.join(KINDS)}.", field="kind", value=name
        )
    return KINDS[name]


def plain(record: Any) -> dict[str, Any]:
    """The fields of a record that differ from their defaults, with lists for tuples; ``make`` reads it back."""
    defaults = record._field_defaults
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in record._asdict().items()
        if name not in defaults or value != defaults[name] or name == "status"
    }


def move(
    kind: str, entry: Mapping[str, Any], status: str, *, by: str = "", at: str = "", note: str = ""
) -> dict[str, Any]:
    """A copy of ``entry`` in another state; :class:`StateError` when that state cannot follow its own.

    Who verified and when is kept with a requirement or result that is verified, and cleared when it no longer is.
    """
    known = kind_of(kind)
    now = str(entry.get("status") or known.statuses[0] if known.statuses else "")
    if status == now:
        return dict(entry)
    allowed = known.transitions.get(now, ())
    if status not in allowed:
        raise StateError(
            f"{kind} {entry.get('id', '')!r} is {now or 'without a state'} and cannot become {status!r}.",
            remedy=f"From {now} it can become {', '.join(allowed)}." if allowed else f"A {kind} has no states.",
            field="status",
            value=status,
            allowed=list(allowed),
        )
    moved = {**entry, "status": status}
    if "verified_by" in known.record._fields:
        moved.update(
            {"verified_by": by, "verified_at": at} if status == "verified" else {"verified_by": "", "verified_at": ""}
        )
    target = "evidence" if kind == "requirement" else "notes" if kind == "result" else ""
    if note and target:
        moved[target] = note
    return {k: v for k, v in moved.items() if v != "" or k == "status"}


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


def coverage(
    requirements: Iterable[Mapping[str, Any]],
    scenarios: Iterable[Mapping[str, Any]] = (),
    results: Iterable[Mapping[str, Any]] = (),
) -> Coverage:
    """Coverage of plain entries.

    Without requirements the coverage is 100 %, for nothing is uncovered; without scenarios the pass rate is 0, for
    nothing passed; and acceptance is met only when there is an entry of some kind and every one is verified or
    passing.
    """
    wanted, checks, outcomes = list(requirements), list(scenarios), list(results)
    verified = sum(entry.get("status") == "verified" for entry in wanted)
    passing = sum(entry.get("status") == "passing" for entry in checks)
    reached = sum(entry.get("status") == "verified" for entry in outcomes)
    unmet = [str(entry.get("id", "")) for entry in wanted if entry.get("status") != "verified"]
    unmet += [str(entry.get("id", "")) for entry in checks if entry.get("status") != "passing"]
    unmet += [str(entry.get("id", "")) for entry in outcomes if entry.get("status") != "verified"]
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


# ── user stories as sentences ────────────────────────────────────────────────────────────────────────────────

_STORY = re.compile(
    r"\s*as\s+an?\s+(.+?),?\s+i\s+(?:want|need)\s+(.+?)(?:,?\s+so\s+that\s+(.+?))?\s*\.?\s*\Z", re.I | re.S
)


def format_story(story: UserStory) -> str:
    """``As a developer, I want …, so that ….``"""
    article = "an" if story.persona[:1].lower() in tuple("aeiou") else "a"
    benefit = f", so that {story.benefit}" if story.benefit else ""
    return f"As {article} {story.persona}, I want {story.goal}{benefit}."


def parse_story(text: str) -> UserStory:
    """A story from its sentence; :class:`InvalidInputError` when the sentence has another shape."""
    found = _STORY.match(text)
    if found is None:
        raise _refused(
            "story", "text", text, "it is not of the usual shape", "Write: As a WHO, I want WHAT, so that WHY."
        )
    persona, goal, benefit = (" ".join(part.split()) if part else "" for part in found.groups())
    return UserStory(persona, goal, benefit)


def _refused(kind: str, name: str, value: Any, why: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"{kind} field {name} is {value!r}, but {why}.", remedy=remedy, field=name, value=value)
