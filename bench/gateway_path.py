"""What the gateway adds to a call, to a decision, to an import and to a failover. Everything on loopback.

``failover`` is the p95 by the clock of a call whose first provider refuses connections, less the second one's own
latency; on a machine that others keep busy it says more about them. ``overhead`` is the median difference between a
call through the gateway and one straight to the same client, taken in turns; ``alone`` is the gateway's own work, with
the client replaced by an immediate answer.

Usage: python bench/gateway_path.py [--calls 200]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BARS = {"overhead_ms": 1.0, "route_ms": 1.0, "import_s": 0.5, "failover_ms": 50.0}


def serve(pipe: Any) -> None:
    """A server in a process of its own, so that its CPU is not counted."""
    from fairlead.testing.model_server import fixed_server

    with fixed_server("A short answer, word by word, of ten words or so.") as server:
        pipe.send(server.url)
        pipe.recv()


def build(folder: Path, url: str) -> tuple[Any, Any]:
    from fairlead.clock import SystemClock
    from fairlead.gateway import Gateway, parse_config
    from fairlead.store import open_database

    database = open_database(folder / "bench.db")
    config = parse_config(
        {
            "policy": {"shadow_share": 0.0},
            "providers": {
                "one": {"kind": "openai", "base_url": url},
                "dead": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"},
            },
            "models": {
                "one:m": {"input_per_mtok": 1.0, "output_per_mtok": 2.0},
                "dead:m": {"input_per_mtok": 1.0, "output_per_mtok": 2.0},
            },
        }
    )
    return Gateway(database, SystemClock(), random.Random(1), config=config, read_variable=lambda n: ""), database


async def cpu_ms(call: Callable[[], Any]) -> float:
    before = time.process_time()
    await call()
    return (time.process_time() - before) * 1000


async def measure(folder: Path, url: str, calls: int) -> dict[str, float]:
    from pydantic_ai.models import ModelRequestParameters

    from fairlead.breaker import Breaker
    from fairlead.gateway import GenerationRequest, Usage
    from fairlead.gateway.backends import Answer
    from fairlead.gateway.providers.clients import settings_for, to_messages
    from fairlead.gateway.traffic import BREAKING
    from fairlead.tenancy import make_tenant, use_tenant

    gateway, database = build(folder, url)
    found: dict[str, float] = {}
    request = GenerationRequest(
        prompt="Write one line about the sea and the ships upon it.", model_preference="one:m", max_tokens=50
    )
    with use_tenant(make_tenant("bench")):
        gateway.budgets.set("bench", "tenant", "bench", "100", period="day", cause="bench")
        model = await gateway.clients.model(gateway.catalogue.get("one:m"))

        async def direct() -> None:
            await model.request(to_messages(request), settings_for(request), ModelRequestParameters())

        async def through() -> None:
            assert (await gateway.generate(request)).success

        async def stubbed(info: Any, asked: Any) -> Answer:
            return Answer("A short answer.", Usage(20, 0, 0, 5))

        async def alone() -> None:
            real, gateway.clients.complete = gateway.clients.complete, stubbed  # type: ignore[method-assign]
            try:
                await gateway.generate(request)
            finally:
                gateway.clients.complete = real  # type: ignore[method-assign]

        for call in (direct, through, alone) * 10:
            await call()
        # One after the other, so that a busy machine is equally unkind to each of them.
        turns = [(await cpu_ms(direct), await cpu_ms(through), await cpu_ms(alone)) for _ in range(calls)]
        found["direct_ms"] = statistics.median(t[0] for t in turns)
        found["gateway_ms"] = statistics.median(t[1] for t in turns)
        found["overhead_ms"] = statistics.median(t[1] - t[0] for t in turns)
        found["alone_ms"] = statistics.median(t[2] for t in turns)
        spent = []
        for _ in range(500):
            before = time.process_time()
            gateway.route(request._replace(model_preference="auto"))
            spent.append((time.process_time() - before) * 1000)
        found["route_ms"] = statistics.median(spent)
        waits = []
        for _ in range(60):
            gateway.traffic._breakers["dead"] = Breaker(BREAKING)
            before = time.perf_counter()
            answer = await gateway.generate(request._replace(model_preference="dead:m"))
            whole = time.perf_counter() - before
            assert answer.fallback_used
            before = time.perf_counter()
            await direct()
            waits.append((whole - (time.perf_counter() - before)) * 1000)
        found["failover_p50_ms"] = statistics.median(waits)
        found["failover_ms"] = sorted(waits)[int(0.95 * len(waits))]
    await gateway.close()
    database.close()
    return found


def import_seconds(module: str) -> float:
    code = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
    return statistics.median(runs)


def trained(folder: Path) -> float:
    """Milliseconds of CPU that a difficulty model adds to a decision, with one trained on made-up prompts."""
    from fairlead.gateway.routing.training import train_difficulty

    rng = random.Random(1)
    words = [f"word{n}" for n in range(4000)]
    prompts = [" ".join(rng.choices(words, k=60)) for _ in range(1500)]
    difficulty = train_difficulty(
        prompts, {m: [float(rng.random() < 0.7) for _ in prompts] for m in ("weak", "strong")}
    )
    spent = []
    for prompt in prompts[:300]:
        before = time.process_time()
        difficulty.shifts(prompt)
        spent.append((time.process_time() - before) * 1000)
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), ours.recv(), arguments.calls))
        found["difficulty_ms"] = trained(Path(folder))
    ours.send("end")
    server.join(5)
    found["import_s"] = import_seconds("fairlead.gateway")
    found["import_whole_s"] = import_seconds("fairlead.gateway.gateway")
    print(f"on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU time, medians")
    for name, value in found.items():
        bar = BARS.get(name)
        verdict = "" if bar is None else f"   bar {bar:g}   {'met' if value < bar else 'MISSED'}"
        print(f"{name:16} {value:9.3f}{verdict}")


if __name__ == "__main__":
    main()
