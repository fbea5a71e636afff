"""Models: how names become models, and the wrapper that journals what a model answers."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from fairlead.gateway.present import present_gateway

if TYPE_CHECKING:
    from fairlead.agents.llm.control import StepControl

ResolveModel = Callable[[str], Model | Awaitable[Model]]
"""Model name -> model; raises NotFoundError or the like for a name that it does not know."""


def resolve_by_name(name: str) -> Model:
    """The model of a ``provider:model`` name, with the provider's default client.

    The client's own retries are switched off: the runtime retries, and must be the only one to do so.
    """
    model = infer_model(name)
    client = getattr(model, "client", None)
    if client is not None and hasattr(client, "max_retries"):
        client.max_retries = 0
    return model


def resolve_by_gateway(name: str) -> Model:
    """The model of a name, asked through the gateway in force; through a client of its own where there is none."""
    gateway = present_gateway()
    if gateway is None:
        return resolve_by_name(name)
    from fairlead.gateway.providers.model import gateway_model

    return gateway_model(gateway, name)


async def resolve_model(resolve: ResolveModel, name: str) -> Model:
    model = resolve(name)
    return await model if inspect.isawaitable(model) else model


def on_the_gateway(model: Model) -> Model:
    """The model with its requests budgeted and accounted for, whoever made it; as it is where no gateway is in
    force."""
    gateway = present_gateway()
    if gateway is None:
        return model
    from fairlead.gateway.providers.metered import metered

    return metered(gateway, model)


class JournaledModel(WrapperModel):
    """Asks the wrapped model once for each place in the journal, and the journal after that.

    A request's place is its turn in the agent's run, and among the answers of one turn their order, so it stays the
    same when the model was changed in between or another one stood in for it.
    """

    def __init__(self, wrapped: Model, control: StepControl) -> None:
        super().__init__(wrapped)
        self.control = control

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        ask = self._ask_streaming if self.control.stream else self.wrapped.request
        return await self._journaled(ask, messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        # The journal holds whole answers, so whoever listens is shown the pieces of a whole one.
        response = await self._journaled(self._ask_streaming, messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(response, model_request_parameters=model_request_parameters, replay_events=True)

    async def _ask_streaming(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        async with self.wrapped.request_stream(messages, model_settings, model_request_parameters) as stream:
            async for _ in stream:
                self.control.step.heartbeat()
            return stream.get()

    async def _journaled(
        self,
        ask: Callable[..., Awaitable[ModelResponse]],
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        # Named for the hooks that read them; models name their parameters as they like.
        async def send(
            messages: list[ModelMessage],
            model_settings: ModelSettings | None,
            model_request_parameters: ModelRequestParameters,
        ) -> ModelResponse:
            return await ask(messages, model_settings, model_request_parameters)

        return await self.control.request(
            self.wrapped.model_name,
            send,
            messages=messages,
            model_settings=model_settings,
            model_request_parameters=model_request_parameters,
        )
