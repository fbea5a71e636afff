"""The fleet of ``content-brief``: the pipeline's steps as agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.agents import Agent, agent
from fairlead.errors import InvalidInputError
from fairlead.pipeline import steps
from fairlead.pipeline.text.naming import names_of
from fairlead.runtime.step import StepContext

if TYPE_CHECKING:
    from fairlead.memory import Memory
    from fairlead.pipeline.sources.opening import Sources

COLLECTION = "content"
"""The name in memory under which passages are kept and asked for."""


_OPENING = 8
"""Passages at the beginning of a document that are filed under its title; all are under their heading."""


def _filed_under(at: int, passage: dict[str, Any]) -> tuple[str, ...]:
    return names_of(passage["title"] if at < _OPENING else "", passage.get("heading") or "")


async def _documents_of(paths: list[str], sources: Callable[[], Sources] | None) -> list[dict[str, Any]]:
    """References to what is to be read; :class:`InvalidInputError` when there is nothing."""
    from fairlead.pipeline.intake.fetching import is_local

    here = [path for path in paths if is_local(path)]
    found = [] if paths and not here else await asyncio.to_thread(steps.discover_documents, here or None)
    if sources is not None:
        from fairlead.pipeline.intake.elsewhere import discover_elsewhere

        found += await discover_elsewhere([path for path in paths if not is_local(path)], sources())
    if not found:
        raise InvalidInputError(
            f"there is nothing to read in {', '.join(map(repr, paths))}.",
            remedy="Give URLs, or files or folders with .txt .md .rst .html .json .csv .vtt .srt .pdf or .docx.",
            field="paths",
        )
    return found


def content_agents(memory: Memory, home: Path, sources: Callable[[], Sources] | None = None) -> list[Agent]:
    """The agents, over a memory to keep passages in and the folder under which briefs go by default; ``sources`` fetch
    what is not on this machine."""

    @agent("content.discover", capabilities=["discover-documents"], agent_type="analyst", max_concurrent_tasks=1)
    async def discover(paths: list[str]) -> list[dict[str, Any]]:
        """Finds the documents to read: files and folders here, pages, feeds and recordings elsewhere."""
        return await _documents_of(paths, sources)

    @agent("content.parse", capabilities=["parse-documents"], agent_type="analyst", max_concurrent_tasks=4)
    async def parse(ref: dict[str, Any]) -> dict[str, Any]:
        """Reads one document into clean text with its places."""
        if sources is not None and str(ref.get("origin", "")).startswith("url:"):
            from fairlead.pipeline.intake.elsewhere import parse_elsewhere

            return await parse_elsewhere(ref, sources(), home / "media")
        return await asyncio.to_thread(steps.parse_document, ref)

    @agent("content.analyse", capabilities=["analyse-text"], agent_type="analyst", max_concurrent_tasks=4)
    def analyse(document: dict[str, Any]) -> dict[str, Any]:
        """Finds key phrases, entities, statements and a summary in one document."""
        return steps.analyse_document(document)

    @agent("content.remember", capabilities=["remember"], agent_type="documenter", max_concurrent_tasks=4)
    async def remember(document: dict[str, Any], ctx: StepContext) -> dict[str, Any]:
        """Keeps the passages of one document, each with its source."""
        from fairlead.memory import NewEntry

        entries = [
            NewEntry(
                content=passage["text"],
                source=passage["source"],
                span=(passage["start_char"], passage["end_char"]),
                entities=(*passage.get("about", ()), *_filed_under(at, passage)),
                metadata={k: v for k, v in passage.items() if k not in ("text", "source", "about") and v is not None},
            )
            for at, passage in enumerate(steps.passages_of(document))
        ]
        if entries:
            await memory.remember_many(entries, name=COLLECTION, cause=f"run:{ctx.run_id}")
        return {"document": document["id"], "passages": len(entries)}

    @agent("content.brief", capabilities=["write-briefs"], agent_type="documenter", max_concurrent_tasks=2)
    async def brief(analyse: list[Any], focus: list[str], ctx: StepContext) -> dict[str, Any]:
        """Composes one brief about all documents. Messages to the run become terms to focus on."""
        terms = [*focus, *ctx.messages()]
        return await asyncio.to_thread(steps.compose_brief, [a for a in analyse if a is not None], focus=terms)

    @agent("content.write", capabilities=["write-briefs"], agent_type="documenter", max_concurrent_tasks=1)
    def write(brief: dict[str, Any], output: str, ctx: StepContext) -> dict[str, Any]:
        """Writes the brief as Markdown, JSON and a page."""
        folder = Path(output) if output else home / "outputs" / ctx.run_id
        return {"title": brief.get("title"), "files": steps.write_outputs(brief, folder)}

    return [discover, parse, analyse, remember, brief, write]
