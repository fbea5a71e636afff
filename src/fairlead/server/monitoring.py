"""Routes of monitoring, of the team and of spending that clients of agent teams expect, answered from runs, tickets,
events and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request, Response

from fairlead.clock import isoformat
from fairlead.errors import InvalidInputError, NotFoundError, NotInitialisedError
from fairlead.gateway.accounts import Accounts
from fairlead.server import figures
from fairlead.server.access import Caller
from fairlead.server.answers import caller_of, json_answer
from fairlead.server.desk import Desk
from fairlead.server.document import REFERENCE
from fairlead.server.figures import DAY, HOUR, Facts, Seen
from fairlead.server.rest import responses
from fairlead.store.figures import ended_runs, noted, open_runs, runs_in_span
from fairlead.tenancy import use_tenant

_MOST = 50_000
_MOST_HOURS = 24.0 * 31
_HOURS = {
    "name": "hours",
    "in": "query",
    "required": False,
    "description": "how far back; 24 unless given",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_HOURS},
}
_DATE = {
    "name": "date",
    "in": "query",
    "required": False,
    "description": "day in UTC; today unless given",
    "schema": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "required": False,
    "description": "how many",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}

Make = Callable[[Request, Caller], Awaitable[Facts]]


class Monitoring:
    """The routes, over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lead = desk.lead
        self._accounts = Accounts(desk.lead.database, desk.lead.clock)

    def add(self, app: FastAPI) -> None:
        routes: tuple[tuple[str, Make, str, str, list[Facts]], ...] = (
            ("/api/monitoring/dashboard", self.dashboard, "Dashboard", "how the work goes, at one look", [_HOURS]),
            ("/api/monitoring/daily-report", self.daily_report, "DailyReport", "what one day came to", [_DATE]),
            ("/api/monitoring/cost-optimization", self.costs, "CostReport", "where money goes", [_HOURS]),
            ("/api/monitoring/quality-metrics", self.quality, "QualityReport", "how gates were met", [_HOURS]),
            ("/api/monitoring/performance-trends", self.trends, "Trends", "hour by hour", [_HOURS]),
            ("/api/monitoring/alerts", self.alerts, "Alerts", "what is not as it should be", [_HOURS]),
            ("/api/monitoring/metrics/summary", self.summary, "MetricsSummary", "the figures alone", [_HOURS]),
            ("/api/team/status", self.team_status, "TeamStatus", "the team, its agents and its tasks", [_HOURS]),
            ("/api/team/agents", self.team_agents, "TeamAgents", "each agent, its load and its outcomes", [_HOURS]),
            ("/api/team/tasks/active", self.active, "TeamTasks", "what is being done", [_LIMIT]),
            ("/api/team/tasks/completed", self.completed, "TeamTasks", "what was done", [_LIMIT]),
            ("/api/ai/models", self.models, "AiModels", "models, and what was asked of them", [_HOURS]),
            ("/api/ai/cost-summary", self.cost_summary, "CostSummary", "today, this month, and by model", []),
            ("/api/ai/performance", self.ai_performance, "AiPerformance", "how calls of models did", [_HOURS]),
        )
        for path, make, shape, summary, params in routes:
            app.add_api_route(
                path,
                self._endpoint(make),
                methods=["GET"],
                summary=summary,
                tags=["monitoring"],
                response_class=Response,
                responses=responses(200, {"$ref": REFERENCE + shape}),
                openapi_extra={"parameters": params},
            )

    def _endpoint(self, make: Make) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            caller = caller_of(request)
            self._desk.grant(caller, "runs.list", {}, request.state.request_id)
            with use_tenant(caller.tenant):
                found = await make(request, caller)
            return json_answer({"timestamp": isoformat(self._lead.clock.now()), **found})

        return endpoint

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _seen(self, caller: Caller, hours: float, until: float | None = None) -> Seen:
        now = self._lead.clock.now() if until is None else until
        tenant, since = str(caller.tenant), now - hours * HOUR
        ended, going, events = await self._lead.database.read(
            lambda r: (
                ended_runs(r, tenant, since, now, _MOST),
                open_runs(r, tenant, _MOST),
                noted(r, tenant, since, now, _MOST),
            )
        )
        return Seen(now, hours, ended, going, events, len(ended) == _MOST)

    async def _spent(self, caller: Caller, hours: float) -> tuple[Facts, list[Facts], list[Facts], dict[int, float]]:
        """(the sums, by tier, by model, USD by the start of each hour) of the tenant."""
        tenant, days = caller.tenant.tenant_id, hours / 24

        def read() -> tuple[Facts, list[Facts], list[Facts], dict[int, float]]:
            start, series = self._accounts.series(tenant, days=days + 1 / 24)
            by_hour = {start + number * 3600: usd for number, usd in enumerate(series)}
            by_tier = self._accounts.by(tenant, "tier", days=days)
            by_model = self._accounts.by(tenant, "model", days=days)
            return self._accounts.summary(tenant, days=days), by_tier, by_model, by_hour

        return await asyncio.to_thread(read)

    async def _figures(self, caller: Caller, seen: Seen) -> dict[str, float | None]:
        """Every figure that rules and targets are held against."""
        did = figures.performance(seen)
        sums, tiers, _, _ = await self._spent(caller, seen.hours)
        today = await self._spent(caller, (seen.now % DAY) / HOUR or 1 / 60)
        most = self._lead.settings.max_concurrency
        days = seen.hours / 24
        ever = did["completed"] + did["failed"] + len(seen.open)
        ever = ever or await self._lead.database.read(lambda r: runs_in_span(r, str(caller.tenant), 0.0))
        return {
            **{name: did[name] for name in ("team_efficiency", "error_rate", "stability", "quality_score")},
            "completed": did["completed"] if ever else None,
            "velocity": did["completed"] / days if ever else None,
            "quality": did["quality_score"],
            "utilisation": len([run for run in seen.open if run.state == "running"]) / most if most else None,
            "local_share": _local_share(sums, tiers),
            "cost_today": today[0]["cost"],
        }

    # ── monitoring ───────────────────────────────────────────────────────────────────────────────────────────

    async def dashboard(self, request: Request, caller: Caller) -> Facts:
        seen = await self._seen(caller, _hours(request))
        sums, tiers, _, by_hour = await self._spent(caller, seen.hours)
        did = figures.performance(seen)
        held = figures.against_targets(await self._figures(caller, seen))
        return {
            "team_overview": self._overview(await self._today(caller), seen),
            "performance_metrics": did,
            "cost_metrics": {**sums, "local_share": _local_share(sums, tiers)},
            "agent_breakdown": figures.breakdown(seen),
            "performance_vs_targets": held,
            "recent_trends": figures.trends(seen, by_hour),
            "quality_summary": figures.quality(seen.noted),
            "missing": figures.missing({name: facts["current"] for name, facts in held.items()} | _unmeasured(did)),
        }

    async def daily_report(self, request: Request, caller: Caller) -> Facts:
        begin = _day(request.query_params.get("date"), self._lead.clock.now())
        end = min(begin + DAY, self._lead.clock.now())
        seen = await self._seen(caller, max((end - begin) / HOUR, 1 / HOUR), end)
        failures = [run for run in seen.ended if run.state == "error"]
        slowest = sorted(seen.ended, key=lambda run: run.created - run.finished)[:10]
        closed = sum(event.type == "ticket.closed" for event in seen.noted)
        did = figures.performance(seen)
        return {
            "date": isoformat(begin)[:10],
            "complete": end == begin + DAY,
            "performance_metrics": did,
            "agent_breakdown": figures.breakdown(seen),
            "quality_summary": figures.quality(seen.noted),
            "tickets_closed": closed,
            "failures": [{"run": run.id, "name": run.name, "error": run.error} for run in failures[:20]],
            "slowest": [
                {"run": run.id, "name": run.name, "seconds": round(run.finished - run.created, 3)} for run in slowest
            ],
            "cost": await self._cost_of_day(caller, begin),
            "missing": figures.missing(_unmeasured(did)),
        }

    async def _cost_of_day(self, caller: Caller, begin: float) -> float:
        days = (self._lead.clock.now() - begin) / DAY + 1 / 24
        tenant = caller.tenant.tenant_id
        start, series = await asyncio.to_thread(lambda: self._accounts.series(tenant, days=days))
        hours = ((start + number * 3600, usd) for number, usd in enumerate(series))
        return sum(usd for hour, usd in hours if begin <= hour < begin + DAY)

    async def costs(self, request: Request, caller: Caller) -> Facts:
        hours = _hours(request)
        sums, tiers, models, _ = await self._spent(caller, hours)
        forecast = await self._desk.call(caller, "cost.forecast", {"hours": 24 * 7}, request.state.request_id)
        share = _local_share(sums, tiers)
        return {
            "hours": hours,
            "cost_metrics": sums,
            "local_share": share,
            "by_tier": tiers,
            "by_model": models,
            "forecast_week": {name: forecast[name] for name in ("total", "low", "high", "method")},
            "missing": figures.missing({"local_share": share}),
        }

    async def quality(self, request: Request, caller: Caller) -> Facts:
        seen = await self._seen(caller, _hours(request))
        found = figures.quality(seen.noted)
        return {"hours": seen.hours, **found, "missing": figures.missing({"quality_score": found["score"]})}

    async def trends(self, request: Request, caller: Caller) -> Facts:
        seen = await self._seen(caller, _hours(request))
        _, _, _, by_hour = await self._spent(caller, seen.hours)
        step = HOUR if seen.hours <= 48 else DAY
        return {"hours": seen.hours, "step_seconds": step, "trends": figures.trends(seen, _by(step, by_hour), step)}

    async def alerts(self, request: Request, caller: Caller) -> Facts:
        """Alerts that were raised and stand, and rules that hold for the figures of the span."""
        seen = await self._seen(caller, _hours(request))
        raised, unknown = figures.alerts(await self._figures(caller, seen), figures.why_missing)
        return {"hours": seen.hours, "alerts": [*figures.standing(seen.noted), *raised], "missing": unknown}

    async def summary(self, request: Request, caller: Caller) -> Facts:
        seen = await self._seen(caller, _hours(request))
        found = await self._figures(caller, seen)
        return {"hours": seen.hours, "metrics": found, "missing": figures.missing(found)}

    # ── the team ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _today(self, caller: Caller) -> Seen:
        now = self._lead.clock.now()
        return await self._seen(caller, max(now % DAY, 1.0) / HOUR, now)

    def _overview(self, today: Seen, seen: Seen) -> Facts:
        agents = {agent.name: agent.spec for agent in self._lead.agents}
        active = {run.name for run in seen.open if run.state == "running"} & agents.keys()
        return {
            "total_agents": len(agents),
            "active_agents": len(active),
            "tasks_completed_today": sum(run.state == "completed" for run in today.ended),
            "tasks_in_progress": len(seen.open),
            "tasks_waiting": sum(run.waiting for run in seen.open),
        }

    async def team_status(self, request: Request, caller: Caller) -> Facts:
        seen, today = await self._seen(caller, _hours(request)), await self._today(caller)
        did = figures.performance(seen)
        states = [run.state for run in seen.open]
        return {
            "team_metrics": {**self._overview(today, seen), **did},
            "agent_summary": figures.breakdown(seen),
            "task_summary": {
                "active": len(seen.open),
                "waiting": sum(run.waiting for run in seen.open),
                "paused": states.count("paused"),
                **{name: did[name] for name in ("completed", "failed", "terminated")},
            },
            "missing": figures.missing(_unmeasured(did)),
        }

    async def team_agents(self, request: Request, caller: Caller) -> Facts:
        """Of each agent; its outcomes are those of runs that were this agent alone."""
        seen, today = await self._seen(caller, _hours(request)), await self._today(caller)
        did, done = figures.breakdown(seen), figures.breakdown(today)
        found = []
        for agent in self._lead.agents:
            spec, own = agent.spec, did.get(agent.name, {})
            going = own.get("current_tasks", 0)
            most = spec.max_concurrent_tasks if "max_concurrent_tasks" in spec.model_fields_set else None
            found.append(
                {
                    "agent_id": agent.name,
                    "agent_type": spec.agent_type,
                    "specialties": [c.name for c in spec.capabilities if c.enabled],
                    "max_concurrent_tasks": most,
                    "current_tasks": going,
                    "completed_today": done.get(agent.name, {}).get("completed", 0),
                    "success_rate": own.get("success_rate"),
                    "p50_seconds": own.get("p50_seconds"),
                    "is_available": spec.status in ("active", "busy") and (most is None or going < most),
                    "last_activity": own.get("last_activity"),
                }
            )
        return {"agents": found, "total": len(found)}

    async def active(self, request: Request, caller: Caller) -> Facts:
        limit = _limit(request)
        runs = await self._lead.database.read(lambda r: open_runs(r, str(caller.tenant), limit))
        tasks = [
            _task(run.id, run.name, run.kind, "in_progress" if run.state == "running" else run.state, run.created)
            for run in runs
        ]
        tickets, why = await self._tickets(caller, "in-progress", limit)
        return {"tasks": [*tasks, *tickets], "missing": why}

    async def completed(self, request: Request, caller: Caller) -> Facts:
        limit, now = _limit(request), self._lead.clock.now()
        runs = await self._lead.database.read(lambda r: ended_runs(r, str(caller.tenant), 0.0, now + 1, limit))
        words = {"completed": "completed", "error": "failed", "terminated": "cancelled"}
        tasks = [
            _task(run.id, run.name, run.kind, words[run.state], run.created, run.finished, run.error) for run in runs
        ]
        tickets, why = await self._tickets(caller, "closed", limit)
        return {"tasks": [*tasks, *tickets], "missing": why}

    async def _tickets(self, caller: Caller, status: str, limit: int) -> tuple[list[Facts], dict[str, str]]:
        try:
            found = await self._desk.call(caller, "ticket.list", {"status": [status], "limit": limit, "full": True})
        except (NotFoundError, NotInitialisedError) as exc:
            return [], {"tickets": exc.message}
        words = {"in-progress": "in_progress", "closed": "completed"}
        return [
            {
                "task_id": item["id"],
                "title": item["title"],
                "kind": "ticket",
                "status": words[status],
                "priority": item.get("priority"),
                "assigned_agent": item.get("assigned_agent") or item.get("assignee"),
                "created_at": item.get("created_at"),
                "completed_at": item.get("closed_at"),
                "error_message": None,
            }
            for item in found["items"]
        ], {}

    # ── models ───────────────────────────────────────────────────────────────────────────────────────────────

    async def models(self, request: Request, caller: Caller) -> Facts:
        hours = _hours(request)
        _, _, by_model, _ = await self._spent(caller, hours)
        asked = {row["model"]: row for row in by_model}
        pool = self._desk.gateway.catalogue.pool()
        listed = [{**info.to_dict(), "asked": asked.get(info.id)} for info in pool]
        return {"hours": hours, "models": listed, "total": len(listed)}

    async def cost_summary(self, request: Request, caller: Caller) -> Facts:
        now = self._lead.clock.now()
        day = await self._spent(caller, max(now % DAY, 60.0) / HOUR)
        month = await self._spent(caller, 24.0 * 30)
        share = _local_share(month[0], month[1])
        return {
            "today": day[0],
            "last_30_days": month[0],
            "by_model": month[2],
            "by_tier": month[1],
            "local_share": share,
            "missing": figures.missing({"local_share": share}),
        }

    async def ai_performance(self, request: Request, caller: Caller) -> Facts:
        hours = _hours(request)
        sums, _, by_model, _ = await self._spent(caller, hours)
        rates = {"success_rate": sums["succeeded"] / sums["calls"] if sums["calls"] else None}
        why = {"success_rate": figures.why_missing("local_share")} if rates["success_rate"] is None else {}
        return {"hours": hours, "calls": sums["calls"], **rates, "by_model": by_model, "missing": why}


