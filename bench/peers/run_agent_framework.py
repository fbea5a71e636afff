"""Microsoft Agent Framework: a workflow of executors, in memory and with its file checkpoints."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import tempfile
from typing import Any

from agent_framework import Executor, FileCheckpointStorage, WorkflowBuilder, WorkflowContext, handler
from shapes import Graph, Runner, chains, report


class One(Executor):
    """Waits for one message."""

    def __init__(self, name: str, seconds: float | None = None) -> None:
        super().__init__(id=name)
        self.seconds = seconds

    @handler
    async def work(self, message: int, ctx: WorkflowContext[int]) -> None:
        if self.seconds is not None:
            await asyncio.sleep(self.seconds)
        await ctx.send_message(message + 1)


class Joined(One):
    """Waits for one message of each of its sources."""

    @handler
    async def join(self, messages: list[int], ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(sum(messages) + 1)


def build(graph: Graph, seconds: dict[str, float] | None = None, storage: Any = None) -> Any:
    begin = One("begin")
    builder = WorkflowBuilder(start_executor=begin, max_iterations=1000, checkpoint_storage=storage)
    made: dict[str, One] = {}
    for name, after in graph.items():
        kind = Joined if len(after) > 1 else One
        made[name] = kind(name, seconds[name] if seconds else None)
    firsts = [made[name] for name, after in graph.items() if not after]
    builder.add_fan_out_edges(begin, firsts)
    for name, after in graph.items():
        if len(after) > 1:
            builder.add_fan_in_edges([made[a] for a in after], made[name])
        elif after:
            builder.add_edge(made[after[0]], made[name])
    return builder.build()


def make(name: str, graph: Graph, durable: bool) -> Runner:
    async def run() -> None:
        await built.run(1)

    built = build(graph, storage=FileCheckpointStorage(tempfile.mkdtemp()) if durable else None)
    return run


async def makespan() -> None:
    steps = chains()
    await build({n: after for n, (after, _) in steps.items()}, {n: s for n, (_, s) in steps.items()}).run(1)


if __name__ == "__main__":
    report(importlib.metadata.version("agent-framework-core"), make, makespan)
    os._exit(0)
