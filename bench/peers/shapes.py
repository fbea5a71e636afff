"""The graphs that every engine runs, and how each is timed. No dependencies: peers import it in their own environments.

A node takes its dependencies' numbers and gives one more than their sum, so that every engine moves real values.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

Graph = dict[str, list[str]]
Runner = Callable[[], Awaitable[object]]


def fan_out(width: int) -> Graph:
    return {f"n{i}": [] for i in range(width)}


def dag() -> Graph:
    """30 nodes: five layers of six, each node after the first layer waits for two of the layer before."""
    return {
        f"n{layer}_{i}": [f"n{layer - 1}_{i}", f"n{layer - 1}_{(i + 1) % 6}"] if layer else []
        for layer in range(5)
        for i in range(6)
    }


SHAPES: dict[str, Graph] = {"fan-out 100": fan_out(100), "fan-out 1,000": fan_out(1000), "DAG 30": dag()}


def chains(length: int = 4) -> dict[str, tuple[list[str], float]]:
    """Two chains whose slow and fast steps alternate: .32 s each, .51 s for an engine that works level by level."""
    steps: dict[str, tuple[list[str], float]] = {}
    for name, first in (("a", 0), ("b", 1)):
        for i in range(length):
            seconds = 0.1275 if (i + first) % 2 == 0 else 0.0325
            steps[f"{name}{i}"] = ([f"{name}{i - 1}"] if i else [], seconds)
    return steps


async def cpu_per_node(run: Runner, nodes: int, samples: int) -> float:
    """Median CPU microseconds a node. A sample is as many runs as have about 500 nodes; the first warms up."""
    runs = max(1, 500 // nodes)
    found = []
    for _ in range(samples + 1):
        gc.collect()
        began = time.process_time()
        for _ in range(runs):
            await run()
        found.append((time.process_time() - began) / nodes / runs * 1e6)
    return statistics.median(found[1:])


def report(version: str, make: Callable[[str, Graph, bool], Runner | None], makespan: Runner | None = None) -> None:
    """Measures one engine and prints JSON. ``make`` gives None for what the engine cannot do."""

    async def measure() -> dict[str, object]:
        found: dict[str, object] = {"version": version}
        for durable in (False, True):
            for name, graph in SHAPES.items():
                run = make(name, graph, durable)
                if run is not None:
                    samples = 3 if "--quick" in sys.argv else 7
                    found[f"{name}{' durable' if durable else ''}"] = await cpu_per_node(run, len(graph), samples)
        if makespan is not None:
            walls = []
            for _ in range(3):
                began = time.perf_counter()
                await makespan()
                walls.append(time.perf_counter() - began)
            found["makespan"] = min(walls)
        return found

    print(json.dumps(asyncio.run(measure())))
