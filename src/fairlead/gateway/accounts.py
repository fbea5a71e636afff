"""Accounts: what was spent, by whom, on what, as sums and as a tree; read from the ledger as it is now."""

from __future__ import annotations

from typing import Any

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError
from fairlead.gateway.prices import NANO
from fairlead.store import gateway as rows
from fairlead.store.database import Database

DAY = 86400.0


class Accounts:
    """Reading the ledger. Money is in US dollars; ``unpriced`` counts calls whose price is unknown, which no sum
    includes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def summary(self, tenant: str, *, days: float = 30.0) -> dict[str, Any]:
        """One row over everything of the last ``days`` days."""
        since, until = self._span(days)
        found = self._database.read_sync(lambda r: rows.sums(r, tenant, since, until, None))
        return {"days": days, **_shown(found[0])}

    def by(self, tenant: str, group: str, *, days: float = 30.0) -> list[dict[str, Any]]:
        """One row per agent, run, step, model, tenant, workspace, epic, tier, task type or outcome; dearest first."""
        name = group.replace("-", "_")
        if name not in rows.GROUPS:
            raise InvalidInputError(
                f"costs cannot be grouped by {group!r}.",
                remedy=f"Choose one of {', '.join(rows.GROUPS)}.",
                field="group",
                value=group,
            )
        since, until = self._span(days)
        found = self._database.read_sync(lambda r: rows.sums(r, tenant, since, until, name))
        return [{name: row.pop("group"), **_shown(row)} for row in found]

    def tree(self, tenant: str, *, days: float = 30.0) -> dict[str, Any]:
        """Costs as they were nested: each node holds its own and its children's, ``{name, kind, ..., children}``."""
        since, until = self._span(days)
        root = _node("tenant", tenant)
        for path, found in self._database.read_sync(lambda r: rows.sums_by_path(r, tenant, since, until)):
            node = root
            _add(node, found)
            for part in filter(None, path.split("/")):
                kind, _, name = part.partition("=")
                node = node["children"].setdefault(part, _node(kind, name))
                _add(node, found)
        return _finished(root)

    def calls(self, tenant: str, *, run: str = "", days: float = 30.0, limit: int = 100) -> list[dict[str, Any]]:
        """The newest calls first, each attempt a row."""
        since, until = self._span(days)
        found = self._database.read_sync(
            lambda r: rows.calls_of(r, tenant, since=since, until=until, run=run, limit=limit)
        )
        for row in found:
            row["cost"] = None if row["cost_nano"] is None else row.pop("cost_nano") / NANO
            row["reserved"] = row.pop("reserved_nano") / NANO
        return found

    def series(self, tenant: str, *, step: int = 3600, days: float = 28.0) -> tuple[int, list[float]]:
        """(start of the first interval, US dollars per interval of ``step`` seconds without gaps, up to now)."""
        until = self._clock.now()
        first = int((until - days * DAY) // step) * step
        found = self._database.read_sync(lambda r: rows.spend_series(r, tenant, first, until + 1, step))
        count = int(until // step) - first // step + 1
        values = [0.0] * count
        for start, nano, _ in found:
            values[(start - first) // step] = nano / NANO
        if found:
            # Before the first call there is nothing to learn from.
            skip = (found[0][0] - first) // step
            return first + skip * step, values[skip:]
        return first, []

    def _span(self, days: float) -> tuple[float, float]:
        now = self._clock.now()
        return now - days * DAY, now + 1


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    row = dict(row)
    for name in ("cost", "in_flight", "lost"):
        row[name] = row.pop(f"{name}_nano") / NANO
    row["fresh_tokens"] = max(0, row["input_tokens"] - row["cached_tokens"])
    return row


def _node(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "sums": dict.fromkeys(rows.SUM_NAMES, 0), "children": {}}


def _add(node: dict[str, Any], found: dict[str, Any]) -> None:
    for name in rows.SUM_NAMES:
        node["sums"][name] += found[name]


def _finished(node: dict[str, Any]) -> dict[str, Any]:
    children = [_finished(child) for child in node["children"].values()]
    children.sort(key=lambda c: -c["cost"])
    return {"kind": node["kind"], "name": node["name"], **_shown(node["sums"]), "children": children}
