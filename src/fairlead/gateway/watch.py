"""The watch over spending: alerts as events when it is unusual or burns a budget too fast, and when that ends."""

from __future__ import annotations

import threading
from typing import Any

from fairlead.clock import Clock
from fairlead.events import Draft, draft
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.budgets import BudgetBook
from fairlead.gateway.forecast import BURN_WINDOWS, anomaly, burn_rate
from fairlead.store.database import Database

SOURCE = "gateway.watch"
PERIODS = {"hour": 3600.0, "day": 86400.0, "month": 30 * 86400.0}


class SpendingWatch:
    """Looks at one store's spending whenever it is asked to. Each alert is raised once and resolved once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._accounts = Accounts(database, clock)
        self._budgets = BudgetBook(database, clock)
        self._raised: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def look(self, tenant: str, workspace: str = "main") -> list[dict[str, Any]]:
        """The alerts that hold now; changes since the last look are emitted as events."""
        found = {a["name"]: a for a in (*self._unusual(tenant), *self._burning(tenant))}
        now = self._clock.now()
        drafts: list[Draft] = []
        with self._lock:
            before = {name for t, name in self._raised if t == tenant}
            for name in found.keys() - before:
                self._raised.add((tenant, name))
                drafts.append(_event("alert.raised", tenant, workspace, found[name], now))
            for name in before - found.keys():
                self._raised.discard((tenant, name))
                drafts.append(_event("alert.resolved", tenant, workspace, {"name": name}, now))
        if drafts:
            self._database.write_sync(lambda tx: tx.emit(*drafts))
        return list(found.values())

    def _unusual(self, tenant: str) -> list[dict[str, Any]]:
        _, series = self._accounts.series(tenant, step=3600, days=14)
        score = anomaly(series)
        if score is None:
            return []
        return [
            {
                "name": "spending.unusual",
                "severity": "warning",
                "spent": series[-1],
                "deviations": round(score, 1),
                "what": f"this hour's spending of {series[-1]:.4g} USD is {score:.1f} deviations above usual",
            }
        ]

    def _burning(self, tenant: str) -> list[dict[str, Any]]:
        alerts = []
        for budget in self._budgets.all(tenant):
            period = PERIODS.get(budget["period"])
            if period is None or budget["scope"] != "tenant":
                continue
            for window, most in BURN_WINDOWS:
                if window >= period:
                    continue
                spent = sum(self._accounts.series(tenant, step=300, days=window / 86400)[1])
                rate = burn_rate(spent, budget["limit"], window, period)
                if rate >= most:
                    alerts.append(
                        {
                            "name": f"budget.burning:{budget['id']}:{window:g}",
                            "severity": "critical",
                            "budget": budget["id"],
                            "rate": round(rate, 1),
                            "what": f"the {budget['period']}'s {budget['limit']:g} USD burn {rate:.1f} times too fast",
                        }
                    )
        return alerts


def _event(type_: str, tenant: str, workspace: str, data: dict[str, Any], now: float) -> Draft:
    return draft(type_, f"{tenant}:{workspace}", data["name"], data, source=SOURCE, cause=SOURCE, time=now)
