"""Live events: nothing missed, nothing twice, and an end when the run ends."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from fairlead.events import draft
from fairlead.server import answers
from tests.server.support import GATES, finished, listening, read_events, run, serving


def test_a_stream_of_a_run_begins_at_the_beginning_and_ends_with_the_run(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, listening(served) as address:
            headers = {"authorization": f"Bearer {served.key('operator')}"}
            async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as client:
                run_id = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
                async with client.stream("GET", f"/api/runs/{run_id}/events") as response:
                    assert response.headers["content-type"].startswith("text/event-stream")
                    reading = asyncio.create_task(read_events(response))
                    await asyncio.sleep(0.1)
                    GATES["gate"].set()
                    events = await reading
                assert [events[0]["type"], events[-1]["type"]] == ["run.created", "run.completed"]
                # Resumed after any event, the rest follows: nothing is missed and nothing comes twice.
                ids = [event["wire_id"] for event in events]
                for place, last in enumerate(ids):
                    resume = {"last-event-id": str(last)}
                    async with client.stream("GET", f"/api/runs/{run_id}/events", headers=resume) as response:
                        rest = await read_events(response)
                    assert [event["wire_id"] for event in rest] == ids[place + 1 :]

    run(story())


def test_readers_that_come_and_go_miss_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, rate_limit=10_000.0, rate_burst=10_000) as served, listening(served) as address:
            headers = {"authorization": f"Bearer {served.key('operator')}"}
            async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as client:

                async def follow(each: int, total: int) -> list[int]:
                    seen: list[int] = []
                    while len(seen) < total:
                        resume = {"last-event-id": str(seen[-1] if seen else 0)}
                        async with client.stream("GET", "/api/events/stream", headers=resume) as response:
                            seen += [e["wire_id"] for e in await read_events(response, min(each, total - len(seen)))]
                    return seen

                followers = [asyncio.create_task(follow(each, 80)) for each in (1, 7, 30, 200)]
                for number in range(20):
                    await client.post("/api/runs", json={"target": "echo", "inputs": {"text": str(number)}})
                history = [await f for f in followers]
                stored = [e.index for e in await served.lead.store.events(tenant="acme:main", limit=80)]
                assert all(seen == stored for seen in history)

    run(story())


def test_an_index_of_another_tenant_shows_nothing_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, listening(served) as address:
            theirs = {"authorization": f"Bearer {served.key('operator', 'globex')}", "last-event-id": "0"}
            ours = served.client("operator")
            run_id = (await ours.post("/api/runs", json={"target": "echo"})).json()["id"]
            await finished(ours, run_id)
            async with httpx.AsyncClient(base_url=address, timeout=20) as client:
                async with client.stream("GET", "/api/events/stream", headers=theirs) as response:
                    events = await read_events(response, 1)
                assert [event["type"] for event in events] == ["key.created"]
                assert events[0]["tenant"] == "globex:main"
                for bad in ("-1", "x", "1" * 30):
                    headers = {**theirs, "last-event-id": bad}
                    assert (await client.get("/api/events/stream", headers=headers)).status_code == 400

    run(story())


def test_a_server_that_ends_lets_its_listeners_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            async with listening(served) as address:
                headers = {"authorization": f"Bearer {served.key('viewer')}"}
                client = httpx.AsyncClient(base_url=address, headers=headers, timeout=20)
                request = client.build_request("GET", "/api/events/stream")
                response = await client.send(request, stream=True)
                while served.app.feed.listeners == 0:
                    await asyncio.sleep(0.01)
                served.app.drain()
                assert await read_events(response) == []
                await response.aclose()
                await client.aclose()
            assert served.app.feed.listeners == 0

    run(story())


def test_a_reader_that_does_not_read_is_cut_off_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SLOWEST_READ", 0.5)

    async def story() -> None:
        async with serving(tmp_path) as served, listening(served) as address:
            key = served.key("viewer")
            host, port = address.removeprefix("http://").split(":")
            with socket.socket() as idle:
                idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                idle.connect((host, int(port)))
                head = f"GET /api/events/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
                idle.sendall(head.encode())
                while served.app.feed.listeners == 0:
                    await asyncio.sleep(0.01)
                text = "x" * 200_000
                for _ in range(60):
                    said = draft("run.steered", "acme:main", "s", {"message": text}, source="t", cause="t", time=0.0)
                    await served.lead.store.append(said)
                async with asyncio.timeout(10):
                    while served.app.feed.listeners:
                        await asyncio.sleep(0.05)
            headers = {"authorization": f"Bearer {key}", "last-event-id": "0"}
            async with httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as client:
                async with client.stream("GET", "/api/events/stream") as response:
                    events = await read_events(response, 61)
            assert [event["wire_id"] for event in events] == list(range(1, 62))

    run(story())
