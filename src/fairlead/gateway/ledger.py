"""Ledger: reserve before a call, settle after it, refuse what does not fit.

The usual way is to count what was spent, which lets every call through that is in flight together. Here the most that
a call can cost is taken out of every budget that applies before it is made, in one transaction; what it really cost
is charged afterwards and the rest is given back. A reservation whose process died is charged in full after a while,
because the provider may have billed it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fairlead.clock import Clock
from fairlead.errors import BudgetError, BudgetReachedError, FairleadError
from fairlead.events import Draft, draft
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.budgets import Refusal, judge, standing, warning_level
from fairlead.gateway.prices import NANO, Usage
from fairlead.ids import new_id
from fairlead.store import gateway as rows
from fairlead.store.database import Database, Transaction
from fairlead.store.gateway import CallRow, Hold, Settlement

SOURCE = "gateway.ledger"


class Ask(NamedTuple):
    """A call that wants to be made. ``most_nano`` is the most it can cost; None when its price is unknown, and then
    ``ceiling_nano`` is what policy lets it reserve, or None to refuse where a budget applies."""

    attribution: Attribution
    model: str
    tier: str
    most_nano: int | None
    price_state: str = "known"
    ceiling_nano: int | None = None
    request_id: str = ""
    attempt: int = 1
    task_type: str = "other"
    fallback: bool = False
    tokens_saved: int = 0


class Reservation(NamedTuple):
    """A call that may be made now."""

    call_id: str
    ask: Ask
    reserved_nano: int
    started: float


class Ledger:
    """The money side of model calls for every tenant of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # ── the three moves ──────────────────────────────────────────────────────────────────────────────────────

    async def reserve(self, ask: Ask) -> Reservation:
        """Takes the most that a call can cost out of its budgets.

        Raises :class:`BudgetError` (or :class:`BudgetReachedError` where the budget says to ask a person); then
        nothing was taken and ``budget.refused`` was emitted.
        """
        return _granted(await self._database.write(self._reserving(ask)))

    def reserve_sync(self, ask: Ask) -> Reservation:
        """:meth:`reserve` for a thread without an event loop."""
        return _granted(self._database.write_sync(self._reserving(ask)))

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
        return await self._database.write(_settling(reservation, end, events))

    def settle_sync(
        self, reservation: Reservation, cost_nano: int | None, usage: Usage, *, outcome: str = "ok"
    ) -> bool:
        """:meth:`settle` for a thread without an event loop."""
        end = self._end(reservation, cost_nano, usage, outcome, None)
        return self._database.write_sync(_settling(reservation, end, ()))

    async def release(self, reservation: Reservation, *, outcome: str = "failed", error_category: str = "") -> bool:
        """Gives back everything: the call was certainly not billed."""
        end = self._end(reservation, 0, Usage(), outcome, error_category)._replace(state="released")
        return await self._database.write(_settling(reservation, end, ()))

    async def record(self, ask: Ask, usage: Usage, *, outcome: str, events: tuple[Draft, ...] = ()) -> str:
        """Writes down a call that cost nothing and needed no reservation, such as an answer that was kept."""
        now = self._clock.now()
        row = _row(ask, f"{ask.request_id or new_id('req')}.{ask.attempt}", 0, now)
        end = Settlement("settled", outcome, 0, 0, *usage, None, now)

        def unit(tx: Transaction) -> None:
            rows.put_finished_call(tx, row, end)
            tx.emit(*events)

        await self._database.write(unit)
        return row.id

    def sweep(self, *, older_than: float = 3600.0) -> int:
        """Charges reservations that nobody settled within ``older_than`` seconds; returns how many."""
        now = self._clock.now()

        def unit(tx: Transaction) -> int:
            stale = rows.stale_calls(tx, now - older_than)
            for call_id, reserved, price_state in stale:
                cost = None if price_state == "unknown" else reserved
                end = Settlement("abandoned", "failed", reserved, cost, 0, 0, 0, 0, "", "system", now)
                rows.settle_call(tx, call_id, end)
            return len(stale)

        return self._database.write_sync(unit)

    # ── how ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _reserving(self, ask: Ask) -> Callable[[Transaction], Reservation | Refusal]:
        now = self._clock.now()
        call_id = f"{ask.request_id or new_id('req')}.{ask.attempt}"

        def unit(tx: Transaction) -> Reservation | Refusal:
            amount = ask.most_nano if ask.most_nano is not None else ask.ceiling_nano
            holds: list[Hold] = []
            if amount != 0:
                budgets = standing(tx, ask.attribution, now)
                refusal = judge(budgets, amount, local=ask.tier == "local")
                if refusal is not None:
                    tx.emit(_refused(ask, refusal, now))
                    return refusal
                holds = [held for budget, held, _ in budgets if budget.period != "request"]
            # Without a budget an unknown price reserves nothing, and is still recorded as unknown.
            reserved = amount or 0
            rows.hold(tx, holds, reserved)
            rows.put_call(tx, _row(ask, call_id, reserved, now), holds)
            return Reservation(call_id, ask, reserved, now)

        return unit

    def _end(
        self, reservation: Reservation, cost: int | None, usage: Usage, outcome: str, category: str | None
    ) -> Settlement:
        charge = reservation.reserved_nano if cost is None else cost
        return Settlement("settled", outcome, charge, cost, *usage, category or None, self._clock.now())


