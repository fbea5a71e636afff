"""How fast work goes and how long the rest takes, from counts of what is settled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEMORY = 0.7
"""Share of the old rate that a new look keeps: the estimate follows a change within some looks, and does not jump."""


class Pace:
    """Counts of jobs by status, looked at from time to time, into a rate and a remaining time."""

    def __init__(self, now: float) -> None:
        self._began = self._last_time = now
        self._last_settled = 0
        self._rate: float | None = None

    def state(self, counts: Mapping[str, int], now: float) -> dict[str, Any]:
        """``{done, failed, cancelled, waiting, total, rate, remaining_s, elapsed_s}``.

        ``rate`` is jobs per second lately; it and ``remaining_s`` are None until something was settled.
        """
        settled = sum(counts.get(status, 0) for status in ("done", "error", "cancelled"))
        waiting = sum(counts.get(status, 0) for status in ("pending", "running"))
        passed = now - self._last_time
        if passed > 0 and (settled > self._last_settled or self._rate is not None):
            lately = (settled - self._last_settled) / passed
            if self._rate is None:
                lately = settled / max(now - self._began, 1e-9)
            self._rate = lately if self._rate is None else _MEMORY * self._rate + (1 - _MEMORY) * lately
            self._last_time, self._last_settled = now, settled
        rate = self._rate
        return {
            "done": counts.get("done", 0),
            "failed": counts.get("error", 0),
            "cancelled": counts.get("cancelled", 0),
            "waiting": waiting,
            "total": settled + waiting,
            "rate": None if rate is None else round(rate, 3),
            "remaining_s": 0.0 if not waiting else round(waiting / rate, 1) if rate else None,
            "elapsed_s": round(now - self._began, 3),
        }
