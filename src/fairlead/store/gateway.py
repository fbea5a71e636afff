"""Rows of the gateway: the ledger of model calls and the budgets they are held against.

A reservation and a settlement are one transaction each over every budget that applies. The writer is serialised, so
the sum that a reservation is checked against cannot move before it commits, in this process or in another.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import orjson

from fairlead.store.database import Reader, Row, Transaction


class BudgetRow(NamedTuple):
    """One stored budget."""

    id: str
    tenant: str
    scope: str
    subject: str
    period: str
    limit_nano: int
    on_limit: str
    local_only_at: int
    cause: str
    created: float


class WindowRow(NamedTuple):
    """What one budget window holds, in nano-dollars."""

    reserved_nano: int = 0
    spent_nano: int = 0
    warned: int = 0


class Hold(NamedTuple):
    """One budget window that a reservation was taken from."""

    budget_id: str
    subject: str
    window_start: int
    limit_nano: int


class CallRow(NamedTuple):
    """A reservation about to be written."""

    id: str
    tenant: str
    workspace: str
    epic: str
    agent: str
    run: str
    step: str
    path: str
    task_type: str
    model: str
    tier: str
    reserved_nano: int
    price_state: str
    fallback: int
    tokens_saved: int
    started: float


class Settlement(NamedTuple):
    """How a call ended. ``cost_nano`` None means unknown; ``charge_nano`` is what the budgets are charged then."""

    state: str
    outcome: str
    charge_nano: int
    cost_nano: int | None
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    usage_label: str
    error_category: str | None
    finished: float


_BUDGET_COLUMNS = "id, tenant, scope, subject, period, limit_nano, on_limit, local_only_at, cause, created"


def put_budget(tx: Transaction, row: BudgetRow) -> BudgetRow:
    """Stores a budget or replaces the one with the same tenant, scope, subject and period; spending is kept."""
    found = tx.one(
        f"INSERT INTO budgets ({_BUDGET_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, scope, subject, period) DO UPDATE SET limit_nano = excluded.limit_nano,"
        " on_limit = excluded.on_limit, local_only_at = excluded.local_only_at, cause = excluded.cause"
        f" RETURNING {_BUDGET_COLUMNS}",
        row,
    )
    assert found is not None
    return BudgetRow(*found)


def delete_budget(tx: Transaction, tenant: str, budget_id: str) -> bool:
    return tx.execute("DELETE FROM budgets WHERE tenant = ? AND id = ?", (tenant, budget_id)) > 0


def budgets_of(reader: Reader, tenant: str) -> list[BudgetRow]:
    rows = reader.rows(f"SELECT {_BUDGET_COLUMNS} FROM budgets WHERE tenant = ? ORDER BY created, id", (tenant,))
    return [BudgetRow(*row) for row in rows]


def window_of(reader: Reader, held: Hold) -> WindowRow:
    """What one budget window holds; nothing when it has not begun."""
    row = reader.one(
        "SELECT reserved_nano, spent_nano, warned FROM budget_windows"
        " WHERE budget_id = ? AND subject = ? AND window_start = ?",
        (held.budget_id, held.subject, held.window_start),
    )
    return WindowRow() if row is None else WindowRow(*row)


def windows_of(reader: Reader, budget_id: str, start: int) -> list[tuple[str, WindowRow]]:
    """Every subject's window of one budget that begins at ``start``."""
    rows = reader.rows(
        "SELECT subject, reserved_nano, spent_nano, warned FROM budget_windows"
        " WHERE budget_id = ? AND window_start = ? ORDER BY subject",
        (budget_id, start),
    )
    return [(row[0], WindowRow(*row[1:])) for row in rows]


def change_window(tx: Transaction, held: Hold, reserved: int, spent: int) -> WindowRow | None:
    """Adds to what a window holds and returns it as it is then; None when its budget was deleted meanwhile."""
    changed = tx.one(
        "UPDATE budget_windows SET reserved_nano = reserved_nano + ?, spent_nano = spent_nano + ?"
        " WHERE budget_id = ? AND subject = ? AND window_start = ? RETURNING reserved_nano, spent_nano, warned",
        (reserved, spent, held.budget_id, held.subject, held.window_start),
    )
    if changed is not None:
        return WindowRow(*changed)
    made = tx.execute(
        "INSERT INTO budget_windows (budget_id, subject, window_start, reserved_nano, spent_nano)"
        " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM budgets WHERE id = ?)",
        (held.budget_id, held.subject, held.window_start, reserved, spent, held.budget_id),
    )
    return WindowRow(reserved, spent, 0) if made else None


