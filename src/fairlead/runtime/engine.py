"""The runtime: starts runs, takes up orphans, and answers those who want to control them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.breaker import BreakerPolicy
from fairlead.clock import Clock, SystemClock
from fairlead.errors import (
    FairleadError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    NotStorableError,
    StateError,
    StopError,
)
from fairlead.events import Draft, Event, draft
from fairlead.ids import new_id
from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime.control import Control
from fairlead.runtime.execution import Execution
from fairlead.runtime.forking import Change, keep, refuse_repeats
from fairlead.runtime.graph import Workflow, bind_inputs
from fairlead.runtime.handle import RunHandle
from fairlead.runtime.hooks import Hooks, Moment
from fairlead.runtime.limits import Limiter, Limits
from fairlead.runtime.middleware import Breakers, Fallbacks, HookCalls, Middleware, PermissionGate, Retries, Timeouts
from fairlead.runtime.outcome import Outcome, Status
from fairlead.runtime.owner import Owner, is_alive
from fairlead.runtime.plan import Plan, Resolve
from fairlead.runtime.plans import Plans
from fairlead.runtime.states import PermissionMode, RunState, sources_of
from fairlead.runtime.turns import Turns
from fairlead.store.codec import PAYLOAD_VERSION, decode, encode
from fairlead.store.port import JournalRow, RunRow, RunStore
from fairlead.tenancy import Tenant, require_tenant, use_tenant

_STARTS = 50
"""Runs accepted in one turn of the event loop."""


class RuntimeOptions(NamedTuple):
    """Numbers that bound a runtime. None means no limit."""

    max_concurrency: int | None = 64
    max_concurrency_per_agent: int | None = 16
    max_concurrency_per_tenant: int | None = None
    adaptive: bool = True
    shutdown_grace: float = 5.0
    max_result_bytes: int = 64 * 1024 * 1024
    command_allow: tuple[str, ...] = ()
    breaker: BreakerPolicy = BreakerPolicy()


class RunReleasedError(StopError):
    """This process let go of the run in an orderly way; it goes on when Fairlead is opened again."""


class Unrecovered(NamedTuple):
    """An orphan that this process cannot carry out, and why."""

    run_id: str
    name: str
    reason: str


def _unknown_agent(name: str) -> Callable[..., Any]:
    raise NotFoundError(f"there is no agent {name!r}.", remedy="Register it first.", agent=name)


class Runtime:
    """Carries out runs over a store. Belongs to the event loop on which it was opened.

    ``resolve`` gives the function behind an agent's name; ``owners`` is the folder where processes show that they live
    (None when the store is not shared).
    """

    def __init__(
        self,
        store: RunStore,
        *,
        options: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - an immutable value
        owners: Path | None = None,
        resolve: Resolve = _unknown_agent,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self.store = store
        self.options = options
        self.clock = clock or SystemClock()
        self.hooks = Hooks()
        self.executions: dict[str, Execution] = {}
        self._owners = owners
        self._owner: Owner | None = None
        self._closing = False
        self._control = Control(self)
        self._finished: dict[str, asyncio.Future[StepResult | None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._starts = Turns(_STARTS)
        self.limits = Limits(
            total=options.max_concurrency,
            per_agent=options.max_concurrency_per_agent,
            per_tenant=options.max_concurrency_per_tenant,
            adaptive=options.adaptive,
            on_change=self._tell_limit,
        )
        layers: tuple[Middleware, ...] = (
            HookCalls(self.hooks),
            PermissionGate(),
            Fallbacks(lambda node, call: _unknown_agent(node.name)),
            Retries(rng or random.Random()),
            Breakers(self.clock, options.breaker),
            *middleware,
            Timeouts(),
        )
        self.plans = Plans(resolve, layers, self.hooks)

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> Runtime:
        """Binds the runtime to the running loop and begins to watch its mailbox."""
        self.loop = asyncio.get_running_loop()
        if self._owners is not None:
            self._owner = Owner(self._owners)

        def look() -> None:
            self.loop.call_soon_threadsafe(self._control.look)

        self._unwatch = self.store.watch(look)
        await self.hooks.fire(Moment("session.pre", "session", "", "", None))
        return self

    @property
    def closing(self) -> bool:
        """Whether it is letting go of its runs and takes no new ones."""
        return self._closing

    @property
    def owner_id(self) -> str | None:
        return None if self._owner is None else self._owner.id

    async def close(self, cause: str = "closed") -> list[str]:
        """Lets go of every run in an orderly way and returns their ids.

        What is in flight gets the grace time to finish; all finished steps are kept; the runs stay ``running`` or
        ``paused`` and are taken up by whoever opens the store next.
        """
        if self._closing:
            return []
        self._closing = True
        self._unwatch()
        released = list(self.executions.values())
        await asyncio.gather(*(self._let_go(execution, cause) for execution in released))
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.hooks.fire(Moment("session.post", "session", "", "", None))
        if self._owner is not None:
            self._owner.release()
        return [execution.run.id for execution in released]

    async def _let_go(self, execution: Execution, cause: str) -> None:
        await execution.drain(self.options.shutdown_grace)
        run_id = execution.run.id
        if execution.done.done():
            # It ended while it drained; its end may be stored already.
            if (finished := self._finished.get(run_id)) is not None:
                await asyncio.wait([finished])
            return
        event = self._draft(execution.run, "run.checkpointed", {"steps": len(execution.ledger.rows)}, cause)
        self.executions.pop(run_id, None)
        future = self._finished.pop(run_id)
        try:
            await self.store.update(run_id, event, owner=None)
        finally:
            error = RunReleasedError(
                f"this process let go of run {run_id} ({cause}).",
                remedy=f"It goes on with `fairlead runs resume {run_id}`, or when Fairlead is opened next.",
                run_id=run_id,
            )
            if not future.done():
                future.set_exception(error)
                future.exception()

    # ── starting ─────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, workflow: Workflow) -> None:
        """Makes a workflow known by its name, so that it can be started and resumed by it."""
        self.plans.register(workflow)

    async def start(
        self,
        target: Any,
        inputs: Mapping[str, Any] | None = None,
        *,
        parent: RunRow | None = None,
        idempotency_key: str | None = None,
        cause: str = "caller",
        tenant: Tenant | None = None,
        model: str | None = None,
        permission_mode: str | None = None,
    ) -> RunHandle:
        """Accepts a run durably and begins it.

        ``target`` is a workflow, its name, an agent, an agent's name, or a function. A known ``idempotency_key``
        gives the earlier run. Raises :class:`InvalidInputError` or :class:`InvalidGraphError` before anything is
        stored.
        """
        if (turn := self._starts.wait(self.loop)) is not None:
            await turn
        if self._closing:
            raise RunReleasedError("the runtime is closing and takes no new runs.", remedy="Open it again.")
        with use_tenant(tenant) if tenant is not None else nullcontext():
            plan = self.plans.of(target)
        workflow = plan.workflow
        encoded = encode(bind_inputs(workflow, inputs or {}))
        mode = _check_mode(permission_mode or (parent.permission_mode if parent else "default"))
        row = self._new_run(
            plan,
            encoded,
            parent,
            tenant=str(tenant or require_tenant()),
            idempotency_key=idempotency_key,
            cause=cause,
            model=model or (parent.model if parent else None),
            permission_mode=mode,
        )
        run_id = row.id
        if self.hooks.placed("run"):
            await self.hooks.fire(Moment("run.pre", row.name, run_id, row.tenant, decode(encoded)))
        created = self._draft(row, "run.created", {"name": row.name, "kind": row.kind, "parent": row.parent_id}, cause)
        started = self._draft(row, "run.started", {"steps": len(workflow.nodes)}, cause)
        stored, new = await self.store.create(row, created, started)
        if new:
            self._begin(stored, plan, decode(encoded), {})
        elif stored.id not in self.executions and not RunState(stored.state).finished and not self.is_owned(stored):
            await self.adopt(stored, cause)
        return RunHandle(self, stored.id)

    async def fork(
        self,
        run_id: str,
        change: Change = Change(),  # noqa: B008 - an immutable value
        *,
        repeat_effects: bool = False,
        idempotency_key: str | None = None,
        cause: str = "caller",
        tenant: str | None = None,
        model: str | None = None,
        permission_mode: str | None = None,
    ) -> RunHandle:
        """Begins a new run of the same workflow and inputs with what run ``run_id`` had finished, less ``change``.

        The first run is not touched. Without a change only what had failed or was never done is done. Raises
        :class:`StateError` when a step would act on the world again and ``repeat_effects`` does not allow it, and
        :class:`WorkflowChangedError` when the workflow has other steps now. Leave to bypass permissions is not taken
        over from the first run: it has to be given again.
        """
        if self._closing:
            raise RunReleasedError("the runtime is closing and takes no new runs.", remedy="Open it again.")
        source = await self.require(run_id, tenant)
        if not self.store.durable:
            raise StateError("runs in memory keep no results to fork from.", remedy="Use a store on disk.")
        plan = self.plans.of_run(source)
        mode = permission_mode or source.permission_mode
        if permission_mode is None and mode == PermissionMode.BYPASS:
            mode = PermissionMode.DEFAULT.value
        row = self._new_run(
            plan,
            source.input,
            None,
            tenant=source.tenant,
            idempotency_key=idempotency_key,
            cause=cause,
            model=model or source.model,
            permission_mode=_check_mode(mode),
            forked_from=source.id,
        )
        journal = await self.store.journal(source.id)
        kept = keep(plan, journal, change, source=source.id, run_id=row.id, cause=cause, now=self.clock.now())
        if kept.repeated and not repeat_effects:
            raise refuse_repeats(source.id, kept.repeated)
        facts = {"name": row.name, "kind": row.kind, "parent": None, "forked_from": source.id, "kept": len(kept.rows)}
        created = self._draft(row, "run.created", facts, cause)
        forked = self._draft(source, "run.forked", {"fork": row.id, "at": change.at, "redo": change.redo}, cause)
        started = self._draft(row, "run.started", {"steps": len(plan.workflow.nodes)}, cause)
        stored, new = await self.store.create(row, created, forked, started, journal=kept.rows)
        if new:
            self._begin(stored, plan, decode(source.input), {entry.key: entry for entry in kept.rows})
        return RunHandle(self, stored.id)

    def _new_run(self, plan: Plan, encoded: bytes, parent: RunRow | None, **given: Any) -> RunRow:
        """The row of a run that begins at once, in this process."""
        now, run_id, workflow = self.clock.now(), new_id("run"), plan.workflow
        fields: dict[str, Any] = dict.fromkeys(RunRow._fields)
        fields |= {
            "id": run_id,
            "parent_id": parent.id if parent else None,
            "root_id": parent.root_id if parent else run_id,
            "kind": workflow.kind,
            "name": workflow.name,
            "state": "running",
            "input": encoded,
            "definition": encode(workflow.spec) if workflow.spec is not None else None,
            "signature": plan.signature,
            "owner": self.owner_id,
            "attempt": 1,
            "priority": 2,
            "run_at": now,
            "created": now,
            "started": now,
            "version": PAYLOAD_VERSION,
        }
        return RunRow(**(fields | given))

    def _begin(
        self, run: RunRow, plan: Plan, inputs: Mapping[str, Any], journal: dict[str, JournalRow], *, held: bool = False
    ) -> Execution:
        execution = Execution(self, run, plan, inputs, journal)
        execution.on_stall = lambda: self._spawn(self._control.stall(execution))
        execution.on_drained = lambda: self._control.drained(execution)
        self.executions[run.id] = execution
        self._finished[run.id] = self.loop.create_future()
        execution.done.add_done_callback(lambda future: self._spawn(self._finish(execution, future)))
        if held:
            execution.hold()
        execution.start()
        return execution

    # ── taking up ────────────────────────────────────────────────────────────────────────────────────────────

    def is_owned(self, run: RunRow) -> bool:
        """Whether a living process carries this run out."""
        if run.id in self.executions:
            return True
        return self._owners is not None and run.owner != self.owner_id and is_alive(self._owners, run.owner)

    async def recover(self, cause: str = "recovery") -> tuple[list[RunHandle], list[Unrecovered]]:
        """Takes up every running orphan at once; also says which ones this process cannot carry out, and why.

        Runs that were paused stay paused. Of two processes that recover together, each run goes to one.
        """
        taken: list[RunHandle] = []
        left: list[Unrecovered] = []
        for run in await self.store.find(tenant=None, states=("init", "running"), limit=1_000_000):
            if run.id in self.executions or self.is_owned(run):
                continue
            try:
                if await self.adopt(run, cause) is not None:
                    taken.append(RunHandle(self, run.id))
            except FairleadError as exc:
                left.append(Unrecovered(run.id, run.name, exc.message))
        return taken, left

    async def adopt(self, run: RunRow, cause: str) -> Execution | None:
        """Takes an orphan and goes on with it; None when another process was first."""
        plan = self.plans.of_run(run)
        event = self._draft(run, "run.recovered", {"attempt": run.attempt + 1, "previous_owner": run.owner}, cause)
        owner = self.owner_id or "here"
        claimed = await self.store.claim(run.id, event, owner=owner, dead=run.owner)
        if claimed is None:
            return None
        journal = {row.key: row for row in await self.store.journal(run.id)}
        for key, row in journal.items():
            if row.status == "started":
                journal[key] = row._replace(status="unknown")
                pending = self.store.record(journal[key], self._draft(run, "step.marked_unknown", {"step": key}, cause))
                if pending is not None:
                    await pending
        history = await self._message_history(run.id)
        paused = claimed.state == RunState.PAUSED
        if claimed.state == RunState.INIT:
            await self.store.transition(run.id, ("init",), "running", owner=owner, started=self.clock.now())
        execution = self._begin(claimed, plan, decode(claimed.input), journal, held=paused)
        delivered = {said.data["message_id"] for said in history if said.type == "run.message_delivered"}
        for said in history:
            if said.type == "run.steered":
                message_id = said.data["message_id"]
                execution.inbox.put(message_id, said.data["message"], delivered=message_id in delivered)
        self._control.look()
        return execution

    async def _message_history(self, run_id: str) -> list[Event]:
        """What was said to a run and what of it was received: an accepted message outlives the process that had it."""
        found: list[Event] = []
        while page := await self.store.events(
            after=found[-1].index if found else 0,
            subject=run_id,
            types=("run.steered", "run.message_delivered"),
            limit=500,
        ):
            found += page
        return found

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _finish(self, execution: Execution, done: asyncio.Future[Outcome]) -> None:
        run = execution.run
        exc = done.exception()
        if exc is not None:
            self._settle(run.id, exc)
            return
        outcome = done.result()
        result = outcome.result
        if self.hooks.placed("run"):
            point = "run.post" if result.success else "run.error"
            await self.hooks.fire(
                Moment(point, run.name, run.id, run.tenant, result.data if result.success else result.error)
            )
        now = self.clock.now()
        facts: dict[str, Any]
        if outcome.status is Status.COMPLETED:
            to, facts = RunState.COMPLETED, {"seconds": round(now - run.created, 6)}
            columns: dict[str, Any] = {"result": encode([result.data, result.metadata])}
        else:
            to, facts = RunState.ERROR, {"error": result.error, "category": str(result.error_category)}
            columns = {"error": result.error, "error_category": str(result.error_category)}
            await execution.stop("error")
        type_ = "run.completed" if to is RunState.COMPLETED else "run.failed"
        try:
            moved = await self.store.transition(
                run.id,
                sources_of(to),
                to.value,
                self._draft(run, type_, facts, run.cause),
                owner=run.owner,
                finished=now,
                waiting_for=None,
                **columns,
            )
        except FairleadError as error:
            self._settle(run.id, error)
            return
        if not moved:
            # A termination came first, or another process took the run: what is stored is what counts.
            stored = await self.require(run.id)
            self._settle(run.id, result_of_run(stored) if RunState(stored.state).finished else None)
            return
        self._settle(run.id, result)

    def _settle(self, run_id: str, outcome: StepResult | BaseException | None) -> None:
        """Lets the waiters of an execution go on; with None to wait for the end that another process will store."""
        self.executions.pop(run_id, None)
        future = self._finished.pop(run_id, None)
        if future is None or future.done():
            return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
            # Retrieved once here, so that a run nobody waits for does not warn at interpreter exit.
            future.exception()
        else:
            future.set_result(outcome)

    async def wait(self, run_id: str) -> StepResult:
        """The result of a run, here or in another process. The waiter may be cancelled; the run goes on."""
        future = self._finished.get(run_id)
        if future is not None and (result := await asyncio.shield(future)) is not None:
            return result
        run = await self.require(run_id)
        if not RunState(run.state).finished:
            async for _ in RunHandle(self, run_id).events():
                pass
            run = await self.require(run_id)
        return result_of_run(run)

    async def require(self, run_id: str, tenant: str | None = None) -> RunRow:
        """The stored run; :class:`NotFoundError` alike for unknown ids and other tenants' runs."""
        run = await self.store.get(run_id, tenant)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}.", remedy="See `fairlead runs list`.", run_id=run_id)
        return run

    async def settled(self, run_id: str) -> None:
        """Waits until the end of a run that has ended here is stored."""
        execution, future = self.executions.get(run_id), self._finished.get(run_id)
        if execution is not None and future is not None and execution.done.done():
            await asyncio.wait([future])

    async def control(
        self, run_id: str, verb: str, args: Mapping[str, Any] | None = None, *, cause: str, tenant: str | None = None
    ) -> dict[str, Any]:
        """Asks a run for something, wherever it is carried out; see :mod:`fairlead.runtime.control`."""
        return await self._control.ask(await self.require(run_id, tenant), verb, dict(args or {}), cause)

    # ── what executions use ──────────────────────────────────────────────────────────────────────────────────

    def slots_of(self, plan: Plan, tenant: str) -> list[tuple[Limiter, ...]]:
        """The limits that each node of a plan falls under."""
        slots = plan.slots.get(tenant)
        if slots is None:
            nodes = zip(plan.agents, plan.most, strict=True)
            slots = plan.slots[tenant] = [self.limits.of(agent, tenant, most) for agent, most in nodes]
        return slots

    def _tell_limit(self, agent: str, tenant: str, old: int, new: int) -> None:
        facts = {"agent": agent, "from": old, "to": new}
        now = self.clock.now()
        self.store.note(draft("limit.changed", tenant, agent, facts, source="runtime", cause="adaptive", time=now))

    def check_size(self, data: bytes) -> None:
        if len(data) > self.options.max_result_bytes:
            raise NotStorableError(
                f"a result of {len(data):,} bytes is over the limit of {self.options.max_result_bytes:,}.",
                remedy="Write it to a file and return the path, or raise FAIRLEAD_MAX_RESULT_BYTES.",
                size=len(data),
            )

    def _draft(self, run: RunRow, type_: str, data: dict[str, Any], cause: str) -> Draft:
        return draft(type_, run.tenant, run.id, data, source="runtime", cause=cause, time=self.clock.now())

    def _spawn(self, coroutine: Any) -> None:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def result_of_run(run: RunRow) -> StepResult:
    """A finished run's result as stored; a run that goes on has none, not even a failure."""
    if not RunState(run.state).finished:
        raise InternalError(f"run {run.id} is {run.state} and has no result yet.", remedy="Wait for its end.")
    if run.state == RunState.COMPLETED:
        value, metadata = decode(run.result or b"[null,{}]")
        return StepResult.ok(value, **metadata)
    if run.state == RunState.TERMINATED:
        return StepResult.fail(
            f"the run was terminated by {run.terminate_cause}", ErrorCategory.PROCESSING, terminated=True
        )
    category = ErrorCategory(run.error_category or "processing")
    return StepResult.fail(run.error or "failed", category)


def _check_mode(mode: str) -> str:
    try:
        return PermissionMode(mode).value
    except ValueError:
        raise InvalidInputError(
            f"permission mode {mode!r} does not exist.",
            remedy=f"Choose one of {', '.join(m.value for m in PermissionMode)}.",
            field="permission_mode",
            value=mode,
        ) from None
