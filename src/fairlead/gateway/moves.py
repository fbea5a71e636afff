"""Reservations and settlements carried out together in one transaction.

Each move is judged against what the moves before it in the same group have taken, and every budget window is written
once at the end, so that many calls against one budget do not cost as many statements.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fairlead.events import Draft, draft
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.budgets import Refusal, Standing, holds_of, judge, warning_level
from fairlead.gateway.prices import NANO
from fairlead.store import gateway as rows
from fairlead.store.database import Transaction
from fairlead.store.gateway import BudgetRow, CallRow, Hold, Settlement, WindowRow

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


class Reserve(NamedTuple):
    """A move: take what a call may cost."""

    ask: Ask
    call_id: str
    now: float


class Settle(NamedTuple):
    """A move: charge what a call cost. ``ask`` is who pays."""

    ask: Ask
    call_id: str
    end: Settlement
    events: tuple[Draft, ...] = ()


Move = Reserve | Settle
Moved = Reservation | Refusal | bool


def carry_out(tx: Transaction, moves: list[Move]) -> list[Moved]:
    """Carries moves out in order; a refused reservation changes nothing and does not touch its neighbours."""
    group = _Group(tx)
    found: list[Moved] = [group.reserve(move) if isinstance(move, Reserve) else group.settle(move) for move in moves]
    group.write()
    return found


class _Change:
    """What a group does to one budget window."""

    __slots__ = ("ask", "reserved", "spent", "time")

    def __init__(self) -> None:
        self.reserved = 0
        self.spent = 0
        self.ask: Ask | None = None
        self.time = 0.0


class _Group:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._budgets: dict[str, list[BudgetRow]] = {}
        self._windows: dict[Hold, WindowRow] = {}
        self._changes: dict[Hold, _Change] = {}
        self._calls: list[tuple[CallRow, list[Hold]]] = []

    def reserve(self, move: Reserve) -> Reservation | Refusal:
        ask = move.ask
        amount = ask.most_nano if ask.most_nano is not None else ask.ceiling_nano
        holds: list[Hold] = []
        if amount != 0:
            budgets = self._standing(ask.attribution, move.now)
            refusal = judge(budgets, amount, local=ask.tier == "local")
            if refusal is not None:
                self._tx.emit(_refused(ask, refusal, move.now))
                return refusal
            holds = [held for budget, held, _ in budgets if budget.period != "request"]
        # Without a budget an unknown price reserves nothing, and is still recorded as unknown.
        reserved = amount or 0
        for held in holds:
            self._changes.setdefault(held, _Change()).reserved += reserved
        self._calls.append((call_row(ask, move.call_id, reserved, move.now), holds))
        return Reservation(move.call_id, ask, reserved, move.now)

    def settle(self, move: Settle) -> bool:
        found = rows.end_call(self._tx, move.call_id, move.end)
        if found is None:
            return False
        reserved, holds = found
        for held in holds:
            change = self._changes.setdefault(held, _Change())
            change.reserved -= reserved
            change.spent += move.end.charge_nano
            change.ask, change.time = move.ask, move.end.finished
        self._tx.emit(*move.events)
        return True

    def write(self) -> None:
        if self._calls:
            rows.put_calls(self._tx, self._calls)
        for held, change in self._changes.items():
            after = rows.change_window(self._tx, held, change.reserved, change.spent)
            if after is None or change.ask is None:
                continue
            level = warning_level(after.spent_nano, held.limit_nano)
            if level > after.warned:
                rows.mark_warned(self._tx, held, level)
                self._tx.emit(_warned(change.ask, held, level, after.spent_nano, change.time))

    def _standing(self, who: Attribution, now: float) -> list[Standing]:
        """The budgets that apply, as they are after the moves before."""
        budgets = self._budgets.get(who.tenant)
        if budgets is None:
            budgets = self._budgets[who.tenant] = rows.budgets_of(self._tx, who.tenant)
        return [Standing(b, held, self._state(held)) for b, held in holds_of(budgets, who, now)]

    def _state(self, held: Hold) -> WindowRow:
        state = self._windows.get(held)
        if state is None:
            state = self._windows[held] = rows.window_of(self._tx, held)
        change = self._changes.get(held)
        if change is None:
            return state
        return WindowRow(state.reserved_nano + change.reserved, state.spent_nano + change.spent, state.warned)


def call_row(ask: Ask, call_id: str, reserved: int, now: float) -> CallRow:
    who = ask.attribution
    state = "ceiling" if ask.most_nano is None and reserved else ask.price_state
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
        state,
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
