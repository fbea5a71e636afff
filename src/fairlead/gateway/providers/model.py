"""A pydantic-ai model that is the gateway: give it to an agent, and every request of that agent is routed, budgeted
and accounted for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from fairlead.errors import RefusedError
from fairlead.gateway.backends import Answer
from fairlead.gateway.catalogue import EXTRACTIVE, ModelInfo
from fairlead.gateway.local.extractive import infer_task
from fairlead.gateway.messages import GenerationRequest, Message
from fairlead.gateway.prices import NANO
from fairlead.gateway.providers.clients import ClientStream, to_answer

if TYPE_CHECKING:
    from pydantic_ai import RunContext

    from fairlead.gateway.carrier import Outcome
    from fairlead.gateway.gateway import Call, Gateway


class GatewayModel(Model[Any]):
    """Requests of an agent, taken down the gateway's path.

    ``preference`` is a model's id or ``auto``. Refusals and provider failures raise the errors of
    :mod:`fairlead.errors`, after retries and fallback.
    """

    def __init__(self, gateway: Gateway, preference: str = "auto", *, task_type: str = "") -> None:
        super().__init__()
        self._gateway = gateway
        self._preference = preference
        self._task_type = task_type

    @property
    def model_name(self) -> str:
        return self._preference

    @property
    def system(self) -> str:
        return "fairlead"

    @property
    def provider(self) -> None:
        return None

    def prepare_request(
        self, model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        # Which model answers is not known yet; each one prepares the request by its own profile.
        return model_settings, model_request_parameters

    def prepare_messages(
        self, messages: list[ModelMessage], model_request_parameters: ModelRequestParameters | None = None
    ) -> list[ModelMessage]:
        return messages

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        return priced_response(await self.carry(messages, model_settings, model_request_parameters))

    async def carry(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> Outcome:
        """:meth:`request`, with the model that answered and every attempt's cost."""
        call = self._call(messages, model_settings, model_request_parameters)
        settings: ModelSettings = {**(model_settings or {}), "max_retries": 0}

        async def send(info: ModelInfo) -> Answer:
            if info.id == EXTRACTIVE:
                return await self._extract(info, messages, call, model_request_parameters)
            clients = self._gateway.clients
            model = await clients.model(info)
            prepared = model.prepare_messages(messages, model_request_parameters)
            response = await clients.guarded(info, model.request(prepared, settings, model_request_parameters))
            return to_answer(response)

        return await self._gateway.carry(call, send)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        call = self._call(messages, model_settings, model_request_parameters)
        settings: ModelSettings = {**(model_settings or {}), "max_retries": 0}

        @asynccontextmanager
        async def opener(info: ModelInfo) -> AsyncIterator[ClientStream]:
            clients = self._gateway.clients
            if info.id == EXTRACTIVE:
                answer = await self._extract(info, messages, call, model_request_parameters)
                whole = CompletedStreamedResponse(
                    answer.native, model_request_parameters=model_request_parameters, replay_events=True
                )
                yield ClientStream(whole, clients, info)
                return
            model = await clients.model(info)
            prepared = model.prepare_messages(messages, model_request_parameters)
            opened = model.request_stream(prepared, settings, model_request_parameters, run_context)
            async with clients.opened(info, opened) as response:
                yield ClientStream(response, clients, info)

        async with self._gateway.carry_stream(call, opener) as streaming:
            assert isinstance(streaming.stream, ClientStream)
            yield streaming.stream.native

    def _call(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> Call:
        # What picks sentences does not stand in for a model that an agent was given by name.
        task_type = self._task_type or ("" if self._preference in ("auto", EXTRACTIVE) else "agent")
        return call_of(messages, settings, parameters, preference=self._preference, task_type=task_type)

    async def _extract(
        self, info: ModelInfo, messages: list[ModelMessage], call: Call, parameters: ModelRequestParameters
    ) -> Answer:
        if parameters.function_tools or parameters.output_tools:
            raise RefusedError(
                "local/extractive cannot use tools or fill a structured output.",
                remedy="Configure a provider or a local server, or give the agent another model.",
                model=info.id,
            )
        system = _instructions(messages, parameters)
        request = GenerationRequest(
            prompt=call.prompt,
            task_type=call.task_type,
            max_tokens=call.max_tokens,
            messages=(Message("system", system),) if system else (),
        )
        answer = await self._gateway.backend(info).complete(info, request)
        usage = answer.usage
        assert usage is not None
        native = ModelResponse(
            parts=[TextPart(answer.content)],
            usage=RequestUsage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens),
            model_name=info.id,
            provider_name="local",
        )
        return answer._replace(native=native)


def gateway_model(gateway: Gateway, name: str) -> Model[Any]:
    """The model of a name: ``auto``, an id of the catalogue, or any ``provider:model``.

    Raises :class:`NotFoundError` for a name that nothing could answer to, and :class:`RefusedError` when it cannot be
    called here (its key is missing) and no other configured model could stand in.
    """
    if name == "test":
        # pydantic-ai's own, which answers without a request to anybody.
        return infer_model(name)
    if name != "auto":
        gateway.require(name)
    return GatewayModel(gateway, name)


def call_of(
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
    *,
    preference: str,
    task_type: str = "",
) -> Call:
    """What the router and the budgets must know of an agent's request."""
    from fairlead.gateway.gateway import Call

    tools = [*parameters.function_tools, *parameters.output_tools]
    offered = (f"{t.name} {t.description or ''} {t.parameters_json_schema}" for t in tools)
    prompt = _last_prompt(messages)
    return Call(
        prompt=prompt,
        text="\n".join([*map(_text_of, messages), *offered]),
        task_type=task_type or infer_task(prompt),
        max_tokens=int((settings or {}).get("max_tokens") or 1000),
        needs=frozenset({"tools"}) if tools else frozenset(),
        preference=preference,
    )


def priced_response(outcome: Outcome) -> ModelResponse:
    """The answer as the client gave it, with what all attempts at it cost together, where that is known."""
    native: ModelResponse = outcome.answer.native
    costs = [attempt.cost_nano for attempt in outcome.attempts]
    known = [cost for cost in costs if cost is not None]
    native.usage.cost = Decimal(sum(known)) / NANO if len(known) == len(costs) else None
    return native


def _text_of(message: ModelMessage) -> str:
    """The text of a message, for counting; parts without text count by their representation."""
    pieces = [message.instructions or ""] if isinstance(message, ModelRequest) else []
    for part in message.parts:
        content = getattr(part, "content", None)
        if isinstance(content, str):
            pieces.append(content)
        elif content is not None:
            pieces.append(str(content))
        elif hasattr(part, "args"):
            pieces.append(f"{getattr(part, 'tool_name', '')} {part.args}")
    return "\n".join(p for p in pieces if p)


def _last_prompt(messages: list[ModelMessage]) -> str:
    for message in reversed(messages):
        for part in reversed(message.parts):
            if part.part_kind == "user-prompt":
                content = part.content
                return content if isinstance(content, str) else "\n".join(c for c in content if isinstance(c, str))
    return _text_of(messages[-1]) if messages else ""


def _instructions(messages: list[ModelMessage], parameters: ModelRequestParameters) -> str:
    found = [m.instructions for m in messages if isinstance(m, ModelRequest) and m.instructions]
    return found[-1] if found else ""