def _settling(reservation: Reservation, end: Settlement, events: tuple[Draft, ...]) -> Callable[[Transaction], bool]:
    def unit(tx: Transaction) -> bool:
        found = rows.settle_call(tx, reservation.call_id, end)
        if found is None:
            return False
        for held, window in found[0]:
            level = warning_level(window.spent_nano, held.limit_nano)
            if level > window.warned:
                rows.mark_warned(tx, held, level)
                tx.emit(_warned(reservation.ask, held, level, window.spent_nano, end.finished))
        tx.emit(*events)
        return True

    return unit


def _granted(found: Reservation | Refusal) -> Reservation:
    if isinstance(found, Reservation):
        return found
    raise refusal_error(found)


def refusal_error(refusal: Refusal) -> FairleadError:
    """The error of a refusal, with everything a program needs in its fields."""
    kind = BudgetReachedError if refusal.on_limit == "ask" and refusal.reason == "limit" else BudgetError
    return kind(refusal.message, remedy=refusal.remedy, **refusal.fields())


def _row(ask: Ask, call_id: str, reserved: int, now: float) -> CallRow:
    who = ask.attribution
    return CallRow(
        call_id,
        who.tenant,
        who.workspace,
        who.epic,
        who.agent,
        who.run,
        who.step,
        "/".join(who.path),
        ask.task_type,
        ask.model,
        ask.tier,
        reserved,
        "ceiling" if ask.most_nano is None and reserved else ask.price_state,
        int(ask.fallback),
        ask.tokens_saved,
        now,
    )


def event(ask: Ask, type_: str, data: dict[str, Any], now: float) -> Draft:
    """A draft about a call, with its attribution in the data."""
    who = ask.attribution
    named = {k: v for k, v in (("epic", who.epic), ("agent", who.agent), ("run", who.run), ("step", who.step)) if v}
    subject = who.run or ask.request_id or who.tenant
    return draft(
        type_, f"{who.tenant}:{who.workspace}", subject, {**named, **data}, source=SOURCE, cause=subject, time=now
    )


def _refused(ask: Ask, refusal: Refusal, now: float) -> Draft:
    return event(ask, "budget.refused", {"model": ask.model, **refusal.fields()}, now)


def _warned(ask: Ask, held: Hold, level: int, spent: int, now: float) -> Draft:
    data = {
        "budget": held.budget_id,
        "subject": held.subject,
        "level": level,
        "spent": spent / NANO,
        "limit": held.limit_nano / NANO,
    }
    return event(ask, "budget.warned", data, now)
