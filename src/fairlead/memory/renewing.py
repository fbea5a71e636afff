"""Replacing what a document said by what it says now, in one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from orjson import loads

from fairlead.memory.keeping import Place, remove
from fairlead.memory.writing import Prepared, storing
from fairlead.store.database import Transaction
from fairlead.store.memory import EntryRow, Selection, make_scope


class Renewal(NamedTuple):
    """How many entries of a document are new, were there already, and were removed."""

    added: int
    kept: int
    removed: int


def renewing(
    place: Place,
    source: str,
    prepared: Sequence[Prepared],
    model: tuple[str, int] | None,
    also: Callable[[Transaction, Renewal], None],
) -> Callable[[Transaction], Renewal]:
    """The unit that does it."""

    def unit(tx: Transaction) -> Renewal:
        scope = make_scope(tx, place.tenant, place.name, place.now)
        before = [row for row in scope.matching(Selection(sources=(source,))) if _of_document(row)]
        erased = scope.erased()
        wanted = [one for one in prepared if one.address not in erased]
        stored = storing(place.tenant, place.name, wanted, now=place.now, cause=place.cause, model=model)(tx)
        still = {row.seq for row in stored.rows.values()}
        gone = [row for row in before if row.seq not in still]
        remove(scope, gone, "replaced", place)
        if gone:
            data = {"count": len(gone), "reason": "replaced", "ids": [row.id for row in gone[:100]]}
            tx.emit(place.event("memory.forgotten", data))
        renewal = Renewal(stored.added, len(stored.rows) - stored.added, len(gone))
        also(tx, renewal)
        return renewal

    return unit


def _of_document(row: EntryRow) -> bool:
    return "document" in loads(row.metadata)