_CALL_INSERT = (
    "INSERT INTO model_calls (id, tenant, workspace, epic, agent, run, step, path, task_type,"
    " model, tier, reserved_nano, price_state, fallback, tokens_saved, started, state, outcome, holds) VALUES "
)
_CALL_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'reserved', '', ?)"


def put_calls(tx: Transaction, calls: list[tuple[CallRow, list[Hold]]]) -> None:
    """Writes reservations, several in one statement."""
    for start in range(0, len(calls), 16):
        part = calls[start : start + 16]
        values: list[Any] = []
        for row, holds in part:
            values += row
            values.append(_holds_text(tuple(holds)))
        tx.execute(_CALL_INSERT + ", ".join([_CALL_VALUES] * len(part)), values)


def end_call(tx: Transaction, call_id: str, end: Settlement) -> tuple[int, tuple[Hold, ...]] | None:
    """Ends a call that is in flight; returns what it had reserved and from where. None when it is not in flight any
    more, so that settling twice changes nothing."""
    row = tx.one(
        "UPDATE model_calls SET state = ?, outcome = ?, cost_nano = ?, input_tokens = ?, cached_tokens = ?,"
        " written_tokens = ?, output_tokens = ?, usage_label = ?, error_category = ?, finished = ?"
        " WHERE id = ? AND state = 'reserved' RETURNING reserved_nano, holds",
        (
            end.state,
            end.outcome,
            end.cost_nano,
            end.input_tokens,
            end.cached_tokens,
            end.written_tokens,
            end.output_tokens,
            end.usage_label,
            end.error_category,
            end.finished,
            call_id,
        ),
    )
    return None if row is None else (int(row[0]), _holds_of(row[1]))


def mark_warned(tx: Transaction, held: Hold, level: int) -> None:
    tx.execute(
        "UPDATE budget_windows SET warned = ? WHERE budget_id = ? AND subject = ? AND window_start = ?",
        (level, held.budget_id, held.subject, held.window_start),
    )


def stale_calls(reader: Reader, before: float) -> list[tuple[str, int, str]]:
    """(id, reserved nano-dollars, price state) of reservations that began before a moment and never ended."""
    rows = reader.rows(
        "SELECT id, reserved_nano, price_state FROM model_calls WHERE state = 'reserved' AND started < ?", (before,)
    )
    return [(row[0], int(row[1]), row[2]) for row in rows]


# Calls of one agent are held against the same windows again and again.
@functools.lru_cache(maxsize=4096)
def _holds_text(holds: tuple[Hold, ...]) -> str:
    return orjson.dumps([tuple(h) for h in holds]).decode()


@functools.lru_cache(maxsize=4096)
def _holds_of(text: str) -> tuple[Hold, ...]:
    return tuple(Hold(*entry) for entry in orjson.loads(text))


# ── reading the ledger ───────────────────────────────────────────────────────────────────────────────────────

GROUPS = ("agent", "run", "step", "model", "tenant", "workspace", "epic", "tier", "task_type", "outcome")
"""What calls can be summed by."""

_SUMS = (
    "count(*), sum(CASE WHEN outcome = 'ok' OR outcome = 'cached' THEN 1 ELSE 0 END),"
    " coalesce(sum(cost_nano), 0), sum(CASE WHEN cost_nano IS NULL AND state <> 'reserved' THEN 1 ELSE 0 END),"
    " coalesce(sum(CASE WHEN state = 'reserved' THEN reserved_nano ELSE 0 END), 0),"
    " coalesce(sum(CASE WHEN outcome IN ('failed', 'rejected', 'cancelled') THEN cost_nano ELSE 0 END), 0),"
    " sum(CASE WHEN outcome = 'cached' THEN 0 ELSE input_tokens END), sum(cached_tokens),"
    " sum(CASE WHEN outcome = 'cached' THEN 0 ELSE output_tokens END), sum(tokens_saved)"
)
SUM_NAMES = (
    "calls",
    "succeeded",
    "cost_nano",
    "unpriced",
    "in_flight_nano",
    "lost_nano",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "tokens_saved",
)
"""Names of the sums, in order."""


