"""What A2A clients may ask for, answered from runs: each request passes the desk, so the same keys and scopes hold."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import orjson
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as pb
from a2a.utils import errors as a2a_errors
from a2a.utils.proto_utils import validate_proto_required_fields
from a2a.utils.task import apply_history_length, validate_history_length, validate_page_size

from fairlead.errors import FairleadError, InvalidInputError, NotFoundError, StateError
from fairlead.ids import new_id
from fairlead.runtime.states import RunState
from fairlead.server.a2a import tasks
from fairlead.server.a2a.cards import MODES, agent_card, skills_of
from fairlead.server.access import Caller
from fairlead.server.desk import Desk
from fairlead.server.feed import Feed
from fairlead.server.problems import problem
from fairlead.server.running import make_cursor, read_cursor
from fairlead.store.agents import SaidRow, add_said, drop_said, said_in, tasks_in
from fairlead.store.port import RunRow
from fairlead.tenancy import use_tenant

_log = logging.getLogger(__name__)
_DEFAULT_PAGE = 50


def _said_in_the_protocol(exc: FairleadError, request_id: str) -> a2a_errors.A2AError:
    """Our error as one of the protocol's, with the problem document as its data."""
    kind: type[a2a_errors.A2AError] = a2a_errors.InvalidRequestError
    if isinstance(exc, (InvalidInputError, NotFoundError)):
        kind = a2a_errors.InvalidParamsError
    elif isinstance(exc, StateError):
        kind = a2a_errors.UnsupportedOperationError
    elif exc.http_status >= 500:
        kind = a2a_errors.InternalError
    facts = {
        k: v if isinstance(v, str) else orjson.dumps(v, default=str).decode()
        for k, v in problem(exc, request_id).items()
        if v
    }
    return kind(exc.message, data=facts)


def _answered(method: Callable[..., Any]) -> Callable[..., Any]:
    """Checks what the protocol requires, and lets nothing out that is not an error of the protocol: the SDK would tell
    the client the text of anything else."""

    @functools.wraps(method)
    async def answer(self: Any, params: Any, context: ServerCallContext) -> Any:
        request_id = str(context.state.get("request", ""))
        try:
            validate_proto_required_fields(params)
            _require_own_tenant(context)
            return await method(self, params, context)
        except FairleadError as exc:
            raise _said_in_the_protocol(exc, request_id) from exc
        except a2a_errors.A2AError:
            raise
        except Exception as exc:
            _log.exception("an A2A request failed (request %s)", request_id)
            raise a2a_errors.InternalError("the server failed; its log says why.") from exc

    return answer


def _streamed(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., AsyncGenerator[Any, None]]:
    """:func:`_answered` for streams."""

    @functools.wraps(method)
    async def answer(self: Any, params: Any, context: ServerCallContext) -> AsyncGenerator[Any, None]:
        request_id = str(context.state.get("request", ""))
        try:
            validate_proto_required_fields(params)
            _require_own_tenant(context)
            async with aclosing(method(self, params, context)) as events:
                async for event in events:
                    yield event
        except FairleadError as exc:
            raise _said_in_the_protocol(exc, request_id) from exc
        except a2a_errors.A2AError:
            raise
        except Exception as exc:
            _log.exception("an A2A stream failed (request %s)", request_id)
            raise a2a_errors.InternalError("the server failed; its log says why.") from exc

    return answer


def _caller(context: ServerCallContext) -> Caller:
    caller: Caller = context.state["caller"]
    return caller


def _require_own_tenant(context: ServerCallContext) -> None:
    """The protocol lets a request name a tenant; here the key does, and a request may only repeat it."""
    own = _caller(context).tenant
    if context.tenant not in ("", own.tenant_id, str(own)):
        raise NotFoundError("there is nothing for this tenant.", remedy="Leave the tenant out.", field="tenant")


