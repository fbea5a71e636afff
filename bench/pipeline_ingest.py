"""Taking sources in, from address or file to what memory holds.

    python bench/pipeline_ingest.py [--quick]

Sixty pages that each take a second to answer, on one loopback server; a batch of twenty files of a megabyte; five
hundred documents of the text that every Python carries. Peak memory is that of this process and all it started, looked
at twenty times a second.
"""

from __future__ import annotations

import asyncio
import html
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import fairlead
import harness
from fairlead.tenancy import use_tenant
from fairlead.testing.site import Site
from harness import Bar, Figure

PAGES, LATENCY_S = 60, 1.0
DOCUMENTS = 150 if harness.QUICK else 500


class Peak:
    """The greatest resident memory of this process and its descendants, in MiB, while the block lasts."""

    def __enter__(self) -> Peak:
        self.mib = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._ended.wait(0.05):
            pages = sum(_resident(pid) for pid in _tree(os.getpid()))
            self.mib = max(self.mib, pages * page / 2**20)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [one for child in task.read_text().split() for one in _tree(int(child))]
        except OSError:
            continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


def pieces(count: int) -> list[str]:
    """Texts of ten paragraphs of Python's manual, no two alike: each begins one paragraph after the one before."""
    every = [" ".join(text.split()) for topic in sorted(topics) for text in topics[topic].split("\n\n")]
    prose = [text for text in every if len(text) > 120 and text[0].isalpha() and text.endswith(".") and "_" not in text]
    return ["\n\n".join(prose[(n + k) % len(prose)] for k in range(10)) for n in range(count)]


async def _carry_out(lead: Any, inputs: list[str], first: str = "") -> tuple[float, list[Any]]:
    """Seconds from the submission to the end of the last job, and the jobs; before it the worker does ``first``."""
    with use_tenant(lead.tenant):
        worker = lead.intake.worker(tenant=str(lead.tenant))
        await worker.start()
        await worker.pool.warm()
        if first:
            await lead.intake.submit([first])
            await worker.until_idle()
        began = time.perf_counter()
        submitted = await lead.intake.submit(inputs)
        await worker.until_idle()
        spent = time.perf_counter() - began
        await worker.stop()
        return spent, await lead.intake.jobs.those([one.job.id for one in submitted])


async def pages_with_latency(home: Path) -> list[Figure]:
    home.mkdir()
    (home / "sources.toml").write_text('allow_private = ["127.0.0.0/8"]\n')
    lead = fairlead.open(home=str(home))
    with Site() as site, Peak() as peak:
        site.put("/robots.txt", b"User-agent: *\nAllow: /\n", "text/plain")
        for n, text in enumerate(pieces(PAGES)):
            body = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
            site.put(f"/{n}", f"<title>Page {n}</title><article>{body}</article>".encode(), delay=LATENCY_S)
        try:
            site.put("/first", f"<title>First</title><p>{html.escape(pieces(PAGES)[0])}</p>".encode())
            spent, jobs = await _carry_out(lead, [site.url(f"/{n}") for n in range(PAGES)], site.url("/first"))
        finally:
            await lead.close()
        most = site.most_at_once
    done = sum(job.status == "done" for job in jobs)
    note = f"{done} of {PAGES} done, all on one host, by a worker that ran already"
    return [
        Figure(f"{PAGES} pages of {LATENCY_S:g} s latency, remembered", spent, Bar(8, "s", True), note),
        Figure("requests at once on that host", float(most), Bar(9, "")),
        Figure("peak memory, this process and its children", peak.mib, Bar(400, "MiB", True)),
    ]


async def batch_of_files(home: Path) -> list[Figure]:
    lead = fairlead.open(home=str(home))
    text = pieces(1)[0].encode()
    content = (text * (2**20 // len(text) + 1))[: 2**20]
    files = [(f"file{n}.txt", content + str(n).encode()) for n in range(20)]
    try:
        with use_tenant(lead.tenant):
            await lead.intake.upload(files[:1])
            times = []
            for _ in range(3):
                began = time.perf_counter()
                result = await lead.intake.upload(files)
                times.append(time.perf_counter() - began)
                assert result.success and len(result.jobs) == 20
    finally:
        await lead.close()
    note = f"median of 3; slowest {max(times):.3f} s"
    claim = "20 files of 1 MB accepted, stored and queued"
    return [Figure(claim, sorted(times)[1], Bar(0.5, "s", True), note)]


async def documents(folder: Path, home: Path) -> list[Figure]:
    folder.mkdir()
    for n, text in enumerate(pieces(DOCUMENTS)):
        (folder / f"{n:03}.txt").write_text(text, "utf-8")
    lead = fairlead.open(home=str(home))
    before = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        (first := folder.parent / "first.txt").write_text(pieces(PAGES)[0], "utf-8")
        with Peak() as peak:
            spent, jobs = await _carry_out(lead, [str(folder)], str(first))
            again, _ = await _carry_out(lead, [str(folder)])
    finally:
        await lead.close()
    words = sum((job.result or {}).get("words", 0) for job in jobs)
    passages = sum((job.result or {}).get("passages", 0) for job in jobs)
    own, children = (
        now.ru_utime + now.ru_stime - then.ru_utime - then.ru_stime
        for now, then in zip(
            (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)),
            before,
            strict=True,
        )
    )
    note = f"{words:,} words, {passages:,} passages in {spent:.1f} s; {sum(j.status == 'done' for j in jobs)} done"
    return [
        Figure(f"{DOCUMENTS} documents, words a second", words / spent, None, note),
        Figure("words a CPU second, all processes, with the second look", words / (own + children), None),
        Figure("CPU of the main process over that of all", own / (own + children), None),
        Figure("the same documents again, unchanged", again, None, "seconds"),
        Figure("peak memory, this process and its children", peak.mib, Bar(400, "MiB", True)),
    ]


async def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        measured = await pages_with_latency(place / "pages")
        measured += await batch_of_files(place / "batch")
        measured += await documents(place / "in", place / "documents")
    harness.title("Pipeline: taking sources in")
    print(harness.figures(measured))


if __name__ == "__main__":
    if sys.platform != "linux":
        print("skipped: memory is read from /proc")
    else:
        asyncio.run(main())
