"""From sources to what is remembered: whole, once, with where it came from."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.clock import SystemClock
from fairlead.errors import (
    FairleadError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    StoreFullError,
    UnavailableError,
)
from fairlead.events import EventBus
from fairlead.memory import Memory, NewEntry
from fairlead.pipeline.documents import short_id
from fairlead.pipeline.intake.claims import Claims
from fairlead.pipeline.intake.fetching import Content
from fairlead.pipeline.intake.intake import Intake
from fairlead.pipeline.intake.knowledge import Knowledge
from fairlead.pipeline.intake.pool import AnalystPool, Task
from fairlead.pipeline.intake.understanding import understand, without_repetitions
from fairlead.pipeline.jobs import JobRequest, job_view
from fairlead.pipeline.sources import DocumentRef
from fairlead.pipeline.sources.opening import Sources, open_sources
from fairlead.pipeline.sources.options import SourceOptions
from fairlead.store import open_database
from fairlead.store.pipeline import JobRow, count_jobs
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.sources import MemorySource

pytestmark = pytest.mark.anyio

ACME = make_tenant("acme")
PIER = "The pier at Clevedon was opened in 1869. It is 312 metres long. Eugenius Birch did not design it."
TRAIN = "The night train leaves Vienna at nine. It reaches Venice in the morning. Breakfast is served in bed."
VTT = """WEBVTT

00:00:01.000 --> 00:00:06.000
<v Ada>The lighthouse of Alexandria was built by Sostratus of Cnidus.

00:01:23.000 --> 00:01:30.000
<v Ada>The lens of Fresnel was first lit at Cordouan in 1823.
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Desk:
    """An intake over a store of its own, with a source in memory behind its addresses."""

    def __init__(self, home: Path) -> None:
        self.database = open_database(home / "fairlead.db", bus=EventBus())
        self.memory = Memory(self.database, clock=SystemClock())
        self.shelf = MemorySource()
        # The web of this machine is allowed, as sources.toml would.
        web = open_sources(SourceOptions(allow_private=("127.0.0.0/8",)), SystemClock())
        self.web = web
        self.intake = Intake(self.database, self.memory, SystemClock(), home, Sources([self.shelf, *web]))

    def close(self) -> None:
        self.memory.close()
        self.database.close()

    @asynccontextmanager
    async def working(self, processes: int = 1) -> AsyncIterator[Any]:
        worker = self.intake.worker(processes=processes)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()

    async def carry_out(self) -> None:
        async with self.working() as worker:
            async with asyncio.timeout(60):
                await worker.until_idle()

    async def ingest(self, *inputs: str | Path, **options: Any) -> list[dict[str, Any]]:
        ids = [one.job.id for one in await self.intake.submit(inputs, **options)]
        await self.carry_out()
        return [job_view(job) for job in await self.intake.jobs.those(ids)]

    async def texts(self, name: str = "content") -> dict[str, list[str]]:
        """Source -> its passages in order."""
        found: dict[str, list[Any]] = {}
        for entry in await self.memory.list(name=name, limit=100_000):
            found.setdefault(entry.source, []).append((entry.span or (-1, -1), entry.content))
        return {source: [text for _, text in sorted(rows)] for source, rows in found.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "home")
    with use_tenant(ACME):
        yield desk
    desk.close()


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_talk_is_remembered_with_its_address_its_speaker_and_its_seconds(desk: Desk) -> None:
    record = desk.shelf.put(
        "talk", VTT.encode(), format="vtt", title="On light", creator="Harbour TV", kind="video", published_at=1.7e9
    )
    (job,) = await desk.ingest(record.url, tags=["light"])
    assert (job["status"], job["stage"], job["progress"]) == ("done", "complete", 100)
    assert job["result"]["source"] == record.url and job["result"]["passages"] == job["result"]["added"] > 0
    hit = (await desk.memory.recall("first lens lit at Cordouan", name="content", tags=["light"]))[0]
    assert hit.source == record.url
    facts = hit.entry.metadata
    assert (facts["title"], facts["creator"], facts["speaker"]) == ("On light", "Harbour TV", "Ada")
    assert facts["end_s"] == 90 and facts["url"] == record.url and facts["episode_id"] == "talk"
    (item,) = await desk.intake.items()
    assert (item.source, item.title, item.record["creator"]) == (record.url, "On light", "Harbour TV")
    (change,) = await desk.intake.provenance(record.url)
    assert (change.checksum, change.job, change.added) == (item.checksum, job["id"], item.passages)
    whole = await desk.memory.graph.whole(name="content")
    labels = {entity.id: entity.label for entity in whole.entities.values()}
    edges = {(labels[r.source], r.kind, labels[r.target]) for r in whole.relations}
    assert any(kind == "speaks of" and who == "Ada" for who, kind, _ in edges)
    assert any(kind == "published" and who == "Harbour TV" for who, kind, _ in edges)


