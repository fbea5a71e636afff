"""What the sentence encoder makes of each word: the frozen states of some layers. Needs the extra ``embeddings``.

A word's state is the mean over its pieces. Sentences are read together with their neighbours, as many as fit into a
window, since a name is often explained one sentence earlier.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.memory.minilm import open_network

_MOST_PIECES = 250
_BATCH_PIECES = 2048
_FIRST, _LAST = 101, 102
"""The pieces that open and close what the encoder reads."""

Floats = NDArray[np.float32]


class WordStates:
    """States of words by all-MiniLM-L6-v2. ``cache`` is the folder for the converted network.

    The session is opened at the first use; raises :class:`fairlead.errors.MissingDependencyError` without the extra or
    the weights.
    """

    def __init__(self, cache: Path, layers: Sequence[int], *, weights: Path | None = None, threads: int = 2) -> None:
        self.layers = tuple(layers)
        self._cache = cache
        self._weights = weights
        self._threads = threads
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any] | None = None

    def of(self, sentences: Sequence[Sequence[str]], window: int) -> list[Floats]:
        """One array of [words, 384 * layers] per sentence, the sentences being in the order of their document.

        ``window`` is how many pieces are read together; a sentence that is longer is read alone, and what is beyond
        250 pieces of it gets zeros.
        """
        tokenizer, session = self._network()
        pieces = [_pieces(tokenizer, words) for words in sentences]
        windows = _windows([len(ids) for ids, _ in pieces], window)
        states = [np.zeros((len(words), 384 * len(self.layers)), np.float32) for words in sentences]
        for batch in _batches([sum(len(pieces[at][0]) for at in group) + 2 for group in windows]):
            groups = [windows[at] for at in batch]
            rows = [[_FIRST, *(i for at in group for i in pieces[at][0]), _LAST] for group in groups]
            longest = max(map(len, rows))
            ids, mask = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.int64)
            for place, row in enumerate(rows):
                ids[place, : len(row)] = row
                mask[place, : len(row)] = 1
            found = session.run(None, {"ids": ids, "mask": mask})[0]
            for place, group in enumerate(groups):
                start = 1
                for at in group:
                    words = pieces[at][1]
                    _mean_by_word(found[place, start : start + len(words)], words, states[at])
                    start += len(words)
        return states

    def _network(self) -> tuple[Any, Any]:
        with self._lock:
            if self._opened is None:
                self._opened = open_network(self._cache, self._weights, self._threads, self.layers)
            return self._opened


def _pieces(tokenizer: Any, words: Sequence[str]) -> tuple[list[int], list[int]]:
    """(ids of the pieces, the word that each is of)."""
    encoding = tokenizer.encode(list(words), is_pretokenized=True, add_special_tokens=False)
    return encoding.ids[:_MOST_PIECES], encoding.word_ids[:_MOST_PIECES]


def _windows(lengths: Sequence[int], window: int) -> list[list[int]]:
    groups: list[list[int]] = []
    size = 0
    for at, length in enumerate(lengths):
        if not groups or size + length > window:
            groups.append([])
            size = 0
        groups[-1].append(at)
        size += length
    return groups


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Places of windows of like length together, so that little is padded."""
    batches: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lambda at: lengths[at]):
        if not batches or (len(batches[-1]) + 1) * lengths[at] > _BATCH_PIECES:
            batches.append([])
        batches[-1].append(at)
    return batches


def _mean_by_word(found: Floats, words: Sequence[int], into: Floats) -> None:
    counts = np.bincount(words, minlength=len(into)).astype(np.float32)
    np.add.at(into, words, found)
    into /= np.maximum(counts, 1)[:, None]
