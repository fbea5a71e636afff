"""`fairlead serve` as a process: its first key, its orderly end, and what is there after it was killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.server.support import finished, run

AGENTS = """
import asyncio
from fairlead.agents import agent

@agent(name="slow")
async def slow(seconds: float = 60.0) -> str:
    await asyncio.sleep(seconds)
    return "rested"

def register(lead):
    lead.register(slow)
"""


class Process:
    def __init__(self, child: asyncio.subprocess.Process, address: str, lines: list[str]) -> None:
        self.child = child
        self.address = address
        self.lines = lines

    @property
    def key(self) -> str | None:
        found = re.search(r"fl_\S+", "\n".join(self.lines))
        return found[0] if found else None

    async def end(self, number: signal.Signals) -> int:
        self.child.send_signal(number)
        return await asyncio.wait_for(self.child.wait(), 20)


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Process]:
    (folder / "myagents.py").write_text(AGENTS)
    words = ["--home", str(folder / "home"), "serve", "--port", "0", "--register", "myagents:register"]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fairlead",
        *words,
        cwd=folder,
        env={**os.environ, "FAIRLEAD_TENANT": "acme", "FAIRLEAD_SHUTDOWN_GRACE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stderr is not None
    lines = [(await asyncio.wait_for(child.stderr.readline(), 40)).decode()]
    address = re.search(r"http://\S+", lines[0])
    assert address, lines
    with contextlib.suppress(TimeoutError):
        lines.append((await asyncio.wait_for(child.stderr.readline(), 0.3)).decode())
    try:
        yield Process(child, address[0], lines)
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as first:
            key = first.key
            assert key is not None, first.lines
            headers = {"authorization": f"Bearer {key}"}
            made: list[str] = []
            kept: list[str] = []
            async with httpx.AsyncClient(base_url=first.address, headers=headers, timeout=20) as client:

                async def start() -> None:
                    body = {"target": "slow", "inputs": {"seconds": 0.2}}
                    for _ in range(10):
                        made.append((await client.post("/api/runs", json=body)).json()["id"])

                async def upload() -> None:
                    for number in range(5):
                        files = [("files", (f"{number}.txt", b"x" * 100_000, "text/plain"))]
                        kept.append((await client.post("/api/upload", files=files)).json()["files"][0]["path"])

                work = asyncio.gather(
                    *(start() for _ in range(10)), *(upload() for _ in range(10)), return_exceptions=True
                )
                while len(made) < 40 or len(kept) < 20:
                    await asyncio.sleep(0.01)
                assert await first.end(signal.SIGKILL) == -signal.SIGKILL
                await work
        async with served(tmp_path) as second:
            assert second.key is None
            async with httpx.AsyncClient(base_url=second.address, headers=headers, timeout=20) as client:
                for run_id in made:
                    assert (await finished(client, run_id))["result"] == "rested"
            folder = tmp_path / "home" / "uploads" / "acme" / "main"
            assert len(made) >= 40 and len(kept) >= 20
            assert {f.stat().st_size for f in folder.iterdir() if not f.name.startswith(".")} == {100_000}
            for path in kept:
                assert (folder / path.removeprefix("uploads/")).stat().st_size == 100_000

    run(story())


def test_an_orderly_end_lets_runs_go_and_the_next_server_takes_them_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as first:
            headers = {"authorization": f"Bearer {first.key}"}
            async with httpx.AsyncClient(base_url=first.address, headers=headers, timeout=20) as client:
                body = {"target": "slow", "inputs": {"seconds": 1.5}}
                run_id = (await client.post("/api/runs", json=body)).json()["id"]
                assert await first.end(signal.SIGTERM) == 0
        async with served(tmp_path) as second:
            async with httpx.AsyncClient(base_url=second.address, headers=headers, timeout=20) as client:
                done = await finished(client, run_id)
                assert done["result"] == "rested" and done["attempt"] == 2

    run(story())


def test_two_servers_over_one_store_see_and_control_each_other_s_runs(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as first, served(tmp_path) as second:
            headers = {"authorization": f"Bearer {first.key}"}
            async with (
                httpx.AsyncClient(base_url=first.address, headers=headers, timeout=20) as one,
                httpx.AsyncClient(base_url=second.address, headers=headers, timeout=20) as two,
            ):
                run_id = (await one.post("/api/runs", json={"target": "slow"})).json()["id"]
                async with two.stream("GET", f"/api/runs/{run_id}/events") as response:
                    types: list[str] = []
                    async for line in response.aiter_lines():
                        if line.startswith("event: "):
                            types.append(line[7:])
                            if types[-1] == "step.started":
                                paused = await two.post(f"/api/runs/{run_id}/pause")
                                assert paused.json()["state"] == "paused", paused.text
                                assert (await one.get(f"/api/runs/{run_id}")).json()["state"] == "paused"
                                assert (await two.post(f"/api/runs/{run_id}/terminate")).status_code == 200
                assert types[0] == "run.created" and types[-1] == "run.terminated"
                revoked = (await one.get("/api/keys")).json()["items"][0]["id"]
                assert (await one.post("/api/key/revoke", json={"key": revoked})).status_code == 200
                assert (await two.get("/api/runs")).status_code == 401

    run(story())


def test_a_run_of_a_killed_server_is_taken_up_by_another(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as first, served(tmp_path) as second:
            headers = {"authorization": f"Bearer {first.key}"}
            async with (
                httpx.AsyncClient(base_url=first.address, headers=headers, timeout=30) as one,
                httpx.AsyncClient(base_url=second.address, headers=headers, timeout=30) as two,
            ):
                body = {"target": "slow", "inputs": {"seconds": 1.5}}
                run_id = (await one.post("/api/runs", json=body)).json()["id"]
                seen: list[tuple[int, str]] = []
                resumed = False
                async with two.stream("GET", f"/api/runs/{run_id}/events") as response:
                    index = 0
                    async for line in response.aiter_lines():
                        if line.startswith("id: "):
                            index = int(line[4:])
                        elif line.startswith("event: "):
                            seen.append((index, line[7:]))
                            if line[7:] == "step.started" and not resumed:
                                resumed = True
                                paused = await two.post(f"/api/runs/{run_id}/pause")
                                assert paused.json()["state"] == "paused", paused.text
                                assert (await one.get(f"/api/runs/{run_id}")).json()["state"] == "paused"
                                assert await first.end(signal.SIGKILL) == -signal.SIGKILL
                                again = await two.post(f"/api/runs/{run_id}/resume")
                                assert again.json()["state"] == "running", again.text
                types = [type_ for _, type_ in seen]
                assert types[0] == "run.created" and types[-1] == "run.completed"
                assert {"run.paused", "run.recovered", "run.resumed"} <= set(types)
                indexes = [index for index, _ in seen]
                assert indexes == sorted(set(indexes))
                done = (await two.get(f"/api/runs/{run_id}")).json()
                assert done["state"] == "completed" and done["result"] == "rested" and done["attempt"] == 2

    run(story())
