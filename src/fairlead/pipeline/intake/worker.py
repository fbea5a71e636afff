"""The worker: carries jobs out, many at once, until it is told to end.

A job's stages overlap with those of others: fetching waits for the network on the event loop, understanding takes a
process of the pool, and what is written joins the group commit of the store. Everything between is bounded: so many
jobs in progress, so many fetches, so many bytes waiting to be understood; what finds no room stays in the store.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.clock import Clock
from fairlead.errors import ConflictError, RetryError
from fairlead.events import Event
from fairlead.memory import Memory
from fairlead.pipeline.intake.claims import BEAT_S, Claims
from fairlead.pipeline.intake.fetching import Content, Several, Unchanged, fetch, is_local
from fairlead.pipeline.intake.knowledge import Knowledge
from fairlead.pipeline.intake.pool import AnalystPool, Task
from fairlead.pipeline.jobs import JobRequest, Jobs
from fairlead.pipeline.sources.opening import Sources
from fairlead.store import Database
from fairlead.store.database import Transaction
from fairlead.store.pipeline import JobRow
from fairlead.tenancy import Tenant, use_tenant

_log = logging.getLogger(__name__)

_LOOK_S = 5.0
"""Seconds between two looks for the jobs of workers that died."""

_CANCEL_LOOK_S = 1.0
_IDLE_LOOK_S = 0.05
_RETRY_S = 1.0
_WAKES = ("job.queued", "job.retried", "job.cancelled", "job.recovered")


class WorkerOptions(NamedTuple):
    """Where a worker has its lock and puts media for a moment, and how much it does at once.

    ``processes`` 0 means one for each core; ``tenant`` None means all tenants.
    """

    owners: Path
    media: Path
    tenant: str | None = None
    processes: int = 0
    most_in_progress: int = 32
    most_fetches: int = 24
    most_waiting_bytes: int = 64 * 1024 * 1024


class Worker:
    """Takes jobs from the store and carries them out; to be used on one event loop.

    worker = Worker(database, memory, clock, sources=sources, options=WorkerOptions(home / "owners", home / "media"))
    await worker.start()
    ...
    await worker.drain()   # takes no more, finishes what it has
    await worker.stop()    # or lets go at once: what it has goes back into the queue
    """

    def __init__(
        self,
        database: Database,
        memory: Memory,
        clock: Clock,
        *,
        sources: Sources,
        options: WorkerOptions,
        draw: random.Random | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sources = sources
        self._options = options
        self._claims = Claims(
            database, clock, options.owners, tenant=options.tenant, draw=draw or random.Random(os.urandom(8))
        )
        self._jobs = Jobs(database, clock)
        self._knowledge = Knowledge(database, memory, clock)
        self.pool = AnalystPool(options.processes or os.cpu_count() or 1)
        self._fetches = asyncio.Semaphore(options.most_fetches)
        self._held: dict[asyncio.Task[None], JobRow] = {}
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._ends: list[Any] = []
        self._draining = False
        self._taking = False
        self._fault: Exception | None = None

    @property
    def id(self) -> str:
        return self._claims.id

    @property
    def in_progress(self) -> int:
        """Jobs that it holds now."""
        return len(self._held)

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begins to take jobs; those of workers that died first."""
        loop = asyncio.get_running_loop()
        self._room.set()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        def hear(event: Event) -> None:
            wake()

        self._ends = [self._database.bus.subscribe(hear, _WAKES), self._database.watch(wake)]
        await asyncio.to_thread(self._options.media.mkdir, parents=True, exist_ok=True)
        await self._claims.recover()
        works = (self._take_jobs, self._keep_claims)
        self._loops = [asyncio.create_task(self._persevere(work)) for work in works]

    async def drain(self) -> None:
        """Takes no more, waits until what it has is done, and ends."""
        self._draining = True
        self._wake.set()
        while self._held or self._taking:
            await (asyncio.wait(set(self._held)) if self._held else asyncio.sleep(_IDLE_LOOK_S))
        await self.stop()

    async def stop(self) -> None:
        """Ends now. What it has in progress goes back into the queue, whole or not begun."""
        for end in self._ends:
            end()
        self._ends = []
        tasks = [*self._loops, *self._held]
        for task in tasks:
            task.cancel()
        # What a loop ended with was logged, and is told by check().
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loops = []
        await self._claims.let_go()
        await self.pool.close()
        self._claims.release()

    def check(self) -> None:
        """Raises what made the worker give up, if something did: a store that cannot be written any more."""
        if self._fault is not None:
            raise self._fault

    async def until_idle(self) -> None:
        """Returns when nothing is in progress and nothing is pending, also not for later; raises as :meth:`check`."""
        # Asked in this order: what is no longer pending is being taken or is held.
        while await self._claims.due_in() is not None or self._taking or self._held:
            self.check()
            if self._held:
                await asyncio.wait(set(self._held), return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(_IDLE_LOOK_S)

    # ── taking ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _persevere(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does ``work``, again after what may pass; anything else ends the worker, and is told by :meth:`check`."""
        while True:
            try:
                return await work()
            except RetryError as exc:
                _log.warning("the worker waits: %s", exc)
                await asyncio.sleep(_RETRY_S)
            except Exception as exc:
                _log.exception("the worker ends")
                self._fault = exc
                raise

    async def _take_jobs(self) -> None:
        looked = self._clock.monotonic()
        while not self._draining:
            self._wake.clear()
            room = self._options.most_in_progress - len(self._held)
            if room > 0 and await self._take(room):
                continue
            if self._clock.monotonic() - looked >= _LOOK_S:
                looked = self._clock.monotonic()
                await self._claims.recover()
            due = await self._claims.due_in() if room > 0 else None
            await self._sleep(_LOOK_S if due is None else min(_LOOK_S, max(due, 0.01)))

    async def _take(self, room: int) -> bool:
        self._taking = True
        try:
            taken = await self._claims.take(room)
            for job in taken:
                task = asyncio.create_task(self._carry(job))
                self._held[task] = job
                task.add_done_callback(self._forget)
        finally:
            self._taking = False
        return bool(taken)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _forget(self, task: asyncio.Task[None]) -> None:
        job = self._held.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None and job is not None:
            # The store could not even be told; the lease runs out, and the job is done again.
            _log.error("the end of job %s could not be stored", job.id, exc_info=error)
        self._wake.set()

    async def _keep_claims(self) -> None:
        """Renews the lease, and lets go of jobs that were cancelled or taken away."""
        beaten = self._clock.monotonic()
        while True:
            await asyncio.sleep(_CANCEL_LOOK_S)
            held = [*self._held.values()]
            if self._clock.monotonic() - beaten >= BEAT_S:
                beaten = self._clock.monotonic()
                lost = await self._claims.beat(held)
            else:
                lost = await self._claims.lost(held) if held else []
            gone = {job.id for job in lost}
            for task, job in [*self._held.items()]:
                if job.id in gone:
                    task.cancel()

    # ── carrying out ─────────────────────────────────────────────────────────────────────────────────────────

    async def _carry(self, job: JobRow) -> None:
        tenant, _, workspace = job.tenant.partition(":")
        with use_tenant(Tenant(tenant, workspace)):
            try:
                await self._carry_out(job)
            except ConflictError as exc:
                if await self._claims.lost([job]):
                    _log.info("job %s is another's by now: %s", job.id, exc.message)
                else:
                    await self._claims.fail(job, exc)
            except Exception as exc:  # noqa: BLE001 - a document's fault is its job's alone; all are told
                _log.log(_level(exc), "job %s of %s failed", job.id, job.address, exc_info=exc)
                await self._claims.fail(job, exc)

    async def _carry_out(self, job: JobRow) -> None:
        self._claims.reach(job, "classifying")
        content = await self._fetched(job)

        def end(result: Mapping[str, Any]) -> Any:
            return self._claims.ending(job, result)

        if isinstance(content, Several):
            await self._expand(job, content)
            return
        if isinstance(content, Unchanged):
            await self._knowledge.unchanged(job, content.source, end)
            return
        found = await self._understood(job, content)
        if found.get("unchanged"):
            await self._knowledge.unchanged(job, content.source, end)
            return
        self._claims.reach(job, "ingesting")
        await self._knowledge.keep(job, content, found, end)

    async def _fetched(self, job: JobRow) -> Content | Several | Unchanged:
        options = self._options
        if is_local(job.address):
            return await fetch(job, self._sources, options.media)
        if not self.pool.pids:
            await self.pool.warm()
        async with self._fetches:
            # Back-pressure: while too much waits to be understood, nothing new is fetched.
            await self._room.wait()
            known = await self._knowledge.position(job)
            content = await fetch(job, self._sources, options.media, known)
            if isinstance(content, Content):
                self._weigh(len(content.data or b""))
            return content

    def _weigh(self, size: int) -> None:
        self._waiting_bytes += size
        if self._waiting_bytes < self._options.most_waiting_bytes:
            self._room.set()
        else:
            self._room.clear()

    async def _understood(self, job: JobRow, content: Content) -> dict[str, Any]:
        try:
            known = await self._knowledge.known(job, content.source)
            redact, overlap = bool(job.options.get("redact")), int(job.options.get("overlap") or 0)
            task = Task(content.ref.to_dict(), content.form, redact, overlap, known)
            return await self.pool.understand(task, content.data, begun=lambda: self._claims.reach(job, "extracting"))
        finally:
            if content.data is not None:
                self._weigh(-len(content.data))

    async def _expand(self, job: JobRow, several: Several) -> None:
        """An address that holds items becomes a job for each."""
        requests = [
            JobRequest(item.url, job.source, item.external_id, job.tags, _own_options(job), job.visibility)
            for item in several.items
        ]
        submitting = self._jobs.submitting(requests, cause=f"job:{job.id}", batch=job.batch)

        def unit(tx: Transaction) -> None:
            submitted = submitting(tx)
            ids = [one.job.id for one in submitted]
            self._claims.ending(job, {"source": job.address, "expanded": len(ids), "jobs": ids})(tx)

        await self._database.write(unit)


def _own_options(job: JobRow) -> dict[str, Any]:
    """What holds for each item of a channel too; its title and its limit are its own."""
    return {name: value for name, value in job.options.items() if name not in ("title", "limit")}


def _level(exc: BaseException) -> int:
    from fairlead.errors import FairleadError

    return logging.INFO if isinstance(exc, FairleadError) else logging.ERROR
