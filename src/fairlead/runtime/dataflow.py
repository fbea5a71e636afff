"""Dataflow: what may run next, decided from what is settled. Nothing here waits, writes or reads a clock.

A node becomes ready the moment its own dependencies are settled; there are no levels. The owner takes units from
``ready``, carries them out somewhere, and tells how they ended with :meth:`Dataflow.settle`; the rest follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fairlead.errors import FairleadError
from fairlead.result import StepResult
from fairlead.runtime.binding import StepValues
from fairlead.runtime.fanout import FanOut, join_results
from fairlead.runtime.outcome import Outcome, Status, edge_refusal, outcome_of
from fairlead.runtime.plan import Plan

Unit = tuple[int, int]
"""A node's position and the index of an item, -1 for a plain step."""

Verdict = Literal["expanded", "skipped", "refused", "joined"]
"""What dataflow itself decides about a node: it has items, will not run, cannot run, or is made of its items."""

Tell = Callable[[int, Verdict, StepResult], None]


class Dataflow:
    """The state of one run's graph. ``tell`` hears of every node that is settled without having been run."""

    def __init__(self, plan: Plan, inputs: Mapping[str, Any], tell: Tell) -> None:
        count = len(plan.workflow.nodes)
        self.plan = plan
        self.inputs = inputs
        self.values: list[Any] = [None] * count
        self.step_values = StepValues(plan.shape.position, self.values)
        self.results: list[StepResult | None] = [None] * count
        self.ready: deque[Unit] = deque()
        self._tell = tell
        self._waiting = [len(edges) for edges in plan.shape.incoming]
        self._fans: dict[int, FanOut] = {}
        self._unsettled = count
        self._newly_settled: deque[int] = deque()
        self._counting = False

    # ── what the owner uses ──────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Makes the nodes ready that wait for nothing."""
        for number in self.plan.shape.order:
            if not self.plan.shape.incoming[number] and self.results[number] is None:
                self._arrive(number)

    @property
    def finished(self) -> bool:
        return self._unsettled == 0

    @property
    def counting(self) -> bool:
        """Whether the consequences of something are being worked out right now."""
        return self._counting

    def key(self, number: int, k: int) -> str:
        """A unit's name in the journal: ``parse``, or ``parse[3]``."""
        name = self.plan.shape.names[number]
        return name if k < 0 else f"{name}[{k}]"

    def item(self, number: int, k: int) -> Any:
        return self._fans[number].items[k] if k >= 0 else None

    def settle(self, number: int, k: int, result: StepResult) -> None:
        """A unit has ended: its dependents and followers may become ready."""
        if k >= 0:
            self._settle_item(number, k, result)
        else:
            self.values[number] = result.data
            self._conclude(number, result)

    def unit_of(self, key: str) -> Unit | None:
        """The unsettled unit of that name."""
        name, _, index = key.partition("[")
        number = self.plan.shape.position.get(name)
        if number is None or self.results[number] is not None:
            return None
        k = int(index.rstrip("]")) if index else -1
        fan = self._fans.get(number)
        if k >= 0 and (fan is None or k >= len(fan.results) or fan.results[k] is not None):
            return None
        return number, k

    def names(self) -> dict[str, Any]:
        """What expressions see."""
        return {"inputs": self.inputs, "steps": self.step_values}

    def outcome(self) -> Outcome:
        """How the run ended, once everything is settled."""
        try:
            return outcome_of(self.plan, self.results, self.values, self.names())
        except FairleadError as exc:
            return Outcome(Status.ERROR, StepResult.from_exception(exc))

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────

    def _arrive(self, number: int) -> None:
        """All dependencies of a node are settled: skip it, expand it, or make it ready."""
        node = self.plan.workflow.nodes[number]
        reason = edge_refusal(self.plan, self.results, number)
        if reason is None and (when := self.plan.whens[number]) is not None:
            try:
                if not when(self.names()):
                    reason = f"its condition {node.when!r} is false"
            except FairleadError as exc:
                self._refuse(number, StepResult.from_exception(exc))
                return
        if reason is not None:
            self._skip(number, reason)
        elif self.plan.foreachs[number] is not None:
            self._expand(number)
        elif node.each_of is not None:
            self._open_follower(number)
        else:
            self.ready.append((number, -1))

    def _skip(self, number: int, reason: str) -> None:
        result = StepResult.skip(reason, root=reason.partition(" was skipped because ")[2] or reason)
        self._tell(number, "skipped", result)
        self._conclude(number, result)

    def _refuse(self, number: int, result: StepResult) -> None:
        self._tell(number, "refused", result)
        self._conclude(number, result)

    def _conclude(self, number: int, result: StepResult) -> None:
        """A node is settled: count it off at its dependents."""
        if not result.success:
            self.values[number] = {"error": result.error, "category": str(result.error_category)}
        self.results[number] = result
        self._unsettled -= 1
        self._newly_settled.append(number)
        if not self._counting:
            self._count_off()

    def _count_off(self) -> None:
        # Worked off in a loop and not by recursion: a chain of ten thousand skipped steps is settled here.
        self._counting = True
        shape, results = self.plan.shape, self.results
        try:
            while self._newly_settled:
                number = self._newly_settled.popleft()
                for target, _ in shape.outgoing[number]:
                    self._waiting[target] -= 1
                    if self._waiting[target] == 0 and results[target] is None:
                        self._arrive(target)
                for follower in shape.followers[number]:
                    if results[follower] is None and not self._fan(follower).sized and self._waiting[follower] == 0:
                        self._arrive(follower)
        finally:
            self._counting = False

    # ── fan-outs ─────────────────────────────────────────────────────────────────────────────────────────────

    def _fan(self, number: int) -> FanOut:
        return self._fans.setdefault(number, FanOut())

    def _expand(self, number: int) -> None:
        evaluate = self.plan.foreachs[number]
        assert evaluate is not None
        try:
            items = evaluate(self.names())
        except FairleadError as exc:
            self._refuse(number, StepResult.from_exception(exc))
            return
        if not isinstance(items, list):
            name = self.plan.shape.names[number]
            error = f"foreach of step {name!r} gives {type(items).__name__}, not a list."
            self._refuse(number, StepResult.bad_request(error))
            return
        self._tell(number, "expanded", StepResult.ok(len(items)))
        self._size(number, items)
        self._fan(number).opened = True
        self.ready.extend((number, k) for k in range(len(items)))
        self._close_if_empty(number)

    def _size(self, number: int, items: list[Any]) -> None:
        """Tells a fan-out, and every one that follows it, how many items there are."""
        self._fan(number).expand(items)
        for follower in self.plan.shape.followers[number]:
            if self.results[follower] is None:
                self._size(follower, [None] * len(items))
                self._close_if_empty(follower)

    def _open_follower(self, number: int) -> None:
        fan = self._fan(number)
        fan.opened = True
        source = self.plan.shape.position[self.plan.workflow.nodes[number].each_of or ""]
        if self.results[source] is not None and not fan.sized:
            # The source ended without items: it was skipped, or failed before it had any.
            reason = edge_refusal(self.plan, self.results, number, source) or "the step it follows has no items"
            self._skip(number, reason)
            return
        for k, settled in fan.offered():
            self._offer(number, k, settled)
        self._close_if_empty(number)

    def _offer(self, number: int, k: int, settled: StepResult) -> None:
        """An item of the followed step is settled: its own item here becomes ready, or is skipped."""
        if settled.success and not settled.skipped:
            self._fans[number].items[k] = settled.data
            self.ready.append((number, k))
        else:
            reason = f"item {k} of {self.plan.workflow.nodes[number].each_of!r} did not succeed"
            self._settle_item(number, k, StepResult.skip(reason))

    def _settle_item(self, number: int, k: int, result: StepResult) -> None:
        self._fans[number].settle(k, result)
        for follower in self.plan.shape.followers[number]:
            if self.results[follower] is None:
                fan = self._fan(follower)
                if fan.opened:
                    self._offer(follower, k, result)
                else:
                    fan.hold(k, result)
        self._close_if_empty(number)

    def _close_if_empty(self, number: int) -> None:
        fan = self._fans[number]
        if fan.sized and fan.opened and fan.remaining == 0 and self.results[number] is None:
            result = join_results(self.plan.workflow.nodes[number], fan.results)
            self.values[number] = result.data
            self._tell(number, "joined", result)
            self._conclude(number, result)
