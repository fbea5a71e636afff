"""kill -9 at random moments, and what must hold afterwards."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import (
    NotStorableError,
    SchemaNewerError,
    StoreCorruptError,
    StoreFullError,
    WorkflowChangedError,
)
from fairlead.result import ErrorCategory
from fairlead.runtime import Edge, Node, RunReleasedError, Runtime, StepContext, Workflow
from fairlead.store import open_database
from tests.runtime import crash_worker
from tests.runtime.conftest import UNBOUNDED, durable, volatile

WORKER = Path(crash_worker.__file__)
ROUNDS = 50


def start_worker(folder: Path, sleep_ms: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.runtime.crash_worker", str(folder), str(sleep_ms)]
    root = WORKER.parent.parent.parent
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    assert process.stdout.readline(), "the worker died before it began"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def lines(folder: Path) -> Counter[str]:
    path = folder / "lines"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def journal(folder: Path) -> dict[str, str]:
    if not (folder / "fairlead.db").exists():
        return {}
    connection = sqlite3.connect(folder / "fairlead.db")
    try:
        return dict(connection.execute("SELECT key, status FROM journal").fetchall())
    except sqlite3.OperationalError:
        return {}
    finally:
        connection.close()


def undisturbed() -> Any:
    async def body() -> Any:
        async with volatile() as runtime:
            handle = await runtime.start(crash_worker.workflow(None, 0))
            return (await handle.result()).data

    return asyncio.run(body())


def decide_like_a_person(folder: Path, seen: Counter[str]) -> int:
    """Looks in the file whether each unknown effect happened, and says so."""

    async def body() -> int:
        async with durable(folder) as runtime:
            runs = await runtime.store.find(tenant=None)
            if not runs or runs[0].state != "paused":
                return 0
            run = runs[0]
            decided = 0
            for waiting in json.loads(run.waiting_for or "[]"):
                key = waiting["key"]
                word, value = ("redo", None)
                if seen[key]:
                    word, value = "done", {"value": EXPECTED[key]}
                await runtime.control(run.id, "decide", {"key": key, "word": word, "value": value}, cause="person")
                decided += 1
            return decided

    return asyncio.run(body())


EXPECTED: dict[str, int] = {}


@pytest.mark.slow
def test_kill_9_fifty_times_over_a_200_node_graph(tmp_path: Path) -> None:
    """Finished steps happen exactly once; in-flight ones are redone, or unknown when they are effects."""
    rng = random.Random(11)
    expected = undisturbed()
    workflow = crash_worker.workflow(None, 0)
    EXPECTED.update(_values(workflow))
    kills = runs = decisions = 0
    while kills < ROUNDS or runs == 0:
        folder = tmp_path / f"run{runs}"
        folder.mkdir()
        finished_before: set[str] = set()
        while True:
            process = start_worker(folder, sleep_ms=12)
            try:
                process.wait(timeout=rng.uniform(0.01, 0.3) if kills < ROUNDS else 60)
                assert process.returncode == 0
                assert process.stdout is not None
                process.stdout.close()
            except subprocess.TimeoutExpired:
                kill(process)
                kills += 1
            statuses = journal(folder)
            counts = lines(folder)
            finished = {key for key, status in statuses.items() if status in ("success", "skipped")}
            assert finished_before <= finished, "a finished step is never lost"
            finished_before = finished
            _check_once(folder, finished, counts)
            if (folder / "result.json").exists():
                break
            decisions += decide_like_a_person(folder, counts)
        assert json.loads((folder / "result.json").read_text()) == expected
        counts = lines(folder)
        for n in range(0, crash_worker.NODES, 10):
            assert counts[f"n{n}"] == 1, f"effect n{n} happened {counts[f'n{n}']} times"
        assert set(counts) >= {f"n{n}" for n in range(crash_worker.NODES)}
        runs += 1
    print(f"{kills} kills over {runs} runs, {decisions} effects decided by a person")


_seen_at_finish: dict[tuple[str, str], int] = {}


def _check_once(folder: Path, finished: set[str], counts: Counter[str]) -> None:
    """From the moment a step is finished its line count never moves again."""
    for key in finished:
        known = _seen_at_finish.setdefault((str(folder), key), counts[key])
        assert counts[key] == known, f"{key} was done again after it had finished"


def _values(workflow: Workflow) -> dict[str, int]:
    values: dict[str, int] = {}
    for n, node in enumerate(workflow.nodes):
        total = n + sum(values[e.source] for e in node.depends_on) + (n * n if n % 7 == 0 else 0)
        values[node.name] = total % 1_000_003
    return values


def test_pause_kill_9_resume_in_a_new_process(tmp_path: Path) -> None:
    process = start_worker(tmp_path, sleep_ms=10)
    limit = time.monotonic() + 30
    while sum(lines(tmp_path).values()) < 40:
        assert time.monotonic() < limit
        time.sleep(0.002)

    async def pause() -> str:
        async with durable(tmp_path) as runtime:
            run = (await runtime.store.find(tenant=None))[0]
            await runtime.control(run.id, "pause", cause="operator:ann")
            return run.id

    run_id = asyncio.run(pause())
    kill(process)
    before = journal(tmp_path)

    async def look() -> None:
        async with durable(tmp_path) as runtime:
            taken, _ = await runtime.recover()
            assert not taken, "a paused run is not taken up by itself"
            run = await runtime.require(run_id)
            assert (run.state, run.pause_cause) == ("paused", "operator:ann")

    asyncio.run(look())
    while not (tmp_path / "result.json").exists():
        process = start_worker(tmp_path, sleep_ms=1)
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()
        EXPECTED.update(_values(crash_worker.workflow(None, 0)))
        decide_like_a_person(tmp_path, lines(tmp_path))
    assert json.loads((tmp_path / "result.json").read_text()) == undisturbed()
    counts = lines(tmp_path)
    assert all(counts[k] == 1 for k, s in before.items() if s == "success")


def test_sigterm_checkpoints_and_another_process_goes_on(tmp_path: Path) -> None:
    async def slow(ctx: StepContext) -> str:
        await asyncio.sleep(0.02)
        return ctx.key

    workflow = Workflow(
        "w", tuple(Node(f"s{i}", slow, depends_on=(Edge(f"s{i - 1}"),) if i else ()) for i in range(10))
    )

    async def body() -> None:
        async with durable(tmp_path) as runtime:
            handle = await runtime.start(workflow)
            await asyncio.sleep(0.07)
            released = await runtime.close("signal:SIGTERM")
            assert released == [handle.id]
            with pytest.raises(RunReleasedError, match=handle.id):
                await runtime.wait(handle.id) if handle.id in runtime._finished else _raise(handle.id)
        async with durable(tmp_path) as runtime:
            row = await runtime.require(handle.id)
            assert (row.state, row.owner, row.pause_cause) == ("running", None, None)
            runtime.register(workflow)
            taken, left = await runtime.recover()
            assert ([h.id for h in taken], left) == ([handle.id], [])
            assert (await taken[0].result()).success
            events = await runtime.store.events(subject=handle.id, limit=1000)
            started = Counter(e.data["step"] for e in events if e.type == "step.started")
            assert all(count == 1 for count in started.values()), "in-flight steps got their grace"
            assert [e.cause for e in events if e.type == "run.checkpointed"] == ["signal:SIGTERM"]

    asyncio.run(body())


def _raise(run_id: str) -> None:
    raise RunReleasedError(run_id)


def test_an_orphan_whose_workflow_is_unknown_is_reported_and_kept(tmp_path: Path) -> None:
    async def body() -> None:
        hold = asyncio.Event()
        async with durable(tmp_path, UNBOUNDED._replace(shutdown_grace=0)) as runtime:
            handle = await runtime.start(Workflow("mine", (Node("a", hold.wait),)))
            await asyncio.sleep(0.01)
        async with durable(tmp_path) as runtime:
            taken, left = await runtime.recover()
            assert taken == []
            assert [u.run_id for u in left] == [handle.id]
            assert "mine" in left[0].reason
            assert (await runtime.require(handle.id)).state == "running"

            async def changed() -> None: ...

            runtime.register(Workflow("mine", (Node("a", changed), Node("b", changed))))
            with pytest.raises(WorkflowChangedError):
                await runtime.adopt(await runtime.require(handle.id), "test")

    asyncio.run(body())


def test_the_same_key_is_one_run(tmp_path: Path) -> None:
    async def body() -> None:
        count = 0

        async def once() -> int:
            nonlocal count
            count += 1
            return count

        async with durable(tmp_path) as runtime:
            handles = await asyncio.gather(*(runtime.start(once, idempotency_key="k") for _ in range(20)))
            assert len({h.id for h in handles}) == 1
            assert [(await h.result()).data for h in handles] == [1] * 20

    asyncio.run(body())


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), r"\$"),
        ({"a": [1, {"b": {1, 2}}]}, r"\$\.a\[1\]\.b"),
        ({1: "x"}, r"\$"),
        (float("nan"), "not finite"),
        ({"deep": [float("inf")]}, r"\$\.deep\[0\]"),
        ("\ud800", "surrogates"),
        (2**70, "64"),
        (b"bytes", "bytes"),
    ],
)
def test_what_cannot_be_stored_fails_its_step_clearly(tmp_path: Path, value: Any, told: str) -> None:
    async def odd() -> Any:
        return value

    async def body() -> None:
        async with durable(tmp_path) as runtime:
            result = await (await runtime.start(odd)).result()
            assert result.error_category is ErrorCategory.VALIDATION
            assert "cannot be kept" in (result.error or "")
            import re

            assert re.search(told, result.error or ""), result.error

    asyncio.run(body())


def test_a_result_of_50_mb_is_kept_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    async def big(n: int) -> str:
        return "x" * n

    async def body() -> None:
        async with durable(tmp_path) as runtime:
            handle = await runtime.start(big, {"n": 50_000_000})
            assert len((await handle.result()).data) == 50_000_000
            assert len((await runtime.wait(handle.id)).data) == 50_000_000
            refused = await (await runtime.start(big, {"n": 70_000_000})).result()
            assert "over the limit" in (refused.error or "")
            assert "FAIRLEAD_MAX_RESULT_BYTES" in (refused.error or "")

    asyncio.run(body())


def test_a_full_disk_stops_the_run_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    async def fill(item: int) -> str:
        return "x" * 200_000

    workflow = Workflow("fill", (Node("fill", fill, foreach="inputs.items"),), inputs={"items": list(range(200))})

    async def body() -> None:
        async with durable(tmp_path, UNBOUNDED._replace(max_concurrency=4)) as runtime:
            database = runtime.store.database  # type: ignore[attr-defined]
            pages = await database.write(lambda tx: tx.one("PRAGMA page_count"))
            await database.write(lambda tx: tx.one(f"PRAGMA max_page_count={pages[0] + 1500}"))
            handle = await runtime.start(workflow)
            with pytest.raises(StoreFullError) as caught:
                await handle.result()
            assert "Free space" in caught.value.remedy
            kept = {r.key for r in await runtime.store.journal(handle.id) if r.status == "success"}
            assert 0 < len(kept) < 200
            acknowledged = {e.data["step"] for e in await runtime.store.events(types=("step.completed",), limit=1000)}
            assert acknowledged == kept
            await database.write(lambda tx: tx.one("PRAGMA max_page_count=1073741823"))
        async with durable(tmp_path) as runtime:
            runtime.register(workflow)
            run = await runtime.require(handle.id)
            assert run.state == "running"
            taken, _ = await runtime.recover()
            assert (await taken[0].result()).success
            starts = Counter(e.data["step"] for e in await runtime.store.events(types=("step.started",), limit=10_000))
            assert all(starts[key] == 1 for key in kept)

    asyncio.run(body())


def test_a_corrupt_file_is_told_from_a_full_one(tmp_path: Path) -> None:
    path = tmp_path / "fairlead.db"
    path.write_bytes(b"this is not a database, but it is long enough to be one" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError) as caught:
        open_database(path)
    assert "backups" in caught.value.remedy
    assert path.read_bytes() == before, "a damaged file is left as it is"


def test_a_page_torn_in_the_middle_is_reported_when_it_is_met(tmp_path: Path) -> None:
    async def body() -> str:
        async with durable(tmp_path) as runtime:

            async def text() -> str:
                return "y" * 100_000

            handle = await runtime.start(Workflow("w", tuple(Node(f"n{i}", text) for i in range(20))))
            await handle.result()
            return handle.id

    run_id = asyncio.run(body())
    path = tmp_path / "fairlead.db"
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))
    database = open_database_or_error(path)
    if isinstance(database, StoreCorruptError):
        return
    from fairlead.store.runs import SqlRunStore

    with pytest.raises(StoreCorruptError):
        SqlRunStore(database).journal_sync(run_id)
    database.close()


def open_database_or_error(path: Path) -> Any:
    try:
        return open_database(path)
    except StoreCorruptError as exc:
        return exc


def test_a_newer_schema_is_refused_without_a_change(tmp_path: Path) -> None:
    path = tmp_path / "fairlead.db"
    open_database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO schema_migrations VALUES (9999, 'future', 'x', 9999, '', 0)")
    connection.commit()
    connection.close()
    for create in (True, False):
        with pytest.raises(SchemaNewerError) as caught:
            open_database(path, create=create)
        assert caught.value.exit_code == 3


def test_not_storable_is_an_error_of_its_own() -> None:
    from fairlead.store.codec import encode

    with pytest.raises(NotStorableError) as caught:
        encode({"rows": [1, 2, object()]})
    assert caught.value.fields["place"] == "$.rows[2]"


def test_an_effect_in_flight_is_unknown_and_waits_for_a_person(tmp_path: Path) -> None:
    done: list[str] = []

    async def pay(ctx: StepContext) -> str:
        done.append(ctx.key)
        await asyncio.sleep(60)
        return "paid"

    async def after(pay: str) -> str:
        return f"after {pay}"

    workflow = Workflow("w", (Node("pay", pay, effect=True), Node("after", after, depends_on=(Edge("pay"),))))

    async def body() -> None:
        async with durable(tmp_path, UNBOUNDED._replace(shutdown_grace=0)) as runtime:
            handle = await runtime.start(workflow)
            while not done:
                await asyncio.sleep(0.001)
        async with durable(tmp_path) as runtime:
            runtime.register(workflow)
            taken, _ = await runtime.recover()
            event = await taken[0].rest()
            assert event.type == "run.blocked"
            assert done == ["pay"], "it is not silently repeated"
            rows = {r.key: r.status for r in await runtime.store.journal(handle.id)}
            assert rows["pay"] == "unknown"
            await taken[0].decide("pay", "done", "paid by hand", "operator:ann")
            assert (await taken[0].result()).data == {"after": "after paid by hand"}
            assert done == ["pay"]

    asyncio.run(body())


def test_a_runtime_in_memory_needs_no_folder() -> None:
    async def one() -> int:
        return 1

    async def body() -> Any:
        async with volatile() as runtime:
            return (await (await runtime.start(one)).result()).data

    assert asyncio.run(body()) == 1
    assert Runtime is not None
