"""What a step's function can see and do while it runs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.errors import EffectUnknownError, FairleadError, ForbiddenError, NotFoundError, StopError
from fairlead.events import Draft
from fairlead.result import StepResult
from fairlead.runtime.graph import Node
from fairlead.runtime.hooks import Moment

if TYPE_CHECKING:
    from fairlead.runtime.execution import Execution
    from fairlead.runtime.handle import RunHandle

_current: ContextVar[StepContext | None] = ContextVar("fairlead_step", default=None)
_scope: ContextVar[Scope | None] = ContextVar("fairlead_scope", default=None)


def find_step() -> StepContext | None:
    """The step that is running in this context, or None."""
    return _current.get()


def current_step() -> StepContext:
    """The step that is running in this context; :class:`NotFoundError` outside of one."""
    step = _current.get()
    if step is None:
        raise NotFoundError("no step is running here.", remedy="Call this from within a step's function.")
    return step


class Scope:
    """A step, or a part of it in progress: what its own parts are named under, and whether it is at work.

    Parts that run side by side have a scope each, so the keys of what is nested in them do not depend on which of
    them is faster, and a step counts as waiting only when none of them is at work.
    """

    __slots__ = ("children", "counts", "ended", "key", "step", "waiting")

    def __init__(self, step: StepContext, key: str) -> None:
        self.step = step
        self.key = key
        self.counts: dict[str, int] = {}
        self.children = 0
        self.waiting = 0
        self.ended = False

    @property
    def at_work(self) -> bool:
        return not (self.children or self.waiting or self.ended)

    def part_key(self, name: str, key: str | None) -> str:
        if key is not None:
            return f"{self.key}/{key}"
        count = self.counts[name] = self.counts.get(name, 0) + 1
        return f"{self.key}/{name}#{count}"

    @contextmanager
    def part(self, key: str) -> Iterator[None]:
        """Runs the block as a part of this scope."""
        child = Scope(self.step, key)
        token = _scope.set(child)
        self._move(children=1, others=1)
        try:
            yield
        finally:
            _scope.reset(token)
            others = -1 if child.at_work else 0
            child.ended = True
            self._move(children=-1, others=others)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Marks the block as waiting for somebody."""
        self._move(waiting=1)
        try:
            yield
        finally:
            self._move(waiting=-1)

    def _move(self, *, children: int = 0, waiting: int = 0, others: int = 0) -> None:
        before = self.at_work
        self.children += children
        self.waiting += waiting
        self.step.count_work(others + self.at_work - before)