def _task(
    run_id: str,
    name: str,
    kind: str,
    status: str,
    created: float,
    finished: float | None = None,
    error: str | None = None,
) -> Facts:
    """A run as a task of a team."""
    return {
        "task_id": run_id,
        "title": name,
        "kind": kind,
        "status": status,
        "priority": None,
        "assigned_agent": name if kind == "agent" else None,
        "created_at": isoformat(created),
        "completed_at": None if finished is None else isoformat(finished),
        "error_message": error,
    }


def _unmeasured(did: Mapping[str, Any]) -> Facts:
    return {name: did[name] for name in ("team_efficiency", "quality_score") if did[name] is None}


def _local_share(sums: Mapping[str, Any], tiers: list[Facts]) -> float | None:
    """The share of answered calls that local models answered; None without calls."""
    local = sum(row["succeeded"] for row in tiers if row["tier"] == "local")
    return local / sums["succeeded"] if sums["succeeded"] else None


def _by(step: float, by_hour: Mapping[int, float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for hour, usd in by_hour.items():
        begin = int(hour // step * step)
        found[begin] = found.get(begin, 0.0) + usd
    return found


def _hours(request: Request) -> float:
    text = request.query_params.get("hours", "24")
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 < hours <= _MOST_HOURS:
        raise InvalidInputError(
            f"hours is {text[:40]!r}.", remedy=f"Give more than 0 and at most {_MOST_HOURS:g}.", field="hours"
        )
    return hours


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 1000 and len(text) < 9):
        raise InvalidInputError(f"limit is {text[:40]!r}.", remedy="Give 1 to 1,000.", field="limit")
    return int(text)


def _day(text: str | None, now: float) -> float:
    """The start of a day in UTC that is not in the future."""
    try:
        day = datetime.fromtimestamp(now, UTC) if text is None else datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise InvalidInputError(
            f"date is {(text or '')[:40]!r}.", remedy="Give it as 2026-11-20.", field="date"
        ) from None
    begin = day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC).timestamp()
    if begin > now or begin < timedelta(days=1).total_seconds():
        raise InvalidInputError("date is not in the past.", remedy="Give today or an earlier day.", field="date")
    return begin
