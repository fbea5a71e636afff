"""Where voices meet and where they part: pairs of statements on the same matter by different speakers or documents.

Two statements are on the same matter when they share at least two topic terms that are rare among all statements and
their cosine is high. They part when exactly one of them denies, or when they give different figures of one dimension;
else they meet. Few pairs pass: a brief without this section is better than one with an accord that is not real.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.pipeline.analysis.quantities import quantities_in
from fairlead.pipeline.text.words import fold, words_of

_DENIAL = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|cannot|without|disagree|wrong|false|untrue|against|oppose|fail(?:s|ed)?)\b|n['’]t\b",
    re.IGNORECASE,
)
_AGREE = 0.58
_DIFFER = 0.58
_SAME = 0.97


def denies(text: str) -> bool:
    """Whether a sentence denies something, by its words."""
    return bool(_DENIAL.search(text))


def figures_of(text: str) -> dict[tuple[str, str], set[str]]:
    """Amounts by dimension and base unit."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for quantity in quantities_in(text):
        found[quantity.label, quantity.value["base"]].add(quantity.value["amount"])
    return found


def differ_in(one: str, other: str) -> str:
    """The dimension in which two statements give figures and share none; empty when there is none."""
    first, second = figures_of(one), figures_of(other)
    return next((key[0] for key in sorted(first.keys() & second.keys()) if not first[key] & second[key]), "")


def voice_of(statement: dict[str, Any]) -> str:
    """Who says it: the speaker, else the document."""
    return str(statement.get("speaker") or statement["document"])


def _as_written(term: str, text: str) -> str:
    """The word in ``text`` that a folded term stands for."""
    return next((word for word in words_of(text) if fold(word) == term), term)


def find_pairs(
    statements: Sequence[dict[str, Any]], most: int = 4
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """``(agreements, differences)``, each ``{about, statements: [a, b], closeness, figures?}``; ``figures`` is the
    dimension in which the two give different amounts.
    """
    good = [s for s in statements if s["quality"] >= 0.6 and len(s["terms"]) >= 4][:1200]
    if len({voice_of(s) for s in good}) < 2:
        return [], []
    frequency = Counter(term for s in good for term in s["terms"])
    column = {term: i for i, term in enumerate(sorted(t for t, n in frequency.items() if n >= 2))}
    rows = np.zeros((len(good), max(len(column), 1)), dtype=np.float32)
    for i, s in enumerate(good):
        for term in s["terms"]:
            if term in column:
                rows[i, column[term]] = math.log(1 + len(good) / frequency[term])
        # Divided by the length over all terms, so that two long statements with two words in common stay far apart.
        size = math.sqrt(sum(math.log(1 + len(good) / frequency[term]) ** 2 for term in s["terms"]))
        rows[i] /= size or 1
    closeness = rows @ rows.T
    pairs = sorted(
        ((float(closeness[i, j]), int(i), int(j)) for i, j in np.argwhere(closeness >= _AGREE) if i < j),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    agreements: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    used: set[int] = set()
    for close, i, j in pairs:
        one, other = good[i], good[j]
        shared = sorted(set(one["terms"]) & set(other["terms"]), key=lambda term: (frequency[term], term))
        if voice_of(one) == voice_of(other) or len(shared) < 3 or used & {i, j}:
            continue
        # A question states nothing, so it neither agrees nor differs.
        if one["text"].endswith("?") or other["text"].endswith("?"):
            continue
        figures = differ_in(one["text"], other["text"])
        parted = bool(figures) or denies(one["text"]) != denies(other["text"])
        into = differences if parted else agreements
        alike = into is agreements and close > _SAME
        if alike or (into is differences and (close < _DIFFER or len(shared) < 4)):
            continue
        if len(into) < most:
            into.append(
                {
                    "about": [_as_written(term, one["text"]) for term in shared[:3]],
                    "closeness": round(close, 3),
                    **({"figures": figures} if figures else {}),
                    "statements": [one, other],
                }
            )
            used |= {i, j}
    return agreements, differences
