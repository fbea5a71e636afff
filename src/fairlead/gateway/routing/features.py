"""Features of a prompt for the difficulty model: hashed words and word pairs, and the shape of the text.

Nothing here is learnt, so a prompt's features never change. A term is known by its CRC-32, so that a model stores
numbers and never words of somebody's prompts; shape is a vector of plain measurements.
"""

from __future__ import annotations

import itertools
import math
import re
from zlib import crc32

_WORD = re.compile(r"\w+|[=+*/^<>%$]")
_LETTERS = re.compile(r"[^\W\d_]+")
_SENTENCE_END = re.compile(r"[.?!](?:\s|$)")
_OPTION = re.compile(r"^\s*(?:[A-Z]|\d+)[.)]\s+(.*)$", re.MULTILINE)
_NEGATION = frozenset({"not", "except", "least", "never", "no", "cannot", "without", "false"})
_SYMBOLS = frozenset("+-*/=^<>()[]{}$%|_\\")

SHAPE = (
    "log_characters",
    "log_question_characters",
    "digit_share",
    "log_digits",
    "symbol_share",
    "log_symbols",
    "log_lines",
    "capital_share",
    "mean_word_length",
    "longest_word",
    "distinct_share",
    "log_mean_option",
    "log_spread_of_options",
    "numeric_options",
    "options",
    "negation",
    "question_mark",
    "blank",
    "formula",
    "sentences",
)
"""Names of the shape measurements, in order."""


def hashed_terms(text: str) -> set[int]:
    """Hashes of the lower-cased words and neighbouring pairs of a text. How often one occurs says little more."""
    words = _WORD.findall(text.lower())
    return {crc32(term.encode()) for term in (*words, *map(" ".join, itertools.pairwise(words)))}


def shape(text: str) -> list[float]:
    """The measurements named in :data:`SHAPE`."""
    options = _OPTION.findall(text)
    match = _OPTION.search(text)
    question = text[: match.start()] if match and match.start() > 0 else text
    words = _LETTERS.findall(text)
    lengths = [len(w) for w in words] or [0]
    option_lengths = [len(o) for o in options] or [0]
    mean_option = sum(option_lengths) / len(option_lengths)
    spread = math.sqrt(sum((x - mean_option) ** 2 for x in option_lengths) / len(option_lengths))
    size = max(1, len(text))
    digits = sum(map(str.isdigit, text))
    symbols = sum(c in _SYMBOLS for c in text)
    asked = question.lower()
    return [
        math.log1p(len(text)),
        math.log1p(len(question)),
        digits / size,
        math.log1p(digits),
        symbols / size,
        math.log1p(symbols),
        math.log1p(text.count("\n")),
        sum(w[0].isupper() for w in words) / max(1, len(words)),
        sum(lengths) / len(lengths),
        float(max(lengths)),
        len({w.lower() for w in words}) / max(1, len(words)),
        math.log1p(mean_option),
        math.log1p(spread),
        sum(any(map(str.isdigit, o)) for o in options) / max(1, len(options)),
        float(len(options)),
        float(not _NEGATION.isdisjoint(re.findall(r"[a-z]+", asked))),
        float("?" in question),
        float("__" in question),
        float(bool(re.search(r"[=^\\]|\d\s*[+*/]\s*\d", text))),
        float(len(_SENTENCE_END.findall(question))),
    ]
