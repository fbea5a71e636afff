"""The composition root: the parts work together as configured."""

from __future__ import annotations

import asyncio
from typing import Any

import fairlead
from fairlead.gateway import GenerationRequest


def test_a_model_call_in_a_step_is_billed_to_its_run_and_agent(tmp_path: Any) -> None:
    async def body() -> None:
        async with fairlead.open(home=str(tmp_path)) as lead:

            @fairlead.agent("summariser")
            async def summarise(text: str) -> str:
                answer = await lead.gateway.generate(
                    GenerationRequest(prompt=f"Summarise in one sentence:\n\n{text}", force_local=True)
                )
                assert answer.success, answer.error_message
                return answer.content

            text = (
                "The bridge was opened in 1932. It carries eight lanes. The bridge is made of steel. Ships pass below."
            )
            run = await lead.start(summarise, {"text": text})
            result = await run.result()
            assert result.success, result.error
            rows = lead.database.read_sync(lambda r: r.rows("SELECT * FROM model_calls"))
            assert len(rows) == 1
            assert run.id in rows[0]
            assert "summariser" in rows[0]

    asyncio.run(body())


def test_two_applications_share_one_home(tmp_path: Any) -> None:
    async def body() -> None:
        async with fairlead.open(home=str(tmp_path)) as one, fairlead.open(home=str(tmp_path)) as two:

            async def greet(name: str) -> str:
                return f"hello {name}"

            runs = await asyncio.gather(*(app.start(greet, {"name": "x"}) for app in (one, two) for _ in range(20)))
            results = [await run.result() for run in runs]
            assert all(r.data == "hello x" for r in results)
            seen = await two.store.find(tenant=str(two.tenant), limit=100)
            assert len(seen) == 40

    asyncio.run(body())
