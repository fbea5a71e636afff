"""Rows of rates: one token bucket per caller, which all processes of a store draw from."""

from __future__ import annotations

from fairlead.store.database import Transaction


def spend(tx: Transaction, tenant: str, name: str, spent: float, now: float, rate: float, burst: float) -> float:
    """Takes tokens that were given out already from a bucket and returns its level, which may be below zero.

    ``rate`` is tokens per second. A bucket that is full again is as good as none, and its row goes.
    """
    row = tx.one("SELECT level, since FROM rate_levels WHERE tenant = ? AND name = ?", (tenant, name))
    level, since = (burst, now) if row is None else row
    # The clocks of processes differ a little; a bucket does not drain by that.
    level = min(burst, level + max(0.0, now - since) * rate) - spent
    tx.execute(
        "INSERT INTO rate_levels (tenant, name, level, since) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (tenant, name) DO UPDATE SET level = excluded.level, since = excluded.since",
        (tenant, name, level, max(now, since)),
    )
    # The first condition is what the index is for.
    full = "DELETE FROM rate_levels WHERE since < ? AND level + (? - since) * ? >= ?"
    tx.execute(full, (now - burst / rate, now, rate, burst))
    return float(level)
