"""The commands in the pages about tickets are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fairlead.cli.parse import parse

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("**/tickets*.md"))
LINES = [
    (page.name, line)
    for page in PAGES
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.S)
    for line in block.splitlines()
    if line.startswith("fairlead ")
]


def test_there_are_pages() -> None:
    assert len(LINES) > 10


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_of_the_documentation_is_one(page: str, line: str) -> None:
    parsed = parse(shlex.split(line, comments=True)[1:], read_stdin=lambda: "")
    assert parsed.verb is not None, f"{page} teaches {line!r}"
