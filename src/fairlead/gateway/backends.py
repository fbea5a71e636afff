"""The seam to models: what a backend does, and the one that needs no provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Protocol

from fairlead.gateway.catalogue import ModelInfo
from fairlead.gateway.messages import GenerationRequest
from fairlead.gateway.prices import Usage


class Answer(NamedTuple):
    """What a model returned. ``usage`` None means that the provider did not say; ``native`` is the provider client's
    own response; ``logprobs`` those of the answer's tokens when they were returned."""

    content: str
    usage: Usage | None
    native: Any = None
    logprobs: tuple[float, ...] = ()
    finish_reason: str = ""


class AnswerStream(Protocol):
    """An answer that is coming in. Entering its context waited for the first chunk."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    def answer(self) -> Answer:
        """What has come so far; complete once iteration ended."""
        ...


class Backend(Protocol):
    """Where models are called. Errors are of the tree in :mod:`fairlead.errors`; nothing is retried inside.

    A failure after the request may have reached the provider carries ``sent=True`` in its fields, because it may have
    been billed.
    """

    async def complete(self, info: ModelInfo, request: GenerationRequest) -> Answer: ...

    def stream(self, info: ModelInfo, request: GenerationRequest) -> AbstractAsyncContextManager[AnswerStream]: ...

    def ready(self, info: ModelInfo) -> str:
        """Why this model cannot be called now, such as a missing key; empty when it can."""
        ...

    async def close(self) -> None: ...


class TextStream:
    """A whole answer handed out in pieces."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[str]:
        text = self._answer.content
        start = 0
        while start < len(text):
            end = text.find(" ", start + 40)
            end = len(text) if end < 0 else end + 1
            yield text[start:end]
            start = end

    def answer(self) -> Answer:
        return self._answer


class ExtractiveBackend:
    """``local/extractive``."""

    async def complete(self, info: ModelInfo, request: GenerationRequest) -> Answer:
        import asyncio

        from fairlead.gateway.local.extractive import generate
        from fairlead.gateway.tokens import estimate_tokens

        text = request.text()
        # Long texts take tens of milliseconds, which other tasks on the loop should not wait for.
        work = asyncio.to_thread(generate, request) if len(text) > 20_000 else None
        found = await work if work is not None else generate(request)
        usage = Usage(estimate_tokens(text), 0, 0, estimate_tokens(found.content), "estimated")
        return Answer(found.content, usage, found)

    @asynccontextmanager
    async def stream(self, info: ModelInfo, request: GenerationRequest) -> AsyncIterator[TextStream]:
        yield TextStream(await self.complete(info, request))

    def ready(self, info: ModelInfo) -> str:
        return ""

    async def close(self) -> None:
        return None
