"""Names of people, organisations, places and works, by the trained tagger that ships (see ``models/names.md``).

The tagger is a linear-chain CRF. One is opened per thread and kept: opening takes milliseconds, and a tagger holds the
sentence that it works on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fairlead.errors import MissingDependencyError
from fairlead.pipeline.analysis.name_features import TOKEN, features

if TYPE_CHECKING:
    import pycrfsuite

MODEL = Path(__file__).parents[1] / "models" / "names.crf"
VERSION = "names/1"
TYPES = {
    "PER": "person", "ORG": "organisation", "LOC": "place", "MISC": "other",
    "person": "person", "group": "organisation", "corporation": "organisation", "location": "place",
    "product": "other", "creative-work": "other",
}  # fmt: skip
"""A label's kind, of the common four or of WNUT-17's six -> what is said of a name."""

_local = threading.local()


class Name(NamedTuple):
    """A name in a text: offsets, one of ``TYPES``'s values, and the probability of its first word's label."""

    start: int
    end: int
    type: str
    confidence: float


class Tagger(Protocol):
    """What finds names. ``version`` is said with each of them.

    From the confidence ``alone`` on, a name in prose (not in a manual) needs no list and no form to speak for it too;
    None when it always does.
    """

    version: str
    alone: float | None

    def find(self, sentences: Sequence[str], style: str = "clean") -> list[list[Name]]:
        """The names in each sentence; the sentences are in the order of their document."""
        ...


class WordTagger:
    """The tagger that looks at words alone; it needs nothing but what is always installed."""

    version = VERSION
    alone: float | None = None

    def find(self, sentences: Sequence[str], style: str = "clean") -> list[list[Name]]:
        return [find_names(text, style) for text in sentences]


def find_names(text: str, style: str = "clean") -> list[Name]:
    """The names in one sentence. ``style`` is ``noisy`` for posts and other unedited text."""
    found = list(TOKEN.finditer(text))
    words = [match.group() for match in found]
    if not words or not worth_tagging(words, style):
        return []
    tagger = _tagger()
    tagger.set(features(words, style))
    labels = tagger.tag()
    places = [match.span() for match in found]
    return names_of(labels, places, lambda i: tagger.marginal(labels[i], i))


def names_of(
    labels: Sequence[str], places: Sequence[tuple[int, int]], confidence: Callable[[int], float]
) -> list[Name]:
    """The names that IOB2 ``labels`` mark; ``places`` are the words' offsets, ``confidence`` is asked by position."""
    names: list[Name] = []
    i = 0
    while i < len(labels):
        if labels[i] == "O":
            i += 1
            continue
        kind, first = labels[i][2:], i
        i += 1
        while i < len(labels) and labels[i] == f"I-{kind}":
            i += 1
        names.append(Name(places[first][0], places[i - 1][1], TYPES[kind], round(confidence(first), 3)))
    return names


def worth_tagging(words: Sequence[str], style: str) -> bool:
    """Edited text without a capital after the first word holds no name worth the time."""
    if style == "noisy":
        return True
    return any(word[0].isupper() and word != "I" for word in words[1:]) or (words[0][0].isupper() and len(words) < 4)


def _tagger() -> pycrfsuite.Tagger:
    tagger = getattr(_local, "tagger", None)
    if tagger is None:
        try:
            import pycrfsuite
        except ImportError as exc:
            raise MissingDependencyError(
                "the tagger of names needs python-crfsuite, which is not installed.",
                remedy="Install it with: pip install python-crfsuite",
            ) from exc
        tagger = pycrfsuite.Tagger()
        tagger.open(str(MODEL))
        _local.tagger = tagger
    return tagger
