"""Claims: the jobs that one worker holds, and how it says so.

A worker holds an operating-system lock for as long as it lives (:class:`fairlead.runtime.owner.Owner`), so that after a
``kill -9`` the next one knows at once whose jobs are free; beyond one machine, and for a worker that hangs, the lease
decides. A job is changed only by whoever holds it in this attempt: what a worker does after it lost a job is undone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairlead.clock import Clock
from fairlead.errors import ConflictError
from fairlead.pipeline.jobs import MOST_ATTEMPTS, STAGES, job_event, next_attempt, steps_of, told
from fairlead.runtime.owner import Owner, is_alive
from fairlead.store import Database
from fairlead.store import pipeline as rows
from fairlead.store.database import Transaction
from fairlead.store.pipeline import JobRow

LEASE_S = 60.0
BEAT_S = 15.0
"""Seconds between two renewals of the lease."""


class Claims:
    """What one worker of one store may take: jobs of ``tenant`` (``tenant:workspace``), or of all when None."""

    def __init__(
        self, database: Database, clock: Clock, owners: Path, *, tenant: str | None = None, draw: random.Random
    ) -> None:
        self._database = database
        self._clock = clock
        self._owners = owners
        self._tenant = tenant
        self._draw = draw
        self._owner = Owner(owners)
        self.id = self._owner.id

    def release(self) -> None:
        """Gives the lock back; jobs that are still held become free at once."""
        self._owner.release()

    @property
    def cause(self) -> str:
        return f"worker:{self.id}"

    # ── taking ───────────────────────────────────────────────────────────────────────────────────────────────

    async def take(self, limit: int) -> list[JobRow]:
        """Up to ``limit`` jobs that are due, the most urgent first."""
        now = self._clock.now()

        def unit(tx: Transaction) -> list[JobRow]:
            jobs = rows.claim_jobs(tx, self.id, now=now, lease=LEASE_S, limit=limit, tenant=self._tenant)
            for job in jobs:
                tx.emit(job_event("job.started", job, now, self.cause, {"attempt": job.attempts}))
            return jobs

        # Asked without the writer first: an idle worker must not write twenty times a second.
        due = await self._database.read(lambda reader: rows.next_due(reader, self._tenant))
        return [] if due is None or due > now else await self._database.write(unit)

    async def due_in(self) -> float | None:
        """Seconds until the next pending job may begin; None when nothing is pending."""
        due = await self._database.read(lambda reader: rows.next_due(reader, self._tenant))
        return None if due is None else max(0.0, due - self._clock.now())

    async def recover(self) -> list[JobRow]:
        """Frees the jobs of workers that died; one that was in progress at too many deaths ends in an error."""
        owners = await self._database.read(rows.running_owners)
        dead = [owner for owner in owners if owner != self.id and not is_alive(self._owners, owner)]
        now = self._clock.now()
        if not dead and not await self._database.read(lambda r: rows.abandoned_jobs(r, (), now)):
            return []

        def unit(tx: Transaction) -> list[JobRow]:
            found = [job for job in rows.abandoned_jobs(tx, dead, now) if job.owner != self.id]
            for job in found:
                self._free(tx, job, now)
            return found

        return await self._database.write(unit)

    def _free(self, tx: Transaction, job: JobRow, now: float) -> None:
        if job.attempts < MOST_ATTEMPTS:
            rows.set_held(tx, job, status="pending", stage="queued", owner=None, lease_until=None, scheduled_at=now)
            tx.emit(job_event("job.recovered", job, now, self.cause, {"attempt": job.attempts}))
            return
        error = {
            "message": f"its worker died {job.attempts} times while it was in progress.",
            "remedy": "Leave the source out, or read it alone with `fairlead analyse`.",
            "category": "processing",
            "exception": "WorkerDied",
        }
        rows.set_held(tx, job, status="error", finished_at=now, error=error, lease_until=None)
        tx.emit(job_event("job.failed", job, now, self.cause, {**error, "attempts": job.attempts}))

    # ── holding ──────────────────────────────────────────────────────────────────────────────────────────────

    async def beat(self, jobs: Sequence[JobRow]) -> list[JobRow]:
        """Renews the lease; returns those of ``jobs`` that were taken away or cancelled meanwhile."""
        until = self._clock.now() + LEASE_S

        def unit(tx: Transaction) -> list[JobRow]:
            rows.keep_lease(tx, self.id, until)
            return [job for job in jobs if not rows.is_held(tx, job)]

        return await self._database.write(unit)

    async def lost(self, jobs: Sequence[JobRow]) -> list[JobRow]:
        """Those of ``jobs`` that were taken away or cancelled meanwhile."""
        return await self._database.read(lambda reader: [job for job in jobs if not rows.is_held(reader, job)])

    def reach(self, job: JobRow, stage: str) -> None:
        """Notes that the job reached a stage. Nobody waits for it: it is durable with the next write."""
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            if rows.set_held(tx, job, stage=stage):
                data = {"stage": stage, "progress": STAGES[stage], "steps": steps_of(stage)}
                tx.emit(job_event("job.progressed", job, now, self.cause, data))

        self._database.later(unit)

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────────────

    def ending(self, job: JobRow, result: Mapping[str, Any]) -> Callable[[Transaction], None]:
        """The unit that marks the job as done; :class:`ConflictError` undoes all that is written with it when the job
        is not this worker's any more."""
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            done = {"status": "done", "stage": "complete", "finished_at": now, "lease_until": None}
            if not rows.set_held(tx, job, **done, result=result):
                raise ConflictError(
                    f"job {job.id} is not this worker's any more.", remedy="Nothing was stored; leave it.", job=job.id
                )
            tx.emit(job_event("job.completed", job, now, self.cause, result))

        return unit

    async def fail(self, job: JobRow, error: BaseException) -> float | None:
        """Puts the job back for another attempt, or ends it; returns the delay in seconds, None at an end."""
        now, told_ = self._clock.now(), told(error)
        delay = next_attempt(error, job.attempts, self._draw.random())

        def unit(tx: Transaction) -> None:
            facts = {**told_, "attempts": job.attempts}
            if delay is None:
                if rows.set_held(tx, job, status="error", finished_at=now, error=told_, lease_until=None):
                    tx.emit(job_event("job.failed", job, now, self.cause, facts))
            elif rows.set_held(
                tx, job, status="pending", stage="queued", scheduled_at=now + delay, error=told_, lease_until=None
            ):
                tx.emit(job_event("job.postponed", job, now, self.cause, {**facts, "at": now + delay}))

        await self._database.write(unit)
        return delay

    async def let_go(self) -> None:
        """Puts everything back that is held still, in an orderly end; the attempt does not count."""
        now = self._clock.now()

        def unit(tx: Transaction) -> None:
            for job in rows.abandoned_jobs(tx, (self.id,), float("-inf")):
                back = {"status": "pending", "stage": "queued", "lease_until": None, "attempts": job.attempts - 1}
                rows.set_held(tx, job, **back, scheduled_at=now)
                tx.emit(job_event("job.recovered", job, now, self.cause, {"attempt": job.attempts}))

        await self._database.write(unit)
