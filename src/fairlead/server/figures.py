"""Figures of a tenant's work from what really happened. What was not measured is None, with the reason beside it; it is
never 0 and never a target that counts as met.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from fairlead.clock import isoformat
from fairlead.store.figures import Ended, Noted, Open

Facts = dict[str, Any]
HOUR = 3600.0
DAY = 86400.0

TARGETS: Mapping[str, float] = {
    "velocity": 5.0,
    "quality": 0.9,
    "stability": 0.995,
    "local_share": 0.7,
    "coordination": 0.95,
    "cost_savings": 0.95,
}
"""What a team is held against: runs completed a day, and shares."""

_NOT_HERE: Mapping[str, str] = {
    "coordination": "nothing coordinates epics here, so there is nothing to measure",
    "cost_savings": "there is no model that everything would have gone to; see `fairlead cost report MODEL`",
}


class Rule(NamedTuple):
    """A condition on a figure: it holds when the figure is beyond the threshold on that side."""

    name: str
    severity: str
    figure: str
    side: str
    threshold: float


RULES = (
    Rule("quality", "warning", "quality_score", "below", 0.8),
    Rule("efficiency", "warning", "team_efficiency", "below", 0.7),
    Rule("utilisation", "info", "utilisation", "below", 0.5),
    Rule("error_rate", "critical", "error_rate", "above", 0.1),
    Rule("stability", "critical", "stability", "below", 0.99),
    Rule("throughput", "warning", "completed", "below", 10.0),
    Rule("daily_cost", "warning", "cost_today", "above", 100.0),
)


class Seen(NamedTuple):
    """What was read for one tenant: runs that ended and events of note in the last ``hours``, and what goes on."""

    now: float
    hours: float
    ended: Sequence[Ended]
    open: Sequence[Open]
    noted: Sequence[Noted]
    capped: bool = False


def performance(seen: Seen) -> Facts:
    """How runs did. ``team_efficiency`` is the share of decided runs that completed; times are seconds."""
    states = Counter(run.state for run in seen.ended)
    decided = states["completed"] + states["error"]
    took = sorted(run.finished - run.created for run in seen.ended)
    return {
        "hours": seen.hours,
        "completed": states["completed"],
        "failed": states["error"],
        "terminated": states["terminated"],
        "team_efficiency": _share(states["completed"], decided),
        "error_rate": _share(states["error"], decided),
        "stability": _share(states["completed"], decided),
        "quality_score": quality(seen.noted)["score"],
        "throughput_per_hour": round(states["completed"] / seen.hours, 4),
        "mean_seconds": sum(took) / len(took) if took else None,
        "p50_seconds": rank(took, 0.5),
        "p95_seconds": rank(took, 0.95),
        "p99_seconds": rank(took, 0.99),
    }


def quality(noted: Iterable[Noted]) -> Facts:
    """How quality gates were met: each by its name, and the share of all."""
    gates: dict[str, Counter[str]] = defaultdict(Counter)
    for event in noted:
        if event.type.startswith("gate."):
            gates[str(event.data.get("gate") or event.data.get("name") or event.subject)][event.type[5:]] += 1
    passed = sum(counts["passed"] for counts in gates.values())
    failed = sum(counts["failed"] for counts in gates.values())
    return {
        "score": _share(passed, passed + failed),
        "passed": passed,
        "failed": failed,
        "gates": {
            name: {**counts, "share": _share(counts["passed"], counts["passed"] + counts["failed"])}
            for name, counts in sorted(gates.items())
        },
    }


def trends(seen: Seen, spent: Mapping[int, float], step: float = HOUR) -> list[Facts]:
    """An entry for each ``step`` seconds of the span, the oldest first. ``spent`` is USD by the start of an hour."""
    since = seen.now - seen.hours * HOUR
    first = int(since // step)
    count = int(seen.now // step) - first + 1
    slots: list[list[Ended]] = [[] for _ in range(count)]
    for run in seen.ended:
        slots[int(run.finished // step) - first].append(run)
    found = []
    for number, runs in enumerate(slots):
        begin = (first + number) * step
        took = sorted(run.finished - run.created for run in runs)
        found.append(
            {
                "begins": isoformat(begin),
                "completed": sum(run.state == "completed" for run in runs),
                "failed": sum(run.state == "error" for run in runs),
                "p50_seconds": rank(took, 0.5),
                "p95_seconds": rank(took, 0.95),
                "cost": spent.get(int(begin), 0.0),
            }
        )
    return found


def breakdown(seen: Seen) -> dict[str, Facts]:
    """By what was run: how often it ended how, what goes on, and how long it took."""
    ended: dict[str, list[Ended]] = defaultdict(list)
    for run in seen.ended:
        ended[run.name].append(run)
    going = Counter(run.name for run in seen.open)
    found = {}
    for name in sorted(ended.keys() | going.keys()):
        runs = ended.get(name, [])
        states = Counter(run.state for run in runs)
        took = sorted(run.finished - run.created for run in runs)
        found[name] = {
            "current_tasks": going[name],
            "completed": states["completed"],
            "failed": states["error"],
            "terminated": states["terminated"],
            "success_rate": _share(states["completed"], states["completed"] + states["error"]),
            "p50_seconds": rank(took, 0.5),
            "last_activity": isoformat(max(run.finished for run in runs)) if runs else None,
        }
    return found


def against_targets(figures: Mapping[str, float | None]) -> Facts:
    """Each target with the figure that is held against it; ``percentage`` of the target, None when not measured."""
    return {
        name: {
            "current": (current := figures.get(name)),
            "target": target,
            "percentage": None if current is None else round(100 * current / target, 2),
        }
        for name, target in TARGETS.items()
    }


def alerts(figures: Mapping[str, float | None], reason: Callable[[str], str]) -> tuple[list[Facts], dict[str, str]]:
    """(the rules that hold, why others could not be looked at by name). A figure that is None raises nothing."""
    raised, unknown = [], {}
    for rule in RULES:
        current = figures.get(rule.figure)
        if current is None:
            unknown[rule.name] = reason(rule.figure)
        elif current < rule.threshold if rule.side == "below" else current > rule.threshold:
            raised.append(
                {
                    "name": rule.name,
                    "severity": rule.severity,
                    "figure": rule.figure,
                    "current": current,
                    "threshold": rule.threshold,
                    "text": f"{rule.figure} is {current:.4g}, {rule.side} {rule.threshold:g}",
                }
            )
    return raised, unknown


def standing(noted: Iterable[Noted]) -> list[Facts]:
    """Alerts that were raised as events and not resolved since, the newest first."""
    resolved: set[str] = set()
    found = []
    for event in noted:
        name = str(event.data.get("name") or event.subject)
        if event.type == "alert.resolved":
            resolved.add(name)
        elif event.type == "alert.raised" and name not in resolved:
            resolved.add(name)
            severity, text = event.data.get("severity", "warning"), event.data.get("what", "")
            found.append({"name": name, "severity": severity, "text": text, "raised": isoformat(event.time)})
    return found


def why_missing(figure: str) -> str:
    """Why a figure that is None could not be measured."""
    reasons = {
        "quality": "no quality gate was passed or failed in this time",
        "quality_score": "no quality gate was passed or failed in this time",
        "utilisation": "no limit says how many runs would be all",
        "local_share": "no model was called in this time",
        "completed": "no run has been started here yet",
    }
    return _NOT_HERE.get(figure) or reasons.get(figure, "no run ended by completing or failing in this time")


def missing(figures: Mapping[str, Any]) -> dict[str, str]:
    """The reason for each figure that is None."""
    return {name: why_missing(name) for name, value in figures.items() if value is None}


def rank(ordered: Sequence[float], share: float) -> float | None:
    """The value at a share of the ordered values (nearest rank), None when there are none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
