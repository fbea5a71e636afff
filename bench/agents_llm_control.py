"""How soon a hand on a language-model agent takes effect, and what the adapter costs.

    python bench/agents_llm_control.py

Prints JSON. The model answers after 1 ms from a script, so only Fairlead and pydantic-ai are measured. Overhead
is CPU time of one agent run (two model requests and one tool call), plain and as a journaled step of a run in SQLite.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from fairlead.agents.llm import LlmAgent
from fairlead.runtime import Runtime
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import make_tenant, use_tenant

ROUNDS = 100


@asynccontextmanager
async def opened() -> AsyncIterator[Runtime]:
    with tempfile.TemporaryDirectory() as folder, use_tenant(make_tenant("bench")):
        database = open_database(Path(folder) / "runs.db")
        runtime = await Runtime(SqlRunStore(database), owners=Path(folder) / "owners").open()
        try:
            yield runtime
        finally:
            await runtime.close()
            database.close()


async def endless(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    await asyncio.sleep(0.001)
    return ModelResponse(parts=[ToolCallPart("tick", {})])


async def stuck(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    await asyncio.sleep(600)
    raise AssertionError("not reached")


async def short(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    if any(isinstance(message, ModelResponse) for message in messages):
        return ModelResponse(parts=[TextPart("done")])
    return ModelResponse(parts=[ToolCallPart("tick", {})])


async def tick() -> str:
    return "tick"


def spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 3),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 3),
    }


async def pauses() -> dict[str, float]:
    """From the request until nothing of the agent is in flight; includes what was left of a 1 ms answer."""
    async with opened() as runtime:
        from pydantic_ai.usage import UsageLimits

        agent = LlmAgent.build("a", model=FunctionModel(endless), tools=[tick], limits=UsageLimits(request_limit=None))
        run = await runtime.start(agent, {"prompt": "go"})
        times = []
        for _ in range(ROUNDS):
            await asyncio.sleep(0.01)
            begin = time.perf_counter()
            await run.pause()
            while runtime.executions[run.id].in_flight:  # noqa: ASYNC110 - polled so that nothing is added to the path
                await asyncio.sleep(0)
            times.append(time.perf_counter() - begin)
            await run.resume()
        await run.terminate()
    return spread(times)


async def terminations() -> dict[str, float]:
    """From the request until the run is terminated in the store and its model request is cancelled."""
    times = []
    async with opened() as runtime:
        agent = LlmAgent.build("a", model=FunctionModel(stuck))
        for _ in range(ROUNDS):
            run = await runtime.start(agent, {"prompt": "go"})
            await asyncio.sleep(0.01)
            begin = time.perf_counter()
            await run.terminate()
            times.append(time.perf_counter() - begin)
    return spread(times)


async def cpu_of(runs: Callable[[LlmAgent], object]) -> float:
    agent = LlmAgent.build("a", model=FunctionModel(short), tools=[tick])
    samples = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        await runs(agent)  # type: ignore[misc]
        samples.append(time.process_time() - begin)
    return round(statistics.median(samples) * 1000, 3)


async def main() -> None:
    async with opened() as runtime:

        async def plain(agent: LlmAgent) -> None:
            await agent("go")

        async def journaled(agent: LlmAgent) -> None:
            await (await runtime.start(agent, {"prompt": "go"})).result()

        figures = {
            "pause": await pauses(),
            "terminate": await terminations(),
            "cpu_ms_per_agent_run": {"pydantic-ai": await cpu_of(plain), "journaled": await cpu_of(journaled)},
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
