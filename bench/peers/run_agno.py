"""Agno: parallel steps, in memory and with its SQLite session store. It has no DAG: layers stand for it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import tempfile
import uuid

from agno.db.sqlite import SqliteDb
from agno.workflow import Parallel, Step, StepInput, StepOutput, Steps, Workflow
from shapes import Graph, Runner, chains, report


def step(name: str, seconds: float | None = None) -> Step:
    async def call(step_input: StepInput) -> StepOutput:
        if seconds is not None:
            await asyncio.sleep(seconds)
        return StepOutput(content="1")

    return Step(name=name, executor=call)


def layers(graph: Graph) -> list[list[str]]:
    depth: dict[str, int] = {}
    for name, after in graph.items():
        depth[name] = 1 + max((depth[a] for a in after), default=-1)
    return [[name for name in graph if depth[name] == level] for level in range(max(depth.values()) + 1)]


def make(name: str, graph: Graph, durable: bool) -> Runner:
    steps = [Parallel(*(step(n) for n in layer), name=f"layer{i}") for i, layer in enumerate(layers(graph))]
    folder = tempfile.mkdtemp()
    db = SqliteDb(db_file=f"{folder}/{uuid.uuid4().hex}.db") if durable else None
    workflow = Workflow(name="bench", steps=steps, db=db, telemetry=False)

    async def run() -> None:
        await workflow.arun(input="go", session_id=uuid.uuid4().hex)

    return run


async def makespan() -> None:
    chain: dict[str, list[Step]] = {}
    for name, (_, seconds) in chains().items():
        chain.setdefault(name[0], []).append(step(name, seconds))
    both = Parallel(*(Steps(name=name, steps=steps) for name, steps in chain.items()), name="both")
    await Workflow(name="chains", steps=[both], telemetry=False).arun(input="go")


if __name__ == "__main__":
    report(importlib.metadata.version("agno"), make, makespan)
    os._exit(0)