class RunTasks(RequestHandler):
    """Tasks over a desk. A task's id is its run's; what its client said is kept beside it."""

    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._lead = desk.lead
        self._feed = feed

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────

    @_answered
    async def on_message_send(self, params: Any, context: ServerCallContext) -> Any:
        """Begins a task, or tells one something; answers when it rests unless told to return at once."""
        run = await self._take(params, context)
        if not params.configuration.return_immediately:
            run = await self._rested(run, context)
        task = tasks.task_of(run, await self._said(run))
        return apply_history_length(task, params.configuration)

    @_streamed
    async def on_message_send_stream(self, params: Any, context: ServerCallContext) -> AsyncGenerator[Any, None]:
        run = await self._take(params, context)
        async for event in self._told(run, context, stop_at_rest=True):
            yield event

    async def _take(self, params: Any, context: ServerCallContext) -> RunRow:
        validate_history_length(params.configuration)
        _check_message(params)
        if params.message.task_id:
            return await self._continue(params.message, context)
        return await self._begin(params, context)

    async def _begin(self, params: Any, context: ServerCallContext) -> RunRow:
        caller, message = _caller(context), params.message
        tenant = str(caller.tenant)
        with use_tenant(caller.tenant):
            name = self._skill(params, context)
            workflow = self._lead.runtime.plans.workflow_of(self._lead.agents.resolve(name))
        inputs = tasks.inputs_of(message, workflow.inputs)
        # The message's id makes a repetition the same task, and is known before there is a run to keep it with.
        key = f"{caller.id}/a2a/{message.message_id}"
        said = await self._keep(tenant, key, message, message.context_id or new_id("ctx"))
        request = str(context.state["request"])
        try:
            started = await self._desk.call(caller, "run", {"target": name, "inputs": inputs, "key": key}, request)
        except FairleadError:
            await self._lead.database.write(lambda tx: drop_said(tx, tenant, key, said.message_id))
            raise
        return await self._lead.runtime.require(started["id"], tenant)

    def _skill(self, params: Any, context: ServerCallContext) -> str:
        """The agent that a message is for: that of the address, else ``skill`` of the metadata."""
        named = context.state.get("agent")
        for metadata in (params.message.metadata, params.metadata):
            if named is None and "skill" in metadata:
                named = metadata["skill"]
        known = [skill.id for skill in skills_of(self._lead.agents)]
        if named is None and len(known) == 1:
            named = known[0]
        if named not in known:
            said = "the message names no agent" if named is None else f"there is no agent {str(named)[:100]!r}"
            raise InvalidInputError(
                f"{said}.", remedy="Give metadata.skill: one of the skills of the extended card.", field="skill"
            )
        return str(named)

    async def _continue(self, message: Any, context: ServerCallContext) -> RunRow:
        """An answer to what the task waits for, or a message for its agent while it goes on."""
        caller = _caller(context)
        run = await self._require(message.task_id, context, "runs.show")
        said = await self._said(run)
        if message.context_id and message.context_id != tasks.context_of(run, said):
            raise InvalidInputError("the task is of another context.", remedy="Leave it out.", field="context_id")
        if any(row.message_id == message.message_id for row in said):
            return run
        if RunState(run.state).finished:
            raise a2a_errors.UnsupportedOperationError(f"the task is {run.state}; begin another in its context.")
        request = str(context.state["request"])
        waiting = tasks.waiting_of(run)
        if waiting:
            for decision in _decisions(message, waiting):
                await self._desk.call(caller, "runs.decide", {"run": run.id, **decision}, request)
            await self._go_on(run, caller, request)
        else:
            text = tasks.said_text(message) or tasks.message_json(message)
            await self._desk.call(caller, "runs.steer", {"run": run.id, "message": text}, request)
        # Kept after it was done: what a crash leaves between is said again by the client and not lost.
        await self._keep(run.tenant, tasks.task_key(run), message, tasks.context_of(run, said))
        return await self._lead.runtime.require(run.id, run.tenant)

    async def _go_on(self, run: RunRow, caller: Caller, request: str) -> None:
        """Takes a run up whose process is gone, now that it waits for nothing: nobody else would."""
        now = await self._lead.runtime.require(run.id, run.tenant)
        if now.state == RunState.PAUSED and not self._lead.runtime.is_owned(now):
            await self._desk.call(caller, "runs.resume", {"run": run.id}, request)

    async def _keep(self, tenant: str, task: str, message: Any, context_id: str) -> SaidRow:
        text, now = tasks.message_json(message), self._lead.clock.now()
        return await self._lead.database.write(
            lambda tx: add_said(tx, tenant, task, message.message_id, context_id, text, now)
        )

    # ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────

    @_answered
    async def on_get_task(self, params: Any, context: ServerCallContext) -> Any:
        validate_history_length(params)
        run = await self._require(params.id, context, "runs.show")
        return apply_history_length(tasks.task_of(run, await self._said(run)), params)

    @_answered
    async def on_cancel_task(self, params: Any, context: ServerCallContext) -> Any:
        run = await self._require(params.id, context, "runs.terminate")
        if RunState(run.state).finished:
            raise a2a_errors.TaskNotCancelableError(f"the task is {run.state} already.")
        try:
            await self._desk.call(_caller(context), "runs.terminate", {"run": run.id}, str(context.state["request"]))
        except StateError as exc:
            raise a2a_errors.TaskNotCancelableError(exc.message) from exc
        run = await self._lead.runtime.require(run.id, run.tenant)
        return tasks.task_of(run, await self._said(run))

    @_streamed
    async def on_subscribe_to_task(self, params: Any, context: ServerCallContext) -> AsyncGenerator[Any, None]:
        run = await self._require(params.id, context, "runs.show")
        if RunState(run.state).finished:
            raise a2a_errors.UnsupportedOperationError(f"the task is {run.state}; get it instead.")
        async for event in self._told(run, context, stop_at_rest=False):
            yield event

    @_answered
    async def on_list_tasks(self, params: Any, context: ServerCallContext) -> Any:
        caller = _caller(context)
        self._desk.grant(caller, "runs.list", {}, str(context.state["request"]))
        size = params.page_size if params.HasField("page_size") else _DEFAULT_PAGE
        validate_page_size(size)
        validate_history_length(params)
        found = [
            (run, said)
            for run in await self._runs_of(str(caller.tenant), params)
            if _is_wanted(run, said := await self._said(run), params)
        ]
        beyond = read_cursor(params.page_token) if params.page_token else None
        rest = [(run, said) for run, said in found if beyond is None or (run.created, run.id) < beyond]
        page = rest[:size]
        listed = [
            apply_history_length(tasks.task_of(run, said, artifacts=params.include_artifacts), params)
            for run, said in page
        ]
        more = make_cursor(page[-1][0]) if len(rest) > size else ""
        return pb.ListTasksResponse(tasks=listed, next_page_token=more, page_size=size, total_size=len(found))

    async def _runs_of(self, tenant: str, params: Any) -> list[RunRow]:
        """The newest runs that may be wanted; the newest thousand when nothing narrows them."""
        states = tasks.run_states(params.status) if params.status else ()
        if params.status and not states:
            return []
        rows = await self._lead.store.find(tenant=tenant, states=states, limit=1000)
        rows = [row for row in rows if row.parent_id is None]
        if params.context_id:
            known = set(await self._lead.database.read(lambda r: tasks_in(r, tenant, params.context_id)))
            rows = [row for row in rows if tasks.task_key(row) in known or row.id == params.context_id]
        return rows

    async def _require(self, run_id: str, context: ServerCallContext, verb: str) -> RunRow:
        caller = _caller(context)
        self._desk.grant(caller, verb, {}, str(context.state["request"]))
        run = await self._lead.store.get(run_id, str(caller.tenant))
        if run is None:
            raise a2a_errors.TaskNotFoundError
        return run

    async def _said(self, run: RunRow) -> list[SaidRow]:
        return await self._lead.database.read(lambda r: said_in(r, run.tenant, tasks.task_key(run)))

    # ── following ────────────────────────────────────────────────────────────────────────────────────────────

    async def _told(self, run: RunRow, call: ServerCallContext, *, stop_at_rest: bool) -> AsyncGenerator[Any, None]:
        """The task as it is, then its updates, its result and its last state."""
        said = await self._said(run)
        context = tasks.context_of(run, said)
        after = await self._newest(run)
        run = await self._lead.runtime.require(run.id, run.tenant)
        yield tasks.task_of(run, said, artifacts=False)
        if stop_at_rest and tasks.waiting_of(run):
            return
        async with aclosing(self._follow(run, after, call)) as following:
            async for type_, data, now in following:
                if RunState(now.state).finished:
                    break
                if type_ in tasks.TOLD:
                    yield pb.TaskStatusUpdateEvent(
                        task_id=run.id,
                        context_id=context,
                        status=tasks.status_of(now, context),
                        metadata=tasks.struct({"event": type_, "data": data}),
                    )
                    if stop_at_rest and tasks.waiting_of(now):
                        return
        now = await self._lead.runtime.require(run.id, run.tenant)
        if not RunState(now.state).finished:
            # The server is ending; the client comes back with its task's id.
            return
        for artifact in tasks.artifacts_of(now):
            yield pb.TaskArtifactUpdateEvent(
                task_id=run.id, context_id=context, artifact=artifact, append=False, last_chunk=True
            )
        yield pb.TaskStatusUpdateEvent(task_id=run.id, context_id=context, status=tasks.status_of(now, context))

    async def _rested(self, run: RunRow, call: ServerCallContext) -> RunRow:
        """The run once it has ended, waits for the client, or the server ends."""
        after = await self._newest(run)
        now = await self._lead.runtime.require(run.id, run.tenant)
        if not tasks.waiting_of(now):
            async with aclosing(self._follow(now, after, call)) as following:
                async for _, _, now in following:
                    if RunState(now.state).finished or tasks.waiting_of(now):
                        break
        return now

    async def _follow(
        self, run: RunRow, after: int, call: ServerCallContext
    ) -> AsyncGenerator[tuple[str, Any, RunRow], None]:
        """(type, data, the run) for each event beyond ``after``, until the run's end; nothing after that."""
        if RunState(run.state).finished:
            return
        stays = call.state["stays"]
        async with aclosing(self._feed.listen(run.tenant, after=after, subject=run.id, stays=stays)) as listening:
            async for lines in listening:
                for line in lines:
                    now = await self._lead.runtime.require(run.id, run.tenant)
                    yield line.type, orjson.loads(line.data)["data"], now

    async def _newest(self, run: RunRow) -> int:
        # Read before the run is: an end that comes between is then heard, and not waited for without end.
        newest = await self._lead.store.events(subject=run.id, newest=True, limit=1)
        return newest[-1].index if newest else 0

    # ── what is not offered, and the card ────────────────────────────────────────────────────────────────────

    @_answered
    async def on_get_extended_agent_card(self, params: Any, context: ServerCallContext) -> Any:
        caller = _caller(context)
        self._desk.grant(caller, "agent.list", {}, str(context.state["request"]))
        agent = context.state.get("agent")
        with use_tenant(caller.tenant):
            return agent_card(str(context.state["base"]), skills_of(self._lead.agents, agent), agent)

    async def on_create_task_push_notification_config(self, params: Any, context: ServerCallContext) -> Any:
        # A server that calls addresses that its callers name reaches what they cannot; streams tell the same.
        raise a2a_errors.PushNotificationNotSupportedError

    async def on_get_task_push_notification_config(self, params: Any, context: ServerCallContext) -> Any:
        raise a2a_errors.PushNotificationNotSupportedError

    async def on_list_task_push_notification_configs(self, params: Any, context: ServerCallContext) -> Any:
        raise a2a_errors.PushNotificationNotSupportedError

    async def on_delete_task_push_notification_config(self, params: Any, context: ServerCallContext) -> None:
        raise a2a_errors.PushNotificationNotSupportedError


