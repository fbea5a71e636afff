"""Function agents: a function with a spec. It runs as a step as it is, without an agent object in between."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from fairlead.agents.spec import AgentSpec, Capability, Specified
from fairlead.runtime.graph import Node, Permission, Retry, Workflow
from fairlead.runtime.plans import inputs_of


class Agent(Specified):
    """A named function that can be run, be a step of a workflow, and be found by what it can do.

    Calling it calls the function; ``retry``, ``timeout``, ``idle_timeout``, ``effect`` and ``permission`` hold when it
    is run by itself.
    """

    def __init__(self, spec: AgentSpec, call: Callable[..., Any], **policies: Any) -> None:
        functools.update_wrapper(self, call)
        self.spec = spec
        self.call = call
        self.policies = policies

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def as_workflow(self) -> Workflow:
        """A workflow of this one step, with the function's parameters as inputs."""
        node = Node(name=self.name, call=self, **self.policies)
        return Workflow(
            self.name, (node,), inputs=inputs_of(self.call), description=self.spec.description, kind="agent"
        )


def agent(
    name: str | None = None,
    *,
    description: str | None = None,
    capabilities: Iterable[str | Capability] = (),
    retry: Retry | None = None,
    timeout: float | None = None,
    idle_timeout: float | None = None,
    effect: bool = False,
    permission: Permission = "read",
    **spec: Any,
) -> Callable[[Callable[..., Any]], Agent]:
    """Makes a function an agent.

    The name defaults to the function's, with dashes for underscores; the description to the first line of its
    docstring. Further keyword arguments are fields of :class:`AgentSpec`.
    """

    def decorate(call: Callable[..., Any]) -> Agent:
        doc = inspect.getdoc(call) or ""
        made = AgentSpec(
            name=name or call.__name__.replace("_", "-"),
            description=description if description is not None else doc.partition("\n")[0],
            capabilities=tuple(Capability(name=c) if isinstance(c, str) else c for c in capabilities),
            **spec,
        )
        policies = {
            "retry": retry,
            "timeout": timeout,
            "idle_timeout": idle_timeout,
            "effect": effect,
            "permission": permission,
        }
        return Agent(made, call, **policies)

    return decorate
