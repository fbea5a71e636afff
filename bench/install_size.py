"""What the base install puts on disk: megabytes and packages, into a fresh environment, with a table per package.

    python bench/install_size.py [--quick]

Sizes are the sums of the files that each package's RECORD lists, in millions of bytes. pip compiles what it installs;
``without .pyc`` leaves the compiled files out, which is what is downloaded and unpacked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import harness
from harness import Bar, Figure

TOOLS = {"pip", "setuptools", "wheel"}
LIST = """
import importlib.metadata, json
found = {}
for dist in importlib.metadata.distributions():
    sizes = [0, 0]
    for file in dist.files or []:
        path = file.locate()
        if path.is_file():
            sizes[file.suffix == ".pyc"] += path.stat().st_size
    found[dist.metadata["Name"].lower()] = [dist.version, *sizes]
print(json.dumps(found))
"""

Sizes = dict[str, tuple[str, int, int]]


def installed() -> Sizes:
    """Name -> (version, bytes without .pyc, bytes of .pyc) of everything that ``pip install fairlead`` brings."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "venv"
        venv.create(place, with_pip=True)
        python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        # Installed from a copy, so that nothing is built inside the working tree.
        source = Path(folder) / "source"
        left_out = shutil.ignore_patterns(".*", "node_modules", "tests", "bench", "build", "dist", "*.egg-info")
        shutil.copytree(harness.ROOT, source, ignore=left_out)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(source)]
        done = subprocess.run(pip, capture_output=True, text=True, check=False, env={**os.environ, "PIP_USER": "0"})
        if done.returncode:
            raise SystemExit(
                f"skipped: pip could not install the project: {done.stderr.strip().splitlines()[-1][:200]}"
            )
        text = subprocess.run([str(python), "-c", LIST], capture_output=True, text=True, check=True).stdout
    found: Sizes = {name: tuple(row) for name, row in json.loads(text).items() if name not in TOOLS}
    return found


def main() -> None:
    found = installed()
    plain = sum(size for _, size, _ in found.values()) / 1e6
    compiled = sum(size for _, _, size in found.values()) / 1e6
    harness.title("Base install")
    size, packages = Bar(120, "MB"), Bar(45, "packages")
    print(
        harness.figures(
            [
                Figure("size without .pyc", plain, size, "what is downloaded and unpacked, fairlead included"),
                Figure("size with .pyc", plain + compiled, size, "after pip has compiled it"),
                Figure("packages", float(len(found)), packages, "fairlead itself included, pip not"),
            ]
        )
    )
    rows = sorted(found.items(), key=lambda item: -item[1][1] - item[1][2])
    print()
    print(
        harness.table(
            ["package", "version", "MB without .pyc", "MB with .pyc"],
            [[name, version, f"{a / 1e6:.2f}", f"{(a + b) / 1e6:.2f}"] for name, (version, a, b) in rows],
        )
    )


if __name__ == "__main__":
    main()