def _is_wanted(run: RunRow, said: list[SaidRow], params: Any) -> bool:
    if params.status and tasks.state_of(run) != params.status:
        return False
    if params.HasField("status_timestamp_after"):
        return bool(tasks.changed_at(run) >= params.status_timestamp_after.ToMicroseconds() / 1e6)
    return True


def _check_message(params: Any) -> None:
    message, modes = params.message, params.configuration.accepted_output_modes
    if message.role == pb.ROLE_AGENT:
        raise InvalidInputError("the message is from an agent.", remedy="Send it as a user.", field="role")
    if tasks.kinds_of(message) - {"text", "data"}:
        raise a2a_errors.ContentTypeNotSupportedError(
            "parts are text or data here; upload files and name them in a data part."
        )
    if modes and not any(mode in (*MODES, "*/*", "text/*", "application/*") for mode in modes):
        raise a2a_errors.ContentTypeNotSupportedError(f"results come as {' or '.join(MODES)}.")
    if params.configuration.HasField("task_push_notification_config"):
        raise a2a_errors.PushNotificationNotSupportedError
    if not 1 <= len(message.message_id) <= 200 or not message.message_id.isprintable():
        raise InvalidInputError(
            "message_id is not usable.", remedy="Give 1 to 200 printable characters.", field="message_id"
        )


def _decisions(message: Any, waiting: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a message settles: its data parts ``{step, word, value}``, else its text for the one thing that waits."""
    stated = [data for data in tasks.said_data(message) if isinstance(data, dict) and "step" in data]
    if stated:
        return [
            {"step": str(data["step"]), "word": str(data.get("word", "answer")), "value": data.get("value")}
            for data in stated
        ]
    keys = ", ".join(item["key"] for item in waiting)
    if len(waiting) > 1:
        raise InvalidInputError(
            f"the task waits for {len(waiting)} things.",
            remedy=f"Send a data part {{step, word, value}} for each of: {keys}.",
            field="parts",
        )
    data = tasks.said_data(message)
    text = tasks.said_text(message).strip()
    if waiting[0]["kind"] == "effect":
        if text not in ("done", "redo", "fail"):
            raise InvalidInputError(
                f"nobody knows whether {keys} happened.", remedy="Say done, redo or fail.", field="parts"
            )
        return [{"step": waiting[0]["key"], "word": text}]
    return [{"step": waiting[0]["key"], "word": "answer", "value": data[0] if data and not text else text}]


__all__ = ["RunTasks"]
