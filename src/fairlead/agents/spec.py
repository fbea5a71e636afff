"""AgentSpec: what an agent is, as data. YAML files with a JSON Schema, or the decorator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fairlead.errors import InvalidInputError, NotFoundError

AgentType = Literal["developer", "reviewer", "tester", "analyst", "documenter", "project_manager", "general"]
AgentStatus = Literal["active", "inactive", "busy", "error", "maintenance"]


class Capability(BaseModel):
    """Something an agent can do, and how well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Name to find agents by.")
    description: str = Field("", description="What it means, in a sentence.")
    confidence_level: float = Field(1.0, ge=0, le=1, description="How well it does it, from 0 to 1.")
    enabled: bool = Field(True, description="Whether it is offered now.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="What its use depends on.")


class AgentSpec(BaseModel):
    """An agent, version 0 of the format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Name to run it by.")
    version: Literal[0] = Field(0, description="Version of this format.")
    description: str = Field("", description="What it is for, in a sentence.")
    agent_type: AgentType = Field("general", description="Its role.")
    status: AgentStatus = Field("active", description="Only active and busy agents are given work.")
    capabilities: tuple[Capability, ...] = Field((), description="What it can do.")
    preferred_task_types: tuple[str, ...] = Field((), description="Kinds of work it is best at.")
    max_concurrent_tasks: int = Field(1, ge=1, description="Pieces of work at once.")
    model: str | None = Field(None, description="Model it uses unless the run names another.")
    instructions: str = Field("", description="System prompt of a language-model agent.")
    tools: tuple[str, ...] = Field(
        (), description="Tools it may use: names of agents that a program registered, or functions as module:function."
    )


class Specified:
    """What every kind of agent says of itself from its spec."""

    spec: AgentSpec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def agent_name(self) -> str:
        """The name under which concurrency limits and circuit breakers count its calls."""
        return self.spec.name

    @property
    def max_concurrent(self) -> int | None:
        """How many of its calls may be in progress at once; None leaves it to the settings."""
        return self.spec.max_concurrent_tasks if "max_concurrent_tasks" in self.spec.model_fields_set else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def load_agent_file(path: Path) -> AgentSpec:
    """Reads an agent file; errors name the file, the field, its value and the remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no agent file {str(path)!r}.", remedy="Check the path.") from None
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"{path} cannot be read: {exc}.", remedy="Mend the YAML there.") from exc
    return parse_agent_text(text, str(path))


def parse_agent_text(text: str, where: str) -> AgentSpec:
    """A spec from YAML or JSON; ``where`` names the text in errors."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            # Aliases of aliases make a short text grow without bound when it is written out.
            raise InvalidInputError(f"{where} uses YAML aliases.", remedy="Write the values out.", field="spec")
        data = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise InvalidInputError(f"{where} cannot be read: {exc}.", remedy="Mend the YAML there.") from exc
    return parse_agent(data, where)


def parse_agent(data: Any, where: str) -> AgentSpec:
    """A spec from its data; ``where`` names the data in errors."""
    try:
        return AgentSpec.model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InvalidInputError(
            f"{where}: {place} is {first.get('input')!r}: {first['msg']}.",
            remedy="See the reference of agent files.",
            field=place,
        ) from exc
