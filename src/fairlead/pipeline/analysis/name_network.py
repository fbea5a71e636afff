"""The tagger of names that reads the frozen states of a sentence encoder as well as the words.

A hidden layer over the states and the word's own features, a second over three neighbouring words, and a linear-chain
CRF on top (Collobert et al., "Natural Language Processing (Almost) from Scratch", JMLR 12, 2011; Lafferty, McCallum
and Pereira, ICML 2001). The layers are shared by all the sets it was trained on; each set has labels of its own.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.errors import InvalidInputError
from fairlead.pipeline.analysis.name_features import known_longer, lists, own_features, sentence_case, shape

FORMAT = 1
Floats = NDArray[np.float32]


class Head(NamedTuple):
    """What a word is in the terms of one set: ``weights`` is [hidden, labels], ``moves`` [labels, labels]."""

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    moves: Floats
    opening: Floats


class NameNetwork(NamedTuple):
    """The trained arrays. ``columns`` are the hashed features in ascending order, ``embedded`` their rows [.., hidden].

    ``layers`` are the encoder's whose states are read, side by side. Networks that were trained from different random
    starts stand side by side in one: ``beside`` has a part for each, [networks, 3 * hidden, hidden], and ``hidden`` of
    the other arrays counts the words' hidden values of all of them.
    """

    layers: tuple[int, ...]
    columns: NDArray[np.uint32]
    embedded: Floats
    states: Floats
    bias: Floats
    beside: Floats
    beside_bias: Floats
    heads: dict[str, Head]

    def scores(self, words: Sequence[str], states: Floats, head: str) -> Floats:
        """What speaks for each label of ``head``, float32 of [words, labels]."""
        rows = np.stack([self.embedded[self._places(keys)].sum(axis=0) for keys in hashed_features(words)])
        hidden = np.maximum(states @ self.states + rows + self.bias, 0)
        parts = hidden.reshape(len(words), len(self.beside), -1)
        edge = np.zeros((1, *parts.shape[1:]), np.float32)
        around = np.concatenate([np.concatenate([edge, parts[:-1]]), parts, np.concatenate([parts[1:], edge])], axis=2)
        second = np.matmul(around.transpose(1, 0, 2), self.beside).transpose(1, 0, 2).reshape(hidden.shape)
        top = self.heads[head]
        return np.asarray(
            (hidden + np.maximum(second + self.beside_bias, 0)) @ top.weights + top.bias, dtype=np.float32
        )

    def _places(self, keys: NDArray[np.uint32]) -> NDArray[np.intp]:
        places = np.searchsorted(self.columns, keys)
        places = np.minimum(places, len(self.columns) - 1)
        return np.asarray(places[self.columns[places] == keys])

    @classmethod
    def joined(cls, networks: Sequence[NameNetwork]) -> NameNetwork:
        """One network whose scores are the means of those of ``networks``, which have features and labels in common.

        Several networks err differently, and their mean errs less (Hansen and Salamon, "Neural Network Ensembles",
        IEEE PAMI 12, 1990).
        """

        def beside(name: str) -> Floats:
            return np.concatenate([getattr(network, name) for network in networks], axis=-1)

        return networks[0]._replace(
            embedded=beside("embedded"),
            states=beside("states"),
            bias=beside("bias"),
            beside=np.concatenate([network.beside for network in networks]),
            beside_bias=beside("beside_bias"),
            heads={name: _mean_head([network.heads[name] for network in networks]) for name in networks[0].heads},
        )

    def save(self, path: Path) -> None:
        """One ``.npz`` without pickled objects; each row of ``embedded`` is kept in bytes on a scale of its own."""
        scale = np.maximum(np.abs(self.embedded).max(axis=1, keepdims=True), 1e-6) / 127
        arrays: dict[str, Any] = {
            "columns": self.columns,
            "embedded": np.round(self.embedded / scale).astype(np.int8),
            "scale": scale.astype(np.float32),
            **{name: getattr(self, name).astype(np.float16) for name in ("states", "beside")},
            **{name: getattr(self, name) for name in ("bias", "beside_bias")},
        }
        for name, head in self.heads.items():
            arrays |= {f"{name}.{part}": getattr(head, part) for part in Head._fields if part != "labels"}
        about = {"format": FORMAT, "layers": self.layers, "heads": {n: h.labels for n, h in self.heads.items()}}
        np.savez_compressed(path, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path) -> NameNetwork:
        """Reads a model. Raises :class:`InvalidInputError` for what is none; numpy refuses pickled content."""
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(bytes(file["about"]).decode())
                if about["format"] != FORMAT:
                    raise InvalidInputError(
                        f"{path} has model format {about['format']}; this version reads {FORMAT}.",
                        remedy="Train it again.",
                        field="model",
                    )
                heads = {
                    name: Head(tuple(labels), *(file[f"{name}.{part}"] for part in Head._fields[1:]))
                    for name, labels in about["heads"].items()
                }
                return cls(
                    tuple(about["layers"]),
                    file["columns"],
                    file["embedded"].astype(np.float32) * file["scale"],
                    file["states"].astype(np.float32),
                    file["bias"],
                    file["beside"].astype(np.float32),
                    file["beside_bias"],
                    heads,
                )
        except (OSError, ValueError, KeyError) as exc:
            raise InvalidInputError(
                f"{path} is not a tagger of names: {exc}.", remedy="Train it again.", field="model"
            ) from exc


def _mean_head(heads: Sequence[Head]) -> Head:
    def mean(name: str) -> Floats:
        return np.asarray(np.mean([getattr(head, name) for head in heads], axis=0), dtype=np.float32)

    weights = np.concatenate([head.weights for head in heads]) / len(heads)
    return Head(heads[0].labels, weights.astype(np.float32), mean("bias"), mean("moves"), mean("opening"))


def best_labels(scores: Floats, head: Head) -> list[int]:
    """The most probable sequence of labels (Viterbi)."""
    best = scores[0] + head.opening
    back: list[NDArray[np.intp]] = []
    for row in scores[1:]:
        moved = best[:, None] + head.moves
        back.append(moved.argmax(axis=0))
        best = moved.max(axis=0) + row
    labels = [int(best.argmax())]
    for step in reversed(back):
        labels.append(int(step[labels[-1]]))
    return labels[::-1]


def probabilities(scores: Floats, head: Head) -> Floats:
    """The probability of each label at each word (forward-backward), float32 of [words, labels]."""
    forward, backward = np.zeros_like(scores), np.zeros_like(scores)
    forward[0] = scores[0] + head.opening
    for i in range(1, len(scores)):
        forward[i] = _log_sum(forward[i - 1][:, None] + head.moves, 0) + scores[i]
    for i in range(len(scores) - 2, -1, -1):
        backward[i] = _log_sum(head.moves + (scores[i + 1] + backward[i + 1])[None], 1)
    return np.asarray(np.exp(forward + backward - _log_sum(forward[-1], 0)), dtype=np.float32)


def _log_sum(values: Floats, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    return np.asarray((most + np.log(np.exp(values - most).sum(axis=axis, keepdims=True))).squeeze(axis))


def hashed_features(words: Sequence[str]) -> Iterator[NDArray[np.uint32]]:
    """For each word the hashed features that the network looks at: of the word, and of those around it."""
    lows = [word.lower() for word in words]
    known, case = known_longer(lows), sentence_case(words)
    last = len(words) - 1
    for i, word in enumerate(words):
        parts = [_own(word), _mark(f"c={case}|{shape(word)}"), _mark("case=" + case)]
        if known[i]:
            parts.append(_mark(known[i]))
        for distance in (-2, -1, 1, 2):
            at = i + distance
            if not 0 <= at <= last:
                parts.append(_mark(f"{distance}none"))
            elif abs(distance) == 1:
                parts += [_beside(words[at], distance), _mark(f"t{distance}={shape(word)}|{shape(words[at])}")]
            else:
                parts.append(_mark(f"{distance}s={shape(words[at])}"))
        yield np.concatenate(parts)


@lru_cache(maxsize=65536)
def _own(word: str) -> NDArray[np.uint32]:
    return _hashed(own_features(word))


@lru_cache(maxsize=65536)
def _beside(word: str, distance: int) -> NDArray[np.uint32]:
    low = word.lower()
    marks = [f"{distance}{mark}" for mark in lists().words.get(low, ())]
    return _hashed([f"{distance}s={shape(word)}", f"{distance}w={low}", *marks])


@lru_cache(maxsize=65536)
def _mark(feature: str) -> NDArray[np.uint32]:
    return _hashed([feature])


def _hashed(features: Iterable[str]) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(feature.encode()) for feature in features], dtype=np.uint32)
