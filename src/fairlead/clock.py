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
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
