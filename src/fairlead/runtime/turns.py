"""Taking turns on an event loop: a thousand at once would hold up everybody else on it."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """At most ``most`` pass in one turn of the loop; the others wait in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._passed = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        """What to wait for; None when the way is free."""
        if self._passed == 0:
            loop.call_soon(self._next, loop)
        self._passed += 1
        if self._passed <= self._most and not self._waiting:
            return None
        turn = loop.create_future()
        self._waiting.append(turn)
        return turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._passed = 0
        while self._waiting and self._passed < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._passed += 1
                turn.set_result(None)
        if self._passed:
            loop.call_soon(self._next, loop)
