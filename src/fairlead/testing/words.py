"""What every index of words must do, whatever stands behind it. Needs numpy, nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.memory.postings import WordIndex, WordRow

TEXTS = (
    "The pilot boat waits outside the harbour for the big ships.",
    "parseHTTPRequest reads max_retries and calls retry_policy twice.",
    "A harbour is where ships wait; a harbour pilot brings them in, ship by ship by ship.",
    "Ropes, ropes, ropes, and a fairlead to keep the ropes apart.",
    "\u6771\u4eac\u6e2f\u306f\u5927\u304d\u3044\u6e2f\u3067\u3059\u3002",
    "max_retries is three.",
    "\u2014 \u2026 !",
)
QUESTIONS = (
    "harbour pilot",
    "How many ships wait in the harbour?",
    "retries",
    "parse an http request",
    "\u6771\u4eac\u6e2f",
    "ropes and a fairlead",
    "nothing of all this: xylophone",
)


def check_word_index(make: Callable[[], WordIndex]) -> None:
    """Raises AssertionError when an index made by ``make()`` breaks the port's promises."""
    import numpy as np

    index = make()
    rows = {10 + n: _row(10 + n, text) for n, text in enumerate(TEXTS)}
    assert index.scan(_terms("harbour")).best(5).tolist() == [], "an empty index finds nothing"
    assert index.scan(_terms("harbour")).shares(np.array([10])).tolist() == [0], "an absent number has no share"
    index.apply(list(rows.values())[:4], [])
    index.apply(list(rows.values())[4:], [])
    assert index.numbers().tolist() == sorted(rows), "an entry without a word is there too"
    _check_ranking(index, rows)
    scan = index.scan(_terms("ropes harbour retries"))
    allowed = np.array([11, 12])
    assert sorted(scan.best(10, allowed).tolist()) == [11, 12], "a filter is never passed by"
    assert scan.best(10, np.array([], np.int64)).tolist() == [], "nothing is found where nothing is allowed"
    assert len(scan.best(2)) == 2, "as many are given as were asked for"
    _check_changes(index, rows)


def _check_ranking(index: WordIndex, rows: Mapping[int, WordRow]) -> None:
    import numpy as np

    numbers = np.array(sorted(rows))
    for question in QUESTIONS:
        terms = _terms(question)
        expected = _bm25(rows, list(terms.values()))
        scan = index.scan(terms)
        shares = scan.shares(numbers)
        assert np.abs(shares - np.array([expected[n] for n in numbers.tolist()])).max() < 1e-5, f"BM25 of {question!r}"
        found = {n for n, share in expected.items() if share > 0}
        assert set(scan.best(len(rows)).tolist()) == found, f"all that have a word of {question!r}"
        best = sorted(scan.best(2).tolist())
        least = sorted(expected.values())[-2]
        assert all(expected[n] >= least - 1e-6 for n in best), f"the best two of {question!r}"


def _check_changes(index: WordIndex, rows: dict[int, WordRow]) -> None:
    import numpy as np

    index.apply([], [13])
    assert index.scan(_terms("ropes")).best(5).tolist() == [], "what is gone is not found"
    index.apply([_row(12, "A lighthouse, alone.")], [])
    assert index.scan(_terms("lighthouse")).best(5).tolist() == [12], "a number may come back changed"
    assert 12 not in index.scan(_terms("pilot")).best(5).tolist(), "a changed entry has only its new words"
    index.apply([_row(99, "A lighthouse far out.")], [99])
    assert sorted(index.scan(_terms("lighthouse")).best(5).tolist()) == [12, 99], "what was never there may go"
    assert index.numbers().tolist() == sorted({*rows, 99} - {13})
    assert index.scan(_terms("lighthouse")).shares(np.array([13, 12, 7]))[[0, 2]].tolist() == [0, 0]


def _row(seq: int, text: str) -> WordRow:
    from fairlead.memory.features import analyse
    from fairlead.memory.postings import WordRow

    analysed = analyse(text)
    return WordRow(seq, analysed.length, analysed.words)


def _terms(question: str) -> dict[str, int]:
    from fairlead.memory.features import word_id
    from fairlead.memory.words import query_stems

    return {term: word_id(term) for term in query_stems(question)}


def _bm25(rows: Mapping[int, WordRow], words: list[int]) -> dict[int, float]:
    """Shares by the textbook (Robertson and Zaragoza, 2009), over the most that an entry could reach."""
    from fairlead.memory.lexical import K1, B

    counts = {seq: _counts(row) for seq, row in rows.items()}
    mean = sum(row.length for row in rows.values()) / len(rows)
    having = {word: sum(word in found for found in counts.values()) for word in words}
    weights = {word: math.log(1 + (len(rows) - n + 0.5) / (n + 0.5)) for word, n in having.items()}
    shares: dict[int, float] = {}
    for seq, found in counts.items():
        norm = K1 * (1 - B + B * rows[seq].length / mean)
        shares[seq] = sum(weights[w] * found[w] / (found[w] + norm) for w in words if found[w]) / sum(weights.values())
    return shares


def _counts(row: WordRow) -> Counter[int]:
    distinct = len(row.words) // 5
    ids: Any = memoryview(row.words[: 4 * distinct])
    words = [int.from_bytes(ids[4 * n : 4 * n + 4], "little") for n in range(distinct)]
    return Counter(dict(zip(words, row.words[4 * distinct :], strict=True)))
