"""Agents: what they are, where they are found, and the tools they use.

Owns agent specs, the registry with discovery by capability, and tools. The loop of a language-model agent is
pydantic-ai's and lives behind :mod:`fairlead.agents.llm`; a plain function is an agent as it is.
"""

from __future__ import annotations

from fairlead.agents.function import Agent, agent
from fairlead.agents.registry import AgentRegistry
from fairlead.agents.spec import AgentSpec, Capability, load_agent_file
from fairlead.agents.tools import Tool, tool

__all__ = ["Agent", "AgentRegistry", "AgentSpec", "Capability", "Tool", "agent", "load_agent_file", "tool"]
