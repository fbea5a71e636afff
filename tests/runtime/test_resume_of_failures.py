"""What depends on a failure, or on a skip, is finished work like any other: a resume does not do it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fairlead.runtime import Edge, Node, Workflow
from tests.runtime.conftest import UNBOUNDED, durable


def test_steps_behind_a_failed_and_a_skipped_step_are_not_done_twice(tmp_path: Path) -> None:
    done: list[str] = []
    gate = asyncio.Event()

    async def fails() -> None:
        raise ValueError("no")

    async def mend() -> str:
        done.append("mend")
        return "mended"

    async def after_skip() -> str:
        done.append("after_skip")
        return "went on"

    async def last() -> str:
        await gate.wait()
        return "ended"

    nodes = (
        Node("fails", fails),
        Node("mend", mend, depends_on=(Edge("fails", "failure"),)),
        Node("skipped", mend, depends_on=(Edge("fails"),)),
        Node("after_skip", after_skip, depends_on=(Edge("skipped", "done"),)),
        Node("last", last, depends_on=(Edge("mend"), Edge("after_skip"))),
    )
    workflow = Workflow("mending", nodes)

    async def body() -> None:
        async with durable(tmp_path, UNBOUNDED._replace(shutdown_grace=0.1)) as runtime:
            run = await runtime.start(workflow)
            while "last" not in {e.data.get("step") for e in await runtime.store.events(subject=run.id)}:
                await asyncio.sleep(0.01)
        assert sorted(done) == ["after_skip", "mend"]
        gate.set()
        async with durable(tmp_path) as runtime:
            runtime.register(workflow)
            (again,), _ = await runtime.recover()
            assert (await again.result()).data == {"last": "ended"}

    asyncio.run(asyncio.wait_for(body(), 30))
    assert sorted(done) == ["after_skip", "mend"]
