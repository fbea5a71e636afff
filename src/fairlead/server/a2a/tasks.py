"""Runs as tasks: states, messages and results in the protocol's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from a2a.types import a2a_pb2 as pb
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from fairlead.errors import InvalidInputError
from fairlead.runtime.graph import REQUIRED
from fairlead.store.agents import SaidRow
from fairlead.store.codec import decode
from fairlead.store.port import RunRow

_STATES: Mapping[str, Any] = {
    "init": pb.TASK_STATE_SUBMITTED,
    "running": pb.TASK_STATE_WORKING,
    # The protocol has no pause. A paused run is not over and wants nothing of the client; the message says so.
    "paused": pb.TASK_STATE_WORKING,
    "completed": pb.TASK_STATE_COMPLETED,
    "error": pb.TASK_STATE_FAILED,
    "terminated": pb.TASK_STATE_CANCELED,
}
_RUN_STATES: Mapping[Any, tuple[str, ...]] = {
    pb.TASK_STATE_SUBMITTED: ("init",),
    pb.TASK_STATE_WORKING: ("running", "paused"),
    pb.TASK_STATE_INPUT_REQUIRED: ("paused",),
    pb.TASK_STATE_COMPLETED: ("completed",),
    pb.TASK_STATE_FAILED: ("error",),
    pb.TASK_STATE_CANCELED: ("terminated",),
}
_TEXT_INPUTS = ("prompt", "task", "text", "question", "query", "message")
TOLD = (
    "run.paused",
    "run.resumed",
    "run.recovered",
    "run.blocked",
    "run.unblocked",
    "step.started",
    "step.progressed",
    "step.retried",
    "step.completed",
    "step.failed",
)
"""Events of a run that a stream tells as status updates while it goes on."""


def task_key(run: RunRow) -> str:
    """Under what the messages of a run's task are kept."""
    return run.idempotency_key or run.id


def context_of(run: RunRow, said: Sequence[SaidRow]) -> str:
    """The context that the client gave or got; a run that no A2A client began is a context of its own."""
    return said[0].context_id if said else run.id


def state_of(run: RunRow) -> Any:
    return pb.TASK_STATE_INPUT_REQUIRED if waiting_of(run) else _STATES[run.state]


def run_states(state: Any) -> tuple[str, ...]:
    """The states of runs that may be tasks of a state; none for a state that runs never have."""
    return _RUN_STATES.get(state, ())


def waiting_of(run: RunRow) -> list[dict[str, Any]]:
    """What the run waits for: ``[{key, kind, reason}]``."""
    return orjson.loads(run.waiting_for) if run.waiting_for and run.state == "paused" else []


def task_of(run: RunRow, said: Sequence[SaidRow], *, artifacts: bool = True) -> Any:
    """The run as a task, with its whole history."""
    context = context_of(run, said)
    return pb.Task(
        id=run.id,
        context_id=context,
        status=status_of(run, context),
        artifacts=artifacts_of(run) if artifacts else [],
        history=[_message_of(row, run.id) for row in said],
        metadata=struct({"agent": run.name, "state": run.state, "attempt": run.attempt}),
    )


def status_of(run: RunRow, context: str) -> Any:
    status = pb.TaskStatus(state=state_of(run), timestamp=stamp(changed_at(run)))
    parts = _parts_of_status(run)
    if parts:
        # Named for the run and what is said, so that asking twice gives the same message.
        identity = f"{run.id}/{run.state}/{run.attempt}"
        message = pb.Message(message_id=identity, context_id=context, task_id=run.id, role=pb.ROLE_AGENT, parts=parts)
        status.message.CopyFrom(message)
    return status


def changed_at(run: RunRow) -> float:
    """When the run ended, or else began: the store keeps no time for what lies between."""
    return run.finished or run.started or run.created


def _parts_of_status(run: RunRow) -> list[Any]:
    waiting = waiting_of(run)
    if waiting:
        text = "\n".join(item["reason"] for item in waiting)
        return [pb.Part(text=text), pb.Part(data=value_of({"waiting_for": waiting}))]
    if run.state == "paused":
        return [pb.Part(text=f"Paused by {run.pause_cause or 'its owner'}; it goes on when it is resumed.")]
    if run.state == "terminated":
        return [pb.Part(text=f"Stopped by {run.terminate_cause or 'its owner'}.")]
    return [pb.Part(text=run.error)] if run.state == "error" and run.error else []


def artifacts_of(run: RunRow) -> list[Any]:
    """The result, as text when it is text and as data otherwise; nothing before the run has completed."""
    if run.state != "completed" or run.result is None:
        return []
    result, metadata = decode(run.result)
    part = pb.Part(text=result, media_type="text/plain") if isinstance(result, str) else _data_part(result)
    artifact = pb.Artifact(artifact_id="result", name="result", parts=[part])
    if metadata:
        artifact.metadata.CopyFrom(struct(metadata))
    return [artifact]


def _data_part(value: Any) -> Any:
    return pb.Part(data=value_of(value), media_type="application/json")


def _message_of(row: SaidRow, run_id: str) -> Any:
    message = ParseDict(orjson.loads(row.message), pb.Message(), ignore_unknown_fields=True)
    message.task_id, message.context_id = run_id, row.context_id
    return message


def message_json(message: Any) -> str:
    return orjson.dumps(MessageToDict(message)).decode()


def value_of(value: Any) -> Any:
    """JSON-able data as a protobuf value; numbers become doubles, as in JSON."""
    return ParseDict(orjson.loads(orjson.dumps(value, default=str)), struct_pb2.Value())


def struct(value: Mapping[str, Any]) -> Any:
    return ParseDict(orjson.loads(orjson.dumps(value, default=str)), struct_pb2.Struct())


def stamp(seconds: float) -> Any:
    made = Timestamp()
    made.FromMicroseconds(round(seconds * 1e6))
    return made


# ── what clients say ─────────────────────────────────────────────────────────────────────────────────────────────


def said_text(message: Any) -> str:
    return "\n".join(part.text for part in message.parts if part.WhichOneof("content") == "text")


def said_data(message: Any) -> list[Any]:
    return [MessageToDict(part.data) for part in message.parts if part.WhichOneof("content") == "data"]


def kinds_of(message: Any) -> set[str]:
    return {str(part.WhichOneof("content")) for part in message.parts}


def inputs_of(message: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of an agent from a message: objects by name, and the text as the input that is for text.

    ``wanted`` are the agent's inputs with their defaults. :class:`InvalidInputError` for data that is no object.
    """
    inputs: dict[str, Any] = {}
    for data in said_data(message):
        if not isinstance(data, dict):
            raise InvalidInputError("a data part is no object.", remedy="Give inputs by name.", field="parts")
        inputs |= {name: _whole(value) for name, value in data.items()}
    text = said_text(message)
    if text and (name := _text_input(wanted, inputs)) is not None:
        inputs[name] = text
    return inputs


def _text_input(wanted: Mapping[str, Any], given: Iterable[str]) -> str | None:
    free = [name for name in wanted if name not in given]
    for name in _TEXT_INPUTS:
        if name in free:
            return name
    required = [name for name in free if wanted[name] is REQUIRED]
    texts = [name for name in free if isinstance(wanted[name], str)]
    return next(iter(required or texts), None)


def _whole(value: Any) -> Any:
    """Numbers as they were meant: the protocol's values are doubles, so 5 arrives as 5.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
