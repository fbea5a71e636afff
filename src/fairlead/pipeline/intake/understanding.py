"""From bytes to what memory will keep: read, take out what is private, find names and phrases, cut into passages.

The steps are those of ``content-brief``, without those that only a brief shows. They run one after the other in a
process of the pool, so that a text crosses the border between processes once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from fairlead.pipeline.analysis.duplicates import resemblance, sketch_of_words
from fairlead.pipeline.analysis.entities import entities_of
from fairlead.pipeline.analysis.keyphrases import key_phrases
from fairlead.pipeline.documents import checksum
from fairlead.pipeline.intake.pool import Task
from fairlead.pipeline.parsing import parse_bytes
from fairlead.pipeline.passages import passages
from fairlead.pipeline.privacy import redact_segments
from fairlead.pipeline.sources import DocumentRef, read_bytes
from fairlead.pipeline.text.reading import read
from fairlead.pipeline.text.words import words_of

VERSION = 1
"""Raised when the same bytes would give other passages or names, so that what is held is understood anew."""

SAME = 0.9
"""Resemblance from which two passages of one document say the same."""

_MOST_ENTITIES = 12
_MOST_PHRASES = 5
_MOST_RELATED = 5
_SKETCH_PROBES = 8


def fingerprint_of(digest: str, *, redact: bool, overlap: int) -> str:
    """Names bytes and how they were understood: the same fingerprint gives the same passages."""
    return f"{digest}:{VERSION}:{'redacted' if redact else 'whole'}:{overlap}"


def understand(task: Task, data: bytes | None = None) -> dict[str, Any]:
    """What the document says, as JSON-able values; ``data`` when it has been fetched, else the reference is read.

    ``{unchanged: True, checksum}`` when the fingerprint is known; else ``{document, fingerprint, words, passages,
    repeated, key_phrases}``. Raises :class:`InvalidInputError` for what cannot be read.
    """
    ref, form = DocumentRef.from_dict(dict(task.ref)), task.form
    if data is None:
        data, form = read_bytes(ref)
    digest = checksum(data)
    fingerprint = fingerprint_of(digest, redact=task.redact, overlap=task.overlap)
    if fingerprint == task.known:
        return {"unchanged": True, "checksum": digest}
    document = parse_bytes(ref, data, form)
    if task.redact:
        document = redact_segments(document)
    reading = read(document)
    entities = entities_of(reading) if document.kind != "licence" else []
    kept, repeated = without_repetitions(passages(document, overlap=task.overlap))
    facts = document._asdict()
    del facts["segments"]
    return {
        "document": {**facts, "warnings": [*document.warnings]},
        "fingerprint": fingerprint,
        "words": reading.words,
        "passages": named(kept, entities),
        "repeated": repeated,
        "key_phrases": [phrase.phrase for phrase in key_phrases(reading.sentences)[:_MOST_PHRASES]],
    }


def without_repetitions(found: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The passages without those that say again what one before them said, and how many those were.

    The same words in the same order, or a resemblance of :data:`SAME` and more by their sketches.
    """
    kept: list[dict[str, Any]] = []
    seen: set[tuple[str, ...]] = set()
    sketches: list[list[int]] = []
    holders: dict[int, list[int]] = {}
    for passage in found:
        words = tuple(word.lower() for word in words_of(passage["text"]))
        sketch = sketch_of_words(words)
        # Passages that resemble each other so much share at least one of their smallest values.
        near = {index for value in sketch[:_SKETCH_PROBES] for index in holders.get(value, ())}
        if words in seen or any(resemblance(sketches[index], sketch) >= SAME for index in near):
            continue
        seen.add(words)
        for value in sketch:
            holders.setdefault(value, []).append(len(kept))
        kept.append(passage)
        sketches.append(sketch)
    return kept, len(found) - len(kept)


def named(kept: Sequence[dict[str, Any]], entities: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The passages with the ``entities`` that they name and the ``relations`` between these."""
    mentions = sorted((start, entity["name"]) for entity in entities for start, _ in entity["mentions"])
    result, at = [], 0
    for passage in kept:
        while at < len(mentions) and mentions[at][0] < passage["start_char"]:
            at += 1
        end = at
        while end < len(mentions) and mentions[end][0] < passage["end_char"]:
            end += 1
        names = [*passage.get("about", ()), *(name for _, name in mentions[at:end])]
        names = list(dict.fromkeys(names))[:_MOST_ENTITIES]
        result.append({**passage, "entities": names, "relations": [*_relations(passage, names)]})
        at = end
    return result


def _relations(passage: Mapping[str, Any], names: Sequence[str]) -> Iterator[list[str]]:
    """Who speaks of what, and what is named together; nothing is claimed beyond that."""
    speaker = passage.get("speaker")
    if speaker:
        yield from ([speaker, "speaks of", name] for name in names[:_MOST_RELATED] if name != speaker)
    yield from ([one, "named with", other] for one, other in combinations(names[:_MOST_RELATED], 2))
