"""Rows of the gateway that are kept for reuse: answers, originals of shortened context, token calibrations."""

from __future__ import annotations

from typing import Any, NamedTuple

from fairlead.store.database import Reader, Transaction

# ── originals of shortened context ───────────────────────────────────────────────────────────────────────────


def keep_original(tx: Transaction, tenant: str, workspace: str, handle: str, content: str, now: float) -> None:
    tx.execute(
        "INSERT INTO context_originals (tenant, workspace, handle, content, created) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, workspace, handle) DO NOTHING",
        (tenant, workspace, handle, content, now),
    )


def original_of(reader: Reader, tenant: str, workspace: str, handle: str) -> str | None:
    row = reader.one(
        "SELECT content FROM context_originals WHERE tenant = ? AND workspace = ? AND handle = ?",
        (tenant, workspace, handle),
    )
    return None if row is None else str(row[0])


# ── kept answers ─────────────────────────────────────────────────────────────────────────────────────────────


class KeptRow(NamedTuple):
    """One answer that may be used again."""

    tenant: str
    workspace: str
    key: str
    family: str
    task_type: str
    prompt: str
    vector: bytes
    answer: bytes
    model: str
    cost_nano: int | None
    created: float
    expires: float
    version: int


def keep_answer(tx: Transaction, row: KeptRow) -> None:
    tx.execute(
        "INSERT INTO kept_answers (tenant, workspace, key, family, task_type, prompt, vector, answer, model, cost_nano,"
        " created, expires, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, workspace, key) DO UPDATE SET answer = excluded.answer, model = excluded.model,"
        " cost_nano = excluded.cost_nano, created = excluded.created, expires = excluded.expires",
        row,
    )


def kept_answer(
    reader: Reader, tenant: str, workspace: str, key: str, now: float, version: int
) -> tuple[bytes, str, int | None] | None:
    """(answer, model, cost) of an unexpired answer with exactly this key."""
    row = reader.one(
        "SELECT answer, model, cost_nano FROM kept_answers"
        " WHERE tenant = ? AND workspace = ? AND key = ? AND expires > ? AND version = ?",
        (tenant, workspace, key, now, version),
    )
    return None if row is None else (row[0], row[1], row[2])


def kept_family(
    reader: Reader, tenant: str, workspace: str, family: str, now: float, version: int, limit: int
) -> list[tuple[str, str, bytes]]:
    """(key, prompt, vector) of the newest unexpired answers of a family."""
    rows = reader.rows(
        "SELECT key, prompt, vector FROM kept_answers WHERE tenant = ? AND workspace = ? AND family = ?"
        " AND expires > ? AND version = ? ORDER BY created DESC LIMIT ?",
        (tenant, workspace, family, now, version, limit),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def count_lookup(
    tx: Transaction, tenant: str, workspace: str, task_type: str, kind: str, saved_nano: int, key: str = ""
) -> None:
    """Counts one lookup: ``kind`` is ``exact``, ``near`` or ``missed``."""
    counts = tuple(int(kind == k) for k in ("exact", "near", "missed"))
    tx.execute(
        "INSERT INTO kept_answer_lookups (tenant, workspace, task_type, exact, near, missed, saved_nano)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, workspace, task_type) DO UPDATE SET"
        " exact = exact + excluded.exact, near = near + excluded.near, missed = missed + excluded.missed,"
        " saved_nano = saved_nano + excluded.saved_nano",
        (tenant, workspace, task_type, *counts, saved_nano),
    )
    if key:
        tx.execute(
            "UPDATE kept_answers SET hits = hits + 1 WHERE tenant = ? AND workspace = ? AND key = ?",
            (tenant, workspace, key),
        )


def lookups_of(reader: Reader, tenant: str, workspace: str) -> list[dict[str, Any]]:
    rows = reader.rows(
        "SELECT task_type, exact, near, missed, saved_nano FROM kept_answer_lookups"
        " WHERE tenant = ? AND workspace = ? ORDER BY task_type",
        (tenant, workspace),
    )
    names = ("task_type", "exact", "near", "missed", "saved_nano")
    return [dict(zip(names, row, strict=True)) for row in rows]


def forget_answers(tx: Transaction, tenant: str, workspace: str) -> int:
    return tx.execute("DELETE FROM kept_answers WHERE tenant = ? AND workspace = ?", (tenant, workspace))


# ── token calibrations ───────────────────────────────────────────────────────────────────────────────────────


def calibrations(reader: Reader) -> dict[str, tuple[float, int]]:
    rows = reader.rows("SELECT model, ratio, samples FROM token_calibrations")
    return {row[0]: (float(row[1]), int(row[2])) for row in rows}


def put_calibration(tx: Transaction, model: str, ratio: float, samples: int, now: float) -> None:
    tx.execute(
        "INSERT INTO token_calibrations (model, ratio, samples, updated) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (model) DO UPDATE SET ratio = excluded.ratio, samples = excluded.samples,"
        " updated = excluded.updated WHERE excluded.samples > token_calibrations.samples",
        (model, ratio, samples, now),
    )
