"""Budgets: which limits apply to a call, whether it fits, and the words when it does not. Pure functions.

A budget limits one scope (a tenant, workspace, epic, agent, run or step) over one period: each request, an hour, a
day or a month of UTC, or all time. A call must fit every budget that applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.gateway.attribution import SCOPES, Attribution
from fairlead.gateway.prices import NANO, to_nano
from fairlead.ids import new_id
from fairlead.store import gateway as rows
from fairlead.store.database import Database, Reader
from fairlead.store.gateway import BudgetRow, Hold, WindowRow

PERIODS = ("request", "hour", "day", "month", "total")
WARNING_LEVELS = (50, 80, 95)
"""Percent of a limit at which ``budget.warned`` is emitted, once per window each."""


class Refusal(NamedTuple):
    """Why a call was not let through. ``reason`` is ``limit``, ``local_only`` or ``unknown_price``."""

    reason: str
    budget: BudgetRow
    subject: str
    used_nano: int
    asked_nano: int | None
    on_limit: str

    @property
    def name(self) -> str:
        return f"{self.budget.scope} {self.subject!r} per {self.budget.period}"

    @property
    def message(self) -> str:
        limit = self.budget.limit_nano / NANO
        if self.reason == "unknown_price":
            return f"the model's price is unknown and a budget applies ({self.name}, {limit:g} USD)."
        used, asked = self.used_nano / NANO, (self.asked_nano or 0) / NANO
        if self.reason == "local_only":
            return (
                f"budget {self.name} has used {used:g} of {limit:g} USD; from {self.budget.local_only_at} % on "
                "only local models are used."
            )
        return f"the call may cost {asked:g} USD, but budget {self.name} has {used:g} of {limit:g} USD in use."

    @property
    def remedy(self) -> str:
        if self.reason == "unknown_price":
            return "State its price in gateway.toml under [models], or set policy.unknown_price to 'ceiling'."
        raise_it = f"raise the limit with `fairlead budget set {self.budget.scope} {self.subject} AMOUNT`"
        if self.reason == "local_only":
            return f"Use a local model, or {raise_it}."
        return f"Ask for fewer tokens or a cheaper model, or {raise_it}."

    def fields(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "budget": self.budget.id,
            "scope": self.budget.scope,
            "subject": self.subject,
            "period": self.budget.period,
            "limit": self.budget.limit_nano / NANO,
            "used": self.used_nano / NANO,
            "asked": None if self.asked_nano is None else self.asked_nano / NANO,
            "waiting_for": "budget" if self.on_limit == "ask" else None,
        }


class Standing(NamedTuple):
    """A budget that applies, the window a call would be held against, and what that window holds."""

    budget: BudgetRow
    held: Hold
    state: WindowRow


def window_start(period: str, now: float) -> int:
    """The start of the period that ``now`` falls in, in whole seconds since the epoch; 0 for all time."""
    if period == "hour":
        return int(now // 3600) * 3600
    if period == "day":
        return int(now // 86400) * 86400
    if period == "month":
        moment = datetime.fromtimestamp(now, UTC)
        return int(moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp())
    return 0


def holds_of(budgets: Sequence[BudgetRow], who: Attribution, now: float) -> list[tuple[BudgetRow, Hold]]:
    """Those of a tenant's budgets that a call falls under, each with the window that it would be held against."""
    starts = _starts(now // 3600)
    subjects = dict(zip(SCOPES, who[: len(SCOPES)], strict=True))
    found = []
    for budget in budgets:
        subject = str(subjects[budget.scope])
        if subject and budget.subject in ("*", subject):
            found.append((budget, Hold(budget.id, subject, starts.get(budget.period, 0), budget.limit_nano)))
    return found


@lru_cache(maxsize=16)
def _starts(hour: float) -> dict[str, int]:
    return {period: window_start(period, hour * 3600) for period in ("hour", "day", "month")}


def standing(reader: Reader, attribution: Attribution, now: float) -> list[Standing]:
    """The budgets that a call is held against, each with its window and what that holds."""
    budgets = rows.budgets_of(reader, attribution.tenant)
    return [Standing(b, held, rows.window_of(reader, held)) for b, held in holds_of(budgets, attribution, now)]


def judge(budgets: Sequence[Standing], amount: int | None, *, local: bool) -> Refusal | None:
    """Whether ``amount`` nano-dollars fit all budgets; the first refusal otherwise. None is an unknown amount."""
    for budget, held, state in budgets:
        if amount is None:
            return Refusal("unknown_price", budget, held.subject, 0, None, "refuse")
        if budget.period == "request":
            if amount > budget.limit_nano:
                return Refusal("limit", budget, held.subject, 0, amount, budget.on_limit)
            continue
        used = state.reserved_nano + state.spent_nano
        if used + amount > budget.limit_nano:
            return Refusal("limit", budget, held.subject, used, amount, budget.on_limit)
        if not local and used * 100 >= budget.local_only_at * budget.limit_nano:
            return Refusal("local_only", budget, held.subject, used, amount, "refuse")
    return None


def warning_level(spent: int, limit: int) -> int:
    """The highest of :data:`WARNING_LEVELS` that ``spent`` has reached, or 0."""
    return max((level for level in WARNING_LEVELS if spent * 100 >= level * limit), default=0)


class BudgetBook:
    """Setting and reading budgets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def set(
        self,
        tenant: str,
        scope: str,
        subject: str,
        limit: float | str,
        *,
        period: str = "month",
        on_limit: str = "refuse",
        local_only_at: int = 90,
        cause: str,
    ) -> dict[str, Any]:
        """Sets a limit in US dollars, replacing one with the same scope, subject and period. What was spent stays."""
        row = self._checked(tenant, scope, subject, limit, period, on_limit, local_only_at, cause)
        return self._shown(self._database.write_sync(lambda tx: rows.put_budget(tx, row)))

    def delete(self, tenant: str, budget_id: str) -> None:
        if not self._database.write_sync(lambda tx: rows.delete_budget(tx, tenant, budget_id)):
            raise _no_budget(budget_id)

    def all(self, tenant: str) -> list[dict[str, Any]]:
        """Every budget with the present window of each subject it has been held against."""
        found = self._database.read_sync(lambda r: rows.budgets_of(r, tenant))
        return [self._shown(b) for b in found]

    def show(self, tenant: str, budget_id: str) -> dict[str, Any]:
        for budget in self.all(tenant):
            if budget["id"] == budget_id:
                return budget
        raise _no_budget(budget_id)

    def fraction_used(self, attribution: Attribution) -> float:
        """The largest share in use of any budget with a window that applies; 0.0 when none does."""
        now = self._clock.now()

        def reading(reader: Reader) -> float:
            shares = [
                (state.reserved_nano + state.spent_nano) / max(1, budget.limit_nano)
                for budget, _, state in standing(reader, attribution, now)
                if budget.period != "request"
            ]
            return max(shares, default=0.0)

        return self._database.read_sync(reading)

    def _shown(self, budget: BudgetRow) -> dict[str, Any]:
        start = window_start(budget.period, self._clock.now())
        windows = self._database.read_sync(lambda r: rows.windows_of(r, budget.id, start))
        return {
            "id": budget.id,
            "scope": budget.scope,
            "subject": budget.subject,
            "period": budget.period,
            "limit": budget.limit_nano / NANO,
            "on_limit": budget.on_limit,
            "local_only_at": budget.local_only_at,
            "cause": budget.cause,
            "windows": [
                {
                    "subject": subject,
                    "spent": w.spent_nano / NANO,
                    "reserved": w.reserved_nano / NANO,
                    "used": (w.spent_nano + w.reserved_nano) / max(1, budget.limit_nano),
                    "warned": w.warned,
                }
                for subject, w in windows
            ],
        }

    def _checked(
        self,
        tenant: str,
        scope: str,
        subject: str,
        limit: float | str,
        period: str,
        on_limit: str,
        local_only_at: int,
        cause: str,
    ) -> BudgetRow:
        _choose("scope", scope, SCOPES)
        _choose("period", period, PERIODS)
        _choose("on_limit", on_limit, ("refuse", "ask"))
        if not subject:
            raise InvalidInputError("subject '' is empty.", remedy="Name it, or give * for each one.", field="subject")
        if scope == "tenant" and subject not in ("*", tenant):
            raise InvalidInputError(
                f"subject {subject!r} is not the tenant {tenant!r} that you work for.",
                remedy=f"Give {tenant!r} or *.",
                field="subject",
                value=subject,
            )
        if not 0 <= local_only_at <= 101:
            raise InvalidInputError(
                f"local_only_at {local_only_at} is not a percentage.", remedy="Give 0 to 100, or 101 for never."
            )
        now = self._clock.now()
        return BudgetRow(
            new_id("bud"), tenant, scope, subject, period, to_nano(limit), on_limit, local_only_at, cause, now
        )


def _choose(field: str, value: str, among: Sequence[str]) -> None:
    if value not in among:
        raise InvalidInputError(
            f"{field} {value!r} is not known.", remedy=f"Choose one of {', '.join(among)}.", field=field, value=value
        )


def _no_budget(budget_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no budget {budget_id!r}.", remedy="See `fairlead budget list`.", field="budget", value=budget_id
    )
