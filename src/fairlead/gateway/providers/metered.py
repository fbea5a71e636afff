"""Models that somebody brings along, with a client of their own: their requests take the gateway's path all the same.

The router has no say, because the model is chosen; budgets refuse before the request, the ledger has every attempt,
and a provider that keeps failing is left alone for a while. Retries and fallback stay with whoever brought the model,
so errors are theirs, as they were raised.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from fairlead.errors import FairleadError
from fairlead.gateway.backends import Answer
from fairlead.gateway.catalogue import ModelInfo
from fairlead.gateway.providers.clients import ClientStream, to_answer
from fairlead.gateway.providers.model import GatewayModel, call_of, priced_response

if TYPE_CHECKING:
    from pydantic_ai import RunContext

    from fairlead.gateway.gateway import Call, Gateway


def metered(gateway: Gateway, model: Model[Any]) -> Model[Any]:
    """The model, with every request of it on the gateway's path; one that is on it already is returned as it is."""
    if _is_metered(model):
        return model
    return MeteredFallback(gateway, model) if isinstance(model, FallbackModel) else MeteredModel(gateway, model)


def _is_metered(model: Model[Any]) -> bool:
    if isinstance(model, FallbackModel):
        return all(map(_is_metered, model.models))
    if isinstance(model, (GatewayModel, MeteredModel, MeteredFallback)):
        return True
    return isinstance(model, WrapperModel) and _is_metered(model.wrapped)


class MeteredModel(WrapperModel):
    """A model whose requests are budgeted and accounted for under its own name."""

    def __init__(self, gateway: Gateway, wrapped: Model[Any]) -> None:
        super().__init__(wrapped)
        self._gateway = gateway

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        call = self._call(messages, model_settings, model_request_parameters)
        settings = self._unrepeated(model_settings)
        theirs: list[Exception] = []

        async def send(info: ModelInfo) -> Answer:
            async with self._gateway.clients.translating(info):
                try:
                    return to_answer(await self.wrapped.request(messages, settings, model_request_parameters))
                except Exception as exc:
                    theirs.append(exc)
                    raise

        try:
            outcome = await self._gateway.carry(call, send)
        except FairleadError:
            if theirs:
                raise theirs[-1] from None
            raise
        return priced_response(outcome)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        call = self._call(messages, model_settings, model_request_parameters)
        settings = self._unrepeated(model_settings)
        theirs: list[Exception] = []

        @asynccontextmanager
        async def opener(info: ModelInfo) -> AsyncIterator[ClientStream]:
            opened = self.wrapped.request_stream(messages, settings, model_request_parameters, run_context)
            async with self._gateway.clients.opened(info, _noting(opened, theirs)) as response:
                yield ClientStream(response, self._gateway.clients, info)

        try:
            async with self._gateway.carry_stream(call, opener) as streaming:
                assert isinstance(streaming.stream, ClientStream)
                yield streaming.stream.native
        except FairleadError:
            if theirs:
                raise theirs[-1] from None
            raise

    def _call(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> Call:
        info = self._gateway.catalogue.brought(self.wrapped.system, self.wrapped.model_name, self.wrapped.base_url)
        most = settings or self.wrapped.settings
        return call_of(messages, most, parameters, preference=info.id)._replace(brought=True)

    def _unrepeated(self, settings: ModelSettings | None) -> ModelSettings | None:
        # A client that repeats requests by itself would spend what nobody reserved.
        return settings if self.wrapped.base_url is None else {**(settings or {}), "max_retries": 0}


class MeteredFallback(WrapperModel):
    """A chain of models, each of which is metered by itself, so that what each attempt cost is known."""

    def __init__(self, gateway: Gateway, wrapped: FallbackModel) -> None:
        super().__init__(wrapped)
        # The members' clients are opened and closed with the chain that was brought; the copy only asks.
        self._asked = copy.copy(wrapped)
        self._asked.models = [metered(gateway, model) for model in wrapped.models]

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return await self._asked.request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        opened = self._asked.request_stream(messages, model_settings, model_request_parameters, run_context)
        async with opened as response:
            yield response


@asynccontextmanager
async def _noting(context: Any, failures: list[Exception]) -> AsyncIterator[StreamedResponse]:
    """Enters a stream, and keeps what its opening raised."""
    try:
        response = await context.__aenter__()
    except Exception as exc:
        failures.append(exc)
        raise
    try:
        yield response
    except BaseException as exc:
        if not await context.__aexit__(type(exc), exc, exc.__traceback__):
            raise
    else:
        await context.__aexit__(None, None, None)
