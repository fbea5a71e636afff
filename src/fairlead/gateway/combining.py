"""Combining: what threads ask for while a write is under way is carried out together in the next one.

One thread leads: it takes everything that waits, writes it as one unit, hands each waiter its result, and passes the
lead on (flat combining: Hendler, Incze, Shavit and Tzafrir, SPAA 2010). A unit is made from a fixed list, so that the
store may run it twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from fairlead.store.database import Database, Transaction

A = TypeVar("A")
R = TypeVar("R")


class _Slot(Generic[A, R]):
    __slots__ = ("done", "error", "leads", "request", "result")

    def __init__(self, request: A) -> None:
        self.request = request
        self.result: R | None = None
        self.error: BaseException | None = None
        self.leads = False
        self.done = threading.Lock()
        self.done.acquire()


class Combiner(Generic[A, R]):
    """Carries requests of many threads out together. ``carry_out`` returns one result per request, in order."""

    def __init__(self, database: Database, carry_out: Callable[[Transaction, list[A]], list[R]]) -> None:
        self._database = database
        self._carry_out = carry_out
        self._lock = threading.Lock()
        self._waiting: list[_Slot[A, R]] = []
        self._busy = False

    def run(self, request: A) -> R:
        """Waits until the request is durable; returns its result. Not for threads with a running event loop."""
        slot: _Slot[A, R] = _Slot(request)
        with self._lock:
            self._waiting.append(slot)
            slot.leads = not self._busy
            self._busy = True
        if not slot.leads:
            slot.done.acquire()
        if slot.leads:
            self._lead()
        if slot.error is not None:
            raise slot.error
        return slot.result  # type: ignore[return-value] # a slot without an error has its result

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        requests = [slot.request for slot in batch]
        try:
            results = self._database.write_sync(lambda tx: self._carry_out(tx, requests))
            for slot, result in zip(batch, results, strict=True):
                slot.result = result
        except BaseException as exc:  # noqa: BLE001 - it is handed to every waiter of the batch
            for slot in batch:
                slot.error = exc
        # Waiters go first: what they ask for next then rides with the heir's batch.
        for slot in batch:
            if slot.done.locked():
                slot.done.release()
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            if heir is None:
                self._busy = False
            else:
                heir.leads = True
        if heir is not None:
            heir.done.release()
