"""Boards under Mercurial and under no version control at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.tickets.doctor import examine
from fairlead.tickets.place import branch_of, commit_of, user_of
from tests.tickets.boards import open_board

HG = shutil.which("hg") or shutil.which("hg", path=str(Path(sys.executable).parent))


def hg(folder: Path, *words: str) -> str:
    assert HG is not None
    environ = {
        **os.environ,
        "HGRCPATH": "",
        "HGUSER": "Ann <ann@example.org>",
        "HGMERGE": "internal:merge",
        "HGPLAIN": "1",
    }
    done = subprocess.run([HG, *words], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"hg {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.skipif(HG is None, reason="Mercurial is not installed")
def test_mercurial_merges_different_fields_and_its_facts_are_read(tmp_path: Path) -> None:
    left, right = tmp_path / "left", tmp_path / "right"
    left.mkdir()
    hg(left, "init")
    (left / ".hg" / "hgrc").write_text("[ui]\nusername = Ann <ann@example.org>\n")
    mine = open_board(left, "left", make=True)
    ticket = mine.create("ticket", {"title": "one", "description": "text"}, add={"labels": ["x"]})
    hg(left, "addremove", "-q")
    hg(left, "commit", "-m", "one")
    hg(tmp_path, "clone", "-q", "left", "right")
    theirs = open_board(right, "right")
    names = ["title", "status", "priority", "type", "assignee", "assigned_agent", "estimated_hours", "story_points"]
    values = ["two", "blocked", "high", "bug", "ann", "a1", 2, 3]
    for name, value in list(zip(names, values, strict=True))[::2]:
        mine.update(ticket.id, {name: value}, add={"labels": [f"l-{name}"]})
    for name, value in list(zip(names, values, strict=True))[1::2]:
        theirs.update(ticket.id, {name: value}, add={"labels": [f"r-{name}"]}, remove={"labels": ["x"]})
    mine.add_entry(ticket.id, "comment", text="left")
    theirs.add_entry(ticket.id, "comment", text="right")
    for folder in (left, right):
        hg(folder, "addremove", "-q")
        hg(folder, "commit", "-m", "work")
    hg(left, "pull", "-q", str(right))
    hg(left, "merge", "-q")
    hg(left, "commit", "-m", "merge")
    found = mine.get(ticket.id)
    assert [getattr(found, name) for name in names] == values
    assert (len(found.labels), len(found.comments)) == (8, 2)
    assert examine(mine.board) == []
    place = mine.board.place
    assert (place.vcs, branch_of(place), user_of(place, "")) == ("hg", "default", ("Ann", "ann@example.org"))
    assert commit_of(place) == hg(left, "log", "-r", ".", "-T", "{node}")
    mine.close()
    theirs.close()


def test_without_version_control_claims_and_index_live_beside_the_user(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    service = open_board(folder, make=True)
    ticket = service.create("ticket", {"title": "one"})
    assert sorted(p.name for p in folder.iterdir()) == [".tickets"]
    assert service.board.place.shared.startswith(str(tmp_path / "state"))
    below = folder / "deep" / "down"
    below.mkdir(parents=True)
    assert open_board(below).get(ticket.id).title == "one"
    assert branch_of(service.board.place) is None
    service.close()
