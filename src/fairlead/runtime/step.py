"""What a step's function can see and do while it runs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fairlead.errors import EffectUnknownError, FairleadError, NotFoundError
from fairlead.result import StepResult
from fairlead.runtime.graph import Node
from fairlead.runtime.hooks import Moment

if TYPE_CHECKING:
    from fairlead.runtime.execution import Execution
    from fairlead.runtime.handle import RunHandle

_current: ContextVar[StepContext | None] = ContextVar("fairlead_step", default=None)


def current_step() -> StepContext:
    """The step that is running in this context; :class:`NotFoundError` outside of one."""
    step = _current.get()
    if step is None:
        raise NotFoundError("no step is running here.", remedy="Call this from within a step's function.")
    return step


class StepContext:
    """One unit of work: a step, or one item of a fan-out.

    ``key`` names it in the journal (``parse`` or ``parse[3]``); ``attempt`` counts from 1; ``item`` and ``index``
    belong to fan-outs; ``usage`` collects what is charged to it.
    """

    __slots__ = ("_counts", "attempt", "beats", "execution", "index", "item", "key", "number", "usage")

    def __init__(self, execution: Execution, number: int, key: str, index: int, item: Any) -> None:
        self.execution = execution
        self.number = number
        self.key = key
        self.index = index
        self.item = item
        self.attempt = 1
        self.beats = 0
        self.usage: dict[str, Any] | None = None
        self._counts: dict[str, int] | None = None

    # ── seeing ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def run_id(self) -> str:
        return self.execution.run.id

    @property
    def node(self) -> Node:
        return self.execution.plan.workflow.nodes[self.number]

    @property
    def tenant(self) -> str:
        return self.execution.run.tenant

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self.execution.inputs

    @property
    def model(self) -> str | None:
        """The model that the run was told to use, or None; may change between requests."""
        return self.execution.model

    @property
    def permission_mode(self) -> str:
        return self.execution.permission_mode

    def value_at(self, position: int) -> Any:
        return self.execution.values[position]

    def names(self) -> dict[str, Any]:
        """What expressions see."""
        return {"inputs": self.inputs, "steps": self.execution.step_values, "item": self.item, "index": self.index}

    # ── reporting ────────────────────────────────────────────────────────────────────────────────────────────

    def heartbeat(self, **progress: Any) -> None:
        """Shows a sign of life, which restarts the idle timeout; with ``progress``, says how far it is."""
        self.beats += 1
        if progress:
            self.note("step.progressed", **progress)

    def note(self, type_: str, **data: Any) -> None:
        """Adds an event about this step to the history."""
        self.execution.note(type_, {"step": self.key, **data})

    def charge(self, **amounts: float) -> None:
        """Adds to the step's usage, for example ``cost_usd=0.002, input_tokens=812``."""
        usage = self.usage = self.usage or {}
        for name, amount in amounts.items():
            usage[name] = usage.get(name, 0) + amount

    # ── being steered ────────────────────────────────────────────────────────────────────────────────────────

    async def safe_point(self) -> None:
        """A place where the step may be held: returns at once, or after the pause ends."""
        if self.execution.held:
            await self.execution.wait_until_open()

    def messages(self) -> list[str]:
        """Takes the messages an operator steered the run with since the last call; each is receipted."""
        return self.execution.take_messages(self.key)

    async def ask(self, question: str, *, name: str = "approval") -> Any:
        """Waits for a person's decision and returns it. The answer is journaled: it is asked once."""
        key = self._sub_key(name)
        known = self.execution.journaled(key)
        if known is not None:
            return known.data
        return await self.execution.ask(key, question)

    # ── durable parts ────────────────────────────────────────────────────────────────────────────────────────

    async def step(
        self,
        name: str,
        call: Callable[..., Any],
        /,
        *args: Any,
        effect: bool = False,
        kind: str = "sub",
        **kwargs: Any,
    ) -> Any:
        """Runs ``call`` as a durable part of this step and returns its value.

        Once finished it is not done again: after a crash, or when this step is retried, the journaled value comes
        back. ``effect`` marks a part that may act on the world; if it was in flight in a crash, the run waits for a
        person (:class:`EffectUnknownError`). Exceptions of ``call`` pass through and are not journaled.
        """
        key = self._sub_key(name)
        known = self.execution.journaled(key)
        if known is not None:
            return known.data
        await self.safe_point()
        fire = self.execution.engine.hooks.fire if self.execution.engine.hooks.placed(kind) else None
        if fire is not None:
            moment = Moment(f"{kind}.pre", name, self.run_id, self.tenant, {"args": args, "kwargs": kwargs})
            given = await fire(moment)
            args, kwargs = tuple(given["args"]), dict(given["kwargs"])
        started = self.execution.clock.now()
        if effect:
            await self.execution.record_start(key, kind, started)
        try:
            value = call(*args, **kwargs)
            if inspect.isawaitable(value):
                value = await value
        except Exception as exc:
            if kind in ("model", "tool"):
                self.execution.note(f"{kind}.failed", {"step": self.key, "name": name, "error": _text(exc)})
            if fire is not None:
                await fire(Moment(f"{kind}.error", name, self.run_id, self.tenant, _text(exc)))
            if effect:
                await self.execution.forget_start(key)
            raise
        if fire is not None:
            value = await fire(Moment(f"{kind}.post", name, self.run_id, self.tenant, value))
        return await self.execution.record_part(self, key, kind, name, started, value)

    async def call(self, target: Any, /, **inputs: Any) -> Any:
        """Starts a child run, waits for it and returns its result; a failed child raises.

        While it waits, this step gives its slot to others. The child is the same run after a crash.
        """
        handle = await self.spawn(target, **inputs)
        async with self.execution.slot_lent(self):
            result = await handle.result()
        if not result.success:
            raise ChildFailedError(f"child run {handle.id} failed: {result.error}", run_id=handle.id)
        return result.data

    async def spawn(self, target: Any, /, **inputs: Any) -> RunHandle:
        """Starts a child run and returns its handle. It ends with its parent when that is terminated."""
        name = getattr(target, "name", None) or str(target)
        key = self._sub_key(f"run:{name}")
        return await self.execution.spawn(key, target, inputs)

    def _sub_key(self, name: str) -> str:
        counts = self._counts = self._counts or {}
        count = counts[name] = counts.get(name, 0) + 1
        return f"{self.key}/{name}#{count}"

    def begin_attempt(self, attempt: int) -> None:
        """Starts the count of parts over, so that a retry finds what the earlier attempt finished."""
        self.attempt = attempt
        self._counts = None


