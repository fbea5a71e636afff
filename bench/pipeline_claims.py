"""Mean average precision of check-worthiness on the three debates of CheckThat! 2018 (task 1, English).

    python bench/pipeline_claims.py

The shipped scorer has no trained weights, so every debate is unseen; the set is for research and is measured only. For
comparison a logistic regression over the same signs and words is trained on two debates and measured on the third.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from fairlead.pipeline.analysis.claims import check_worthiness

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def average_precision(scores: list[float], labels: list[int]) -> float:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    right, total = 0, 0.0
    for place, i in enumerate(order, 1):
        if labels[i]:
            right += 1
            total += right / place
    return total / max(right, 1)


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
    print("| debate | sentences | check-worthy | average precision | at random |")
    print("|---|---|---|---|---|")
    values = []
    for name, (texts, labels) in debates.items():
        values.append(average_precision(found[name], labels))
        chance = average_precision([random.Random(7).random() for _ in texts], labels)
        print(f"| {name} | {len(texts)} | {sum(labels)} | {values[-1]:.3f} | {chance:.3f} |")
    print(f"| mean | | | **{sum(values) / len(values):.3f}** | |")


if __name__ == "__main__":
    main()
