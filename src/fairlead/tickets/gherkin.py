"""Gherkin: reading and writing the scenarios that say when a ticket is done.

The language is the one of cucumber.io/docs/gherkin/reference (version 6): tags, Background, Rule, Scenario and
Scenario Outline with Examples, data tables and doc strings. A scenario is kept as four lists of steps (background,
given, when, then), so a text in which a When follows a Then is refused with the remedy to split it.

``parse_feature(format_feature(scenarios)) == scenarios`` for every list that :func:`check_scenario` accepts, and
``format_feature`` of a parsed text is a fixed point.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError

_STEP = re.compile(r"(Given|When|Then|And|But|\*)(?:\s+(.*)|$)")
_HEADER = re.compile(
    r"(Feature|Rule|Background|Scenario Outline|Scenario Template|Scenario|Example|Examples|Scenarios):(.*)"
)
_SECTIONS = ("given", "when", "then")
_FENCES = ('"""', "```")


class GherkinScenario(NamedTuple):
    """One scenario. A step is its text; a data table or doc string follows on further lines of the same step.

    ``background`` holds the Given steps shared with its neighbours; ``examples`` the tables of an outline, each with
    its name on the first line.
    """

    title: str
    given: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""
    examples: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, as plain data."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in self._asdict().items()}
        return {k: v for k, v in plain.items() if v or k == "title"}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────


def format_scenario(scenario: GherkinScenario) -> str:
    """One scenario with its background, as a text that :func:`parse_feature` reads."""
    return "\n".join([*_background_lines(scenario.background, ""), *_scenario_lines(scenario, "")]) + "\n"


def format_feature(scenarios: Sequence[GherkinScenario], title: str = "") -> str:
    """A feature file. Scenarios that share a background share one Rule when the backgrounds differ."""
    lines = [f"Feature: {title}".rstrip()]
    groups: list[list[GherkinScenario]] = []
    for scenario in scenarios:
        if groups and groups[-1][0].background == scenario.background:
            groups[-1].append(scenario)
        else:
            groups.append([scenario])
    ruled = len(groups) > 1
    for group in groups:
        indent = "    " if ruled else "  "
        if ruled:
            lines += ["", "  Rule:"]
        lines += _background_lines(group[0].background, indent)
        for scenario in group:
            lines += ["", *_scenario_lines(scenario, indent)]
    return "\n".join(lines) + "\n"


def _background_lines(steps: Sequence[str], indent: str) -> list[str]:
    if not steps:
        return []
    return ["", f"{indent}Background:", *_step_lines("Given", steps, indent + "  ")]


def _scenario_lines(scenario: GherkinScenario, indent: str) -> list[str]:
    lines = []
    if scenario.tags:
        lines.append(indent + " ".join("@" + tag for tag in scenario.tags))
    keyword = "Scenario Outline" if scenario.examples else "Scenario"
    lines.append(f"{indent}{keyword}: {scenario.title}")
    lines += [f"{indent}  {line}" if line else "" for line in scenario.description.split("\n") if scenario.description]
    for section in _SECTIONS:
        lines += _step_lines(section.capitalize(), getattr(scenario, section), indent + "  ")
    for table in scenario.examples:
        name, _, rows = table.partition("\n")
        lines.append(f"{indent}  Examples: {name}".rstrip())
        lines += [f"{indent}    {row}" for row in rows.split("\n") if row]
    return lines


def _step_lines(keyword: str, steps: Sequence[str], indent: str) -> list[str]:
    lines = []
    for position, step in enumerate(steps):
        text, *more = step.split("\n")
        if position and text.startswith("But "):
            lines.append(indent + text)
        else:
            lines.append(f"{indent}{'And' if position else keyword} {text}")
        lines += [f"{indent}  {line}" if line else "" for line in more]
    return lines


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────


