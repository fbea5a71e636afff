"""Classification with label sets that a user trains: which topic or intent a text has, or none of them.

A linear model over hashed word and character n-grams. Training needs scikit-learn (extra ``train``); using one needs
numpy alone. A model is one ``.npz`` file without pickled objects: the hashed features it kept, their inverse document
frequencies and weights, its labels as JSON, and the threshold below which a text belongs to none of the labels.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.errors import InvalidInputError
from fairlead.pipeline.answer import stem
from fairlead.pipeline.text.words import WORD

FORMAT = 1
_LONGEST = 20_000


class Prediction(NamedTuple):
    """The best label, how sure it is (0 to 1), and whether that is beyond the threshold."""

    label: str
    confidence: float
    in_scope: bool


def feature_counts(text: str) -> Counter[int]:
    """Hashed features of a text: words, their stems, two words in a row, two stems in any order and distance (of the
    first 24 in the alphabet), and two to five characters inside a word's bounds.
    """
    words = [word.lower().replace("’", "'") for word in WORD.findall(text[:_LONGEST])]
    found: list[str] = [f"w {word}" for word in words]
    found += [f"b {one} {other}" for one, other in zip(["^", *words], [*words, "$"], strict=True)]
    stems = sorted({stem(word) for word in words})
    found += [f"m {one}" for one in stems]
    found += [f"p {one} {other}" for one, other in combinations(stems[:24], 2)]
    for word in words:
        bounded = f"<{word}>"
        found += [f"c {bounded[i : i + n]}" for n in (2, 3, 4, 5) for i in range(len(bounded) - n + 1)]
    return Counter(zlib.crc32(feature.encode()) for feature in found)


class Classifier:
    """A trained model. ``columns`` are the hashed features in ascending order; ``weights`` is features by labels."""

    def __init__(
        self,
        labels: Sequence[str],
        columns: NDArray[np.uint32],
        idf: NDArray[np.float32],
        weights: NDArray[np.float32],
        bias: NDArray[np.float32],
        threshold: float = 0.0,
    ) -> None:
        self.labels = tuple(labels)
        self.columns = columns
        self.idf = idf
        self.weights = weights
        self.bias = bias
        self.threshold = threshold

    @property
    def version(self) -> str:
        """Eight hexadecimal digits that tell this model from others."""
        return f"{zlib.crc32(self.weights.tobytes(), zlib.crc32(self.columns.tobytes())):08x}"

    def scores(self, text: str) -> NDArray[np.float32]:
        """One score per label; the largest wins."""
        places, values = vector(text, self.columns, self.idf)
        return np.asarray(values @ self.weights[places] + self.bias, dtype=np.float32)

    def predict(self, text: str) -> Prediction:
        """The best label. ``in_scope`` is False when the text is like none of the labels."""
        scores = self.scores(text)
        best = int(scores.argmax())
        return Prediction(self.labels[best], round(confidence_of(scores), 4), confidence_of(scores) >= self.threshold)

    def save(self, path: Path) -> None:
        about = {"format": FORMAT, "labels": self.labels, "threshold": self.threshold}
        np.savez_compressed(
            path,
            about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            columns=self.columns,
            idf=self.idf.astype(np.float16),
            weights=self.weights.astype(np.float16),
            bias=self.bias,
        )

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Reads a model. Pickled content is refused by numpy; any other damage by name."""
        try:
            with np.load(path, allow_pickle=False) as file:
                about: dict[str, Any] = json.loads(bytes(file["about"]).decode())
                if about["format"] != FORMAT:
                    raise InvalidInputError(
                        f"{path} has model format {about['format']}; this version reads {FORMAT}.",
                        remedy="Train it again.",
                        field="model",
                    )
                arrays = (
                    file["columns"],
                    file["idf"].astype(np.float32),
                    file["weights"].astype(np.float32),
                    file["bias"],
                )
        except (OSError, ValueError, KeyError) as exc:
            raise InvalidInputError(
                f"{path} is not a classifier: {exc}.", remedy="Train it again.", field="model"
            ) from exc
        return cls(about["labels"], *arrays, threshold=float(about["threshold"]))


def vector(
    text: str, columns: NDArray[np.uint32], idf: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Positions among ``columns`` of the text's known features and their weights: log counts by idf, length one."""
    counts = feature_counts(text)
    keys = np.fromiter(counts.keys(), dtype=np.uint32, count=len(counts))
    values = 1 + np.log(np.fromiter(counts.values(), dtype=np.float32, count=len(counts)))
    places = np.minimum(np.searchsorted(columns, keys), max(len(columns) - 1, 0))
    known = columns[places] == keys if len(columns) else np.zeros(len(keys), dtype=bool)
    places, values = places[known], values[known] * idf[places[known]]
    norm = float(np.linalg.norm(values))
    return places, np.asarray(values / norm if norm else values, dtype=np.float32)


def confidence_of(scores: NDArray[np.float32]) -> float:
    """How sure the scores are: the logistic of the best one, 0.5 on the plane that parts its label from the rest.

    The second best is left out on purpose: on the validation part of CLINC150 two close labels say less about being
    out of scope than a low best score.
    """
    return float(1 / (1 + np.exp(-3 * float(scores.max()))))
