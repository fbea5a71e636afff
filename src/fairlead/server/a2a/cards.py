"""Agent cards: what is offered, where, and how a client names itself."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types import a2a_pb2 as pb
from a2a.utils.constants import PROTOCOL_VERSION_0_3, PROTOCOL_VERSION_1_0, TransportProtocol

from fairlead.agents import AgentRegistry, AgentSpec
from fairlead.errors import NotFoundError

MODES = ("text/plain", "application/json")
"""Media types that messages may have and results come in."""

_OPEN = ("active", "busy")


def skills_of(registry: AgentRegistry, only: str | None = None) -> list[Any]:
    """A skill for each agent that takes work, or for ``only`` one; :class:`NotFoundError` when that takes none."""
    found = [_skill(agent.spec) for agent in registry if agent.spec.status in _OPEN and only in (None, agent.name)]
    if only is not None and not found:
        raise NotFoundError(f"there is no agent {only[:100]!r}.", remedy="See /api/agents.", agent=only[:100])
    return found


def _skill(spec: AgentSpec) -> Any:
    capabilities = [c.name for c in spec.capabilities if c.enabled]
    return pb.AgentSkill(
        id=spec.name,
        name=spec.name,
        description=spec.description or f"The agent {spec.name}.",
        # The protocol wants at least one tag.
        tags=capabilities or [spec.agent_type],
        input_modes=MODES,
        output_modes=MODES,
    )


def agent_card(base: str, skills: list[Any], agent: str | None = None) -> Any:
    """The card of the server at the address ``base``, or of one of its agents."""
    at = f"{base}/a2a" if agent is None else f"{base}/a2a/agents/{agent}"
    interfaces = [
        (at, TransportProtocol.JSONRPC, PROTOCOL_VERSION_1_0),
        (f"{at}/v1", TransportProtocol.HTTP_JSON, PROTOCOL_VERSION_1_0),
        (at, TransportProtocol.JSONRPC, PROTOCOL_VERSION_0_3),
    ]
    scheme = pb.HTTPAuthSecurityScheme(scheme="bearer", description="A key made with `fairlead key create`.")
    about = (
        "Runs agents durably. Name the agent in the message's metadata as `skill`, or use the agent's own address."
        if agent is None
        else skills[0].description
        if skills
        else f"The agent {agent}."
    )
    card = pb.AgentCard(
        name="Fairlead" if agent is None else agent,
        description=about,
        version=version("fairlead"),
        supported_interfaces=[
            pb.AgentInterface(url=url, protocol_binding=binding.value, protocol_version=spoken)
            for url, binding, spoken in interfaces
        ],
        capabilities=pb.AgentCapabilities(streaming=True, push_notifications=False, extended_agent_card=True),
        security_schemes={"key": pb.SecurityScheme(http_auth_security_scheme=scheme)},
        security_requirements=[pb.SecurityRequirement(schemes={"key": pb.StringList()})],
        default_input_modes=MODES,
        default_output_modes=MODES,
    )
    card.skills.extend(skills)
    return card


def card_as_json(card: Any) -> dict[str, Any]:
    """The card with the fields that clients of version 0.3 read beside those of 1.0."""
    found: dict[str, Any] = agent_card_to_dict(card)
    found.setdefault("skills", [])
    return found
