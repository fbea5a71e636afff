"""Ticket commands as a user meets them: whole processes on a board of 10,000 tickets, beside other tools.

    python bench/tickets_cli.py [--tickets 10000] [--repeat 9] [--peers fairlead,taskwarrior,...] [--json FILE]

Each tool is installed by this script into a throw-away folder; one that cannot be had is skipped with the reason. A
cell is the median CPU time of the process and its children (user + system, ms) and, behind the slash, its median wall
time. The last table gives other tools' CPU time as a multiple of Fairlead's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tickets_peers import PEERS, Peer, corpus


class Sample(NamedTuple):
    cpu_ms: float
    wall_ms: float
    peak_mib: float
    code: int


def run_once(argv: list[str], folder: Path, env: dict[str, str]) -> Sample:
    """One process from start to end, measured by the kernel's accounting of it and its children."""
    null = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.execvpe(argv[0], argv, env)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    os.close(null)
    cpu = used.ru_utime + used.ru_stime
    return Sample(cpu * 1000, wall * 1000, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


class Cell(NamedTuple):
    cpu_ms: float
    wall_ms: float
    peak_mib: float
    note: str = ""


def measured(samples: list[Sample]) -> Cell:
    bad = sorted({s.code for s in samples} - {0})
    note = f"exit {bad[0]}" if bad else ""
    middle = [statistics.median(column) for column in list(zip(*samples, strict=True))[:3]]
    return Cell(*middle, note)


def measure_reads(peer: Peer, board: Path, repeat: int) -> dict[str, Cell]:
    cells = {}
    for label, argv in peer.work(board).items():
        run_once(argv, board, peer.env)  # a first run may build a cache that users have
        cells[label] = measured([run_once(argv, board, peer.env) for _ in range(repeat)])
    return cells


def measure_writes(peer: Peer, board: Path, repeat: int, creates: int) -> dict[str, Cell]:
    cells = {"create one": measured([run_once(peer.create(f"new {n}"), board, peer.env) for n in range(repeat)])}
    for size in (100, 1000):
        samples = []
        for n in range(3):
            argv = peer.bulk(board, corpus(size, seed=100 + n))
            if argv is not None:
                samples.append(run_once(argv, board, peer.env))
        if samples:
            cells[f"bulk of {size}"] = measured(samples)
    if creates:
        began, cpu, bad = time.perf_counter(), 0.0, 0
        for n in range(creates):
            sample = run_once(peer.create(f"process {n}"), board, peer.env)
            cpu += sample.cpu_ms
            bad += sample.code != 0
        wall = (time.perf_counter() - began) * 1000
        cells[f"{creates} create processes"] = Cell(cpu, wall, 0.0, f"{bad} failed" if bad else "")
    return cells


def measure_writers(peer: Peer, board: Path, writers: int, each: int = 10) -> Cell:
    """Loops of ten creates at once; the note tells how many tickets the tool finds afterwards."""
    before = peer.count(board)
    began = time.perf_counter()
    children = []
    for writer in range(writers):
        pid = os.fork()
        if pid == 0:
            codes = [run_once(peer.create(f"writer {writer} {n}"), board, peer.env).code for n in range(each)]
            os._exit(min(sum(code != 0 for code in codes), 255))
        children.append(pid)
    used = [os.wait4(pid, 0) for pid in children]
    wall = time.perf_counter() - began
    cpu = sum(u.ru_utime + u.ru_stime for _, _, u in used)
    found = peer.count(board) - before
    return Cell(cpu * 1000, wall * 1000, 0.0, f"{found} of {writers * each} found")


def prepare(name: str, prefix: Path, boards: Path, count: int) -> tuple[Peer, Path] | str:
    """The installed tool with its board, or the reason why there is none."""
    peer = PEERS[name](prefix)
    board = boards / name
    board.mkdir()
    try:
        peer.install()
        began = time.perf_counter()
        peer.seed(board, corpus(count))
    except (RuntimeError, OSError) as exc:
        return str(exc).splitlines()[0][:200] if str(exc) else type(exc).__name__
    print(f"{name}: {count} tickets made in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return peer, board


def table(results: dict[str, dict[str, Cell]]) -> str:
    labels = list(dict.fromkeys(label for cells in results.values() for label in cells))
    lines = ["| work (CPU ms / wall ms) | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    lines += [f"| {label} | " + " | ".join(_cell(results[n].get(label)) for n in results) + " |" for label in labels]
    if "fairlead" in results and len(results) > 1:
        others = [name for name in results if name != "fairlead"]
        lines += [
            "",
            "| CPU time as a multiple of Fairlead's | " + " | ".join(others) + " |",
            "|---" * (len(others) + 1) + "|",
        ]
        for label, own in results["fairlead"].items():
            row = [results[name].get(label) for name in others]
            ratios = ["-" if c is None or c.note.startswith("exit") else f"{c.cpu_ms / own.cpu_ms:.1f}" for c in row]
            lines.append(f"| {label} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    peak = f", {cell.peak_mib:.0f} MiB" if cell.peak_mib else ""
    return f"{cell.cpu_ms:.0f} / {cell.wall_ms:.0f}{peak}" + (f" ({cell.note})" if cell.note else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--creates", type=int, default=100, help="processes of the create series; 0 leaves it out")
    parser.add_argument("--writers", type=int, default=8, help="loops of ten creates at once; 0 leaves them out")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--prefix", type=Path, help="keep the installed tools here for the next run")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results: dict[str, dict[str, Cell]] = {}
    skipped: dict[str, str] = {}
    folder = Path(tempfile.mkdtemp(prefix="fairlead-bench-"))
    steps: list[Callable[[Peer, Path], dict[str, Cell]]] = [
        lambda peer, board: measure_reads(peer, board, args.repeat),
        lambda peer, board: measure_writes(peer, board, args.repeat, args.creates),
    ]
    if args.writers:
        steps.append(lambda peer, board: {f"{args.writers} writers x 10": measure_writers(peer, board, args.writers)})
    try:
        for name in args.peers.split(","):
            ready = prepare(name, args.prefix or folder / "prefix", folder, args.tickets)
            if isinstance(ready, str):
                skipped[name] = ready
                continue
            results[name] = {}
            for step in steps:
                cells = step(*ready)
                results[name].update(cells)
                for label, cell in cells.items():
                    print(f"{name}: {label}: {_cell(cell)}", file=sys.stderr, flush=True)
            shutil.rmtree(ready[1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{args.tickets} tickets, median of {args.repeat}, Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    print(table(results))
    for name, why in skipped.items():
        print(f"\nskipped {name}: {why}")
    if args.json:
        plain = {name: {k: c._asdict() for k, c in cells.items()} for name, cells in results.items()}
        args.json.write_text(json.dumps({"results": plain, "skipped": skipped}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