def sums(reader: Reader, tenant: str, since: float, until: float, group: str | None) -> list[dict[str, Any]]:
    """Sums over the calls of a tenant, by one of :data:`GROUPS`, dearest first; one row when ``group`` is None."""
    if group is not None and group not in GROUPS:
        raise ValueError(group)
    key = f"{group}, " if group else ""
    tail = f" GROUP BY {group}" if group else ""
    rows = reader.rows(
        f"SELECT {key}{_SUMS} FROM model_calls WHERE tenant = ? AND started >= ? AND started < ?{tail}"
        " ORDER BY coalesce(sum(cost_nano), 0) DESC, count(*) DESC",
        (tenant, since, until),
    )
    names = ("group", *SUM_NAMES) if group else SUM_NAMES
    return [{n: (0 if v is None else v) for n, v in zip(names, row, strict=True)} for row in rows]


def sums_by_path(reader: Reader, tenant: str, since: float, until: float) -> list[tuple[str, dict[str, Any]]]:
    """The sums of every attribution path."""
    rows = reader.rows(
        f"SELECT path, {_SUMS} FROM model_calls WHERE tenant = ? AND started >= ? AND started < ?"
        " GROUP BY path ORDER BY path",
        (tenant, since, until),
    )
    return [(row[0], {n: (0 if v is None else v) for n, v in zip(SUM_NAMES, row[1:], strict=True)}) for row in rows]


def spend_series(reader: Reader, tenant: str, since: float, until: float, step: int) -> list[tuple[int, int, int]]:
    """(start of the interval, nano-dollars, calls) for each interval of ``step`` seconds with calls in it."""
    rows = reader.rows(
        "SELECT CAST(started / ? AS INTEGER) * ?, coalesce(sum(cost_nano), 0), count(*) FROM model_calls"
        " WHERE tenant = ? AND started >= ? AND started < ? GROUP BY 1 ORDER BY 1",
        (step, step, tenant, since, until),
    )
    return [(int(a), int(b), int(c)) for a, b, c in rows]


_CALL_COLUMNS = (
    "id, agent, run, step, path, task_type, model, tier, state, outcome, error_category,"
    " reserved_nano, cost_nano, price_state, input_tokens, cached_tokens, written_tokens, output_tokens, usage_label,"
    " tokens_saved, fallback, quality, started, finished"
)


def calls_of(
    reader: Reader, tenant: str, *, since: float = 0.0, until: float = 1e18, run: str = "", limit: int = 1000
) -> list[dict[str, Any]]:
    """The newest calls first."""
    where, parameters = "tenant = ? AND started >= ? AND started < ?", [tenant, since, until]
    if run:
        where += " AND run = ?"
        parameters.append(run)
    rows = reader.rows(
        f"SELECT {_CALL_COLUMNS} FROM model_calls WHERE {where} ORDER BY started DESC, id DESC LIMIT ?",
        (*parameters, limit),
    )
    names = [n.strip() for n in _CALL_COLUMNS.split(",")]
    return [dict(zip(names, row, strict=True)) for row in rows]


def call_of_request(reader: Reader, tenant: str, request_id: str) -> tuple[str, str, str] | None:
    """(call id, model, task type) of the attempt that answered a request."""
    row = reader.one(
        "SELECT id, model, task_type FROM model_calls WHERE id > ? AND id < ? AND tenant = ? AND outcome = 'ok'"
        " ORDER BY id DESC LIMIT 1",
        (f"{request_id}.", f"{request_id}/", tenant),
    )
    return None if row is None else (row[0], row[1], row[2])


def set_quality(tx: Transaction, call_id: str, quality: float) -> None:
    tx.execute("UPDATE model_calls SET quality = ? WHERE id = ?", (quality, call_id))


# ── routing outcomes ─────────────────────────────────────────────────────────────────────────────────────────


def add_outcome(tx: Transaction, tenant: str, task_type: str, model: str, quality: float, now: float) -> None:
    """Counts one judged answer: ``quality`` of it as won, the rest as lost."""
    tx.execute(
        "INSERT INTO routing_outcomes (tenant, task_type, model, wins, losses, updated) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, task_type, model) DO UPDATE SET wins = wins + excluded.wins,"
        " losses = losses + excluded.losses, updated = excluded.updated",
        (tenant, task_type, model, quality, 1.0 - quality, now),
    )


def outcomes_of(reader: Reader, tenant: str) -> list[tuple[str, str, float, float]]:
    """(task type, model, wins, losses) of a tenant."""
    rows: list[Row] = reader.rows(
        "SELECT task_type, model, wins, losses FROM routing_outcomes WHERE tenant = ?", (tenant,)
    )
    return [(row[0], row[1], float(row[2]), float(row[3])) for row in rows]
