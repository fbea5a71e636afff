"""Learned difficulty: how likely each model is to answer a prompt well, from text features, in numpy.

One logistic head per model over TF-IDF weights of hashed words and pairs, and over bins of the shape measurements.
Heads are trained by :mod:`fairlead.gateway.routing.training` (extra ``train``) and stored as plain arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.errors import InvalidInputError
from fairlead.gateway.routing.features import SHAPE, hashed_terms, shape

FORMAT = 1


class Difficulty:
    """Heads by model id.

    ``terms`` are the hashes of the known terms in ascending order and ``idf`` their weights; ``edges`` is
    (len(SHAPE), bins - 1); ``heads`` maps a model to (weights over terms, weights over shape bins, intercept, mean
    logit over the training prompts).
    """

    def __init__(
        self,
        terms: np.ndarray[Any, Any],
        idf: np.ndarray[Any, Any],
        edges: np.ndarray[Any, Any],
        shape_scale: float,
        heads: Mapping[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float, float]],
    ) -> None:
        self._terms = terms
        self._idf = idf
        self._edges = edges
        self._scale = shape_scale
        self._heads = dict(heads)

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self._heads)

    def logits(self, prompt: str) -> dict[str, float]:
        """Log-odds that each model answers ``prompt`` well."""
        found = hashed_terms(prompt)
        at, known = locate(self._terms, np.fromiter(found.keys(), np.int64, len(found)))
        at = at[known]
        weights = np.fromiter(found.values(), np.float64, len(found))[known] * self._idf[at]
        norm = math.sqrt(float(weights @ weights)) or 1.0
        bins = shape_bins(np.asarray([shape(prompt)]), self._edges)[0]
        return {
            model: float(weights @ words[at]) / norm + self._scale * float(shapes[bins].sum()) + intercept
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
            "edges": self._edges,
            "scale": np.asarray(self._scale),
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
            return Difficulty(terms, stored["idf"], stored["edges"], float(stored["scale"]), heads)
    except (OSError, ValueError, KeyError) as exc:
        raise InvalidInputError(
            f"{path} is not a difficulty model: {exc}.", remedy="Train one with `fairlead model train FILE`."
        ) from exc


def shape_bins(shapes: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(prompts, len(SHAPE)) column numbers of the one-hot bins that each measurement falls in."""
    width = edges.shape[1] + 1
    within = (shapes[:, :, None] > edges[None, :, :]).sum(axis=2)
    offsets: np.ndarray[Any, Any] = np.arange(len(SHAPE)) * width + within
    return offsets


def locate(terms: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Any]:
    """Where each wanted hash is among the ascending ``terms``, and which of them are there at all."""
    at = np.minimum(np.searchsorted(terms, wanted), max(0, len(terms) - 1))
    return at, (terms[at] == wanted if len(terms) else np.zeros(len(wanted), bool))
