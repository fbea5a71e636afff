"""Where agents are found: by name, and by what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from fairlead.agents.spec import AgentSpec
from fairlead.errors import InvalidInputError, NotFoundError


class AgentLike(Protocol):
    """What the registry holds: function agents, and language-model agents alike."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> AgentSpec: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class AgentRegistry:
    """The agents of one application. A name is given once."""

    def __init__(self) -> None:
        self._agents: dict[str, AgentLike] = {}

    def register(self, agent: AgentLike) -> None:
        if agent.name in self._agents and self._agents[agent.name] is not agent:
            raise InvalidInputError(
                f"there is already an agent named {agent.name!r}.", remedy="Choose another name.", field="name"
            )
        self._agents[agent.name] = agent

    def resolve(self, name: str) -> AgentLike:
        """The agent of that name; :class:`NotFoundError` names the near ones."""
        if name in self._agents:
            return self._agents[name]
        import difflib

        near = difflib.get_close_matches(name, self._agents, n=1)
        known = ", ".join(sorted(self._agents)) or "none"
        raise NotFoundError(
            f"there is no agent {name!r}.",
            remedy=f"Did you mean {near[0]!r}?"
            if near
            else f"Registered are: {known}. Register yours with `register`.",
            agent=name,
        )

    def discover(self, capability: str, *, least_confidence: float = 0.0) -> list[AgentLike]:
        """The active agents with a capability, the most confident first, then by name."""
        found = []
        for agent in self._agents.values():
            if agent.spec.status not in ("active", "busy"):
                continue
            for offered in agent.spec.capabilities:
                if offered.name == capability and offered.enabled and offered.confidence_level >= least_confidence:
                    found.append((-offered.confidence_level, agent.name, agent))
        return [agent for _, _, agent in sorted(found, key=lambda entry: entry[:2])]

    def __iter__(self) -> Iterator[AgentLike]:
        return iter(sorted(self._agents.values(), key=lambda a: a.name))

    def __contains__(self, name: str) -> bool:
        return name in self._agents

    def __len__(self) -> int:
        return len(self._agents)
