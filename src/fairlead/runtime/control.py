"""Control from outside: requests, where they go, and what they do.

A run that is carried out here is asked directly. One that a living process carries out gets a row in its mailbox,
which its owner watches. One that nobody carries out is changed in the store by whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from fairlead import errors
from fairlead.errors import ConflictError, FairleadError, InvalidInputError, NotFoundError, StateError, UnavailableError
from fairlead.events import Draft, draft
from fairlead.ids import new_id
from fairlead.result import ErrorCategory, StepResult
from fairlead.runtime.commands import check_command, run_command
from fairlead.runtime.execution import Execution
from fairlead.runtime.outcome import row_of_result
from fairlead.runtime.states import PermissionMode, RunState, by_parent, refuse, sources_of
from fairlead.store.codec import encode
from fairlead.store.port import UNFINISHED, CommandRow, JournalRow, RunRow

if TYPE_CHECKING:
    from fairlead.runtime.engine import Runtime

VERBS = ("pause", "resume", "terminate", "model", "permissions", "steer", "command", "decide")

_ANSWER_WITHIN = 10.0
_LOOK_AGAIN = 0.005
_LAST_WORD_WITHIN = 0.5
_REQUESTED = {"pause": "run.pause_requested", "terminate": "run.terminate_requested"}

Args = dict[str, Any]


class Control:
    """The control side of one runtime."""

    def __init__(self, engine: Runtime) -> None:
        self.engine = engine
        self._looking = False
        self._look_again = False
        self._taken: set[str] = set()
        self._drained: set[str] = set()
        self._stalling: set[str] = set()
        self._apply: dict[str, Callable[[Execution, Args, str], Awaitable[Args]]] = {
            "pause": self._pause,
            "resume": self._resume,
            "terminate": self._terminate,
            "model": self._model,
            "permissions": self._permissions,
            "steer": self._steer,
            "command": self._command,
            "decide": self._decide,
        }

    async def ask(self, run: RunRow, verb: str, args: Args, cause: str) -> Args:
        """Carries a request to wherever the run is; returns its answer or raises why it was refused."""
        if verb not in VERBS:
            raise InvalidInputError(f"runs cannot {verb!r}.", remedy=f"They can: {', '.join(VERBS)}.", field="verb")
        _check_args(verb, args)
        execution = self.engine.executions.get(run.id)
        if execution is not None:
            return await self._apply[verb](execution, args, cause)
        if RunState(run.state).finished:
            if verb == "terminate" and run.state == RunState.TERMINATED:
                return {"state": run.state, "already": True}
            raise refuse(run.id, run.state, verb)
        if self.engine.is_owned(run):
            return await self._send(run, verb, args, cause)
        return await self._alone(run, verb, args, cause)

    # ── to another process ───────────────────────────────────────────────────────────────────────────────────

    async def _send(self, run: RunRow, verb: str, args: Args, cause: str) -> Args:
        store, now = self.engine.store, self.engine.clock.now()
        if verb == "steer":
            args = {"message_id": new_id("msg"), **args}
        command = CommandRow(new_id("cmd"), run.id, verb, encode(args).decode(), cause, now, None, None, None)
        drafts = [self._draft(run, _REQUESTED[verb], {}, cause)] if verb in _REQUESTED else []
        columns = {f"{verb}_cause": cause} if verb in _REQUESTED else {}
        await store.post(command, *drafts, **columns)
        limit = self.engine.loop.time() + _ANSWER_WITHIN
        ended: float | None = None
        while (clock := self.engine.loop.time()) < limit:
            answered = await store.command(command.id)
            if answered is not None and answered.answered is not None:
                return _read_answer(answered)
            await asyncio.sleep(_LOOK_AGAIN)
            current = await self.engine.require(run.id)
            if RunState(current.state).finished:
                # It may have ended by what was asked, and the answer is on its way; or before anybody looked.
                ended = clock if ended is None else ended
                if clock - ended > _LAST_WORD_WITHIN:
                    return await self.ask(current, verb, args, cause)
            elif not self.engine.is_owned(run):
                # A process that ends with the run answers first and lets go after, so its answer counts now.
                answered = await store.command(command.id)
                if answered is not None and answered.answered is not None:
                    return _read_answer(answered)
                current = await self.engine.require(run.id)
                if current.owner == run.owner:
                    return await self.ask(current, verb, args, cause)
        raise UnavailableError(
            f"the process that carries out run {run.id} has not answered within {_ANSWER_WITHIN:g} s.",
            remedy="The request stays in the run's mailbox and is answered when the process looks.",
            run_id=run.id,
        )

    def look(self) -> None:
        """Another process may have written: see whether it asked something of our runs."""
        if not self.engine.executions:
            return
        if self._looking:
            self._look_again = True
            return
        self._looking = True
        self.engine._spawn(self._read_mailbox())

    async def _read_mailbox(self) -> None:
        try:
            while True:
                self._look_again = False
                for command in await self.engine.store.waiting_commands(list(self.engine.executions)):
                    if command.id not in self._taken:
                        self._taken.add(command.id)
                        self.engine._spawn(self._answer(command))
                if not self._look_again:
                    return
        finally:
            self._looking = False

    async def _answer(self, command: CommandRow) -> None:
        accepted = True
        try:
            run = await self.engine.require(command.run_id)
            answer = await self.ask(run, command.verb, orjson.loads(command.args), command.cause)
        except FairleadError as exc:
            accepted = False
            answer = {
                "error": type(exc).__name__,
                "message": exc.message,
                "remedy": exc.remedy,
                "fields": exc.fields,
            }
        await self.engine.store.answer(
            command.id, accepted=accepted, answer=encode(answer).decode(), time=self.engine.clock.now()
        )
        self._taken.discard(command.id)

    # ── on a run that is carried out here ────────────────────────────────────────────────────────────────────

    async def _pause(self, execution: Execution, args: Args, cause: str) -> Args:
        run = execution.run
        if execution.stopping or execution.done.done():
            raise await self._too_late(run, "pause")
        # A run that this process is letting go of is held too, and would go on in the next one.
        already = execution.held and not execution.draining
        in_flight = execution.hold()
        if already:
            return {"state": "paused", "already": True, "in_flight": in_flight}
        event = self._draft(run, "run.paused", {"in_flight": in_flight}, cause)
        moved = await self.engine.store.transition(
            run.id, ("init", "running"), "paused", event, owner=run.owner, pause_cause=cause
        )
        if not moved:
            raise await self._too_late(run, "pause")
        self._drained.discard(run.id)
        if execution.in_flight == 0:
            self.drained(execution)
        children = await self._ask_children(run, "pause", ("init", "running"), by_parent(run.id))
        return {"state": "paused", "in_flight": in_flight, "children": children}

    def drained(self, execution: Execution) -> None:
        if execution.run.id not in self._drained and not execution.stopping:
            self._drained.add(execution.run.id)
            execution.ledger.note("run.drained", {})

    async def _resume(self, execution: Execution, args: Args, cause: str) -> Args:
        run = execution.run
        if execution.stopping:
            raise await self._too_late(run, "resume")
        if execution.done.done():
            # Its last step finished while it was paused, so this execution has let go of it or is about to.
            await self.engine.settled(run.id)
            return await self.ask(await self.engine.require(run.id), "resume", args, cause)
        if not execution.held:
            raise refuse(run.id, "running", "resume")
        event = self._draft(run, "run.resumed", {}, cause)
        moved = await self.engine.store.transition(
            run.id, ("paused",), "running", event, owner=run.owner, pause_cause=None, waiting_for=None
        )
        if not moved:
            raise await self._too_late(run, "resume")
        execution.release()
        return {"state": "running", "children": await self._resume_children(run)}

    async def _terminate(self, execution: Execution, args: Args, cause: str) -> Args:
        run = execution.run
        if execution.done.done():
            raise await self._too_late(run, "terminate")
        if execution.stopping:
            return {"state": "terminated", "already": True}
        stubborn = await execution.stop("terminate")
        children = await self._ask_children(run, "terminate", UNFINISHED, cause)
        await self._mark_terminated(run, cause, {"children": children, "still_running": stubborn}, owner=run.owner)
        self.engine._settle(run.id, StepResult.fail(f"the run was terminated by {cause}", terminated=True))
        return {"state": "terminated", "children": children, "still_running": stubborn}

    async def _mark_terminated(self, run: RunRow, cause: str, facts: Args, *, owner: str | None) -> None:
        moved = await self.engine.store.transition(
            run.id,
            sources_of(RunState.TERMINATED),
            "terminated",
            self._draft(run, "run.terminated", facts, cause),
            owner=owner,
            finished=self.engine.clock.now(),
            terminate_cause=cause,
            waiting_for=None,
        )
        if not moved:
            raise await self._too_late(run, "terminate")

    async def _ask_children(
        self, run: RunRow, verb: str, states: Sequence[str], cause: str, paused_by: str | None = None
    ) -> list[str]:
        """Asks the same of the run's children in ``states`` and, through them, of the whole tree; returns whom."""
        asked = []
        children = await self.engine.store.find(tenant=run.tenant, parent_id=run.id, states=states, limit=100_000)
        for child in children:
            if paused_by is not None and child.pause_cause != paused_by:
                continue
            try:
                await self.ask(child, verb, {}, cause)
            except StateError:
                # It ended or moved on by itself in the meantime, and there is nothing to ask of it any more.
                continue
            asked.append(child.id)
        return asked

    async def _resume_children(self, run: RunRow) -> list[str]:
        """Lets go on what was paused with the run. A child that somebody paused by itself stays paused."""
        cause = by_parent(run.id)
        return await self._ask_children(run, "resume", ("paused",), cause, paused_by=cause)

    async def _model(self, execution: Execution, args: Args, cause: str) -> Args:
        before, execution.model = execution.model, args["model"]
        facts = {"from": before, "to": args["model"]}
        await self.engine.store.update(
            execution.run.id, self._draft(execution.run, "run.model_changed", facts, cause), model=args["model"]
        )
        return facts

    async def _permissions(self, execution: Execution, args: Args, cause: str) -> Args:
        before, execution.permission_mode = execution.permission_mode, args["mode"]
        facts = {"from": before, "to": args["mode"]}
        event = self._draft(execution.run, "run.permissions_changed", facts, cause)
        await self.engine.store.update(execution.run.id, event, permission_mode=args["mode"])
        return facts

    async def _steer(self, execution: Execution, args: Args, cause: str) -> Args:
        message_id = str(args.get("message_id") or new_id("msg"))
        if message_id in execution.inbox:
            # The process died between taking the request and answering it; it is answered now and not taken twice.
            return {"message_id": message_id}
        facts = {"message_id": message_id, "message": args["message"]}
        await self.engine.store.append(self._draft(execution.run, "run.steered", facts, cause))
        execution.inbox.put(message_id, args["message"])
        return {"message_id": message_id}

    async def _command(self, execution: Execution, args: Args, cause: str) -> Args:
        run = execution.run
        try:
            words = check_command(args["command"], self.engine.options.command_allow)
        except FairleadError as exc:
            await self.engine.store.append(self._draft(run, "run.command_refused", {"reason": exc.message}, cause))
            raise
        answer = await run_command(words)
        facts = {"program": words[0], "exit_code": answer["exit_code"]}
        await self.engine.store.append(self._draft(run, "run.command_executed", facts, cause))
        return answer

    async def _decide(self, execution: Execution, args: Args, cause: str) -> Args:
        run, key = execution.run, args["key"]
        if key not in execution.blocked:
            waiting = ", ".join(execution.blocked) or "nothing"
            raise NotFoundError(f"run {run.id} does not wait for {key!r}.", remedy=f"It waits for: {waiting}.", key=key)
        asked = execution.asking.get(key)
        row = await self._write_decision(run, args, cause)
        if asked is not None:
            if row is not None:
                execution.ledger.rows[row.key] = row
            execution.blocked.pop(key, None)
        if run.id in self._stalling:
            self._stalling.discard(run.id)
            await self.engine.store.transition(
                run.id, ("paused",), "running", owner=run.owner, waiting_for=_waiting(execution)
            )
            execution.reopen()
        if asked is None:
            execution.unblock(key, row)
        elif not asked.done():
            # Last, so that whoever asked goes on with an open gate.
            asked.set_result(args.get("value"))
        return {"key": key, "word": args["word"]}

    async def stall(self, execution: Execution) -> None:
        """Everything left waits for people: the run is paused and says for what."""
        run = execution.run
        if run.id in self._stalling or execution.stopping or not execution.blocked or execution.held:
            return
        self._stalling.add(run.id)
        execution.hold()
        waiting = list(execution.blocked.values())
        event = self._draft(run, "run.blocked", {"waiting_for": waiting}, "runtime")
        moved = await self.engine.store.transition(
            run.id, ("running",), "paused", event, owner=run.owner, waiting_for=_waiting(execution)
        )
        if not moved:
            self._stalling.discard(run.id)

    # ── on a run that nobody carries out ─────────────────────────────────────────────────────────────────────

    async def _alone(self, run: RunRow, verb: str, args: Args, cause: str) -> Args:
        store = self.engine.store
        if verb == "resume":
            return await self._take_up(run, cause)
        if verb == "terminate":
            children = await self._ask_children(run, "terminate", UNFINISHED, cause)
            await self._mark_terminated(run, cause, {"children": children, "still_running": []}, owner=None)
            return {"state": "terminated", "children": children, "still_running": []}
        if verb == "pause":
            event = self._draft(run, "run.paused", {"in_flight": []}, cause)
            if not await store.transition(run.id, ("init", "running"), "paused", event, owner=None, pause_cause=cause):
                raise await self._too_late(run, "pause")
            children = await self._ask_children(run, "pause", ("init", "running"), by_parent(run.id))
            return {"state": "paused", "in_flight": [], "children": children}
        if verb == "model":
            event = self._draft(run, "run.model_changed", {"from": run.model, "to": args["model"]}, cause)
            await store.update(run.id, event, model=args["model"])
            return {"from": run.model, "to": args["model"]}
        if verb == "permissions":
            facts = {"from": run.permission_mode, "to": args["mode"]}
            event = self._draft(run, "run.permissions_changed", facts, cause)
            await store.update(run.id, event, permission_mode=args["mode"])
            return facts
        if verb == "steer":
            # The message waits in the mailbox until somebody takes the run up.
            message_id = new_id("msg")
            text = encode({**args, "message_id": message_id}).decode()
            now = self.engine.clock.now()
            await store.post(CommandRow(new_id("cmd"), run.id, verb, text, cause, now, None, None, None))
            return {"message_id": message_id}
        if verb == "decide":
            await self._write_decision(run, args, cause)
            return {"key": args["key"], "word": args["word"]}
        raise refuse(run.id, run.state, verb)

    async def _take_up(self, run: RunRow, cause: str) -> Args:
        execution = await self.engine.adopt(run, cause)
        if execution is None:
            raise ConflictError(
                f"another process has taken up run {run.id}.",
                remedy="Watch it with `fairlead runs watch`.",
                run_id=run.id,
            )
        if execution.held:
            return await self._resume(execution, {}, cause)
        return {"state": "running"}

    async def _write_decision(self, run: RunRow, args: Args, cause: str) -> JournalRow | None:
        """Writes what a person decided into the journal; None when the step is to be done again."""
        key, word = args["key"], args["word"]
        store, now = self.engine.store, self.engine.clock.now()
        event = self._draft(run, "run.unblocked", {"key": key, "word": word}, cause)
        if word == "redo":
            await store.erase(run.id, [key], event)
            return None
        if word == "fail":
            # A part has no failure of its own in the journal, so its whole step fails.
            result = StepResult.fail(f"decided by {cause}: it failed", ErrorCategory.PROCESSING)
            key = key.partition("/")[0]
        else:
            result = StepResult.ok(args.get("value"), decided_by=cause)
        kind = "sub" if "/" in key else "step"
        data = encode(result.data) if result.success else None
        row = row_of_result(run.id, key, kind, result, data, attempts=1, input_hash=None, started=now, finished=now)
        pending = store.record(row, event)
        if pending is not None:
            await pending
        return row

    # ── small things ─────────────────────────────────────────────────────────────────────────────────────────

    async def _too_late(self, run: RunRow, action: str) -> StateError:
        # A run that has just ended here may not be stored as ended yet; its caller should read what it became.
        await self.engine.settled(run.id)
        current = await self.engine.require(run.id)
        return refuse(run.id, current.state, action)

    def _draft(self, run: RunRow, type_: str, data: Args, cause: str) -> Draft:
        return draft(type_, run.tenant, run.id, data, source="control", cause=cause, time=self.engine.clock.now())


