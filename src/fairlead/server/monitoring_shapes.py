"""What the routes of monitoring, of the team and of spending answer. None is what was not measured; ``missing`` has the
reason by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

from fairlead.verbs.answers.spending import Model, Share, Summary


class Timed(TypedDict):
    timestamp: str


class Missing(Timed):
    missing: dict[str, str]


class TeamOverview(TypedDict):
    total_agents: int
    active_agents: int
    tasks_completed_today: int
    tasks_in_progress: int
    tasks_waiting: int


class Performance(TypedDict):
    """``team_efficiency`` is the share of decided runs that completed."""

    hours: float
    completed: int
    failed: int
    terminated: int
    team_efficiency: float | None
    error_rate: float | None
    stability: float | None
    quality_score: float | None
    throughput_per_hour: float
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class Costs(Summary):
    local_share: float | None


class ByName(TypedDict):
    current_tasks: int
    completed: int
    failed: int
    terminated: int
    success_rate: float | None
    p50_seconds: float | None
    last_activity: str | None


class AgainstTarget(TypedDict):
    current: float | None
    target: float
    percentage: float | None


class Trend(TypedDict):
    """An hour or a day; ``cost`` in USD."""

    begins: str
    completed: int
    failed: int
    p50_seconds: float | None
    p95_seconds: float | None
    cost: float


class Gate(TypedDict):
    passed: NotRequired[int]
    failed: NotRequired[int]
    share: float | None


class Quality(TypedDict):
    score: float | None
    passed: int
    failed: int
    gates: dict[str, Gate]


class Dashboard(Missing):
    team_overview: TeamOverview
    performance_metrics: Performance
    cost_metrics: Costs
    agent_breakdown: dict[str, ByName]
    performance_vs_targets: dict[str, AgainstTarget]
    recent_trends: list[Trend]
    quality_summary: Quality


class FailedRun(TypedDict):
    run: str
    name: str
    error: str | None


class SlowRun(TypedDict):
    run: str
    name: str
    seconds: float


class DailyReport(Missing):
    """``complete`` says that the day is over; ``cost`` in USD."""

    date: str
    complete: bool
    performance_metrics: Performance
    agent_breakdown: dict[str, ByName]
    quality_summary: Quality
    tickets_closed: int
    failures: list[FailedRun]
    slowest: list[SlowRun]
    cost: float


class WeekAhead(TypedDict):
    total: float
    low: float
    high: float
    method: str


class CostReport(Missing):
    hours: float
    cost_metrics: Summary
    local_share: float | None
    by_tier: list[Share]
    by_model: list[Share]
    forecast_week: WeekAhead


class QualityReport(Missing):
    hours: float
    score: float | None
    passed: int
    failed: int
    gates: dict[str, Gate]


class Trends(Timed):
    hours: float
    step_seconds: float
    trends: list[Trend]


class Alert(TypedDict):
    """One that was raised as an event, or a rule that holds for the figures."""

    name: str
    severity: str
    text: str
    raised: NotRequired[str]
    figure: NotRequired[str]
    current: NotRequired[float]
    threshold: NotRequired[float]


class Alerts(Missing):
    hours: float
    alerts: list[Alert]


class MetricsSummary(Missing):
    hours: float
    metrics: dict[str, float | None]


class TeamMetrics(TeamOverview, Performance):
    pass


class TaskSummary(TypedDict):
    active: int
    waiting: int
    paused: int
    completed: int
    failed: int
    terminated: int


class TeamStatus(Missing):
    team_metrics: TeamMetrics
    agent_summary: dict[str, ByName]
    task_summary: TaskSummary


class TeamAgent(TypedDict):
    agent_id: str
    agent_type: str
    specialties: list[str]
    max_concurrent_tasks: int | None
    current_tasks: int
    completed_today: int
    success_rate: float | None
    p50_seconds: float | None
    is_available: bool
    last_activity: str | None


class TeamAgents(Timed):
    agents: list[TeamAgent]
    total: int


class TeamTask(TypedDict):
    """A run or a ticket."""

    task_id: str
    title: str
    kind: str
    status: str
    priority: str | None
    assigned_agent: str | None
    created_at: str | None
    completed_at: str | None
    error_message: str | None


class TeamTasks(Missing):
    tasks: list[TeamTask]


class AiModel(Model):
    asked: Share | None


class AiModels(Timed):
    hours: float
    models: list[AiModel]
    total: int


class CostSummary(Missing):
    today: Summary
    last_30_days: Summary
    by_model: list[Share]
    by_tier: list[Share]
    local_share: float | None


class AiPerformance(Missing):
    hours: float
    calls: int
    success_rate: float | None
    by_model: list[Share]


SHAPES: Mapping[str, Any] = {
    kind.__name__: kind
    for kind in (
        Dashboard,
        DailyReport,
        CostReport,
        QualityReport,
        Trends,
        Alerts,
        MetricsSummary,
        TeamStatus,
        TeamAgents,
        TeamTasks,
        AiModels,
        CostSummary,
        AiPerformance,
    )
}
"""The types that routes name by their own name."""
