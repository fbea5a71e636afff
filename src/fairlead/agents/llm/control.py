"""The runtime's hand on pydantic-ai's loop: one object per run of an agent inside a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext, ToolDenied
from pydantic_ai.toolsets import AbstractToolset
from pydantic_graph import End

from fairlead.agents.llm.codecs import RESPONSE
from fairlead.agents.llm.models import JournaledModel, ResolveModel, on_the_gateway, resolve_model
from fairlead.agents.llm.places import call_key, request_key
from fairlead.agents.llm.toolset import JournaledToolset
from fairlead.errors import BudgetReachedError
from fairlead.runtime.middleware import decide_permission
from fairlead.runtime.step import StepContext

_YES = ("approve", "yes", "allow")


class Metering(AbstractCapability[Any]):
    """What an agent outside of a step has: its requests are budgeted and accounted for, and nothing else."""

    def get_ordering(self) -> CapabilityOrdering:
        return CapabilityOrdering(position="outermost")

    def get_wrapper_model(self, model: Model) -> Model:
        return on_the_gateway(model)


class StepControl(AbstractCapability[Any]):
    """Gate, steering, model change, permissions and journal for one run of an agent.

    Outermost, so that whatever else wraps a model or a tool is inside what the journal remembers.
    """

    def __init__(self, step: StepContext, name: str, resolve: ResolveModel, *, model: str | None, stream: bool) -> None:
        self.step = step
        self.name = name
        self.resolve = resolve
        self.stream = stream
        self._model_named = model
        self._changed: Model | None = None
        self._turn = 0
        self._answers = 0

    def get_ordering(self) -> CapabilityOrdering:
        return CapabilityOrdering(position="outermost")

    def get_wrapper_model(self, model: Model) -> Model:
        return JournaledModel(on_the_gateway(model), self)

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        return JournaledToolset(toolset, self)

    # ── before a model request ───────────────────────────────────────────────────────────────────────────────

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        self._turn, self._answers = ctx.run_step, 0
        if not self._is_answered(ctx.run_step):
            await self.step.safe_point()
        await self._deliver(ctx, f"steer#{ctx.run_step}", live=not self._is_answered(ctx.run_step))
        if self.step.model is not None and self.step.model != self._model_named:
            await self._change_model(self.step.model)
        if self._changed is not None:
            return replace(request_context, model=self._changed, model_id=None)
        return request_context

    async def _change_model(self, name: str) -> None:
        self._model_named = name
        try:
            self._changed = await resolve_model(self.resolve, name)
        except Exception as exc:  # noqa: BLE001 - an operator's slip is reported and must not end the run
            self.step.note("model.failed", name=name, error=f"it cannot be used, so the model stays as it was: {exc}")

    async def after_node_run(self, ctx: RunContext[Any], *, node: Any, result: Any) -> Any:
        """Whoever steers while the last answer is on its way is still heard: the run goes on for another turn."""
        if isinstance(result, End):
            await self._deliver(ctx, f"steer#{ctx.run_step}.end", live=not self._is_answered(ctx.run_step + 1))
        return result

    async def _deliver(self, ctx: RunContext[Any], key: str, *, live: bool) -> None:
        # A turn that is replayed has had its messages; new ones wait for the first turn that is not.
        if live or self.step.kept(key) is not None:
            for text in await self.step.take_messages(key):
                ctx.enqueue(text)

    def _is_answered(self, turn: int) -> bool:
        return self.step.kept(request_key(turn, 1)) is not None

    # ── a model request ──────────────────────────────────────────────────────────────────────────────────────

    async def request(
        self, model_name: str, ask: Callable[..., Awaitable[ModelResponse]], **request: Any
    ) -> ModelResponse:
        """The answer at this place in the journal, asked for when it is not there yet."""
        key = request_key(self._turn, self._answers + 1)
        replayed = self.step.kept(key) is not None
        response = await self._within_budget(key, f"model:{model_name}", ask, request)
        self._answers += 1
        self.step.heartbeat()
        # In a later attempt of the same step what is replayed has been charged; after a crash it has not.
        if not replayed or self.step.attempt == 1:
            self._charge(response)
        return response

    async def _within_budget(
        self, key: str, name: str, ask: Callable[..., Awaitable[ModelResponse]], request: dict[str, Any]
    ) -> ModelResponse:
        """Asks; where a budget says to ask a person first, waits for one, who may raise it in the meantime."""
        times = 0
        while True:
            try:
                response: ModelResponse = await self.step.step(
                    name, ask, key=key, kind="model", codec=RESPONSE, **request
                )
            except BudgetReachedError as exc:
                times += 1
                question = f"{exc.message} Try again?"
                answer = await self.step.ask(question, key=f"{key}.budget#{times}")
                if answer is not True and answer not in _YES:
                    raise
            else:
                return response

    def _charge(self, response: ModelResponse) -> None:
        usage = response.usage
        amounts = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        }
        if usage.cost is not None:
            self.step.charge(cost_usd=float(usage.cost))
        self.step.charge(requests=1, **{name: amount for name, amount in amounts.items() if amount})

    # ── permission ───────────────────────────────────────────────────────────────────────────────────────────

    async def permit(self, key: str, tool: str, permission: str) -> bool:
        """Whether a tool call may go ahead; asks a person where the permission mode says so."""
        word = decide_permission(self.step.permission_mode, permission)
        if word == "ask":
            question = f"May agent {self.name!r} call tool {tool}, which may {permission}?"
            answer = await self.step.ask(question, key=f"{key}.permission")
            return answer is True or answer in _YES
        return word == "allow"

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """Asks a person about tools that were registered as needing approval."""
        if not requests.approvals:
            return None
        results = DeferredToolResults()
        for call in requests.approvals:
            key = call_key(ctx, call.tool_name, call.tool_call_id)

            async def decide(key: str = key, call: ToolCallPart = call) -> bool:
                return await self.permit(key, f"{call.tool_name}({call.args_as_json_str()})", "execute")

            allowed = await self.step.step("approval", decide, key=f"{key}.approval")
            refusal = ToolDenied(f"A person or the permission mode refused {call.tool_name!r}.")
            results.approvals[call.tool_call_id] = True if allowed else refusal
        return results
