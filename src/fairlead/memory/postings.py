"""The inverted index of one namespace, in memory: segments of postings that merge as they grow.

It is derived: built from what the database keeps for each entry, and brought up to date by reading what is stamped
later. New entries become a small segment; neighbouring segments of similar size are merged, so their number stays
logarithmic (O'Neil et al., "The Log-Structured Merge-Tree", 1996). Numpy is imported when an index is first built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fairlead.memory.lexical import K1, B, inverse_document_frequency

_MERGE_RATIO = 4
TERMS_MOST = 24
"""Query terms that are scored, the rarest first."""


class Segment:
    """Postings of some entries; its arrays never change, only ``alive`` does.

    ``seqs`` are the entries' numbers in increasing order. ``keys`` are the distinct word ids in order; those of
    ``keys[i]`` stand in ``entries[starts[i]:starts[i + 1]]`` (positions in ``seqs``) with their ``counts``.
    """

    __slots__ = ("_normed", "alive", "counts", "entries", "keys", "lengths", "seqs", "starts")

    def __init__(self, seqs: Any, lengths: Any, entries: Any, words: Any, counts: Any) -> None:
        """``entries``, ``words`` and ``counts`` are parallel: one posting each, in any order."""
        import numpy as np

        self.seqs = seqs
        self.lengths = lengths
        self._normed: tuple[float, Any] | None = None
        self.alive = np.ones(len(seqs), dtype=bool)
        order = np.argsort(words, kind="stable")
        ordered = words[order]
        self.entries = entries[order]
        self.counts = counts[order]
        first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else order
        self.keys = ordered[first]
        self.starts = np.append(first, len(ordered))

    def __len__(self) -> int:
        return len(self.seqs)

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        arrays = (self.seqs, self.lengths, self.alive, self.entries, self.counts, self.keys, self.starts)
        return int(sum(a.nbytes for a in arrays))

    def spans(self, words: Any) -> tuple[Any, Any]:
        """Where the postings of each word begin and end."""
        import numpy as np

        if not len(self.keys):
            return np.zeros(len(words), np.int64), np.zeros(len(words), np.int64)
        at = self.keys.searchsorted(words)
        at[at == len(self.keys)] = 0
        begins, ends = self.starts[at], self.starts[at + 1]
        return begins, np.where(self.keys[at] == words, ends, begins)

    def scores(self, begins: Any, ends: Any, weights: Any, mean: float) -> Any:
        """Sums of weight * count / (count + norm) over the postings of some words, of every entry."""
        import numpy as np

        spans = list(zip(begins.tolist(), ends.tolist(), strict=True))
        if not any(begin < end for begin, end in spans):
            return np.zeros(len(self), np.float32)
        entries = np.concatenate([self.entries[begin:end] for begin, end in spans])
        counts = np.concatenate([self.counts[begin:end] for begin, end in spans]).astype(np.float32)
        parts = np.repeat(weights.astype(np.float32), ends - begins) * counts
        parts /= counts + self._norms(mean).take(entries)
        return np.bincount(entries, parts, len(self)).astype(np.float32)

    def _norms(self, mean: float) -> Any:
        """What BM25 adds to a count for each entry's length, remembered until the mean length changes."""
        import numpy as np

        kept = self._normed
        if kept is None or kept[0] != mean:
            kept = self._normed = (mean, self.lengths * np.float32(K1 * B / mean) + np.float32(K1 * (1 - B)))
        return kept[1]

    def postings(self) -> tuple[Any, Any, Any]:
        """(entries, words, counts) of living entries, as the constructor takes them, entries renumbered."""
        import numpy as np

        words = np.repeat(self.keys, np.diff(self.starts))
        if self.alive.all():
            return self.entries, words, self.counts
        renumbered = np.cumsum(self.alive, dtype=np.int32) - 1
        kept = self.alive[self.entries]
        return renumbered[self.entries[kept]].astype(np.int32), words[kept], self.counts[kept]


class WordRow(NamedTuple):
    """One entry as the database keeps it: number, words in its text, and the packed distinct stems."""

    seq: int
    length: int
    words: bytes


class WordScan(Protocol):
    """The scores of one question, as shares of the most that any entry could reach, 0 to 1.

    ``best`` gives the numbers of the best ``most`` entries, unordered, among ``allowed`` (a sorted array of numbers, or
    None for all); ``shares`` those of given entries, in their order, 0 for one that is not here.
    """

    def best(self, most: int, allowed: Any = None) -> Any: ...
    def shares(self, numbers: Any) -> Any: ...


class WordIndex(Protocol):
    """What ranks the entries of one namespace by the words of a question, with BM25.

    ``apply`` takes in new or changed rows and removes numbers; ``scan`` begins a question (term -> word id). Every
    adapter passes ``fairlead.testing.words.check_word_index``.
    """

    def apply(self, rows: Sequence[WordRow], gone: Iterable[int]) -> None: ...
    def scan(self, terms: Mapping[str, int]) -> WordScan: ...
    def numbers(self) -> Any: ...
    def close(self) -> None: ...


