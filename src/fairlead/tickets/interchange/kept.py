"""Lossless exchange: what one side says and the other has no place for is kept, and given back.

A format is a pair of plain functions, ``to_record`` (foreign document to ticket fields) and ``to_document`` (back).
Neither needs to be exact. :func:`absorb` compares a document with what would be written for it and keeps the
difference under the ticket's ``ext``; :func:`release` puts a kept value back wherever it still *means* what the ticket
says now. So an untouched ticket is written as it was read, and a changed one is written with its changes. The other
way round, what a ticket says and the document does not goes along under the document's key ``fairlead``.

This is a symmetric lens with complements on both sides (Hofmann, Pierce, Wagner: "Symmetric Lenses", POPL 2011).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Document = dict[str, Any]
Record = dict[str, Any]

EXTENSION = "ext"
"""The key of a record for what belongs to other tools: format name -> what is kept for it."""

OWN = "fairlead"
"""The key of a foreign document for what only a ticket here can say."""


class Lens(NamedTuple):
    """One format: its name and the two inexact functions."""

    name: str
    to_record: Callable[[Document], Record]
    to_document: Callable[[Record], Document]


def absorb(lens: Lens, document: Document) -> Record:
    """The record of a document, with what its fields cannot say kept under ``ext[name]``.

    The name stands there even when nothing had to be kept: it tells where the ticket comes from.
    """
    carried = document.get(OWN)
    document = {k: v for k, v in document.items() if k != OWN}
    record = lens.to_record(document)
    written = lens.to_document(record)
    note: dict[str, Any] = {}
    kept = {k: v for k, v in document.items() if k not in written or not same(written[k], v)}
    absent = [k for k in written if k not in document]
    if kept:
        note["kept"] = kept
    if absent:
        note["absent"] = absent
    ext = {lens.name: note}
    if isinstance(carried, dict):
        record = _put_back(lens, record, (written, document), carried)
        others = carried.get(EXTENSION)
        ext = {**(others if isinstance(others, dict) else {}), **ext}
    return {**record, EXTENSION: ext}


def _put_back(lens: Lens, record: Record, said: tuple[Document, Document], carried: Mapping[str, Any]) -> Record:
    """Carried fields that do not contradict the document, which somebody may have changed meanwhile."""
    own = {k: v for k, v in carried.items() if k != EXTENSION}
    whole = {k: v for k, v in {**record, **own}.items() if v is not None}
    if _agrees(lens.to_document(whole), *said):
        return whole
    for key, value in own.items():
        trial = {k: v for k, v in {**record, key: value}.items() if v is not None}
        if _agrees(lens.to_document(trial), *said):
            record = trial
    return record


def _agrees(trial: Document, *said: Document) -> bool:
    keys = {*trial, *(key for document in said for key in document if key in said[0])}
    return all(any(same(trial.get(key), document.get(key)) for document in said) for key in keys)


def release(lens: Lens, record: Record) -> Document:
    """The document of a record, with every kept value that still means what the record says."""
    document = _release_kept(lens, record)
    back = lens.to_record(document)
    said = {k: v for k, v in record.items() if k != EXTENSION and v not in (None, "", [])}
    missing = {k: v for k, v in said.items() if back.get(k) != v}
    missing |= {k: None for k in back if k not in record}
    others = {k: v for k, v in record.get(EXTENSION, {}).items() if k != lens.name}
    if others:
        missing[EXTENSION] = others
    return {**document, OWN: dict(sorted(missing.items()))} if missing else document


def _release_kept(lens: Lens, record: Record) -> Document:
    document = lens.to_document(record)
    note: Mapping[str, Any] = record.get(EXTENSION, {}).get(lens.name, {})
    kept: Mapping[str, Any] = note.get("kept", {})
    absent = [k for k in note.get("absent", ()) if k in document]
    if not kept and not absent:
        return document
    meaning = lens.to_record(document)
    whole = {**{k: v for k, v in document.items() if k not in absent}, **kept}
    if lens.to_record(whole) == meaning:
        return whole
    for key in absent:
        trial = {k: v for k, v in document.items() if k != key}
        if lens.to_record(trial) == meaning:
            document = trial
    for key, value in kept.items():
        trial = {**document, key: value}
        if lens.to_record(trial) == meaning:
            document = trial
        elif isinstance(value, list) and isinstance(document.get(key, []), list):
            document = {**document, key: _items(lens, document, key, value)}
    return document


def _items(lens: Lens, document: Document, key: str, kept: list[Any]) -> list[Any]:
    """A list that changed: each new item in its kept form where there is one, and the kept items that mean nothing.

    An item that means nothing to a ticket (an edge of a foreign kind, for example) cannot have been removed here, so
    it stays.
    """

    def meaning(items: list[Any]) -> Record:
        return lens.to_record({**document, key: items})

    nothing = meaning([])
    by_meaning = [(meaning([item]), item) for item in kept]
    found: list[Any] = []
    for item in document.get(key, []):
        own = meaning([item])
        position = next((n for n, (kind, _) in enumerate(by_meaning) if kind == own), None)
        found.append(item if position is None else by_meaning.pop(position)[1])
    return found + [item for kind, item in by_meaning if kind == nothing]


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values there."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
