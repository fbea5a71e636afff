"""Mean average precision of check-worthiness on the three debates of CheckThat! 2018 (task 1, English).

    python bench/pipeline_claims.py

The shipped scorer has no trained weights; the set is for research, so it is measured and nothing that ships is trained
on it. For comparison a logistic regression over the same signs and words is trained here on two debates and measured on
the third (needs scikit-learn), then thrown away.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import re
import time
from collections import Counter
from pathlib import Path

from fairlead.pipeline.analysis.claims import SIGNS, check_worthiness

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

NAMES = [sign.name for sign in SIGNS if sign.weight > 0] + ["named"]
_WORD = re.compile(r"[a-z$%]+|\d")


def words_of(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return words + [f"{one} {other}" for one, other in itertools.pairwise(words)]


def average_precision(scores: list[float], labels: list[int]) -> float:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    right, total = 0, 0.0
    for place, i in enumerate(order, 1):
        if labels[i]:
            right += 1
            total += right / place
    return total / max(right, 1)


def learned(debates: dict[str, tuple[list[str], list[int]]], held_out: str) -> list[float]:
    """Scores for one debate of a model that saw only the others."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    texts = [text for name, (rows, _) in debates.items() if name != held_out for text in rows]
    labels = [label for name, (_, rows) in debates.items() if name != held_out for label in rows]
    frequency = Counter(word for text in texts for word in set(words_of(text)))
    column = {word: i for i, word in enumerate(sorted(word for word, count in frequency.items() if count >= 3))}
    idf = {word: math.log(len(texts) / frequency[word]) for word in column}

    def matrix(rows: list[str]) -> sparse.csr_matrix:
        words = sparse.lil_matrix((len(rows), len(column)))
        signs = []
        for i, text in enumerate(rows):
            counts = Counter(word for word in words_of(text) if word in column)
            norm = math.sqrt(sum((count * idf[word]) ** 2 for word, count in counts.items())) or 1.0
            for word, count in counts.items():
                words[i, column[word]] = count * idf[word] / norm
            value, reasons = check_worthiness(text)
            signs.append([2 * value, math.log(1 + len(text.split())) / 3, *(float(name in reasons) for name in NAMES)])
        return sparse.hstack([words, sparse.csr_matrix(signs)]).tocsr()

    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000).fit(matrix(texts), labels)
    return [float(value) for value in model.decision_function(matrix(debates[held_out][0]))]


def main() -> None:
    folder = DATA / "cls-checkthat18-debates" / "task1"
    if not folder.is_dir():
        print(f"skipped: {folder} is absent")
        return
    debates = {}
    for path in sorted(folder.glob("*.txt")):
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        debates[path.stem] = ([row[2] for row in rows], [int(row[3]) for row in rows])
    start = time.process_time()
    found = {name: [check_worthiness(text)[0] for text in texts] for name, (texts, _) in debates.items()}
    count = sum(len(texts) for texts, _ in debates.values())
    print(f"{count} sentences, {1e6 * (time.process_time() - start) / count:.0f} us each")
    print("| debate | sentences | check-worthy | as it ships | learned from the other two | at random |")
    print("|---|---|---|---|---|---|")
    values, trained = [], []
    for name, (texts, labels) in debates.items():
        values.append(average_precision(found[name], labels))
        chance = average_precision([random.Random(7).random() for _ in texts], labels)
        trained.append(average_precision(learned(debates, name), labels))
        print(f"| {name} | {len(texts)} | {sum(labels)} | {values[-1]:.3f} | {trained[-1]:.3f} | {chance:.3f} |")
    print(f"| mean | | | **{sum(values) / len(values):.3f}** | **{sum(trained) / len(trained):.3f}** | |")


if __name__ == "__main__":
    main()
