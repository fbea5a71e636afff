"""Model clients: one pydantic-ai model per entry of the catalogue, built when first used, closed with the gateway.

The SDKs' own retries are off, because retries, their waits and their cost are the gateway's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from fairlead.errors import MissingDependencyError
from fairlead.gateway.backends import Answer
from fairlead.gateway.catalogue import Catalogue, ModelInfo
from fairlead.gateway.config import ProviderSpec
from fairlead.gateway.messages import GenerationRequest
from fairlead.gateway.prices import Usage
from fairlead.gateway.providers.translate import translated

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, StreamedResponse
    from pydantic_ai.settings import ModelSettings

KEY_VARIABLES = {
    "openai": ("OPENAI_API_KEY",),
    "openai-chat": ("OPENAI_API_KEY",),
    "openai-responses": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "google-gla": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "cohere": ("CO_API_KEY",),
    "bedrock": ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"),
    "ollama": ("OLLAMA_BASE_URL",),
}
"""Where vendors' keys are looked for, for telling whether one is there. Providers that are not listed are tried."""


class ClientBackend:
    """Calls models through pydantic-ai.

    ``read_variable`` returns an environment variable or an empty string (:func:`fairlead.settings.read_variable`).
    """

    def __init__(self, catalogue: Catalogue, read_variable: Callable[[str], str]) -> None:
        self._catalogue = catalogue
        self._read_variable = read_variable
        # Clients belong to an event loop, and are forgotten with it.
        self._models: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Model[Any]]] = WeakKeyDictionary()
        self._secrets: set[str] = set()

    def ready(self, info: ModelInfo) -> str:
        spec = self._catalogue.provider_of(info)
        if spec.key_variable:
            return "" if self._read_variable(spec.key_variable) else f"{spec.key_variable} is not set"
        if spec.kind != "vendor":
            return ""
        names = KEY_VARIABLES.get(spec.name, ())
        if names and not any(map(self._read_variable, names)):
            return f"{' or '.join(names)} is not set"
        return ""

    def knows(self, info: ModelInfo) -> bool:
        """Whether the model's provider is configured, or one that pydantic-ai has a client for."""
        spec = self._catalogue.provider_of(info)
        if spec.kind != "vendor":
            return True
        from pydantic_ai.providers import infer_provider_class

        try:
            infer_provider_class(spec.name)
        except ImportError:
            # Known, and not installed: that is said, with what to install, when it is called.
            return True
        except ValueError:
            return False
        return True

    async def complete(self, info: ModelInfo, request: GenerationRequest) -> Answer:
        from pydantic_ai.models import ModelRequestParameters

        model = await self.model(info)
        response = await self.guarded(
            info, model.request(to_messages(request), settings_for(request), ModelRequestParameters())
        )
        return to_answer(response)

    @asynccontextmanager
    async def stream(self, info: ModelInfo, request: GenerationRequest) -> AsyncIterator[ClientStream]:
        from pydantic_ai.models import ModelRequestParameters

        model = await self.model(info)
        opened = model.request_stream(to_messages(request), settings_for(request), ModelRequestParameters())
        async with self.opened(info, opened) as response:
            yield ClientStream(response, self, info)

    async def guarded(self, info: ModelInfo, call: Any) -> Any:
        """Awaits a client's call and raises its failure in our tree."""
        async with self.translating(info):
            return await call

    @asynccontextmanager
    async def opened(
        self, info: ModelInfo, context: AbstractAsyncContextManager[StreamedResponse]
    ) -> AsyncIterator[StreamedResponse]:
        """Enters a client's stream. What fails on the way in is translated; what its reader raises is the reader's."""
        async with AsyncExitStack() as stack:
            async with self.translating(info):
                response = await stack.enter_async_context(context)
            yield response

    @asynccontextmanager
    async def translating(self, info: ModelInfo) -> AsyncIterator[None]:
        try:
            yield
        except Exception as exc:
            if isinstance(exc, (KeyError, TypeError, AttributeError, AssertionError)):
                # A fault of the code, here or in a client, is not a fault of the connection.
                raise
            raise translated(exc, info.id, self._secrets) from None

    async def model(self, info: ModelInfo) -> Model[Any]:
        """The client of a catalogue entry on the running event loop."""
        models = self._models.setdefault(asyncio.get_running_loop(), {})
        found = models.get(info.id)
        if found is None:
            async with self.translating(info):
                # Kept before it is entered, so that calls in parallel share one client and one is closed.
                found = models[info.id] = self._build(self._catalogue.provider_of(info), info)
                await found.__aenter__()
        return found

    async def close(self) -> None:
        """Closes the clients of the running event loop."""
        for model in self._models.pop(asyncio.get_running_loop(), {}).values():
            await model.__aexit__(None, None, None)

    def _build(self, spec: ProviderSpec, info: ModelInfo) -> Model[Any]:
        import pydantic_ai

        pydantic_ai.BANNER_ENABLED = False
        key = self._read_variable(spec.key_variable) if spec.key_variable else ""
        self._secrets |= {key} if key else set()
        self._secrets |= {v for n in KEY_VARIABLES.get(spec.name, ()) if (v := self._read_variable(n))}
        if spec.kind == "openai":
            return _compatible(spec, info, key)
        if spec.kind == "gguf":
            from fairlead.gateway.providers.gguf import serve

            return _compatible(spec._replace(base_url=serve(spec.path)), info, key)
        from pydantic_ai.models import infer_model

        return infer_model(f"{spec.name}:{info.name}")


