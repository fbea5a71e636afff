"""How well memory recalls on real collections, against the bars. Metrics by ir-measures.

    python bench/memory_quality.py [--model] [--json FILE]

``--model`` adds all-MiniLM-L6-v2 (extra ``embeddings``). One set of defaults serves all collections; the weights were
tuned on SciFact and looked at on the others.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import Qrel, ScoredDoc, nDCG

from fairlead.clock import SystemClock
from fairlead.memory import Memory, NewEntry
from fairlead.memory.dense import Embedder
from fairlead.memory.features import analyse
from fairlead.memory.likeness import Rarity, Vectors, one_vector
from fairlead.store import open_database
from fairlead.tenancy import make_tenant, use_tenant
from memory_corpus import CACHE, Collection, Conversation, cranfield, locomo, scifact

BARS = {
    "SciFact nDCG@10": (0.69, 0.72),
    "Cranfield nDCG@10": (0.45, 0.48),
    "LoCoMo evidence recall@5": (0.56, 0.60),
    "LoCoMo evidence recall@10": (0.66, 0.70),
}
CATEGORIES = {1: "several turns", 2: "time", 3: "open", 4: "one turn", 5: "adversarial"}

Ranking = dict[str, list[str]]


class Cached:
    """An embedder that computes each text once and keeps the vectors in the cache folder."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self._path = CACHE / "quality-vectors.npz"
        self._known: dict[str, Any] = {}
        if self._path.is_file():
            with np.load(self._path) as saved:
                self._known = dict(zip(saved["digests"].tolist(), saved["vectors"], strict=True))

    def embed(self, texts: Sequence[str]) -> Any:
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        missing = {d: text for d, text in zip(digests, texts, strict=True) if d not in self._known}
        if missing:
            self._known.update(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
        return np.stack([self._known[d] for d in digests])

    def save(self) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        np.savez(self._path, digests=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))


def ndcg(collection: Collection, ranking: Ranking, *, left_out: bool = True) -> float:
    qrels = [Qrel(q, d, 1) for q, ds in collection.relevant.items() for d in ds]
    run = []
    for query, documents in ranking.items():
        out = collection.left_out.get(query, set()) if left_out else set()
        run += [ScoredDoc(query, d, -rank) for rank, d in enumerate(x for x in documents if x not in out)]
    return float(ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10])


async def search(memory: Memory, name: str, collection: Collection) -> Ranking:
    entries = [NewEntry(text, source=number) for number, text in collection.documents.items()]
    await memory.remember_many(entries, name=name)
    ranking = {}
    for query, text in collection.queries.items():
        ranking[query] = [hit.source for hit in await memory.recall(text, name=name, k=12)]
    return ranking


async def search_conversations(memory: Memory, conversations: list[Conversation]) -> list[tuple[int, float, float]]:
    """(category, recall@5, recall@10) of each question."""
    rows = []
    for number, conversation in enumerate(conversations):
        name = f"locomo{number}"
        turns = [
            NewEntry(
                f"{turn.speaker}: {turn.text}",
                content_type="turn",
                source=f"session {turn.session}",
                metadata={"turn": turn.id, "time": turn.time},
            )
            for turn in conversation.turns
        ]
        await memory.remember_many(turns, name=name)
        for question, evidence, category in conversation.questions:
            hits = [hit.entry.metadata["turn"] for hit in await memory.recall(question, name=name, k=10)]
            found = [len(set(hits[:k]) & evidence) / len(evidence) for k in (5, 10)]
            rows.append((category, found[0], found[1]))
    return rows


def hash_alone(collection: Collection) -> Ranking:
    """Cosine of hash embeddings with every document, without anything else."""
    numbers = list(collection.documents)
    packed = [analyse(text).grams for text in collection.documents.values()]
    rarity = Rarity(len(packed) * 64)
    rarity.add(packed)
    vectors = Vectors(rarity, packed)
    ranking = {}
    for query, text in collection.queries.items():
        scores = vectors.against([(1.0, one_vector(rarity, analyse(text).grams))])
        ranking[query] = [numbers[at] for at in np.argsort(-scores, kind="stable")[:12]]
    return ranking


