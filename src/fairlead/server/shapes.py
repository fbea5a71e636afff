"""What the routes answer that are no verbs, as types of which the document's schemas are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from fairlead.server import monitoring_shapes as monitoring
from fairlead.verbs.answers.spending import Generated


class Kept(TypedDict):
    """A file that was kept; ``path`` is what names it as an input of runs."""

    originalName: str
    path: str
    size: int
    type: str


class NotKept(TypedDict):
    originalName: str
    error: str


class Uploaded(TypedDict):
    """How a batch of files ended. ``duration`` is milliseconds; ``jobs`` take in what something reads."""

    success: bool
    files: list[Kept]
    count: int
    duration: float
    partialSuccess: NotRequired[bool]
    failures: NotRequired[list[NotKept]]
    failureCount: NotRequired[int]
    jobs: list[str]


class Alive(TypedDict):
    status: Literal["alive"]


class Ready(TypedDict):
    status: Literal["ready", "not ready"]
    faults: list[str]


class Health(TypedDict):
    status: Literal["healthy", "unhealthy"]


class PartOk(TypedDict):
    state: Literal["ok", "fault"]
    text: str


class HealthDetailed(TypedDict):
    status: Literal["healthy", "unhealthy"]
    checks: dict[str, PartOk]
    runs_here: int
    listeners: int
    calls: int


class ModelOfApi(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelsOfApi(TypedDict):
    object: Literal["list"]
    data: list[ModelOfApi]


class ChatChoice(TypedDict):
    index: int
    message: dict[str, Any]
    finish_reason: str | None


class ChatCost(TypedDict):
    """What Fairlead adds: ``cost`` is US dollars, None when the price is unknown."""

    model: str
    cost: float | None
    attempts: int
    usage: str


class ChatCompletion(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: dict[str, Any]
    fairlead: ChatCost


class ChatTurn(TypedDict):
    role: str
    content: NotRequired[Any]
    name: NotRequired[str]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]


class ChatRequest(TypedDict):
    """The body of the chat API; fields that are not named here are passed over."""

    messages: list[ChatTurn]
    model: NotRequired[str]
    stream: NotRequired[bool]
    max_tokens: NotRequired[int]
    max_completion_tokens: NotRequired[int]
    temperature: NotRequired[float]
    top_p: NotRequired[float]
    tools: NotRequired[list[dict[str, Any]]]
    stream_options: NotRequired[dict[str, Any]]


class GenerateRequest(TypedDict):
    """What is asked of a model, and how it is to be chosen. ``cost_limit`` is US dollars."""

    prompt: str
    context: NotRequired[str]
    model_preference: NotRequired[str]
    max_tokens: NotRequired[int]
    temperature: NotRequired[float]
    force_local: NotRequired[bool]
    force_cloud: NotRequired[bool]
    fallback_allowed: NotRequired[bool]
    cost_limit: NotRequired[float]
    quality_floor: NotRequired[float]
    task_type: NotRequired[str]


_OWN = (
    Uploaded,
    Alive,
    Ready,
    Health,
    HealthDetailed,
    ModelsOfApi,
    ChatCompletion,
    Generated,
    ChatRequest,
    GenerateRequest,
)
SHAPES: Mapping[str, Any] = {kind.__name__: kind for kind in _OWN} | dict(monitoring.SHAPES)
"""The types that routes name by their own name."""


class QueryControlled(TypedDict):
    """A query is a run; ``result`` is what the verb of the action answers."""

    success: Literal[True]
    action: str
    queryId: str
    result: dict[str, Any]
    timestamp: str


class Query(TypedDict):
    queryId: str
    name: str
    status: str
    model: str | None
    permissionMode: str
    startTime: str


class Queries(TypedDict):
    success: Literal[True]
    queries: list[Query]
    count: int
    timestamp: str


TOOLS: Mapping[str, Any] = {"query_control": QueryControlled, "query_list": Queries}
"""What the tools answer that are no verbs."""
