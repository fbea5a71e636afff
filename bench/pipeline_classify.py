"""Accuracy on Banking77 and CLINC150, and how well texts outside all labels are told apart.

python bench/pipeline_classify.py          (needs scikit-learn for training)
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
    kept, refused = float((inside >= model.threshold).mean()), float((outside < model.threshold).mean())
    exact = float((outside < np.quantile(inside, 0.06)).mean())
    print(f"| CLINC150, in scope | {right:.2f} % | |")
    print(f"| out of scope told | {refused:.1%} | at the trained threshold; keeps {kept:.1%} in scope |")
    print(f"| out of scope told | {exact:.1%} | at exactly 94 % kept |")


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
