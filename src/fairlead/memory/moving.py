"""Moving a namespace's vectors to another index while it serves: shadow first, then 10, 50 and 100 % of the questions.

Both indexes take every change, so the way back is one step and loses nothing. Each question is put to both, and what
the other one would have said is measured: agreement (how many of the serving one's hits it has too) and latency.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from fairlead.errors import UnavailableError
from fairlead.memory.dense import VectorIndex, VectorRow

_log = logging.getLogger(__name__)

SHARES = (0, 10, 50, 100)
_KEPT_LATENCIES = 10_000


class Stage(NamedTuple):
    """What was seen at one share. Latencies in microseconds; None where nothing was measured."""

    share: int
    questions: int
    answered_by_target: int
    agreement: float | None
    source_p50: float | None
    source_p99: float | None
    target_p50: float | None
    target_p99: float | None
    target_failures: int


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


class MovingVectors:
    """A :class:`~fairlead.memory.dense.VectorIndex` that is on its way from ``source`` to ``target``.

    Which of them answers is settled by counting, so a share of 10 is every tenth question. When the target does not
    answer, the source does, and the failure is counted. ``timer`` gives seconds.
    """

    def __init__(
        self, source: VectorIndex, target: VectorIndex, share: int = 0, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self.source = source
        self.target = target
        self.share = share
        self._timer = timer
        self._lock = threading.Lock()
        self._asked = 0
        self._stages: dict[int, _Counts] = {}

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
        self.target.apply(rows, removed)

    def search(self, vector: Any, most: int, allowed: Any = None) -> tuple[Any, Any]:
        with self._lock:
            share = self.share
            turn = self._asked * share // 100 != (self._asked + 1) * share // 100
            self._asked += 1
            counts = self._stages.setdefault(share, _Counts())
        from_source, source_time = self._timed(self.source, vector, most, allowed)
        try:
            from_target, target_time = self._timed(self.target, vector, most, allowed)
        except UnavailableError as exc:
            self._note_failure(counts, exc)
            return from_source
        with self._lock:
            counts.questions += 1
            counts.by_target += turn
            if len(from_source[0]):
                same = set(from_source[0].tolist()) & set(from_target[0].tolist())
                counts.agreement += len(same) / len(from_source[0])
                counts.compared += 1
            if len(counts.source) < _KEPT_LATENCIES:
                counts.source.append(source_time)
                counts.target.append(target_time)
        return from_target if turn else from_source

    def score(self, vector: Any, numbers: Any) -> Any:
        return self.source.score(vector, numbers)

    def report(self) -> list[Stage]:
        """What each stage so far has shown."""
        with self._lock:
            return [_stage(share, counts) for share, counts in self._stages.items()]

    def _timed(self, index: VectorIndex, vector: Any, most: int, allowed: Any) -> tuple[tuple[Any, Any], float]:
        began = self._timer()
        found = index.search(vector, most, allowed)
        return found, (self._timer() - began) * 1e6

    def _note_failure(self, counts: _Counts, exc: UnavailableError) -> None:
        with self._lock:
            counts.questions += 1
            counts.failures += 1
            first = counts.failures == 1
        if first:
            _log.warning("%s The present index answers instead.", exc)


def _stage(share: int, counts: _Counts) -> Stage:
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
    )


def _quantile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