class Postings:
    """BM25 over the living entries of one namespace, in memory."""

    def __init__(self) -> None:
        self.segments: tuple[Segment, ...] = ()
        self.count = 0
        self.words = 0

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)

    def apply(self, rows: Sequence[WordRow], gone: Iterable[int]) -> None:
        """Takes in new or changed entries and lets go of those that are gone."""
        numbers = [row.seq for row in rows]
        self._kill([*gone, *numbers])
        if rows:
            segments = [*self.segments, _make_segment(sorted(rows))]
            while len(segments) > 1 and len(segments[-2]) < _MERGE_RATIO * len(segments[-1]):
                segments[-2:] = [_merge(segments[-2], segments[-1])]
            self.segments = tuple(segments)
            self.count += len(rows)
            self.words += sum(row.length for row in rows)

    def numbers(self) -> Any:
        """The sorted numbers of the living entries."""
        import numpy as np

        return np.sort(np.concatenate([np.empty(0, np.int64), *(s.seqs[s.alive] for s in self.segments)]))

    def close(self) -> None:
        """Nothing of it is outside of this process."""

    def _kill(self, numbers: Sequence[int]) -> None:
        import numpy as np

        wanted = np.array(sorted(set(numbers)), dtype=np.int64)
        for segment in self.segments:
            at = np.searchsorted(segment.seqs, wanted)
            at[at == len(segment)] = 0
            hit = at[(segment.seqs[at] == wanted) & segment.alive[at]] if len(segment) else at[:0]
            segment.alive[hit] = False
            self.count -= len(hit)
            self.words -= int(segment.lengths[hit].sum())

    def scan(self, terms: Mapping[str, int]) -> Scan:
        """BM25 of every entry for terms (term -> word id), the rarest of them only."""
        import numpy as np

        words = np.fromiter(terms.values(), np.uint32, len(terms))
        found = [(segment, segment.spans(words)) for segment in self.segments if len(segment)]
        documents = sum((ends - begins for _, (begins, ends) in found), np.zeros(len(words), np.int64))
        weights = np.array([inverse_document_frequency(self.count, n) for n in documents.tolist()])
        chosen = np.argsort(-weights, kind="stable")[:TERMS_MOST]
        mean = self.words / max(self.count, 1) or 1.0
        bound = float(weights.sum()) * (K1 + 1) or 1.0
        shares = weights[chosen] * (K1 + 1) / bound
        scored = [(s, s.scores(begins[chosen], ends[chosen], shares, mean)) for s, (begins, ends) in found]
        return Scan(scored)


class Scan:
    """The scores of one query over all segments, as shares of the most that any entry could reach, 0 to 1."""

    def __init__(self, scored: list[tuple[Segment, Any]]) -> None:
        self._scored = scored

    def best(self, most: int, allowed: Any = None) -> Any:
        """The numbers of the best ``most`` entries, unordered; ``allowed`` is a sorted array of numbers, or None."""
        import numpy as np

        numbers, scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for segment, of_segment in self._scored:
            candidates = _promising(segment, of_segment, most, allowed)
            chosen = candidates[_largest(of_segment[candidates], most)]
            numbers.append(segment.seqs[chosen])
            scores.append(of_segment[chosen])
        return np.concatenate(numbers)[_largest(np.concatenate(scores), most)]

    def shares(self, numbers: Any) -> Any:
        """The shares of given entries, in their order; 0 for one that is not here."""
        import numpy as np

        shares = np.zeros(len(numbers), np.float32)
        for segment, of_segment in self._scored:
            at = np.searchsorted(segment.seqs, numbers)
            at[at == len(segment)] = 0
            here = (segment.seqs[at] == numbers) & segment.alive[at]
            shares[here] = of_segment[at[here]]
        return shares


def _make_segment(rows: Sequence[WordRow]) -> Segment:
    import numpy as np

    seqs = np.array([row.seq for row in rows], dtype=np.int64)
    lengths = np.array([row.length for row in rows], dtype=np.float32)
    sizes = np.array([len(row.words) // 5 for row in rows], dtype=np.int64)
    entries = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)
    words = np.frombuffer(b"".join(row.words[: len(row.words) // 5 * 4] for row in rows), dtype="<u4")
    counts = np.frombuffer(b"".join(row.words[len(row.words) // 5 * 4 :] for row in rows), dtype=np.uint8)
    return Segment(seqs, lengths, entries, words, counts)


def _merge(a: Segment, b: Segment) -> Segment:
    import numpy as np

    parts = (a.postings(), b.postings())
    seqs = np.concatenate([a.seqs[a.alive], b.seqs[b.alive]])
    lengths = np.concatenate([a.lengths[a.alive], b.lengths[b.alive]])
    shifted = parts[1][0] + np.int32(a.alive.sum())
    entries = np.concatenate([parts[0][0], shifted])
    words, counts = (np.concatenate([parts[0][n], parts[1][n]]) for n in (1, 2))
    order = np.argsort(seqs, kind="stable")
    if (np.diff(order) != 1).any():
        # Changed entries come back with their old numbers, so the later segment may reach into the earlier one.
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        seqs, lengths, entries = seqs[order], lengths[order], rank[entries]
    return Segment(seqs, lengths, entries, words, counts)


def _promising(segment: Segment, scores: Any, most: int, allowed: Any) -> Any:
    """Positions of living, allowed entries with a score, among them the best ``most``.

    Few entries come near the best one, so those are looked for first: ordering the many with low scores takes longer
    than looking twice.
    """
    best = float(scores.max())
    for least in (best / 2, best / 4, 0.0):
        found = (scores > least).nonzero()[0]
        found = found[segment.alive[found]]
        if allowed is not None:
            found = found[_contained(segment.seqs[found], allowed)]
        if len(found) >= most:
            break
    return found


def _contained(numbers: Any, allowed: Any) -> Any:
    if not len(allowed):
        return numbers < 0
    at = allowed.searchsorted(numbers)
    at[at == len(allowed)] = 0
    return allowed[at] == numbers


def _largest(scores: Any, most: int) -> Any:
    import numpy as np

    if len(scores) > most:
        return np.argpartition(scores, len(scores) - most)[len(scores) - most :]
    return np.arange(len(scores))
