"""A graph compiled for running: every call bound and wrapped, every expression parsed, once for all runs of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.errors import FairleadError, InvalidGraphError
from fairlead.runtime.binding import compile_binding
from fairlead.runtime.expressions import Evaluate, compile_expression, compile_value
from fairlead.runtime.graph import Node, Shape, Workflow, check_graph, signature
from fairlead.runtime.limits import Limiter
from fairlead.runtime.middleware import Fallbacks, Middleware
from fairlead.runtime.step import Invoke, invoke_function

Resolve = Callable[[str], Callable[..., Any]]
"""Agent name -> its function; raises NotFoundError with the names that exist."""


class Plan:
    """What an execution works from. Positions are those of ``workflow.nodes``."""

    __slots__ = (
        "agents",
        "foreachs",
        "invokes",
        "most",
        "output",
        "shape",
        "signature",
        "sinks",
        "slots",
        "whens",
        "workflow",
    )

    def __init__(self, workflow: Workflow, resolve: Resolve, middleware: Sequence[Middleware]) -> None:
        self.workflow = workflow
        self.shape: Shape = check_graph(workflow)
        self.signature = signature(workflow)
        layers = [*middleware]
        self.invokes: list[Invoke] = []
        self.agents: list[str | None] = []
        self.most: list[int | None] = []
        for node in workflow.nodes:
            call = node.call if node.call is not None else _resolved(node, resolve)
            agent = node.agent or getattr(call, "agent_name", None)
            invoke = self._bound(node, call)
            for layer in reversed(layers):
                if isinstance(layer, Fallbacks):
                    layer.compile_call = self._bound
                invoke = layer.wrap(node, agent, invoke)
            self.invokes.append(invoke)
            self.agents.append(agent)
            self.most.append(getattr(call, "max_concurrent", None))
        self.whens = [self._expression(node, node.when, "when") for node in workflow.nodes]
        self.foreachs = [self._expression(node, node.foreach, "foreach") for node in workflow.nodes]
        self.output: Evaluate | None = compile_value(workflow.output, f"output of workflow {workflow.name!r}")
        out, followers = self.shape.outgoing, self.shape.followers
        self.slots: dict[str, list[tuple[Limiter, ...]]] = {}
        """The limits that each node falls under, by tenant; kept here because they are looked up for every step."""
        self.sinks = tuple(n for n in range(len(workflow.nodes)) if not out[n] and not followers[n])

    def _bound(self, node: Node, call: Callable[..., Any]) -> Invoke:
        return invoke_function(call, compile_binding(self.workflow, self.shape, node, call))

    def _expression(self, node: Node, text: str | None, what: str) -> Evaluate | None:
        if text is None:
            return None
        return compile_expression(text, f"{what} of step {node.name!r} of workflow {self.workflow.name!r}")


def _resolved(node: Node, resolve: Resolve) -> Callable[..., Any]:
    assert node.agent is not None
    try:
        return resolve(node.agent)
    except FairleadError as exc:
        raise InvalidGraphError(
            f"step {node.name!r}: {exc.message}", remedy=exc.remedy, step=node.name, agent=node.agent
        ) from exc
