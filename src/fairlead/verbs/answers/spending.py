"""What the verbs of models, costs and budgets answer. Money is US dollars; times are seconds since the epoch, UTC."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from fairlead.verbs.answers.shapes import Deleted, More, Page


class Price(TypedDict):
    """``state`` says whether the price is known; amounts are per million tokens."""

    state: str
    input_per_mtok: NotRequired[float]
    output_per_mtok: NotRequired[float]
    cached_per_mtok: NotRequired[float]
    written_per_mtok: NotRequired[float]
    per_request: NotRequired[float]
    tiers: NotRequired[list[dict[str, float]]]
    source: NotRequired[str]
    as_of: NotRequired[str]


class Model(TypedDict):
    id: str
    provider: str
    tier: str
    model_type: str
    context_window: int | None
    capabilities: list[str]
    tasks: list[str]
    price: Price
    prior: float
    source: str


class Candidate(TypedDict):
    """A model that was considered; ``against`` says what speaks against it."""

    model: str
    tier: str
    expected_quality: float
    interval: list[float]
    price: float | None
    samples: float
    against: str


class Choice(TypedDict):
    """Which model, which others if it fails, and why."""

    model: str
    chain: list[str]
    reasons: list[str]
    task_type: str
    explored: bool
    candidates: list[Candidate]


class Route(Choice):
    explain: bool


class Usage(TypedDict):
    """Tokens; ``label`` says whether they were counted or estimated."""

    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    label: str


class Attempt(TypedDict):
    call_id: str
    model: str
    outcome: str
    cost_nano: int | None
    usage: Usage
    error: str
    category: str


class Generated(TypedDict):
    """An answer of a model, and what it took."""

    content: str
    model_used: str
    model_type: str
    tokens_used: int
    usage: Usage
    cost: float | None
    response_time: float
    success: bool
    error_message: str
    error_category: str
    fallback_used: bool
    cached: str
    request_id: str
    tokens_saved: int
    shortened: Any
    attempts: list[Attempt]
    decision: Choice | None
    exit_code: NotRequired[int]


class Spent(TypedDict):
    """Calls and what they cost; ``unpriced`` of them have no known price."""

    calls: int
    succeeded: int
    unpriced: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    tokens_saved: int
    fresh_tokens: int
    cost: float
    in_flight: float
    lost: float


class Summary(Spent):
    days: float


class Share(Spent):
    """What was spent by one of the group that was asked for."""

    agent: NotRequired[str | None]
    run: NotRequired[str | None]
    step: NotRequired[str | None]
    model: NotRequired[str | None]
    tenant: NotRequired[str | None]
    workspace: NotRequired[str | None]
    epic: NotRequired[str | None]
    tier: NotRequired[str | None]
    task_type: NotRequired[str | None]
    outcome: NotRequired[str | None]


class Shares(More):
    items: list[Share]
    group: str


class Branch(Spent):
    """What was spent by a tenant, agent, run or step and by those below it."""

    kind: str
    name: str
    children: list[Branch]


class Call(TypedDict):
    """A call of a model."""

    id: str
    agent: str
    run: str
    step: str
    path: str
    task_type: str
    model: str
    tier: str
    state: str
    outcome: str | None
    error_category: str | None
    price_state: str
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    usage_label: str
    tokens_saved: int
    fallback: int
    quality: float | None
    started: float
    finished: float | None
    cost: float | None
    reserved: float


class Forecast(TypedDict):
    """``values`` are per hour; ``backtest`` is the error of each method on the past, None where it is too short."""

    hours: int
    history_hours: int
    total: float
    low: float
    high: float
    method: str
    backtest: dict[str, float | None]
    values: list[float]


class Savings(TypedDict):
    """What the same calls had cost with one model."""

    days: float
    requests: int
    unpriced: int
    reference_model: str
    reference: float
    real: float
    saved: float
    share_saved: float | None
    interval: list[float] | None
    factors: dict[str, Any]
    failed_cost: float
    judged: int
    mean_quality: float | None


class Budget(TypedDict):
    id: str
    scope: str
    subject: str
    period: str
    limit: float
    on_limit: str
    local_only_at: int
    cause: str
    windows: list[dict[str, Any]]


class Alert(TypedDict):
    """Spending that is unusual, or that uses up a budget too fast."""

    name: str
    severity: str
    what: str
    spent: NotRequired[float]
    deviations: NotRequired[float]
    budget: NotRequired[str]
    rate: NotRequired[float]


ANSWERS: dict[str, Any] = {
    "model.list": Page[Model],
    "model.show": Model,
    "model.ask": Generated,
    "model.route": Route,
    "cost.summary": Summary,
    "cost.by": Shares,
    "cost.tree": Branch,
    "cost.calls": Page[Call],
    "cost.forecast": Forecast,
    "cost.report": Savings,
    "cost.alerts": Page[Alert],
    "budget.set": Budget,
    "budget.list": Page[Budget],
    "budget.show": Budget,
    "budget.delete": Deleted,
}
