"""Starting many agents at once: by dependency and priority, in batches, with what it really took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.agents import AgentRegistry
from fairlead.clock import Clock, isoformat
from fairlead.errors import FairleadError, InvalidGraphError, InvalidInputError

_PRIORITIES = ("critical", "high", "medium", "low")
_MOST_AGENTS = 1000

SPAWN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["agents"],
    "properties": {
        "agents": {
            "type": "array",
            "minItems": 1,
            "maxItems": _MOST_AGENTS,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "name"],
                "properties": {
                    "type": {"type": "string", "description": "name of a registered agent or workflow"},
                    "name": {"type": "string", "description": "what this one is called in the answer"},
                    "capabilities": {"type": "array", "items": {"type": "string"}},
                    "priority": {"enum": list(_PRIORITIES), "default": "medium"},
                    "dependencies": {"type": "array", "items": {"type": "string"}},
                    "inputs": {"type": "object", "description": "inputs of the agent"},
                },
            },
        },
        "maxConcurrency": {"type": "integer", "minimum": 1, "maximum": 64, "default": 5},
        "batchSize": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 3},
    },
}


class Wanted(NamedTuple):
    """One agent to start."""

    type: str
    name: str
    capabilities: tuple[str, ...]
    priority: str
    dependencies: tuple[str, ...]
    inputs: Mapping[str, Any]


Start = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]


async def spawn_parallel(
    arguments: Mapping[str, Any], *, start: Start, registry: AgentRegistry, clock: Clock
) -> dict[str, Any]:
    """Starts runs of agents and says how long it took.

    An agent starts after those that it depends on; what depends on one that could not start is not started. Times are
    milliseconds. ``speedupVsSequential`` is the sum of the single starts over the time of all.
    """
    wanted = [_read(entry) for entry in arguments["agents"]]
    most = asyncio.Semaphore(arguments.get("maxConcurrency", 5))
    began = clock.monotonic()
    sessions: dict[str, dict[str, Any]] = {}

    async def one(agent: Wanted, batch: int) -> None:
        session: dict[str, Any] = {"agentId": agent.name, "type": agent.type, "batchId": f"batch-{batch}"}
        sessions[agent.name] = session
        missing = [name for name in agent.dependencies if sessions[name]["status"] != "spawned"]
        if missing:
            session |= {
                "sessionId": None,
                "status": "failed",
                "error": f"{missing[0]} could not start",
                "spawnTime": 0.0,
            }
            return
        async with most:
            at = clock.monotonic()
            try:
                run = await start(_target(agent, registry), agent.inputs)
                session |= {"sessionId": run["id"], "status": "spawned"}
            except FairleadError as exc:
                session |= {"sessionId": None, "status": "failed", "error": str(exc)}
            session["spawnTime"] = round((clock.monotonic() - at) * 1000, 3)

    for number, batch in enumerate(batches(wanted, arguments.get("batchSize", 3)), 1):
        await asyncio.gather(*(one(agent, number) for agent in batch))
    total = (clock.monotonic() - began) * 1000
    spawned = sum(1 for s in sessions.values() if s["status"] == "spawned")
    alone = sum(s["spawnTime"] for s in sessions.values())
    return {
        "success": spawned == len(wanted),
        "agentsSpawned": spawned,
        "sessions": [sessions[agent.name] for agent in wanted],
        "performance": {
            "totalTime": round(total, 3),
            "averageTimePerAgent": round(total / len(wanted), 3),
            "speedupVsSequential": f"{alone / total:.2f}x" if total > 0 and spawned else None,
        },
        "timestamp": isoformat(clock.now()),
    }


def batches(wanted: Sequence[Wanted], size: int) -> list[list[Wanted]]:
    """Batches of at most ``size``, urgent ones first, with every agent in a later batch than what it depends on.

    Raises :class:`InvalidGraphError` for a double name, an unknown dependency or a cycle.
    """
    names = {agent.name for agent in wanted}
    if len(names) < len(wanted):
        raise InvalidGraphError("two agents have the same name.", remedy="Give each its own.", field="agents")
    done: set[str] = set()
    left = sorted(wanted, key=lambda agent: _PRIORITIES.index(agent.priority))
    found: list[list[Wanted]] = []
    while left:
        ready = [agent for agent in left if done.issuperset(agent.dependencies)]
        if not ready:
            stuck = left[0]
            unknown = [d for d in stuck.dependencies if d not in names]
            why = f"the unknown {unknown[0]!r}" if unknown else "itself, by way of others"
            raise InvalidGraphError(
                f"agent {stuck.name!r} depends on {why}.", remedy="Mend dependencies.", field="agents"
            )
        found += [ready[n : n + size] for n in range(0, len(ready), size)]
        done |= {agent.name for agent in ready}
        left = [agent for agent in left if agent.name not in done]
    return found


def _read(entry: Any) -> Wanted:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(n), str) and entry[n] for n in ("type", "name")):
        raise InvalidInputError("an agent needs a type and a name.", remedy="Give both as text.", field="agents")
    priority = entry.get("priority", "medium")
    inputs = entry.get("inputs") or {}
    if priority not in _PRIORITIES or not isinstance(inputs, dict):
        raise InvalidInputError(
            f"agent {entry['name']!r} has a priority or inputs that cannot be used.",
            remedy=f"Priorities are {', '.join(_PRIORITIES)}; inputs is an object.",
            field="agents",
        )
    lists = [tuple(map(str, entry.get(name) or ())) for name in ("capabilities", "dependencies")]
    return Wanted(entry["type"], entry["name"], lists[0], priority, lists[1], inputs)


def _target(agent: Wanted, registry: AgentRegistry) -> str:
    """The type when it is a registered agent, else an agent that has all the capabilities, else the type."""
    if agent.type in registry or not agent.capabilities:
        return agent.type
    able = [{a.name for a in registry.discover(capability)} for capability in agent.capabilities]
    common = set.intersection(*able)
    first = [a.name for a in registry.discover(agent.capabilities[0]) if a.name in common]
    return first[0] if first else agent.type
