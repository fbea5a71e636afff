"""Carrying out one run: slots, tasks, the gate, and people who are waited for.

What may run next is decided by :mod:`fairlead.runtime.dataflow`; what is written, by :mod:`fairlead.runtime.ledger`. A
step counts as finished when its journal row is durable, and only then do its dependents start. Everything here runs
on one event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fairlead.errors import EffectUnknownError, FairleadError, StateError, StopError
from fairlead.result import StepResult
from fairlead.runtime.dataflow import Dataflow, Unit, Verdict
from fairlead.runtime.inbox import Inbox
from fairlead.runtime.ledger import Ledger
from fairlead.runtime.limits import Limiter
from fairlead.runtime.outcome import Outcome, Status, result_of_row
from fairlead.runtime.plan import Plan
from fairlead.runtime.states import by_parent
from fairlead.runtime.step import Scope, StepContext, _current
from fairlead.store.codec import digest, encode, fingerprint
from fairlead.store.port import JournalRow, RunRow
from fairlead.tenancy import Tenant, adopt_tenant

if TYPE_CHECKING:
    from fairlead.runtime.engine import Runtime
    from fairlead.runtime.handle import RunHandle

_BURST = 200
"""Units started in one turn of the event loop, so that a wide graph does not hold everything else back."""


class Execution:
    """One run being carried out. Created and driven by :class:`fairlead.runtime.engine.Runtime`."""

    def __init__(
        self, engine: Runtime, run: RunRow, plan: Plan, inputs: Mapping[str, Any], journal: dict[str, JournalRow]
    ) -> None:
        self.engine = engine
        self.run = run
        self.plan = plan
        self.inputs = inputs
        self.clock = engine.clock
        self.ledger = Ledger(engine.store, engine.clock, run, journal, check_size=engine.check_size, failed=self._abort)
        self.inbox = Inbox(self.ledger)
        self.flow = Dataflow(plan, inputs, self._hear)
        self.model = run.model
        self.permission_mode = run.permission_mode
        self.held = False
        self.stopping: str | None = None
        self.done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.blocked: dict[str, dict[str, Any]] = {}
        self.tasks: dict[Unit, asyncio.Task[None]] = {}
        self.asking: dict[str, asyncio.Future[Any]] = {}
        self.parked = 0
        self.on_stall: Callable[[], None] = lambda: None
        self.on_drained: Callable[[], None] = lambda: None
        self._hashes: list[str | bytes | None] = [None] * len(plan.workflow.nodes)
        self._opened = asyncio.Event()
        self._opened.set()
        self._pumping = False
        self.draining = False
        self._slots = engine.slots_of(plan, run.tenant)
        self._input_hash = digest(run.input)
        self._tenant = Tenant(*run.tenant.split(":", 1))
        # Every unit's task starts from this context: whoever frees a slot must not lend its own to the next.
        self._context = contextvars.copy_context()
        self._context.run(adopt_tenant, self._tenant)

    # ── starting and stopping ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begins with the nodes that wait for nothing."""
        self.flow.begin()
        self._pump()

    def hold(self) -> list[str]:
        """Closes the gate: nothing new begins. Returns the keys of what is still in flight."""
        self.held = True
        self.draining = False
        self._opened.clear()
        return [self.flow.key(*unit) for unit in self.tasks]

    def release(self) -> None:
        """Opens the gate again and goes on."""
        self.reopen()
        self._pump()

    def reopen(self) -> None:
        """Opens the gate for what waits at it."""
        self.held = False
        self._opened.set()

    async def stop(self, why: str, grace: float = 5.0) -> list[str]:
        """Cancels everything in flight; returns the keys of what would not end within ``grace`` seconds."""
        self.stopping = why
        self.held = True
        self.flow.ready.clear()
        tasks = dict(self.tasks)
        for task in tasks.values():
            task.cancel(why)
        if tasks:
            await asyncio.wait(tasks.values(), timeout=grace)
        for unit, task in tasks.items():
            # A task that was cancelled before its first turn never reached its own clean-up.
            if task.done() and self.tasks.pop(unit, None) is not None:
                self._give_back(unit[0])
        return [self.flow.key(*unit) for unit, task in tasks.items() if not task.done()]

    async def drain(self, grace: float) -> None:
        """Holds, gives what is in flight ``grace`` seconds to finish, then cancels the rest."""
        draining = not self.held
        self.hold()
        self.draining = draining
        tasks = [task for task in self.tasks.values() if not task.done()]
        if tasks and grace > 0 and self.in_flight > 0:
            await asyncio.wait(tasks, timeout=grace)
        await self.stop("checkpoint")

    @property
    def in_flight(self) -> int:
        """Units that are really working: neither held at a safe point nor waiting for a person."""
        return len(self.tasks) - self.parked

    def look_around(self) -> None:
        """Nothing in some step is at work: perhaps nothing is anywhere.

        Looked at in a moment, because siblings that were started with the one that waits may not have begun yet.
        """
        self.engine.loop.call_soon(self._look_around)

    def _look_around(self) -> None:
        if not self.done.done() and self.stopping is None:
            self._check_stall()
            self._check_drained()

    async def wait_until_open(self) -> None:
        await self._opened.wait()

    # ── carrying out ─────────────────────────────────────────────────────────────────────────────────────────

    def _hear(self, number: int, verdict: Verdict, result: StepResult) -> None:
        """Dataflow decided about a node without running it."""
        if verdict == "joined" and self.ledger.store.durable:
            self._hashes[number] = fingerprint(encode(result.data))
        self.ledger.record_verdict(self.flow.key(number, -1), verdict, result)

    def _pump(self) -> None:
        """Starts ready units while there are slots, a burst at a time."""
        if self._pumping:
            return
        self._pumping = True
        started = 0
        try:
            while self.flow.ready and not self.held:
                if started >= _BURST:
                    self.engine.loop.call_soon(self._pump)
                    break
                number, k = self.flow.ready.popleft()
                if self._replay(number, k):
                    continue
                if not self._take_slot(number, k):
                    continue
                coroutine = self._carry_out(number, k)
                self.tasks[number, k] = self.engine.loop.create_task(coroutine, context=self._context.copy())
                started += 1
        finally:
            self._pumping = False
        self._check_end()

    def _take_slot(self, number: int, k: int) -> bool:
        for limiter in self._slots[number]:
            if not limiter.try_acquire():
                self._give_back(number, limiter)

                def again() -> None:
                    if not self.stopping:
                        self.flow.ready.appendleft((number, k))
                        self._pump()

                limiter.park(again)
                return False
        return True

    def _give_back(self, number: int, until: Limiter | None = None) -> None:
        for limiter in self._slots[number]:
            if limiter is until:
                return
            limiter.release()

    def _replay(self, number: int, k: int) -> bool:
        """Settles a unit from the journal when it finished before; blocks it when nobody knows how it ended."""
        key = self.flow.key(number, k)
        row = self.ledger.rows.get(key)
        if row is None:
            return False
        if row.status in ("started", "unknown"):
            self.block(key, f"step {key!r} may have acted on the world when its process died", "effect")
            return True
        if row.input_hash is not None and row.input_hash != self._hash_inputs(number, k):
            return False
        if k < 0:
            self._hashes[number] = None if row.value is None else fingerprint(row.value)
        self.flow.settle(number, k, result_of_row(row))
        return True

    async def _carry_out(self, number: int, k: int) -> None:
        """Runs one unit to its durable end."""
        try:
            await self._run_unit(number, k)
        except asyncio.CancelledError:
            if self.stopping is None and not self.done.done():
                self._abort(asyncio.CancelledError(f"step {self.flow.key(number, k)} was cancelled from outside"))
        except EffectUnknownError as exc:
            self.block(str(exc.fields["key"]), exc.message, "effect")
        except BaseException as exc:
            self._abort(exc)
            if not isinstance(exc, Exception):
                raise
        finally:
            self.tasks.pop((number, k), None)
            self._give_back(number)
            if self.held:
                self._check_drained()
            if self.flow.ready:
                self._pump()
            else:
                self._check_end()

    async def _run_unit(self, number: int, k: int) -> None:
        key = self.flow.key(number, k)
        step = StepContext(self, number, key, k, self.flow.item(number, k))
        started = self.clock.now()
        self.ledger.note("step.started", {"step": key}, started)
        if self.plan.workflow.nodes[number].effect:
            await self.ledger.record_start(key, "step", started)
        _current.set(step)
        try:
            result = await self.plan.invokes[number](step)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.stopping is not None or (task is not None and task.cancelling()):
                raise
            result = StepResult.processing_error(f"step {key!r} cancelled itself.")
        finally:
            step.end()
        try:
            data = self.ledger.settle_value(result)
        except FairleadError as exc:
            result, data = StepResult.from_exception(exc), None
        for limiter in self._slots[number]:
            limiter.observe(result.error_category)
        if step.usage is not None:
            result.metadata = {**result.metadata, "usage": step.usage}
        pending = self.ledger.record_unit(
            key,
            "item" if k >= 0 else "step",
            result,
            data,
            attempts=step.attempt,
            input_hash=self._hash_inputs(number, k) if data is not None else None,
            started=started,
        )
        if pending is not None:
            await pending
        if k < 0:
            # As a resume finds it: the row of a failed step has no value.
            self._hashes[number] = fingerprint(data) if data is not None and result.success else None
        self.flow.settle(number, k, result)

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────────────

    def _check_end(self) -> None:
        if self.done.done() or self.stopping is not None:
            return
        if self.flow.finished:
            # A paused run ends when it is resumed: nothing but a termination leads from paused to an end.
            if not self.held or self.draining:
                self.done.set_result(self.flow.outcome())
        elif self.blocked:
            self._check_stall()

    def _check_stall(self) -> None:
        """Nothing can go on before a person decides."""
        if self.blocked and not self.flow.ready and not self.flow.counting and self.in_flight == 0 and not self.held:
            self.on_stall()

    def _check_drained(self) -> None:
        if self.held and self.in_flight == 0:
            self.on_drained()

    def _abort(self, exc: BaseException) -> None:
        """The run cannot go on (the store is full or gone): stop at once, losing nothing that was acknowledged."""
        if self.done.done():
            return
        self.stopping = "abort"
        for task in self.tasks.values():
            if task is not asyncio.current_task():
                task.cancel("abort")
        if isinstance(exc, StopError):
            self.done.set_exception(exc)
        else:
            self.done.set_result(Outcome(Status.ERROR, StepResult.from_exception(exc), crashed=True))

    # ── waiting for people ───────────────────────────────────────────────────────────────────────────────────

    def block(self, key: str, reason: str, kind: str) -> None:
        self.blocked[key] = {"key": key, "kind": kind, "reason": reason}

    def unblock(self, key: str, row: JournalRow | None) -> None:
        """A person decided: ``row`` is what the journal now says, None to do it again."""
        self.blocked.pop(key, None)
        if row is None:
            self.ledger.rows.pop(key, None)
        else:
            self.ledger.rows[key] = row
        unit = self.flow.unit_of(key.partition("/")[0])
        if unit is not None:
            self.flow.ready.append(unit)
            self._pump()

    async def ask(self, key: str, question: str, scope: Scope) -> Any:
        future = self.asking[key] = self.engine.loop.create_future()
        self.block(key, question, "question")
        try:
            # A person may take a day: the step's slots go to others meanwhile.
            async with self.slot_lent(scope.step):
                with scope.wait():
                    return await future
        finally:
            self.asking.pop(key, None)
            self.blocked.pop(key, None)

    # ── what steps use ───────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def slot_lent(self, step: StepContext) -> AsyncIterator[None]:
        """Gives the step's slots to others for the block: a parent that waits for its child must not starve it."""
        limiters = self._slots[step.number]
        for limiter in limiters:
            limiter.release()
        try:
            yield
        finally:
            # Taken back without waiting: the step was admitted once, and queueing it behind others could deadlock.
            for limiter in limiters:
                limiter.used += 1

    async def wait_for_release(self) -> None:
        """When the process is letting go of its runs, waits to be cancelled with the rest of this one.

        A child that was let go first is no failure of its parent: both go on in the next process.
        """
        if self.engine.closing:
            await self.engine.loop.create_future()

    async def spawn(self, key: str, target: Any, inputs: Mapping[str, Any]) -> RunHandle:
        child = await self.engine.start(
            target,
            inputs,
            parent=self.run._replace(model=self.model, permission_mode=self.permission_mode),
            idempotency_key=f"{self.run.id}/{key}",
            cause=by_parent(self.run.id),
            tenant=self._tenant,
        )
        if self.held and child.id in self.engine.executions:
            # The pause came while the child was being stored, and has not seen it.
            with suppress(StateError):
                await child.pause(by_parent(self.run.id))
        return child

    def _hash_inputs(self, number: int, k: int) -> str:
        """What a unit was computed from, as a chain of hashes: the run's input, its dependencies' results, its item."""
        parts: list[str | bytes | None] = [self._input_hash]
        parts += [self._hashes[source] for source, _ in self.plan.shape.incoming[number]]
        if k >= 0:
            parts.append(encode(self.flow.item(number, k)))
        return digest(*parts)
