"""What each room offers is chosen: a name more or less is seen here first."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

SURFACE: dict[str, tuple[str, ...]] = {
    "fairlead": (
        "Agent",
        "AgentSpec",
        "Edge",
        "ErrorCategory",
        "Event",
        "Fairlead",
        "FairleadError",
        "Flow",
        "Node",
        "REQUIRED",
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
    ),
    "fairlead.agents": (
        "Agent",
        "AgentRegistry",
        "AgentSpec",
        "Capability",
        "Tool",
        "agent",
        "load_agent_file",
        "tool",
    ),
    "fairlead.agents.llm": ("LlmAgent", "ResolveModel", "as_llm_tool", "explain", "llm_tool", "resolve_by_name"),
    "fairlead.gateway": (
        "Ask",
        "Attribution",
        "BudgetBook",
        "Call",
        "Catalogue",
        "Decision",
        "Gateway",
        "GatewayConfig",
        "GatewayModel",
        "GenerationRequest",
        "GenerationResponse",
        "Ledger",
        "Message",
        "ModelInfo",
        "Policy",
        "Price",
        "ProviderSpec",
        "Usage",
        "attribute",
        "current_attribution",
        "load_config",
        "parse_config",
    ),
    "fairlead.memory": (
        "Embedder",
        "Entry",
        "Hit",
        "IndexPlan",
        "LocalTier",
        "Match",
        "Memory",
        "Need",
        "NewEntry",
        "Renewal",
        "SharedTier",
        "find",
        "find_or_spawn",
        "make_selection",
        "open_memory",
    ),
    "fairlead.runtime": (
        "BreakerPolicy",
        "Change",
        "Checkpoint",
        "Edge",
        "Flow",
        "Hooks",
        "Middleware",
        "Moment",
        "Node",
        "PermissionMode",
        "REQUIRED",
        "Retry",
        "Rewrite",
        "RunHandle",
        "RunReleasedError",
        "RunState",
        "Runtime",
        "RuntimeOptions",
        "StepContext",
        "Unrecovered",
        "Veto",
        "Workflow",
        "checkpoints",
        "current_step",
    ),
    "fairlead.store": ("Database", "Dialect", "Reader", "Transaction", "open_database"),
    "fairlead.testing": (),
    "fairlead.pipeline": (),
    "fairlead.tickets": (),
    "fairlead.observe": (),
    "fairlead.cli": (),
    "fairlead.verbs": ("NOUNS", "NOUN_ALIASES", "Param", "Verb", "every_verb", "load"),
}


@pytest.mark.parametrize("room", SURFACE)
def test_the_surface_is_the_chosen_one(room: str) -> None:
    module = import_module(room)
    assert tuple(sorted(getattr(module, "__all__", ()))) == SURFACE[room]
    for name in SURFACE[room]:
        assert getattr(module, name, None) is not None, f"{room} says that it has {name}"


@pytest.mark.parametrize("room", SURFACE)
def test_what_is_offered_is_described(room: str) -> None:
    for name in SURFACE[room]:
        value = getattr(import_module(room), name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), f"{room}.{name} says nothing about itself"


def test_the_root_is_small_and_costs_nothing() -> None:
    assert len(SURFACE["fairlead"]) <= 40
    program = "import sys; before = set(sys.modules); import fairlead; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"asyncio", "dataclasses", "inspect", "json", "numpy", "pydantic", "rich", "sqlite3", "yaml"}
