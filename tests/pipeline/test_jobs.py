"""Jobs are kept until they are done, once, by whoever holds them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import (
    ConflictError,
    InvalidInputError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    StateError,
    TenantMissingError,
)
from fairlead.events import EventBus
from fairlead.pipeline.intake.claims import LEASE_S, Claims
from fairlead.pipeline.jobs import MOST_ATTEMPTS, STAGES, JobRequest, Jobs, job_view, next_attempt, steps_of
from fairlead.store import Database, open_database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.clock import StillClock

pytestmark = pytest.mark.anyio

ACME = make_tenant("acme")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "fairlead.db", bus=EventBus())
    yield database
    database.close()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def jobs(database: Database, clock: StillClock) -> Iterator[Jobs]:
    with use_tenant(ACME):
        yield Jobs(database, clock)


@pytest.fixture
def claims(database: Database, clock: StillClock, tmp_path: Path) -> Iterator[Callable[..., Claims]]:
    made: list[Claims] = []

    def make(tenant: str | None = None) -> Claims:
        made.append(Claims(database, clock, tmp_path / "owners", tenant=tenant, draw=random.Random(1)))
        return made[-1]

    yield make
    for one in made:
        one.release()


def types_of(database: Database, job_id: str) -> list[str]:
    return [r[0] for r in database.read_sync(lambda r: r.rows("SELECT type FROM events WHERE subject = ?", (job_id,)))]


async def test_the_same_source_fifty_times_at_once_is_one_job(jobs: Jobs) -> None:
    many = await asyncio.gather(*(jobs.submit([JobRequest("https://a.example/x")]) for _ in range(50)))
    assert len({answer[0].job.id for answer in many}) == 1
    assert sum(answer[0].known for answer in many) == 49
    other = await jobs.submit([JobRequest("https://a.example/x", tags=("b",)), JobRequest("https://a.example/y")])
    assert not any(one.known for one in other)
    assert await jobs.counts() == {"pending": 3}


async def test_a_done_job_does_not_stand_in_the_way_of_the_next(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    worker = claims()
    (first,) = await jobs.submit([JobRequest("a")])
    (held,) = await worker.take(5)
    jobs._database.write_sync(worker.ending(held, {"passages": 2}))
    (again,) = await jobs.submit([JobRequest("a")])
    assert not again.known and again.job.id != first.job.id
    view = job_view(await jobs.get(first.job.id))
    assert (view["status"], view["stage"], view["progress"], view["result"]) == (
        "done",
        "complete",
        100,
        {"passages": 2},
    )
    assert {step["status"] for step in view["steps"].values()} == {"complete"}
    assert types_of(jobs._database, held.id) == ["job.queued", "job.started", "job.completed"]


async def test_the_urgent_come_first_and_no_job_goes_to_two_workers(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    await jobs.submit([JobRequest(f"{n}", priority=p) for n, p in enumerate(("low", "medium", "critical", "medium"))])
    one, other = claims(), claims()
    taken = await asyncio.gather(one.take(2), other.take(2))
    addresses = [job.address for part in taken for job in part]
    assert sorted(addresses) == ["0", "1", "2", "3"]
    assert ["2", "1"] in [[job.address for job in part] for part in taken]
    assert await one.take(2) == []


async def test_tenants_see_their_own_jobs_only(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    (mine,) = await jobs.submit([JobRequest("a")])
    with use_tenant(make_tenant("other")):
        (theirs,) = await jobs.submit([JobRequest("a")])
        assert not theirs.known
        assert [job.id for job in await jobs.list()] == [theirs.job.id]
        for act in (jobs.get, jobs.retry, jobs.cancel):
            with pytest.raises(NotFoundError):
                await act(mine.job.id)
        assert await jobs.those([mine.job.id]) == []
    assert [job.address for job in await claims("nobody:main").take(9)] == []
    assert [job.id for job in await claims("acme:main").take(9)] == [mine.job.id]


async def test_no_tenant_waits_for_all_that_another_one_submitted(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    await jobs.submit([JobRequest(f"{n}", priority="critical") for n in range(50)])
    with use_tenant(make_tenant("small")):
        await jobs.submit([JobRequest("a"), JobRequest("b", priority="high")])
    taken = await claims().take(6)
    assert [job.address for job in taken if job.tenant == "small:main"] == ["b", "a"]
    assert sum(job.tenant == "acme:main" for job in taken) == 4


async def test_without_a_tenant_nothing_is_accepted(database: Database, clock: StillClock) -> None:
    with pytest.raises(TenantMissingError):
        await Jobs(database, clock).submit([JobRequest("a")])


async def test_an_error_that_may_pass_is_tried_again_later(
    jobs: Jobs, claims: Callable[..., Claims], clock: StillClock
) -> None:
    await jobs.submit([JobRequest("a")])
    worker = claims()
    (job,) = await worker.take(1)
    delay = await worker.fail(job, RateLimitedError("slow down.", remedy="Wait.", retry_after=90))
    assert delay == 90
    view = job_view(await jobs.get(job.id))
    assert (view["status"], view["stage"], view["error"]) == ("pending", "queued", "slow down.")
    assert await worker.take(1) == []
    assert await worker.due_in() == pytest.approx(90)
    clock.advance(91)
    (again,) = await worker.take(1)
    assert again.attempts == 2
    assert await worker.fail(again, InvalidInputError("not readable.", remedy="Leave it out.")) is None
    view = job_view(await jobs.get(job.id))
    assert (view["status"], view["stage"], view["remedy"]) == ("error", "failed", "Leave it out.")
    assert view["steps"]["classification"]["status"] == "failed"
    assert "job.postponed" in types_of(jobs._database, job.id)
    retried = await jobs.retry(job.id[-8:])
    assert (retried.status, retried.attempts, retried.error) == ("pending", 0, None)


async def test_a_cancelled_job_cannot_be_finished(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    await jobs.submit([JobRequest("a")])
    worker = claims()
    (job,) = await worker.take(1)
    await jobs.cancel(job.id)
    assert [lost.id for lost in await worker.beat([job])] == [job.id]
    with pytest.raises(ConflictError):
        await jobs._database.write(worker.ending(job, {}))
    assert (await jobs.get(job.id)).status == "cancelled"
    with pytest.raises(StateError):
        await jobs.cancel(job.id)


async def test_jobs_of_a_dead_worker_are_free_at_once(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    await jobs.submit([JobRequest("a"), JobRequest("b")])
    dead, living = claims(), claims()
    held = await dead.take(1)
    (own,) = await living.take(1)
    assert await living.recover() == []
    dead.release()
    assert [job.id for job in await living.recover()] == [held[0].id]
    (again,) = await living.take(5)
    assert (again.id, again.attempts) == (held[0].id, 2)
    with pytest.raises(ConflictError):
        await jobs._database.write(dead.ending(held[0], {}))
    assert (await jobs.get(own.id)).status == "running"


async def test_a_worker_that_hangs_loses_its_jobs_with_its_lease(
    jobs: Jobs, claims: Callable[..., Claims], clock: StillClock
) -> None:
    await jobs.submit([JobRequest("a")])
    hanging, living = claims(), claims()
    (held,) = await hanging.take(1)
    clock.advance(LEASE_S - 1)
    await hanging.beat([held])
    clock.advance(LEASE_S - 1)
    assert await living.recover() == []
    clock.advance(2)
    assert len(await living.recover()) == 1
    assert await hanging.lost([held]) == [held]


async def test_a_job_that_kills_its_workers_ends_in_an_error(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    await jobs.submit([JobRequest("a")])
    for _ in range(MOST_ATTEMPTS):
        dying = claims()
        assert len(await dying.take(1)) == 1
        dying.release()
        await claims().recover()
    (job,) = await jobs.list()
    assert job.status == "error" and "died" in str((job.error or {})["message"])
    assert (job.error or {})["remedy"]


async def test_a_retry_does_not_make_a_twin(jobs: Jobs, claims: Callable[..., Claims]) -> None:
    (first,) = await jobs.submit([JobRequest("a")])
    await jobs.cancel(first.job.id)
    await jobs.submit([JobRequest("a")])
    with pytest.raises(ConflictError):
        await jobs.retry(first.job.id)


@pytest.mark.parametrize(
    "request_",
    [
        JobRequest(" "),
        JobRequest("a\x00b"),
        JobRequest("a", priority="soon"),
        JobRequest("a", options={"name": "../x"}),
        JobRequest("a", tags=("x" * 101,)),
    ],
)
async def test_what_cannot_be_a_job_is_refused_and_nothing_is_stored(jobs: Jobs, request_: JobRequest) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await jobs.submit([JobRequest("good"), request_])
    assert refused.value.remedy
    assert await jobs.list() == []


@given(attempts=st.integers(1, 30), draw=st.floats(0, 1), asked=st.none() | st.floats(0, 1e6))
@settings(deadline=None)
def test_delays_are_bounded_and_respect_the_other_side(attempts: int, draw: float, asked: float | None) -> None:
    error = NetworkError("gone.") if asked is None else RateLimitedError("slow.", retry_after=asked)
    delay = next_attempt(error, attempts, draw)
    if attempts >= MOST_ATTEMPTS:
        assert delay is None
    else:
        assert delay is not None and 1.0 <= delay <= 3600
        assert delay >= min(asked or 0, 3600)
        assert delay <= max(90.0, asked or 0)
    assert next_attempt(InvalidInputError("no."), attempts, draw) is None


@pytest.mark.parametrize("stage", list(STAGES))
def test_steps_follow_the_stage(stage: str) -> None:
    steps = steps_of(stage)
    assert list(steps) == ["classification", "ner", "ingestion"]
    done = sum(step["progress"] == 100 for step in steps.values())
    assert done == {"queued": 0, "classifying": 0, "extracting": 1, "ingesting": 2, "complete": 3}[stage]
    failed = steps_of(stage, failed=True)
    assert sum(step["status"] == "failed" for step in failed.values()) == (stage != "complete")


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────


async def _seed(home: Path) -> list[str]:
    import fairlead

    lead = fairlead.open(home=str(home))
    try:
        with use_tenant(lead.tenant):
            jobs = Jobs(lead.database, lead.clock)
            return [one.job.id for one in await jobs.submit([JobRequest("one"), JobRequest("two")])]
    finally:
        await lead.close()


def test_the_verbs_list_show_cancel_and_retry(tmp_path: Path, cli: Callable[..., Any]) -> None:
    first, second = asyncio.run(_seed(tmp_path / "home"))
    code, out, _ = cli("jobs", "list", "--json")
    listed = json.loads(out)["data"]
    assert code == 0 and [item["id"] for item in listed["items"]] == [second, first]
    assert listed["counts"] == {"pending": 2}
    assert cli("jobs", "cancel", first[-8:])[0] == 0
    assert "cancelled" in cli("jobs", "show", first)[1]
    assert cli("jobs", "cancel", first)[0] == 1
    assert json.loads(cli("jobs", "retry", first, "--json")[1])["data"]["items"][0]["status"] == "pending"
    assert cli("jobs", "retry")[0] == 2
    assert cli("jobs", "show", "nothing")[0] == 1
    assert cli("jobs", "list", "--tenant", "other", "--json")[0] == 0
    assert json.loads(cli("jobs", "list", "--tenant", "other", "--json")[1])["data"]["items"] == []
    for job in (first, second):
        cli("jobs", "cancel", job)
    code, out, _ = cli("jobs", "watch", "--json")
    told = [json.loads(line)["data"]["type"] for line in out.splitlines()]
    assert code == 0 and told.count("job.queued") == 2 and told[-1] == "job.cancelled"
