"""Recorded executions of real workflow systems, run as graphs of scaled sleeps."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from fairlead.testing.wfformat import load_instance
from tests.runtime.conftest import durable

LASTS = 0.5
"""Seconds that the critical path of each graph is scaled to."""


def test_dependencies_hold_and_the_makespan_is_the_critical_path(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "wf-wfinstances" / "small").glob("*.json"))
    assert paths

    async def body(path: Path, folder: Path) -> float:
        instance = load_instance(path)
        scale = LASTS / instance.critical_path()
        spans: dict[str, tuple[float, float]] = {}

        def make(task: str, seconds: float) -> Any:
            async def work() -> None:
                begin = time.perf_counter()
                await asyncio.sleep(seconds * scale)
                spans[task] = (begin, time.perf_counter())

            return work

        workflow = instance.workflow(make)
        async with durable(folder) as runtime:
            runtime.plans.of(workflow)
            begin = time.perf_counter()
            result = await (await runtime.start(workflow)).result()
            makespan = time.perf_counter() - begin
        assert result.success
        assert set(spans) == set(instance.parents)
        for task, parents in instance.parents.items():
            for parent in parents:
                assert spans[parent][1] <= spans[task][0], f"{task} began before {parent} had ended"
        return makespan

    for n, path in enumerate(paths):
        # The best of a few: the bound is the scheduler's, and other work on the machine is not its doing.
        best = 9.0
        for attempt in range(12):
            best = min(best, asyncio.run(body(path, tmp_path / f"{n}.{attempt}")))
            if best <= LASTS * 1.1:
                break
        assert best <= LASTS * 1.1, f"{path.name} took {best / LASTS:.2f} of its critical path"
