"""The processes that are killed: an agent of six model calls and six tool calls, each appending a line to a file.

Reads folders from standard input and forks a process for each, so that the imports are paid for once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from fairlead.agents.llm import LlmAgent, llm_tool
from fairlead.runtime import RunHandle, Runtime
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import make_tenant, use_tenant

TURNS = 6


def append(path: Path, line: str) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())
        os.fsync(file.fileno())


def make_agent(folder: Path) -> LlmAgent:
    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        turn = sum(isinstance(message, ModelResponse) for message in messages)
        append(folder / "asked.txt", str(turn))
        await asyncio.sleep(0.004)
        if turn == TURNS - 1:
            return ModelResponse(parts=[TextPart("finished")])
        # Turns call one tool, but the second calls two side by side: six calls in all.
        calls = [("mark", turn)] if turn != 1 else [("mark", turn), ("send", turn)]
        if turn == 3:
            calls = [("send", turn)]
        return ModelResponse(parts=[ToolCallPart(name, {"number": number}) for name, number in calls])

    async def mark(number: int) -> str:
        append(folder / "begun.txt", f"mark {number}")
        await asyncio.sleep(0.004)
        append(folder / "done.txt", f"mark {number}")
        return f"marked {number}"

    async def send(number: int) -> str:
        append(folder / "begun.txt", f"send {number}")
        await asyncio.sleep(0.03)
        append(folder / "done.txt", f"send {number}")
        return f"sent {number}"

    return LlmAgent.build("marker", model=FunctionModel(answer), tools=[mark, llm_tool(send, effect=True)])


async def main(folder: Path) -> None:
    database = open_database(folder / "runs.db")
    runtime = await Runtime(SqlRunStore(database), owners=folder / "owners").open()
    agent = make_agent(folder)
    with use_tenant(make_tenant("test")):
        runtime.register(agent.as_workflow())
        tell("open")
        handles, _ = await runtime.recover()
        paused = await runtime.store.find(tenant=None, states=("paused",))
        if handles:
            handle = handles[0]
        elif paused:
            handle = RunHandle(runtime, paused[0].id)
        else:
            handle = await runtime.start(agent, {"prompt": "go"}, idempotency_key="the only one")
        while not (await handle.state()).finished:
            await asyncio.sleep(0.005)
            run = await runtime.require(handle.id)
            if run.waiting_for:
                append(folder / "blocked.txt", run.waiting_for)
                break
        else:
            append(folder / "result.txt", str((await handle.result()).data))
    await runtime.close()
    database.close()


def serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Whatever is built at first use is built here, and not in every process again.
        asyncio.run(make_agent(Path(folder))("warm up"))
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(main(Path(line.strip())))
            os._exit(0)
        tell(f"pid {pid}")
        _, status = os.waitpid(pid, 0)
        tell(f"ended {os.waitstatus_to_exitcode(status)}")


def tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    serve()
