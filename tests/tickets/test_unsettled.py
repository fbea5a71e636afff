"""What an unaided merge leaves: every state in which git stops, and the markers of each system, are settled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead.cli.main import main
from fairlead.tickets.doctor import examine, mend, next_steps
from fairlead.tickets.merge import split_sides
from fairlead.tickets.service import TicketService
from tests.tickets.boards import QUIET, git, open_board, repository


@pytest.fixture
def torn(tmp_path: Path) -> tuple[Path, TicketService]:
    """A clone on ``main`` whose branch ``side`` gave one field of one ticket another value."""
    folder = repository(tmp_path / "repo")
    service = open_board(folder)
    service.create("ticket", {"title": "one"}, id="one")
    _commit(folder)
    git(folder, "checkout", "-qb", "side")
    service.update("one", {"status": "closed"})
    service.add_entry("one", "comment", text="done on the side")
    _commit(folder)
    git(folder, "checkout", "-q", "main")
    service.update("one", {"status": "blocked", "assignee": "ann"})
    _commit(folder)
    return folder, service


def _commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "work")


_STOPPED = {
    "merge": (["merge", "-q", "side"], "git commit --no-edit"),
    "rebase": (["rebase", "-q", "side"], "git rebase --continue"),
    "rebase by patches": (["rebase", "-q", "--apply", "side"], "git rebase --continue"),
    "cherry-pick": (["cherry-pick", "side"], "git cherry-pick --continue"),
    "revert": (["revert", "--no-edit", "HEAD~1"], "git revert --continue"),
}


@pytest.mark.parametrize(
    ("how", "style"), [*((how, "merge") for how in _STOPPED), ("merge", "diff3"), ("merge", "zdiff3")]
)
def test_the_doctor_says_how_git_goes_on_and_git_does(torn: tuple[Path, TicketService], how: str, style: str) -> None:
    folder, service = torn
    if how == "revert":
        # The change taken back was made over since, so git cannot tell which value is meant.
        service.update("one", {"status": "in-progress"})
        _commit(folder)
    words, goes_on = _STOPPED[how]
    assert git(folder, "-c", f"merge.conflictStyle={style}", *words, check=False).returncode != 0
    assert any("one.md:1: a merge left conflict markers" in line for line in examine(service.board))
    assert next_steps(service.board) == ["fairlead ticket doctor --fix --stage", goes_on]
    assert len(mend(service.board, stage=True)) == 1
    assert examine(service.board) == []
    assert next_steps(service.board) == [goes_on]
    git(folder, "-c", "core.editor=true", *goes_on.split()[1:])
    assert next_steps(service.board) == []
    assert git(folder, "status", "--porcelain").stdout == ""
    ticket = service.ticket("one")
    assert ticket.status == ("in-progress" if how == "revert" else "closed")
    service.close()


def test_a_stash_that_meets_another_value_is_settled(torn: tuple[Path, TicketService]) -> None:
    folder, service = torn
    service.update("one", {"status": "in-progress"})
    git(folder, "stash", "-q", "-u")
    service.update("one", {"status": "cancelled"})
    _commit(folder)
    assert git(folder, "stash", "pop", check=False).returncode != 0
    assert next_steps(service.board) == ["fairlead ticket doctor --fix --stage"]
    mend(service.board, stage=True)
    assert (examine(service.board), next_steps(service.board)) == ([], [])
    assert service.ticket("one").status == "cancelled"
    service.close()


def test_a_removed_file_that_the_other_side_changed_stays(torn: tuple[Path, TicketService]) -> None:
    folder, service = torn
    git(folder, "rm", "-rq", ".tickets/one.md")
    _commit(folder)
    assert git(folder, "merge", "-q", "side", check=False).returncode != 0
    assert next_steps(service.board) == ["fairlead ticket doctor --fix --stage", "git commit --no-edit"]
    mend(service.board, stage=True)
    git(folder, "commit", "-q", "--no-edit")
    assert service.ticket("one").status == "closed"
    assert next_steps(service.board) == []
    service.close()


def test_an_entry_that_both_sides_edited_is_settled(torn: tuple[Path, TicketService]) -> None:
    folder, service = torn
    git(folder, "merge", "-q", "-X", "theirs", "side")
    entry = service.add_entry("one", "requirement", title="must", description="a")
    _commit(folder)
    git(folder, "checkout", "-qb", "again")
    service.update_entry("one", entry.id, status="verified", description="a\nb")
    _commit(folder)
    git(folder, "checkout", "-q", "main")
    service.update_entry("one", entry.id, status="approved", description="a\nc")
    _commit(folder)
    assert git(folder, "merge", "-q", "again", check=False).returncode != 0
    mend(service.board, stage=True)
    git(folder, "commit", "-q", "--no-edit")
    [found] = service.ticket("one").requirements
    assert (found.status, found.description) == ("verified", "a\nb\nc")
    service.close()


def test_other_files_that_wait_are_named(
    torn: tuple[Path, TicketService], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, service = torn
    (folder / "code.py").write_text("main\n")
    _commit(folder)
    git(folder, "checkout", "-q", "side")
    (folder / "code.py").write_text("side\n")
    _commit(folder)
    assert git(folder, "merge", "-q", "main", check=False).returncode != 0
    service.close()
    monkeypatch.chdir(folder)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    assert main(["ticket", "doctor", "--fix", "--stage", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["data"]
    assert (answer["healthy"], len(answer["mended"])) == (True, 1)
    assert answer["next"] == ["settle code.py, and `git add` them", "git commit --no-edit"]
    assert main(["ticket", "doctor"]) == 0
    assert "git waits; next: settle code.py" in capsys.readouterr().out


_BASE, _OURS, _THEIRS = "a\nold\nz", "a\nmine\nz", "a\nyours\nz"


@pytest.mark.parametrize(
    "region",
    [
        "<<<<<<< HEAD\nmine\n=======\nyours\n>>>>>>> side",
        "<<<<<<< HEAD\nmine\n||||||| base\nold\n=======\nyours\n>>>>>>> side",
        "<<<<<<< working copy: 1\nmine\n=======\nyours\n>>>>>>> merge rev: 2",
        "<<<<<<< conflict 1 of 1\n%%%%%%% from\n" + "\\" * 7 + " to\n-old\n+mine\n+++++++ B\nyours\n>>>>>>> ends",
        "<<<<<<< conflict 1 of 1\n+++++++ A\nmine\n------- base\nold\n+++++++ B\nyours\n>>>>>>> conflict 1 of 1 ends",
        "<<<<<<< Conflict 1 of 1\n+++++++ A\nmine\n%%%%%%% Changes from base\n-old\n+yours\n>>>>>>> Conflict ends",
        "<<<<<<<<<<< conflict 1 of 1\n%%%%%%%%%%% diff\n-old\n+mine\n+++++++++++ B\nyours\n>>>>>>>>>>> conflict ends",
    ],
    ids=["git", "diff3", "hg", "jj", "jj snapshot", "jj snapshot first", "jj long"],
)
def test_the_markers_of_each_system_are_taken_apart(region: str) -> None:
    base, ours, theirs = split_sides(f"a\n{region}\nz") or ("", "", "")
    assert (ours, theirs) == (_OURS, _THEIRS)
    assert base in (None, _BASE)
    assert (base is None) == ("old" not in region)


def test_three_sides_at_once_are_left_to_a_person() -> None:
    text = "<<<<<<< conflict\n%%%%%%% 1\n-a\n+b\n%%%%%%% 2\n-a\n+c\n+++++++ 3\nd\n>>>>>>> ends"
    assert split_sides(text) is None
    assert split_sides("<<<<<<< HEAD\nnever closed") is None


def test_a_rule_of_dashes_beside_a_conflict_is_text() -> None:
    text = "<<<<<<< HEAD\n-------\nmine\n=======\nyours\n>>>>>>> side"
    assert split_sides(text) == (None, "-------\nmine", "yours")
