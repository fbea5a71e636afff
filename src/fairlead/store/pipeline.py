"""Rows of the pipeline's jobs: submitted once, claimed under a lease, finished by whoever holds them.

Every statement names the tenant, except those of a worker, which finds work of any tenant and then holds a job by its
own name and attempt: a worker that lost a job to another cannot change it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from orjson import dumps, loads

from fairlead.store.database import Reader, Transaction

LIVE = ("pending", "running")
SETTLED = ("done", "error", "cancelled")


class JobRow(NamedTuple):
    """One job as stored. ``tenant`` is ``tenant:workspace``; times are seconds since the epoch, UTC."""

    id: str
    tenant: str
    key: str
    batch: str
    source: str
    address: str
    external_id: str
    tags: tuple[str, ...]
    options: Mapping[str, Any]
    visibility: str
    priority: int
    status: str
    stage: str
    attempts: int
    scheduled_at: float
    picked_at: float | None
    finished_at: float | None
    owner: str | None
    lease_until: float | None
    error: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    cause: str
    created: float


_COLUMNS = ", ".join(JobRow._fields)
_INSERT = f"INSERT INTO pipeline_jobs ({_COLUMNS}) VALUES ({', '.join('?' * len(JobRow._fields))})"
_HELD = "id = ? AND owner = ? AND attempts = ? AND status = 'running'"


def add_job(tx: Transaction, row: JobRow) -> JobRow:
    """Stores the job, or returns the one of the same key that is not done yet."""
    sql = f"SELECT {_COLUMNS} FROM pipeline_jobs WHERE tenant = ? AND key = ? AND status IN ('pending', 'running')"
    there = tx.one(sql, (row.tenant, row.key))
    if there is not None:
        return _job(there)
    tx.execute(_INSERT, [_stored(value) for value in row])
    return row


def job_by_id(reader: Reader, tenant: str, job_id: str) -> JobRow | None:
    row = reader.one(f"SELECT {_COLUMNS} FROM pipeline_jobs WHERE id = ? AND tenant = ?", (job_id, tenant))
    return None if row is None else _job(row)


def jobs_by_ids(reader: Reader, tenant: str, ids: Sequence[str]) -> list[JobRow]:
    """Those that are there, in the order of their ids."""
    found: list[JobRow] = []
    for at in range(0, len(ids), 400):
        chunk = ids[at : at + 400]
        marks = ", ".join("?" * len(chunk))
        sql = f"SELECT {_COLUMNS} FROM pipeline_jobs WHERE tenant = ? AND id IN ({marks})"
        found += [_job(row) for row in reader.rows(sql, (tenant, *chunk))]
    return sorted(found)


def find_jobs(
    reader: Reader,
    tenant: str,
    *,
    statuses: Sequence[str] = (),
    batch: str | None = None,
    ending: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[JobRow]:
    """Newest first. ``ending`` is the end of an id, ``before`` the id of the last one already seen."""
    where, values = ["tenant = ?"], [tenant]
    if statuses:
        where.append(f"status IN ({', '.join('?' * len(statuses))})")
        values += statuses
    for column, value in (("batch = ?", batch), ("id < ?", before)):
        if value is not None:
            where.append(column)
            values.append(value)
    if ending is not None:
        where.append("substr(id, -length(?)) = ?")
        values += [ending, ending]
    sql = f"SELECT {_COLUMNS} FROM pipeline_jobs WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    return [_job(row) for row in reader.rows(sql, (*values, limit))]


def count_jobs(reader: Reader, tenant: str | None, batch: str | None = None) -> dict[str, int]:
    """How many jobs have each status; of every tenant when None."""
    where, values = ["1 = 1"], []
    for column, value in (("tenant = ?", tenant), ("batch = ?", batch)):
        if value is not None:
            where.append(column)
            values.append(value)
    sql = f"SELECT status, count(*) FROM pipeline_jobs WHERE {' AND '.join(where)} GROUP BY status"
    return {str(status): int(count) for status, count in reader.rows(sql, values)}


# ── what a worker does ───────────────────────────────────────────────────────────────────────────────────────


def claim_jobs(
    tx: Transaction, owner: str, *, now: float, lease: float, limit: int, tenant: str | None
) -> list[JobRow]:
    """Takes up to ``limit`` jobs that are due and counts the attempt: the most urgent of each tenant first, and tenants
    in turn, so that none of them waits for all that another one has submitted."""
    due = _due_in_turn(tx, now, limit, [tenant] if tenant is not None else _tenants_waiting(tx))
    claimed = []
    for job_id in due:
        row = tx.one(
            "UPDATE pipeline_jobs SET status = 'running', stage = 'queued', owner = ?, lease_until = ?, picked_at = ?, "
            f"attempts = attempts + 1, error = NULL WHERE id = ? AND status = 'pending' RETURNING {_COLUMNS}",
            (owner, now + lease, now, job_id),
        )
        if row is not None:
            claimed.append(_job(row))
    return claimed


def _tenants_waiting(reader: Reader) -> list[str]:
    """Found one after the other in the index, as there are few tenants and may be many jobs."""
    sql = "SELECT min(tenant) FROM pipeline_jobs WHERE status = 'pending' AND tenant > ?"
    found = [""]
    while (row := reader.one(sql, (found[-1],))) is not None and row[0] is not None:
        found.append(str(row[0]))
    return found[1:]


def _due_in_turn(reader: Reader, now: float, limit: int, tenants: Sequence[str]) -> list[str]:
    # The plus keeps the planner from sorting all that are due, where the index has them in order.
    sql = (
        "SELECT id FROM pipeline_jobs WHERE tenant = ? AND status = 'pending' AND +scheduled_at <= ? "
        "ORDER BY priority DESC, id LIMIT ?"
    )
    queues = [[str(row[0]) for row in reader.rows(sql, (tenant, now, limit))] for tenant in tenants]
    turns = zip_longest(*queues)
    return [job_id for turn in turns for job_id in turn if job_id is not None][:limit]


def next_due(reader: Reader, tenant: str | None) -> float | None:
    """When the earliest pending job may begin; None when nothing is pending."""
    own, values = ("", ()) if tenant is None else ("AND tenant = ?", (tenant,))
    row = reader.one(f"SELECT min(scheduled_at) FROM pipeline_jobs WHERE status = 'pending' {own}", values)
    return None if row is None or row[0] is None else float(row[0])


def keep_lease(tx: Transaction, owner: str, until: float) -> int:
    """Says that ``owner`` still has its jobs."""
    return tx.execute("UPDATE pipeline_jobs SET lease_until = ? WHERE owner = ? AND status = 'running'", (until, owner))


def running_owners(reader: Reader) -> list[str]:
    sql = "SELECT DISTINCT owner FROM pipeline_jobs WHERE status = 'running'"
    return [str(row[0]) for row in reader.rows(sql)]


def abandoned_jobs(reader: Reader, dead: Iterable[str], now: float) -> list[JobRow]:
    """Running jobs whose worker is dead, or has not said for the length of a lease that it lives."""
    gone = set(dead)
    rows = reader.rows(f"SELECT {_COLUMNS} FROM pipeline_jobs WHERE status = 'running'")
    return [job for job in map(_job, rows) if job.owner in gone or (job.lease_until or 0.0) < now]


def is_held(reader: Reader, row: JobRow) -> bool:
    """Whether the job is still its owner's, in this attempt."""
    return reader.one(f"SELECT 1 FROM pipeline_jobs WHERE {_HELD}", (row.id, row.owner, row.attempts)) is not None


