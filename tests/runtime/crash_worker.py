"""A process to be killed: carries out a 200-node graph whose steps append to a file.

Usage: crash_worker.py FOLDER [SLEEP_MS]. Takes up what an earlier process left, else starts the run; writes the
result to FOLDER/result.json when it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from fairlead.runtime import Edge, Node, Runtime, RuntimeOptions, StepContext, Workflow
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import make_tenant, use_tenant

NODES = 200


def append(path: Path, line: str) -> None:
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - one unbuffered write is the point
        file.write(line.encode() + b"\n")


def workflow(folder: Path | None, sleep: float) -> Workflow:
    """The same graph in every process: a few dependencies each, every tenth step an effect, parts in every seventh."""
    rng = random.Random(7)
    nodes = []
    for n in range(NODES):
        edges = tuple(Edge(f"n{d}") for d in sorted(rng.sample(range(n), min(n, rng.randrange(0, 4)))))
        nodes.append(
            Node(f"n{n}", body(n, folder, sleep, [e.source for e in edges]), depends_on=edges, effect=n % 10 == 0)
        )
    return Workflow("crash", tuple(nodes))


def body(n: int, folder: Path | None, sleep: float, after: list[str]) -> Any:
    async def step(ctx: StepContext) -> dict[str, int]:
        values = [ctx.execution.flow.step_values[name]["value"] for name in after]
        if folder is not None:
            await asyncio.sleep(sleep)
            append(folder / "lines", f"n{n}")
        if n % 7 == 0:
            part = await ctx.step("part", part_of(n, folder))
            values.append(part)
        return {"value": (n + sum(values)) % 1_000_003}

    return step


def part_of(n: int, folder: Path | None) -> Any:
    def part() -> int:
        if folder is not None:
            append(folder / "lines", f"n{n}/part#1")
        return n * n

    return part


async def main(folder: Path, sleep: float) -> None:
    database = open_database(folder / "fairlead.db")
    options = RuntimeOptions(max_concurrency=8, max_concurrency_per_agent=None)
    with use_tenant(make_tenant("acme")):
        runtime = await Runtime(SqlRunStore(database), options=options, owners=folder / "owners").open()
        runtime.register(workflow(folder, sleep))
        taken, left = await runtime.recover()
        assert not left, left
        known = await runtime.store.find(tenant=None)
        if taken:
            handle = taken[0]
        elif known and known[0].state in ("init", "running", "paused"):
            handle = await runtime.start("crash", idempotency_key="once")
            await runtime.control(handle.id, "resume", cause="test")
        else:
            handle = await runtime.start("crash", idempotency_key="once")
        event = await handle.rest()
        if event.type == "run.completed":
            result = await handle.result()
            (folder / "result.json").write_text(json.dumps(result.data))
        await runtime.close()
    database.close()


if __name__ == "__main__":
    print(os.getpid(), flush=True)
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]) / 1000))
