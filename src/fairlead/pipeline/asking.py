"""Asking: what memory recalls for a question, and the sentences of it that answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.pipeline.answer import answer

if TYPE_CHECKING:
    from fairlead.memory import Memory

PASSAGES = 25
"""Passages that an answer is looked for in."""


async def ask(memory: Memory, question: str, *, name: str, limit: int = PASSAGES) -> dict[str, Any]:
    """``{answered, statements, reason}`` from the collection ``name`` of the current tenant; see :func:`answer`."""
    hits = await memory.recall(question, name=name, k=limit)
    passages = [
        {**hit.entry.metadata, "text": hit.entry.content, "source": hit.source, "score": hit.score} for hit in hits
    ]
    return answer(question, passages)
