"""Moving a namespace's vectors, and its words where the target has a place for them, to another index while it serves:
shadow first, then 10, 50 and 100 % of the questions.

Both indexes take every change, so the way back is one step and loses nothing. Each question is put to both, and what
the other one would have said is measured: agreement (how many of the serving one's hits it has too) and latency.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from fairlead.errors import UnavailableError
from fairlead.memory.dense import VectorIndex, VectorRow
from fairlead.memory.postings import WordIndex, WordRow, WordScan

T = TypeVar("T")

_log = logging.getLogger(__name__)

SHARES = (0, 10, 50, 100)
_KEPT_LATENCIES = 10_000


class Stage(NamedTuple):
    """What was seen at one share, of the index ``what``. Latencies in microseconds; None where nothing was measured."""

    share: int
    questions: int
    answered_by_target: int
    agreement: float | None
    source_p50: float | None
    source_p99: float | None
    target_p50: float | None
    target_p99: float | None
    target_failures: int
    what: str = "vectors"


class _Counts:
    """What is being seen at one share."""

    def __init__(self) -> None:
        self.questions = 0
        self.by_target = 0
        self.agreement = 0.0
        self.compared = 0
        self.failures = 0
        self.source: list[float] = []
        self.target: list[float] = []


class _Shadow:
    """Puts each question to both sides, and keeps what was seen at each share.

    Which of them answers is settled by counting, so a share of 10 is every tenth question. When the target does not
    answer, the source does, and the failure is counted.
    """

    def __init__(self, share: int, timer: Callable[[], float]) -> None:
        self.share = share
        self._timer = timer
        self._lock = threading.Lock()
        self._asked = 0
        self._stages: dict[int, _Counts] = {}

    def ask(self, source: Callable[[], T], target: Callable[[], T], numbers: Callable[[T], Any]) -> tuple[T, bool]:
        """(the answer, whether it is the target's); ``numbers`` are the entries that an answer names."""
        with self._lock:
            share = self.share
            turn = self._asked * share // 100 != (self._asked + 1) * share // 100
            self._asked += 1
            counts = self._stages.setdefault(share, _Counts())
        from_source, source_time = self._timed(source)
        try:
            from_target, target_time = self._timed(target)
        except UnavailableError as exc:
            self._note_failure(counts, exc)
            return from_source, False
        with self._lock:
            counts.questions += 1
            counts.by_target += turn
            said = numbers(from_source).tolist()
            if said:
                counts.agreement += len(set(said) & set(numbers(from_target).tolist())) / len(said)
                counts.compared += 1
            if len(counts.source) < _KEPT_LATENCIES:
                counts.source.append(source_time)
                counts.target.append(target_time)
        return (from_target, True) if turn else (from_source, False)

    def report(self, what: str) -> list[Stage]:
        with self._lock:
            return [_stage(share, counts, what) for share, counts in self._stages.items()]

    def _timed(self, ask: Callable[[], T]) -> tuple[T, float]:
        began = self._timer()
        found = ask()
        return found, (self._timer() - began) * 1e6

    def _note_failure(self, counts: _Counts, exc: UnavailableError) -> None:
        with self._lock:
            counts.questions += 1
            counts.failures += 1
            first = counts.failures == 1
        if first:
            _log.warning("%s The present index answers instead.", exc)


class MovingVectors:
    """A :class:`~fairlead.memory.dense.VectorIndex` that is on its way from ``source`` to ``target``; ``timer`` gives
    seconds. Once the target has missed a change it is ``behind``, and asked no more."""

    def __init__(
        self, source: VectorIndex, target: VectorIndex, share: int = 0, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self.source = source
        self.target = target
        self.behind = False
        self._shadow = _Shadow(share, timer)

    def set_share(self, share: int) -> None:
        self._shadow.share = share

    @property
    def dimensions(self) -> int:
        return self.source.dimensions

    @property
    def size(self) -> int:
        return self.source.size + self.target.size

    def numbers(self) -> Any:
        return self.source.numbers()

    def apply(self, rows: Sequence[VectorRow], gone: Iterable[int]) -> None:
        removed = list(gone)
        self.source.apply(rows, removed)
        try:
            self.target.apply(rows, removed)
        except UnavailableError as exc:
            self.behind = True
            _log.warning("%s The present index answers instead.", exc)

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        if self.behind:
            return self.source.search(vector, most, allowed)
        found, _ = self._shadow.ask(
            lambda: self.source.search(vector, most, allowed),
            lambda: self.target.search(vector, most, allowed),
            lambda answer: answer[0],
        )
        return found

    def score(self, vector: Any, numbers: Any) -> Any:
        return self.source.score(vector, numbers)

    def close(self) -> None:
        """Lets go of the target."""
        close = getattr(self.target, "close", None)
        if close is not None:
            close()

    def report(self) -> list[Stage]:
        """What each stage so far has shown."""
        return self._shadow.report("vectors")


class MovingWords:
    """The same for a :class:`~fairlead.memory.postings.WordIndex`."""

    def __init__(
        self, source: WordIndex, target: WordIndex, share: int = 0, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self.source = source
        self.target = target
        self._shadow = _Shadow(share, timer)

    def set_share(self, share: int) -> None:
        self._shadow.share = share

    def numbers(self) -> Any:
        return self.source.numbers()

    def apply(self, rows: Sequence[WordRow], gone: Iterable[int]) -> None:
        self.target.apply(rows, list(gone))

    def close(self) -> None:
        """Lets go of the target."""
        self.target.close()

    def scan(self, terms: Mapping[str, int]) -> WordScan:
        return _MovingScan(self._shadow, self.source.scan(terms), self.target, terms)

    def report(self) -> list[Stage]:
        """What each stage so far has shown."""
        return self._shadow.report("words")


class _MovingScan:
    """One question to both sides: whose candidates are taken, whose shares are, unless it fails in between."""

    def __init__(self, shadow: _Shadow, source: WordScan, target: WordIndex, terms: Mapping[str, int]) -> None:
        self._shadow = shadow
        self._source = source
        self._target = target
        self._terms = terms
        self._begun: WordScan | None = None
        self._by_target = False

    def best(self, most: int, allowed: Any = None) -> Any:
        found, self._by_target = self._shadow.ask(
            lambda: self._source.best(most, allowed), lambda: self._begin().best(most, allowed), lambda numbers: numbers
        )
        return found

    def shares(self, numbers: Any) -> Any:
        if self._by_target:
            try:
                return self._begin().shares(numbers)
            except UnavailableError as exc:
                _log.warning("%s The present index answers instead.", exc)
        return self._source.shares(numbers)

    def _begin(self) -> WordScan:
        if self._begun is None:
            self._begun = self._target.scan(self._terms)
        return self._begun


def _stage(share: int, counts: _Counts, what: str) -> Stage:
    return Stage(
        share,
        counts.questions,
        counts.by_target,
        counts.agreement / counts.compared if counts.compared else None,
        _quantile(counts.source, 0.5),
        _quantile(counts.source, 0.99),
        _quantile(counts.target, 0.5),
        _quantile(counts.target, 0.99),
        counts.failures,
        what,
    )


def _quantile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
