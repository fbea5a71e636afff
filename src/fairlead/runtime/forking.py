"""Forks: a new run that goes on from what another one had finished at one of its checkpoints.

A checkpoint is the moment at which a step, an item or a part became durable. A unit starts only after what it depends
on is durable, so everything that had finished by such a moment is a state that the run was in. Nothing here reads
a clock or a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError, NotFoundError, StateError
from fairlead.result import StepResult
from fairlead.runtime.graph import Node, Shape
from fairlead.runtime.outcome import row_of_result
from fairlead.runtime.plan import Plan
from fairlead.store.codec import decode, encode
from fairlead.store.port import JournalRow


class Checkpoint(NamedTuple):
    """One point that a run can be forked from. ``number`` counts from 1 in the order in which they became durable."""

    number: int
    key: str
    kind: str
    status: str
    finished: float


class Change(NamedTuple):
    """What of a run's history a fork leaves out or replaces.

    ``at`` is a checkpoint's key or number: what finished later is done again. ``redo`` is a step: it and all that
    depends on it are done again. ``values`` gives steps another result, and what depends on them is done again.
    """

    at: str | None = None
    redo: str | None = None
    values: Mapping[str, Any] = {}


class Kept(NamedTuple):
    """The journal that a fork begins with, and which effects of the first run it may have a second time."""

    rows: list[JournalRow]
    repeated: list[str]


def checkpoints(journal: Iterable[JournalRow]) -> list[Checkpoint]:
    """The points that a run can be forked from, oldest first."""
    rows = sorted(filter(_is_kept, journal), key=lambda row: (row.finished, row.started, row.key))
    return [Checkpoint(n, row.key, row.kind, row.status, row.finished or 0.0) for n, row in enumerate(rows, 1)]


def keep(
    plan: Plan, journal: Sequence[JournalRow], change: Change, *, source: str, run_id: str, cause: str, now: float
) -> Kept:
    """The journal of a fork of ``source``. Failures are never kept, so a fork of a failed run tries again.

    Raises :class:`NotFoundError` for a checkpoint that the run does not have and :class:`InvalidInputError` for a step
    that the workflow does not have.
    """
    again = _descendants(plan, [_position(plan, name) for name in change.values])
    if change.redo is not None:
        number = _position(plan, change.redo)
        again |= _descendants(plan, [number]) | {number}
    until = _moment(journal, change.at)
    replaced = {plan.shape.position[name] for name in change.values}
    kept: list[JournalRow] = []
    repeated: list[str] = []
    for row in journal:
        node = _node_of(plan.shape, row.key)
        if _is_kept(row) and (row.finished or 0.0) <= until and node not in again | replaced:
            kept.append(_copy(row, source, run_id))
        elif node is not None and node not in replaced and _acted(plan.workflow.nodes[node], row):
            repeated.append(row.key)
    kept += [_given(run_id, name, value, cause, now) for name, value in change.values.items()]
    return Kept(kept, repeated)


def refuse_repeats(run_id: str, repeated: Sequence[str]) -> StateError:
    """Why a fork is refused that would act on the world a second time."""
    shown = ", ".join(map(repr, repeated[:5]))
    return StateError(
        f"a fork from here would do again what has acted on the world in run {run_id}: {shown}.",
        remedy="Fork from a later checkpoint, give these steps a result with set, or allow it with repeat_effects.",
        run_id=run_id,
        steps=list(repeated),
    )


def _is_kept(row: JournalRow) -> bool:
    # What dataflow itself decided (skips, joined fan-outs) follows from the rest and is worked out again.
    return row.status in ("success", "skipped", "uncertain") and row.kind != "fan" and row.attempts > 0


def _acted(node: Node, row: JournalRow) -> bool:
    if row.status in ("started", "unknown"):
        return True
    if "/" not in row.key:
        # A failure means that it did not act, here as for a retry.
        return node.effect and row.status in ("success", "uncertain") and row.attempts > 0
    return bool(row.metadata) and decode(row.metadata or "{}").get("effect") is True


def _moment(journal: Sequence[JournalRow], at: str | None) -> float:
    if at is None:
        return float("inf")
    points = checkpoints(journal)
    for point in points:
        if at in (point.key, str(point.number)):
            return point.finished
    raise NotFoundError(
        f"the run has no checkpoint {at!r}.",
        remedy=f"It has {len(points)}: see `fairlead runs checkpoints`." if points else "None of its steps finished.",
        field="at",
        value=at,
    )


def _position(plan: Plan, name: str) -> int:
    number = plan.shape.position.get(name)
    if number is None:
        known = ", ".join(plan.shape.names[:20])
        raise InvalidInputError(
            f"workflow {plan.workflow.name!r} has no step {name!r}.", remedy=f"It has: {known}.", field="step"
        )
    return number


def _node_of(shape: Shape, key: str) -> int | None:
    return shape.position.get(key.partition("/")[0].partition("[")[0])


def _descendants(plan: Plan, numbers: Iterable[int]) -> set[int]:
    found: set[int] = set()
    waiting = list(numbers)
    while waiting:
        number = waiting.pop()
        for dependent in (*(n for n, _ in plan.shape.outgoing[number]), *plan.shape.followers[number]):
            if dependent not in found:
                found.add(dependent)
                waiting.append(dependent)
    return found


def _copy(row: JournalRow, source: str, run_id: str) -> JournalRow:
    # What it cost stays with the run that paid it.
    metadata = {name: value for name, value in decode(row.metadata or "{}").items() if name != "usage"}
    metadata.setdefault("kept_from", source)
    return row._replace(run_id=run_id, metadata=encode(metadata).decode())


def _given(run_id: str, name: str, value: Any, cause: str, now: float) -> JournalRow:
    result = StepResult.ok(value, given_by=cause)
    return row_of_result(
        run_id, name, "step", result, encode(value), attempts=1, input_hash=None, started=now, finished=now
    )
