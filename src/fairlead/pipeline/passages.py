"""Passages: the pieces of a document that memory keeps, each small enough to quote and large enough to understand."""

from __future__ import annotations

from typing import Any

from fairlead.pipeline.analysis.licences import identify_licence
from fairlead.pipeline.documents import Document
from fairlead.pipeline.text.sentences import split_sentences

_NAMED_AFTER = frozenset({"readme", "licence"})
_FEWEST = 3
_MOST = 6
_MOST_OVERLAP = 2
_LENGTH = 900


def passages(document: Document, *, overlap: int = 0) -> list[dict[str, Any]]:
    """Stretches of three to six sentences within one heading and one speaker, in order; they cover the whole text.

    ``overlap`` sentences, at most two, of a stretch that ends for its length are said again by the next one. Memory
    does without: its recall looks at the neighbours of what it finds.

    In a recording ``times`` holds (offset in the passage, second) where each of its segments begins.

    A stretch may be shorter where its section or its speaker ends. ``text`` is ``document.text[start_char:end_char]``.
    """
    text = document.text
    licence = identify_licence(document)[0] if document.kind == "licence" else ""
    found: list[dict[str, Any]] = []
    held: list[tuple[int, int, int]] = []
    for index, segment in enumerate(document.segments):
        before = document.segments[held[-1][2]] if held else segment
        moved = (segment.heading, segment.speaker) != (before.heading, before.speaker)
        if moved or (len(held) >= _FEWEST and segment.kind == "prose"):
            _close(document, text, held, found)
        for start, end in split_sentences(segment.text):
            if held and (len(held) >= _MOST or segment.start_char + end - held[0][0] > _LENGTH):
                again = held[-min(overlap, _MOST_OVERLAP) :] if overlap > 0 else []
                _close(document, text, held, found)
                held += again
            held.append((segment.start_char + start, segment.start_char + end, index))
    _close(document, text, held, found)
    # A README rarely repeats the name of its package, and a licence hardly ever says its own; who asks by name has to
    # find their openings.
    if licence:
        found = [{**passage, "heading": f"Licence: {licence}"} for passage in found]
    if found and document.kind in _NAMED_AFTER:
        found[0] = {**found[0], "about": [document.title.split()[0]]}
    return found


def _close(document: Document, text: str, held: list[tuple[int, int, int]], found: list[dict[str, Any]]) -> None:
    if not held:
        return
    start, end = held[0][0], held[-1][1]
    first_index, last_index = held[0][2], held[-1][2]
    first, last = document.segments[first_index], document.segments[last_index]
    held.clear()
    passage: dict[str, Any] = {
        "text": text[start:end],
        "document": document.id,
        "title": document.title,
        "source": document.source,
        "start_char": start,
        "end_char": end,
    }
    if first.heading:
        passage["heading"] = first.heading
    if first.speaker:
        passage["speaker"] = first.speaker
    if first.start_s is not None:
        passage["start_s"], passage["end_s"] = first.start_s, last.end_s
        inner = document.segments[first_index : last_index + 1]
        passage["times"] = [[max(0, each.start_char - start), each.start_s] for each in inner]
    found.append(passage)
