"""Circuit breaker: closed, open, half-open (Nygard, "Release It!", 2007). Pure: time comes in as an argument."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerPolicy(NamedTuple):
    """Opens after ``failures`` outages in a row, or when ``share`` of the last ``window`` calls (at least
    ``least_calls`` of them) were outages; ``share`` 0 leaves that out. After ``cooldown`` seconds lets ``probes`` calls
    through at a time; closes after ``successes`` of them, opens again on the first that fails."""

    failures: int = 5
    cooldown: float = 30.0
    probes: int = 1
    successes: int = 1
    share: float = 0.0
    least_calls: int = 10
    window: int = 50


class Breaker:
    """The state for one destination, safe to use from any thread.

    Every admitted call must be answered by :meth:`record` or :meth:`withdraw`. ``changed`` is called with ``opened``,
    ``half_opened`` or ``closed`` at each change of state.
    """

    __slots__ = ("_changed", "_failed", "_lock", "_opened_at", "_outcomes", "_probing", "_succeeded", "policy", "state")

    def __init__(self, policy: BreakerPolicy, changed: Callable[[str], None] | None = None) -> None:
        self.policy = policy
        self.state = BreakerState.CLOSED
        self._changed = changed
        self._lock = threading.Lock()
        self._opened_at = 0.0
        self._failed = self._probing = self._succeeded = 0
        self._outcomes: deque[bool] = deque(maxlen=policy.window)

    def admit(self, now: float) -> bool:
        """Whether a call may go through at ``now`` (monotonic seconds). One that may while half-open is a probe."""
        with self._lock:
            if self.state is BreakerState.OPEN:
                if now - self._opened_at < self.policy.cooldown:
                    return False
                self._enter(BreakerState.HALF_OPEN)
            if self.state is BreakerState.HALF_OPEN:
                if self._probing >= self.policy.probes:
                    return False
                self._probing += 1
            return True

    def would_admit(self, now: float) -> bool:
        """:meth:`admit` without becoming a probe."""
        with self._lock:
            if self.state is BreakerState.OPEN:
                return now - self._opened_at >= self.policy.cooldown
            return self.state is BreakerState.CLOSED or self._probing < self.policy.probes

    def record(self, outage: bool, now: float) -> None:
        """Tells how an admitted call went."""
        with self._lock:
            if self.state is BreakerState.HALF_OPEN:
                self._after_probe(outage, now)
            elif self.state is BreakerState.CLOSED:
                self._outcomes.append(outage)
                self._failed = self._failed + 1 if outage else 0
                if self._should_open():
                    self._open(now)

    def withdraw(self) -> None:
        """An admitted call proved nothing, for example because its caller cancelled it: its probe is given back."""
        with self._lock:
            if self.state is BreakerState.HALF_OPEN:
                self._probing = max(0, self._probing - 1)

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0 when it may now."""
        if self.state is BreakerState.OPEN:
            return max(0.0, self.policy.cooldown - (now - self._opened_at))
        return 0.0

    def _after_probe(self, outage: bool, now: float) -> None:
        # An answer to a call that was admitted before the breaker opened is not a probe's, and is told all the same.
        self._probing = max(0, self._probing - 1)
        if outage:
            self._open(now)
            return
        self._succeeded += 1
        if self._succeeded >= self.policy.successes:
            self._failed = 0
            self._outcomes.clear()
            self._enter(BreakerState.CLOSED)

    def _should_open(self) -> bool:
        policy = self.policy
        if self._failed >= policy.failures:
            return True
        if not policy.share or len(self._outcomes) < policy.least_calls:
            return False
        return self._outcomes.count(True) >= policy.share * len(self._outcomes)

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._failed = 0
        self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self._succeeded = self._probing = 0
        if self._changed is not None:
            self._changed({"open": "opened", "half_open": "half_opened", "closed": "closed"}[state])
