"""LangGraph: a state graph, in memory and with its asynchronous SQLite saver."""

from __future__ import annotations

import asyncio
import importlib.metadata
import operator
import os
import tempfile
import uuid
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from shapes import Graph, Runner, chains, report


class State(TypedDict):
    values: Annotated[dict[str, int], operator.or_]


def build(graph: Graph, seconds: dict[str, float] | None = None) -> Any:
    builder = StateGraph(State)
    for name, after in graph.items():

        async def node(state: State, name: str = name, after: list[str] = after) -> dict[str, dict[str, int]]:
            if seconds is not None:
                await asyncio.sleep(seconds[name])
            return {"values": {name: sum(state["values"][a] for a in after) + 1}}

        builder.add_node(name, node)
    used = {a for after in graph.values() for a in after}
    for name, after in graph.items():
        builder.add_edge(after or START, name)
        if name not in used:
            builder.add_edge(name, END)
    return builder


def make(name: str, graph: Graph, durable: bool) -> Runner:
    builder = build(graph)
    if not durable:
        compiled = builder.compile()
        return lambda: compiled.ainvoke({"values": {}})
    opened: list[Any] = []

    async def run() -> None:
        if not opened:
            folder = tempfile.TemporaryDirectory()
            connecting = AsyncSqliteSaver.from_conn_string(f"{folder.name}/graph.db")
            saver = await connecting.__aenter__()
            opened.extend([builder.compile(checkpointer=saver), connecting, folder])
        await opened[0].ainvoke({"values": {}}, {"configurable": {"thread_id": uuid.uuid4().hex}})

    return run


def makespan() -> Any:
    steps = chains()
    compiled = build({n: after for n, (after, _) in steps.items()}, {n: s for n, (_, s) in steps.items()}).compile()
    return compiled.ainvoke({"values": {}})


if __name__ == "__main__":
    report(importlib.metadata.version("langgraph"), make, makespan)
    os._exit(0)
