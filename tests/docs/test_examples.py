"""The examples run and print what their docstrings say."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_it_prints_what_it_says(example: Path, tmp_path: Path) -> None:
    doc = ast.get_docstring(ast.parse(example.read_text("utf-8"))) or ""
    shown = textwrap.dedent(doc.partition("Prints:\n\n")[2])
    assert shown, f"{example.name} does not say what it prints"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        capture_output=True,
        text=True,
        env={"PATH": "", "HOME": str(tmp_path), "FAIRLEAD_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.rstrip() == shown.rstrip()
