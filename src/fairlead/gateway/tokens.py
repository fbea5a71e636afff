"""Counting tokens before a call, offline: exact where a vocabulary is at hand, calibrated from returned usage, or
estimated; and labelled as which.

The estimate counts what byte-pair vocabularies tend to make one token of: common words and their pieces, groups of
digits, punctuation, line breaks. Each model's ratio of returned to estimated tokens is tracked by an exponentially
weighted mean, and stored, so that counts for a model in use come close after a few calls.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

_PIECE = re.compile(
    r"(?P<word>[A-Za-z]+)|(?P<number>[0-9]+)|(?P<breaks>\n+)|(?P<spaces>[ \t\r\f\v]+)"
    r"|(?P<other>[^\x00-\x7f]+)|(?P<mark>.)"
)
_MARGIN = 1.35
"""How far above an estimate a reservation goes. Calibrated counts need less."""
_WEIGHT = 0.2
_MESSAGE_OVERHEAD = 8
"""Tokens that a chat template adds per call, in round figures."""


class Count(NamedTuple):
    """A number of tokens. ``most`` is what a reservation should allow for; ``label`` is ``exact``, ``calibrated`` or
    ``estimated``."""

    tokens: int
    most: int
    label: str


def estimate_tokens(text: str) -> int:
    """Tokens of a text for a vocabulary of the usual size, without one. No less than 1 for any text."""
    total = 0.0
    for match in _PIECE.finditer(text):
        kind, length = match.lastgroup, match.end() - match.start()
        if kind == "word":
            total += 1 if length <= 7 else 1 + (length - 7) / 5
        elif kind == "number":
            total += (length + 2) // 3
        elif kind == "spaces":
            # One space belongs to the word behind it; runs make a token of their own.
            total += 0 if length == 1 else 1
        elif kind == "other":
            total += max(1.0, len(match.group().encode()) / 3.2)
        else:
            total += 0.9
    return max(1, round(total))


class TokenCounter:
    """Counts for any model.

    ``exact`` maps model ids to functions that count with the model's own vocabulary. ``ratios`` are stored
    calibrations, (ratio, samples) by model id. Safe to use from any thread.
    """

    def __init__(
        self,
        exact: Mapping[str, Callable[[str], int]] | None = None,
        ratios: Mapping[str, tuple[float, int]] | None = None,
    ) -> None:
        self._exact = dict(exact or {})
        self._ratios = dict(ratios or {})
        self._lock = threading.Lock()

    def restore(self, ratios: Mapping[str, tuple[float, int]]) -> None:
        """Takes stored calibrations in where they rest on more samples than its own."""
        with self._lock:
            for model_id, (ratio, samples) in ratios.items():
                if samples > self._ratios.get(model_id, (1.0, 0))[1]:
                    self._ratios[model_id] = (ratio, samples)

    def count(self, model_id: str, text: str) -> Count:
        """The tokens of ``text`` as ``model_id`` would count them."""
        exact = self._exact.get(model_id)
        if exact is not None:
            tokens = exact(text)
            return Count(tokens, tokens + _MESSAGE_OVERHEAD, "exact")
        return self.scale(model_id, estimate_tokens(text), len(text.encode()))

    def scale(self, model_id: str, estimated: int, size: int) -> Count:
        """A count from an estimate that was already made for a text of ``size`` bytes."""
        ratio, samples = self._ratios.get(model_id, (1.0, 0))
        tokens = max(1, round(estimated * ratio))
        margin = 1.15 if samples >= 5 else _MARGIN
        # No byte-level vocabulary makes more tokens than bytes, which bounds short texts better than a margin.
        most = min(round(tokens * margin) + 16, size) + _MESSAGE_OVERHEAD
        return Count(tokens, max(most, tokens), "calibrated" if samples >= 5 else "estimated")

    def learn(self, model_id: str, estimated: int, returned: int) -> tuple[float, int]:
        """Takes in the usage that a provider returned for a text; returns the model's new (ratio, samples)."""
        if estimated <= 0 or returned <= 0:
            return self._ratios.get(model_id, (1.0, 0))
        with self._lock:
            ratio, samples = self._ratios.get(model_id, (1.0, 0))
            weight = max(_WEIGHT, 1 / (samples + 1))
            # Short texts are mostly chat template: their ratio says little about text.
            observed = min(8.0, max(0.2, returned / estimated))
            ratio += weight * min(1.0, estimated / 50) * (observed - ratio)
            self._ratios[model_id] = (ratio, samples + 1)
            return self._ratios[model_id]


def load_vocabulary(path: str) -> Callable[[str], int]:
    """A counter over a vocabulary file on disk (extra ``tokens``); nothing is downloaded.

    ``path`` names a ``.tiktoken`` file, a Tekken ``.json`` file, or is ``tekken`` for the one that mistral-common
    carries. Raises :class:`MissingDependencyError` without the package that reads it and :class:`NotFoundError` without
    the file.
    """
    from fairlead.errors import MissingDependencyError, NotFoundError

    try:
        return _tekken(path) if path == "tekken" or path.endswith(".json") else _tiktoken(path)
    except ImportError as exc:
        raise MissingDependencyError(
            f"counting with the vocabulary {path!r} needs {exc.name}.",
            remedy="Install it: pip install 'fairlead[tokens]'.",
        ) from exc
    except OSError as exc:
        raise NotFoundError(
            f"the vocabulary file {path!r} cannot be read: {exc}.",
            remedy="Give the path of a .tiktoken or Tekken .json file.",
        ) from exc


def _tiktoken(path: str) -> Callable[[str], int]:
    import base64
    from pathlib import Path

    import tiktoken

    # Read here, because tiktoken's own loader goes through a download cache.
    rows = (line.split() for line in Path(path).read_bytes().splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
    pattern = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    encoding = tiktoken.Encoding(Path(path).stem, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda text: len(encoding.encode_ordinary(text))


def _tekken(path: str) -> Callable[[str], int]:
    from pathlib import Path

    import mistral_common
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    if path == "tekken":
        path = str(sorted((Path(mistral_common.__file__).parent / "data").glob("tekken_*.json"))[-1])
    tekken = Tekkenizer.from_file(path)
    return lambda text: len(tekken.encode(text, bos=False, eos=False))
