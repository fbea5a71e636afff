"""Function agents in a flow: items go on as soon as they are ready, one that fails does not stop the others.

Prints:

    trim 3 notes, 1 of them empty
    0 words in nothing is refused
    longest: the ferry moors at the south quay (7 words)
"""

from __future__ import annotations

import asyncio
from typing import Any

import fairlead
from fairlead import Flow, StepResult, agent


@agent(capabilities=["count-words"], max_concurrent_tasks=2)
def word_counter(trim: str) -> Any:
    """Counts the words of a text."""
    words = len(trim.split())
    return words if words else StepResult.bad_request("0 words in nothing is refused")


flow = Flow("notes", inputs={"notes": fairlead.REQUIRED}, output="${{ steps.longest }}")


@flow.step(foreach="inputs.notes")
def trim(item: str) -> str:
    return item.strip()


flow.add("count", word_counter, each_of=trim, on_item_error="keep")


@flow.step(after=[trim, "count"])
def longest(trim: list[str], count: list[int | None]) -> dict[str, Any]:
    """What failed is None in the joined list."""
    words, text = max((number or 0, text) for number, text in zip(count, trim, strict=True))
    return {"text": text, "words": words}


async def main() -> None:
    notes = ["  two cranes arrive ", "", "the ferry moors at the south quay"]
    async with fairlead.open() as lead:
        lead.register(flow, word_counter)
        run = await lead.start(flow, {"notes": notes})
        print(f"trim {len(notes)} notes, {sum(not note.strip() for note in notes)} of them empty")
        async for event in run.events():
            if event.type == "step.failed":
                print(event.data["error"])
        result = await run.result()
        print(f"longest: {result.data['text']} ({result.data['words']} words)")


if __name__ == "__main__":
    asyncio.run(main())
