"""Taking sources in from the command line: submitted, carried out here, and told how far it is."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from fairlead.ids import new_id
from fairlead.pipeline.formats.content_type import tell
from fairlead.pipeline.jobs import job_view
from fairlead.store.pipeline import LIVE
from fairlead.tenancy import use_tenant

if TYPE_CHECKING:
    from fairlead.app import Fairlead
    from fairlead.events import Event
    from fairlead.pipeline.intake.worker import Worker
    from fairlead.pipeline.jobs import Jobs
    from fairlead.verbs.context import Context, Output

Answer = dict[str, Any]
Submit = Callable[["Fairlead", str], Any]

_LOOK_S = 0.25
_CHECK_S = 1.0
_LONGEST_PAUSE_S = 30.0
_MOST_LISTED = 10_000
_MOST_NOTES = 5


def ingest_here(
    context: Context,
    inputs: Sequence[str],
    options: Mapping[str, Any],
    *,
    wait: bool,
    progress: bool,
    processes: int | None,
) -> Answer | Iterator[Answer]:
    """Submits ``inputs`` and, with ``wait``, carries them out; with ``progress`` an iterator that tells how far."""

    async def submit(app: Fairlead, batch: str) -> list[str]:
        words = [word for word in inputs if word != "-"]
        submitted = []
        if words or "-" not in inputs:
            submitted += await app.intake.submit(words, cause=context.cause, batch=batch, **options)
        if "-" in inputs:
            path = await app.intake.keep_text(sys.stdin.buffer.read(20_000_001))
            given = {**options, "title": "Standard input", "kind": tell(path).kind or "text"}
            submitted += await app.intake.submit([path], cause=context.cause, batch=batch, **given)
        return [one.job.id for one in submitted]

    steps = _ingest(context, submit, wait=wait, processes=processes or 0)
    return _driven(steps) if progress else _last(steps)


def work_here(context: Context, *, once: bool, processes: int | None) -> Answer:
    """Carries out what waits for the tenant, until nothing is left or a signal comes."""
    return asyncio.run(_work(context, once=once, processes=processes or 0))


def watch_here(context: Context, *, once: bool, wait: bool, processes: int | None) -> Answer:
    """Looks at what is watched and carries out what that brings, once or until a signal comes."""
    return asyncio.run(_watch(context, once=once, wait=wait, processes=processes or 0))


def _driven(steps: AsyncIterator[Answer]) -> Iterator[Answer]:
    """The states of a coroutine's work one by one, as they come."""

    async def following() -> Answer:
        return await anext(steps)

    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(following())
            except StopAsyncIteration:
                return


def _last(steps: AsyncIterator[Answer]) -> Answer:
    async def every() -> Answer:
        last: Answer = {}
        async for state in steps:
            last = state
        return last

    return asyncio.run(every())


async def _ingest(context: Context, submit: Submit, *, wait: bool, processes: int) -> AsyncIterator[Answer]:
    app = context.open(create=True)
    began = app.clock.monotonic()
    try:
        with use_tenant(app.tenant):
            batch = new_id("bat")
            ids = await submit(app, batch)
            if wait:
                async with _Signals() as signals:
                    async for state in _until_settled(context, app, batch, ids, signals, processes):
                        yield {"type": "progress", **state}
                    yield await _answer(app, batch, ids, began, signals.caught)
            else:
                yield await _answer(app, batch, ids, began, None)
    finally:
        await app.close()


async def _until_settled(
    context: Context, app: Fairlead, batch: str, ids: list[str], signals: _Signals, processes: int
) -> AsyncIterator[Answer]:
    from fairlead.observe.pace import Pace

    jobs = app.intake.jobs
    worker = app.intake.worker(tenant=str(app.tenant), processes=processes)
    pace = Pace(app.clock.monotonic())
    display: Any = nullcontext()
    if context.interactive:
        from fairlead.observe.intake_progress import IntakeProgress

        display = IntakeProgress()
        display_stop = app.bus.subscribe(display.hear)
    await worker.start()
    try:
        with display:
            while not signals.event.is_set():
                worker.check()
                state = pace.state(await _counted(jobs, batch, ids), app.clock.monotonic())
                if context.interactive:
                    display.update(state)
                yield state
                if not state["waiting"]:
                    break
                await signals.pause(_LOOK_S)
    finally:
        if context.interactive:
            display_stop()
        await (worker.stop() if signals.event.is_set() else worker.drain())


async def _counted(jobs: Jobs, batch: str, ids: list[str]) -> dict[str, int]:
    """Statuses of what was submitted: the batch, which a channel's items join, and jobs that were there before."""
    counts = await jobs.counts(batch)
    for job in await jobs.those(ids):
        if job.batch != batch:
            counts[job.status] = counts.get(job.status, 0) + 1
    return counts


async def _work(context: Context, *, once: bool, processes: int) -> Answer:
    app = context.open(create=True)
    began = app.clock.monotonic()
    tally = _Tally(app)
    try:
        async with _Signals() as signals:
            worker = app.intake.worker(tenant=str(app.tenant), processes=processes)
            await worker.start()
            while not once and not signals.event.is_set():
                worker.check()
                await signals.pause(_CHECK_S)
            await _finish(worker, signals, idle=once)
            return {**tally.answer(began), **_interrupted(signals.caught)}
    finally:
        tally.stop()
        await app.close()


