"""Rows of agents that were registered as data, and of what A2A clients said."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.store.database import Reader, Transaction


class SpecRow(NamedTuple):
    """One registered agent. ``tenant`` is ``tenant:workspace``, ``spec`` JSON, ``changed`` seconds since the epoch."""

    tenant: str
    name: str
    revision: int
    spec: str
    cause: str
    changed: float


class SaidRow(NamedTuple):
    """One message of an A2A client. ``task`` is the idempotency key of the run that it began."""

    tenant: str
    task: str
    number: int
    message_id: str
    context_id: str
    message: str
    created: float


_SPEC = ", ".join(SpecRow._fields)
_SAID = ", ".join(SaidRow._fields)


def put_spec(tx: Transaction, tenant: str, name: str, spec: str, *, cause: str, now: float, replace: bool) -> int:
    """Keeps a spec and returns its revision; 0, and nothing changed, when the name is taken and not to be replaced."""
    known = spec_of(tx, tenant, name)
    if known is None:
        row = SpecRow(tenant, name, 1, spec, cause, now)
        tx.execute(f"INSERT INTO agent_specs ({_SPEC}) VALUES ({', '.join('?' * len(row))})", row)
        return 1
    if not replace:
        return 0
    sql = "UPDATE agent_specs SET revision = ?, spec = ?, cause = ?, changed = ? WHERE tenant = ? AND name = ?"
    tx.execute(sql, (known.revision + 1, spec, cause, now, tenant, name))
    return known.revision + 1


def spec_of(reader: Reader, tenant: str, name: str) -> SpecRow | None:
    row = reader.one(f"SELECT {_SPEC} FROM agent_specs WHERE tenant = ? AND name = ?", (tenant, name))
    return None if row is None else SpecRow._make(row)


def specs_of(reader: Reader, tenant: str) -> list[SpecRow]:
    """Every agent of a tenant's workspace, by name."""
    rows = reader.rows(f"SELECT {_SPEC} FROM agent_specs WHERE tenant = ? ORDER BY name", (tenant,))
    return [SpecRow._make(row) for row in rows]


def drop_spec(tx: Transaction, tenant: str, name: str) -> bool:
    """False when there is no such agent."""
    return tx.execute("DELETE FROM agent_specs WHERE tenant = ? AND name = ?", (tenant, name)) == 1


def add_said(
    tx: Transaction, tenant: str, task: str, message_id: str, context_id: str, message: str, now: float
) -> SaidRow:
    """Keeps a message as the newest of its task; the earlier row when the task has the message already."""
    sql = f"SELECT {_SAID} FROM a2a_messages WHERE tenant = ? AND task = ? AND message_id = ?"
    known = tx.one(sql, (tenant, task, message_id))
    if known is not None:
        return SaidRow._make(known)
    found = tx.one("SELECT count(*) FROM a2a_messages WHERE tenant = ? AND task = ?", (tenant, task))
    row = SaidRow(tenant, task, int(found[0]) if found else 0, message_id, context_id, message, now)
    tx.execute(f"INSERT INTO a2a_messages ({_SAID}) VALUES ({', '.join('?' * len(row))})", row)
    return row


def drop_said(tx: Transaction, tenant: str, task: str, message_id: str) -> None:
    """Takes a message back whose task did not come to be."""
    tx.execute("DELETE FROM a2a_messages WHERE tenant = ? AND task = ? AND message_id = ?", (tenant, task, message_id))


def said_in(reader: Reader, tenant: str, task: str) -> list[SaidRow]:
    """What was said in a task, in order."""
    sql = f"SELECT {_SAID} FROM a2a_messages WHERE tenant = ? AND task = ? ORDER BY number"
    return [SaidRow._make(row) for row in reader.rows(sql, (tenant, task))]


def tasks_in(reader: Reader, tenant: str, context_id: str) -> list[str]:
    """The tasks (idempotency keys of runs) of a context."""
    sql = "SELECT DISTINCT task FROM a2a_messages WHERE tenant = ? AND context_id = ?"
    return [str(row[0]) for row in reader.rows(sql, (tenant, context_id))]
