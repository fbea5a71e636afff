"""What the verbs of jobs answer. Times are ISO 8601 in UTC."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from fairlead.verbs.answers.shapes import Items


class Step(TypedDict):
    """``status`` is pending, processing, complete or failed; ``progress`` per cent."""

    status: str
    progress: int


class Steps(TypedDict):
    classification: Step
    ner: Step
    ingestion: Step


class Job(TypedDict):
    """One thing to take in. ``stage`` is queued (0), classifying (10), extracting (40), ingesting (70), complete (100)
    or failed; ``progress`` the per cent that belong to it."""

    id: str
    address: str
    source: str | None
    external_id: str | None
    tags: list[str]
    options: dict[str, Any]
    visibility: str
    priority: int
    status: str
    stage: str
    progress: int
    steps: Steps
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


class Jobs(TypedDict):
    """``counts`` are of all jobs by status; ``next`` is what to give as ``before``."""

    items: list[Job]
    counts: dict[str, int]
    has_more: bool
    next: str | None


class Left(TypedDict):
    id: str
    reason: str


class Retried(TypedDict):
    items: list[Job]
    left: NotRequired[list[Left]]


ANSWERS: dict[str, Any] = {
    "jobs.list": Jobs,
    "jobs.show": Job,
    "jobs.retry": Retried,
    "jobs.cancel": Items[Job],
}
