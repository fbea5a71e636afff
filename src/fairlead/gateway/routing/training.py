"""Training the difficulty model from outcomes: prompts, and how well each model answered them (extra ``train``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.errors import InvalidInputError, MissingDependencyError
from fairlead.gateway.routing.difficulty import Difficulty, ShapeCode
from fairlead.gateway.routing.features import hashed_terms, shape

BINS = 8
STRENGTH = 0.8
"""Inverse regularisation of the heads (the C of scikit-learn's LogisticRegression)."""
SCALE, BIN_SCALE = 0.15, 0.05
_LEAST_OUTCOMES = 40


class Outcomes:
    """Features of prompts, made once and cut into folds many times."""

    def __init__(self, prompts: Sequence[str]) -> None:
        from scipy.sparse import csr_matrix

        starts = [0]
        hashes: list[int] = []
        for prompt in prompts:
            found = hashed_terms(prompt)
            hashes += sorted(found)
            starts.append(len(hashes))
        self._terms, columns = np.unique(np.array(hashes, dtype=np.int64), return_inverse=True)
        self._counts = csr_matrix((np.ones(len(hashes)), columns, starts), shape=(len(prompts), len(self._terms)))
        self._shapes = np.asarray([shape(p) for p in prompts], float)

    def train(self, quality: Mapping[str, Sequence[float]], rows: Sequence[int] | None = None) -> Difficulty:
        """Heads for every model in ``quality`` (one value from 0 to 1 per prompt), trained on ``rows`` only."""
        from scipy.sparse import csr_matrix, diags_array, hstack

        chosen = np.arange(self._counts.shape[0]) if rows is None else np.asarray(rows)
        counts = self._counts[chosen]
        present = np.asarray(counts.sum(axis=0)).ravel()
        # A term of one prompt says nothing about others.
        shared = present >= 2
        idf = np.log((1 + len(chosen)) / (1 + present[shared])) + 1
        words = counts[:, shared] @ diags_array(idf)
        norms = np.sqrt(np.asarray(words.multiply(words).sum(axis=1)).ravel())
        words = diags_array(1 / np.maximum(norms, 1e-12)) @ words
        code = _shape_code(self._shapes[chosen])
        table = hstack([words, csr_matrix(code.columns(self._shapes[chosen]))]).tocsr()
        heads = {
            model: _head(table, np.asarray(values, float)[chosen], int(shared.sum()), model)
            for model, values in quality.items()
        }
        return Difficulty(self._terms[shared], idf, code, heads)


def train_difficulty(prompts: Sequence[str], quality: Mapping[str, Sequence[float]]) -> Difficulty:
    """A difficulty model from prompts and each model's quality on them (0 to 1, in the order of the prompts).

    Raises :class:`InvalidInputError` for too few or one-sided outcomes, :class:`MissingDependencyError` without
    scikit-learn.
    """
    require_sklearn()
    for model, values in quality.items():
        if len(values) != len(prompts):
            raise InvalidInputError(
                f"model {model!r} has {len(values)} outcomes for {len(prompts)} prompts.",
                remedy="Give one outcome per prompt.",
                field="quality",
            )
    if len(prompts) < _LEAST_OUTCOMES:
        raise InvalidInputError(
            f"{len(prompts)} prompts are too few to learn from.", remedy=f"Give {_LEAST_OUTCOMES} or more."
        )
    return Outcomes(prompts).train(quality)


def require_sklearn() -> None:
    """Raises :class:`MissingDependencyError` unless scikit-learn is installed."""
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise MissingDependencyError(
            "training a router needs scikit-learn.", remedy="Install it: pip install 'fairlead[train]'."
        )


def _shape_code(shapes: np.ndarray[Any, Any]) -> ShapeCode:
    edges = np.quantile(shapes, np.linspace(0, 1, BINS + 1)[1:-1], axis=0).T
    return ShapeCode(shapes.mean(axis=0), shapes.std(axis=0) + 1e-9, edges, SCALE, BIN_SCALE)


def _head(table: Any, values: np.ndarray[Any, Any], terms: int, model: str) -> tuple[Any, Any, float, float]:
    from sklearn.linear_model import LogisticRegression

    good = values >= 0.5
    if good.all() or not good.any():
        raise InvalidInputError(
            f"all outcomes of {model!r} are alike, so nothing can be learnt.",
            remedy="Give good and bad outcomes.",
            field="quality",
        )
    fitted = LogisticRegression(C=STRENGTH, solver="liblinear", max_iter=300).fit(table, good)
    weights = fitted.coef_[0]
    intercept = float(fitted.intercept_[0])
    mean = float((table @ weights).mean()) + intercept
    return weights[:terms].copy(), weights[terms:].copy(), intercept, mean
