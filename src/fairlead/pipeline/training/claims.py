"""Learns the weights of check-worthiness from sentences that were written for this project.

    python -m fairlead.pipeline.training.claims

The sets of check-worthy sentences that exist are for research only. So 80 claims and 100 other sentences were written
in the manner of public debate (``claims_examples.txt``), and a logistic regression over the signs is fitted to them.
The strength of its penalty is chosen by cross-validation among them: the strongest whose average precision is within
a hundredth of the best. Prints what ``analysis/claims.py`` holds; needs scikit-learn (extra ``train``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fairlead.pipeline.analysis.claims import signs_in

_EXAMPLES = Path(__file__).parent / "claims_examples.txt"
_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
_SLACK = 0.01


def examples() -> tuple[list[str], list[int]]:
    """The sentences, and 1 for those that are claims."""
    lines = [line for line in _EXAMPLES.read_text(encoding="utf-8").splitlines() if line[:2] in ("+ ", "- ")]
    return [line[2:] for line in lines], [int(line[0] == "+") for line in lines]


def train() -> tuple[tuple[float, ...], float]:
    """(a weight for each number of ``signs_in``, the bias), rounded to hundredths."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    texts, labels = examples()
    rows = np.array([signs_in(text) for text in texts])
    models = [
        make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=3000))
        for strength in _STRENGTHS
    ]
    marks = [cross_val_score(m, rows, labels, cv=10, scoring="average_precision").mean() for m in models]
    chosen = next(m for m, mark in zip(models, marks, strict=True) if mark >= max(marks) - _SLACK)
    scaler, fitted = (step for _, step in chosen.fit(rows, labels).steps)
    weights = fitted.coef_[0] / scaler.scale_
    bias = float(fitted.intercept_[0] - (weights * scaler.mean_).sum())
    return tuple(round(float(weight), 2) for weight in weights), round(bias, 2)


def main() -> None:
    weights, bias = train()
    print(f"WEIGHTS = {weights}\nBIAS = {bias}")  # noqa: T201 - a training program reports


if __name__ == "__main__":
    main()
