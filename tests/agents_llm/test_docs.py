"""The how-to page says what happens: its program is run and prints what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "llm-agents.md"


def test_the_program_of_the_page_prints_what_the_page_shows(tmp_path: Path) -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    programs = [text for language, text in blocks if language == "python"]
    shown = [text for language, text in blocks if language == "text"]
    assert len(programs) == len(shown) == 1
    program = tmp_path / "page.py"
    program.write_text(programs[0])
    environment = {"PATH": "", "HOME": str(tmp_path), "FAIRLEAD_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.stderr == ""
    assert done.stdout == shown[0]
