"""BM25 as a share of what the query could reach at most: pure functions.

After Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. The inverse document
frequency is the one that stays positive, ln(1 + (N - n + 0.5) / (n + 0.5)).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

K1 = 1.2
B = 0.75

RAREST_TERMS = 12
"""Terms of a query that full text looks up: a common word costs a scan of its long list and tells little."""


def inverse_document_frequency(total: int, documents: int) -> float:
    """Weight of a term that ``documents`` of ``total`` have; positive, the larger the rarer."""
    total = max(total, documents)
    return math.log(1 + (total - documents + 0.5) / (documents + 0.5))


def bm25_share(words: Sequence[str], weights: Mapping[str, float], mean_length: float) -> float:
    """BM25 of an entry's ``words`` for query terms with ``weights``, over its upper bound: from 0 to 1."""
    most = sum(weights.values()) * (K1 + 1)
    if most <= 0 or not words:
        return 0.0
    counts = Counter(word for word in words if word in weights)
    norm = K1 * (1 - B + B * len(words) / max(mean_length, 1.0))
    return sum(weights[term] * n * (K1 + 1) / (n + norm) for term, n in counts.items()) / most


def rarest(weights: Mapping[str, float], counts: Mapping[str, int], most: int = RAREST_TERMS) -> list[str]:
    """Those terms that occur at all, the rarest first."""
    present = [term for term in weights if counts.get(term, 0) > 0]
    return sorted(present, key=lambda term: -weights[term])[:most]
