"""The second tagger of names: over the frozen states of a sentence encoder (see ``models/names-minilm.md``).

It finds more than the tagger of words does, at a tenth of its speed, and needs the extra ``embeddings`` and the
encoder's weights, so it works only when it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from fairlead.pipeline.analysis.name_features import TOKEN
from fairlead.pipeline.analysis.name_network import NameNetwork, best_labels, probabilities
from fairlead.pipeline.analysis.name_states import WordStates
from fairlead.pipeline.analysis.names import Name, names_of

MODEL = Path(__file__).parents[1] / "models" / "names-minilm.npz"
VERSION = "names-minilm/1"
STYLES = {"clean": ("wikigold", 128), "noisy": ("wnut17", 1)}
"""How text is written -> the head that labels it, and how many pieces of it are read together."""


class EncodedTagger:
    """A :class:`~fairlead.pipeline.analysis.names.Tagger`. ``cache`` is the folder for the converted encoder.

    ``find`` raises :class:`fairlead.errors.MissingDependencyError` without the extra or the weights.
    """

    version = VERSION
    alone: float | None = 0.85

    def __init__(self, cache: Path, *, weights: Path | None = None, model: Path = MODEL, threads: int = 2) -> None:
        self._cache = cache
        self._weights = weights
        self._model = model
        self._threads = threads
        self._lock = threading.Lock()
        self._opened: tuple[NameNetwork, WordStates] | None = None

    def find(self, sentences: Sequence[str], style: str = "clean") -> list[list[Name]]:
        """The names in each sentence. A handle (``@somebody``) is an address and not a name."""
        network, encoder = self._open()
        name, window = STYLES[style]
        head = network.heads[name]
        found = [list(TOKEN.finditer(text)) for text in sentences]
        words = [[match.group() for match in matches] for matches in found]
        names: list[list[Name]] = []
        for matches, row, states in zip(found, words, encoder.of(words, window), strict=True):
            if not row:
                names.append([])
                continue
            scores = network.scores(row, states, name)
            best = best_labels(scores, head)
            sure: list[float] = probabilities(scores, head)[range(len(best)), best].tolist()
            places = [match.span() for match in matches]
            every = names_of([head.labels[label] for label in best], places, sure.__getitem__)
            names.append([name for name in every if "@" not in matches[0].string[max(0, name.start - 1) : name.end]])
        return names

    def _open(self) -> tuple[NameNetwork, WordStates]:
        with self._lock:
            if self._opened is None:
                network = NameNetwork.load(self._model)
                encoder = WordStates(self._cache, network.layers, weights=self._weights, threads=self._threads)
                self._opened = network, encoder
            return self._opened
