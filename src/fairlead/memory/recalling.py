"""Recall: find candidates, weigh them, and say why."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.memory.entries import Hit, entry_from_row
from fairlead.memory.lexical import bm25_share, inverse_document_frequency, rarest
from fairlead.memory.words import matching_spans, query_stems, stems
from fairlead.store.database import Reader
from fairlead.store.memory import EntryRow, Scope, Selection, open_scope, selected_where
from fairlead.tenancy import Tenant

_CANDIDATES_PER_HIT = 4


class Question(NamedTuple):
    """One recall: what is asked, where, of which entries, and when."""

    tenant: Tenant
    name: str
    text: str
    k: int
    selection: Selection
    min_score: float
    now: float


def answer(reader: Reader, question: Question) -> list[Hit]:
    """The best ``k`` entries by full text, best first."""
    scope = open_scope(reader, question.tenant, question.name)
    if scope is None:
        return []
    terms = query_stems(question.text)
    found = _by_full_text(scope, terms, question)
    wanted = frozenset(terms)
    namespace = question.tenant.namespace(question.name)
    hits = []
    for row, share in found[: question.k]:
        if share >= question.min_score:
            entry = entry_from_row(row, namespace)
            offsets = matching_spans(row.content, wanted)
            hits.append(Hit(entry, share, {"lexical": share}, entry.source, offsets))
    return hits


def _by_full_text(scope: Scope, terms: list[str], question: Question) -> list[tuple[EntryRow, float]]:
    facts = scope.facts()
    counts = scope.fts.document_counts(terms)
    total = max(scope.fts.total(), 1)
    weights = {term: inverse_document_frequency(total, counts[term]) for term in terms}
    where, parameters = selected_where(question.selection, question.now, "e.")
    limit = question.k * _CANDIDATES_PER_HIT
    ranked = scope.fts.search(rarest(weights, counts), limit, where, parameters)
    mean_length = facts.words / max(facts.entries, 1)
    rows = scope.entries("seq", [seq for seq, _ in ranked])
    shares = [(row, bm25_share(stems(row.content), weights, mean_length)) for row in rows]
    return sorted(shares, key=lambda pair: (-pair[1], pair[0].seq))