async def test_files_of_several_kinds_and_what_cannot_be_read_among_them(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text(PIER)
    (folder / "b.vtt").write_text(VTT)
    (folder / "c.md").write_text(f"# Trains\n\n{TRAIN}\n")
    (folder / "empty.txt").write_text("")
    jobs = await desk.ingest(folder)
    assert [job["status"] for job in jobs] == ["done", "done", "done", "error"]
    assert jobs[3]["stage"] == "failed" and "empty" in jobs[3]["error"] and jobs[3]["remedy"]
    assert set(await desk.texts()) == {str((folder / name).resolve()) for name in ("a.txt", "b.vtt", "c.md")}


async def test_what_says_the_same_is_not_written_again(desk: Desk) -> None:
    record = desk.shelf.put("page", PIER.encode())
    await desk.ingest(record.url)
    before = await desk.memory.stats(name="content")
    (again,) = await desk.ingest(record.url)
    assert again["result"] == {"source": record.url, "unchanged": True, "passages": 0, "held": 1}
    assert await desk.memory.stats(name="content") == before
    assert len(await desk.intake.provenance(record.url)) == 1
    (tagged,) = await desk.ingest(record.url, tags=["new"])
    assert tagged["result"]["kept"] == 1 and not tagged["result"]["added"]
    (entry,) = await desk.memory.list(name="content")
    assert entry.tags == ("new",)


async def test_a_changed_page_replaces_its_own_passages_only(desk: Desk) -> None:
    page = desk.shelf.put("page", PIER.encode())
    other = desk.shelf.put("other", TRAIN.encode())
    await desk.ingest(page.url, other.url)
    await desk.memory.remember("A note of mine about that page.", name="content", source=page.url)
    desk.shelf.put("page", b"The pier at Clevedon was closed in 1970. It was opened again in 1989 after many years.")
    (job,) = await desk.ingest(page.url)
    assert (job["result"]["added"], job["result"]["removed"]) == (1, 1)
    texts = await desk.texts()
    assert texts[other.url] == [TRAIN]
    assert any("closed in 1970" in text for text in texts[page.url])
    assert any("note of mine" in text for text in texts[page.url])
    assert not any("1869" in text for text in texts[page.url])
    assert not any("1869" in hit.entry.content for hit in await desk.memory.recall("pier 1869", name="content"))
    assert [(c.added, c.removed) for c in await desk.intake.provenance(page.url)] == [(1, 0), (1, 1)]


async def test_what_was_forgotten_comes_back_and_what_was_erased_does_not(desk: Desk) -> None:
    record = desk.shelf.put("page", PIER.encode())
    await desk.ingest(record.url)
    (entry,) = await desk.memory.list(name="content")
    await desk.memory.forget(entry.id, name="content")
    (job,) = await desk.ingest(record.url)
    assert job["result"]["added"] == 1
    (entry,) = await desk.memory.list(name="content")
    await desk.memory.erase(entry.id, name="content")
    (job,) = await desk.ingest(record.url)
    assert job["status"] == "done" and await desk.memory.list(name="content") == []
    assert not await desk.memory.upkeep.verify(name="content")


async def test_private_things_are_taken_out_before_anything_is_stored(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Please write to anna@example.org about the pier at Clevedon before the summer begins. Thank you.")
    await desk.ingest(path, redact=True)
    ((text,),) = (await desk.texts()).values()
    assert "anna@example.org" not in text and "[email-1]" in text
    (plain,) = await desk.ingest(path)
    assert "unchanged" not in plain["result"]


def test_repetitions_are_dropped_before_they_cost_anything() -> None:
    base = " ".join(f"word{n}" for n in range(60))
    near = base.replace("word59", "another")
    texts = [base, base.upper(), near, "Something else entirely is said here, and at some length too."]
    kept, repeated = without_repetitions([{"text": text} for text in texts])
    assert [passage["text"] for passage in kept] == [base, texts[3]] and repeated == 2


async def test_passages_overlap_when_that_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    lines = [
        f"The keeper of lamp number {n} wrote a letter to the harbour about the storm of {1800 + n}." for n in range(14)
    ]
    path.write_text(" ".join(lines))
    await desk.ingest(path)
    (apart,) = (await desk.texts()).values()
    assert " ".join(apart) == " ".join(lines)
    await desk.ingest(path, overlap=1)
    (shared,) = (await desk.texts()).values()
    assert all(before.endswith(after[: after.index(".") + 1]) for before, after in pairwise(shared))


# ── jobs that go wrong ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_error_that_may_pass_is_tried_again_and_a_refusal_is_not(desk: Desk) -> None:
    record = desk.shelf.put("page", PIER.encode())
    desk.shelf.errors[record.url] = [RateLimitedError("slow down.", remedy="Wait.", retry_after=600)]
    ids = [one.job.id for one in await desk.intake.submit([record.url, "memory://shelf/nothing"])]
    async with desk.working() as worker:
        while any(job.error is None for job in await desk.intake.jobs.those(ids)):
            await asyncio.sleep(0.01)
        waiting, gone = await desk.intake.jobs.those(ids)
        assert (waiting.status, waiting.attempts) == ("pending", 1)
        assert waiting.scheduled_at > time.time() and (waiting.error or {})["message"] == "slow down."
        assert gone.status == "error" and (gone.error or {})["remedy"]
        await desk.intake.jobs.retry(ids[0])
        async with asyncio.timeout(60):
            await worker.until_idle()
    assert (await desk.intake.jobs.get(ids[0])).status == "done"


async def test_a_channel_becomes_a_job_for_each_item(desk: Desk) -> None:
    for n in range(4):
        desk.shelf.put(f"item{n}", f"Item number {n} says that the harbour has {n + 2} old cranes of iron.".encode())
    (channel,) = await desk.ingest("memory://shelf", tags=["c"], limit=3)
    assert channel["result"]["expanded"] == 3
    jobs = await desk.intake.jobs.those(channel["result"]["jobs"])
    assert [(job.status, job.batch, job.tags) for job in jobs] == [("done", channel["batch"], ("c",))] * 3
    assert len(await desk.texts()) == 3


async def test_the_same_address_fifty_times_at_once_is_stored_once(desk: Desk) -> None:
    record = desk.shelf.put("page", PIER.encode())
    async with desk.working(2) as worker:
        await asyncio.gather(*(desk.intake.submit([record.url]) for _ in range(50)))
        await worker.until_idle()
    assert len(await desk.memory.list(name="content")) == 1
    assert len(await desk.intake.provenance(record.url)) == 1


async def test_history_does_not_hold_the_keys_of_addresses(desk: Desk) -> None:
    record = desk.shelf.put("feed?token=hush-hush-1234567890", PIER.encode(), title="A feed")
    (job,) = await desk.ingest(record.url)
    assert job["status"] == "done" and job["address"] == record.url
    await desk.intake.watches.add(record.url)
    await desk.intake.watches.look()
    told = desk.database.read_sync(lambda r: r.rows("SELECT type, subject, data FROM events"))
    assert {"source.ingested", "job.completed", "source.watched", "source.checked"} <= {row[0] for row in told}
    assert not any("hush" in subject or "hush" in data for _, subject, data in told)


async def test_the_address_of_nobody_is_refused_before_anything_is_stored(desk: Desk) -> None:
    with pytest.raises(InvalidInputError):
        await desk.intake.submit(["gopher://x.example/"])
    with pytest.raises(NotFoundError):
        await desk.intake.submit(["/no/such/file"])
    assert await desk.intake.jobs.list() == []


async def test_a_cancelled_job_stores_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    record = desk.shelf.put("page", PIER.encode())
    asked, answer = asyncio.Event(), asyncio.Event()
    metadata = desk.shelf.metadata

    async def slow(address: str) -> Any:
        asked.set()
        await answer.wait()
        return await metadata(address)

    monkeypatch.setattr(desk.shelf, "metadata", slow)
    (one,) = await desk.intake.submit([record.url])
    async with desk.working() as worker, asyncio.timeout(60):
        await asked.wait()
        await desk.intake.jobs.cancel(one.job.id)
        answer.set()
        await worker.until_idle()
    assert (await desk.intake.jobs.get(one.job.id)).status == "cancelled"
    assert await desk.texts() == {}


async def test_what_a_stopped_worker_had_goes_back_and_a_drained_one_finishes(desk: Desk, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.txt" for n in range(6)]
    for n, path in enumerate(paths):
        path.write_text(f"{PIER} This is number {n}.")
    await desk.intake.submit(paths)
    async with desk.working() as worker, asyncio.timeout(60):
        while not worker.in_progress:
            await asyncio.sleep(0.001)
    assert (await desk.intake.jobs.counts()).get("running", 0) == 0
    assert all(job.attempts == 0 for job in await desk.intake.jobs.list(statuses=["pending"]))
    worker = desk.intake.worker(processes=1)
    await worker.start()
    while not worker.in_progress and (await desk.intake.jobs.counts()).get("pending"):
        await asyncio.sleep(0.001)
    await worker.drain()
    assert (await desk.intake.jobs.counts()).get("running", 0) == 0
    await desk.carry_out()
    assert await desk.intake.jobs.counts() == {"done": 6}


async def test_tenants_do_not_see_each_other(desk: Desk) -> None:
    record = desk.shelf.put("page", PIER.encode())
    await desk.ingest(record.url)
    with use_tenant(make_tenant("other")):
        assert await desk.texts() == {}
        assert await desk.intake.items() == []
        assert await desk.intake.provenance(record.url) == []
        (own,) = await desk.ingest(record.url)
        assert own["result"]["added"] == 1
        await desk.memory.forget(*[e.id for e in await desk.memory.list(name="content")], name="content")
    assert len((await desk.texts())[record.url]) == 1


# ── the pool ─────────────────────────────────────────────────────────────────────────────────────────────────


def _task(text: str = PIER) -> tuple[Task, bytes]:
    return Task(DocumentRef("doc-1", "A text", "text", origin="test:1").to_dict(), "text"), text.encode()


async def test_a_process_that_dies_costs_its_document_only() -> None:
    pool = AnalystPool(1)
    try:
        task, data = _task()
        assert (await pool.understand(task, data))["passages"][0]["text"] == PIER
        (first,) = pool.pids
        busy = asyncio.create_task(pool.understand(*_task(PIER * 20_000)))
        await asyncio.sleep(0.05)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(InvalidInputError, match="SIGKILL"):
            await busy
        assert (await pool.understand(task, data))["words"] > 0
        assert pool.pids != [first]
    finally:
        await pool.close()


async def test_a_document_that_takes_too_long_is_stopped() -> None:
    pool = AnalystPool(1, time_limit_s=0.001)
    try:
        with pytest.raises(InvalidInputError, match="took more than") as stopped:
            await pool.understand(*_task())
        assert stopped.value.remedy and pool.pids == []
    finally:
        await pool.close()


async def test_a_caller_that_goes_away_leaves_no_half_answer_behind() -> None:
    pool = AnalystPool(1)
    try:
        going = asyncio.create_task(pool.understand(*_task(PIER * 5_000)))
        await asyncio.sleep(0.3)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert (await pool.understand(*_task(TRAIN)))["passages"][0]["text"] == TRAIN
    finally:
        await pool.close()


# ── any sequence of contents ─────────────────────────────────────────────────────────────────────────────────

_SENTENCES = [f"Sentence {n} tells how the keeper number {n} lit lamp {n * 7} at the old harbour." for n in range(8)]
_CONTENTS = st.lists(st.sampled_from(_SENTENCES), min_size=1, max_size=6, unique=True).map("\n\n".join)
_STEPS = st.lists(st.tuples(st.integers(0, 2), _CONTENTS), min_size=1, max_size=8)


@given(steps=_STEPS)
@settings(deadline=None, max_examples=25)
def test_memory_holds_what_each_source_says_now_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    home = tmp_path_factory.mktemp("home")
    asyncio.run(_go_through(home, steps))


async def _go_through(home: Path, steps: list[tuple[int, str]]) -> None:
    desk = Desk(home)
    claims = Claims(desk.database, SystemClock(), home / "owners", draw=random.Random(1))
    knowledge = Knowledge(desk.database, desk.memory, SystemClock())
    now: dict[str, str] = {}
    try:
        with use_tenant(ACME):
            for index, text in steps:
                source = f"https://a.example/{index}"
                changed = now.get(source) != text
                now[source] = text
                await desk.intake.jobs.submit([JobRequest(source)])
                (job,) = await claims.take(1)
                result = await _keep(knowledge, claims, job, source, text)
                assert result.get("unchanged", False) is not changed
                texts = await desk.texts()
                assert texts == {at: _passages(at, said) for at, said in now.items()}
                assert (await desk.intake.jobs.get(job.id)).status == "done"
            assert not await desk.memory.upkeep.verify(name="content")
    finally:
        claims.release()
        desk.close()


def _content(source: str, text: str) -> Content:
    return Content(source, DocumentRef(short_id("doc", source), "T", "text", origin=source), "text", text.encode())


def _passages(source: str, text: str) -> list[str]:
    content = _content(source, text)
    return [p["text"] for p in understand(Task(content.ref.to_dict(), "text"), content.data)["passages"]]


async def _keep(knowledge: Knowledge, claims: Claims, job: JobRow, source: str, text: str) -> dict[str, Any]:
    content = _content(source, text)
    known = await knowledge.known(job, source)
    found = understand(Task(content.ref.to_dict(), "text", known=known), content.data)

    def end(result: Any) -> Any:
        return claims.ending(job, result)

    if found.get("unchanged"):
        return await knowledge.unchanged(job, source, end)
    return await knowledge.keep(job, content, found, end)


# ── the command line, processes, and kill -9 ─────────────────────────────────────────────────────────────────


def test_ingest_then_ask_answers_with_the_second(tmp_path: Path, cli: Callable[..., Any]) -> None:
    talk = tmp_path / "talk.vtt"
    talk.write_text(VTT)
    code, out, _ = cli("ingest", str(talk), "--tags", "a,b", "--processes", "1")
    assert code == 0 and "1 taken in" in out
    code, out, _ = cli("ask", "Where was the lens of Fresnel first lit?")
    assert code == 0 and "Cordouan" in out and "at 1:23" in out and str(talk) in out
    code, out, _ = cli("ingest", str(talk), "--tags", "a,b", "--progress", "--json", "--processes", "1")
    lines = [json.loads(line)["data"] for line in out.splitlines()]
    assert code == 0 and lines[-1]["unchanged"] == 1
    assert lines[0]["type"] == "progress" and lines[0]["total"] == 1
    code, out, _ = cli("ingest", str(talk), "--no-wait", "--name", "later", "--json")
    assert json.loads(out)["data"]["counts"] == {"pending": 1}
    code, out, _ = cli("jobs", "run", "--once", "--processes", "1")
    assert code == 0 and "1 taken in" in out
    assert cli("ingest", str(tmp_path / "nothing.txt"))[0] == 1
    (tmp_path / "broken.pdf").write_bytes(b"no pdf at all, whatever its name says")
    code, out, _ = cli("ingest", str(tmp_path / "broken.pdf"), "--processes", "1")
    assert code == 1 and "not taken in" in out and "does not start with '%PDF-'" in out


def _command(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "fairlead", *words, "--home", str(home)]


def _counts(home: Path) -> dict[str, int]:
    """How many jobs have each status, read beside whoever works; empty before there is a store."""
    try:
        database = open_database(home / "fairlead.db", create=False)
    except FairleadError:
        return {}
    try:
        return database.read_sync(lambda reader: count_jobs(reader, "local:main"))
    except FairleadError:
        return {}
    finally:
        database.close()


def _folder_of(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(count):
        text = f"Document {n} says that the keeper {n} lit the lamp {n} at the harbour in {1500 + n}."
        (folder / f"{n:03}.txt").write_text(text)
    return folder


async def _whole(home: Path, count: int) -> None:
    desk = Desk(home)
    try:
        with use_tenant(make_tenant("local")):
            assert await desk.intake.jobs.counts() == {"done": count}
            entries = await desk.memory.list(name="content", limit=10_000)
            assert len(entries) == len({entry.content for entry in entries}) == count
            items = await desk.intake.items()
            assert len(items) == count
            for item in items[:5]:
                assert len(await desk.intake.provenance(item.source)) == 1
            log = desk.database.read_sync(lambda r: r.one("SELECT count(*) FROM pipeline_provenance"))
            assert log == (count,)
            assert not await desk.memory.upkeep.verify(name="content")
    finally:
        desk.close()


@pytest.mark.slow
def test_kill_9_in_the_middle_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    count, home = 500, tmp_path / "home"
    folder = _folder_of(tmp_path, count)
    running = subprocess.Popen(_command(home, "ingest", str(folder), "--processes", "2"), stdout=subprocess.DEVNULL)
    try:
        while _counts(home).get("done", 0) < 40:
            assert running.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        running.kill()
        running.wait()
    before = _counts(home)
    assert sum(before.values()) == count and before["done"] < count
    done = subprocess.run(_command(home, "jobs", "run", "--once", "--processes", "2"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asyncio.run(_whole(home, count))


def test_an_interrupted_command_gives_back_what_it_had(tmp_path: Path) -> None:
    count, home = 120, tmp_path / "home"
    folder = _folder_of(tmp_path, count)
    command = _command(home, "ingest", str(folder), "--processes", "1")
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while _counts(home).get("done", 0) < 5:
        assert running.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and "Interrupted" in out, out + err
    counts = _counts(home)
    assert sum(counts.values()) == count and not counts.get("running") and counts["pending"] > 0


@pytest.mark.slow
def test_two_processes_share_one_queue(tmp_path: Path) -> None:
    count, home = 60, tmp_path / "home"
    folder = _folder_of(tmp_path, count)
    subprocess.run(_command(home, "ingest", str(folder), "--no-wait"), check=True, stdout=subprocess.DEVNULL)
    workers = [
        subprocess.Popen(
            _command(home, "jobs", "run", "--once", "--processes", "1", "--json"), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sum(json.loads(answer)["data"]["counts"]["done"] for answer in answers) == count
    asyncio.run(_whole(home, count))


def test_the_processes_of_a_killed_worker_end_with_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from fairlead.pipeline.intake.pool import AnalystPool, Task\n"
        "async def main():\n"
        "    pool = AnalystPool(1)\n"
        "    task = Task({'id': 'd', 'title': 't', 'kind': 'text', 'origin': 'x:y'}, 'text')\n"
        "    await pool.understand(task, b'The pier is long and old.')\n"
        "    print(*pool.pids, flush=True)\n"
        "    await pool.understand(task, b'The pier is long and it was opened in 1869. ' * 200000)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(400):
        if not _is_running(child):
            return
        time.sleep(0.05)
    raise AssertionError("the child outlived its parent")


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_entries_that_people_wrote_are_not_the_pipelines(desk: Desk) -> None:
    await desk.memory.remember_many([NewEntry("Mine.", source="memory://shelf/page")], name="content")
    record = desk.shelf.put("page", PIER.encode())
    await desk.ingest(record.url)
    assert "Mine." in (await desk.texts())[record.url]


# ── a worker in trouble ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_worker_waits_for_a_locked_store_and_gives_up_with_a_full_one(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(PIER)
    (one,) = await desk.intake.submit([path])
    troubles: list[Exception] = [UnavailableError("the database is locked.", remedy="Try again.")]
    take = Claims.take

    async def troubled(self: Claims, limit: int) -> list[JobRow]:
        if troubles:
            raise troubles.pop()
        return await take(self, limit)

    monkeypatch.setattr(Claims, "take", troubled)
    monkeypatch.setattr("fairlead.pipeline.intake.worker._RETRY_S", 0.01)
    await desk.carry_out()
    assert (await desk.intake.jobs.get(one.job.id)).status == "done"
    troubles.append(StoreFullError("no room is left.", remedy="Free space."))
    await desk.intake.submit([path])
    with pytest.raises(StoreFullError):
        await desk.carry_out()


def test_standard_input_is_told_by_its_content(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import io

    page = f"<html><head><script>alert(1)</script></head><body><p>{PIER}</p></body></html>".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(page)))
    code, out, _ = cli("ingest", "-", "--json", "--processes", "1")
    (job,) = json.loads(out)["data"]["jobs"]
    assert code == 0 and (job["result"]["kind"], job["result"]["title"]) == ("html", "Standard input"), job
    assert "alert" not in cli("memory", "list", "--name", "content", "--json")[1]
