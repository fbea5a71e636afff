"""Agents as A2A peers see them: with the SDK's own client over HTTP, in both bindings and both versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import util
from pathlib import Path
from typing import Any

import httpx
import pytest
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.client import Client, ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types import a2a_pb2 as pb
from a2a.utils.constants import TransportProtocol
from a2a.utils.errors import (
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict, ParseDict

from fairlead.agents import agent
from fairlead.runtime.step import StepContext
from fairlead.server import a2a
from tests.server.support import GATES, Serving, listening, run, serving


@agent(name="asks")
async def asking(ctx: StepContext, text: str = "?") -> str:
    """Asks its client where to go."""
    where = await ctx.ask(f"Where to, {text}?", name="where")
    return f"{text} goes to {where}"


@agent(name="sums", capabilities=("adding",))
async def sums(numbers: list[int]) -> dict[str, Any]:
    """Adds numbers."""
    return {"sum": sum(numbers), "whole": all(isinstance(n, int) for n in numbers)}


@agent(name="failing")
async def failing() -> None:
    raise ValueError("no wind")


@asynccontextmanager
async def a2a_client(
    address: str,
    key: str,
    agent: str | None = None,
    binding: TransportProtocol = TransportProtocol.JSONRPC,
    **more: Any,
) -> AsyncIterator[tuple[pb.AgentCard, Client]]:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=20) as http:
        base = address if agent is None else f"{address}/a2a/agents/{agent}"
        card = await A2ACardResolver(http, base).get_agent_card()
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding.value], **more)
        yield card, ClientFactory(config).create(card)


def said(text: str = "", data: Any = None, skill: str = "", **more: Any) -> pb.SendMessageRequest:
    parts = [pb.Part(text=text)] if text else []
    if data is not None:
        parts.append(pb.Part(data=ParseDict(data, struct_pb2.Value())))
    number = said.__dict__.setdefault("number", iter(range(10**6)))
    message = pb.Message(message_id=f"m{next(number)}", role=pb.ROLE_USER, parts=parts, **more)
    if skill:
        message.metadata.update({"skill": skill})
    return pb.SendMessageRequest(message=message)


async def answers(client: Client, request: pb.SendMessageRequest) -> list[pb.StreamResponse]:
    return [event async for event in client.send_message(request)]


def status(event: pb.StreamResponse) -> pb.TaskStatus:
    """Of an update, or of a task that had come so far before its stream began."""
    return event.status_update.status if event.HasField("status_update") else event.task.status


@asynccontextmanager
async def harbour(home: Path) -> AsyncIterator[tuple[Serving, str]]:
    async with serving(home) as served, listening(served) as address:
        served.lead.register(asking, sums, failing)
        yield served, address


def test_the_card_tells_strangers_how_to_come_in_and_callers_what_there_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            async with httpx.AsyncClient() as http:
                stranger = (await http.get(f"{address}{a2a.CARD_PATH}")).json()
                assert stranger["skills"] == [] and stranger["capabilities"]["streaming"]
                wrong = await http.get(f"{address}{a2a.CARD_PATH}", headers={"authorization": "Bearer fl_x_y"})
                assert wrong.status_code == 401
                for path in ("/a2a", "/a2a/agents/echo", "/a2a/v1/message:send"):
                    assert (await http.post(address + path, json={})).status_code == 401
            key = served.key("operator")
            async with a2a_client(address, key) as (card, client):
                skills = {skill.id: skill for skill in card.skills}
                assert {"echo", "sums", "asks"} <= skills.keys() and list(skills["sums"].tags) == ["adding"]
                extended = await client.get_extended_agent_card(pb.GetExtendedAgentCardRequest())
                assert {skill.id for skill in extended.skills} == skills.keys()
                bindings = {(i.protocol_binding, i.protocol_version) for i in card.supported_interfaces}
                assert bindings == {("JSONRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "0.3")}
            async with a2a_client(address, key, "sums") as (card, _):
                assert card.name == "sums" and [skill.id for skill in card.skills] == ["sums"]

    run(story())


@pytest.mark.parametrize("binding", [TransportProtocol.JSONRPC, TransportProtocol.HTTP_JSON])
def test_a_message_begins_a_durable_run(tmp_path: Path, binding: TransportProtocol) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            key = served.key("operator")
            async with a2a_client(address, key, binding=binding, streaming=False) as (_, client):
                request = said("ahoy", skill="echo", context_id="voyage")
                (answer,) = await answers(client, request)
                task = answer.task
                assert task.status.state == pb.TASK_STATE_COMPLETED
                assert task.artifacts[0].parts[0].text == "ahoy" and task.context_id == "voyage"
                assert task.history[0].parts[0].text == "ahoy" and task.history[0].task_id == task.id
                row = await served.lead.runtime.require(task.id, "acme:main")
                assert row.name == "echo" and row.cause.startswith("key:operator of acme")
                (again,) = await answers(client, request)
                assert again.task.id == task.id
                got = await client.get_task(pb.GetTaskRequest(id=task.id))
                assert got == task
                short = await client.get_task(pb.GetTaskRequest(id=task.id, history_length=0))
                assert not short.history
                (added,) = await answers(client, said(data={"numbers": [1, 2, 39]}, skill="sums"))
                result = MessageToDict(added.task.artifacts[0].parts[0].data)
                assert result == {"sum": 42.0, "whole": True}
                (failed,) = await answers(client, said("go", skill="failing"))
                assert failed.task.status.state == pb.TASK_STATE_FAILED
                assert "no wind" in failed.task.status.message.parts[0].text and not failed.task.artifacts
            async with a2a_client(address, key, "echo", binding=binding) as (_, client):
                events = await answers(client, said("by its own address"))
                assert events[0].task.id and status(events[-1]).state == pb.TASK_STATE_COMPLETED
                (result_event,) = [e.artifact_update for e in events if e.HasField("artifact_update")]
                assert result_event.artifact.parts[0].text == "by its own address" and result_event.last_chunk

    run(story())


@pytest.mark.parametrize("binding", [TransportProtocol.JSONRPC, TransportProtocol.HTTP_JSON])
def test_a_task_asks_is_answered_and_is_followed_by_others(tmp_path: Path, binding: TransportProtocol) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            async with a2a_client(address, served.key("operator"), binding=binding) as (_, client):
                events = await answers(client, said("Ada", skill="asks"))
                assert status(events[-1]).state == pb.TASK_STATE_INPUT_REQUIRED
                assert status(events[-1]).message.parts[0].text == "Where to, Ada?"
                task_id, context_id = events[0].task.id, events[0].task.context_id
                waiting = await client.get_task(pb.GetTaskRequest(id=task_id))
                assert waiting.status.state == pb.TASK_STATE_INPUT_REQUIRED

                async def follow() -> list[pb.StreamResponse]:
                    return [event async for event in client.subscribe(pb.SubscribeToTaskRequest(id=task_id))]

                following = asyncio.create_task(follow())
                while served.app.feed.listeners == 0:
                    await asyncio.sleep(0.01)
                done = await answers(client, said("the north", task_id=task_id, context_id=context_id))
                assert status(done[-1]).state == pb.TASK_STATE_COMPLETED
                seen = await following
                assert seen[0].task.status.state == pb.TASK_STATE_INPUT_REQUIRED
                assert status(seen[-1]).state == pb.TASK_STATE_COMPLETED
                task = await client.get_task(pb.GetTaskRequest(id=task_id))
                assert task.artifacts[0].parts[0].text == "Ada goes to the north"
                assert [m.parts[0].text for m in task.history] == ["Ada", "the north"]
                for refused in (said("more", task_id=task_id), said("x", task_id=task_id, context_id="another")):
                    with pytest.raises((UnsupportedOperationError, InvalidParamsError)):
                        await answers(client, refused)
                with pytest.raises(UnsupportedOperationError):
                    _ = [event async for event in client.subscribe(pb.SubscribeToTaskRequest(id=task_id))]

    run(story())


def test_tasks_are_listed_steered_paused_and_cancelled(tmp_path: Path) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            async with a2a_client(address, served.key("operator"), polling=True, streaming=False) as (_, client):
                (begun,) = await answers(client, said("x", skill="held", context_id="one"))
                task_id = begun.task.id
                assert begun.task.status.state == pb.TASK_STATE_WORKING
                for number in range(3):
                    await answers(client, said(str(number), skill="echo", context_id="two"))
                (steered,) = await answers(client, said("hard to port", task_id=task_id))
                assert [m.parts[0].text for m in steered.task.history] == ["x", "hard to port"]
                types = [e.type for e in await served.lead.store.events(subject=task_id)]
                assert types.count("run.steered") == 1
                await served.lead.run(task_id).pause("the harbour master")
                paused = await client.get_task(pb.GetTaskRequest(id=task_id))
                assert paused.status.state == pb.TASK_STATE_WORKING
                assert "the harbour master" in paused.status.message.parts[0].text
                working = await client.list_tasks(pb.ListTasksRequest(status=pb.TASK_STATE_WORKING))
                assert task_id in [task.id for task in working.tasks]
                seen: list[str] = []
                request = pb.ListTasksRequest(context_id="two", page_size=2)
                while True:
                    page = await client.list_tasks(request)
                    seen += [task.id for task in page.tasks]
                    assert page.total_size == 3
                    if not page.next_page_token:
                        break
                    request.page_token = page.next_page_token
                assert len(seen) == len(set(seen)) == 3
                ended = await client.cancel_task(pb.CancelTaskRequest(id=task_id))
                assert ended.status.state == pb.TASK_STATE_CANCELED
                with pytest.raises(TaskNotCancelableError):
                    await client.cancel_task(pb.CancelTaskRequest(id=task_id))
                started = await served.lead.start("held")
                await started.terminate()
                assert (await client.get_task(pb.GetTaskRequest(id=started.id))).context_id == started.id

    run(story())


def test_keys_scopes_and_tenants_hold(tmp_path: Path) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            handle = await served.lead.start("held")
            async with a2a_client(address, served.key("operator", "globex")) as (_, client):
                for work in (
                    client.get_task(pb.GetTaskRequest(id=handle.id)),
                    client.get_task(pb.GetTaskRequest(id="run_unknown")),
                    client.cancel_task(pb.CancelTaskRequest(id=handle.id)),
                    answers(client, said("x", task_id=handle.id)),
                ):
                    with pytest.raises(TaskNotFoundError):
                        await work
                assert not (await client.list_tasks(pb.ListTasksRequest())).tasks
                with pytest.raises(InvalidParamsError):
                    await client.get_task(pb.GetTaskRequest(id=handle.id, tenant="acme"))
            assert await handle.state() == "running"
            viewer = served.key("viewer")
            for key in (viewer, served.key("operator", scopes=["runs.*"])):
                async with a2a_client(address, key) as (card, client):
                    assert (await client.get_task(pb.GetTaskRequest(id=handle.id))).id == handle.id
                    assert bool(card.skills) is (key == viewer)
                    with pytest.raises(Exception, match=r"run needs the role|do not contain run") as refused:
                        await answers(client, said("x", skill="echo"))
                    assert "Traceback" not in str(refused.value)
            async with a2a_client(address, served.key("operator")) as (_, client):
                from_an_agent = said("x", skill="echo")
                from_an_agent.message.role = pb.ROLE_AGENT
                for request in (said("x"), said("x", skill="nobody"), said(data=[1], skill="echo"), from_an_agent):
                    with pytest.raises(InvalidParamsError):
                        await answers(client, request)
                with pytest.raises(Exception, match="not a path that callers may name"):
                    await answers(client, said(data={"path": "/etc/passwd"}, skill="echo"))
                with pytest.raises(PushNotificationNotSupportedError):
                    await client.create_task_push_notification_config(
                        pb.TaskPushNotificationConfig(task_id=handle.id, url="http://127.0.0.1/")
                    )
            assert len(await served.lead.store.find(tenant="acme:main", name="echo")) == 0
            await handle.terminate()
            GATES.clear()

    run(story())


def test_clients_of_version_0_3_are_answered(tmp_path: Path) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {served.key('operator')}"}) as http:

                async def ask(method: str, **params: Any) -> Any:
                    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                    return (await http.post(f"{address}/a2a/agents/echo", json=body)).json()

                message = {
                    "kind": "message",
                    "messageId": "old-1",
                    "role": "user",
                    "parts": [{"kind": "text", "text": "ahoy"}],
                }
                task = (await ask("message/send", message=message))["result"]
                assert task["status"]["state"] == "completed" and task["artifacts"][0]["parts"][0]["text"] == "ahoy"
                assert (await ask("tasks/get", id=task["id"]))["result"]["id"] == task["id"]
                assert (await ask("tasks/cancel", id=task["id"]))["error"]["code"] == -32002
                assert (await ask("tasks/get", id="nothing"))["error"]["code"] == -32001
                body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/resubscribe", "params": {"id": task["id"]}}
                assert "-32004" in (await http.post(f"{address}/a2a/agents/echo", json=body)).text
                body = {"jsonrpc": "2.0", "id": 2, "method": "message/stream"}
                body["params"] = {"message": {**message, "messageId": "old-2"}}
                async with http.stream("POST", f"{address}/a2a/agents/echo", json=body) as response:
                    text = (await response.aread()).decode()
                assert '"artifact-update"' in text and '"completed"' in text

    run(story())


def test_a_waiting_task_is_answered_after_the_server_was_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with harbour(tmp_path) as (served, address):
            async with a2a_client(address, served.key("operator")) as (_, client):
                events = await answers(client, said("Ada", skill="asks"))
                task_id = events[0].task.id
        async with harbour(tmp_path) as (served, address):
            async with a2a_client(address, served.key("operator"), streaming=False) as (_, client):
                waiting = await client.get_task(pb.GetTaskRequest(id=task_id))
                assert waiting.status.state == pb.TASK_STATE_INPUT_REQUIRED
                (answer,) = await answers(client, said("the south", task_id=task_id))
                assert answer.task.status.state == pb.TASK_STATE_COMPLETED
                assert answer.task.artifacts[0].parts[0].text == "Ada goes to the south"

    run(story())


def test_without_the_extra_there_are_no_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(a2a.routes, "is_installed", lambda: False)

    async def story() -> None:
        async with serving(tmp_path) as served:
            assert (await served.client("admin").get(a2a.CARD_PATH)).status_code == 404
            assert (await served.client("admin").post("/a2a", json={})).status_code == 404

    run(story())


def test_doctor_says_whether_a2a_can_be_served(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def line() -> dict[str, str]:
        checks = json.loads(cli("doctor", "--json")[1])["data"]["checks"]
        return dict(next(check for check in checks if check["name"] == "a2a"))

    assert line()["state"] == "ok"
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == "a2a" else find(name, *rest))
    assert line()["state"] == "note" and "not installed" in line()["text"]