def parse_scenario(text: str) -> GherkinScenario:
    """The only scenario of a text; :class:`InvalidInputError` when there is none or more than one."""
    scenarios = parse_feature(text)
    if len(scenarios) != 1:
        raise InvalidInputError(
            f"the text holds {len(scenarios)} scenarios, not one.",
            remedy="Give one scenario, or import the text as a feature file.",
            field="gherkin",
        )
    return scenarios[0]


def parse_feature(text: str) -> list[GherkinScenario]:
    """All scenarios of a text, with or without a ``Feature:`` line; errors name the line."""
    reader = _Reader(text)
    while reader.position < len(reader.lines):
        reader.take()
    reader.finish()
    return reader.scenarios


class _Reader:
    """Reads lines one at a time; what is being filled is ``draft`` (a scenario), or a background."""

    def __init__(self, text: str) -> None:
        self.lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self.position = 0
        self.scenarios: list[GherkinScenario] = []
        self.feature_tags: list[str] = []
        self.rule_tags: list[str] = []
        self.feature_background: list[str] = []
        self.rule_background: list[str] = []
        self.in_rule = False
        self.pending_tags: list[str] = []
        self.draft: dict[str, Any] | None = None
        self.steps: list[str] | None = None
        self.section = ""
        self.prose: list[str] | None = None

    def fail(self, why: str, remedy: str = "") -> InvalidInputError:
        return InvalidInputError(f"line {self.position}: {why}", remedy=remedy, field="gherkin", line=self.position)

    def take(self) -> None:
        raw = self.lines[self.position]
        self.position += 1
        line = raw.strip()
        if not line:
            if self.prose:
                self.prose.append("")
        elif line.startswith("#"):
            return
        elif line.startswith("@"):
            self.pending_tags += _tags(line)
        elif (header := _HEADER.match(line)) is not None:
            self.header(header[1], header[2].strip())
        elif (step := _STEP.match(line)) is not None and (self.draft is not None or self.steps is not None):
            self.step(step[1], (step[2] or "").strip())
        elif line.startswith("|") or line.startswith(_FENCES):
            self.attach(raw, line)
        elif self.prose is not None:
            self.prose.append(line)
        elif step is not None:
            raise self.fail(f"the step {line!r} stands outside a scenario.", "Begin one with `Scenario: title`.")
        else:
            raise self.fail(f"{line!r} is not Gherkin.", "A step starts with Given, When, Then, And, But or *.")

    def header(self, keyword: str, name: str) -> None:
        if keyword in ("Examples", "Scenarios"):
            self.open_examples(name)
            return
        self.finish()
        tags, self.pending_tags = self.pending_tags, []
        self.prose = []
        if keyword == "Feature":
            self.feature_tags, self.feature_background = tags, []
            self.rule_tags, self.rule_background, self.in_rule = [], [], False
        elif keyword == "Rule":
            self.rule_tags, self.rule_background, self.in_rule = tags, [], True
        elif keyword == "Background":
            self.steps = self.rule_background if self.in_rule else self.feature_background
            self.section = "background"
        else:
            self.open_scenario(name, tags)

    def open_scenario(self, name: str, tags: list[str]) -> None:
        if not name:
            raise self.fail("a scenario has no title.", "Write it behind `Scenario:`.")
        every = dict.fromkeys([*self.feature_tags, *self.rule_tags, *tags])
        background = (*self.feature_background, *self.rule_background)
        self.draft = {"title": name, "tags": tuple(every), "background": background, "examples": []}
        self.draft.update({section: [] for section in _SECTIONS})
        self.section = ""

    def open_examples(self, name: str) -> None:
        if self.draft is None:
            raise self.fail("Examples belong to a Scenario Outline.", "Put them behind the steps of one.")
        if self.pending_tags:
            raise self.fail("tags on Examples are not kept.", "Tag the scenario, or make two scenarios of it.")
        self.close_prose()
        self.steps = self.draft["examples"]
        self.steps.append(name)
        self.section = "examples"

    def step(self, keyword: str, text: str) -> None:
        if not text:
            raise self.fail(f"{keyword} has no text.", "Write the step behind it.")
        self.close_prose()
        if self.section == "examples":
            raise self.fail(f"the step {text!r} stands behind Examples.", "Put it before them.")
        if keyword in ("And", "But", "*"):
            self.continue_section(keyword)
            text = f"But {text}" if keyword == "But" else text
        elif self.section == "background":
            if keyword != "Given":
                raise self.fail(f"a Background has only Given steps, not {keyword}.", "Move it into the scenarios.")
        else:
            self.enter_section(keyword)
        assert self.steps is not None
        self.steps.append(text)

    def continue_section(self, keyword: str) -> None:
        if self.section == "" and keyword == "*":
            self.enter_section("Given")
        elif self.section == "" or not (self.steps or keyword == "*"):
            raise self.fail(f"{keyword} has no step to go on from.", "Start with Given, When or Then.")

    def enter_section(self, keyword: str) -> None:
        assert self.draft is not None
        section = keyword.lower()
        later = _SECTIONS[_SECTIONS.index(section) + 1 :]
        if any(self.draft[name] for name in later):
            raise self.fail(f"{keyword} after {self.section.capitalize()}.", "Split it into two scenarios.")
        self.section = section
        self.steps = self.draft[section]

    def attach(self, raw: str, line: str) -> None:
        """A table row or doc string joins the step, or the Examples, above it."""
        if not self.steps:
            raise self.fail(f"{line!r} follows no step.", "Tables and doc strings stand below a step.")
        if line.startswith("|"):
            self.steps[-1] += "\n" + line
            return
        fence, indent = line[:3], len(raw) - len(raw.lstrip())
        block = [line]
        start = self.position
        while self.position < len(self.lines):
            inner = self.lines[self.position]
            self.position += 1
            if inner.strip() == fence:
                self.steps[-1] += "\n" + "\n".join([*block, fence])
                return
            block.append(inner[indent:] if not inner[:indent].strip() else inner.lstrip())
        self.position = start
        raise self.fail("a doc string is not closed.", f"End it with {fence} on a line of its own.")

    def close_prose(self) -> None:
        if self.draft is not None and self.prose:
            self.draft["description"] = "\n".join(self.prose).strip()
        self.prose = None

    def finish(self) -> None:
        """Ends the scenario that is being filled."""
        self.close_prose()
        if self.draft is not None:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.draft.items()}
            self.scenarios.append(GherkinScenario(**plain))
        self.draft = self.steps = None
        self.section = ""


