"""Tiers: bounded, invalidated by events, and recall goes on when Redis is gone."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.memory import LocalTier, Memory
from fairlead.store import Database, open_database
from fairlead.tenancy import make_tenant, use_tenant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_local_tier_is_bounded_by_bytes_and_forgets_the_least_recent() -> None:
    tier = LocalTier(100)
    for n in range(4):
        tier.put(n, "ns", n, 30, until=9)
    assert [tier.get(n, 0) for n in range(4)] == [None, 1, 2, 3]
    tier.get(1, 0)
    tier.put(9, "ns", 9, 30, until=9)
    assert (tier.get(2, 0), tier.get(1, 0)) == (None, 1)
    stats = tier.stats()
    assert (stats.evictions, stats.entries, stats.bytes) == (2, 3, 90)
    tier.put("huge", "ns", 0, 101, until=9)
    assert tier.get("huge", 0) is None


def test_the_local_tier_lets_answers_run_out_and_invalidates_one_namespace() -> None:
    tier = LocalTier(100)
    assert tier.stats().hit_rate is None
    tier.put("a", "ns1", 1, 1, until=10)
    tier.put("b", "ns2", 2, 1, until=10)
    assert tier.get("a", 10) is None
    assert tier.get("a", 9.9) == 1
    assert tier.invalidate("ns1") == 1
    assert (tier.get("a", 0), tier.get("b", 0)) == (None, 2)
    assert tier.stats().hit_rate == 0.5


@pytest.mark.usefixtures("tenant")
async def test_an_answer_is_kept_until_something_changes(memory: Memory, clock: Any) -> None:
    await memory.remember("red owl")
    first = await memory.recall("owl")
    assert await memory.recall("owl") == first
    assert memory.tiers()["tiers"]["l1"]["hits"] == 1
    await memory.remember("blue owl", ttl=10)
    assert len(await memory.recall("owl")) == 2
    clock.time += 10
    assert len(await memory.recall("owl")) == 1
    assert memory.tiers()["tiers"]["l1"]["hits"] == 1


async def test_a_change_by_another_process_is_seen_at_once(memory: Memory, database: Database, clock: Any) -> None:
    other = open_database(database.dialect.path)  # type: ignore[attr-defined]
    try:
        with use_tenant(make_tenant("acme")):
            entry = await memory.remember("red owl")
            assert len(await memory.recall("owl")) == 1
            await Memory(other, clock=clock).forget(entry.id)
            assert await memory.recall("owl") == []
    finally:
        other.close()


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    pytest.importorskip("redis", reason="the extra `redis` is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait()


async def test_two_processes_share_answers_through_redis(
    redis_server: tuple[str, Any], database: Database, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from fairlead.memory.redis_tier import RedisTier

    url, process = redis_server
    one, other = (Memory(database, clock=clock, shared=RedisTier(url, clock.monotonic, timeout=1.0)) for _ in range(2))
    with use_tenant(make_tenant("acme")):
        entry = await one.remember("red owl", tags=["a"], span=(1, 4), ttl=60)
        first = await one.recall("owl")
        assert await other.recall("owl") == first
        assert other.tiers()["tiers"]["l2"]["hits"] == 1
        assert one.tiers()["tiers"]["l2"]["entries"] == 1
        with use_tenant(make_tenant("stranger")):
            assert await other.recall("owl") == []
        await one.forget(entry.id)
        assert await other.recall("owl") == []
        await one.remember("blue owl")
        process.kill()
        process.wait()
        with caplog.at_level(logging.WARNING):
            assert [h.entry.content for h in await other.recall("owl")] == ["blue owl"]
            assert [h.entry.content for h in await other.recall("blue")] == ["blue owl"]
    assert sum("Redis does not answer" in r.message for r in caplog.records) == 1
    assert other.tiers()["tiers"]["l2"]["errors"] >= 1
    one.close()
    other.close()
