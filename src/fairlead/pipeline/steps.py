"""The door for workflows: plain functions from JSON-able values to JSON-able values, deterministic throughout.

    discover_documents -> parse_document (each) -> analyse_document (each) -> compose_brief -> write_outputs
                                       \\-> passages_of (each): what memory keeps

What cannot be read does not stop the rest: ``parse_document`` answers ``{"id", "title", "error"}``, the later steps
carry it along, and the brief names it. The same functions raise nothing for hostile input; they raise
:class:`fairlead.errors.InvalidInputError` or :class:`fairlead.errors.NotFoundError` for a wrong call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.pipeline.analysis.labels import Trained
    from fairlead.pipeline.analysis.names import Tagger


def discover_documents(inputs: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """References to what there is to read: ``{id, title, kind, path | origin, bytes, error?}``.

    ``inputs`` are files and folders. Without any, the documents that come with every installation: READMEs and licences
    of the installed distributions, and topics of Python's manual; what was left out of those is stated as a reference
    of kind ``left-out`` with its ``error``.
    """
    from fairlead.pipeline.documents import short_id
    from fairlead.pipeline.sources import DocumentRef, discover, discover_installed

    if inputs:
        return [ref.to_dict() for ref in discover(inputs)]
    built_in = discover_installed()
    names = {"readme": "READMEs", "licence": "licence texts", "topic": "manual topics"}
    notes = [
        DocumentRef(
            short_id("note", kind),
            f"{count} further {names[kind]}",
            "left-out",
            error="left out to keep the brief to a bounded set",
        )
        for kind, count in built_in.left_out.items()
        if count
    ]
    return [ref.to_dict() for ref in [*built_in.refs, *notes]]


def parse_document(ref: dict[str, Any]) -> dict[str, Any]:
    """The document that ``ref`` names, or why it cannot be read.

    The shape is that of :meth:`fairlead.pipeline.documents.Document.to_dict`.
    """
    from fairlead.errors import RefusedError
    from fairlead.pipeline.parsing import parse
    from fairlead.pipeline.sources import DocumentRef

    reference = DocumentRef.from_dict(ref)
    unread = {
        "id": reference.id,
        "title": reference.title,
        "kind": reference.kind,
        "source": reference.path or reference.origin,
    }
    if reference.error:
        return {**unread, "error": reference.error}
    try:
        return parse(reference).to_dict()
    except RefusedError as exc:
        return {**unread, "error": exc.message}


def redact_document(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what is private in it; what was taken out is counted in its warnings."""
    from fairlead.pipeline.documents import Document
    from fairlead.pipeline.privacy import redact_segments

    return document if document.get("error") else redact_segments(Document.from_dict(document)).to_dict()


def analyse_document(
    document: dict[str, Any], *, tagger: Tagger | None = None, trained: Trained | None = None
) -> dict[str, Any]:
    """The findings in one document; see :mod:`fairlead.pipeline.analyse`. ``tagger`` finds its names, ``trained`` are
    models of a user's own.
    """
    from fairlead.pipeline.analyse import NOTHING_TRAINED, analyse
    from fairlead.pipeline.documents import Document

    if document.get("error"):
        return document
    return analyse(Document.from_dict(document), tagger, trained or NOTHING_TRAINED)


def passages_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What memory keeps of a document, three to six sentences each, within one heading and one speaker.

    ``{text, document, title, source, start_char, end_char, heading?, speaker?, start_s?, end_s?, times?, about?}``;
    ``about`` names what the document is named after, on its opening.
    """
    from fairlead.pipeline.documents import Document
    from fairlead.pipeline.passages import passages

    return [] if document.get("error") else passages(Document.from_dict(document))


def compose_brief(analyses: list[dict[str, Any]], *, focus: Sequence[str] = ()) -> dict[str, Any]:
    """The brief over all analyses; ``focus`` terms raise what speaks of them."""
    from fairlead.pipeline.brief import compose

    return compose(analyses, focus=focus)


def write_outputs(brief: Mapping[str, Any], folder: str | Path) -> dict[str, str]:
    """Writes ``brief.md``, ``brief.json`` and ``brief.html`` and returns their paths under those three formats.

    Each file is replaced in one step, so a reader never sees half of one.
    """
    from fairlead.pipeline.render import write

    return write(brief, Path(folder))


__all__ = [
    "analyse_document",
    "compose_brief",
    "discover_documents",
    "parse_document",
    "passages_of",
    "redact_document",
    "write_outputs",
]
