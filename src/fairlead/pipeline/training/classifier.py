"""Trains a :class:`fairlead.pipeline.classify.Classifier` from labelled texts, with scikit-learn."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.errors import InvalidInputError, MissingDependencyError
from fairlead.pipeline.classify import Classifier, confidence_of, feature_counts, vector

KEPT_IN_SCOPE = 0.94
"""Share of labelled texts that the threshold keeps, measured on folds."""

_FOLDS = 5


def read_table(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a CSV with a header: columns ``text`` and ``label`` (or ``category``)."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        names = {name.strip().lower(): name for name in rows.fieldnames or ()}
        text, label = names.get("text"), names.get("label") or names.get("category")
        if text is None or label is None:
            raise InvalidInputError(
                f"{path} has the columns {list(names)}.", remedy="It needs 'text' and 'label'.", field="data"
            )
        pairs = [(row[text] or "", row[label] or "") for row in rows]
    kept = [(words, name) for words, name in pairs if words.strip() and name.strip()]
    return [words for words, _ in kept], [name for _, name in kept]


def train(texts: Sequence[str], labels: Sequence[str], *, strength: float = 1.0, least: int = 2) -> Classifier:
    """A linear support vector classifier, one against the rest; its threshold keeps 94 % of held-out texts.

    ``least`` is in how many texts a feature occurs at least; ``strength`` is the inverse of the penalty. Raises
    :class:`InvalidInputError` for fewer than two labels.
    """
    names = sorted(set(labels))
    if len(names) < 2 or len(texts) != len(labels):
        raise InvalidInputError("training needs texts with at least two labels.", remedy="Add labels.", field="labels")
    model = _fit(texts, labels, names, strength, least)
    model.threshold = _threshold(texts, labels, names, strength, least)
    return model


def _fit(texts: Sequence[str], labels: Sequence[str], names: list[str], strength: float, least: int) -> Classifier:
    svm, sparse = _scikit_learn()
    columns, idf = _vocabulary(texts, least)
    rows = [vector(text, columns, idf) for text in texts]
    starts = np.cumsum([0, *(len(places) for places, _ in rows)])
    matrix = sparse.csr_matrix(
        (np.concatenate([v for _, v in rows]), np.concatenate([p for p, _ in rows]), starts),
        shape=(len(rows), len(columns)),
    )
    fitted = svm.LinearSVC(C=strength, random_state=0).fit(matrix, [names.index(label) for label in labels])
    weights, bias = fitted.coef_, fitted.intercept_
    if len(names) == 2:
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    # Half precision is what a file keeps, so the model in hand and the one read back give the same scores.
    kept = weights.T.astype(np.float16).astype(np.float32)
    return Classifier(names, columns, idf, kept, bias.astype(np.float32))


def _vocabulary(texts: Sequence[str], least: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    found: Counter[int] = Counter(key for text in texts for key in feature_counts(text))
    kept = sorted(key for key, count in found.items() if count >= least)
    columns = np.array(kept, dtype=np.uint32)
    counts = np.array([found[key] for key in kept], dtype=np.float32)
    idf = np.log((1 + len(texts)) / (1 + counts)) + 1
    return columns, idf.astype(np.float16).astype(np.float32)


def _threshold(texts: Sequence[str], labels: Sequence[str], names: list[str], strength: float, least: int) -> float:
    sure: list[float] = []
    for fold in range(_FOLDS):
        kept = [i for i in range(len(texts)) if i % _FOLDS != fold]
        out = [i for i in range(len(texts)) if i % _FOLDS == fold]
        seen = [labels[i] for i in kept]
        model = _fit([texts[i] for i in kept], seen, sorted(set(seen)), strength, least)
        sure += [confidence_of(model.scores(texts[i])) for i in out]
    return float(np.quantile(sure, 1 - KEPT_IN_SCOPE)) if sure else 0.0


def _scikit_learn() -> tuple[Any, Any]:
    try:
        from scipy import sparse
        from sklearn import svm
    except ImportError as exc:
        raise MissingDependencyError(
            "training a classifier needs scikit-learn, which is not installed.",
            remedy="Install it with: pip install 'fairlead[train]'",
        ) from exc
    return svm, sparse