async def _watch(context: Context, *, once: bool, wait: bool, processes: int) -> Answer:
    from fairlead.pipeline.intake.watching import watch_view

    app = context.open(create=True)
    began, looked = app.clock.monotonic(), {}
    tenant = str(app.tenant)
    looks = found = 0
    tally = _Tally(app)
    try:
        with use_tenant(app.tenant):
            async with _Signals() as signals:
                worker = app.intake.worker(tenant=tenant, processes=processes) if wait else None
                if worker is not None:
                    await worker.start()
                while not signals.event.is_set():
                    if worker is not None:
                        worker.check()
                    before = {row.id: row.found for row in await app.intake.watches.list()}
                    for row in await app.intake.watches.look(tenant=tenant, every=once, cause=context.cause):
                        looks += 1
                        found += row.found - before.get(row.id, 0)
                        looked[row.id] = watch_view(row)
                    if once:
                        break
                    due = await app.intake.watches.due_in(tenant)
                    await signals.pause(_LONGEST_PAUSE_S if due is None else min(_LONGEST_PAUSE_S, max(due, _LOOK_S)))
                if worker is not None:
                    await _finish(worker, signals, idle=once)
                watches = list(looked.values())
                failed = any(watch["error"] for watch in watches)
                answer = {"looks": looks, "found": found, "watches": watches, **tally.answer(began)}
                return {**answer, "exit_code": 1 if failed else 0, **_interrupted(signals.caught)}
    finally:
        tally.stop()
        await app.close()


class _Tally:
    """How many jobs ended while it listened, and how."""

    def __init__(self, app: Fairlead) -> None:
        self._app = app
        self._counts = {"done": 0, "error": 0}
        self.stop = app.bus.subscribe(self._hear, ("job.completed", "job.failed"))

    def _hear(self, event: Event) -> None:
        self._counts["done" if event.type == "job.completed" else "error"] += 1

    def answer(self, began: float) -> Answer:
        seconds = round(self._app.clock.monotonic() - began, 3)
        return {"jobs": [], "counts": dict(self._counts), "seconds": seconds}


async def _finish(worker: Worker, signals: _Signals, *, idle: bool) -> None:
    """Ends a worker: at once on a signal, else after what it has, and with ``idle`` after all that waits."""
    if idle and not signals.event.is_set():
        rest = asyncio.create_task(worker.until_idle())
        end = asyncio.create_task(signals.event.wait())
        await asyncio.wait({rest, end}, return_when=asyncio.FIRST_COMPLETED)
        rest.cancel()
        end.cancel()
        await asyncio.wait({rest, end})
    await (worker.stop() if signals.event.is_set() else worker.drain())


async def _answer(app: Fairlead, batch: str, ids: list[str], began: float, caught: str | None) -> Answer:
    jobs = app.intake.jobs
    own = await jobs.list(batch=batch, limit=_MOST_LISTED)
    others = [job for job in await jobs.those(ids) if job.batch != batch]
    shown = [job_view(job) for job in sorted([*own, *others])]
    results = [job["result"] or {} for job in shown]
    counts: dict[str, int] = {}
    for job in shown:
        counts[job["status"]] = counts.get(job["status"], 0) + 1
    answer: Answer = {
        "batch": batch,
        "jobs": shown,
        "counts": counts,
        "words": sum(result.get("words", 0) for result in results),
        "passages": sum(result.get("passages", 0) for result in results),
        "unchanged": sum(bool(result.get("unchanged")) for result in results),
        "seconds": round(app.clock.monotonic() - began, 3),
        "exit_code": 1 if counts.get("error") or counts.get("cancelled") else 0,
    }
    return answer | _interrupted(caught)


def _interrupted(caught: str | None) -> Answer:
    return {} if caught is None else {"interrupted": caught, "exit_code": 130 if caught == "SIGINT" else 143}


class _Signals:
    """SIGINT and SIGTERM as an event, for as long as the block lasts."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.caught: str | None = None

    async def __aenter__(self) -> _Signals:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._catch, number)
        return self

    async def __aexit__(self, *exc: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _catch(self, number: signal.Signals) -> None:
        self.caught = number.name
        self.event.set()

    async def pause(self, seconds: float) -> None:
        """Waits so long, or until a signal comes."""
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────


def print_taken_in(value: Answer, out: Output) -> None:
    if value.get("type") == "progress":
        return
    for job in value["jobs"]:
        if job["status"] == "error":
            out.line(f"not taken in: {job['address']}")
            out.line(f"    {job['error']}")
            out.line(f"    {job['remedy']}")
    notes = [(job["address"], note) for job in value["jobs"] for note in (job["result"] or {}).get("warnings", ())]
    for address, note in notes[:_MOST_NOTES]:
        out.line(f"note: {address}: {note}")
    if len(notes) > _MOST_NOTES:
        out.line(f"… {len(notes) - _MOST_NOTES} more notes: fairlead jobs list --batch {value['batch']} --json")
    counts = value["counts"]
    waiting = sum(counts.get(status, 0) for status in LIVE)
    told = [f"{counts.get('done', 0):,} taken in"]
    if value.get("unchanged"):
        told.append(f"{value['unchanged']:,} of them unchanged")
    for status in ("error", "cancelled"):
        if counts.get(status):
            told.append(f"{counts[status]:,} {'not taken in' if status == 'error' else status}")
    if waiting:
        told.append(f"{waiting:,} waiting")
    if value.get("passages"):
        told.append(f"{value['words']:,} words in {value['passages']:,} passages")
    out.line(f"{', '.join(told)}; {value['seconds']} s")
    if "interrupted" in value:
        out.line("Interrupted. What is accepted is kept; go on with: fairlead jobs run --once")
    elif waiting:
        out.line("Carry it out with: fairlead jobs run --once   See: fairlead jobs list")
    elif counts.get("error"):
        out.line("Once mended: fairlead jobs retry --every && fairlead jobs run --once")


__all__ = ["ingest_here", "print_taken_in", "watch_here", "work_here"]