def _waiting(execution: Execution) -> str | None:
    return encode(list(execution.blocked.values())).decode() if execution.blocked else None


def _check_args(verb: str, args: Args) -> None:
    needed = {
        "model": ("model",),
        "permissions": ("mode",),
        "steer": ("message",),
        "command": ("command",),
        "decide": ("key", "word"),
    }
    for name in needed.get(verb, ()):
        if not isinstance(args.get(name), str) or not args[name].strip():
            raise InvalidInputError(
                f"{verb} needs {name!r}.", remedy="Give it as text.", field=name, value=args.get(name)
            )
    choices = {
        "permissions": ("mode", tuple(m.value for m in PermissionMode)),
        "decide": ("word", ("answer", "done", "redo", "fail")),
    }
    if verb in choices:
        name, allowed = choices[verb]
        if args[name] not in allowed:
            raise InvalidInputError(
                f"{name} {args[name]!r} does not exist.",
                remedy=f"Choose one of {', '.join(allowed)}.",
                field=name,
                value=args[name],
            )


def _read_answer(command: CommandRow) -> Args:
    answer: Args = orjson.loads(command.answer or "{}")
    if command.accepted:
        return answer
    kind = getattr(errors, str(answer.get("error")), FairleadError)
    raise kind(answer["message"], remedy=answer["remedy"], **answer["fields"])
