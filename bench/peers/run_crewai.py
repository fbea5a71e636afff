"""CrewAI: a flow, whose steps are methods of a class. In memory only: its persistence keeps a
state and not steps. Its events, which are on by default and cost several times as much, are turned off."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
from typing import Any

os.environ["CREWAI_DISABLE_TELEMETRY"] = os.environ["OTEL_SDK_DISABLED"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = os.environ["CREWAI_TESTING"] = "false"

from crewai.flow.flow import Flow, and_, listen, start
from shapes import Graph, Runner, chains, report


def method_of(name: str, seconds: float | None) -> Any:
    async def method(self: Any) -> int:
        if seconds is not None:
            await asyncio.sleep(seconds)
        return 1

    method.__name__ = method.__qualname__ = name
    return method


def build(graph: Graph, seconds: dict[str, float] | None = None) -> type[Flow[Any]]:
    methods: dict[str, Any] = {}
    for name, after in graph.items():
        method = method_of(name, seconds[name] if seconds else None)
        sources = [methods[a] for a in after]
        condition = sources[0] if len(sources) == 1 else and_(*sources) if sources else None
        methods[name] = start()(method) if condition is None else listen(condition)(method)
    return type("BenchFlow", (Flow,), methods)


def make(name: str, graph: Graph, durable: bool) -> Runner | None:
    if durable:
        return None
    kind = build(graph)

    async def run() -> None:
        await kind(suppress_flow_events=True).kickoff_async()

    return run


async def makespan() -> None:
    steps = chains()
    kind = build({n: after for n, (after, _) in steps.items()}, {n: s for n, (_, s) in steps.items()})
    await kind(suppress_flow_events=True).kickoff_async()


if __name__ == "__main__":
    report(importlib.metadata.version("crewai"), make, makespan)
    os._exit(0)
