"""The reference pages are what the declarations say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_generated_pages_are_current() -> None:
    # A process of its own: classes that tests define must not reach the page of errors.
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `make docs`:\n{done.stdout}{done.stderr}"


def test_no_page_is_left_over() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import generate; print(*generate.pages())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "docs")], capture_output=True, text=True, check=True
    )
    made = set(done.stdout.split())
    by_hand = {page.name for page in REFERENCE.glob("*.md") if "Written by docs/generate.py" not in page.read_text()}
    assert {page.name for page in REFERENCE.glob("*.md")} - by_hand == made


def test_every_verb_and_setting_has_its_place() -> None:
    from fairlead.settings import SETTINGS
    from fairlead.verbs import every_verb

    commands = (REFERENCE / "command-line.md").read_text("utf-8")
    headings = re.findall(r"^### fairlead (.+)$", commands, re.MULTILINE)
    assert headings == [verb.words for verb in every_verb()]
    settings = (REFERENCE / "settings.md").read_text("utf-8")
    assert all(f"`{setting.name}`" in settings and setting.sentence in settings for setting in SETTINGS)
