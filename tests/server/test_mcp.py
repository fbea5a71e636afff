"""The verbs as MCP tools: in process, over HTTP and over standard input and output, with the SDK's own client."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from fairlead.agents.spawning import Wanted, batches
from fairlead.errors import InvalidGraphError
from fairlead.server.access import Caller
from fairlead.server.mcp_server import make_mcp
from fairlead.tenancy import make_tenant
from fairlead.verbs import every_verb
from fairlead.verbs.ticket_tools import TOOLS
from tests.server.support import GATES, Serving, listening, run, serving

ALL = ("*", "commands:run", "permissions:bypass")


def _server(served: Serving, role: str = "admin", tenant: str = "acme", scopes: tuple[str, ...] = ALL) -> Any:
    caller = Caller("key_1", "test", make_tenant(tenant), role, scopes)
    return make_mcp(served.app.desk, lambda ctx: caller)


def test_every_tool_is_a_verb_and_roles_see_their_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            names = {}
            for role in ("viewer", "admin"):
                async with Client(_server(served, role)) as client:
                    names[role] = {tool.name: tool for tool in (await client.list_tools()).tools}
                    given = {"verb": "ticket.create", "arguments": {"title": "Not by a viewer"}}
                    refused = await client.call_tool("ticket_verb", given)
                    assert ("role" in str(refused.structured_content)) == (role == "viewer")
            board = {tool.name for tool in TOOLS}
            assert names["viewer"].keys() & board == {"ticket_find", "ticket_show", "ticket_verb"}
            own = {"agents_spawn_parallel", "query_control", "query_list"} | board
            verbs = {verb.name.replace(".", "_"): verb for verb in every_verb()}
            assert own < names["admin"].keys() and names["admin"].keys() - own <= verbs.keys()
            assert not {"run", "query_control", "agents_spawn_parallel"} & names["viewer"].keys()
            for name, tool in names["viewer"].items():
                assert name in own or not verbs[name].changes
                assert len(tool.model_copy(update={"output_schema": None}).model_dump_json()) < 2000
                assert len(tool.model_dump_json(exclude_none=True)) < 4000

    run(story())


def test_agents_are_spawned_in_parallel_and_measured(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, Client(_server(served)) as client:
            agents = [{"type": "echo", "name": f"a{n}", "inputs": {"text": str(n)}} for n in range(30)]
            answer = await client.call_tool("agents_spawn_parallel", {"agents": agents})
            said = answer.structured_content
            assert said["success"] and said["agentsSpawned"] == 30, said
            assert [s["agentId"] for s in said["sessions"]] == [a["name"] for a in agents]
            result = await served.lead.run(said["sessions"][7]["sessionId"]).result()
            assert result.data == "7"
            measured = said["performance"]
            assert 0 < measured["averageTimePerAgent"] * 30 == pytest.approx(measured["totalTime"], rel=0.01)
            mixed = [
                {"type": "nobody", "name": "first"},
                {"type": "echo", "name": "second", "dependencies": ["first"]},
                {"type": "anyone", "capabilities": ["echoing"], "name": "third"},
            ]
            said = (await client.call_tool("agents_spawn_parallel", {"agents": mixed})).structured_content
            assert [s["status"] for s in said["sessions"]] == ["failed", "failed", "spawned"]
            assert not said["success"] and said["agentsSpawned"] == 1

    run(story())


def test_batches_follow_dependencies_and_priorities() -> None:
    def wanted(name: str, priority: str = "medium", *needs: str) -> Wanted:
        return Wanted("echo", name, (), priority, needs, {})

    made = batches([wanted("a", "low"), wanted("b", "critical"), wanted("c", "high", "a"), wanted("d")], 2)
    assert [[agent.name for agent in batch] for batch in made] == [["b", "d"], ["a"], ["c"]]
    for faulty in (
        [wanted("a", "low", "b"), wanted("b", "low", "a")],
        [wanted("a", "low", "nobody")],
        [wanted("a"), wanted("a")],
    ):
        with pytest.raises(InvalidGraphError):
            batches(faulty, 3)


def test_queries_are_listed_and_controlled(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, Client(_server(served)) as client:
            started = (await client.call_tool("run", {"target": "held"})).structured_content
            query = {"queryId": started["id"]}

            async def control(action: str, **more: str) -> Any:
                answer = await client.call_tool("query_control", {"action": action, **query, **more})
                return answer.is_error, answer.structured_content

            assert (await control("pause"))[1]["result"]["state"] == "paused"
            listed = (await client.call_tool("query_list", {})).structured_content
            assert [(q["queryId"], q["status"]) for q in listed["queries"]] == [(started["id"], "paused")]
            assert (await control("change_model", model="local/extractive"))[1]["result"]["to"] == "local/extractive"
            assert (await control("change_permissions", permissionMode="plan"))[1]["result"]["to"] == "plan"
            failed, said = await control("execute_command", command="rm -rf /")
            assert failed and said["error"]["status"] == 403
            assert (await control("resume"))[1]["success"]
            GATES["gate"].set()
            await served.lead.run(started["id"]).result()
            assert (await client.call_tool("query_list", {})).structured_content["count"] == 0
            history = (await client.call_tool("query_list", {"includeHistory": True})).structured_content
            assert history["queries"][0]["status"] == "completed"
            assert (await control("pause"))[0] and (await control("explode"))[0]
            assert (await control("pause", reason="x"))[0]
            for arguments in ({"includeHistory": "yes"}, {"history": True}):
                assert (await client.call_tool("query_list", arguments)).is_error
            assert set(history["queries"][0]) >= {"queryId", "status", "model", "permissionMode", "startTime"}
            assert set(history) == {"success", "queries", "count", "timestamp"}

    run(story())


def test_scopes_hold_for_tools_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            started = await served.lead.start("held")
            asked = {"action": "execute_command", "queryId": started.id, "command": "true"}
            for server in (_server(served, scopes=("*",)), _server(served, "viewer"), _server(served, tenant="globex")):
                async with Client(server) as client:
                    answer = await client.call_tool("query_control", asked)
                    assert answer.is_error
                    assert answer.structured_content["error"]["status"] in (403, 404)
            await started.terminate()

    run(story())


def test_resources_and_prompts(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, Client(_server(served)) as client:
            started = await served.lead.start("echo", {"text": "hello"})
            await started.result()
            found = await client.read_resource(f"fairlead://runs/{started.id}")
            assert '"result":"hello"' in found.contents[0].text  # type: ignore[union-attr]
            await client.call_tool("memory_add", {"text": "The pilot boards at noon."})
            listed = {str(r.uri): r.title for r in (await client.list_resources()).resources}
            assert listed[f"fairlead://runs/{started.id}"] == "echo"
            (kept,) = [uri for uri, title in listed.items() if title == "The pilot boards at noon."]
            assert "noon" in (await client.read_resource(kept)).contents[0].text  # type: ignore[union-attr]
            async with Client(_server(served, scopes=("memory.*",))) as limited:
                assert [str(r.uri) for r in (await limited.list_resources()).resources] == [kept]
            async with Client(_server(served, tenant="globex")) as other:
                assert (await other.list_resources()).resources == []
            names = {p.name for p in (await client.list_prompts()).prompts}
            assert names == {"explain_run", "work_on_ticket", "answer_from_memory"}
            prompt = await client.get_prompt("explain_run", {"run": started.id})
            assert started.id in prompt.messages[0].content.text  # type: ignore[union-attr]

    run(story())


def test_tools_over_http_need_a_key(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, listening(served) as address:
            from mcp.client.streamable_http import streamable_http_client

            headers = {"authorization": f"Bearer {served.key('operator')}"}
            async with httpx.AsyncClient(headers=headers) as http:
                async with Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client:
                    started = (await client.call_tool("run", {"target": "echo"})).structured_content
                    assert (await served.lead.run(started["id"]).result()).data == "hello"
                    row = await served.lead.runtime.require(started["id"])
                    assert row.tenant == "acme:main" and row.cause.startswith("key:operator of acme")
            async with httpx.AsyncClient() as http:
                refused = await http.post(f"{address}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
                assert refused.status_code == 401

    run(story())


def test_tools_over_standard_input_and_output(tmp_path: Path) -> None:
    async def story() -> None:
        command = [sys.executable, "-m", "fairlead", "--home", str(tmp_path), "mcp"]
        environment = {**os.environ, "FAIRLEAD_TENANT": "acme"}
        parameters = StdioServerParameters(command=command[0], args=command[1:], env=environment)
        async with Client(stdio_client(parameters)) as client:
            text = "The stdio server remembers the lighthouse."
            await client.call_tool("memory_add", {"text": text})
            recalled = await client.call_tool("memory_recall", {"query": "lighthouse"})
            assert text in str(recalled.structured_content)
            taken = (await client.call_tool("ingest", {"text": "The pilot boards at noon."})).structured_content
            job = {"job": taken["jobs"][0]["id"]}
            while (found := (await client.call_tool("jobs_show", job)).structured_content)["status"] != "done":
                assert found["status"] in ("pending", "running"), found
                await asyncio.sleep(0.1)
            asked = await client.call_tool("ask", {"question": "When does the pilot board?"})
            assert asked.structured_content["answered"]
        await asyncio.sleep(0)

    run(story())
