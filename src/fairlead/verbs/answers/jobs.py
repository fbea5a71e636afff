"""What the verbs of jobs and watches answer. Times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from fairlead.verbs.answers.shapes import Items, More


class JobStep(TypedDict):
    """One of a job's steps; ``progress`` is in per cent."""

    status: Literal["pending", "processing", "complete", "failed"]
    progress: int


class Job(TypedDict):
    """Something to be taken in. ``stage`` and ``progress`` say how far it is, ``result`` what it brought."""

    id: str
    address: str
    source: str
    external_id: str | None
    tags: list[str]
    options: dict[str, Any]
    visibility: str
    priority: int
    status: Literal["pending", "running", "done", "error", "cancelled"]
    stage: str
    progress: int
    steps: dict[str, JobStep]
    attempts: int
    created: str
    scheduled_at: str
    picked_at: str | None
    finished_at: str | None
    error: str | None
    remedy: str | None
    error_category: str | None
    result: dict[str, Any] | None
    batch: str | None
    cause: str


class Jobs(More):
    """A page of jobs with the number of all by status; ``next`` is what the following page begins before."""

    items: list[Job]
    counts: dict[str, int]
    next: str | None


class Left(TypedDict):
    """A job that could not be retried, and why."""

    id: str
    reason: str


class Retried(TypedDict):
    items: list[Job]
    left: list[Left]


class Watch(TypedDict):
    """A watched address. ``every`` is in seconds, ``found`` counts items, ``error`` says why the last look failed."""

    id: str
    address: str
    label: str
    source: str
    tags: list[str]
    options: dict[str, Any]
    every: float
    found: int
    cursor: str
    last_seen: str
    etag: str
    failure_count: int
    error: str | None
    next_at: str
    checked_at: str | None
    backoff_until: str | None
    created: str


class Submitted(Job):
    """``known`` says that the same was waiting or in progress already."""

    known: bool


class Ingested(TypedDict):
    """What was accepted; each job can be followed by its id, all of them by the batch."""

    batch: str
    jobs: list[Submitted]


ANSWERS: Mapping[str, Any] = {
    "watch.list": Items[Watch],
    "watch.remove": Watch,
    "ingest": Ingested,
    "jobs.list": Jobs,
    "jobs.show": Job,
    "jobs.retry": Retried,
    "jobs.cancel": Items[Job],
}
