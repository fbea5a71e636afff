"""Fairlead runs a fleet of AI agents as a dependable system.

Names are imported when first used, so that ``import fairlead`` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.agents import Agent, AgentSpec, Tool, agent, tool
    from fairlead.app import Fairlead, open  # noqa: A004
    from fairlead.errors import FairleadError
    from fairlead.events import Event
    from fairlead.result import ErrorCategory, StepResult
    from fairlead.runtime import (
        REQUIRED,
        Edge,
        Flow,
        Node,
        Retry,
        Rewrite,
        RunHandle,
        RunState,
        StepContext,
        Veto,
        Workflow,
        current_step,
    )
    from fairlead.tenancy import Tenant, make_tenant, use_tenant

__all__ = [
    "REQUIRED",
    "Agent",
    "AgentSpec",
    "Edge",
    "ErrorCategory",
    "Event",
    "Fairlead",
    "FairleadError",
    "Flow",
    "Node",
    "Retry",
    "Rewrite",
    "RunHandle",
    "RunState",
    "StepContext",
    "StepResult",
    "Tenant",
    "Tool",
    "Veto",
    "Workflow",
    "agent",
    "current_step",
    "make_tenant",
    "open",
    "tool",
    "use_tenant",
]

_HOMES = {
    "fairlead.agents": ("Agent", "AgentSpec", "Tool", "agent", "tool"),
    "fairlead.app": ("Fairlead", "open"),
    "fairlead.errors": ("FairleadError",),
    "fairlead.events": ("Event",),
    "fairlead.result": ("ErrorCategory", "StepResult"),
    "fairlead.tenancy": ("Tenant", "make_tenant", "use_tenant"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fairlead' has no attribute {name!r}")
    from importlib import import_module

    home = next((module for module, names in _HOMES.items() if name in names), "fairlead.runtime")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
