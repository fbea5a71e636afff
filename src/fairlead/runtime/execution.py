"""The dataflow scheduler: one object per run in progress.

A node starts the moment its own dependencies are done; there are no levels. A step counts as finished when its journal
row is durable, and only then do its dependents start. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fairlead.errors import EffectUnknownError, FairleadError, StopError
from fairlead.events import Draft, draft
from fairlead.result import StepResult
from fairlead.runtime.binding import StepValues
from fairlead.runtime.fanout import FanOut, join_results
from fairlead.runtime.limits import Limiter
from fairlead.runtime.outcome import Outcome, Status, edge_refusal, outcome_of, result_of_row, row_of_result
from fairlead.runtime.plan import Plan
from fairlead.runtime.step import Scope, StepContext, _current
from fairlead.store.codec import PAYLOAD_VERSION, digest, encode, settle, settle_volatile
from fairlead.store.port import JournalRow, RunRow
from fairlead.tenancy import Tenant, adopt_tenant

if TYPE_CHECKING:
    from fairlead.runtime.engine import Runtime
    from fairlead.runtime.handle import RunHandle

_BURST = 200
"""Units started in one turn of the event loop, so that a wide graph does not hold everything else back."""

Unit = tuple[int, int]
"""A node's position and the index of an item, -1 for a plain step."""


