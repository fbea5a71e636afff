"""A runtime over a real store, and models that answer from a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pydantic_ai.models
import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from fairlead.runtime import Runtime
from fairlead.store import open_database
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import make_tenant, use_tenant

Opened = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture(autouse=True)
def _no_model_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", False)
    yield


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Opens a runtime over the same store each time it is called."""

    @asynccontextmanager
    async def make(**options: Any) -> AsyncIterator[Runtime]:
        database = open_database(tmp_path / "runs.db")
        runtime = await Runtime(SqlRunStore(database), owners=tmp_path / "owners", **options).open()
        try:
            with use_tenant(make_tenant("test")):
                yield runtime
        finally:
            await runtime.close()
            database.close()

    return make


class Script:
    """A model that answers turn by turn: text, a call ``("tool", {args})``, a list of calls, or an exception to raise.

    ``asked`` keeps the messages of every request that really reached it.
    """

    def __init__(self, *turns: Any, name: str = "script", delay: float = 0.0) -> None:
        self.turns = turns
        self.delay = delay
        self.asked: list[list[ModelMessage]] = []
        self.arrived = asyncio.Event()
        self.model = FunctionModel(self._answer, model_name=name)

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked.append(messages)
        self.arrived.set()
        await asyncio.sleep(self.delay)
        turn = self.turns[sum(isinstance(message, ModelResponse) for message in messages)]
        if isinstance(turn, Exception):
            raise turn
        if isinstance(turn, str):
            return ModelResponse(parts=[TextPart(turn)])
        calls = turn if isinstance(turn, list) else [turn]
        parts: list[ModelResponsePart] = [ToolCallPart(name, args) for name, args in calls]
        return ModelResponse(parts=parts)

    def texts(self, request: int = -1) -> str:
        """All that a request said, for looking for words in it."""
        return repr(self.asked[request])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def crash(runtime: Runtime, run_id: str) -> None:
    """Lets a run go without the orderly part, as if its process had died."""
    await runtime.executions[run_id].stop("crash")
    runtime.executions.pop(run_id)
    await runtime.store.update(run_id, owner=None)


async def event_types(runtime: Runtime, run_id: str) -> list[str]:
    return [event.type for event in await runtime.store.events(subject=run_id)]
