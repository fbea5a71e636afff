"""Circuit breaker: closed, open, half-open (Nygard, "Release It!", 2007). Pure: time comes in as an argument."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from fairlead.result import ErrorCategory

OUTAGES = frozenset({ErrorCategory.NETWORK, ErrorCategory.TIMEOUT, ErrorCategory.SERVICE_UNAVAILABLE})
"""What counts against a breaker: the other side did not answer. A refused or wrong request says nothing about it."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerPolicy(NamedTuple):
    """Opens after ``failures`` outages in a row; after ``cooldown`` seconds lets ``probes`` calls through at a time;
    closes after ``successes`` of them, opens again on the first that fails."""

    failures: int = 5
    cooldown: float = 30.0
    probes: int = 1
    successes: int = 1


class Breaker:
    """The state for one destination. Every admitted call must be answered by :meth:`record` or :meth:`withdraw`."""

    __slots__ = ("_failed", "_probing", "_succeeded", "opened_at", "policy", "state")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self.opened_at = 0.0
        self._failed = 0
        self._succeeded = 0
        self._probing = 0

    def admit(self, now: float) -> bool:
        """Whether a call may go through at ``now`` (monotonic seconds)."""
        if self.state is BreakerState.OPEN:
            if now - self.opened_at < self.policy.cooldown:
                return False
            self.state = BreakerState.HALF_OPEN
            self._succeeded = self._probing = 0
        if self.state is BreakerState.HALF_OPEN:
            if self._probing >= self.policy.probes:
                return False
            self._probing += 1
        return True

    def record(self, outage: bool, now: float) -> None:
        """Tells how an admitted call went."""
        if self.state is BreakerState.HALF_OPEN:
            self._probing -= 1
            if outage:
                self._open(now)
                return
            self._succeeded += 1
            if self._succeeded >= self.policy.successes:
                self.state = BreakerState.CLOSED
                self._failed = 0
        elif self.state is BreakerState.CLOSED:
            self._failed = self._failed + 1 if outage else 0
            if self._failed >= self.policy.failures:
                self._open(now)

    def withdraw(self) -> None:
        """An admitted call was cancelled from our side: it proves nothing, and its probe is given back."""
        if self.state is BreakerState.HALF_OPEN:
            self._probing -= 1

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0 when it may now."""
        if self.state is BreakerState.OPEN:
            return max(0.0, self.policy.cooldown - (now - self.opened_at))
        return 0.0

    def _open(self, now: float) -> None:
        self.state = BreakerState.OPEN
        self.opened_at = now
        self._failed = 0
