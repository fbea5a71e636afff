"""Macro-averaged recall of sentiment on the test part of TweetEval, against VADER where that is installed.

    python bench/pipeline_sentiment.py

The model that ships saw nothing of the set but two numbers chosen on its validation part (how much the labels
``negative`` and ``positive`` are preferred). Without vaderSentiment in the environment its line is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.pipeline.analysis.sentiment import LABELS, classify, load_model
from fairlead.pipeline.text.reading import TOKEN
from fairlead.pipeline.training.sentiment import read_tweeteval, recall

DATA = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def vader() -> Callable[[str], int]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()

    def label(text: str) -> int:
        compound = analyser.polarity_scores(text)["compound"]
        return 0 if compound <= -0.05 else 2 if compound >= 0.05 else 1

    return label


def calibration(sure: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: how far confidence is from accuracy, over ten bins of confidence."""
    levels, hits = np.asarray(sure), np.asarray(right, dtype=float)
    place = np.minimum((levels * bins).astype(int), bins - 1)
    gaps = [
        (place == b).mean() * abs(levels[place == b].mean() - hits[place == b].mean())
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


def main() -> None:
    if not (DATA / "cls-tweeteval").is_dir():
        print(f"skipped: {DATA / 'cls-tweeteval'} is absent")
        return
    load_model()
    systems: dict[str, Callable[[str], Any]] = {"fairlead": classify}
    if find_spec("vaderSentiment"):
        systems["VADER 3.3.2"] = vader()
    print("| system | part | macro recall | negative | neutral | positive | words/s |")
    print("|---|---|---|---|---|---|---|")
    for name, system in systems.items():
        for part in ("val", "test"):
            texts, labels = read_tweeteval(DATA, part)
            words = sum(len(TOKEN.findall(text)) for text in texts)
            start = time.process_time()
            answers = [system(text) for text in texts]
            spent = time.process_time() - start
            found = [int(np.argmax(a)) if isinstance(a, tuple) else a for a in answers]
            each = [
                100 * float(np.mean([said == k for said, truth in zip(found, labels, strict=True) if truth == k]))
                for k in range(len(LABELS))
            ]
            cells = " | ".join(f"{value:.1f}" for value in each)
            print(f"| {name} | {part} | **{recall(labels, found):.2f}** | {cells} | {words / spent:,.0f} |")
            if isinstance(answers[0], tuple) and part == "test":
                hits = [said == truth for said, truth in zip(found, labels, strict=True)]
                off = calibration([max(answer) for answer in answers], hits)
                print(f"confidence is off by {off:.3f} on average (ECE, ten bins)")


if __name__ == "__main__":
    main()
