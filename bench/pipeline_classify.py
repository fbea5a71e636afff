"""Accuracy on Banking77 and CLINC150, and how well texts outside all labels are told apart.

    python bench/pipeline_classify.py          (needs scikit-learn for training)

Neither the test part nor a text out of scope is looked at when the threshold is chosen: it is the confidence that 94 %
of held-out in-scope texts reach, of five folds of the training part (what ``classifier train`` keeps in the model) or
of the validation part. The form of the confidence (the best label's score alone) was chosen on the validation part.
"""

from __future__ import annotations

import csv
import io
import json
import lzma
import os
import time
from pathlib import Path

import numpy as np

from fairlead.pipeline.classify import Classifier, confidence_of
from fairlead.pipeline.training.classifier import train

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def accuracy(model: Classifier, rows: list[tuple[str, str]]) -> float:
    return 100 * sum(model.predict(text).label == label for text, label in rows) / len(rows)


def banking() -> None:
    def read(text: str) -> list[tuple[str, str]]:
        return [(row["text"], row["category"]) for row in csv.DictReader(io.StringIO(text))]

    folder = DATA / "cls-banking77"
    training = read(lzma.decompress((folder / "train.csv.xz").read_bytes()).decode())
    test = read((folder / "test.csv").read_text(encoding="utf-8"))
    start = time.process_time()
    model = train([text for text, _ in training], [label for _, label in training])
    trained = time.process_time() - start
    start = time.process_time()
    right = accuracy(model, test)
    each = 1e6 * (time.process_time() - start) / len(test)
    print(f"| Banking77 | {right:.2f} % | trained in {trained:.0f} s CPU, {each:.0f} us a text |")


def clinc() -> None:
    data = json.loads(lzma.decompress((DATA / "cls-clinc150" / "data_full.json.xz").read_bytes()))
    model = train([text for text, _ in data["train"]], [label for _, label in data["train"]])
    right = accuracy(model, [(text, label) for text, label in data["test"]])
    inside = np.array([confidence_of(model.scores(text)) for text, _ in data["test"]])
    outside = np.array([confidence_of(model.scores(text)) for text, _ in data["oos_test"]])
    chosen = float(np.quantile([confidence_of(model.scores(text)) for text, _ in data["val"]], 0.06))
    print(f"| CLINC150, in scope | {right:.2f} % | |")
    for name, threshold in (("five folds of train", model.threshold), ("val", chosen)):
        kept, refused = float((inside >= threshold).mean()), float((outside < threshold).mean())
        print(f"| out of scope told | {refused:.1%} | threshold that keeps 94 % of {name}; keeps {kept:.1%} of test |")


def main() -> None:
    if not (DATA / "cls-banking77").is_dir():
        print(f"skipped: {DATA} is absent")
        return
    print("| set | accuracy | note |")
    print("|---|---|---|")
    banking()
    clinc()


if __name__ == "__main__":
    main()
