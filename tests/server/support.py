"""A served Fairlead inside the test's own loop, with a client for each kind of caller."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import uvicorn

import fairlead
from fairlead.agents import agent
from fairlead.app import Fairlead
from fairlead.runtime import StepContext
from fairlead.server.access import SPECIAL, Caller
from fairlead.server.borrowed import RemoteContext
from fairlead.server.factory import Served, open_server
from fairlead.server.serving import make_config
from fairlead.server.wire import Limits
from fairlead.tenancy import make_tenant
from fairlead.verbs import key as keys

GATES: dict[str, asyncio.Event] = {}


@agent(name="echo", capabilities=("echoing",))
async def echo(text: str = "hello") -> str:
    """Says what it was told."""
    return text


@agent(name="held")
async def held(gate: str = "gate") -> str:
    """Waits until the test opens the gate."""
    await GATES.setdefault(gate, asyncio.Event()).wait()
    return gate


@agent(name="asking")
async def asking(ctx: StepContext) -> str:
    """Asks a person."""
    return str(await ctx.ask("Port or starboard?"))


@agent(name="faulty")
async def faulty() -> str:
    """Always fails."""
    raise ValueError("the mast is broken")


class Serving:
    """One served application and the keys of its callers."""

    def __init__(self, lead: Fairlead, app: Served) -> None:
        self.lead = lead
        self.app = app
        self.clients: list[httpx.AsyncClient] = []

    def key(self, role: str = "admin", tenant: str = "acme", scopes: list[str] | None = None, **more: Any) -> str:
        local = Caller("test", "test", make_tenant(tenant), "admin", ("*", *SPECIAL))
        made = keys.create(RemoteContext(self.lead, local), f"{role} of {tenant}", role, scopes, **more)
        return str(made["key"])

    def client(
        self, role: str = "admin", tenant: str = "acme", key: str | None = None, **more: Any
    ) -> httpx.AsyncClient:
        token = key if key is not None else self.key(role, tenant, **more)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://fairlead",
            headers={"authorization": f"Bearer {token}"} if token else {},
        )
        self.clients.append(client)
        return client


@contextlib.asynccontextmanager
async def serving(home: Path, **settings: Any) -> AsyncIterator[Serving]:
    async with fairlead.open(home=str(home), tenant="acme", **settings) as lead:
        lead.register(echo, held, asking, faulty)
        async with open_server(lead) as app:
            served = Serving(lead, app)
            try:
                yield served
            finally:
                for client in served.clients:
                    await client.aclose()


def run(work: Coroutine[Any, Any, None]) -> None:
    GATES.clear()
    asyncio.run(asyncio.wait_for(work, 60))


async def finished(client: httpx.AsyncClient, run_id: str, state: str = "completed") -> dict[str, Any]:
    """The run once it has reached ``state``."""
    for _ in range(500):
        answer = await client.get(f"/api/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        if answer.json()["state"] == state:
            return dict(answer.json())
        await asyncio.sleep(0.01)
    raise AssertionError(f"{run_id} is {answer.json()['state']}")


class _Quiet(uvicorn.Server):
    """Leaves the signals of the test's process alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(served: Serving, limits: Limits | None = None) -> AsyncIterator[str]:
    """The application on a real socket, for what streams; yields its address."""
    settings = served.lead.settings.replaced(log_level="error", shutdown_grace=1.0)
    config = make_config(served.app, settings, "127.0.0.1", 0, limits=limits)
    server = _Quiet(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        served.app.drain()
        server.should_exit = True
        await task


async def read_events(response: httpx.Response, most: int | None = None) -> list[dict[str, Any]]:
    """The events of a stream, until it ends or ``most`` have come."""
    found: list[dict[str, Any]] = []
    event: dict[str, Any] = {}
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            event["wire_id"] = int(line[4:])
        elif line.startswith("data: "):
            event |= json.loads(line[6:])
        elif not line and event:
            found.append(event)
            event = {}
            if most is not None and len(found) >= most:
                break
    return found
