"""Learned difficulty: how likely each model is to answer a prompt well, from text features, in numpy.

One logistic head per model over TF-IDF weights of hashed words and pairs, and over the shape measurements.
Heads are trained by :mod:`fairlead.gateway.routing.training` (extra ``train``) and stored as plain arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairlead.errors import InvalidInputError
from fairlead.gateway.routing.features import hashed_terms, shape

FORMAT = 1


class ShapeCode(NamedTuple):
    """How shape measurements become columns: standardised and clipped, and one-hot in quantile bins.

    ``center`` and ``spread`` have len(SHAPE) entries, ``edges`` is (len(SHAPE), bins - 1). The two scales keep a
    handful of dense columns from outshouting a normalised row of words.
    """

    center: np.ndarray[Any, Any]
    spread: np.ndarray[Any, Any]
    edges: np.ndarray[Any, Any]
    scale: float
    bin_scale: float

    def columns(self, shapes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(prompts, len(SHAPE) * (1 + bins)) from (prompts, len(SHAPE))."""
        smooth = np.clip((shapes - self.center) / self.spread, -3, 3) * self.scale
        within = (shapes[:, :, None] > self.edges[None, :, :]).sum(axis=2)
        bins = (within[:, :, None] == np.arange(self.edges.shape[1] + 1)) * self.bin_scale
        return np.hstack([smooth, bins.reshape(len(shapes), -1)])


class Difficulty:
    """Heads by model id.

    ``terms`` are the hashes of the known terms in ascending order and ``idf`` their weights; ``heads`` maps a model
    to (weights over terms, weights over shape columns, intercept, mean logit over the training prompts).
    """

    def __init__(
        self,
        terms: np.ndarray[Any, Any],
        idf: np.ndarray[Any, Any],
        code: ShapeCode,
        heads: Mapping[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float, float]],
    ) -> None:
        self._terms = terms
        self._idf = idf
        self._code = code
        self._heads = dict(heads)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self._heads)

    def logits(self, prompt: str) -> dict[str, float]:
        """Log-odds that each model answers ``prompt`` well."""
        found = hashed_terms(prompt)
        at, known = locate(self._terms, np.fromiter(found, np.int64, len(found)))
        at = at[known]
        weights = self._idf[at]
        norm = math.sqrt(float(weights @ weights)) or 1.0
        columns = self._code.columns(np.asarray([shape(prompt)]))[0]
        return {
            model: float(weights @ words[at]) / norm + float(columns @ shapes) + intercept
            for model, (words, shapes, intercept, _) in self._heads.items()
        }

    def probabilities(self, prompt: str) -> dict[str, float]:
        """Probability that each model answers ``prompt`` well."""
        return {model: 1 / (1 + math.exp(-x)) for model, x in self.logits(prompt).items()}

    def shifts(self, prompt: str) -> dict[str, float]:
        """How much easier (above 0) or harder ``prompt`` is for each model than the prompts it was trained on, in
        log-odds."""
        return {model: x - self._heads[model][3] for model, x in self.logits(prompt).items()}

    def save(self, path: Path) -> None:
        """Writes arrays and names, nothing that runs when read."""
        arrays: dict[str, Any] = {
            "format": np.asarray(FORMAT),
            "models": np.asarray(list(self._heads)),
            "terms": self._terms.astype(np.uint32),
            "idf": self._idf.astype(np.float32),
            "center": self._code.center,
            "spread": self._code.spread,
            "edges": self._code.edges,
            "scales": np.asarray([self._code.scale, self._code.bin_scale]),
        }
        for n, (words, shapes, intercept, mean) in enumerate(self._heads.values()):
            arrays |= {f"words{n}": words.astype(np.float32), f"shapes{n}": shapes}
            arrays[f"rest{n}"] = np.asarray([intercept, mean])
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        partial.replace(path)


def load_difficulty(path: Path) -> Difficulty:
    """Reads what :meth:`Difficulty.save` wrote; :class:`InvalidInputError` for anything else."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT:
                raise ValueError(f"format {int(stored['format'])}")
            heads = {}
            for n, model in enumerate(stored["models"].tolist()):
                intercept, mean = stored[f"rest{n}"].tolist()
                heads[model] = (stored[f"words{n}"], stored[f"shapes{n}"], intercept, mean)
            terms = stored["terms"].astype(np.int64)
            code = ShapeCode(stored["center"], stored["spread"], stored["edges"], *stored["scales"].tolist())
            return Difficulty(terms, stored["idf"], code, heads)
    except (OSError, ValueError, KeyError) as exc:
        raise InvalidInputError(
            f"{path} is not a difficulty model: {exc}.", remedy="Train one with `fairlead model train FILE`."
        ) from exc


def locate(terms: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Any]:
    """Where each wanted hash is among the ascending ``terms``, and which of them are there at all."""
    at = np.minimum(np.searchsorted(terms, wanted), max(0, len(terms) - 1))
    return at, (terms[at] == wanted if len(terms) else np.zeros(len(wanted), bool))
