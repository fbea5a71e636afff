"""Tokens per second of every analysis step on one core, over talks and debates.

    python bench/pipeline_throughput.py

A token is a word or a number. CPU time of this process, median of three.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from fairlead.pipeline import steps

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    times = []
    for _ in range(3):
        start = time.process_time()
        value = work()
        times.append(time.process_time() - start)
    return statistics.median(times), value


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
    words = sum(analysis["counts"]["words"] for analysis in analyses)
    total = parsing + analysing + passing + composing
    print(f"{len(documents)} documents, {words:,} words, {sum(map(len, passages)):,} passages")
    print("| step | CPU s | words/s |")
    print("|---|---|---|")
    for name, value in (
        ("parse", parsing),
        ("analyse", analysing),
        ("passages", passing),
        ("brief", composing),
        ("all", total),
    ):
        print(f"| {name} | {value:.2f} | {words / value:,.0f} |")
    print(f"journaled: {len(json.dumps(documents)):,} bytes of documents, {len(json.dumps(analyses)):,} of analyses")
    print(f"brief: {brief['title']}")


if __name__ == "__main__":
    main()
