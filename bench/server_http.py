"""The server under load: reads against a bare route, mixed load beside agents, pauses, events, uploads, spawning.

    python bench/server_http.py

Serves in a process of its own over a fresh store and drives it with httpx from this one; the peer is a bare FastAPI
route that returns the same JSON, in another process, asked in turn within the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

AGENTS = """
import asyncio
from fairlead.agents import agent

@agent(name="ticking")
async def ticking(seconds: float = 600.0) -> str:
    await asyncio.sleep(seconds)
    return "done"

@agent(name="quick")
async def quick(text: str = "x") -> str:
    return text

def register(lead):
    lead.register(ticking, quick)
"""
BARE = """
import json, sys
import uvicorn
from fastapi import FastAPI
app = FastAPI()
PAGE = json.load(open(sys.argv[1]))
@app.get("/runs")
async def runs():
    return PAGE
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
"""


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def start(folder: Path) -> tuple[subprocess.Popen[str], str, str, float]:
    (folder / "benchagents.py").write_text(AGENTS)
    began = time.perf_counter()
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "fairlead",
            "--home",
            "home",
            "serve",
            "--port",
            "0",
            "--register",
            "benchagents:register",
        ],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "FAIRLEAD_RATE_LIMIT": "1e6", "FAIRLEAD_RATE_BURST": "1000000"}
        | {"FAIRLEAD_MAX_CONCURRENCY": "1000", "FAIRLEAD_MAX_CONCURRENCY_PER_AGENT": "1000", "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    address = re.search(r"http://\S+", child.stderr.readline())
    assert address
    httpx.get(f"{address[0]}/liveness", trust_env=False)
    took = time.perf_counter() - began
    key = re.search(r"fl_\S+", child.stderr.readline())
    assert key
    return child, address[0], key[0], took


def resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    assert found
    return int(found[1]) / 1024


async def rate(client: httpx.AsyncClient, path: str, seconds: float, many: int = 8) -> float:
    end = time.perf_counter() + seconds
    count = 0

    async def one() -> None:
        nonlocal count
        while time.perf_counter() < end:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            count += 1

    await asyncio.gather(*(one() for _ in range(many)))
    return count / seconds


def start_bare(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "bare.py", "page.json", "8477"], cwd=folder)


async def against_bare(client: httpx.AsyncClient, folder: Path) -> dict[str, Any]:
    for n in range(60):
        await client.post("/api/runs", json={"target": "quick", "inputs": {"text": str(n)}})
    page = (await client.get("/api/runs", params={"limit": 50})).json()
    (folder / "page.json").write_text(json.dumps(page))
    (folder / "bare.py").write_text(BARE)
    bare = start_bare(folder)
    try:
        async with httpx.AsyncClient(base_url="http://127.0.0.1:8477", trust_env=False) as peer:
            for _ in range(200):
                try:
                    await peer.get("/runs")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.1)
            ours, theirs = [], []
            for _ in range(3):
                theirs.append(await rate(peer, "/runs", 1.5))
                ours.append(await rate(client, "/api/runs?limit=50", 1.5))
    finally:
        bare.terminate()
        bare.wait()
    mine, other = sorted(ours)[1], sorted(theirs)[1]
    return {"runs_per_s": round(mine), "bare_per_s": round(other), "share": round(mine / other, 2)}


async def beside_agents(client: httpx.AsyncClient) -> dict[str, Any]:
    made = await asyncio.gather(*(client.post("/api/runs", json={"target": "ticking"}) for _ in range(100)))
    ids = [answer.json()["id"] for answer in made]
    times: list[float] = []

    async def one(worker: int) -> None:
        for n in range(40):
            began = time.perf_counter()
            if n % 4 == 0:
                answer = await client.post("/api/memory", json={"text": f"Note {worker} {n} of the harbour."})
            elif n % 4 == 1:
                answer = await client.get(f"/api/runs/{ids[n]}")
            elif n % 4 == 2:
                answer = await client.get("/api/runs?limit=20")
            else:
                answer = await client.post("/api/runs", json={"target": "quick"})
            assert answer.status_code < 300, answer.text
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(one(w) for w in range(5)))
    pauses: list[float] = []
    for run_id in ids:
        began = time.perf_counter()
        answer = await client.post(f"/api/runs/{run_id}/pause")
        assert answer.json()["state"] == "paused"
        pauses.append((time.perf_counter() - began) * 1000)
    return {
        "mixed_p50_ms": round(percentile(times, 0.5), 1),
        "mixed_p95_ms": round(percentile(times, 0.95), 1),
        "pause_p50_ms": round(percentile(pauses, 0.5), 1),
        "pause_p99_ms": round(percentile(pauses, 0.99), 1),
    }


async def events(address: str, headers: dict[str, str], client: httpx.AsyncClient) -> dict[str, Any]:
    delays: list[float] = []
    ready = asyncio.Semaphore(0)

    async def listener() -> None:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(
            base_url=address, headers=headers, timeout=60, limits=limits, trust_env=False
        ) as own:
            async with own.stream("GET", "/api/events/stream") as response:
                ready.release()
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        event = json.loads(line[6:])
                        delays.append((time.time() - event["time"]) * 1000)
                        if event["type"] == "run.completed" and event["subject"] == last[0]:
                            return

    last = [""]
    tasks = [asyncio.create_task(listener()) for _ in range(100)]
    for _ in tasks:
        await ready.acquire()
    await asyncio.sleep(0.5)
    for n in range(10):
        if n == 9:
            answer = await client.post("/api/runs", json={"target": "ticking", "inputs": {"seconds": 0.3}})
            last[0] = answer.json()["id"]
        else:
            await client.post("/api/runs", json={"target": "quick"})
        await asyncio.sleep(0.15)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    return {
        "seen": len(delays),
        "sse_p50_ms": round(percentile(delays, 0.5), 1),
        "sse_p95_ms": round(percentile(delays, 0.95), 1),
    }


async def upload(client: httpx.AsyncClient) -> dict[str, Any]:
    files = [("files", (f"{n}.txt", b"x" * 1_000_000, "text/plain")) for n in range(20)]
    took = []
    for _ in range(5):
        began = time.perf_counter()
        answer = await client.post("/api/upload", files=files)
        assert answer.status_code == 200
        took.append(time.perf_counter() - began)
    return {"upload_20x1MB_s": round(sorted(took)[2], 3), "worst": round(max(took), 3)}


async def spawn(address: str, headers: dict[str, str]) -> dict[str, Any]:
    agents = [{"type": "quick", "name": f"a{n}"} for n in range(30)]
    per_agent = []
    async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
        async with Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client:
            for _ in range(5):
                began = time.perf_counter()
                answer = await client.call_tool("agents_spawn_parallel", {"agents": agents})
                assert answer.structured_content["success"]
                per_agent.append((time.perf_counter() - began) * 1000 / 30)
    return {"spawn_per_agent_ms": round(sorted(per_agent)[2], 2), "worst": round(max(per_agent), 2)}


async def measure(folder: Path) -> None:
    child, address, key, took = start(folder)
    headers = {"authorization": f"Bearer {key}"}
    try:
        spent = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        cpu = (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")
        print(
            json.dumps(
                {"start_s": round(took, 2), "start_cpu_s": round(cpu, 2), "idle_rss_mb": round(resident(child.pid), 1)}
            ),
            flush=True,
        )
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
            print(json.dumps(await against_bare(client, folder)), flush=True)
            print(json.dumps(await upload(client)), flush=True)
            print(json.dumps(await spawn(address, headers)), flush=True)
            print(json.dumps(await events(address, headers, client)), flush=True)
            print(json.dumps(await beside_agents(client)), flush=True)
        print(json.dumps({"rss_after_mb": round(resident(child.pid), 1)}), flush=True)
    finally:
        child.terminate()
        child.wait(20)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(Path(name)))