def set_held(tx: Transaction, row: JobRow, **columns: Any) -> bool:
    """Changes a job that is still its owner's, in this attempt; False when it is not any more."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    values = [_stored(value) for value in columns.values()]
    sql = f"UPDATE pipeline_jobs SET {assignments} WHERE {_HELD}"
    return tx.execute(sql, (*values, row.id, row.owner, row.attempts)) == 1


def set_job(tx: Transaction, row: JobRow, statuses: Sequence[str], **columns: Any) -> bool:
    """Changes a tenant's job whose status is one of ``statuses``; False when it is not."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    values = [_stored(value) for value in columns.values()]
    marks = ", ".join("?" * len(statuses))
    sql = f"UPDATE pipeline_jobs SET {assignments} WHERE id = ? AND tenant = ? AND status IN ({marks})"
    return tx.execute(sql, (*values, row.id, row.tenant, *statuses)) == 1


def live_twin(reader: Reader, row: JobRow) -> str | None:
    """The id of another job of the same key that is not done yet."""
    sql = "SELECT id FROM pipeline_jobs WHERE tenant = ? AND key = ? AND status IN ('pending', 'running') AND id <> ?"
    found = reader.one(sql, (row.tenant, row.key, row.id))
    return None if found is None else str(found[0])


def _stored(value: Any) -> Any:
    """JSON for what is a list or a mapping."""
    if isinstance(value, (Mapping, list, tuple)):
        return dumps(dict(value) if isinstance(value, Mapping) else list(value)).decode()
    return value


def _job(row: Sequence[Any]) -> JobRow:
    job = JobRow._make(row)
    return job._replace(
        tags=tuple(loads(str(job.tags))),
        options=loads(str(job.options)),
        error=None if job.error is None else loads(str(job.error)),
        result=None if job.result is None else loads(str(job.result)),
    )
