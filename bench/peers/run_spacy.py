"""spaCy: a blank English pipeline with a sentencizer and an entity recogniser that was trained on WikiGold, and, as
components of its own, key phrases (RAKE) and a summary (TextRank over sentences).

    run_spacy.py FOLDER      # holds texts.json, a list, and wikigold.json, a list of [words, IOB2 labels]

Prints CPU seconds for the texts: of the three steps that come with spaCy, and with the two others. It does less than
Fairlead does in its own figure: it parses no files, finds no claims, chapters, voices, near duplicates, passages.
"""

from __future__ import annotations

import importlib.metadata
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, iob_utils

EPOCHS = 2
"""Enough for its speed to be that of a trained one; how good it is is not measured here."""

MOST_SENTENCES = 240
Doc.set_extension("phrases", default=None)
Doc.set_extension("summary", default=None)


@Language.component("phrases")
def phrases(doc: Doc) -> Doc:
    """Runs of content words, scored by degree over frequency (Rose et al. 2010)."""
    runs: list[list[str]] = [[]]
    for token in doc:
        if token.is_stop or not token.is_alpha:
            runs.append([])
        else:
            runs[-1].append(token.lower_)
    frequency: Counter[str] = Counter()
    degree: Counter[str] = Counter()
    counted: Counter[tuple[str, ...]] = Counter(tuple(run[:4]) for run in runs if run)
    for run in filter(None, runs):
        for word in run:
            frequency[word] += 1
            degree[word] += len(run)
    scores = {run: sum(degree[word] / frequency[word] for word in run) * n for run, n in counted.items()}
    doc._.phrases = sorted(scores, key=lambda run: (-scores[run], run))[:60]
    return doc


@Language.component("summary")
def summary(doc: Doc) -> Doc:
    """Sentences by a random walk on the graph of their cosines (Mihalcea and Tarau 2004; Erkan and Radev 2004)."""
    sentences = [s for s in doc.sents if len(s) > 5][:MOST_SENTENCES]
    rows = [Counter(t.lower_ for t in s if t.is_alpha and not t.is_stop) for s in sentences]
    column = {word: i for i, word in enumerate(sorted(set().union(*rows)))} if rows else {}
    matrix = np.zeros((len(rows), max(1, len(column))), np.float32)
    for i, row in enumerate(rows):
        for word, count in row.items():
            matrix[i, column[word]] = count
    matrix *= np.log(1 + len(rows) / np.maximum((matrix > 0).sum(0), 1))
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    graph = matrix @ matrix.T
    np.fill_diagonal(graph, 0)
    walk = graph / np.maximum(graph.sum(1, keepdims=True), 1e-9)
    rank = np.full(len(rows), 1 / max(1, len(rows)))
    for _ in range(30):
        rank = 0.15 / max(1, len(rows)) + 0.85 * (walk.T @ rank)
    doc._.summary = [sentences[i].text for i in np.argsort(-rank)[:5]]
    return doc


def trained(sentences: Iterable[tuple[list[str], list[str]]]) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner")
    examples = []
    for words, labels in sentences:
        doc = Doc(nlp.vocab, words)
        reference = doc.copy()
        spans = iob_utils.biluo_tags_to_spans(reference, iob_utils.iob_to_biluo(labels))
        reference.set_ents([span for span in spans if isinstance(span, Span)])
        examples.append(Example(doc, reference))
    nlp.initialize(lambda: examples)
    order = random.Random(0)
    for _ in range(EPOCHS):
        order.shuffle(examples)
        for batch in spacy.util.minibatch(examples, 64):
            nlp.update(batch)
    return nlp


def cpu_s(nlp: Language, texts: list[str], times: int) -> float:
    def once() -> float:
        start = time.process_time()
        for doc in nlp.pipe(texts, batch_size=8):
            assert doc.has_annotation("SENT_START")
        return time.process_time() - start

    return statistics.median(once() for _ in range(times))


def main() -> None:
    folder = Path(sys.argv[1])
    texts: list[str] = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    nlp = trained(json.loads((folder / "wikigold.json").read_text(encoding="utf-8")))
    found: dict[str, Any] = {"version": importlib.metadata.version("spacy")}
    found["names"] = cpu_s(nlp, texts, 3)
    nlp.add_pipe("phrases")
    nlp.add_pipe("summary")
    found["all"] = cpu_s(nlp, texts, 3)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
