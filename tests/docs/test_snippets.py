"""What the pages show is done: their programs run and print what is shown, their commands are typed in a shell.

The blocks of a page share one folder and, in order, one program. A block's info string says what it is:

- ``python``: a part of the page's program;
- ``output``: what the program prints, compared with everything that it printed;
- ``console``: commands after ``$``, with what they print; ``…`` stands for anything, and nothing shown means anything;
- ``sh``: commands that are only parsed, because they need what a page cannot have;
- any language with ``title="name"``: a file of that name.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fairlead.cli.parse import parse

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    title: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    found = []
    for indent, info, text in _FENCE.findall(page.read_text("utf-8")):
        title = re.search(r'title="([^"]+)"', info)
        lines = [line.removeprefix(indent) for line in text.splitlines(keepends=True)]
        found.append(Block(info.split()[0] if info.split() else "", title[1] if title else "", "".join(lines)))
    return found


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCKS = {str(page.relative_to(ROOT)): blocks_of(page) for page in PAGES}


def _pages_with(*languages: str) -> list[str]:
    # A block with a title is a file, and what is done with it is shown by the commands.
    return [page for page, blocks in BLOCKS.items() if any(b.language in languages and not b.title for b in blocks)]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOME": str(folder),
        "USER": "you",
        "FAIRLEAD_HOME": str(folder / ".fairlead"),
        "PYTHONWARNINGS": "error",
        "LANG": "C.UTF-8",
    }


def _lay_out(page: str, folder: Path) -> None:
    for block in BLOCKS[page]:
        if block.title:
            target = folder / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")


def _fits(shown: str, printed: str) -> bool:
    """Whether what a page shows is what was printed: ``…`` is any text, columns may be wider, nothing fits all."""
    if not shown.strip():
        return True
    shown, printed = (re.sub(r" +(\n|$)", r"\1", re.sub(r" {2,}", "  ", text.rstrip())) for text in (shown, printed))
    parts = [re.escape(part) for part in shown.split("…")]
    return re.fullmatch("(?:.*?)".join(parts), printed, re.DOTALL) is not None


@pytest.mark.parametrize("page", _pages_with("python"))
def test_programs_print_what_the_page_shows(page: str, tmp_path: Path) -> None:
    _lay_out(page, tmp_path)
    program = "\n".join(b.text for b in BLOCKS[page] if b.language == "python" and not b.title)
    shown = "".join(b.text for b in BLOCKS[page] if b.language == "output")
    (tmp_path / "page.py").write_text(program, "utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"],
        capture_output=True,
        text=True,
        env=_environment(tmp_path),
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if shown:
        assert _fits(shown, done.stdout), done.stdout


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, what is shown below it) of a block; a line that ends in a backslash goes on."""
    command, shown = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], ""
        elif command.endswith("\\\n"):
            command += line
        else:
            shown += line
    if command:
        yield command, shown


_READS = re.compile(r"fairlead (runs (list|show)|events|trace)\b")


class Shell:
    """One bash in which a page's commands are typed one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(folder),
            cwd=folder,
        )
        self.type("set -m")

    def type(self, command: str) -> tuple[int, str]:
        """The exit code and what was printed. A program sent to the background writes to a file instead."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = command.strip()
        if line.endswith("&"):
            line = f"{line[:-1]} > background.log 2>&1 & :"
        self._process.stdin.write(f'{{ {line}\n}} 2>&1 < /dev/null\necho "--done-- $?"\n')
        self._process.stdin.flush()
        printed = ""
        for text in self._process.stdout:
            end = re.search(r"--done-- (\d+)$", text)
            if end:
                return int(end[1]), printed + text[: end.start()]
            printed += text
        raise AssertionError(f"the shell ended at {command!r}: {printed}")

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("kill -9 $(jobs -p) 2>/dev/null; wait 2>/dev/null; exit\n")
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def _wait_for_a_run(shell: Shell) -> None:
    """A reader types the next command when the one in the background has begun."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        code, printed = shell.type("fairlead runs list --limit 1 --json")
        if code == 0 and any(item["state"] in ("running", "paused") for item in json.loads(printed)["data"]["items"]):
            return
        time.sleep(0.1)
    raise AssertionError((shell.folder / "background.log").read_text("utf-8"))


@pytest.mark.parametrize("page", _pages_with("console"))
def test_commands_print_what_the_page_shows(page: str, tmp_path: Path) -> None:
    _lay_out(page, tmp_path)
    shell = Shell(tmp_path)
    try:
        for block in BLOCKS[page]:
            if block.language != "console":
                continue
            for command, shown in _commands(block.text):
                expected = re.search(r"# exit code (\d+)", command)
                wanted = int(expected[1]) if expected else 0
                code, printed = shell.type(command)
                until = time.monotonic() + 20
                # What another process does takes its time; a reader looks again.
                while _READS.match(command) and not _fits(shown, printed) and time.monotonic() < until:
                    time.sleep(0.2)
                    code, printed = shell.type(command)
                assert code == wanted, f"{command}{printed}"
                assert _fits(shown, printed), f"{command}{printed}"
                if command.strip().endswith("&"):
                    _wait_for_a_run(shell)
    finally:
        shell.close()


def _typed() -> list[tuple[str, str]]:
    found = []
    for page, blocks in BLOCKS.items():
        for block in blocks:
            if block.language in ("sh", "console"):
                found += [(page, command) for command, _ in _commands(block.text)]
                found += [(page, line) for line in block.text.splitlines() if line.startswith("fairlead ")]
    return found


@pytest.mark.parametrize("page", sorted({page for page, _ in _typed()}))
def test_every_fairlead_command_is_one(page: str) -> None:
    for where, command in _typed():
        if where != page or "# exit code 2" in command:
            continue
        words = shlex.split(re.sub(r"\s#\s.*", "", command))
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words = words[1:]
        if words and Path(words[0]).name == "fairlead":
            end = next((n for n, word in enumerate(words) if word in ("|", ">", "&", "&&")), len(words))
            parse(words[1:end], read_stdin=lambda: "text")


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        text = _FENCE.sub("", page.read_text("utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            path = page.parent / target.partition("#")[0]
            assert path.exists(), f"{page.relative_to(ROOT)} links to {target}"
            assert ROOT in path.resolve().parents, f"{page.relative_to(ROOT)} links outside: {target}"


def test_anchors_of_links_exist() -> None:
    for page in PAGES:
        text = _FENCE.sub("", page.read_text("utf-8"))
        for target, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", text):
            if "://" in target:
                continue
            other = (page.parent / target) if target else page
            heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", other.read_text("utf-8")), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page.relative_to(ROOT)} links to #{anchor} of {target or 'itself'}"
