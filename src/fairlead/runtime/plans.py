"""What can be run, by its name, and each as a plan that is compiled once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.errors import InvalidInputError, WorkflowChangedError
from fairlead.runtime.binding import is_context
from fairlead.runtime.graph import REQUIRED, Node, Workflow
from fairlead.runtime.hooks import Hooks
from fairlead.runtime.middleware import Middleware
from fairlead.runtime.plan import Plan, Resolve
from fairlead.store.codec import decode
from fairlead.store.port import RunRow
from fairlead.tenancy import Tenant, current_tenant, use_tenant

_MOST_KEPT = 256


class Plans:
    """The workflows of one runtime. ``resolve`` gives the function behind an agent's name, to the current tenant."""

    def __init__(self, resolve: Resolve, middleware: Sequence[Middleware], hooks: Hooks) -> None:
        self.workflows: dict[str, Workflow] = {}
        self._resolve = resolve
        self._middleware = middleware
        self._hooks = hooks
        self._kept: dict[tuple[int, Tenant | None], tuple[Workflow, int, Plan]] = {}

    def register(self, workflow: Workflow) -> None:
        """Makes a workflow known by its name; :class:`InvalidGraphError` when it is not sound."""
        self.of(workflow)
        self.workflows[workflow.name] = workflow

    def workflow_of(self, target: Any) -> Workflow:
        """What is to be run, as a workflow: one itself, an agent, a function, or the name of one."""
        if isinstance(target, Workflow):
            return target
        as_workflow = getattr(target, "as_workflow", None)
        if as_workflow is not None:
            made: Workflow = as_workflow()
            return made
        if isinstance(target, str):
            if target in self.workflows:
                return self.workflows[target]
            call = self._resolve(target)
            return self.workflow_of(call) if hasattr(call, "as_workflow") else function_workflow(call, target)
        if callable(target):
            return function_workflow(target)
        raise InvalidInputError(
            f"{target!r} cannot be run.", remedy="Give a workflow, an agent, a function, or a name.", field="target"
        )

    def of(self, target: Any) -> Plan:
        """The compiled graph, kept for the next run of the same workflow."""
        workflow = self.workflow_of(target)
        # Names of agents may mean another agent to another tenant.
        place = (id(workflow), current_tenant())
        known = self._kept.get(place)
        if known is not None and known[0] is workflow and known[1] == self._hooks.version:
            return known[2]
        plan = Plan(workflow, self._resolve, self._middleware)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[place] = (workflow, self._hooks.version, plan)
        return plan

    def of_run(self, run: RunRow) -> Plan:
        """The plan to go on with a run; :class:`WorkflowChangedError` when it is not the one it started with."""
        with use_tenant(Tenant(*run.tenant.split(":", 1))):
            if run.definition is None:
                plan = self.of(run.name)
            else:
                from fairlead.runtime.spec import workflow_from_spec

                plan = self.of(workflow_from_spec(decode(run.definition)))
        if plan.signature != run.signature:
            raise WorkflowChangedError(
                f"run {run.id} was started with another version of {run.name!r}: its steps or dependencies differ now.",
                remedy="Resume it with the code that started it, or terminate it and start a new run.",
                run_id=run.id,
            )
        return plan


def function_workflow(call: Callable[..., Any], name: str | None = None) -> Workflow:
    """A function as a workflow of one step, its parameters as inputs."""
    if name is None:
        name = str(getattr(call, "agent_name", None) or getattr(call, "__name__", type(call).__name__))
    return Workflow(name=name, nodes=(Node(name=name, call=call),), inputs=inputs_of(call), kind="function")


def inputs_of(call: Callable[..., Any]) -> dict[str, Any]:
    """A function's parameters as a workflow's inputs, without the step context."""
    inputs: dict[str, Any] = {}
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or is_context(parameter):
            continue
        inputs[parameter.name] = REQUIRED if parameter.default is parameter.empty else parameter.default
    return inputs
