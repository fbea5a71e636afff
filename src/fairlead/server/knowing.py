"""Memory, questions and workflows over the server: on the memory and the runtime that the server keeps open."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.pipeline.answer import answer
from fairlead.runtime.graph import Workflow
from fairlead.runtime.spec import load_template, template_names
from fairlead.server.access import Caller
from fairlead.server.desk import Desk
from fairlead.verbs.memory import lines_of, page_of


@cache
def _shipped() -> Mapping[str, Workflow]:
    """The workflows that come with the program: they do not change while it runs, and reading them takes long."""
    return {name: load_template(name) for name in template_names()}


class Knowing:
    """The verbs of memory and of workflows, as a caller elsewhere gets them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lead = desk.lead
        desk.answers |= {
            "memory.add": self.remember,
            "memory.recall": self.recall,
            "memory.export": self.export,
            "memory.import": self.take_in,
            "ask": self.ask,
            "workflow.list": self.workflows,
        }
        for verb in ("show", "draw", "validate"):
            desk.answers[f"workflow.{verb}"] = self._workflow(f"workflow.{verb}")

    async def remember(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        metadata = given.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            raise InvalidInputError("metadata is no object.", remedy="Give an object.", field="metadata")
        entry = await self._lead.memory.remember(
            given["text"],
            name=given.get("name", "default"),
            content_type=given.get("type", "passage"),
            source=given.get("source", ""),
            tags=given.get("tag", ()),
            key=given.get("key"),
            ttl=given.get("ttl"),
            metadata=metadata,
            cause=f"key:{caller.actor}",
        )
        return entry.to_dict()

    async def recall(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        hits = await self._lead.memory.recall(
            given["query"],
            name=given.get("name", "default"),
            k=min(given.get("k", 10), 1000),
            tags=given.get("tag", ()),
            content_types=given.get("type", ()),
            sources=given.get("source", ()),
            since=given.get("since"),
            until=given.get("until"),
            min_score=given.get("min_score", 0.0),
        )
        return {"query": given["query"], "hits": [hit.to_dict() for hit in hits]}

    async def export(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        limit = min(given.get("limit", 500), 1000)
        after, name = given.get("after", 0), given.get("name", "default")
        return page_of(await self._lead.memory.upkeep.export_page(after, limit, name=name), limit)

    async def take_in(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        done = await self._lead.memory.upkeep.import_lines(
            lines_of(given.get("entries")), name=given.get("name", "default"), cause=f"key:{caller.actor}"
        )
        return done._asdict()

    async def ask(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        question = given["question"]
        if not question.strip():
            raise InvalidInputError("the question is empty.", remedy="Ask something.", field="question")
        name, limit = given.get("name", "content"), min(given.get("limit", 8), 1000)
        hits = await self._lead.memory.recall(question, name=name, k=limit)
        passages = [
            {**hit.entry.metadata, "text": hit.entry.content, "source": hit.source, "score": hit.score} for hit in hits
        ]
        return {"question": question, **answer(question, passages)}

    async def workflows(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        """The shipped workflows, and those that the server's program registered."""
        known = {**_shipped(), **self._lead.runtime.plans.workflows}
        items = [
            {"name": name, "version": flow.version, "steps": len(flow.nodes), "description": flow.description}
            for name, flow in sorted(known.items())
        ]
        return {"items": items, "has_more": False}

    def _workflow(self, name: str) -> Any:
        verb = self._desk.verbs[name]

        async def call(caller: Caller, given: Mapping[str, Any]) -> Any:
            workflow = given["workflow"]
            if "/" in workflow or workflow.endswith((".yaml", ".yml")):
                raise NotFoundError(f"there is no workflow {workflow[:100]!r}.", remedy="Give a name.")
            return await self._desk.on_thread(caller, verb, given)

        return call
