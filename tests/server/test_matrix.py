"""Who may do what, from the table of verbs: every verb by role, scope and tenant, over REST, WebSocket and MCP."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from mcp.client import Client

from fairlead.server.access import SPECIAL, Caller
from fairlead.server.arguments import offered
from fairlead.server.mcp_server import make_mcp
from fairlead.tenancy import make_tenant
from fairlead.verbs.table import ROLES, Verb
from tests.server.support import GATES, Serving, listening, run, serving

VERBS = offered()
FAST = {"rate_limit": 1e6, "rate_burst": 1_000_000, "command_allow": ("echo",)}

Asking = Callable[[Verb, Mapping[str, Any]], Awaitable[tuple[int, Any]]]
"""(status, problem or answer) of a verb by one of the three ways."""


def unusable(verb: Verb) -> dict[str, Any]:
    """Arguments that are refused once a call is granted, so that nothing is done by asking."""
    return {"no such argument": 1}


# ── the three ways ───────────────────────────────────────────────────────────────────────────────────────────────


def over_rest(client: httpx.AsyncClient) -> Asking:
    async def ask(verb: Verb, given: Mapping[str, Any]) -> tuple[int, Any]:
        path = "/api/" + verb.name.replace(".", "/")
        if verb.changes:
            answer = await client.post(path, json=dict(given))
        else:
            answer = await client.get(path, params=dict(given))
        return answer.status_code, answer.json()

    return ask


def over_socket(socket: Any) -> Asking:
    numbers = itertools.count()

    async def ask(verb: Verb, given: Mapping[str, Any]) -> tuple[int, Any]:
        number = next(numbers)
        await socket.send(json.dumps({"id": number, "verb": verb.name, "arguments": dict(given)}))
        said = json.loads(await asyncio.wait_for(socket.recv(), 20))
        assert said["id"] == number
        return (200, said["answer"]) if "answer" in said else (said["problem"]["status"], said["problem"])

    return ask


def over_mcp(client: Client) -> Asking:
    async def ask(verb: Verb, given: Mapping[str, Any]) -> tuple[int, Any]:
        done = await client.call_tool(verb.name.replace(".", "_"), dict(given))
        said = done.structured_content or {}
        return (said["error"]["status"], said["error"]) if done.is_error else (200, said)

    return ask


# ── roles and scopes ─────────────────────────────────────────────────────────────────────────────────────────────


def expected(verb: Verb, role: str, scopes: tuple[str, ...]) -> bool:
    """Whether the call is granted, said once more in the plainest way."""
    if ROLES.index(role) < ROLES.index(verb.role):
        return False
    if verb.name == "runs.command" and "commands:run" not in scopes:
        return False
    noun = verb.name.partition(".")[0]
    return any(scope in ("*", verb.name, f"{noun}.*") for scope in scopes)


SCOPES: tuple[tuple[str, ...], ...] = (("*",), ("*", *SPECIAL), ("runs.*",), ("ticket.list", "run"), ("nothing",))


def test_every_verb_by_role_and_scope_over_rest_and_socket(tmp_path: Path) -> None:
    """3 roles x 5 sets of scopes x every verb, twice; refusals are alike and nothing is done by asking."""

    async def story() -> None:
        async with serving(tmp_path, **FAST) as served, listening(served) as address:
            url = address.replace("http", "ws") + "/api/ws"
            for role, scopes in itertools.product(ROLES, SCOPES):
                key = served.key(role, scopes=list(scopes))
                socket = await websockets.connect(
                    url, additional_headers={"authorization": f"Bearer {key}"}, proxy=None
                )
                async with socket:
                    await socket.recv()
                    for ask in (over_rest(served.client(key=key)), over_socket(socket)):
                        for verb in VERBS.values():
                            status, said = await ask(verb, unusable(verb))
                            granted = expected(verb, role, scopes)
                            assert status == (422 if granted else 403), (verb.name, role, scopes, said)
                            assert said["code"] == ("InvalidInputError" if granted else "ForbiddenError")

    run(story())


def test_nobody_is_refused_everywhere(tmp_path: Path) -> None:
    """Every route of the document but the open ones, without a key and with one that is not known."""

    async def story() -> None:
        async with serving(tmp_path) as served:
            admin = served.client()
            document = (await admin.get("/openapi.json")).json()
            routes = [(path, method) for path, item in document["paths"].items() for method in item]
            assert len(routes) > len(VERBS)
            for path, method in (*routes, ("/mcp", "post"), ("/api/none", "get")):
                # A server of its own for each would be slow, and guesses are slowed down: so ask as the gate is asked.
                client = served.client(key="")
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                if path in ("/health", "/liveness", "/readiness"):
                    assert answer.status_code == 200
                else:
                    assert answer.status_code in (401, 429), (method, path, answer.text)

    run(story())


def test_every_tool_by_role_and_scope(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, **FAST) as served:
            tools = None
            for role, scopes in itertools.product(ROLES, SCOPES):
                caller = Caller("key_x", "x", make_tenant("acme"), role, scopes)
                async with Client(make_mcp(served.app.desk, lambda ctx, caller=caller: caller)) as client:
                    listed = {tool.name for tool in (await client.list_tools()).tools}
                    tools = tools or listed
                    ask = over_mcp(client)
                    for verb in VERBS.values():
                        if (name := verb.name.replace(".", "_")) not in tools and name not in listed:
                            continue
                        assert (name in listed) is expected(verb, role, scopes), (name, role, scopes)
                        if name not in listed:
                            given = {p.name: "x" for p in verb.params if p.required}
                            assert (await ask(verb, given))[0] in (403, 422), name

    run(story())


# ── tenants ──────────────────────────────────────────────────────────────────────────────────────────────────────

UNKNOWN = {
    "run": "run_00000000000000000000000000",
    "id": "mem_00000000000000000000000000",
    "key": "key_00000000000000000000000000",
    "budget": "bud_00000000000000000000000000",
}


async def _ours(served: Serving) -> dict[str, str]:
    """One thing of each kind that has an id, of the tenant acme."""
    client = served.client("admin", scopes=["*", *SPECIAL])
    held = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
    while "gate" not in GATES:
        await asyncio.sleep(0.005)
    memory = (await client.post("/api/memory", json={"text": "The anchor is ours.", "key": "anchor"})).json()["id"]
    key = (await client.post("/api/key/create", json={"name": "ours"})).json()["id"]
    limit = {"scope": "tenant", "subject": "acme", "amount": "5"}
    budget = (await client.post("/api/budget/set", json=limit)).json()["id"]
    return {"run": held, "id": memory, "key": key, "budget": budget}


_VALUES: Mapping[str, Any] = {"message": "x", "mode": "plan", "command": "echo x", "step": "x", "word": "done"}


def _with(verb: Verb, name: str, value: str) -> dict[str, Any]:
    given = {p.name: _VALUES.get(p.name, "x") for p in verb.params if p.required}
    return given | {name: [value] if next(p for p in verb.params if p.name == name).many else value}


def _naming(verb: Verb) -> str | None:
    """The argument of a verb by which a thing with an id is named."""
    names = {p.name for p in verb.params}
    if verb.noun == "memory":
        return "id" if "id" in names else None
    if verb.name.startswith("key.") or verb.name.startswith("budget."):
        name = verb.noun
        return name if name in names else None
    return "run" if "run" in names and (verb.noun == "runs" or verb.name == "trace") else None


def _bare(said: Any, value: str) -> str:
    """What was said, without what must differ: ids of the request, and the id that was asked for."""
    text = json.dumps(said, sort_keys=True).replace(value, "ID").replace(value[-8:], "ID")
    return re.sub(r"req_\w+", "REQUEST", text)


def test_what_is_another_tenant_s_is_as_unknown_as_what_never_was(tmp_path: Path) -> None:
    """Every verb that names a thing by an id, over REST, WebSocket and MCP: the same status and the same body."""
    naming = {verb.name: name for verb in VERBS.values() if (name := _naming(verb))}
    assert len(naming) >= 18

    async def story() -> None:
        async with serving(tmp_path, **FAST) as served, listening(served) as address:
            ours = await _ours(served)
            before = await _told(served)
            key = served.key("admin", "globex", scopes=["*", *SPECIAL])
            url = address.replace("http", "ws") + "/api/ws"
            theirs = Caller("key_x", "x", make_tenant("globex"), "admin", ("*", *SPECIAL))
            async with (
                websockets.connect(url, additional_headers={"authorization": f"Bearer {key}"}, proxy=None) as socket,
                Client(make_mcp(served.app.desk, lambda ctx: theirs)) as client,
            ):
                await socket.recv()
                tools = {tool.name for tool in (await client.list_tools()).tools}
                ways = {
                    "rest": over_rest(served.client(key=key)),
                    "socket": over_socket(socket),
                    "mcp": over_mcp(client),
                }
                for name, argument in naming.items():
                    verb = VERBS[name]
                    kind = argument
                    for way, ask in ways.items():
                        if way == "mcp" and name.replace(".", "_") not in tools:
                            continue
                        of_ours = await ask(verb, _with(verb, argument, ours[kind]))
                        of_none = await ask(verb, _with(verb, argument, UNKNOWN[kind]))
                        assert of_ours[0] == of_none[0], (name, way, of_ours, of_none)
                        assert _bare(of_ours[1], ours[kind]) == _bare(of_none[1], UNKNOWN[kind]), (name, way)
                        assert of_ours[0] == 404 or name in LENIENT, (name, way, of_ours)
            assert await _told(served) == before

    run(story())


LENIENT = {"memory.forget", "memory.erase", "cost.calls"}
"""Verbs that answer that nothing was found instead of 404; their answers are compared all the same."""


async def _told(served: Serving) -> Any:
    """What the tenant that was attacked sees of its things."""
    client = served.client("admin")
    run_ = (await client.get("/api/runs")).json()["items"][0]
    run_.pop("seconds")
    memory = (await client.get("/api/memory")).json()
    budgets = (await client.get("/api/budgets")).json()
    keys = [(k["id"], k["revoked"]) for k in (await client.get("/api/keys")).json()["items"] if k["name"] == "ours"]
    return run_, memory, budgets, keys


@pytest.mark.parametrize("path", ["/api/runs/{run}/events", "/api/runs/{run}", "/api/runs/{run}/trace"])
def test_routes_of_another_tenant_s_run(tmp_path: Path, path: str) -> None:
    async def story() -> None:
        async with serving(tmp_path, **FAST) as served:
            run_id = (await served.client().post("/api/runs", json={"target": "echo"})).json()["id"]
            theirs = served.client("admin", "globex")
            answers = [await theirs.get(path.format(run=word)) for word in (run_id, UNKNOWN["run"])]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert _bare(answers[0].json(), run_id) == _bare(answers[1].json(), UNKNOWN["run"])

    run(story())


def test_lists_and_searches_of_another_tenant_are_empty(tmp_path: Path) -> None:
    """Every reading that needs no argument: nothing of acme is in what globex reads."""

    async def story() -> None:
        async with serving(tmp_path, **FAST) as served:
            ours = await _ours(served)
            theirs = over_rest(served.client("admin", "globex"))
            marks = [*ours.values(), "acme", "anchor is ours"]
            for verb in VERBS.values():
                if verb.changes or any(p.required for p in verb.params):
                    continue
                status, said = await theirs(verb, {})
                text = json.dumps(said)
                assert status in (200, 404, 422), (verb.name, said)
                assert not [mark for mark in marks if mark in text], (verb.name, text[:500])
            for query in ({"query": "anchor"}, {"query": "ours", "k": 100}):
                status, said = await theirs(VERBS["memory.recall"], query)
                assert (status, said["hits"]) == (200, [])
            status, said = await theirs(VERBS["ask"], {"question": "Whose is the anchor?", "name": "default"})
            assert said["answered"] is False

    run(story())