class StepContext:
    """One unit of work: a step, or one item of a fan-out.

    ``key`` names it in the journal (``parse`` or ``parse[3]``); ``attempt`` counts from 1; ``item`` and ``index``
    belong to fan-outs; ``usage`` collects what is charged to it.
    """

    __slots__ = ("_root", "attempt", "beats", "execution", "index", "item", "key", "number", "usage", "working")

    def __init__(self, execution: Execution, number: int, key: str, index: int, item: Any) -> None:
        self.execution = execution
        self.number = number
        self.key = key
        self.index = index
        self.item = item
        self.attempt = 1
        self.beats = 0
        self.usage: dict[str, Any] | None = None
        self.working = 1
        self._root: Scope | None = None

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
        return self.execution.flow.values[position]

    def names(self) -> dict[str, Any]:
        """What expressions see."""
        return {"inputs": self.inputs, "steps": self.execution.flow.step_values, "item": self.item, "index": self.index}

    # ── reporting ────────────────────────────────────────────────────────────────────────────────────────────

    def heartbeat(self, **progress: Any) -> None:
        """Shows a sign of life, which restarts the idle timeout; with ``progress``, says how far it is."""
        self.beats += 1
        if progress:
            self.note("step.progressed", **progress)

    def note(self, type_: str, **data: Any) -> None:
        """Adds an event about this step to the history."""
        self.execution.ledger.note(type_, {"step": self.key, **data})

    def charge(self, **amounts: float) -> None:
        """Adds to the step's usage, for example ``cost_usd=0.002, input_tokens=812``."""
        usage = self.usage = self.usage or {}
        for name, amount in amounts.items():
            usage[name] = usage.get(name, 0) + amount

    # ── being steered ────────────────────────────────────────────────────────────────────────────────────────

    async def safe_point(self) -> None:
        """A place where the step may be held: returns at once, or after the pause ends."""
        if self.execution.held:
            with self._here().wait():
                await self.execution.wait_until_open()

    def messages(self) -> list[str]:
        """Takes the messages an operator steered the run with since the last call; each is receipted."""
        return self.execution.inbox.take(self.key)

    async def take_messages(self, key: str) -> list[str]:
        """Like :meth:`messages`, but what was taken is journaled under ``key``.

        A resumed or repeated step is given the same messages at the same place, and a message whose receipt is durable
        cannot be lost with the process.
        """
        return await self.execution.inbox.keep(self.key, self._here().part_key("", key))

    async def ask(self, question: str, *, name: str = "approval", key: str | None = None) -> Any:
        """Waits for a person's decision and returns it. The answer is journaled: it is asked once."""
        scope = self._here()
        full = scope.part_key(name, key)
        known = self.execution.ledger.kept(full)
        if known is not None:
            return known.data
        return await self.execution.ask(full, question, scope)

    # ── durable parts ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def at_top(self) -> bool:
        """Whether this is called by the step itself and not by a part of it."""
        return self._here() is self._root

    @contextmanager
    def part(self, name: str, *, key: str | None = None) -> Iterator[None]:
        """Names the parts within the block under a part of their own, which is not journaled itself."""
        scope = self._here()
        with scope.part(scope.part_key(name, key)):
            yield

    def kept(self, key: str) -> StepResult | None:
        """The journaled result of the part under ``key``, None when it has not finished.

        Raises :class:`EffectUnknownError` when nobody knows whether it has.
        """
        return self.execution.ledger.kept(self._here().part_key("", key))

    async def keep(self, name: str, value: Any, *, key: str, codec: Codec | None = None) -> Any:
        """Writes down ``value`` as how the part under ``key`` ended, whatever the journal said of it; returns it.

        For a part that was refused, or whose result was, after its hooks had a word.
        """
        full = self._here().part_key(name, key)
        data = value if codec is None else codec.dump(value)
        ledger = self.execution.ledger
        kept = await ledger.record_part(full, "sub", data, attempts=self.attempt, started=ledger.clock.now())
        return kept if codec is None else codec.load(kept)

    async def step(
        self,
        name: str,
        call: Callable[..., Any],
        /,
        *args: Any,
        key: str | None = None,
        effect: bool = False,
        kind: str = "sub",
        codec: Codec | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs ``call`` as a durable part of this step and returns its value.

        Once finished it is not done again: after a crash, or when this step is retried, the journaled value comes
        back. ``key`` is its place in the journal, unique among its siblings; without one it is ``name`` with a count in
        the order of calls, so parts that run side by side under one name need a key. ``effect`` marks a part that may
        act on the world; if it was in flight in a crash or when its step was cancelled, the run waits for a person
        (:class:`EffectUnknownError`). ``codec`` says how a value that is not plain JSON is kept. Exceptions of ``call``
        pass through and are not journaled.
        """
        scope = self._here()
        full = scope.part_key(name, key)
        known = self.execution.ledger.kept(full)
        if known is not None:
            return known.data if codec is None else codec.load(known.data)
        await self.safe_point()
        with scope.part(full):
            value = await self._carry_out(full, kind, name, call, args, kwargs, effect, codec)
        return value if codec is None else codec.load(value)

    async def _carry_out(
        self,
        key: str,
        kind: str,
        name: str,
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        effect: bool,
        codec: Codec | None,
    ) -> Any:
        """Calls a part between its hooks and writes down how it ended; returns its value as it is kept."""
        hooks = self.execution.engine.hooks
        fire = hooks.fire if hooks.placed(kind) else None
        if fire is not None:
            moment = Moment(f"{kind}.pre", name, self.run_id, self.tenant, {"args": args, "kwargs": kwargs})
            try:
                given = await fire(moment)
            except ForbiddenError as exc:
                self.note("hook.vetoed", part=key, reason=exc.fields.get("reason", exc.message))
                raise
            args, kwargs = tuple(given["args"]), dict(given["kwargs"])
        started = self.execution.clock.now()
        if effect:
            await self.execution.ledger.record_part_start(key, kind, started)
        try:
            value = call(*args, **kwargs)
            if inspect.isawaitable(value):
                value = await value
        except Exception as exc:
            if kind in ("model", "tool"):
                self.execution.ledger.note(f"{kind}.failed", {"step": self.key, "name": name, "error": _text(exc)})
            if fire is not None:
                await fire(Moment(f"{kind}.error", name, self.run_id, self.tenant, _text(exc)))
            if effect:
                await self.execution.ledger.forget_start(key)
            raise
        if fire is not None:
            value = await fire(Moment(f"{kind}.post", name, self.run_id, self.tenant, value))
        ledger = self.execution.ledger
        drafts: tuple[Draft, ...] = ()
        if kind in ("model", "tool"):
            now = ledger.clock.now()
            facts = {"step": self.key, "name": name, "seconds": round(now - started, 6)}
            drafts = (ledger.draft(f"{kind}.called", facts, now),)
        kept = value if codec is None else codec.dump(value)
        return await ledger.record_part(
            key, kind, kept, attempts=self.attempt, started=started, effect=effect, drafts=drafts
        )

    async def call(self, target: Any, /, **inputs: Any) -> Any:
        """Starts a child run, waits for it and returns its result; a failed child raises.

        While it waits, this step gives its slot to others. The child is the same run after a crash.
        """
        handle = await self.spawn(target, **inputs)
        async with self.execution.slot_lent(self):
            try:
                result = await handle.result()
            except StopError:
                await self.execution.wait_for_release()
                raise
        if not result.success:
            raise ChildFailedError(f"child run {handle.id} failed: {result.error}", run_id=handle.id)
        return result.data

    async def spawn(self, target: Any, /, **inputs: Any) -> RunHandle:
        """Starts a child run and returns its handle. It ends with its parent when that is terminated."""
        await self.safe_point()
        name = getattr(target, "name", None) or str(target)
        key = self._here().part_key(f"run:{name}", None)
        return await self.execution.spawn(key, target, inputs)

    # ── what the runtime uses ────────────────────────────────────────────────────────────────────────────────

    def _here(self) -> Scope:
        """The part of this step that is running in this context, or the step itself."""
        scope = _scope.get()
        if scope is not None and scope.step is self:
            return scope
        if self._root is None:
            self._root = Scope(self, self.key)
        return self._root

    def count_work(self, change: int) -> None:
        """Adds to the number of parts at work; at zero the whole step waits."""
        before, self.working = self.working, self.working + change
        if self.working > 0:
            if before <= 0:
                self.execution.parked -= 1
        else:
            if before > 0:
                self.execution.parked += 1
            self.execution.look_around()

    def end(self) -> None:
        """The step's function has returned: what it may have left behind counts no more."""
        if self.working <= 0:
            self.execution.parked -= 1
        self.working = 1 << 30

    def begin_attempt(self, attempt: int) -> None:
        """Starts the count of parts over, so that a retry finds what the earlier attempt finished."""
        self.attempt = attempt
        if self._root is not None:
            self._root.counts.clear()


class Codec(Protocol):
    """How the value of a part is kept: ``dump`` makes plain JSON of it, ``load`` gives it back."""

    def dump(self, value: Any) -> Any: ...

    def load(self, data: Any) -> Any: ...


class ChildFailedError(FairleadError):
    """A child run ended in an error."""

    category = "dependency"


Invoke = Callable[[StepContext], Awaitable[StepResult]]
"""What middleware wraps: one call of a step."""


def invoke_function(call: Callable[..., Any], bind: Callable[[StepContext], dict[str, Any]] | None) -> Invoke:
    """The innermost call. Plain functions run on a worker thread, so that they cannot stall the loop."""
    plain = not _is_coroutine_function(call)

    async def invoke(step: StepContext) -> StepResult:
        try:
            arguments = {} if bind is None else bind(step)
            value = await (_on_thread(call, arguments) if plain else call(**arguments))
            if plain and inspect.isawaitable(value):
                value = await value
        except EffectUnknownError:
            raise
        except Exception as exc:  # noqa: BLE001 - the fault becomes the step's result, with its category
            return StepResult.from_exception(exc)
        return value if type(value) is StepResult else StepResult(True, value)

    return invoke


async def _on_thread(call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Calls a plain function on a worker thread. A coroutine that it returns after nobody waits any more is closed."""
    returned: list[Any] = []
    left = False

    def carry_out() -> Any:
        returned.append(call(**arguments))
        if left:
            _close_coroutine(returned[0])
        return returned[0]

    try:
        return await asyncio.to_thread(carry_out)
    except asyncio.CancelledError:
        left = True
        if returned:
            _close_coroutine(returned[0])
        raise


def _close_coroutine(value: Any) -> None:
    if inspect.iscoroutine(value):
        value.close()


def _is_coroutine_function(call: Callable[..., Any]) -> bool:
    call = inspect.unwrap(call)
    while hasattr(call, "func"):
        call = call.func
    plain = inspect.isfunction(call) or inspect.ismethod(call)
    return inspect.iscoroutinefunction(call if plain else type(call).__call__)


def _text(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
