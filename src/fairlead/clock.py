"""Clock: where time comes from. Code that decides receives one and never reads the machine's clock itself."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    # A protocol means something to a type checker only; the module that defines it costs a command line 8 ms.
    Protocol = object


class Clock(Protocol):
    """Wall time for records, monotonic time for durations; both in seconds."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary point; never goes back."""


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def isoformat(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-01-31T09:05:00.123Z``."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    t = time.gmtime(whole)
    return (
        f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
        f".{micros // 1000:03d}Z"
    )
