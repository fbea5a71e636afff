"""Recall: candidates from words and vectors, compared closely, fused, and explained.

1. Words: BM25 over the namespace gives the best candidates; so do dense vectors when the namespace has a model.
2. Likeness: candidates are compared with the query in hashed words, pairs and character n-grams.
3. Echo: what was found first shows further words that belong to the subject, and the candidates are compared with those
   too (relevance feedback after Rocchio, 1971, with the top three taken as relevant).
4. Neighbours: an entry shares in the scores of those before and after it from the same source, because a conversation
   is not a bag of turns.
5. Graph, outcome and recency are added, and the hits say what each term gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fairlead.memory.dense import Embedder, unit
from fairlead.memory.entries import Hit, entry_from_row
from fairlead.memory.features import features_of, pack_features, word_id
from fairlead.memory.fusion import (
    DEFAULT_WEIGHTS,
    Weights,
    diverse,
    margin,
    of_best,
    outcome,
    recency,
    stretched,
    total,
)
from fairlead.memory.graph import expand, seeds_of
from fairlead.memory.index import NamespaceIndex
from fairlead.memory.lexical import bm25_share, inverse_document_frequency, rarest
from fairlead.memory.likeness import Rarity, Vectors, one_vector
from fairlead.memory.words import matching_spans, query_stems, stems
from fairlead.store.database import Reader
from fairlead.store.memory import EVERYTHING, EntryRow, Scope, Selection, open_scope, selected_where
from fairlead.store.memory_graph import GraphRows
from fairlead.store.memory_statements import NamespaceRow
from fairlead.tenancy import Tenant

CANDIDATES = 48
_SHARING = 24
_ECHO_OF, _ECHO_SHARE = 3, 0.8
_HOPS, _MENTIONS = 2, 20
_LEAST_LIKENESS = 0.12
_SMALL = 2_000


class Question(NamedTuple):
    """One recall: what is asked, where, of which entries, when, and how the answer is to be put together.

    ``certain`` is the margin of the built-in terms from which the embedding model is not asked.
    """

    tenant: Tenant
    name: str
    text: str
    k: int
    selection: Selection
    min_score: float
    now: float
    diversity: float = 0.0
    certain: float = 1.1


class _Found(NamedTuple):
    """A candidate with the terms that speak for it."""

    row: EntryRow
    score: float
    why: dict[str, float]


def answer(reader: Reader, question: Question, index: NamespaceIndex, embedder: Embedder | None) -> list[Hit]:
    """The best ``k`` entries, best first."""
    scope = open_scope(reader, question.tenant, question.name)
    if scope is None:
        return []
    facts = scope.facts()
    index.catch_up(scope, facts)
    found = _Recall(scope, facts, question, index, embedder).found()
    return _hits(found, question)


def answer_cold(reader: Reader, question: Question) -> list[Hit]:
    """The same by full text alone: for one look at a large namespace whose index nobody has loaded."""
    scope = open_scope(reader, question.tenant, question.name)
    return [] if scope is None else _hits(_by_full_text(scope, question), question)


class _Recall:
    """The state of one recall. ``pool`` are the candidates' numbers, sorted; all score arrays are parallel to it."""

    def __init__(
        self, scope: Scope, facts: NamespaceRow, question: Question, index: NamespaceIndex, embedder: Embedder | None
    ) -> None:
        self.scope = scope
        self.facts = facts
        self.question = question
        self.index = index
        self.embedder = embedder
        self.weights = read_weights(facts.weights)
        self.terms = {term: word_id(term) for term in query_stems(question.text)}
        self.scan = index.words.scan(self.terms)
        self.allowed = self._allowed()

    def found(self) -> list[_Found]:
        import numpy as np

        pool = self._widened(np.sort(self.scan.best(CANDIDATES, self.allowed)))
        if self.question.certain <= 1 and len(pool):
            similarity, why = self._similarity(pool)
            if margin(similarity.tolist()) < self.question.certain:
                pool, similarity, why = self._with_dense(pool)
        else:
            pool, similarity, why = self._with_dense(pool)
        pool, similarity, why = self._with_graph(pool, similarity, why)
        if not len(pool):
            return []
        pool, similarity, why = self._with_neighbours(pool, similarity, why)
        return self._weighed(pool, similarity, why)

    # ── candidates ───────────────────────────────────────────────────────────────────────────────────────────

    def _allowed(self) -> Any:
        """Sorted numbers that may be recalled, or None when that is all of them."""
        import numpy as np

        question = self.question
        expired = self.scope.count("memory_entries", "expires <= ?", (question.now,))
        if question.selection == EVERYTHING and not expired:
            return None
        return np.sort(np.array(self.scope.selected_numbers(question.selection, question.now), np.int64))

    def _widened(self, pool: Any) -> Any:
        """In a small namespace everything is compared, so that a misspelt word still finds its entry."""
        import numpy as np

        if len(pool) >= self.question.k or self.index.postings.count > _SMALL or not self.terms:
            return pool
        numbers = self.index.postings.numbers()
        return numbers if self.allowed is None else np.intersect1d(numbers, self.allowed)

    # ── similarity ───────────────────────────────────────────────────────────────────────────────────────────

    def _similarity(self, pool: Any, echo: float = 1.0) -> tuple[Any, dict[str, Any]]:
        """What words, hashed features and the echo say, and the shares behind it."""
        import numpy as np

        if not len(pool):
            return np.zeros(0), {"lexical": np.zeros(0), "hashed": np.zeros(0)}
        lexical = self.scan.shares(pool)
        vectors, pool_query = self._vectors(pool)
        hashed = vectors.against([(1.0, pool_query)])
        weights = self.weights
        similarity = weights.lexical * of_best(lexical) + weights.hashed * of_best(hashed)
        if weights.echo > 0 and len(pool) > 1:
            echoed = of_best(self._echo(vectors, pool_query, similarity))
            similarity = similarity + echo * weights.echo * echoed
        strangers = (lexical <= 0) & (hashed < _LEAST_LIKENESS)
        similarity[strangers] = 0
        return similarity, {"lexical": lexical, "hashed": hashed}

    def _vectors(self, pool: Any) -> tuple[Vectors, tuple[Any, Any]]:
        assert self.index.rarity is not None
        query = one_vector(self.index.rarity, pack_features(features_of(self.question.text)))
        return self._vectors_of(self.index.rarity, pool.tolist()), query

    def _vectors_of(self, rarity: Rarity, numbers: list[int]) -> Vectors:
        import numpy as np

        kept = self.index.features
        if kept.complete:
            lengths = kept.lengths(numbers, rarity)
            known = np.array([lengths.get(n, 1.0) for n in numbers], np.float32)
            return Vectors(rarity, kept.of(numbers), known)
        rows = self.scope.among("memory_features", "seq, grams", "seq", numbers)
        packed = {int(seq): bytes(grams) for seq, grams in rows}
        return Vectors(rarity, [packed.get(n, b"") for n in numbers])

    def _echo(self, vectors: Vectors, query: tuple[Any, Any], similarity: Any) -> Any:
        import numpy as np

        top = np.argsort(-similarity, kind="stable")[:_ECHO_OF]
        shares = similarity[top] / (similarity[top].sum() or 1.0)
        echoed = [
            (_ECHO_SHARE * float(share), vectors.vector(at)) for at, share in zip(top.tolist(), shares, strict=True)
        ]
        return vectors.against([(1.0, query), *echoed])

    def _with_dense(self, pool: Any) -> tuple[Any, Any, dict[str, Any]]:
        """Similarity with the embedding model's word and candidates, where the namespace has vectors of it."""
        import numpy as np

        vectors, text = self.index.vectors, self.question.text
        if self.embedder is None or vectors is None or self.index.model != self.embedder.name or not text.strip():
            return pool, *self._similarity(pool)
        vector = unit(self.embedder.embed([text])[0])
        numbers, _ = vectors.search(vector, CANDIDATES, self.allowed)
        pool = np.union1d(pool, numbers)
        # The model knows the words of a subject already, so their echo tells less.
        similarity, why = self._similarity(pool, echo=0.5)
        semantic = vectors.score(vector, pool)
        return pool, similarity + self.weights.semantic * stretched(semantic), {**why, "semantic": semantic}

    # ── the graph ────────────────────────────────────────────────────────────────────────────────────────────

    def _with_graph(self, pool: Any, similarity: Any, why: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """Entries that mention what the question names, or what is up to two hops from it."""
        import numpy as np

        if not self.index.has_graph or self.weights.graph <= 0:
            return pool, similarity, why
        rows = GraphRows(self.scope)
        seeds = seeds_of(rows, self.question.text)
        if not seeds:
            return pool, similarity, why
        near = {one.entity.id: one.nearness for one in expand(rows, [seed.id for seed in seeds], _HOPS)}
        # One word may be a name by accident; several in a row are one that was meant.
        meant = {seed.id for seed in seeds if " " in seed.name}
        gained: dict[int, float] = {}
        mentions = rows.mentioning(list(near), _MENTIONS)
        for entity, number in mentions:
            gained[number] = max(gained.get(number, 0.0), near[entity])
        # What is on many entries does not tell which of them is meant.
        often = Counter(entity for entity, _ in mentions)
        called = {number: 1.0 for entity, number in mentions if entity in meant and often[entity] < _MENTIONS}
        pool, similarity, why = self._widen(pool, similarity, why, gained)
        graph, named = (np.array([of.get(n, 0.0) for n in pool.tolist()]) for of in (gained, called))
        similarity = similarity + self.weights.graph * graph + self.weights.named * named
        return pool, similarity, {**why, "graph": graph, "named": named}

    def _widen(
        self, pool: Any, similarity: Any, why: dict[str, Any], numbers: Iterable[int]
    ) -> tuple[Any, Any, dict[str, Any]]:
        """The same with further candidates, of which nothing is known yet."""
        import numpy as np

        allowed = None if self.allowed is None else set(self.allowed.tolist())
        fresh = [n for n in numbers if allowed is None or n in allowed]
        wider = np.union1d(pool, np.array(fresh, np.int64))
        places = np.searchsorted(wider, pool)
        spread = {name: _spread(values, places, len(wider)) for name, values in why.items()}
        return wider, _spread(similarity, places, len(wider)), spread

    # ── neighbours ───────────────────────────────────────────────────────────────────────────────────────────

    def _with_neighbours(self, pool: Any, similarity: Any, why: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """Each of the best gives a part of its score to the entries before and after it from the same source."""
        import numpy as np

        weights = self.weights
        best = np.argsort(-similarity, kind="stable")[:_SHARING]
        own = {int(pool[at]): float(similarity[at]) for at in best}
        gained: dict[int, float] = {}
        for number, (before, after) in self.scope.beside(own).items():
            for neighbour, share in ((after, weights.before), (before, weights.after)):
                if neighbour is not None and share > 0:
                    gained[neighbour] = gained.get(neighbour, 0.0) + share * own[number]
        if not gained:
            return pool, similarity, why
        pool, similarity, why = self._widen(pool, similarity, why, gained)
        context = np.array([gained.get(n, 0.0) for n in pool.tolist()])
        return pool, similarity + context, {**why, "context": context}

    # ── the final order ──────────────────────────────────────────────────────────────────────────────────────

    def _weighed(self, pool: Any, similarity: Any, why: dict[str, Any]) -> list[_Found]:
        import numpy as np

        question, k = self.question, self.question.k
        bound = float(similarity.max())
        if bound <= 0:
            return []
        shares = similarity / bound
        best = np.argsort(-shares, kind="stable")[: max(2 * k, k + 20)]
        best = best[shares[best] > 0]
        rows = {r.seq: r for r in self.scope.living(pool[best].tolist(), question.selection, question.now)}
        found = []
        for at in best.tolist():
            row = rows.get(int(pool[at]))
            if row is not None:
                terms = {name: float(values[at]) for name, values in why.items() if values[at] > 0}
                terms["outcome"] = outcome(row.success_score, row.usage_count)
                terms["recency"] = recency(question.now - row.created)
                found.append(_Found(row, total(float(shares[at]), terms, self.weights), terms))
        found.sort(key=lambda one: (-one.score, one.row.seq))
        return self._spaced(found)

    def _spaced(self, found: list[_Found]) -> list[_Found]:
        """Without near-repeats at the top, as far as diversity is asked for."""
        if self.question.diversity <= 0 or len(found) < 2 or self.index.rarity is None:
            return found
        vectors = self._vectors_of(self.index.rarity, [f.row.seq for f in found])
        order = diverse(
            [f.score for f in found],
            lambda i: vectors.against([(1.0, vectors.vector(i))]),
            self.question.k,
            self.question.diversity,
        )
        return [found[i] for i in order]


def _spread(values: Any, places: Any, length: int) -> Any:
    import numpy as np

    wide = np.zeros(length)
    wide[places] = values
    return wide


def _hits(found: Sequence[_Found], question: Question) -> list[Hit]:
    wanted = frozenset(query_stems(question.text))
    namespace = question.tenant.namespace(question.name)
    hits = []
    for one in found[: question.k]:
        if one.score >= question.min_score:
            entry = entry_from_row(one.row, namespace)
            hits.append(Hit(entry, one.score, one.why, entry.source, matching_spans(one.row.content, wanted)))
    return hits


def _by_full_text(scope: Scope, question: Question) -> list[_Found]:
    facts = scope.facts()
    terms = query_stems(question.text)
    counts = scope.fts.document_counts(terms)
    total_entries = max(scope.fts.total(), 1)
    weights = {term: inverse_document_frequency(total_entries, counts[term]) for term in terms}
    where, parameters = selected_where(question.selection, question.now, "e.")
    ranked = scope.fts.search(rarest(weights, counts), 4 * question.k, where, parameters)
    mean_length = facts.words / max(facts.entries, 1)
    found = []
    for row in scope.entries("seq", [seq for seq, _ in ranked]):
        share = bm25_share(stems(row.content), weights, mean_length)
        found.append(_Found(row, share, {"lexical": share}))
    return sorted(found, key=lambda one: (-one.score, one.row.seq))


def read_weights(stored: str | None) -> Weights:
    """The weights that feedback has taught a namespace, or the defaults."""
    if stored is None:
        return DEFAULT_WEIGHTS
    from orjson import loads

    return DEFAULT_WEIGHTS._replace(**loads(stored))
