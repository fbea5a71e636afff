"""Near-duplicates: how much two documents share, from a sketch small enough to journal.

A sketch is the 96 smallest CRC-32 values of the document's five-word shingles; the overlap of two sketches estimates
their Jaccard resemblance (Broder, "On the resemblance and containment of documents", SEQUENCES 1997).
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Sequence

from fairlead.pipeline.text.reading import Sentence

_SIZE = 96
_SHINGLE = 5


def sketch_of(sentences: list[Sentence]) -> list[int]:
    """The sketch, ascending."""
    return sketch_of_words([token.lower() for sentence in sentences for token in sentence.tokens if token[0].isalnum()])


def sketch_of_words(words: Sequence[str]) -> list[int]:
    """The sketch of a run of words."""
    if not words:
        return []
    shingles = {" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))}
    return heapq.nsmallest(_SIZE, {zlib.crc32(shingle.encode()) for shingle in shingles})


def resemblance(one: Sequence[int], other: Sequence[int]) -> float:
    """Estimated Jaccard resemblance, 0 to 1."""
    if not one or not other:
        return 0.0
    size = min(_SIZE, max(len(one), len(other)))
    union = heapq.nsmallest(size, set(one) | set(other))
    both = set(one) & set(other)
    return sum(value in both for value in union) / len(union)


def group(sketches: Sequence[Sequence[int]], *, threshold: float = 0.6) -> list[list[int]]:
    """Indexes grouped by resemblance to the first of each group, in order."""
    groups: list[list[int]] = []
    for i, sketch in enumerate(sketches):
        for members in groups:
            if resemblance(sketches[members[0]], sketch) >= threshold:
                members.append(i)
                break
        else:
            groups.append([i])
    return groups