class ChildFailedError(FairleadError):
    """A child run ended in an error."""

    category = "dependency"


Invoke = Callable[[StepContext], Awaitable[StepResult]]
"""What middleware wraps: one call of a step."""


def invoke_function(call: Callable[..., Any], bind: Callable[[StepContext], dict[str, Any]] | None) -> Invoke:
    """The innermost call. Plain functions run on a worker thread, so that they cannot stall the loop."""
    if _is_coroutine_function(call):

        async def run(step: StepContext) -> Any:
            return await (call() if bind is None else call(**bind(step)))

    else:

        async def run(step: StepContext) -> Any:
            arguments = {} if bind is None else bind(step)
            value = await asyncio.to_thread(call, **arguments)
            return await value if inspect.isawaitable(value) else value

    async def invoke(step: StepContext) -> StepResult:
        try:
            value = await run(step)
        except EffectUnknownError:
            raise
        except Exception as exc:  # noqa: BLE001 - the fault becomes the step's result, with its category
            return StepResult.from_exception(exc)
        return value if type(value) is StepResult else StepResult(True, value)

    return invoke


def _is_coroutine_function(call: Callable[..., Any]) -> bool:
    call = inspect.unwrap(call)
    while hasattr(call, "func"):
        call = call.func
    plain = inspect.isfunction(call) or inspect.ismethod(call)
    return inspect.iscoroutinefunction(call if plain else type(call).__call__)


def _text(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
