"""Messages that an operator steers a run with: queued once, taken at safe points, receipted."""

from __future__ import annotations

from collections import deque

from fairlead.runtime.ledger import Ledger


class Inbox:
    """The messages of one run. What was queued or delivered before is not repeated."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[tuple[str, str]] = deque()
        self._known: set[str] = set()

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._known

    def put(self, message_id: str, text: str, *, delivered: bool = False) -> None:
        """Queues a message, or only remembers that it was delivered earlier."""
        if message_id not in self._known and not delivered:
            self._waiting.append((message_id, text))
        self._known.add(message_id)

    def take(self, step: str) -> list[str]:
        """Takes what waits; each receipt is an event."""
        taken = list(self._waiting)
        self._waiting.clear()
        for message_id, _ in taken:
            self._ledger.note("run.message_delivered", {"message_id": message_id, "step": step})
        return [text for _, text in taken]

    async def keep(self, step: str, key: str) -> list[str]:
        """Takes what waits and writes it down under ``key`` with its receipts in one transaction.

        A resumed or repeated step is given the same messages at the same place.
        """
        known = self._ledger.kept(key)
        if known is not None:
            return list(known.data)
        if not self._waiting:
            return []
        taken = list(self._waiting)
        self._waiting.clear()
        now = self._ledger.clock.now()
        receipts = tuple(
            self._ledger.draft("run.message_delivered", {"message_id": message_id, "step": step}, now)
            for message_id, _ in taken
        )
        texts = [text for _, text in taken]
        await self._ledger.record_part(key, "sub", texts, attempts=1, started=now, drafts=receipts)
        return texts