class ClientStream:
    """A stream of a pydantic-ai model, as text."""

    def __init__(self, response: StreamedResponse, backend: ClientBackend, info: ModelInfo) -> None:
        self.native = response
        self._backend = backend
        self._info = info

    async def __aiter__(self) -> AsyncIterator[str]:
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

        async with self._backend.translating(self._info):
            async for event in self.native:
                if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart) and event.part.content:
                    yield event.part.content
                elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    yield event.delta.content_delta

    def answer(self) -> Answer:
        return to_answer(self.native.get())


def _compatible(spec: ProviderSpec, info: ModelInfo, key: str) -> Model[Any]:
    """A client for a server that speaks the OpenAI chat API."""
    try:
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai import OpenAIProvider
    except ImportError as exc:
        raise MissingDependencyError(
            f"calling {info.id} needs the openai client.", remedy="Install it: pip install 'fairlead[openai]'."
        ) from exc
    # Retries and timeouts travel with each request, so pydantic-ai's own client, which it closes itself, will do.
    provider = OpenAIProvider(base_url=spec.base_url, api_key=key or "none")
    if not (spec.local or spec.kind == "gguf"):
        return OpenAIChatModel(info.name, provider=provider)
    # Servers on one's own machine often know max_tokens only, and would go on without a limit.
    older = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
    return OpenAIChatModel(info.name, provider=provider, profile=older)


def settings_for(request: GenerationRequest) -> ModelSettings:
    """The client settings of a request. ``max_retries`` 0 turns the SDK's own retries off."""
    settings: dict[str, Any] = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "timeout": request.timeout,
        "max_retries": 0,
    }
    if request.seed is not None:
        settings["seed"] = request.seed
    if request.least_probability is not None:
        settings["openai_logprobs"] = True
    return settings  # type: ignore[return-value]


def to_messages(request: GenerationRequest) -> list[ModelMessage]:
    """A request's turns as client messages; a schema and labels are asked for in words behind the last turn."""
    from pydantic_ai.messages import ModelRequest, ModelResponse, SystemPromptPart, TextPart, UserPromptPart

    messages: list[ModelMessage] = []
    for turn in request.turns():
        if turn.role == "assistant":
            messages.append(ModelResponse(parts=[TextPart(turn.content)]))
        else:
            part = SystemPromptPart(turn.content) if turn.role == "system" else UserPromptPart(turn.content)
            messages.append(ModelRequest(parts=[part]))
    asked = _form(request)
    if asked:
        messages.append(ModelRequest(parts=[UserPromptPart(asked)]))
    return messages


def _form(request: GenerationRequest) -> str:
    if request.schema is not None:
        import json

        return f"Answer with JSON only that meets this JSON Schema: {json.dumps(request.schema)}"
    if request.labels:
        return f"Answer with one of these labels only: {', '.join(request.labels)}"
    return ""


def to_answer(response: ModelResponse) -> Answer:
    """Text, usage and log-probabilities of a client's response."""
    content = "".join(p.content for p in response.parts if p.part_kind == "text")
    details = response.provider_details or {}
    logprobs = tuple(float(entry["logprob"]) for entry in details.get("logprobs") or ())
    return Answer(content, to_usage(response), response, logprobs, str(response.finish_reason or ""))


def to_usage(response: ModelResponse) -> Usage | None:
    """Usage as the provider reported it; None when it did not."""
    usage = response.usage
    if usage.unmeasured_requests or not usage.has_values():
        return None
    return Usage(usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens)
