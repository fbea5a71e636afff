"""Runs the benchmarks beside this file and keeps the last result of each in BENCHMARKS.md.

    python bench/run.py [--quick] [--peers] [--only NAME ...]

A benchmark is a script that prints its result. One that knows ``--quick`` is told so; one that has not ended when the
time of a quick run is up is stopped, and its earlier result stays, with the machine and commit it was measured on.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import harness

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER / "BENCHMARKS.md"
QUICK_ARGUMENTS = {
    "gateway_router": ["--seeds", "1"],
    "pipeline_answer": ["--questions", "100"],
    "tickets_cli": ["--tickets", "1000", "--repeat", "5", "--creates", "20", "--peers", "fairlead"],
}
"""How benchmarks with words of their own are told to be quick."""

BUDGET = 240.0
"""Seconds that ``--quick`` takes at most without peers; what does not fit keeps its earlier result."""

INTRODUCTION = """# Benchmarks

Written by `python bench/run.py`; `make bench` runs it quickly. Each section is the last result of one script, with
the machine and the commit it was measured on. CPU time is of the whole process, user and system; wall time moves with
what else the machine does, which the load tells. A ratio is the measured value over its bar.
"""


def is_benchmark(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return '__name__ == "__main__"' in text and path.name not in ("run.py", "control_owner.py")


def arguments_of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    words: list[str] = [flag for flag in ("--quick", "--peers") if flag in sys.argv and f"[{flag}]" in text]
    if harness.QUICK and "--quick" not in words:
        words += QUICK_ARGUMENTS.get(path.stem, [])
    return words


def measure(path: Path, limit: float) -> tuple[str | None, str]:
    """(what it printed, None when there is no result; one line of what happened)."""
    began = time.perf_counter()
    command = [sys.executable, str(path), *arguments_of(path)]
    env = {**os.environ, "PYTHONPATH": str(FOLDER)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=env, check=False)
    except subprocess.TimeoutExpired:
        return None, f"stopped after {limit:.0f} s"
    spent = f"{time.perf_counter() - began:.0f} s"
    if done.returncode or not done.stdout.strip():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it printed nothing"]
        return None, f"no result ({last[0][:160]}), {spent}"
    if done.stdout.startswith("skipped"):
        return None, done.stdout.strip()[:160]
    return done.stdout.strip(), spent


def section(name: str, printed: str) -> str:
    """A script's Markdown as it is; anything else in a block under a heading of its own."""
    if printed.startswith("## "):
        heading, _, rest = printed.partition("\n")
        return f"{heading}\n\n`bench/{name}.py`\n{rest}"
    about = f"{harness.machine()}; {harness.commit()}; {time.strftime('%Y-%m-%d', time.gmtime())}"
    body = printed if re.search(r"^\|[-: |]+\|$", printed, re.MULTILINE) else f"```\n{printed}\n```"
    return f"## {name.replace('_', ' ')}\n\n`bench/{name}.py`\n\n{about}\n\n{body}"


def importance(name: str) -> tuple[bool, bool, str]:
    """Those on the runtime come first, for the rest stands on it; then the command and the install."""
    return not name.startswith("runtime_"), name not in ("cli_startup", "install_size"), name


def read_sections() -> dict[str, str]:
    if not PAGE.is_file():
        return {}
    parts = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {name[1]: part.strip() for part in parts if (name := re.search(r"^`bench/(\w+)\.py`$", part, re.MULTILINE))}


def write_page(sections: dict[str, str]) -> None:
    parts = [INTRODUCTION.strip(), *(sections[name] for name in sorted(sections, key=importance))]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    words = [word for word in sys.argv[1:] if word.startswith("-")]
    if "--help" in words or any(word not in ("--quick", "--peers", "--only") for word in words):
        print("usage: bench/run.py [--quick] [--peers] [--only NAME ...]")
        sys.exit(0 if "--help" in words else 2)
    only = sys.argv[sys.argv.index("--only") + 1 :] if "--only" in sys.argv else []
    ends = time.monotonic() + (BUDGET if harness.QUICK and not harness.PEERS else 24 * 3600.0)
    sections = read_sections()
    for path in sorted(filter(is_benchmark, FOLDER.glob("*.py")), key=lambda path: importance(path.stem)):
        if only and path.stem not in only:
            continue
        left = ends - time.monotonic()
        printed, said = measure(path, min(left, 1800.0)) if left > 1 else (None, "left out, the time is up")
        print(f"{path.stem:24} {said}", flush=True)
        if printed is not None:
            # Written at once: a long run that is stopped keeps what it has measured.
            sections[path.stem] = section(path.stem, printed)
            write_page(sections)
    print(f"written: {PAGE.relative_to(harness.ROOT)}")


if __name__ == "__main__":
    main()
