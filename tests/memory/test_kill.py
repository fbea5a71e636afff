"""kill -9 between the database and the index: nothing acknowledged is lost, and verify finds nothing wrong."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairlead.clock import SystemClock
from fairlead.memory import IndexPlan, Memory, asking, index
from fairlead.memory.ann import AnnVectors, ann_available
from fairlead.store import open_database
from fairlead.tenancy import make_tenant, use_tenant

WRITER = """
import asyncio, sys
from pathlib import Path
from fairlead.clock import SystemClock
from fairlead.memory import IndexPlan, Memory, NewEntry
from fairlead.memory import asking, index
from fairlead.memory.ann import AnnVectors, ann_available
from fairlead.store import open_database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.vectors import clustered

folder, start = Path(sys.argv[1]), int(sys.argv[2])
# A small index becomes approximate and is saved with every change, so that a kill falls into the writing of its file.
if ann_available():
    index._SAVED_SHARE = -1.0
    make = lambda d, n: AnnVectors(d, exact_most=50)
    asking.NamespaceIndex = lambda path, *others: index.NamespaceIndex(path, make)
vectors = clustered(4000, 16, seed=start % 1000)

async def main():
    database = open_database(folder / "m.db")
    memory = Memory(database, clock=SystemClock(), indexes=IndexPlan(folder / "indexes"))
    with use_tenant(make_tenant("acme")):
        n = start
        while True:
            news = [NewEntry(f"fact {n + i} of the fleet", embedding=vectors[(n + i) % 4000]) for i in range(20)]
            entries = await memory.remember_many(news)
            if n % 60 == 0:
                await memory.forget(entries[3].id)
                print("forgot", n + 3, flush=True)
            print("kept", n, flush=True)
            await memory.space()
            print("indexed", n, flush=True)
            n += 20

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [12])
def test_killed_writers_lose_nothing_that_was_acknowledged(
    tmp_path: Path, kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 kills take a minute and a half; the number here keeps the suite short and can be raised by hand."""
    rng = random.Random(11)
    kept: set[int] = set()
    forgotten: set[int] = set()
    start = 0
    for _ in range(int(os.environ.get("MEMORY_KILLS", kills))):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(start)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while rng.random() < 0.9 and not lines[-1].startswith("indexed"):
            lines.append(process.stdout.readline())
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        for verb, number in (line.split() for line in lines if line.endswith("\n")):
            if verb == "kept":
                kept |= set(range(int(number), int(number) + 20))
            elif verb == "forgot":
                forgotten.add(int(number))
        start = max(kept, default=0) + 1000 - (max(kept, default=0) % 1000)
    if ann_available():
        assert list((tmp_path / "indexes").glob("*.vectors"))

        def make(path: Path | None, *others: object) -> index.NamespaceIndex:
            return index.NamespaceIndex(path, lambda d, n: AnnVectors(d, exact_most=50))

        monkeypatch.setattr(asking, "NamespaceIndex", make)
    asyncio.run(_check(tmp_path, kept, forgotten))


async def _check(folder: Path, kept: set[int], forgotten: set[int]) -> None:
    database = open_database(folder / "m.db")
    memory = Memory(database, clock=SystemClock(), indexes=IndexPlan(folder / "indexes"))
    try:
        with use_tenant(make_tenant("acme")):
            there = {int(e.content.split()[1]) for e in await memory.list(limit=10**6)}
            assert kept - forgotten <= there
            assert not forgotten & there
            problems = await memory.upkeep.verify()
            assert problems == (), problems
            space = await memory.space()
            assert len(space) == len(there)
            sample = sorted(there)[:: max(1, len(there) // 20)]
            for n in sample:
                assert (await memory.recall(f"fact {n}", k=1))[0].entry.content == f"fact {n} of the fleet"
    finally:
        database.close()
