"""What the verbs of runs, workflows and agents answer. Times are ISO 8601 in UTC unless a field says seconds."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from fairlead.verbs.answers.shapes import More, Page


class Waiting(TypedDict):
    """What a person is to decide before a run goes on."""

    key: str
    kind: str
    reason: str


class Run(TypedDict):
    """A run. ``seconds`` is how long it took, or has taken; ``carried_out`` whether a living process works on it."""

    id: str
    name: str
    kind: str
    state: str
    cause: str
    attempt: int
    parent_id: str | None
    forked_from: str | None
    error: str | None
    model: str | None
    permission_mode: str
    created: str
    finished: str | None
    seconds: float
    carried_out: NotRequired[bool]
    waiting_for: NotRequired[list[Waiting]]


class RunDetail(Run):
    """A run with what it was given and what came of it. ``steps`` counts them by status."""

    input: dict[str, Any]
    pause_cause: str | None
    terminate_cause: str | None
    signature: str
    steps: dict[str, int]
    result: Any


class Runs(More):
    """A page of runs; ``next`` is the cursor of the following one."""

    items: list[Run]
    next: str | None


class Checkpoint(TypedDict):
    """A point that a run can be forked from."""

    number: int
    key: str
    kind: str
    status: str
    finished: str


class Checkpoints(TypedDict):
    run: str
    name: str
    state: str
    forked_from: str | None
    items: list[Checkpoint]


class TracedRun(TypedDict):
    id: str
    name: str
    kind: str
    state: str
    cause: str
    attempt: int
    forked_from: str | None
    created: float
    seconds: float
    error: str | None
    waiting_for: list[Waiting] | None


class Span(TypedDict):
    """Something that was done: ``start`` is seconds after the run's creation, ``parts`` are the spans below it."""

    key: str
    kind: str
    status: str
    start: float
    seconds: float | None
    attempts: int
    error: str | None
    reason: str | None
    usage: dict[str, float] | None
    bytes: int
    kept_from: str | None
    parts: list[Span]


class Child(TypedDict):
    id: str
    name: str
    state: str


class Totals(TypedDict):
    units: dict[str, int]
    usage: dict[str, float]


class Trace(TypedDict):
    """A run as a tree of spans."""

    run: TracedRun
    spans: list[Span]
    children: list[Child]
    totals: Totals
    every: bool


class Event(TypedDict):
    """Something that happened. ``index`` grows; ``time`` is seconds since the epoch, UTC."""

    id: str
    index: int
    type: str
    tenant: str
    subject: str
    data: dict[str, Any]
    source: str
    cause: str
    time: float
    version: int


class Controlled(TypedDict):
    """A request that a run has carried out."""

    run: str
    name: str
    verb: str


class Moved(Controlled):
    """``children`` are the runs that were asked with it."""

    state: str
    already: NotRequired[bool]
    children: NotRequired[list[str]]


class Paused(Moved):
    in_flight: list[str]


class Terminated(Moved):
    still_running: NotRequired[list[str]]


class Steered(Controlled):
    message_id: str


Switched = TypedDict("Switched", {"run": str, "name": str, "verb": str, "from": str | None, "to": str})


class Commanded(Controlled):
    """A program that was run for a run, with what it wrote."""

    stdout: str
    stderr: str
    program_exit_code: int


class Decided(Controlled):
    key: str
    word: str


class WorkflowRow(TypedDict):
    name: str
    version: int
    steps: int
    description: str


class Workflow(TypedDict):
    spec: dict[str, Any]
    signature: str
    drawing: str


class Drawing(TypedDict):
    workflow: str
    to: str
    drawing: str


class Valid(TypedDict):
    workflow: str
    valid: bool
    steps: int
    agents_to_register: list[str]


class AgentRow(TypedDict):
    """An agent, without what has its default."""

    name: str
    description: NotRequired[str]
    version: NotRequired[int]
    agent_type: NotRequired[str]
    status: NotRequired[str]
    capabilities: NotRequired[list[dict[str, Any]]]
    preferred_task_types: NotRequired[list[str]]
    max_concurrent_tasks: NotRequired[int]
    model: NotRequired[str | None]
    instructions: NotRequired[str]
    tools: NotRequired[list[str]]


class Capability(TypedDict):
    name: str
    description: str
    confidence_level: float
    enabled: bool
    parameters: dict[str, Any]


class Agent(TypedDict):
    name: str
    version: int
    description: str
    agent_type: str
    status: str
    capabilities: list[Capability]
    preferred_task_types: list[str]
    max_concurrent_tasks: int
    model: str | None
    instructions: str
    tools: list[str]


class RegisteredAgent(Agent):
    """A spec as it is kept; ``revision`` counts its versions."""

    revision: int


class Removed(TypedDict):
    removed: str


class Session(TypedDict):
    """One agent of a plan; ``sessionId`` is its run, ``spawnTime`` in milliseconds."""

    agentId: str
    type: str
    batchId: str
    sessionId: str | None
    status: Literal["spawned", "failed"]
    spawnTime: float
    error: NotRequired[str | None]


class SpawnPerformance(TypedDict):
    """Measured milliseconds, and the sum of the single starts over the time of all."""

    totalTime: float
    averageTimePerAgent: float
    speedupVsSequential: str | None


class Spawned(TypedDict):
    success: bool
    agentsSpawned: int
    sessions: list[Session]
    performance: SpawnPerformance
    timestamp: str


ANSWERS: dict[str, Any] = {
    "run": Run,
    "trace": Trace,
    "events": list[Event],
    "runs.list": Runs,
    "runs.show": RunDetail,
    "runs.checkpoints": Checkpoints,
    "runs.fork": Run,
    "runs.pause": Paused,
    "runs.resume": Moved,
    "runs.terminate": Terminated,
    "runs.steer": Steered,
    "runs.model": Switched,
    "runs.permissions": Switched,
    "runs.command": Commanded,
    "runs.decide": Decided,
    "workflow.list": Page[WorkflowRow],
    "workflow.show": Workflow,
    "workflow.draw": Drawing,
    "workflow.validate": Valid,
    "workflow.schema": dict[str, Any],
    "agent.list": Page[AgentRow],
    "agent.show": Agent,
    "agent.register": RegisteredAgent,
    "agent.remove": Removed,
    "agent.spawn": Spawned,
}
