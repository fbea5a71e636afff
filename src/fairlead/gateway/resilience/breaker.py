"""Circuit breaker per provider: closed, open, half-open with one probe.

Opens after so many failures in a row or so large a share of the last calls; lets one probe through after a cool-down,
and closes when probes succeed. Time comes in as an argument.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class BreakerRules(NamedTuple):
    """When a breaker opens and closes. ``cooldown`` is in seconds; shares are of the last ``window`` calls."""

    failures_in_row: int = 5
    failure_share: float = 0.5
    least_calls: int = 10
    window: int = 50
    cooldown: float = 30.0
    successes_to_close: int = 1


class Breaker:
    """The breaker of one provider. Safe to use from any thread.

    ``changed`` is called with ``opened``, ``half_opened`` or ``closed`` after each change of state.
    """

    def __init__(self, rules: BreakerRules, changed: Callable[[str], None] = lambda state: None) -> None:
        self._rules = rules
        self._changed = changed
        self._lock = threading.Lock()
        self._outcomes: deque[bool] = deque(maxlen=rules.window)
        self._in_row = 0
        self._opened = 0.0
        self._probing = False
        self._successes = 0
        self.state = "closed"

    def admits(self, now: float) -> bool:
        """Whether a call may be made. In the half-open state the first caller becomes the probe, and must then report
        with :meth:`record` or :meth:`forget`."""
        with self._lock:
            if self.state == "closed":
                return True
            if self.state == "open" and now - self._opened >= self._rules.cooldown:
                self._enter("half_open")
            if self.state == "half_open" and not self._probing:
                self._probing = True
                return True
            return False

    def would_admit(self, now: float) -> bool:
        """:meth:`admits` without becoming the probe."""
        with self._lock:
            if self.state == "open":
                return now - self._opened >= self._rules.cooldown
            return self.state == "closed" or not self._probing

    def record(self, ok: bool, now: float) -> None:
        """Takes in how a call went."""
        with self._lock:
            self._probing = False
            if self.state == "half_open":
                self._after_probe(ok, now)
                return
            self._outcomes.append(ok)
            self._in_row = 0 if ok else self._in_row + 1
            if self.state == "closed" and self._should_open():
                self._open(now)

    def forget(self) -> None:
        """Gives a probe back that says nothing about the provider, such as a call that its caller cancelled."""
        with self._lock:
            self._probing = False

    def _after_probe(self, ok: bool, now: float) -> None:
        if not ok:
            self._open(now)
            return
        self._successes += 1
        if self._successes >= self._rules.successes_to_close:
            self._outcomes.clear()
            self._in_row = 0
            self._enter("closed")

    def _should_open(self) -> bool:
        if self._in_row >= self._rules.failures_in_row:
            return True
        failures = self._outcomes.count(False)
        return len(self._outcomes) >= self._rules.least_calls and failures >= self._rules.failure_share * len(
            self._outcomes
        )

    def _open(self, now: float) -> None:
        self._opened = now
        self._enter("open")

    def _enter(self, state: str) -> None:
        self.state = state
        self._successes = 0
        self._changed({"open": "opened", "half_open": "half_opened", "closed": "closed"}[state])
