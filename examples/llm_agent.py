"""A language-model agent with tools: one only reads, one acts on the world and needs a person's word.

The model is a function, so no key is needed; put a name such as ``openai:gpt-5`` in its place.

Prints:

    asks: May agent 'purser' call tool book, which may edit?
    booked: ['berth 4']
    Berth 4 is free and booked.
"""

from __future__ import annotations

import asyncio

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead
from fairlead.agents.llm import LlmAgent, llm_tool

booked: list[str] = []


def free_berths() -> list[str]:
    """The berths that are free now."""
    return ["berth 4"]


def book(berth: str) -> str:
    """Books a berth."""
    booked.append(berth)
    return "booked"


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    turns: list[ToolCallPart | TextPart] = [
        ToolCallPart("free_berths", {}),
        ToolCallPart("book", {"berth": "berth 4"}),
        TextPart("Berth 4 is free and booked."),
    ]
    return ModelResponse(parts=[turns[sum(isinstance(message, ModelResponse) for message in messages)]])


purser = LlmAgent.build(
    "purser",
    model=FunctionModel(answer),
    instructions="Find a free berth and book it.",
    tools=[free_berths, llm_tool(book, permission="edit")],
)


async def main() -> None:
    async with fairlead.open() as lead:
        lead.register(purser)
        run = await lead.start("purser", {"prompt": "We need a berth."})
        event = await run.rest()
        for waiting in event.data["waiting_for"]:
            print(f"asks: {waiting['reason']}")
            await run.decide(waiting["key"], "answer", "yes", cause="operator:harbour-master")
        result = await run.result()
        print(f"booked: {booked}")
        print(result.data)


if __name__ == "__main__":
    asyncio.run(main())