class Execution:
    """One run being carried out. Created and driven by :class:`fairlead.runtime.engine.Runtime`."""

    def __init__(
        self, engine: Runtime, run: RunRow, plan: Plan, inputs: Mapping[str, Any], journal: dict[str, JournalRow]
    ) -> None:
        nodes = plan.workflow.nodes
        self.engine = engine
        self.run = run
        self.plan = plan
        self.inputs = inputs
        self.journal = journal
        self.store = engine.store
        self.clock = engine.clock
        self.model = run.model
        self.permission_mode = run.permission_mode
        self.cause = run.cause
        self.values: list[Any] = [None] * len(nodes)
        self.step_values = StepValues(plan.shape.position, self.values)
        self.results: list[StepResult | None] = [None] * len(nodes)
        self.held = False
        self.stopping: str | None = None
        self.done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.blocked: dict[str, dict[str, Any]] = {}
        self.tasks: dict[Unit, asyncio.Task[None]] = {}
        self.asking: dict[str, asyncio.Future[Any]] = {}
        self.parked = 0
        self.on_stall: Callable[[], None] = lambda: None
        self.on_drained: Callable[[], None] = lambda: None
        self._hashes: list[str | None] = [None] * len(nodes)
        self._waiting = [len(edges) for edges in plan.shape.incoming]
        self._ready: deque[Unit] = deque()
        self._fans: dict[int, FanOut] = {}
        self._unsettled = len(nodes)
        self._newly_settled: deque[int] = deque()
        self._counting = False
        self._opened = asyncio.Event()
        self._opened.set()
        self._pumping = False
        self._limits: dict[str | None, tuple[Limiter, ...]] = {}
        self._messages: deque[tuple[str, str]] = deque()
        self._message_ids: set[str] = set()
        self._input_hash = digest(run.input)
        self._tenant = Tenant(*run.tenant.split(":", 1))
        # Every unit's task starts from this context: whoever frees a slot must not lend its own to the next.
        self._context = contextvars.copy_context()
        self._context.run(adopt_tenant, self._tenant)

    # ── starting and stopping ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begins with the nodes that wait for nothing."""
        for number in self.plan.shape.order:
            if not self.plan.shape.incoming[number] and self.results[number] is None:
                self._arrive(number)
        self._pump()

    def hold(self) -> list[str]:
        """Closes the gate: nothing new begins. Returns the keys of what is still in flight."""
        self.held = True
        self._opened.clear()
        return [self._key(*unit) for unit in self.tasks]

    def release(self) -> None:
        """Opens the gate again."""
        self.held = False
        self._opened.set()
        self._pump()

    async def stop(self, why: str, grace: float = 5.0) -> list[str]:
        """Cancels everything in flight; returns the keys of what would not end within ``grace`` seconds."""
        self.stopping = why
        self.held = True
        self._ready.clear()
        tasks = dict(self.tasks)
        for task in tasks.values():
            task.cancel(why)
        if tasks:
            await asyncio.wait(tasks.values(), timeout=grace)
        for unit, task in tasks.items():
            # A task that was cancelled before its first turn never reached its own clean-up.
            if task.done() and self.tasks.pop(unit, None) is not None:
                self._give_back(unit[0])
        return [self._key(*unit) for unit, task in tasks.items() if not task.done()]

    async def drain(self, grace: float) -> None:
        """Holds, gives what is in flight ``grace`` seconds to finish, then cancels the rest."""
        self.hold()
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

    # ── the dataflow ─────────────────────────────────────────────────────────────────────────────────────────

    def _arrive(self, number: int) -> None:
        """All dependencies of a node are settled: skip it, expand it, or make it ready."""
        node = self.plan.workflow.nodes[number]
        reason = edge_refusal(self.plan, self.results, number)
        if reason is None and (when := self.plan.whens[number]) is not None:
            try:
                if not when(self._names()):
                    reason = f"its condition {node.when!r} is false"
            except FairleadError as exc:
                self._conclude(number, StepResult.from_exception(exc))
                return
        if reason is not None:
            self._skip(number, reason)
        elif self.plan.foreachs[number] is not None:
            self._expand(number)
        elif node.each_of is not None:
            self._open_follower(number)
        else:
            self._ready.append((number, -1))

    def _names(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "steps": self.step_values}

    def _fan(self, number: int) -> FanOut:
        return self._fans.setdefault(number, FanOut())

    def _expand(self, number: int) -> None:
        evaluate = self.plan.foreachs[number]
        assert evaluate is not None
        try:
            items = evaluate(self._names())
        except FairleadError as exc:
            self._conclude(number, StepResult.from_exception(exc))
            return
        if not isinstance(items, list):
            error = (
                f"foreach of step {self.plan.workflow.nodes[number].name!r} gives {type(items).__name__}, not a list."
            )
            self._conclude(number, StepResult.bad_request(error))
            return
        if f"{self._key(number, -1)}" not in self.journal:
            self.note("step.expanded", {"step": self._key(number, -1), "items": len(items)})
        self._size(number, items)
        self._fan(number).opened = True
        self._ready.extend((number, k) for k in range(len(items)))
        self._close_if_empty(number)

    def _size(self, number: int, items: list[Any]) -> None:
        """Tells a fan-out, and every one that follows it, how many items there are."""
        fan = self._fan(number)
        fan.expand(items)
        for follower in self.plan.shape.followers[number]:
            if self.results[follower] is None:
                self._size(follower, [None] * len(items))
                self._close_if_empty(follower)

    def _open_follower(self, number: int) -> None:
        fan = self._fan(number)
        fan.opened = True
        source = self.plan.shape.position[self.plan.workflow.nodes[number].each_of or ""]
        if self.results[source] is not None and not fan.sized:
            # The source ended without items: it was skipped, or failed before it had any.
            reason = edge_refusal(self.plan, self.results, number, source) or "the step it follows has no items"
            self._skip(number, reason)
            return
        for k, settled in fan.offered():
            self._offer(number, k, settled)
        self._close_if_empty(number)

    def _close_if_empty(self, number: int) -> None:
        fan = self._fans[number]
        if fan.sized and fan.opened and fan.remaining == 0 and self.results[number] is None:
            self._conclude_fan(number)

    def _offer(self, number: int, k: int, settled: StepResult) -> None:
        """An item of the followed step is settled: its own item here becomes ready, or is skipped."""
        if settled.success and not settled.skipped:
            self._fans[number].items[k] = settled.data
            self._ready.append((number, k))
        else:
            reason = f"item {k} of {self.plan.workflow.nodes[number].each_of!r} did not succeed"
            self._settle_item(number, k, StepResult.skip(reason))

    def _pump(self) -> None:
        """Starts ready units while there are slots, a burst at a time."""
        if self._pumping:
            return
        self._pumping = True
        started = 0
        try:
            while self._ready and not self.held:
                if started >= _BURST:
                    self.engine.loop.call_soon(self._pump)
                    break
                number, k = self._ready.popleft()
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
        for limiter in self._limiters(number):
            if not limiter.try_acquire():
                self._give_back(number, limiter)

                def again() -> None:
                    if not self.stopping:
                        self._ready.appendleft((number, k))
                        self._pump()

                limiter.park(again)
                return False
        return True

    def _limiters(self, number: int) -> tuple[Limiter, ...]:
        agent = self.plan.agents[number]
        limits = self._limits.get(agent)
        if limits is None:
            limits = self._limits[agent] = self.engine.limiters(agent, self.run.tenant, self.plan.most[number])
        return limits

    def _give_back(self, number: int, until: Limiter | None = None) -> None:
        for limiter in self._limiters(number):
            if limiter is until:
                return
            limiter.release()

    def _replay(self, number: int, k: int) -> bool:
        """Settles a unit from the journal when it finished before; blocks it when nobody knows how it ended."""
        key = self._key(number, k)
        row = self.journal.get(key)
        if row is None:
            return False
        if row.status in ("started", "unknown"):
            self.block(key, f"step {key!r} may have acted on the world when its process died", "effect")
            return True
        if row.input_hash is not None and row.input_hash != self._hash_inputs(number, k):
            return False
        if k < 0:
            result = result_of_row(row)
            self.values[number] = result.data
            self._hashes[number] = digest(row.value)
            self._conclude(number, result, recorded=True)
        else:
            self._settle_item(number, k, result_of_row(row))
        return True

    async def _carry_out(self, number: int, k: int) -> None:
        """Runs one unit to its durable end."""
        try:
            await self._run_unit(number, k)
        except asyncio.CancelledError:
            if self.stopping is None and not self.done.done():
                self._abort(asyncio.CancelledError(f"step {self._key(number, k)} was cancelled from outside"))
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
            if self._ready:
                self._pump()
            else:
                self._check_end()

    async def _run_unit(self, number: int, k: int) -> None:
        key = self._key(number, k)
        fan = self._fans.get(number)
        step = StepContext(self, number, key, k, fan.items[k] if fan is not None and k >= 0 else None)
        started = self.clock.now()
        self.note("step.started", {"step": key})
        if self.plan.workflow.nodes[number].effect:
            await self.record_start(key, "step", started)
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
            data = self._settle_value(result)
        except FairleadError as exc:
            result, data = StepResult.from_exception(exc), None
        self._learn(number, result)
        if step.usage is not None:
            result.metadata = {**result.metadata, "usage": step.usage}
        await self._record(step, number, k, result, data, started)
        if k >= 0:
            self._settle_item(number, k, result)
        else:
            self.values[number] = result.data
            self._hashes[number] = digest(data) if data is not None else None
            self._conclude(number, result, recorded=True)

    def _settle_value(self, result: StepResult) -> bytes | None:
        """Makes the result what dependents will see; returns its encoded form when there is a journal to keep it."""
        if not self.store.durable:
            result.data = settle_volatile(result.data)
            return None
        result.data, data = settle(result.data)
        self.engine.check_size(data)
        return data

    async def _record(
        self, step: StepContext, number: int, k: int, result: StepResult, data: bytes | None, started: float
    ) -> None:
        finished = self.clock.now()
        row = row_of_result(
            self.run.id,
            step.key,
            "item" if k >= 0 else "step",
            result,
            data,
            attempts=step.attempt,
            input_hash=self._hash_inputs(number, k) if self.store.durable else None,
            started=started,
            finished=finished,
        )
        type_ = "step.skipped" if result.skipped else "step.completed" if result.success else "step.failed"
        facts: dict[str, Any] = {"step": step.key, "seconds": int((finished - started) * 1e6) / 1e6}
        if not result.success:
            facts |= {"error": result.error, "category": str(result.error_category), "attempts": step.attempt}
        elif result.skipped:
            facts["reason"] = result.metadata.get("reason")
        pending = self.store.record(row, self.draft(type_, facts, finished))
        if pending is not None:
            await pending

    def _learn(self, number: int, result: StepResult) -> None:
        for limiter in self._limiters(number):
            limiter.observe(result.error_category)

    def _settle_item(self, number: int, k: int, result: StepResult) -> None:
        fan = self._fans[number]
        fan.settle(k, result)
        for follower in self.plan.shape.followers[number]:
            if self.results[follower] is None:
                follower_fan = self._fan(follower)
                if follower_fan.opened:
                    self._offer(follower, k, result)
                else:
                    follower_fan.hold(k, result)
        self._close_if_empty(number)

    def _conclude_fan(self, number: int) -> None:
        node = self.plan.workflow.nodes[number]
        result = join_results(node, self._fans[number].results)
        self.values[number] = result.data
        if self.store.durable:
            self._hashes[number] = digest(encode(result.data))
        key = self._key(number, -1)
        if key not in self.journal or self.journal[key].status == "error":
            # The aggregate is made of its items' rows, so only its outcome is written, and nothing waits for it.
            now = self.clock.now()
            row = row_of_result(
                self.run.id, key, "fan", result, None, attempts=1, input_hash=None, started=now, finished=now
            )
            type_ = "step.completed" if result.success else "step.failed"
            facts = {"step": key, "items": len(self._fans[number].results)}
            if not result.success:
                facts |= {"error": result.error}
            pending = self.store.record(row, self.draft(type_, facts, now))
            if pending is not None:
                self._watch(pending)
        self._conclude(number, result, recorded=True)

    def _skip(self, number: int, reason: str) -> None:
        result = StepResult.skip(reason, root=reason.partition(" was skipped because ")[2] or reason)
        key = self._key(number, -1)
        if key not in self.journal:
            now = self.clock.now()
            row = row_of_result(
                self.run.id, key, "step", result, None, attempts=0, input_hash=None, started=now, finished=now
            )
            pending = self.store.record(row, self.draft("step.skipped", {"step": key, "reason": reason}, now))
            if pending is not None:
                self._watch(pending)
        self._conclude(number, result, recorded=True)

    def _conclude(self, number: int, result: StepResult, *, recorded: bool = False) -> None:
        """A node is settled: count it off at its dependents."""
        if not recorded:
            now = self.clock.now()
            key = self._key(number, -1)
            row = row_of_result(
                self.run.id, key, "step", result, None, attempts=0, input_hash=None, started=now, finished=now
            )
            pending = self.store.record(row, self.draft("step.failed", {"step": key, "error": result.error}, now))
            if pending is not None:
                self._watch(pending)
        if not result.success:
            self.values[number] = {"error": result.error, "category": str(result.error_category)}
        self.results[number] = result
        self._unsettled -= 1
        self._newly_settled.append(number)
        if not self._counting:
            self._count_off()

    def _count_off(self) -> None:
        # Worked off in a loop and not by recursion: a chain of ten thousand skipped steps is settled here.
        self._counting = True
        try:
            while self._newly_settled:
                number = self._newly_settled.popleft()
                for target, _ in self.plan.shape.outgoing[number]:
                    self._waiting[target] -= 1
                    if self._waiting[target] == 0 and self.results[target] is None:
                        self._arrive(target)
                for follower in self.plan.shape.followers[number]:
                    if (
                        self.results[follower] is None
                        and not self._fan(follower).sized
                        and self._waiting[follower] == 0
                    ):
                        self._arrive(follower)
        finally:
            self._counting = False

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────────────

    def _check_end(self) -> None:
        if self.done.done() or self.stopping is not None:
            return
        if self._unsettled == 0:
            self.done.set_result(self._outcome())
        elif self.blocked:
            self._check_stall()

    def _check_stall(self) -> None:
        """Nothing can go on before a person decides."""
        if self.blocked and not self._ready and not self._counting and self.in_flight == 0 and not self.held:
            self.on_stall()

    def _outcome(self) -> Outcome:
        try:
            return outcome_of(self.plan, self.results, self.values, self._names())
        except FairleadError as exc:
            return Outcome(Status.ERROR, StepResult.from_exception(exc))

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
            self.journal.pop(key, None)
        else:
            self.journal[key] = row
        unit_key = key.partition("/")[0]
        unit = next((u for u in self._units() if self._key(*u) == unit_key), None)
        if unit is not None:
            self._ready.append(unit)
            self._pump()

    def _units(self) -> list[Unit]:
        units = [(n, -1) for n, result in enumerate(self.results) if result is None and n not in self._fans]
        return units + [
            (n, k) for n, fan in self._fans.items() for k in range(len(fan.results)) if fan.results[k] is None
        ]

    async def ask(self, key: str, question: str, scope: Scope) -> Any:
        future = self.asking[key] = self.engine.loop.create_future()
        self.block(key, question, "question")
        try:
            with scope.wait():
                return await future
        finally:
            self.asking.pop(key, None)
            self.blocked.pop(key, None)

    # ── what steps use ───────────────────────────────────────────────────────────────────────────────────────

    def journaled(self, key: str) -> StepResult | None:
        """The kept result of a finished part; :class:`EffectUnknownError` when it may or may not have happened."""
        row = self.journal.get(key)
        if row is None or row.status == "error":
            return None
        if row.status in ("started", "unknown"):
            raise EffectUnknownError(f"part {key!r} may have acted on the world when its process died", key=key)
        return result_of_row(row)

    async def record_start(self, key: str, kind: str, started: float) -> JournalRow:
        """The first half of the effect ledger: durable before the effect may happen."""
        row = JournalRow(
            self.run.id, key, kind, "started", 1, None, None, None, None, None, started, None, PAYLOAD_VERSION
        )
        pending = self.store.record(row)
        if pending is not None:
            await pending
        return row

    async def record_part_start(self, key: str, kind: str, started: float) -> None:
        # Also known here and not only in the store: when the step is cancelled by a timeout and tried again in this
        # process, nobody knows whether the part acted.
        self.journal[key] = await self.record_start(key, kind, started)

    async def forget_start(self, key: str) -> None:
        """The effect was refused before it happened, so a retry may try again."""
        self.journal.pop(key, None)
        await self.store.erase(self.run.id, [key])

    async def record_part(self, step: StepContext, key: str, kind: str, name: str, started: float, value: Any) -> Any:
        result = StepResult.ok(value)
        data = self._settle_value(result)
        finished = self.clock.now()
        row = row_of_result(
            self.run.id,
            key,
            kind,
            result,
            data,
            attempts=step.attempt,
            input_hash=None,
            started=started,
            finished=finished,
        )
        drafts: list[Draft] = []
        if kind in ("model", "tool"):
            facts = {"step": step.key, "name": name, "seconds": round(finished - started, 6)}
            drafts.append(self.draft(f"{kind}.called", facts, finished))
        self.journal[key] = row if data is not None else row._replace(value=encode(result.data))
        pending = self.store.record(row, *drafts)
        if pending is not None:
            await pending
        return result.data

    @asynccontextmanager
    async def slot_lent(self, step: StepContext) -> AsyncIterator[None]:
        """Gives the step's slots to others for the block: a parent that waits for its child must not starve it."""
        limiters = self._limiters(step.number)
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
        return await self.engine.start(
            target,
            inputs,
            parent=self.run._replace(model=self.model, permission_mode=self.permission_mode),
            idempotency_key=f"{self.run.id}/{key}",
            cause=f"run:{self.run.id}",
            tenant=self._tenant,
        )

    def put_message(self, message_id: str, text: str, *, delivered: bool = False) -> None:
        """Queues a message for the next safe point; one that was queued or delivered before is not repeated."""
        if message_id not in self._message_ids and not delivered:
            self._messages.append((message_id, text))
        self._message_ids.add(message_id)

    def has_message(self, message_id: str) -> bool:
        return message_id in self._message_ids

    def take_messages(self, key: str) -> list[str]:
        taken = list(self._messages)
        self._messages.clear()
        for message_id, _ in taken:
            self.note("run.message_delivered", {"message_id": message_id, "step": key})
        return [text for _, text in taken]

    async def keep_messages(self, step: StepContext, key: str) -> list[str]:
        """Takes the waiting messages and writes them down with their receipts in one transaction."""
        known = self.journaled(key)
        if known is not None:
            return list(known.data)
        if not self._messages:
            return []
        taken = list(self._messages)
        self._messages.clear()
        now = self.clock.now()
        result = StepResult.ok([text for _, text in taken])
        data = encode(result.data)
        row = row_of_result(
            self.run.id, key, "sub", result, data, attempts=1, input_hash=None, started=now, finished=now
        )
        self.journal[key] = row
        receipts = [
            self.draft("run.message_delivered", {"message_id": message_id, "step": step.key}, now)
            for message_id, _ in taken
        ]
        pending = self.store.record(row, *receipts)
        if pending is not None:
            await pending
        return list(result.data)

    def _watch(self, pending: Awaitable[None]) -> None:
        """Minds a write that nothing waits for: if it fails, the run cannot go on."""

        def look(future: asyncio.Future[None]) -> None:
            if not future.cancelled() and (exc := future.exception()) is not None:
                self._abort(exc)

        asyncio.ensure_future(pending).add_done_callback(look)

    # ── small things ─────────────────────────────────────────────────────────────────────────────────────────

    def note(self, type_: str, data: dict[str, Any]) -> None:
        self.store.note(self.draft(type_, data, self.clock.now()))

    def draft(self, type_: str, data: dict[str, Any], time: float) -> Draft:
        return draft(type_, self.run.tenant, self.run.id, data, source="runtime", cause=self.cause, time=time)

    def _key(self, number: int, k: int) -> str:
        name = self.plan.shape.names[number]
        return name if k < 0 else f"{name}[{k}]"

    def _hash_inputs(self, number: int, k: int) -> str:
        """What a unit was computed from, as a chain of hashes: the run's input, its dependencies' results, its item."""
        parts: list[str | bytes | None] = [self._input_hash]
        parts += [self._hashes[source] for source, _ in self.plan.shape.incoming[number]]
        if k >= 0:
            parts.append(encode(self._fans[number].items[k]))
        return digest(*parts)
