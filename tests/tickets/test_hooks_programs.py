"""Hooks run only where a person allowed exactly this content, with a time limit, and their faults are counted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from fairlead.cli.main import main
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.tickets.hooks import Hooks

EVENT = {"id": "e1", "index": 7, "type": "ticket.closed", "subject": "k7f2q", "data": {"reason": "done"}}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    (tmp_path / ".tickets/hooks").mkdir(parents=True)
    return tmp_path


def hooks(board: Path, timeout: float = 10.0) -> Hooks:
    return Hooks(board / ".tickets", board / "shared", board, environ=os.environ, timeout=timeout)


def write(board: Path, name: str, script: str, mode: int = 0o755) -> Path:
    path = board / ".tickets/hooks" / name
    path.write_text("#!/bin/sh\n" + script + "\n", encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_hook_of_a_clone_does_not_run_by_itself(board: Path) -> None:
    write(board, "ticket.closed", "touch ran")
    assert hooks(board).run([EVENT]) == []
    assert not (board / "ran").exists()
    assert [h.enabled for h in hooks(board).found()] == [False]


def test_an_enabled_hook_gets_the_event(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    write(board, "ticket.closed.sh", "cat > got; env > env; pwd > pwd")
    write(board, "ticket.created", "touch wrong")
    write(board, "any", 'echo "$FAIRLEAD_EVENT $FAIRLEAD_SUBJECT" > any')
    one = hooks(board)
    one.enable()
    runs = one.run([EVENT])
    assert [(r.hook, r.error) for r in runs] == [("any", ""), ("ticket.closed.sh", "")]
    assert json.loads((board / "got").read_text()) == EVENT
    assert (board / "any").read_text() == "ticket.closed k7f2q\n"
    assert "SECRET_TOKEN" not in (board / "env").read_text()
    assert Path((board / "pwd").read_text().strip()) == board
    assert not (board / "wrong").exists()


def test_changed_content_has_to_be_enabled_again(board: Path) -> None:
    write(board, "ticket.closed", "touch first")
    hooks(board).enable(["ticket.closed"])
    write(board, "ticket.closed", "touch second")
    assert hooks(board).run([EVENT]) == []
    assert not (board / "second").exists()
    hooks(board).enable()
    assert len(hooks(board).run([EVENT])) == 1
    hooks(board).disable(["ticket.closed"])
    assert hooks(board).run([EVENT]) == []
    assert hooks(board).found()[0].runs == 1


def test_a_failing_hook_is_counted_and_stops_nothing(board: Path) -> None:
    write(board, "any.1", "echo first line >&2; echo broken >&2; exit 3")
    write(board, "any.2", "touch after")
    one = hooks(board)
    one.enable()
    one.run([EVENT, EVENT])
    first, second = hooks(board).found()
    assert (first.runs, first.failures, first.last_error) == (2, 2, "exited with 3: broken")
    assert (second.runs, second.failures) == (2, 0)
    assert (board / "after").exists()


def test_a_hook_that_hangs_is_killed_with_its_children(board: Path) -> None:
    write(board, "any", "sleep 60 & echo $! > child; wait")
    one = hooks(board, timeout=0.3)
    one.enable()
    began = time.monotonic()
    (run,) = one.run([EVENT])
    assert time.monotonic() - began < 5
    assert "took longer than 0.3 s" in run.error
    child = int((board / "child").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split(")")[1]:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the hook's child still runs")


def test_a_program_that_cannot_start_is_a_counted_fault(board: Path) -> None:
    write(board, "any", "true").write_text("#!/no/such/interpreter\n")
    one = hooks(board)
    one.enable()
    (run,) = one.run([EVENT])
    assert "cannot be started" in run.error
    assert hooks(board).found()[0].failures == 1


def test_what_is_no_hook_is_not_enabled(board: Path) -> None:
    write(board, "README.md", "true")
    write(board, "ticket.closed.sample", "true")
    write(board, "ticket.closedx", "true")
    assert hooks(board).found() == []
    with pytest.raises(NotFoundError, match=r"nope"):
        hooks(board).enable(["nope"])
    write(board, "any", "true", mode=0o644)
    with pytest.raises(InvalidInputError, match="not an executable"):
        hooks(board).enable(["any"])


def test_a_damaged_register_allows_nothing(board: Path) -> None:
    write(board, "any", "touch ran")
    hooks(board).enable()
    (board / "shared/hooks.json").write_text("{")
    assert hooks(board).run([EVENT]) == []
    assert not (board / "ran").exists()


def test_hooks_of_a_board_follow_its_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["ticket", "init"]) == 0
    (folder / ".tickets/hooks").mkdir()
    write(folder, "ticket.closed", "cat >> closed")
    write(folder, "any", "exit 9")
    capsys.readouterr()
    assert main(["ticket", "create", "One", "--json"]) == 0
    ticket = json.loads(capsys.readouterr().out)["data"]["id"]
    assert main(["ticket", "hooks", "enable"]) == 0
    assert "ticket.closed                enabled" in capsys.readouterr().out
    assert main(["ticket", "update", ticket, "-p", "P0"]) == 0
    assert not (folder / "closed").exists()
    assert main(["ticket", "close", ticket, "--comment", "done"]) == 0
    event = json.loads((folder / "closed").read_text())
    assert (event["type"], event["subject"]) == ("ticket.closed", ticket)
    capsys.readouterr()
    assert main(["ticket", "hooks", "--json"]) == 0
    found = {h["name"]: h for h in json.loads(capsys.readouterr().out)["data"]["items"]}
    assert found["ticket.closed"]["failures"] == 0
    assert found["any"]["failures"] == found["any"]["runs"] > 2
    assert found["any"]["last_error"] == "exited with 9"
    assert main(["ticket", "doctor"]) == 0
