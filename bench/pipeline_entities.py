"""Entity-level F1 on WNUT-17 test (its six kinds) and on WikiGold by five folds of whole documents.

    python bench/pipeline_entities.py [--folds]

WNUT-17: every entity of the published test part counts. The CRF that ships is trained for four kinds on many sets; the
published task has six. So a CRF with the same features is trained here on WNUT-17 train alone, with the tags of two
CRFs trained on the other sets as further features (stacking, after Wolpert 1992), and the prior of "no name" is lowered
by a factor that is chosen on dev.

With the extra ``embeddings`` the tagger over encoder states that ships is measured too: its head for posts learned from
WNUT-17 train, and has not seen test.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pycrfsuite

import harness
from fairlead.pipeline.analysis.name_features import features
from fairlead.pipeline.training.names import five_folds, labelled, load, train
from fairlead.pipeline.training.names_data import Sentence, f1, read_columns, relabel, sentences_of

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
FACTORS = (1.0, 0.5, 0.3, 0.2, 0.12, 0.08)
STACK = {"c1": 0.05, "c2": 0.05, "max_iterations": 60}
TOP = {"c1": 0.0, "c2": 0.5, "max_iterations": 100}

Extra = list[list[str]]


def tags_of(path: Path, sentences: Sequence[Sentence], style: str) -> list[list[str]]:
    tagger = pycrfsuite.Tagger()
    tagger.open(str(path))
    return [tagger.tag(features([word for word, _ in sentence], style)) for sentence in sentences]


def stacked(paths: Sequence[Path], sentences: Sequence[Sentence]) -> list[Extra]:
    one, other = (tags_of(path, sentences, style) for path, style in zip(paths, ("noisy", "clean"), strict=True))
    return [
        [[f"a={a}", f"b={b}", f"ab={a}|{b}"] for a, b in zip(left, right, strict=True)]
        for left, right in zip(one, other, strict=True)
    ]


def decode(path: Path, sentences: Sequence[Sentence], extras: Sequence[Extra]) -> dict[float, list[list[str]]]:
    """Labels by marginal probability for each factor on the probability of ``O``."""
    tagger = pycrfsuite.Tagger()
    tagger.open(str(path))
    labels = tagger.labels()
    found: dict[float, list[list[str]]] = {factor: [] for factor in FACTORS}
    for sentence, extra in zip(sentences, extras, strict=True):
        tagger.set(features([word for word, _ in sentence], "noisy", extra))
        rows = [[tagger.marginal(label, i) for label in labels] for i in range(len(sentence))]
        for factor in FACTORS:
            found[factor].append(_sequence(rows, labels, factor))
    return found


def _sequence(rows: list[list[float]], labels: list[str], factor: float) -> list[str]:
    weights = [factor if label == "O" else 1.0 for label in labels]
    sequence: list[str] = []
    before = "O"
    for row in rows:
        label = labels[max(range(len(labels)), key=lambda k: row[k] * weights[k])]
        if label.startswith("I-") and before[2:] != label[2:]:
            label = "B-" + label[2:]
        sequence.append(label)
        before = label
    return sequence


def wnut() -> None:
    def read(name: str) -> list[Sentence]:
        return sentences_of(relabel(read_columns(DATA / "ner-wnut17" / name), None))

    sets = load(DATA, ("wikigold", "crossner", "sec-filings")) | load(DATA, ("btc",), None)
    training, dev, test = read("train.conll.xz"), read("dev.conll"), read("test.conll")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "noisy.crf", Path(folder) / "clean.crf"]
        train(labelled({"btc": sets.pop("btc")}), paths[0], STACK)
        train(labelled(sets), paths[1], STACK)
        trainer = pycrfsuite.Trainer(verbose=False)
        for sentence, extra in zip(training, stacked(paths, training), strict=True):
            trainer.append(features([word for word, _ in sentence], "noisy", extra), [label for _, label in sentence])
        trainer.set_params(TOP)
        top = Path(folder) / "top.crf"
        trainer.train(str(top))
        found = {name: decode(top, rows, stacked(paths, rows)) for name, rows in (("dev", dev), ("test", test))}
    gold = {name: [[label for _, label in s] for s in rows] for name, rows in (("dev", dev), ("test", test))}
    print("| factor on no name | dev P | dev R | dev F1 | test P | test R | test F1 |")
    print("|---|---|---|---|---|---|---|")
    scores = {factor: {name: f1(gold[name], found[name][factor]) for name in gold} for factor in FACTORS}
    best = max(FACTORS, key=lambda factor: scores[factor]["dev"][2])
    for factor, row in scores.items():
        cells = " | ".join(f"{value:.1f}" for name in ("dev", "test") for value in row[name])
        print(f"| {factor}{' (chosen on dev)' if factor == best else ''} | {cells} |")
    print(f"\nWNUT-17 test, entity-level F1: {scores[best]['test'][2]:.1f} (bar 34)")


def encoded() -> None:
    """The tagger over encoder states, as it ships."""
    from fairlead.errors import MissingDependencyError
    from fairlead.pipeline.analysis.name_network import NameNetwork
    from fairlead.pipeline.analysis.names_encoded import MODEL
    from fairlead.pipeline.training.names_encoded import States, score

    network = NameNetwork.load(MODEL)
    states = States(DATA, harness.CACHE / "names", network.layers)
    try:
        test, _ = states.task("noisy", ["ner-wnut17/test.conll"], None)
    except MissingDependencyError as exc:
        print(f"With frozen MiniLM states: skipped, {exc.message}")
        return
    precision, recall, found = score(network, test, "wnut17")
    print(f"With frozen MiniLM states, as shipped: P {precision:.1f} R {recall:.1f} F1 {found:.1f} (bar 40)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", action="store_true", help="also WikiGold by five folds (some minutes)")
    arguments = parser.parse_args()
    if not (DATA / "ner-wnut17").is_dir():
        print(f"skipped: {DATA / 'ner-wnut17'} is absent")
        return
    start = time.process_time()
    wnut()
    encoded()
    if arguments.folds:
        precision, recall, score = five_folds(load(DATA))
        print(f"WikiGold, five folds: P {precision:.1f} R {recall:.1f} F1 {score:.1f}")
    print(f"{time.process_time() - start:.0f} s CPU")


if __name__ == "__main__":
    main()
