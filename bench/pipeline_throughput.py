"""Words per second of every analysis step over talks and debates, on one core and on two.

    python bench/pipeline_throughput.py [--peers]

Words are words and numbers; punctuation is not counted. CPU time of the process, median of three, since wall time moves
with what else the machine does; the line of two processes gives both. With ``--peers`` a blank spaCy pipeline, made
in an environment of its own, gets the same documents as plain text: sentencizer, an entity recogniser trained on
WikiGold, key phrases, a summary. It has no part for the rest (parsing, tone, claims, questions, dates, chapters,
voices, near duplicates, passages, the brief). The line of the same steps counts those for it at what they cost
Fairlead; the other lines spare it them.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import harness
from fairlead.pipeline import steps
from fairlead.pipeline.analysis.entities import entities_of
from fairlead.pipeline.documents import Document
from fairlead.pipeline.text.reading import read
from fairlead.pipeline.training.names_data import COMMON, read_columns, relabel, sentences_of
from peers.environments import peer_figures

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
LEAST = 20_000
TIMES = 1 if harness.QUICK else 3


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    times = []
    for _ in range(TIMES):
        start = time.process_time()
        value = work()
        times.append(time.process_time() - start)
    return statistics.median(times), value


def through(ref: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """One document through its own steps, in a process of the pool: CPU seconds and the analysis."""
    start = time.process_time()
    document = steps.parse_document(ref)
    analysis = steps.analyse_document(document)
    steps.passages_of(document)
    return time.process_time() - start, analysis


def two_processes(refs: list[dict[str, Any]]) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of all steps with the documents shared between two processes."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(through, refs[:2]))
        began = time.perf_counter()
        rows = list(pool.map(through, refs))
        start = time.process_time()
        steps.compose_brief([analysis for _, analysis in rows])
        return sum(cpu for cpu, _ in rows) + time.process_time() - start, time.perf_counter() - began


def spacy_lines(documents: list[dict[str, Any]], words: int, own_all: float, own_names: float) -> list[str]:
    """The comparison step by step: what both have, then everything, with what spaCy has no part for at our cost."""
    with tempfile.TemporaryDirectory() as folder:
        texts = [Document.from_dict(document).text for document in documents]
        (Path(folder) / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        gold = sentences_of(relabel(read_columns(DATA / "ner-wikigold" / "wikigold.conll"), COMMON))
        rows = [[list(part) for part in zip(*sentence, strict=True)] for sentence in gold]
        (Path(folder) / "wikigold.json").write_text(json.dumps(rows), encoding="utf-8")
        found = peer_figures("spacy", ["spacy>=3.8,<4"], [folder])
    if "skipped" in found:
        return [f"spaCy: skipped, {found['skipped']}"]
    pairs = (
        ("sentences, tokens, names", own_names, found["names"]),
        (
            "all steps; spaCy's three, and the further ones at Fairlead's cost",
            own_all,
            found["names"] + own_all - own_names,
        ),
        ("all steps against spaCy's three alone", own_all, found["names"]),
        ("all steps against spaCy's three, key phrases and a summary", own_all, found["all"]),
    )
    rows_of = [
        [name, f"{words / own:,.0f}", f"{words / other:,.0f}", f"{other / own:.1f}x"] for name, own, other in pairs
    ]
    columns = ["words per CPU second", "Fairlead", f"spaCy {found['version']}, blank", "Fairlead / spaCy"]
    return ["", harness.table(columns, rows_of)]


def main() -> None:
    folders = [DATA / "cap-w3c-ml-vtt", DATA / "cls-checkthat18-debates" / "task1"]
    if not all(folder.is_dir() for folder in folders):
        print(f"skipped: {DATA} is absent")
        return
    refs = steps.discover_documents([str(folder) for folder in folders])
    parsing, documents = measured(lambda: [steps.parse_document(ref) for ref in refs])
    analysing, analyses = measured(lambda: [steps.analyse_document(document) for document in documents])
    passing, passages = measured(lambda: [steps.passages_of(document) for document in documents])
    composing, brief = measured(lambda: steps.compose_brief(analyses))
    naming, _ = measured(lambda: [entities_of(read(Document.from_dict(document))) for document in documents])
    words = sum(analysis["counts"]["words"] for analysis in analyses)
    total = parsing + analysing + passing + composing
    harness.title("Analysis, all steps")
    print(f"{len(documents)} documents, {words:,} words, {sum(map(len, passages)):,} passages\n")
    each = {"parse": parsing, "analyse": analysing, "passages": passing, "brief": composing, "all": total}
    rows: list[list[object]] = [[name, f"{value:.2f}", f"{words / value:,.0f}"] for name, value in each.items()]
    print(harness.table(["step", "CPU s", "words per CPU second"], rows))
    cpu, wall = two_processes(refs)
    print(
        f"\nTwo processes: {2 * words / cpu:,.0f} words/s by CPU time, {words / wall:,.0f} by the clock; "
        f"bar {LEAST:,}: {'met' if 2 * words / cpu >= LEAST else '**missed**'}"
    )
    if harness.PEERS:
        print("\n".join(spacy_lines(documents, words, total, naming)))
    print(f"\njournaled: {len(json.dumps(documents)):,} bytes of documents, {len(json.dumps(analyses)):,} of analyses")
    print(f"brief: {brief['title']}")


if __name__ == "__main__":
    main()
