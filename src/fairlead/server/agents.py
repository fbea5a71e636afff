"""Agents over the server: listed and registered for the caller's tenant, and many started at once."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping
from typing import Any

from fairlead.agents import AgentSpec
from fairlead.agents.spawning import spawn_parallel
from fairlead.errors import ForbiddenError, InvalidInputError
from fairlead.server.access import TOOLS, Caller
from fairlead.server.borrowed import RemoteContext
from fairlead.server.desk import Desk
from fairlead.verbs.agent import register_in, spec_of

_MOST_SPEC = 64 * 1024


class Agents:
    """The verbs of agents, as a caller elsewhere gets them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lead = desk.lead
        desk.answers |= {
            "agent.list": self.listing,
            "agent.show": self.show,
            "agent.register": self.register,
            "agent.remove": self.remove,
            "agent.spawn": self.spawn,
        }

    async def listing(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        capability = given.get("capability")
        registry = self._lead.agents
        found = registry.discover(capability) if capability else list(registry)
        return {"items": [a.spec.model_dump(mode="json", exclude_defaults=True) for a in found], "has_more": False}

    async def show(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        spec: dict[str, Any] = self._lead.agents.resolve(given["agent"]).spec.model_dump(mode="json")
        return spec

    async def register(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        data = given.get("spec")
        if not isinstance(data, (str, dict)):
            raise InvalidInputError("register needs a spec.", remedy="Give an object, or YAML text.", field="spec")
        if isinstance(data, str) and len(data) > _MOST_SPEC:
            raise InvalidInputError("the spec is too long.", remedy=f"At most {_MOST_SPEC:,} characters.", field="spec")
        spec = spec_of(None, data)
        require_harmless(caller, spec)
        cause = RemoteContext(self._lead, caller).cause

        def work() -> dict[str, Any]:
            return register_in(self._lead, spec, cause=cause, replace=given.get("replace", False))

        made: dict[str, Any] = await _on_thread(work)
        return made

    async def remove(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        cause = RemoteContext(self._lead, caller).cause
        await _on_thread(lambda: self._lead.kept_agents.remove(given["agent"], cause=cause))
        return {"removed": given["agent"]}

    async def spawn(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """Starts runs, each by the verb ``run``, and answers when all are accepted."""
        agents = given.get("agents")
        if not isinstance(agents, list) or not 1 <= len(agents) <= 1000:
            raise InvalidInputError("agents is no list of 1 to 1,000.", remedy="Give agents.", field="agents")
        for name in ("max_concurrency", "batch_size"):
            if not 1 <= given.get(name, 1) <= 1000:
                raise InvalidInputError(f"{name} is {given[name]!r}.", remedy="Give 1 to 1,000.", field=name)
        wanted = {
            "agents": agents,
            "maxConcurrency": given.get("max_concurrency", 5),
            "batchSize": given.get("batch_size", 3),
        }

        async def start(target: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
            run: dict[str, Any] = await self._desk.call(caller, "run", {"target": target, "inputs": inputs})
            return run

        return await spawn_parallel(wanted, start=start, registry=self._lead.agents, clock=self._lead.clock)


def require_harmless(caller: Caller, spec: AgentSpec) -> None:
    """:class:`ForbiddenError` when a caller elsewhere may not register such an agent.

    Code of the machine is never named from elsewhere; agents as tools need a scope of their own, because a language
    model, and so whoever writes what it reads, decides what they are called with.
    """
    code = [tool for tool in spec.tools if ":" in tool]
    if code:
        raise ForbiddenError(
            f"the spec names code of the server's machine: {code[0][:100]!r}.",
            remedy="Leave it out; such agents are registered where the server runs, with `fairlead agent register`.",
            field="tools",
        )
    if spec.tools and TOOLS not in caller.scopes:
        raise ForbiddenError(
            f"an agent with tools needs the scope {TOOLS}, which no other scope contains.",
            remedy=f"Use a key with the scope {TOOLS}, or leave tools out.",
            field="tools",
            needs=TOOLS,
        )


async def _on_thread(work: Any) -> Any:
    """Away from the loop, in the caller's tenant: it waits for a commit."""
    return await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, work)
