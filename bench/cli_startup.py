"""What a short command costs as a whole process, from start to end.

    python bench/cli_startup.py [--quick]

CPU time, user and system, of the installed command; the store holds 20 finished runs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import fairlead
import harness
from harness import Bar, Figure

BARS = {
    "--help": Bar(0.15, "s", strict=True),
    "runs list": Bar(0.3, "s", strict=True),
    "runs list --json": Bar(0.3, "s", strict=True),
}


async def fill(home: str) -> None:
    async def greet(name: str) -> str:
        return f"hello {name}"

    async with fairlead.open(home=home) as lead:
        for n in range(20):
            assert (await (await lead.start(greet, {"name": str(n)})).result()).success


def main() -> None:
    beside = Path(sys.executable).with_name("fairlead")
    command = str(beside) if beside.exists() else shutil.which("fairlead")
    if command is None:
        raise SystemExit("skipped: the fairlead command is not installed beside this interpreter")
    measured = []
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(fill(home))
        env = {**os.environ, "FAIRLEAD_HOME": home}
        empty = statistics.median(harness.run_process([sys.executable, "-c", ""]).cpu_s for _ in range(9))
        for words, bar in BARS.items():
            found = [harness.run_process([command, *words.split()], env) for _ in range(9 if harness.QUICK else 25)]
            if any(one.code for one in found):
                raise SystemExit(f"`fairlead {words}` ended with {found[-1].code}")
            note = (
                f"CPU; wall {statistics.median(one.wall_s for one in found):.2f} s, "
                f"{max(one.peak_mib for one in found):.0f} MiB; an empty Python {empty:.3f} s"
            )
            measured.append(Figure(f"fairlead {words}", statistics.median(one.cpu_s for one in found), bar, note))
    harness.title("Short commands")
    print(harness.figures(measured))


if __name__ == "__main__":
    main()
