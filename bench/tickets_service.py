"""Tickets in one process, the index, and races: figures that need no other tool.

    python bench/tickets_service.py [--tickets 10000] [--rounds 100]

In one process: the p50 and p95 of list, search and a warm cached get. The index: a rebuild, and the first look after
a checkout that changed 500 files. Races: processes that claim one ticket at once, so many rounds; every round must
have exactly one winner. Times are wall time; CPU time of the same stretch stands behind it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.clock import SystemClock, isoformat
from fairlead.errors import ConflictError
from fairlead.tickets.board import FileBoard
from fairlead.tickets.cache import RecordCache
from fairlead.tickets.claims import claim_these
from fairlead.tickets.place import find
from fairlead.tickets.plan import Author
from fairlead.tickets.port import Operation
from fairlead.tickets.service import TicketService
from fairlead.tickets.start import start
from tickets_peers import RARE, corpus


def open_board(folder: Path, name: str = "bench", *, make: bool = False) -> TicketService:
    place = find(str(folder), lambda: str(folder.parent / "state"), must_exist=not make)
    if make:
        start(place)
    clock = SystemClock()
    return TicketService(
        FileBoard(place, clock),
        clock=clock,
        entropy=os.urandom,
        author=lambda: Author(name, isoformat(clock.now())),
        cache=RecordCache(clock),
    )


def fill(service: TicketService, count: int) -> None:
    plan = []
    for n, item in enumerate(corpus(count)):
        values = {"title": item.title, "description": item.body, "priority": str(item.priority)}
        values["status"] = "closed" if item.closed else "open"
        add = {"labels": [item.label]}
        if item.blocked_by is not None:
            add["blocked_by"] = [f"$t{item.blocked_by}"]
        plan.append(Operation("create", f"$t{n}", values=values, add=add))
    result = service.apply(plan)
    if not result.success:
        raise RuntimeError(str(result.errors[0]))


def spread(work: Callable[[], Any], times: int) -> tuple[float, float, float]:
    """p50 and p95 of the wall time and the mean CPU time, in ms."""
    work()
    taken = []
    cpu = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    cpu = time.process_time() - cpu
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1], cpu * 1000 / times


def once(work: Callable[[], Any]) -> str:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return f"{time.perf_counter() - wall:.3f} s, CPU {time.process_time() - cpu:.3f} s"


def in_process(service: TicketService) -> list[tuple[str, str]]:
    some = [row["id"] for row in service.rows("ticket", limit=50)]
    rows = []
    for label, work, times in (
        ("list 100", lambda: service.rows("ticket", limit=100), 200),
        ("ready 100", lambda: service.ready(limit=100), 100),
        ("search one word of a hundredth", lambda: service.search(RARE, limit=20), 200),
        ("search two common words", lambda: service.search("cache index", limit=20), 100),
    ):
        p50, p95, cpu = spread(work, times)
        rows.append((label, f"p50 {p50:.2f} ms, p95 {p95:.2f} ms, CPU {cpu:.2f} ms"))
    service.get(some[0])
    p50, p95, cpu = spread(lambda: service.get(some[0]), 2000)
    rows.append(("warm cached get", f"p50 {p50 * 1000:.1f} us, p95 {p95 * 1000:.1f} us, CPU {cpu * 1000:.1f} us"))
    return rows


def git(folder: Path, *words: str) -> None:
    who = [
        "-c",
        "user.name=bench",
        "-c",
        "user.email=b@example.org",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "gc.auto=0",
    ]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def after_checkout(service: TicketService, folder: Path) -> str:
    """500 tickets changed on another branch; the first list after the checkout brings the index up to date."""
    git(folder, "add", "-A", ".tickets")
    git(folder, "commit", "-qm", "board")
    git(folder, "checkout", "-qb", "other")
    ids = [row["id"] for row in service.rows("ticket", finished=False, limit=500)]
    service.apply([Operation("update", ticket, values={"title": f"changed {ticket}"}) for ticket in ids])
    git(folder, "add", "-A", ".tickets")
    git(folder, "commit", "-qm", "changes")
    git(folder, "checkout", "-q", "main")
    return once(lambda: service.rows("ticket", limit=100))


def races(folder: Path, rounds: int, racers: int = 8) -> str:
    """Each racer is a process of its own that has the board open and waits for the same moment."""
    service = open_board(folder)
    winners = []
    try:
        for n in range(rounds):
            ticket = service.create("ticket", {"title": f"race {n}"}).id
            moment = time.time() + 0.02
            children = [os.fork() or _race(folder, ticket, f"agent-{r}", moment) for r in range(racers)]
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
            winners.append(codes.count(0))
    finally:
        service.close()
    wrong = [count for count in winners if count != 1]
    return f"{len(winners) - len(wrong)} of {len(winners)} rounds had exactly one winner" + (
        f": {wrong}" if wrong else ""
    )


def _race(folder: Path, ticket: str, agent: str, moment: float) -> int:
    code = 2
    try:
        service = open_board(folder, agent)
        while time.time() < moment:
            pass
        try:
            claim_these(service, [ticket], agent)
            code = 0
        except ConflictError:
            code = 4
    finally:
        os._exit(code)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as name:
        folder = Path(name) / "repo"
        folder.mkdir()
        git(folder, "init", "-q")
        service = open_board(folder, make=True)
        rows = [(f"one transaction of {args.tickets} creates", once(lambda: fill(service, args.tickets)))]
        rows += in_process(service)
        rows.append(("index rebuild", once(service.board.rebuild)))
        rows.append(("list after a checkout that changed 500 tickets", after_checkout(service, folder)))
        service.close()
        if args.rounds:
            rows.append((f"8 processes claim one ticket, {args.rounds} rounds", races(folder, args.rounds)))
    print(f"{args.tickets} tickets, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    print("| work | figure |\n|---|---|")
    for label, figure in rows:
        print(f"| {label} | {figure} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
