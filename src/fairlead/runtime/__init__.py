"""The runtime: what carries out runs, durably and under control.

Owns the dataflow scheduler, the journal's meaning, control requests, limits, the middleware seam and hooks. It knows
nothing of agents' loops, models, documents or tickets; it is handed functions and a store.
"""

from __future__ import annotations

from fairlead.breaker import BreakerPolicy
from fairlead.runtime.engine import RunReleasedError, Runtime, RuntimeOptions, Unrecovered
from fairlead.runtime.flow import Flow
from fairlead.runtime.forking import Change, Checkpoint, checkpoints
from fairlead.runtime.graph import REQUIRED, Edge, Node, Retry, Workflow
from fairlead.runtime.handle import RunHandle
from fairlead.runtime.hooks import Hooks, Moment, Rewrite, Veto
from fairlead.runtime.middleware import Middleware
from fairlead.runtime.states import PermissionMode, RunState
from fairlead.runtime.step import StepContext, current_step

__all__ = [
    "REQUIRED",
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
]
