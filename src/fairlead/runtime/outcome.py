"""How steps and runs ended, and how that is written down. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime.plan import Plan
from fairlead.store.codec import PAYLOAD_VERSION, decode, encode
from fairlead.store.port import JournalRow


class Status(StrEnum):
    COMPLETED = "completed"
    ERROR = "error"


class Outcome(NamedTuple):
    """How a run ended. ``crashed`` when the runtime itself failed and not a step."""

    status: Status
    result: StepResult
    crashed: bool = False


def edge_refusal(
    plan: Plan, results: Sequence[StepResult | None], number: int, followed: int | None = None
) -> str | None:
    """Why a node whose dependencies are settled must not run, or None when it may."""
    edges = plan.shape.incoming[number]
    if followed is not None:
        edges = (*edges, (followed, "success"))
    for source, on in edges:
        result = results[source]
        if on != "success" or result is None or not result.success or result.custom_status == "skipped":
            break
    else:
        # The ordinary case, told apart first because it is met once per step.
        return None
    node = plan.workflow.nodes[number]
    refusals = [why for source, on in edges if (why := _refusal(plan, results[source], source, on)) is not None]
    if not refusals or (node.join == "any" and len(refusals) < len(edges)):
        return None
    return refusals[0]


def _refusal(plan: Plan, result: StepResult | None, source: int, on: str) -> str | None:
    name = plan.shape.names[source]
    if result is None:
        return f"{name!r} has not ended"
    if on == "done":
        return None
    if on == "failure":
        return None if not result.success else f"{name!r} did not fail"
    if not result.success:
        return f"{name!r} failed: {result.error}"
    if result.skipped:
        # The first cause is told, and not the whole chain of skips: that would grow with every step.
        return f"{name!r} was skipped because {result.metadata.get('root') or result.metadata.get('reason')}"
    return None


def outcome_of(
    plan: Plan, results: Sequence[StepResult | None], values: Sequence[Any], names: Mapping[str, Any]
) -> Outcome:
    """A run is complete unless a step failed and nobody dealt with it.

    Dealt with means: the step is tolerated, or another one depends on its failure or on its being done.
    """
    failed = [
        (plan.shape.names[n], result)
        for n, result in enumerate(results)
        if result is not None and not result.success and not _is_handled(plan, n)
    ]
    if failed:
        name, result = failed[0]
        more = f" ({len(failed)} steps failed)" if len(failed) > 1 else ""
        category = result.error_category or ErrorCategory.PROCESSING
        return Outcome(
            Status.ERROR, StepResult.fail(f"step {name!r} failed: {result.error}{more}", category, step=name)
        )
    warnings = [w for r in results if r is not None for w in r.metadata.get("warnings", ())]
    value = _output(plan, values, names)
    if warnings:
        return Outcome(Status.COMPLETED, StepResult.success_with_warnings(value, warnings))
    return Outcome(Status.COMPLETED, StepResult.ok(value))


def _is_handled(plan: Plan, number: int) -> bool:
    return plan.workflow.nodes[number].tolerate or any(on != "success" for _, on in plan.shape.outgoing[number])


def _output(plan: Plan, values: Sequence[Any], names: Mapping[str, Any]) -> Any:
    if plan.output is not None:
        return plan.output(names)
    if plan.workflow.output is not None:
        return plan.workflow.output
    if len(plan.workflow.nodes) == 1:
        return values[0]
    return {plan.shape.names[n]: values[n] for n in plan.sinks}


def row_of_result(
    run_id: str,
    key: str,
    kind: str,
    result: StepResult,
    data: bytes | None,
    *,
    attempts: int,
    input_hash: str | None,
    started: float,
    finished: float,
) -> JournalRow:
    fields = (
        run_id,
        key,
        kind,
        result.status,
        attempts,
        input_hash,
        data if result.success else None,
        result.error,
        result.error_category.value if result.error_category else None,
        encode(result.metadata).decode() if result.metadata else None,
        started,
        finished,
        PAYLOAD_VERSION,
    )
    # Made directly: a named tuple's own constructor is a function around this call, and every step makes a row.
    return tuple.__new__(JournalRow, fields)


def result_of_row(row: JournalRow) -> StepResult:
    metadata = decode(row.metadata) if row.metadata else {}
    category = ErrorCategory(row.category) if row.category else None
    if row.status == "error":
        return StepResult.fail(row.error or "", category or ErrorCategory.PROCESSING, **metadata)
    status = None if row.status == "success" else row.status
    value = decode(row.value) if row.value is not None else None
    return StepResult(True, value, custom_status=status, error_category=category, metadata=metadata)
