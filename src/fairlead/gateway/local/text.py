"""Sentences, words and their weights: the small text tools that the local tier and compression share."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")

_STOPWORDS_TEXT = """
a about above after again against all also am an and any are as at be because been before being below between
both but by can could did do does doing down during each either else ever few for from further had has have
having he her here hers him his how however i if in into is it its itself just may me might more most much
must my no nor not now of off on once only or other our out over own per rather same she should since so some
such than that the their theirs them then there these they this those though through thus to too under until
up upon us very was we were what when where whether which while who whom whose why will with within without
would yet you your
"""
STOPWORDS = frozenset(_STOPWORDS_TEXT.split())

_ABBREVIATIONS_TEXT = """
mr mrs ms dr prof st jr sr gen col lt sgt capt rev hon sen rep gov pres vs etc inc ltd co corp e.g i.e cf fig
no vol ca approx dept est al u.s u.k u.n jan feb mar apr jun jul aug sep sept oct nov dec
"""
_ABBREVIATIONS = frozenset(_ABBREVIATIONS_TEXT.split())
_BOUNDARY = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])|\n{2,}|\n(?=\s*[-*•\d])|(?<=[。！？])")
_LAST_WORD = re.compile(r"([\w.]+)[.!?…][\"'”’)\]]*$")


def sentences(text: str) -> list[str]:
    """The sentences of a text in order. Joined with single spaces they hold every word of it.

    A full stop behind a known abbreviation or a single initial does not end one.
    """
    found: list[str] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        piece = text[start : match.start()].strip()
        if piece and not ("\n" not in match.group() and _unfinished(piece)):
            found.append(piece)
            start = match.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def _unfinished(piece: str) -> bool:
    match = _LAST_WORD.search(piece)
    if match is None or not piece.endswith("."):
        return False
    word = match.group(1).lower()
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")


def words(text: str) -> list[str]:
    """The lower-cased words of a text."""
    return WORD.findall(text.lower())


@functools.lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its common English endings, so that forms of one word meet. Not a dictionary form.

    Follows the first steps of Porter's algorithm (Program 14(3), 1980) in a shortened form.
    """
    if len(word) <= 3 or not word.isascii():
        return word
    for ending in ("'s", "’s"):
        word = word.removesuffix(ending)
    for ending, least, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= least:
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsze":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_ENDINGS = (
    ("ational", 3, "ate"),
    ("ization", 3, "ize"),
    ("fulness", 3, "ful"),
    ("ousness", 3, "ous"),
    ("iveness", 3, "ive"),
    ("sses", 2, "ss"),
    ("ments", 3, ""),
    ("ingly", 3, ""),
    ("edly", 3, ""),
    ("ment", 3, ""),
    ("ness", 3, ""),
    ("ies", 2, "y"),
    ("ied", 2, "y"),
    ("ions", 3, "ion"),
    ("ings", 3, ""),
    ("ing", 3, ""),
    ("ers", 3, "er"),
    ("est", 3, ""),
    ("eed", 2, "ee"),
    ("ed", 3, ""),
    ("ly", 3, ""),
    ("es", 3, "e"),
    ("s", 3, ""),
)


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning; of all words when there are no others."""
    all_words = words(text)
    kept = [stem(w) for w in all_words if w not in STOPWORDS]
    return kept or [stem(w) for w in all_words]


def inverse_frequencies(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """How rare each term is among the documents: log(1 + N / n)."""
    present: Counter[str] = Counter()
    for document in documents:
        present.update(set(document))
    return {term: math.log(1 + len(documents) / n) for term, n in present.items()}


def overlap(a: Counter[str], b: Counter[str], weights: dict[str, float]) -> float:
    """Cosine of two bags of terms under ``weights``."""
    if len(b) < len(a):
        a, b = b, a
    dot = sum(n * b[t] * weights.get(t, 1.0) ** 2 for t, n in a.items() if t in b)
    if dot == 0:
        return 0.0
    norm = math.sqrt(
        sum((n * weights.get(t, 1.0)) ** 2 for t, n in a.items())
        * sum((n * weights.get(t, 1.0)) ** 2 for t, n in b.items())
    )
    return dot / norm
