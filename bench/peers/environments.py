"""Environments of their own for the programs that Fairlead is measured against, made once under the cache folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness


def peer_figures(name: str, packages: Sequence[str], arguments: Sequence[str] = ()) -> dict[str, Any]:
    """What ``run_<name>.py`` measured in its own environment, or ``{"skipped": reason}``."""
    folder = harness.CACHE / "peers" / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    try:
        if not python.exists():
            make_environment(folder, python, packages)
        script = Path(__file__).parent / f"run_{name}.py"
        argv = [str(python), str(script), *arguments, *(["--quick"] if harness.QUICK else [])]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=True)
    except subprocess.CalledProcessError as exc:
        return {"skipped": (exc.stderr or str(exc)).strip().splitlines()[-1][:120]}
    except (OSError, subprocess.TimeoutExpired) as exc:
        return {"skipped": str(exc)[:120]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def make_environment(folder: Path, python: Path, packages: Sequence[str]) -> None:
    if shutil.which("uv"):
        commands = [["uv", "venv", "-q", "-p", sys.executable, str(folder)]]
        commands.append(["uv", "pip", "install", "-q", "-p", str(python), *packages])
    else:
        commands = [[sys.executable, "-m", "venv", str(folder)]]
        commands.append([str(python), "-m", "pip", "install", "-q", *packages])
    try:
        for command in commands:
            subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
