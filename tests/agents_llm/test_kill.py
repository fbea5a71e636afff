"""kill -9 at random moments: finished tools exactly once, effects in flight unknown, no answer asked for twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.runtime import RunHandle, Runtime
from fairlead.store import open_database
from fairlead.store.port import JournalRow
from fairlead.store.runs import SqlRunStore
from fairlead.tenancy import make_tenant, use_tenant
from tests.agents_llm.crash_child import TURNS, make_agent

ROUNDS = 20
CHILD = Path(__file__).with_name("crash_child.py")


def lines(path: Path) -> Counter[str]:
    return Counter(path.read_text().split("\n")[:-1]) if path.exists() else Counter()


@pytest.fixture
def processes() -> Iterator[subprocess.Popen[str]]:
    root = CHILD.parent.parent.parent
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.agents_llm.crash_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        cwd=root,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        yield parent
        parent.stdin.close()
        parent.wait(30)


def run_and_kill(processes: subprocess.Popen[str], folder: Path, kill_after: float) -> bool:
    """Runs a process in the folder and kills it; False when it ended before."""
    assert processes.stdin is not None
    assert processes.stdout is not None
    processes.stdin.write(f"{folder}\n")
    # The fork and the process that it made both speak here, in whichever order.
    first, second = sorted(processes.stdout.readline().split() for _ in range(2))
    assert first == ["open"]
    time.sleep(kill_after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(second[1]), signal.SIGKILL)
    word, code = processes.stdout.readline().split()
    assert word == "ended"
    assert int(code) in (0, -signal.SIGKILL)
    return int(code) != 0


async def journal_of_only_run(folder: Path) -> dict[str, JournalRow]:
    database = open_database(folder / "runs.db")
    try:
        store = SqlRunStore(database)
        runs = await store.find(tenant=None)
        return {row.key: row for row in await store.journal(runs[0].id)} if runs else {}
    finally:
        database.close()


async def finish(folder: Path) -> tuple[str, list[str]]:
    """Takes the run up until it ends, deciding what is unknown as a person would: by looking at the file."""
    database = open_database(folder / "runs.db")
    runtime = await Runtime(SqlRunStore(database), owners=folder / "owners").open()
    agent = make_agent(folder)
    unknown: list[str] = []
    with use_tenant(make_tenant("test")):
        runtime.register(agent.as_workflow())
        handles, _ = await runtime.recover()
        runs = await runtime.store.find(tenant=None)
        handle = RunHandle(runtime, runs[0].id) if runs else await runtime.start(agent, {"prompt": "go"})
        if not handles and runs and runs[0].state == "paused":
            await handle.resume()
        async with asyncio.timeout(20):
            while not (await handle.state()).finished:
                execution = runtime.executions.get(handle.id)
                if execution is not None and execution.held and execution.blocked:
                    key = next(iter(execution.blocked))
                    unknown.append(key)
                    number = "1" if "#2." in key else "3"
                    if lines(folder / "done.txt")[f"send {number}"]:
                        await handle.decide(key, "done", f"sent {number}")
                    else:
                        await handle.decide(key, "redo")
                await asyncio.sleep(0.005)
            data = str((await handle.result()).data)
    await runtime.close()
    database.close()
    return data, unknown


def test_killed_at_random_moments(processes: subprocess.Popen[str], tmp_path: Path) -> None:
    rng = random.Random(20261120)
    killed = unknowns = 0
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed += run_and_kill(processes, folder, rng.uniform(0.0, 0.3))
        journal = asyncio.run(journal_of_only_run(folder))
        before = {key for key, row in journal.items() if row.status == "success"}
        in_flight = {key for key, row in journal.items() if row.status == "started"}
        asked, begun = lines(folder / "asked.txt"), lines(folder / "begun.txt")
        data, unknown = asyncio.run(finish(folder))
        assert data == "finished"
        assert set(unknown) == in_flight
        unknowns += len(unknown)
        done, asked_after = lines(folder / "done.txt"), lines(folder / "asked.txt")
        begun_after = lines(folder / "begun.txt")
        assert set(done) == {"mark 0", "mark 1", "mark 2", "mark 4", "send 1", "send 3"}
        for key in before:
            if "/model#" in key:
                turn = str(int(key.rpartition("#")[2]) - 1)
                assert asked_after[turn] == asked[turn] == 1, f"{key} was asked for again"
            elif "/tool:" in key:
                name, _, place = key.rpartition("tool:")[2].partition("#")
                call = f"{name} {int(place.partition('.')[0]) - 1}"
                assert done[call] == begun_after[call] == begun[call] == 1, f"{key} was done again"
        # An effect is done once however it went: redone only where the file says that it had not happened.
        assert done["send 1"] == done["send 3"] == 1
        assert sum(asked_after.values()) <= TURNS + 1
    assert killed >= ROUNDS // 2
    print(f"{killed} of {ROUNDS} killed in flight, {unknowns} effects unknown")
