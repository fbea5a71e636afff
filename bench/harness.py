"""What every benchmark shares: medians, the CPU time of processes, and tables with a bar and a verdict.

CPU time (user + system) is preferred to wall time, which other work on the machine moves. A benchmark is a script that
prints Markdown; ``--quick`` asks for fewer repetitions of the same measurements.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

CACHE = Path(os.environ.get("FAIRLEAD_BENCH_CACHE") or Path.home() / ".cache/fairlead-bench")
ROOT = Path(__file__).resolve().parent.parent
QUICK = "--quick" in sys.argv
PEERS = "--peers" in sys.argv


class Bar(NamedTuple):
    """What a figure must not exceed. ``strict`` when it must stay below."""

    limit: float
    unit: str
    strict: bool = False


class Figure(NamedTuple):
    """One measured claim; None when it was not measured, and ``note`` says why or how."""

    claim: str
    value: float | None
    bar: Bar | None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        met = self.value < self.bar.limit if self.bar.strict else self.value <= self.bar.limit
        return "met" if met else "**missed**"


class Process(NamedTuple):
    cpu_s: float
    wall_s: float
    peak_mib: float
    code: int


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def median_of(times: int, call: Callable[[], float]) -> float:
    return statistics.median(call() for _ in range(times))


def cpu_of(call: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads, that a call costs; garbage of before is not charged to it."""
    gc.collect()
    began = time.process_time()
    call()
    return time.process_time() - began


def run_process(argv: Sequence[str], env: dict[str, str] | None = None) -> Process:
    """One process from start to end, by the kernel's accounting of it and its children."""
    null = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    pid = os.posix_spawnp(
        argv[0], list(argv), env or dict(os.environ), file_actions=[(os.POSIX_SPAWN_DUP2, null, n) for n in (0, 1, 2)]
    )
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    os.close(null)
    return Process(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


def show(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers to the right."""
    cells = [[show(c) if isinstance(c, float) or c is None else str(c) for c in row] for row in rows]
    numeric = [all(row[n][:1].isdigit() or row[n][:1] in "-" for row in cells) for n in range(len(columns))]
    rule = "|".join("---:" if right else "---" for right in numeric)
    return "\n".join(
        [f"| {' | '.join(row)} |" for row in [list(columns)]]
        + [f"|{rule}|"]
        + [f"| {' | '.join(row)} |" for row in cells]
    )


def figures(measured: Sequence[Figure]) -> str:
    """The claims with their bars: value, bar, ratio of value to bar, verdict."""
    rows: list[list[object]] = []
    for figure in measured:
        bar = figure.bar
        unit = f" {bar.unit}" if bar and bar.unit else ""
        rows.append(
            [
                figure.claim,
                show(figure.value) + (unit if figure.value is not None else ""),
                f"{'<' if bar.strict else '<='} {bar.limit:g}{unit}" if bar else "",
                f"{figure.value / bar.limit:.2f}" if bar and figure.value is not None else "-",
                figure.verdict,
                figure.note,
            ]
        )
    return table(["claim", "measured", "bar", "ratio", "verdict", "note"], rows)


def title(text: str) -> None:
    print(f"## {text}\n\n{machine()}; {commit()}; {time.strftime('%Y-%m-%d', time.gmtime())}\n")


def machine() -> str:
    """Processor, cores and interpreter; nothing that names the machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{load}, {platform.system()}, Python {platform.python_version()}"


def commit() -> str:
    """The commit measured, marked when ``src`` differs from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        name, changed = (
            subprocess.run([*git, *argv], capture_output=True, text=True, check=True).stdout.strip()
            for argv in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "src"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "commit unknown"
    return f"commit {name}{' with local changes' if changed else ''}"
