"""The states of a run and what may follow what.

    init ──▶ running ──▶ completed
      │        │  ▲ └───▶ error
      ├──▶ paused ┘ ────▶ error
      └────────┴────────▶ terminated

A pause and a termination are *requests* first, kept in columns of their own; the state says what is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from fairlead.errors import StateError


class RunState(StrEnum):
    """What a run is. ``waiting_for`` of a paused run says whether it waits for a person."""

    INIT = "init"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    TERMINATED = "terminated"
    ERROR = "error"

    @property
    def finished(self) -> bool:
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.INIT: frozenset({RunState.RUNNING, RunState.PAUSED, RunState.TERMINATED, RunState.ERROR}),
    RunState.RUNNING: frozenset({RunState.PAUSED, RunState.COMPLETED, RunState.TERMINATED, RunState.ERROR}),
    RunState.PAUSED: frozenset({RunState.RUNNING, RunState.TERMINATED, RunState.ERROR}),
    RunState.COMPLETED: frozenset(),
    RunState.TERMINATED: frozenset(),
    RunState.ERROR: frozenset(),
}

ACTIONS: Mapping[RunState, tuple[str, ...]] = {
    RunState.INIT: ("pause", "terminate", "steer", "model", "permissions"),
    RunState.RUNNING: ("pause", "terminate", "steer", "model", "permissions", "command", "decide"),
    RunState.PAUSED: ("resume", "terminate", "steer", "model", "permissions", "decide"),
    RunState.COMPLETED: (),
    RunState.TERMINATED: (),
    RunState.ERROR: (),
}
"""What a person may ask of a run in each state."""


class PermissionMode(StrEnum):
    """How far agents may act without asking; the words of the agent-operations system."""

    DEFAULT = "default"
    ACCEPT_EDITS = "acceptEdits"
    BYPASS = "bypassPermissions"
    PLAN = "plan"


def sources_of(target: RunState) -> tuple[str, ...]:
    """The states from which ``target`` may be entered."""
    return tuple(state.value for state, targets in TRANSITIONS.items() if target in targets)


def refuse(run_id: str, state: str, action: str) -> StateError:
    """The error for an action that the state does not allow, naming those that it does."""
    allowed = ACTIONS[RunState(state)]
    return StateError(
        f"run {run_id} is {state}, so it cannot {action}.",
        remedy=f"It allows: {', '.join(allowed)}." if allowed else "It has ended; start a new run.",
        run_id=run_id,
        state=state,
        allowed=list(allowed),
    )


def by_parent(run_id: str) -> str:
    """The cause of what happens to a run because of its parent."""
    return f"run:{run_id}"
