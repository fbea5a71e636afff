"""Where agents are found: by name, and by what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.agents.spec import AgentSpec
from fairlead.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from fairlead.agents.kept import KeptAgents


class AgentLike(Protocol):
    """What the registry holds: function agents, and language-model agents alike."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> AgentSpec: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class AgentRegistry:
    """The agents of one application: those that its program registered, which are there for every tenant, and those
    that are kept in the store for the current one. A name is given once, and the program's comes first."""

    def __init__(self, kept: KeptAgents | None = None) -> None:
        self._agents: dict[str, AgentLike] = {}
        self._kept = kept

    def register(self, agent: AgentLike) -> None:
        if agent.name in self._agents and self._agents[agent.name] is not agent:
            raise InvalidInputError(
                f"there is already an agent named {agent.name!r}.", remedy="Choose another name.", field="name"
            )
        self._agents[agent.name] = agent

    def is_of_program(self, name: str) -> bool:
        """Whether the program registered it, so that it is there for every tenant."""
        return name in self._agents

    def _find(self, name: str) -> AgentLike | None:
        found = self._agents.get(name)
        return found if found is not None or self._kept is None else self._kept.find(name)

    def resolve(self, name: str) -> AgentLike:
        """The agent of that name; :class:`NotFoundError` names the near ones."""
        if (found := self._find(name)) is not None:
            return found
        import difflib

        names = [agent.name for agent in self]
        near = difflib.get_close_matches(name, names, n=1)
        known = ", ".join(names) or "none"
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
        for agent in self:
            if agent.spec.status not in ("active", "busy"):
                continue
            for offered in agent.spec.capabilities:
                if offered.name == capability and offered.enabled and offered.confidence_level >= least_confidence:
                    found.append((-offered.confidence_level, agent.name, agent))
        return [agent for _, _, agent in sorted(found, key=lambda entry: entry[:2])]

    def __iter__(self) -> Iterator[AgentLike]:
        found = dict(self._agents)
        for agent in self._kept or ():
            found.setdefault(agent.name, agent)
        return iter(sorted(found.values(), key=lambda a: a.name))

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def __len__(self) -> int:
        return sum(1 for _ in self)