def _tags(line: str) -> list[str]:
    words = line.split("#", 1)[0] if " #" in line else line
    return [tag for tag in re.split(r"[\s@]+", words) if tag]


# ── checking ─────────────────────────────────────────────────────────────────────────────────────────────────


def check_scenario(value: Iterable[Any] | dict[str, Any]) -> GherkinScenario:
    """A scenario from a mapping or tuple, refused unless Gherkin can carry it unchanged."""
    scenario = GherkinScenario(**_tuples(value)) if isinstance(value, dict) else GherkinScenario(*value)
    try:
        found = parse_feature(format_feature([scenario]))
    except InvalidInputError as exc:
        raise InvalidInputError(
            f"scenario {scenario.title!r} cannot be written as Gherkin: {exc.message}",
            remedy=exc.remedy,
            field="gherkin",
        ) from exc
    if found != [scenario]:
        raise InvalidInputError(
            f"scenario {scenario.title!r} would change when written as Gherkin and read again.",
            remedy="Trim titles and steps, keep each step on one line, and start no description line with a keyword.",
            field="gherkin",
        )
    return scenario


def _tuples(value: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(value) - set(GherkinScenario._fields))
    if unknown or "title" not in value:
        raise InvalidInputError(
            f"a scenario has unknown fields {unknown!r}." if unknown else "a scenario has no title.",
            remedy=f"Its fields are {', '.join(GherkinScenario._fields)}.",
            field=unknown[0] if unknown else "title",
        )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