def model_alone(collection: Collection, embedder: Embedder) -> Ranking:
    numbers = list(collection.documents)
    vectors = embedder.embed(list(collection.documents.values()))
    queries = embedder.embed(list(collection.queries.values()))
    order = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :12]
    return {q: [numbers[at] for at in row] for q, row in zip(collection.queries, order, strict=True)}


def turns_of(conversation: Conversation) -> Collection:
    documents = {turn.id: f"{turn.speaker}: {turn.text}" for turn in conversation.turns}
    queries = {str(n): question for n, (question, _, _) in enumerate(conversation.questions)}
    return Collection(documents, queries, {str(n): q[1] for n, q in enumerate(conversation.questions)}, {})


def recall_at(collection: Collection, ranking: Ranking, k: int) -> list[float]:
    return [len(set(ranking[q][:k]) & found) / len(found) for q, found in collection.relevant.items()]


async def measure(embedder: Embedder | None) -> tuple[dict[str, float], dict[str, tuple[float, float, int]]]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "quality.db")
        memory = Memory(database, clock=SystemClock(), embedder=embedder)
        with use_tenant(make_tenant("bench")):
            figures["SciFact nDCG@10"] = ndcg(scifact(), await search(memory, "scifact", scifact()))
            ranking = await search(memory, "cranfield", cranfield())
            figures["Cranfield nDCG@10"] = ndcg(cranfield(), ranking)
            figures["(Cranfield with the asker's own paper counted as a miss)"] = ndcg(
                cranfield(), ranking, left_out=False
            )
            rows = await search_conversations(memory, locomo())
        database.close()
    figures["LoCoMo evidence recall@5"] = float(np.mean([r[1] for r in rows]))
    figures["LoCoMo evidence recall@10"] = float(np.mean([r[2] for r in rows]))
    by_category = defaultdict(list)
    for category, five, ten in rows:
        by_category[CATEGORIES[category]].append((five, ten))
    parts = {c: (*map(float, np.mean(v, axis=0)), len(v)) for c, v in by_category.items()}
    return figures, parts  # type: ignore[return-value]


def alone(embedder: Embedder) -> dict[str, tuple[float, float]]:
    """(hash embeddings, model) by themselves, for each collection."""
    result = {}
    for name, collection in (("SciFact", scifact()), ("Cranfield", cranfield())):
        pair = (hash_alone(collection), model_alone(collection, embedder))
        result[f"{name} nDCG@10"] = (ndcg(collection, pair[0]), ndcg(collection, pair[1]))
    hashed: list[float] = []
    model: list[float] = []
    for conversation in locomo():
        turns = turns_of(conversation)
        hashed += recall_at(turns, hash_alone(turns), 10)
        model += recall_at(turns, model_alone(turns, embedder), 10)
    result["LoCoMo recall@10"] = (float(np.mean(hashed)), float(np.mean(model)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="store_true", help="with all-MiniLM-L6-v2 too")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    embedders: list[Embedder | None] = [None]
    if options.model:
        from fairlead.memory.minilm import MiniLM

        cached = Cached(MiniLM(CACHE))
        embedders.append(cached)
    document: dict[str, Any] = {}
    for at, embedder in enumerate(embedders):
        title = "no model" if embedder is None else f"with {embedder.name}"
        figures, parts = asyncio.run(measure(embedder))
        document[title] = {"figures": figures, "categories": parts}
        print(f"\n{title}")
        for name, value in figures.items():
            bar = BARS.get(name)
            verdict = "" if bar is None else f"  bar {bar[at]:.2f}  {'met' if value >= bar[at] else 'MISSED'}"
            print(f"  {name:<58} {value:.4f}{verdict}")
        for name, (five, ten, count) in sorted(parts.items()):
            print(f"    LoCoMo, {name:<14} {count:>4} questions: @5 {five:.3f}  @10 {ten:.3f}")
    if options.model:
        pairs = alone(cached)
        cached.save()
        document["alone"] = pairs
        print("\nhash embeddings alone / model alone")
        for name, (hashed, model) in pairs.items():
            print(f"  {name:<20} {hashed:.4f} / {model:.4f} = {hashed / model:.1%}")
        share = float(np.mean([h / m for h, m in pairs.values()]))
        print(f"  mean share {share:.1%}  bar 97 %  {'met' if share >= 0.97 else 'MISSED'}")
    if options.json:
        options.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
