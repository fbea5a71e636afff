"""Agents registered as data: for one tenant, durably, without reaching for the machine; and spawned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server.support import finished, run, serving

SPEC = {
    "name": "lookout",
    "description": "Finds what a text says.",
    "model": "local/extractive",
    "capabilities": [{"name": "reading", "confidence_level": 0.9}],
}
PROMPT = "The fairlead guides a rope. A cleat holds it.\n\nWhat does the fairlead guide?"


def test_an_agent_is_registered_for_its_tenant_and_survives_the_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            made = await client.post("/api/agents", json={"spec": SPEC})
            assert made.status_code == 201 and made.json()["revision"] == 1, made.text
            assert (await client.post("/api/agents", json={"spec": SPEC})).status_code == 409
            text = json.dumps({**SPEC, "description": "Reads closely."})
            again = await client.post("/api/agents", json={"spec": text, "replace": True})
            assert again.json()["revision"] == 2
            found = (await client.get("/api/agents", params={"capability": "reading"})).json()["items"]
            assert [(item["name"], item["description"]) for item in found] == [("lookout", "Reads closely.")]
            body = {"target": "lookout", "inputs": {"prompt": PROMPT}}
            started = await client.post("/api/runs", json=body)
            assert started.status_code == 201, started.text
            assert "rope" in (await finished(client, started.json()["id"]))["result"]
            other = served.client("operator", "globex")
            assert (await other.get("/api/agents/lookout")).status_code == 404
            assert (await other.get("/api/agents", params={"capability": "reading"})).json()["items"] == []
            assert (await other.post("/api/runs", json=body)).status_code == 404
            assert (await other.post("/api/agent/remove", json={"agent": "lookout"})).status_code == 404
            assert (await other.post("/api/agents", json={"spec": SPEC})).status_code == 201
        async with serving(tmp_path) as served:
            client = served.client("operator")
            assert (await client.get("/api/agents/lookout")).json()["description"] == "Reads closely."
            assert (await client.post("/api/agent/remove", json={"agent": "lookout"})).status_code == 200
            assert (await client.get("/api/agents/lookout")).status_code == 404
            assert (await client.post("/api/runs", json=body)).status_code == 404
            types = [e.type for e in await served.lead.store.events(subject="lookout", tenant="acme:main")]
            assert types == ["agent.registered", "agent.registered", "agent.removed"]

    run(story())


def test_a_spec_from_elsewhere_names_no_code_and_no_tools_without_their_scope(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            operator = served.client("operator", scopes=["*"])
            trusted = served.client("operator", scopes=["*", "agents:tools"])
            for client, tools, code in (
                (operator, ["os:system"], 403),
                (trusted, ["os:system"], 403),
                (operator, ["echo"], 403),
                (trusted, ["nobody"], 404),
                (trusted, ["echo"], 201),
            ):
                answer = await client.post("/api/agents", json={"spec": {**SPEC, "tools": tools}})
                assert answer.status_code == code, (tools, answer.text)
            bomb = "a: &a [x, x]\nb: &b [*a, *a]\nname: [*b, *b]"
            for spec, code in (
                ({**SPEC, "name": "echo"}, 409),
                ({**SPEC, "name": "content-brief"}, 409),
                ({**SPEC, "name": "../etc"}, 422),
                ({**SPEC, "api_key": "x"}, 422),
                ({"name": "x", "model": 5}, 422),
                (bomb, 422),
                ("name: x" + " " * 70_000, 422),
                ("{", 422),
                (7, 422),
            ):
                answer = await operator.post("/api/agents", json={"spec": spec})
                assert answer.status_code == code, (spec, answer.text)
            assert (await operator.post("/api/agents", json={"file": "/etc/passwd"})).status_code == 422
            assert (await served.client("viewer").post("/api/agents", json={"spec": SPEC})).status_code == 403

    run(story())


def test_many_agents_are_spawned_over_rest(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            agents = [{"type": "echo", "name": f"a{n}", "inputs": {"text": str(n)}} for n in range(10)]
            said = (await client.post("/api/agent/spawn", json={"agents": agents, "max_concurrency": 4})).json()
            assert said["success"] and said["agentsSpawned"] == 10
            assert (await finished(client, said["sessions"][3]["sessionId"]))["result"] == "3"
            for body in ({"agents": []}, {"agents": agents, "batch_size": 0}, {"agents": [{"type": "echo"}]}, {}):
                assert (await client.post("/api/agent/spawn", json=body)).status_code == 422
            limited = served.client("operator", scopes=["agent.spawn"])
            refused = (await limited.post("/api/agent/spawn", json={"agents": agents[:1]})).json()
            assert refused["sessions"][0]["status"] == "failed" and "scope" in refused["sessions"][0]["error"]

    run(story())


def test_the_command_line_registers_and_spawns(tmp_path: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    spec = tmp_path / "lookout.yaml"
    spec.write_text("name: lookout\nmodel: local/extractive\ntools: ['textwrap:dedent']\n", "utf-8")
    code, out, err = cli("agent", "register", str(spec))
    assert code == 0 and "revision 1" in out, err
    assert cli("agent", "register", str(spec))[0] != 0
    spec.write_text("name: lookout\nmodel: local/extractive\n", "utf-8")
    assert cli("agent", "register", str(spec), "--replace")[0] == 0
    shown: dict[str, Any] = json.loads(cli("agent", "show", "lookout", "--json")[1])["data"]
    assert shown["tools"] == [] and shown["model"] == "local/extractive"
    plan = tmp_path / "team.json"
    agents = [{"type": "lookout", "name": "one", "inputs": {"prompt": PROMPT}}, {"type": "nobody", "name": "two"}]
    plan.write_text(json.dumps({"agents": agents}), "utf-8")
    code, out, err = cli("agent", "spawn", str(plan), "--json")
    one, two = json.loads(out)["data"]["sessions"]
    assert code == 1 and "rope" in one["result"] and two["status"] == "failed", err
    assert cli("agent", "remove", "lookout")[0] == 0
    assert cli("agent", "show", "lookout")[0] != 0
