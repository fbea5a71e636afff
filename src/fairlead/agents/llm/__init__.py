"""Language-model agents: pydantic-ai's loop, carried out as a durable and controllable step.

Owns what stands between that loop and the runtime: the pause gate, steering, the model in force, permissions, and the
journal of model requests and tool calls. The only package besides the gateway that imports pydantic_ai; importing it
takes about 0.4 s, so nothing else may do so at module level.
"""

from __future__ import annotations

import pydantic_ai

from fairlead.agents.llm.agent import LlmAgent
from fairlead.agents.llm.faults import explain
from fairlead.agents.llm.models import ResolveModel, resolve_by_name
from fairlead.agents.llm.tools import as_llm_tool, llm_tool

# Nothing here prints by itself: an agent runs inside somebody else's program.
pydantic_ai.BANNER_ENABLED = False

__all__ = ["LlmAgent", "ResolveModel", "as_llm_tool", "explain", "llm_tool", "resolve_by_name"]
