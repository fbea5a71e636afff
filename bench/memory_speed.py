"""How fast and how small memory is, with peers in the same run.

    python bench/memory_speed.py [--count 100000] [--peers faiss-pq,faiss-hnsw,usearch,...] [--json FILE]

Vectors are all-MiniLM-L6-v2's of real sentences (extra ``embeddings``; computed once, kept in the cache folder). Each
contestant is asked one question at a time, on one thread, in rounds that take turns, so that a busy moment of the
machine falls on all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.clock import SystemClock
from fairlead.memory import IndexPlan, LocalTier, Memory, NewEntry
from fairlead.store import open_database
from fairlead.tenancy import make_tenant, use_tenant
from memory_corpus import CACHE, real_vectors

QUESTIONS, ROUNDS, K = 300, 3, 10

Ask = Callable[[Any], Any]


class Given:
    """The model's vectors, looked up: recall is measured without the model's own time, which is shown beside it."""

    name, dimensions = "given", 384

    def __init__(self, texts: list[str], vectors: Any) -> None:
        self._known = dict(zip(texts, vectors, strict=True))

    def embed(self, texts: Any) -> Any:
        return np.stack([self._known[text] for text in texts])


# ── peers, each as a function from a vector to the positions of its nearest ──────────────────────────────────


def faiss_pq(vectors: Any) -> Ask:
    import faiss

    index = faiss.IndexPQFastScan(384, 96, 4, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:10_000])
    index.add(vectors)

    def ask(query: Any) -> Any:
        found = index.search(query[None, :], 128)[1][0]
        return found[(-(vectors[found] @ query)).argsort()[:K]]

    return ask


def faiss_hnsw(vectors: Any, ef: int = 64) -> Ask:
    import faiss

    index = faiss.IndexHNSWSQ(384, faiss.ScalarQuantizer.QT_8bit, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 200
    index.train(vectors[:10_000])
    index.add(vectors)
    index.hnsw.efSearch = ef
    return lambda query: index.search(query[None, :], K)[1][0]


def usearch_f16(vectors: Any) -> Ask:
    from usearch.index import Index

    index = Index(ndim=384, metric="cos", dtype="f16", connectivity=16, expansion_add=200, expansion_search=64)
    index.add(np.arange(len(vectors)), vectors, threads=2)
    return lambda query: index.search(query, K).keys


def qdrant_i8(vectors: Any) -> Ask:
    from fairlead.memory.dense import VectorRow, quantise
    from fairlead.memory.qdrant import QdrantVectors

    index = QdrantVectors(384, Path(tempfile.mkdtemp()) / "shard")
    index.apply([VectorRow(n, s, d) for n, (s, d) in enumerate(quantise(vectors))], [])
    return lambda query: index.search(query, K)[0]


def lancedb_ivf_pq(vectors: Any) -> Ask:
    import lancedb
    import lancedb.index
    import pyarrow as pa

    database = lancedb.connect(tempfile.mkdtemp())
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 384)
    table = database.create_table("v", pa.table({"id": np.arange(len(vectors)), "vector": column}))
    config = lancedb.index.IvfPq(distance_type="cosine", num_partitions=64, num_sub_vectors=96)
    table.create_index("vector", config=config)
    return lambda query: [
        r["id"] for r in table.search(query).metric("cosine").nprobes(20).refine_factor(10).limit(K).to_list()
    ]


def chroma(vectors: Any) -> Ask:
    import chromadb

    client = chromadb.PersistentClient(tempfile.mkdtemp())
    space = {"hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 16, "ef_search": 64}}
    collection = client.create_collection("vectors", configuration=space)  # type: ignore[arg-type]
    for at in range(0, len(vectors), 5000):
        block = vectors[at : at + 5000]
        collection.add(ids=[str(at + n) for n in range(len(block))], embeddings=block)
    return lambda query: [int(i) for i in collection.query(query_embeddings=[query], n_results=K)["ids"][0]]


def sqlite_vec(vectors: Any) -> Ask:
    import sqlite3

    import sqlite_vec as extension

    connection = sqlite3.connect(":memory:")
    if not hasattr(connection, "enable_load_extension"):
        raise ImportError("this Python cannot load extensions of SQLite", name="sqlite3 with extensions")
    connection.enable_load_extension(True)
    extension.load(connection)
    connection.execute("CREATE VIRTUAL TABLE v USING vec0 (embedding float[384] distance_metric=cosine)")
    connection.executemany("INSERT INTO v (rowid, embedding) VALUES (?, ?)", enumerate(v.tobytes() for v in vectors))
    sql = "SELECT rowid FROM v WHERE embedding MATCH ? AND k = ?"
    return lambda query: [r[0] for r in connection.execute(sql, (query.tobytes(), K))]


PEERS: dict[str, Callable[[Any], Ask]] = {
    "faiss-pq": faiss_pq,
    "faiss-hnsw": faiss_hnsw,
    "usearch": usearch_f16,
    "qdrant": qdrant_i8,
    "lancedb": lancedb_ivf_pq,
    "chroma": chroma,
    "sqlite-vec": sqlite_vec,
}


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────


def contest(asks: dict[str, Ask], queries: Any, truth: Any) -> dict[str, dict[str, float]]:
    """p50 and p99 in microseconds and recall@10 of each, from rounds that take turns."""
    times: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(ROUNDS):
        for name, ask in asks.items():
            for query in queries:
                began = time.perf_counter()
                ask(query)
                times[name].append(time.perf_counter() - began)
    result = {}
    for name, ask in asks.items():
        found = [len({int(n) for n in ask(q)} & set(t.tolist())) / K for q, t in zip(queries, truth, strict=True)]
        spent = np.sort(times[name]) * 1e6
        result[name] = {
            "p50": float(spent[len(spent) // 2]),
            "p99": float(spent[int(len(spent) * 0.99)]),
            "recall": float(np.mean(found)),
        }
    return result


def nearest(vectors: Any, queries: Any) -> Any:
    scores = queries @ vectors.T
    return np.argpartition(-scores, K, axis=1)[:, :K]


class Bench:
    """One filled memory and the figures found with it."""

    def __init__(self, folder: Path, count: int) -> None:
        texts, vectors = real_vectors(count + 1000)
        order = np.random.default_rng(0).permutation(len(texts))
        self.queries = [texts[i] for i in order[:1000]]
        self.query_vectors = vectors[order[:1000]]
        self.texts = [texts[i] for i in order[1000 : 1000 + count]]
        self.vectors = np.ascontiguousarray(vectors[order[1000 : 1000 + count]])
        self.database = open_database(folder / "speed.db")
        embedder = Given([*self.queries, *self.texts], np.concatenate([self.query_vectors, self.vectors]))
        plan = IndexPlan(folder / "indexes")
        self.memory = Memory(self.database, clock=SystemClock(), embedder=embedder, indexes=plan)
        self.figures: dict[str, Any] = {}

    def report(self, name: str, value: float, unit: str, bar: float | None = None, *, least: bool = False) -> None:
        self.figures[name] = value
        verdict = ""
        if bar is not None:
            met = value >= bar if least else value <= bar
            verdict = f"  bar {'>=' if least else '<='} {bar:g}  {'met' if met else 'MISSED'}"
        print(f"  {name:<66} {value:>10.3f} {unit:<4}{verdict}", flush=True)

    # ── inserting ────────────────────────────────────────────────────────────────────────────────────────────

    async def insert(self) -> None:
        walls, cpus = [], []
        for at in range(0, len(self.texts), 10_000):
            block = range(at, min(at + 10_000, len(self.texts)))
            news = [NewEntry(self.texts[i], source=f"s{i % 5000}", embedding=self.vectors[i]) for i in block]
            wall, cpu = time.perf_counter(), time.process_time()
            await self.memory.remember_many(news)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        self.report("insert 10,000, vectors given, hash embeddings made, durable", min(walls), "s", 3)
        self.report("  the same, CPU time, median", float(np.median(cpus)), "s")
        self.report("  the same, median of all batches (bar with hash embeddings 6 s)", float(np.median(walls)), "s", 6)

    # ── pattern search ───────────────────────────────────────────────────────────────────────────────────────

    async def patterns(self, peers: list[str]) -> None:
        import faiss

        wall = time.perf_counter()
        space = await self.memory.space()
        self.report("building the approximate index", time.perf_counter() - wall, "s")
        queries = self.query_vectors[:QUESTIONS]
        truth = nearest(self.vectors, queries)
        first = int((await space.numbers())[0])
        asks: dict[str, Ask] = {"fairlead": lambda q: [n - first for n, _ in space.nearest(q, K)]}
        graph = Memory(self.database, clock=SystemClock(), indexes=IndexPlan(layout="hnsw"))
        wall = time.perf_counter()
        quick = await graph.space()
        self.report("the same with the layout hnsw", time.perf_counter() - wall, "s")
        asks["fairlead, layout hnsw"] = lambda q: [n - first for n, _ in quick.nearest(q, K)]
        for name in peers:
            try:
                asks[name] = PEERS[name](self.vectors)
            except ImportError as exc:
                print(f"  ({name} is not installed: {exc.name})")
        faiss.omp_set_num_threads(1)
        result = contest(asks, queries, truth)
        print("\n  pattern search                p50 us   p99 us   recall@10")
        for name, facts in result.items():
            print(f"  {name:<28} {facts['p50']:>7.0f}  {facts['p99']:>7.0f}   {facts['recall']:.4f}")
        self.figures["patterns"] = result
        for name in ("fairlead", "fairlead, layout hnsw"):
            own = result[name]
            others = [f for n, f in result.items() if not n.startswith("fairlead")]
            equal = [f["p50"] for f in others if f["recall"] >= own["recall"] - 0.002]
            self.report(f"recall@10 of {name}", own["recall"], "", 0.98, least=True)
            if equal:
                self.report("  p50 over that of the best peer at equal recall", own["p50"] / min(equal), "x", 1.2)
        await self._filtered(space, result["fairlead"]["p50"], first)
        self._sizes(len(self.texts))

    async def _filtered(self, space: Any, unfiltered: float, first: int) -> None:
        allowed = np.arange(first, first + len(self.texts), 100)
        living = self.vectors[allowed - first]
        queries = self.query_vectors[:QUESTIONS]
        truth = allowed[nearest(living, queries)] - first
        ask: Ask = lambda q: [n - first for n, _ in space.nearest(q, K, allowed)]  # noqa: E731
        facts = contest({"filtered": ask}, queries, truth)["filtered"]
        self.report("filtered to 1 % of the entries, p50 over unfiltered", facts["p50"] / unfiltered, "x", 1.0)
        self.report("  recall@10", facts["recall"], "", 0.98, least=True)
        block = range(0, len(self.texts), 100)
        news = [NewEntry(self.texts[i], embedding=self.vectors[i]) for i in block]
        await self.memory.remember_many(news, name="one-percent")
        small = await self.memory.space(name="one-percent")
        start = int((await small.numbers())[0])
        ask = lambda q: [(n - start) * 100 for n, _ in small.nearest(q, K)]  # noqa: E731
        facts = contest({"namespace": ask}, queries, truth)["namespace"]
        self.report("a namespace of 1 % of the entries, p50 over unfiltered", facts["p50"] / unfiltered, "x", 1.0)
        self.report("  recall@10", facts["recall"], "", 0.98, least=True)

    def _sizes(self, count: int) -> None:
        vectors: Any = self.memory._asking.index("bench:main:default").vectors
        self.report("bytes a vector that is searched, of 1,536", vectors.index_size / count, "B", 1536 / 16)
        self.report("bytes a vector for comparing again", vectors.bytes.data.nbytes / len(vectors.bytes.data), "B", 384)

    # ── recall ───────────────────────────────────────────────────────────────────────────────────────────────

    async def recalls(self) -> None:
        await self.memory.recall(self.queries[0])
        spent = []
        cpu = time.process_time()
        for query in self.queries[1:QUESTIONS]:
            began = time.perf_counter()
            await self.memory.recall(query)
            spent.append((time.perf_counter() - began) * 1e3)
        self.report("hybrid recall with provenance, mean CPU", (time.process_time() - cpu) * 1e3 / len(spent), "ms", 5)
        spent.sort()
        self.report("hybrid recall with provenance, p50", spent[len(spent) // 2], "ms", 5)
        self.report("hybrid recall with provenance, p99", spent[int(len(spent) * 0.99)], "ms", 20)

    async def tiers(self) -> None:
        spent = []
        for _ in range(5):
            for query in self.queries[1:200]:
                began = time.perf_counter()
                await self.memory.recall(query)
                spent.append((time.perf_counter() - began) * 1e6)
        spent.sort()
        self.report("L1 hit, p50", spent[len(spent) // 2], "us", 20)
        weights = [1 / rank for rank in range(1, len(self.queries) + 1)]
        stream = random.Random(1).choices(self.queries, weights, k=10_000)
        fresh = Memory(self.database, clock=SystemClock(), local=LocalTier())
        for query in stream:
            await fresh.recall(query, name="one-percent")
        rate = fresh.tiers()["tiers"]["l1"]["hit_rate"]
        self.report("L1 hit rate, Zipf(1.0) over 1,000 questions, 10,000 asked", rate, "", 0.8, least=True)


async def tiny(count: int) -> None:
    """Many tiny entries in one namespace: how long they take to store, to load, and to ask."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "tiny.db")
        memory = Memory(database, clock=SystemClock())
        rng = random.Random(2)
        words = [f"{a}{b}" for a in ("an", "bu", "ca", "de", "eb", "fe", "ga", "ho") for b in range(500)]
        with use_tenant(make_tenant("bench")):
            began, cpu = time.perf_counter(), time.process_time()
            for at in range(0, count, 20_000):
                block = range(at, min(at + 20_000, count))
                await memory.remember_many([NewEntry(f"{rng.choice(words)} {rng.choice(words)} {n}") for n in block])
            print(
                f"  {count:,} tiny entries: {time.perf_counter() - began:.1f} s, CPU {time.process_time() - cpu:.1f} s"
            )
            began = time.perf_counter()
            await memory.warm()
            print(f"  loading their index: {time.perf_counter() - began:.1f} s")
            spent = []
            for _ in range(200):
                number = rng.randrange(count)
                began = time.perf_counter()
                hits = await memory.recall(f"{rng.choice(words)} {number}", k=10)
                spent.append((time.perf_counter() - began) * 1e3)
                assert any(h.entry.content.endswith(f" {number}") for h in hits), number
            spent.sort()
            rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"  recall p50 {spent[100]:.1f} ms, p99 {spent[198]:.1f} ms; every one found; peak memory {rss:.0f} MB"
            )
        database.close()


def import_time() -> float:
    code = "import time; b = time.process_time(); import fairlead.memory; print(time.process_time() - b)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
    return sorted(runs)[2]


async def measure(bench: Bench, peers: list[str]) -> None:
    with use_tenant(make_tenant("bench")):
        await bench.insert()
        await bench.patterns(peers)
        await bench.recalls()
        await bench.tiers()
    bench.report("import of fairlead.memory, CPU", import_time(), "s", 0.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--peers", default="faiss-pq,faiss-hnsw,usearch,qdrant,lancedb,chroma,sqlite-vec")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tiny", type=int, help="only store and ask this many tiny entries")
    options = parser.parse_args()
    if options.tiny:
        asyncio.run(tiny(options.tiny))
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.count)
        asyncio.run(measure(bench, [p for p in options.peers.split(",") if p]))
        bench.database.close()
    if options.json:
        options.json.write_text(json.dumps(bench.figures, indent=1))


if __name__ == "__main__":
    main()
