"""Rows of access: API keys by their hashes, the audit log, and answers kept for repeated requests."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from fairlead.store.database import Reader, Transaction


class KeyRow(NamedTuple):
    """One API key. ``tenant`` is ``tenant:workspace``; times are seconds since the epoch, UTC."""

    id: str
    tenant: str
    name: str
    hash: str
    role: str
    scopes: tuple[str, ...]
    cause: str
    created: float
    expires: float | None
    revoked: float | None
    last_used: float | None


class AuditRow(NamedTuple):
    """One decision about a call, or the failure of one that was allowed."""

    id: str
    time: float
    tenant: str
    actor: str
    action: str
    outcome: str
    reason: str
    request: str


class KeptAnswer(NamedTuple):
    """What is known of an earlier request with the same key; ``answer`` is None while it is being carried out."""

    fingerprint: str
    answer: bytes | None


_KEY = ", ".join(KeyRow._fields)
_AUDIT = ", ".join(AuditRow._fields)
_INSERT_KEY = f"INSERT INTO api_keys ({_KEY}) VALUES ({', '.join('?' * len(KeyRow._fields))})"
_INSERT_AUDIT = f"INSERT INTO audit ({_AUDIT}) VALUES ({', '.join('?' * len(AuditRow._fields))})"


def add_key(tx: Transaction, row: KeyRow) -> None:
    tx.execute(_INSERT_KEY, row._replace(scopes=orjson.dumps(row.scopes).decode()))  # type: ignore[arg-type]


def key_by_id(reader: Reader, key_id: str) -> KeyRow | None:
    """The key whatever its tenant: the tenant is what it is looked up for."""
    row = reader.one(f"SELECT {_KEY} FROM api_keys WHERE id = ?", (key_id,))
    return None if row is None else _key(row)


def keys_of(reader: Reader, tenant: str) -> list[KeyRow]:
    rows = reader.rows(f"SELECT {_KEY} FROM api_keys WHERE tenant = ? ORDER BY created, id", (tenant,))
    return [_key(row) for row in rows]


def any_key(reader: Reader) -> bool:
    """Whether a key was ever made, for any tenant."""
    return reader.one("SELECT 1 FROM api_keys LIMIT 1") is not None


def revoke_key(tx: Transaction, tenant: str, key_id: str, now: float) -> bool:
    """False when there is no such key of that tenant, or it was revoked before."""
    sql = "UPDATE api_keys SET revoked = ? WHERE id = ? AND tenant = ? AND revoked IS NULL"
    return tx.execute(sql, (now, key_id, tenant)) == 1


def touch_key(tx: Transaction, key_id: str, now: float) -> None:
    tx.execute("UPDATE api_keys SET last_used = ? WHERE id = ?", (now, key_id))


def add_audit(tx: Transaction, row: AuditRow) -> None:
    tx.execute(_INSERT_AUDIT, row)


def audit_of(reader: Reader, tenant: str, *, limit: int, before: str | None = None) -> list[AuditRow]:
    """Newest first; ``before`` pages by id, which grows with time."""
    sql, parameters = f"SELECT {_AUDIT} FROM audit WHERE tenant = ?", [tenant]
    if before is not None:
        sql += " AND id < ?"
        parameters.append(before)
    rows = reader.rows(f"{sql} ORDER BY id DESC LIMIT ?", (*parameters, limit))
    return [AuditRow._make(row) for row in rows]


def begin_answer(
    tx: Transaction, tenant: str, key: str, fingerprint: str, now: float, keep: float
) -> KeptAnswer | None:
    """Claims a request key; what is known of it when it was claimed before. Entries older than ``keep`` seconds go."""
    tx.execute("DELETE FROM request_answers WHERE created < ?", (now - keep,))
    row = tx.one("SELECT fingerprint, answer FROM request_answers WHERE tenant = ? AND key = ?", (tenant, key))
    if row is not None:
        return KeptAnswer._make(row)
    tx.execute(
        "INSERT INTO request_answers (tenant, key, fingerprint, answer, created) VALUES (?, ?, ?, NULL, ?)",
        (tenant, key, fingerprint, now),
    )
    return None


def keep_answer(tx: Transaction, tenant: str, key: str, answer: bytes | None) -> None:
    """Keeps the answer of a claimed key; with None the claim is given back, because nothing was changed."""
    if answer is None:
        tx.execute("DELETE FROM request_answers WHERE tenant = ? AND key = ? AND answer IS NULL", (tenant, key))
    else:
        tx.execute("UPDATE request_answers SET answer = ? WHERE tenant = ? AND key = ?", (answer, tenant, key))


def _key(row: tuple[Any, ...]) -> KeyRow:
    made = KeyRow._make(row)
    return made._replace(scopes=tuple(orjson.loads(made.scopes)))  # type: ignore[arg-type]
