"""Ledger: reserve before a call, settle after it, refuse what does not fit.

The usual way is to count what was spent, which lets every call through that is in flight together. Here the most that
a call can cost is taken out of every budget that applies before it is made, in one transaction; what it really cost
is charged afterwards and the rest is given back. A reservation whose process died is charged in full after a while,
because the provider may have billed it.
"""

from __future__ import annotations

from fairlead.clock import Clock
from fairlead.errors import BudgetError, BudgetReachedError, FairleadError
from fairlead.events import Draft
from fairlead.gateway.budgets import Refusal
from fairlead.gateway.combining import Combiner
from fairlead.gateway.moves import Ask, Move, Moved, Reservation, Reserve, Settle, call_row, carry_out, event
from fairlead.gateway.prices import Usage
from fairlead.ids import new_id
from fairlead.store import gateway as rows
from fairlead.store import gateway_kept as kept
from fairlead.store.database import Database, Transaction
from fairlead.store.gateway import Settlement

__all__ = ["Ask", "Ledger", "Reservation", "event", "refusal_error"]


class Ledger:
    """The money side of model calls for every tenant of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._threads: Combiner[Move, Moved] = Combiner(database, carry_out)

    # ── the three moves ──────────────────────────────────────────────────────────────────────────────────────

    async def reserve(self, ask: Ask) -> Reservation:
        """Takes the most that a call can cost out of its budgets.

        Raises :class:`BudgetError` (or :class:`BudgetReachedError` where the budget says to ask a person); then
        nothing was taken and ``budget.refused`` was emitted.
        """
        return _granted(await self._move(self._reserve(ask)))

    def reserve_sync(self, ask: Ask) -> Reservation:
        """:meth:`reserve` for a thread without an event loop."""
        return _granted(self._threads.run(self._reserve(ask)))

    async def settle(
        self,
        reservation: Reservation,
        cost_nano: int | None,
        usage: Usage,
        *,
        outcome: str = "ok",
        error_category: str | None = None,
        events: tuple[Draft, ...] = (),
    ) -> bool:
        """Charges what a call cost and gives back the rest; False when it had ended before.

        ``cost_nano`` None is an unknown cost: the budgets are charged what was reserved. ``outcome`` is ``ok``,
        ``failed``, ``rejected`` (an answer that a verifier turned down) or ``cancelled``.
        """
        end = self._end(reservation, cost_nano, usage, outcome, error_category)
        return bool(await self._move(Settle(reservation.ask, reservation.call_id, end, events)))

    def settle_sync(
        self, reservation: Reservation, cost_nano: int | None, usage: Usage, *, outcome: str = "ok"
    ) -> bool:
        """:meth:`settle` for a thread without an event loop."""
        end = self._end(reservation, cost_nano, usage, outcome, None)
        return bool(self._threads.run(Settle(reservation.ask, reservation.call_id, end)))

    async def release(self, reservation: Reservation, *, outcome: str = "failed", error_category: str = "") -> bool:
        """Gives back everything: the call was certainly not billed."""
        end = self._end(reservation, 0, Usage(), outcome, error_category)._replace(state="released")
        return bool(await self._move(Settle(reservation.ask, reservation.call_id, end)))

    async def record(self, ask: Ask, usage: Usage, *, outcome: str, events: tuple[Draft, ...] = ()) -> str:
        """Writes down a call that cost nothing and needed no reservation, such as an answer that was kept."""
        now = self._clock.now()
        row = call_row(ask, f"{ask.request_id or new_id('req')}.{ask.attempt}", 0, now)
        end = Settlement("settled", outcome, 0, 0, *usage, None, now)

        def unit(tx: Transaction) -> None:
            rows.put_calls(tx, [(row, [])])
            rows.end_call(tx, row.id, end)
            tx.emit(*events)

        await self._database.write(unit)
        return row.id

    def calibrations(self) -> dict[str, tuple[float, int]]:
        """Stored ratios of returned to estimated tokens, with their samples, by model id."""
        return self._database.read_sync(kept.calibrations)

    def keep_calibration(self, model: str, ratio: float, samples: int) -> None:
        """Stores a model's ratio, without waiting for it to be durable."""
        now = self._clock.now()
        self._database.later(lambda tx: kept.put_calibration(tx, model, ratio, samples, now))

    def sweep(self, *, older_than: float = 3600.0) -> int:
        """Charges reservations that nobody settled within ``older_than`` seconds; returns how many."""
        now = self._clock.now()

        def unit(tx: Transaction) -> int:
            stale = rows.stale_calls(tx, now - older_than)
            for call_id, reserved, price_state in stale:
                cost = None if price_state == "unknown" else reserved
                end = Settlement("abandoned", "failed", reserved, cost, 0, 0, 0, 0, "", "system", now)
                for held in (rows.end_call(tx, call_id, end) or (0, ()))[1]:
                    rows.change_window(tx, held, -reserved, reserved)
            return len(stale)

        return self._database.write_sync(unit)

    # ── how ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _reserve(self, ask: Ask) -> Reserve:
        return Reserve(ask, f"{ask.request_id or new_id('req')}.{ask.attempt}", self._clock.now())

    async def _move(self, move: Move) -> Moved:
        return (await self._database.write(lambda tx: carry_out(tx, [move])))[0]

    def _end(
        self, reservation: Reservation, cost: int | None, usage: Usage, outcome: str, category: str | None
    ) -> Settlement:
        charge = reservation.reserved_nano if cost is None else cost
        return Settlement("settled", outcome, charge, cost, *usage, category or None, self._clock.now())


def _granted(found: Moved) -> Reservation:
    if isinstance(found, Refusal):
        raise refusal_error(found)
    assert isinstance(found, Reservation)
    return found


def refusal_error(refusal: Refusal) -> FairleadError:
    """The error of a refusal, with everything a program needs in its fields."""
    kind = BudgetReachedError if refusal.on_limit == "ask" and refusal.reason == "limit" else BudgetError
    return kind(refusal.message, remedy=refusal.remedy, **refusal.fields())
