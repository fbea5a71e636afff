"""Built-in hash embeddings: signed feature hashing of words, word pairs and character n-grams.

Feature hashing after Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009. Features
are CRC-32 of their spelling, so they are the same in every process and on every platform. Counts are damped to
1 + ln(n); what a feature weighs beyond that (its rarity) is learned from the namespace when it is searched. Vectors
stay sparse for retrieval; :func:`dense_vector` folds one into a few hundred signed dimensions where a dense vector is
needed.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

from fairlead.memory.words import STOP_WORDS, surfaces_and_stems

WORD, PAIR, TRIGRAM, FOURGRAM, FIVEGRAM = range(5)
KIND_WEIGHTS = (1.0, 0.5, 0.15, 0.25, 0.25)
"""What each kind of feature weighs, found on SciFact; see bench/memory_quality.py."""

KIND_BITS = 21
"""A feature is kind << 21 | 21 bits of hash: 24 bits, beside 8 bits of count."""

_HASH_MASK = (1 << KIND_BITS) - 1
_GRAM_SIZES = ((3, TRIGRAM), (4, FOURGRAM), (5, FIVEGRAM))


class Analysed(NamedTuple):
    """A text as it is indexed.

    ``terms`` are its stems joined by spaces (for full text), ``length`` their number. ``words`` packs the distinct
    stems: their little-endian 32-bit ids, then a byte of count for each. ``grams`` packs all hashed features as
    little-endian 32-bit numbers, feature << 8 | count. Counts stop at 255.
    """

    terms: str
    length: int
    words: bytes
    grams: bytes


def analyse(text: str) -> Analysed:
    """Everything that indexing needs of a text, in one pass."""
    surfaces, stems = surfaces_and_stems(text)
    counts = Counter(stems)
    features = hash_features(surfaces, stems)
    return Analysed(" ".join(stems), len(stems), pack_words(counts), pack_features(features))


def hash_features(surfaces: list[str], stems: list[str]) -> dict[int, int]:
    """Feature -> count, of the words that say something (stop words are left out)."""
    said = [(surface, stem) for surface, stem in zip(surfaces, stems, strict=True) if surface not in STOP_WORDS]
    features: dict[int, int] = {}
    for stem, count in Counter(stem for _, stem in said).items():
        features[_feature(WORD, stem)] = count
    for pair, count in Counter(f"{a[1]} {b[1]}" for a, b in pairwise(said)).items():
        features[_feature(PAIR, pair)] = count
    for surface, count in Counter(surface for surface, _ in said).items():
        for gram in _grams(surface):
            features[gram] = features.get(gram, 0) + count
    return features


def features_of(text: str) -> dict[int, int]:
    """Feature -> count of a text."""
    return hash_features(*surfaces_and_stems(text))


def dense_vector(features: dict[int, int], dimensions: int) -> list[float]:
    """A vector of length one: each feature adds its damped weight, with its own sign, to one dimension."""
    vector = [0.0] * dimensions
    for feature, count in features.items():
        mixed = crc32(feature.to_bytes(4, "little"))
        sign = 1.0 if mixed & 1 else -1.0
        vector[(mixed >> 1) % dimensions] += sign * KIND_WEIGHTS[feature >> KIND_BITS] * (1 + math.log(count))
    norm = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / norm for x in vector]


def word_id(stem: str) -> int:
    """The 32-bit number of a stem in a namespace's inverted index."""
    return crc32(stem.encode("utf-8", "surrogatepass"))


def pack_words(counts: Counter[str]) -> bytes:
    return _little(map(word_id, counts)) + bytes(min(count, 255) for count in counts.values())


def pack_features(features: dict[int, int]) -> bytes:
    return _little(feature << 8 | min(count, 255) for feature, count in features.items())


def _feature(kind: int, text: str) -> int:
    return kind << KIND_BITS | (crc32(text.encode("utf-8", "surrogatepass")) & _HASH_MASK)


@lru_cache(maxsize=200_000)
def _grams(surface: str) -> tuple[int, ...]:
    framed = f"<{surface}>"
    return tuple(
        _feature(kind, framed[at : at + size]) for size, kind in _GRAM_SIZES for at in range(len(framed) - size + 1)
    )


def _little(numbers: Iterable[int]) -> bytes:
    packed = array("I", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
