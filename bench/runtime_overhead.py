"""What the runtime itself costs per node: fan-outs and a DAG of no-op steps, in memory and with the crash-safe journal.

    python bench/runtime_overhead.py [--quick] [--peers]

CPU time of the whole process (the writer's thread included), median of several runs of one compiled workflow. With
``--peers`` other engines run the same graphs in environments of their own, made under the cache folder; the table
gives their cost as a multiple of Fairlead's. A peer that cannot be installed is listed with the reason.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

import harness
from fairlead.runtime import Edge, Node, RuntimeOptions, Workflow
from harness import Bar, Figure
from peers.environments import peer_figures
from peers.shapes import SHAPES, Graph, cpu_per_node
from runtimes import UNBOUNDED, opened

BARS = {False: Bar(15, "us"), True: Bar(60, "us")}
PEERS = {
    "langgraph": ["langgraph", "langgraph-checkpoint-sqlite"],
    "agno": ["agno", "sqlalchemy", "aiosqlite", "greenlet"],
    "agent_framework": ["agent-framework-core"],
    "crewai": ["crewai"],
}


def adding(names: list[str]) -> Callable[..., Awaitable[int]]:
    """A step with one parameter per dependency, bound by name."""

    async def node(**values: int) -> int:
        return sum(values.values()) + 1

    node.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    )
    return node


def workflow_of(graph: Graph) -> Workflow:
    nodes = (Node(name, adding(after), depends_on=tuple(Edge(a) for a in after)) for name, after in graph.items())
    return Workflow("bench", tuple(nodes))


async def cost(graph: Graph, durable: bool, options: RuntimeOptions = UNBOUNDED) -> float:
    """Median CPU microseconds a node."""
    workflow = workflow_of(graph)

    async def run() -> None:
        result = await (await runtime.start(workflow)).result()
        assert result.success, result.error

    async with opened(durable=durable, options=options) as runtime:
        return await cpu_per_node(run, len(graph), 7 if harness.QUICK else 15)


async def item_cost(width: int, durable: bool) -> float:
    """Median CPU microseconds an item of one fan-out step over a list."""

    async def one(item: int) -> int:
        return item + 1

    node = Node("each", one, foreach="inputs.items")
    workflow = Workflow("bench", (node,), inputs={"items": []})

    async def run() -> None:
        result = await (await runtime.start(workflow, {"items": list(range(width))})).result()
        assert result.success, result.error

    async with opened(durable=durable) as runtime:
        return await cpu_per_node(run, width, 7 if harness.QUICK else 15)


def peer_table(own: dict[str, float]) -> str:
    columns = ["engine (us a node; multiple of Fairlead's)", *own]
    rows: list[list[object]] = [["**fairlead**", *(f"{value:.1f}" for value in own.values())]]
    for name, packages in PEERS.items():
        found = peer_figures(name, packages)
        if "skipped" in found:
            rows.append([f"{name}: skipped, {found['skipped']}", *("-" for _ in own)])
            continue
        cells = [
            f"{harness.show(found[key])} ({found[key] / value:.1f}x)" if key in found else "-"
            for key, value in own.items()
        ]
        rows.append([f"{name} {found['version']}", *cells])
    return harness.table(columns, rows)


async def main() -> None:
    harness.title("Overhead per node")
    measured, own = [], {}
    for durable in (False, True):
        where = "crash-safe journal" if durable else "in memory"
        for name, graph in SHAPES.items():
            value = await cost(graph, durable)
            own[f"{name}{' durable' if durable else ''}"] = value
            measured.append(Figure(f"{name}, {where}", value, BARS[durable], "CPU time a node"))
        value = await item_cost(1000, durable)
        measured.append(Figure(f"one step over a list of 1,000, {where}", value, BARS[durable], "CPU time an item"))
        value = await cost(SHAPES["fan-out 1,000"], durable, RuntimeOptions())
        measured.append(Figure(f"fan-out 1,000, {where}, default limits", value, BARS[durable], "64 at once"))
    print(harness.figures(measured))
    if harness.PEERS:
        print("\n" + peer_table(own))


if __name__ == "__main__":
    asyncio.run(main())
