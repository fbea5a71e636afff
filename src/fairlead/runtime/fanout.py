"""Fan-outs: one node, many items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime.graph import Node


class FanOut:
    """The items of one node and how each ended. ``opened`` once its other dependencies are done."""

    __slots__ = ("_held", "items", "opened", "remaining", "results", "sized")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.results: list[StepResult | None] = []
        self.remaining = 0
        self.opened = False
        self.sized = False
        self._held: list[tuple[int, StepResult]] = []

    def expand(self, items: list[Any]) -> None:
        self.items = items
        self.results = [None] * len(items)
        self.remaining = len(items)
        self.sized = True

    def settle(self, k: int, result: StepResult) -> None:
        if self.results[k] is None:
            self.results[k] = result
            self.remaining -= 1

    def hold(self, k: int, result: StepResult) -> None:
        """Keeps what the followed step offers until this one is opened."""
        self._held.append((k, result))

    def offered(self) -> list[tuple[int, StepResult]]:
        held, self._held = self._held, []
        return held


def join_results(node: Node, results: Sequence[StepResult | None]) -> StepResult:
    """The node's own result: the list of its items' values in order.

    Items that were skipped are left as None. When items failed, the node fails, unless ``on_item_error`` is ``keep``:
    then they are None and named among the warnings.
    """
    failed = [(k, r.error) for k, r in enumerate(results) if r is not None and not r.success]
    values = [r.data if r is not None and r.success else None for r in results]
    if not failed:
        return StepResult.ok(values)
    told = "; ".join(f"[{k}] {error}" for k, error in failed[:3])
    summary = f"{len(failed)} of {len(results)} items of {node.name!r} failed: {told}"
    if node.on_item_error == "keep" and len(failed) < len(results):
        return StepResult.success_with_warnings(values, [summary])
    return StepResult.fail(summary, ErrorCategory.DEPENDENCY)
