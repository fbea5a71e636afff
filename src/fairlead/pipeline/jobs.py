"""Jobs: what is to be taken in, kept until it is done.

A job goes from ``pending`` to ``running`` to ``done`` or ``error``; a person may cancel it. While it runs it passes
stages that a caller can show: ``queued``, ``classifying`` (10 %), ``extracting`` (40 %), ``ingesting`` (70 %),
``complete``. An error that may pass puts it back with a delay; any other ends it, with the remedy. A job whose worker
died is done again, because whatever it writes is written with its end in one transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.clock import Clock, isoformat
from fairlead.errors import ConflictError, FairleadError, InvalidInputError, NotFoundError, RetryError, StateError
from fairlead.events import Draft, draft
from fairlead.ids import new_id
from fairlead.pipeline.fetch.failures import shown
from fairlead.store import Database
from fairlead.store import pipeline as rows
from fairlead.store.database import Reader, Transaction
from fairlead.store.pipeline import JobRow
from fairlead.tenancy import check_name, require_tenant

PRIORITIES: Mapping[str, int] = {"low": -1, "medium": 0, "high": 1, "critical": 2}
STAGES: Mapping[str, int] = {"queued": 0, "classifying": 10, "extracting": 40, "ingesting": 70, "complete": 100}
"""Stage -> how far the job is, in per cent."""

STEPS: Mapping[str, str] = {"classification": "classifying", "ner": "extracting", "ingestion": "ingesting"}
"""The step that clients know -> the stage in which it is done."""

MOST_ATTEMPTS = 5
MOST_SUBMITTED = 10_000
_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 60.0
_LONGEST_ASKED_S = 3600.0


class JobRequest(NamedTuple):
    """What is to be taken in.

    ``address`` is a URL or an absolute path; ``source`` the name of the source that has to take it, or empty.
    ``options`` are ``name`` (collection in memory), ``redact``, ``overlap`` (sentences that a passage shares with the
    one before), ``limit`` (items of a channel or feed) and ``title``.
    """

    address: str
    source: str = ""
    external_id: str = ""
    tags: tuple[str, ...] = ()
    options: Mapping[str, Any] = {}
    visibility: str = "public"
    priority: str = "medium"


class Submitted(NamedTuple):
    """A job that was accepted; ``known`` when the same work was already waiting or in progress."""

    job: JobRow
    known: bool


class Jobs:
    """The current tenant's jobs in one store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def submit(
        self, requests: Sequence[JobRequest], *, cause: str = "library", batch: str | None = None
    ) -> list[Submitted]:
        """Accepts work durably, all of it or none; what is already waiting or in progress is not accepted twice.

        Raises :class:`InvalidInputError` for a request that cannot be one.
        """
        return await self._database.write(self.submitting(requests, cause=cause, batch=batch))

    def submitting(self, requests: Sequence[JobRequest], *, cause: str, batch: str | None = None) -> Any:
        """The write unit of :meth:`submit`, for those who write something else with it."""
        if len(requests) > MOST_SUBMITTED:
            raise InvalidInputError(
                f"{len(requests):,} sources at once.", remedy=f"Submit at most {MOST_SUBMITTED:,}.", field="requests"
            )
        tenant, now = str(require_tenant()), self._clock.now()
        together = batch or new_id("bat")
        jobs = [_job_of(request, tenant, together, cause, now) for request in requests]

        def unit(tx: Transaction) -> list[Submitted]:
            accepted = []
            for job in jobs:
                stored = rows.add_job(tx, job)
                known = stored.id != job.id
                accepted.append(Submitted(stored, known))
                if not known:
                    tx.emit(job_event("job.queued", job, now, cause, {"address": job.address, "tags": [*job.tags]}))
            return accepted

        return unit

    async def get(self, job_id: str) -> JobRow:
        """A job by its id or the end of it; :class:`NotFoundError` when the tenant has no such job."""
        tenant = str(require_tenant())
        return await self._database.read(lambda reader: find_job(reader, tenant, job_id))

    async def list(
        self,
        *,
        statuses: Sequence[str] = (),
        batch: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> Sequence[JobRow]:
        """The newest jobs first."""
        tenant = str(require_tenant())
        return await self._database.read(
            lambda r: rows.find_jobs(r, tenant, statuses=statuses, batch=batch, before=before, limit=limit)
        )

    async def those(self, ids: Sequence[str]) -> Sequence[JobRow]:
        """The jobs with these ids, in the order of arrival."""
        tenant = str(require_tenant())
        return await self._database.read(lambda reader: rows.jobs_by_ids(reader, tenant, ids))

    async def counts(self, batch: str | None = None) -> dict[str, int]:
        """How many jobs have each status."""
        tenant = str(require_tenant())
        return await self._database.read(lambda reader: rows.count_jobs(reader, tenant, batch))

    async def retry(self, job_id: str, *, cause: str = "library") -> JobRow:
        """Puts a job that failed, was cancelled, or waits for its next attempt at the queue's end, to be done now."""
        job, now = await self.get(job_id), self._clock.now()

        def unit(tx: Transaction) -> JobRow:
            twin = rows.live_twin(tx, job)
            if twin is not None:
                raise ConflictError(
                    f"the same source is already being taken in by {twin}.",
                    remedy="Wait for that job.",
                    job=job.id,
                    twin=twin,
                )
            fresh = {"status": "pending", "stage": "queued", "attempts": 0, "scheduled_at": now, "finished_at": None}
            if not rows.set_job(tx, job, ("error", "cancelled", "pending"), **fresh, owner=None, error=None):
                raise _wrong_state(rows.job_by_id(tx, job.tenant, job.id) or job, "retried", ("error", "cancelled"))
            tx.emit(job_event("job.retried", job, now, cause, {"address": job.address}))
            return rows.job_by_id(tx, job.tenant, job.id) or job

        return await self._database.write(unit)

    async def cancel(self, job_id: str, *, cause: str = "library") -> JobRow:
        """Takes a job back that is not done yet. A worker that has it stores nothing of it any more."""
        job, now = await self.get(job_id), self._clock.now()

        def unit(tx: Transaction) -> JobRow:
            if not rows.set_job(tx, job, rows.LIVE, status="cancelled", finished_at=now, owner=None):
                raise _wrong_state(rows.job_by_id(tx, job.tenant, job.id) or job, "cancelled", rows.LIVE)
            tx.emit(job_event("job.cancelled", job, now, cause, {"address": job.address}))
            return rows.job_by_id(tx, job.tenant, job.id) or job

        return await self._database.write(unit)


def find_job(reader: Reader, tenant: str, word: str) -> JobRow:
    """The one job of the tenant that ``word`` names: its id, the end of it, or ``latest``."""
    if word in ("latest", "last"):
        found = rows.find_jobs(reader, tenant, limit=1)
    else:
        exact = rows.job_by_id(reader, tenant, word)
        ending = word.removeprefix("job_")
        found = [exact] if exact else rows.find_jobs(reader, tenant, ending=ending, limit=2) if len(ending) > 3 else []
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInputError(f"{word!r} fits several jobs.", remedy="Give more of the id.", field="job", value=word)
    raise NotFoundError(f"there is no job {word!r}.", remedy="See `fairlead jobs list`.", job=word)


def job_key(request: JobRequest) -> str:
    """What makes two requests the same work: the address, the source, the tags and the options."""
    parts = [request.address, request.source, *sorted(set(request.tags))]
    parts += [f"{name}={request.options[name]!r}" for name in sorted(request.options)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def next_attempt(error: BaseException, attempts: int, draw: float) -> float | None:
    """Seconds until a job is tried again after its ``attempts``-th failure; None when that is of no use.

    Only errors of the branch that says retry are tried again. The delay doubles from two seconds to a minute and is
    spread by ``draw`` (0 to 1) over half to one and a half of it; what the other side asked for is not undercut, up to
    an hour.
    """
    if not isinstance(error, RetryError) or attempts >= MOST_ATTEMPTS:
        return None
    delay = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** max(0, attempts - 1)) * (0.5 + draw)
    asked = error.fields.get("retry_after")
    return max(delay, min(float(asked), _LONGEST_ASKED_S)) if isinstance(asked, (int, float)) else delay


def job_event(type_: str, job: JobRow, now: float, cause: str, data: Mapping[str, Any]) -> Draft:
    """An event of a job. History is read by more than those who may see the job: addresses are shown without keys."""
    facts = {name: shown(value) if name in ("address", "source") else value for name, value in data.items()}
    return draft(type_, job.tenant, job.id, {**facts, "batch": job.batch}, source="pipeline", cause=cause, time=now)


def told(error: BaseException) -> dict[str, Any]:
    """An error as a job keeps it."""
    if isinstance(error, FairleadError):
        remedy, category, message = error.remedy, error.category, error.message
    else:
        remedy, category = "This is a fault of Fairlead or of a reader; the log says where.", "system"
        message = f"{type(error).__name__}: {error}"[:500]
    return {"message": message, "remedy": remedy, "category": category, "exception": type(error).__name__}


# ── what callers see ─────────────────────────────────────────────────────────────────────────────────────────


def job_view(job: JobRow) -> dict[str, Any]:
    """A job as JSON-able values for every face: ``stage``, ``progress`` and ``steps`` are what clients poll."""
    failed = job.status == "error"
    error = job.error or {}
    return {
        "id": job.id,
        "address": job.address,
        "source": job.source,
        "external_id": job.external_id,
        "tags": [*job.tags],
        "options": dict(job.options),
        "visibility": job.visibility,
        "priority": job.priority,
        "status": job.status,
        "stage": "failed" if failed else job.stage,
        "progress": STAGES[job.stage],
        "steps": steps_of(job.stage, failed=failed, running=job.status == "running"),
        "attempts": job.attempts,
        "created": isoformat(job.created),
        "scheduled_at": isoformat(job.scheduled_at),
        "picked_at": None if job.picked_at is None else isoformat(job.picked_at),
        "finished_at": None if job.finished_at is None else isoformat(job.finished_at),
        "error": error.get("message"),
        "remedy": error.get("remedy"),
        "error_category": error.get("category"),
        "result": None if job.result is None else dict(job.result),
        "batch": job.batch,
        "cause": job.cause,
    }


def steps_of(stage: str, *, failed: bool = False, running: bool = True) -> dict[str, dict[str, Any]]:
    """The three steps with ``status`` (pending, processing, complete, failed) and ``progress`` in per cent."""
    reached = list(STAGES).index(stage)
    steps: dict[str, dict[str, Any]] = {}
    for name, own in STEPS.items():
        at = list(STAGES).index(own)
        if reached > at:
            steps[name] = {"status": "complete", "progress": 100}
        elif failed and (reached == at or (reached == 0 and at == 1)):
            steps[name] = {"status": "failed", "progress": 0}
        else:
            steps[name] = {"status": "processing" if reached == at and running else "pending", "progress": 0}
    return steps


def _job_of(request: JobRequest, tenant: str, batch: str, cause: str, now: float) -> JobRow:
    address = request.address.strip()
    if not address or len(address) > 4096 or "\x00" in address:
        raise InvalidInputError(
            f"the address {request.address[:100]!r} cannot be taken in.",
            remedy="Give a URL or a path.",
            field="address",
        )
    if request.priority not in PRIORITIES:
        raise InvalidInputError(
            f"priority is {request.priority!r}.", remedy=f"Use one of {', '.join(PRIORITIES)}.", field="priority"
        )
    check_name("name", str(request.options.get("name", "content")))
    tags = tuple(dict.fromkeys(_tags(request.tags)))
    return JobRow(
        id=new_id("job"),
        tenant=tenant,
        key=job_key(request._replace(address=address, tags=tags)),
        batch=batch,
        source=request.source,
        address=address,
        external_id=request.external_id,
        tags=tags,
        options=request.options,
        visibility=request.visibility,
        priority=PRIORITIES[request.priority],
        status="pending",
        stage="queued",
        attempts=0,
        scheduled_at=now,
        picked_at=None,
        finished_at=None,
        owner=None,
        lease_until=None,
        error=None,
        result=None,
        cause=cause,
        created=now,
    )


def _tags(tags: Iterable[str]) -> list[str]:
    found = [tag.strip() for tag in tags if tag.strip()]
    if any(len(tag) > 100 for tag in found) or len(found) > 50:
        raise InvalidInputError("the tags are too many or too long.", remedy="At most 50 of 100 letters.", field="tags")
    return found


def _wrong_state(job: JobRow, verb: str, allowed: Sequence[str]) -> StateError:
    return StateError(
        f"job {job.id} is {job.status} and cannot be {verb}.",
        remedy=f"Only jobs that are {' or '.join(allowed)} can.",
        job=job.id,
        allowed=list(allowed),
    )
