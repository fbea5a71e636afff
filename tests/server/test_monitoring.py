"""Dashboards, reports and team routes: true figures, and None with a reason where nothing was measured."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as fast
from hypothesis import strategies as some

from fairlead.cli.main import main
from fairlead.events import draft
from fairlead.server import figures
from fairlead.server.figures import Seen, alerts, performance, rank, standing, trends
from fairlead.store.figures import Ended, Noted
from tests.server.support import GATES, finished, run, serving

PATHS = (
    "/api/monitoring/dashboard",
    "/api/monitoring/daily-report",
    "/api/monitoring/cost-optimization",
    "/api/monitoring/quality-metrics",
    "/api/monitoring/performance-trends",
    "/api/monitoring/alerts",
    "/api/monitoring/metrics/summary",
    "/api/team/status",
    "/api/team/agents",
    "/api/team/tasks/active",
    "/api/team/tasks/completed",
    "/api/ai/models",
    "/api/ai/cost-summary",
    "/api/ai/performance",
)


def test_an_empty_store_measures_nothing_and_says_why(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("viewer")
            board = (await client.get("/api/monitoring/dashboard")).json()
            did = board["performance_metrics"]
            for name in ("team_efficiency", "error_rate", "stability", "quality_score", "p95_seconds"):
                assert did[name] is None, name
            for name, held in board["performance_vs_targets"].items():
                assert held["current"] is None and held["percentage"] is None, (name, held)
                assert board["missing"][name], name
            assert board["team_overview"]["tasks_completed_today"] == 0
            assert (await client.get("/api/monitoring/quality-metrics")).json()["score"] is None
            found = (await client.get("/api/monitoring/alerts")).json()
            assert {"quality", "efficiency", "error_rate", "stability", "throughput"} <= found["missing"].keys()
            assert {alert["name"] for alert in found["alerts"]} <= {"utilisation"}
            for path in PATHS:
                assert (await served.client(key="").get(path)).status_code == 401
                assert (await served.client("viewer", scopes=["memory.*"]).get(path)).status_code == 403

    run(story())


def test_figures_are_those_of_the_runs_of_the_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = tmp_path / "board"
    board.mkdir()
    monkeypatch.chdir(board)
    assert main(["ticket", "init"]) == 0

    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            client, other = served.client("operator"), served.client("operator", "globex")
            for text in ("one", "two", "three"):
                done = (await client.post("/api/runs", json={"target": "echo", "inputs": {"text": text}})).json()["id"]
                await finished(client, done)
            failed = (await client.post("/api/runs", json={"target": "faulty"})).json()["id"]
            await finished(client, failed, "error")
            held = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
            lead, now = served.lead, served.lead.clock.now()
            gates = [("gate.passed", "lint"), ("gate.passed", "lint"), ("gate.failed", "tests")]
            raised = draft("alert.raised", "acme:main", "x", {"name": "x"}, source="test", cause="test", time=now)
            await lead.store.append(
                *(
                    draft(type_, "acme:main", gate, {"gate": gate}, source="test", cause="test", time=now)
                    for type_, gate in gates
                ),
                raised,
            )
            ticket = (await client.post("/api/tickets", json={"title": ["Mend the sail"]})).json()["id"]
            await client.post("/api/ticket/update", json={"ids": [ticket], "status": "in-progress"})
            prompt = {"prompt": "The sky is blue. Grass is green.\n\nWhat colour is the sky?", "force_local": True}
            assert (await client.post("/api/ai/generate", json=prompt)).json()["success"]

            document = (await client.get("/openapi.json")).json()
            answers: dict[str, Any] = {}
            for path in PATHS:
                answer = await client.get(path)
                assert answer.status_code == 200, (path, answer.text)
                answers[path] = answer.json()
                schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
                jsonschema.validate(answers[path], {**schema, "components": document["components"]})

            did = answers["/api/monitoring/dashboard"]["performance_metrics"]
            assert (did["completed"], did["failed"]) == (3, 1)
            assert did["team_efficiency"] == 0.75 and did["error_rate"] == 0.25
            assert did["quality_score"] == pytest.approx(2 / 3)
            dashboard = answers["/api/monitoring/dashboard"]
            assert dashboard["agent_breakdown"]["echo"]["success_rate"] == 1.0
            assert dashboard["agent_breakdown"]["faulty"]["success_rate"] == 0.0
            assert dashboard["team_overview"]["active_agents"] == 1
            assert dashboard["performance_vs_targets"]["local_share"]["current"] == 1.0
            assert dashboard["performance_vs_targets"]["coordination"]["current"] is None
            assert sum(slot["completed"] for slot in dashboard["recent_trends"]) == 3
            report = answers["/api/monitoring/daily-report"]
            assert report["failures"][0]["run"] == failed and not report["complete"]
            quality = answers["/api/monitoring/quality-metrics"]
            assert quality["gates"]["lint"]["share"] == 1.0 and quality["gates"]["tests"]["share"] == 0.0
            names = {alert["name"] for alert in answers["/api/monitoring/alerts"]["alerts"]}
            assert {"x", "error_rate", "stability", "quality"} <= names
            active = {task["task_id"]: task for task in answers["/api/team/tasks/active"]["tasks"]}
            assert active[held]["status"] == "in_progress" and active[held]["assigned_agent"] == "held"
            assert active[ticket]["kind"] == "ticket"
            completed = {task["task_id"]: task["status"] for task in answers["/api/team/tasks/completed"]["tasks"]}
            assert completed[failed] == "failed" and list(completed.values()).count("completed") == 3
            team = {agent["agent_id"]: agent for agent in answers["/api/team/agents"]["agents"]}
            assert team["held"]["current_tasks"] == 1 and team["echo"]["completed_today"] == 3
            assert team["held"]["success_rate"] is None
            asked = {model["id"]: model["asked"] for model in answers["/api/ai/models"]["models"]}
            assert asked["local/extractive"]["calls"] == 1
            assert answers["/api/ai/performance"]["success_rate"] == 1.0

            theirs = (await other.get("/api/monitoring/dashboard")).json()
            assert theirs["performance_metrics"]["completed"] == 0 and theirs["quality_summary"]["score"] is None
            listed = (await other.get("/api/team/tasks/completed")).json()
            assert listed["tasks"] == [] and "tickets" in listed["missing"]
            for path, query in (
                (PATHS[0], {"hours": "nan"}),
                (PATHS[0], {"hours": "0"}),
                (PATHS[1], {"date": "2999-01-01"}),
                (PATHS[1], {"date": "x"}),
                (PATHS[9], {"limit": "0"}),
            ):
                assert (await client.get(path, params=query)).status_code == 422, query
            GATES.setdefault("gate", asyncio.Event()).set()

    run(story())


@given(some.lists(some.floats(0, 1e6), max_size=60), some.floats(0.01, 1))
@fast(deadline=None)
def test_a_rank_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = rank(ordered, share)
    assert (found is None) == (not values)
    if found is not None:
        assert found in ordered and sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9


@given(
    some.lists(
        some.tuples(some.sampled_from(("completed", "error", "terminated")), some.floats(0, 86_399)), max_size=40
    )
)
@fast(deadline=None)
def test_trends_hold_every_run_once(ends: list[tuple[str, float]]) -> None:
    now = 1_700_000_000.0
    ended = [
        Ended(str(n), "a", "agent", state, None, "t", now - ago - 1, now - ago) for n, (state, ago) in enumerate(ends)
    ]
    seen = Seen(now, 24.0, ended, [], [])
    slots = trends(seen, {})
    assert sum(slot["completed"] + slot["failed"] for slot in slots) == sum(state != "terminated" for state, _ in ends)
    did = performance(seen)
    decided = did["completed"] + did["failed"]
    assert did["team_efficiency"] == (did["completed"] / decided if decided else None)


def test_a_rule_looks_at_nothing_that_was_not_measured() -> None:
    unmeasured = {rule.figure: None for rule in figures.RULES}
    raised, unknown = alerts(unmeasured, figures.why_missing)
    assert raised == [] and unknown.keys() == {rule.name for rule in figures.RULES}
    met = {rule.figure: rule.threshold for rule in figures.RULES}
    assert alerts(met, figures.why_missing) == ([], {})
    beyond = {rule.figure: rule.threshold + (1e-6 if rule.side == "above" else -1e-6) for rule in figures.RULES}
    assert len(alerts(beyond, figures.why_missing)[0]) == len(figures.RULES)


def test_an_alert_stands_until_it_is_resolved() -> None:
    def event(type_: str, name: str, time: float) -> Noted:
        return Noted(f"alert.{type_}", name, {"name": name}, time)

    newest_first = [
        event("raised", "a", 4),
        event("resolved", "b", 3),
        event("raised", "b", 2),
        event("resolved", "a", 1),
    ]
    assert [alert["name"] for alert in standing(newest_first)] == ["a"]
