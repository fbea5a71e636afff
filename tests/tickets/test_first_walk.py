"""The commands as somebody types them who has never read a manual: what they answer, and what they say when refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import main
from tests.tickets.boards import QUIET, open_board, repository


class Face:
    """A command line in a folder with a board."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        assert main(list(words)) == code
        said = self._capsys.readouterr()
        return said.out if code == 0 else said.err

    def data(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))["data"]


@pytest.fixture
def face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Face:
    folder = repository(tmp_path / "repo")
    service = open_board(folder)
    service.create("ticket", {"title": "Pump runs dry", "priority": "high"}, id="pump")
    service.create("ticket", {"title": "Valve sticks"}, id="valve")
    service.close()
    monkeypatch.chdir(folder)
    for name, value in {**QUIET, "FAIRLEAD_ACTOR": "ann"}.items():
        monkeypatch.setenv(name, value)
    return Face(capsys)


def test_a_change_shows_what_it_changed(face: Face) -> None:
    assert face("ticket", "assign", "pump", "me") == "pump  P1 open        Pump runs dry @ann\n"
    assert face("ticket", "tag", "pump", "db,hull") == "pump  P1 open        Pump runs dry @ann #db #hull\n"
    assert face("ticket", "priority", "pump", "P0").startswith("pump  P0")


def test_nothing_found_is_said(face: Face) -> None:
    assert face("ticket", "list", "--label", "none-has-it") == "no tickets\n"
    assert face("ticket", "claims") == "nobody holds a ticket\n"
    face("ticket", "claim", "pump", "valve")
    assert face("ticket", "claim", "--next") == "nothing is ready\n"
    assert face.data("ticket", "list", "--label", "none-has-it")["items"] == []


def test_a_link_without_a_direction_is_refused_with_the_command_to_type(face: Face) -> None:
    for words in (["link", "pump", "valve"], ["dep", "add", "pump", "valve"]):
        said = face("ticket", *words, code=2)
        assert "Say `fairlead ticket link pump --blocked-by valve`, or --blocks" in said
    assert face.data("ticket", "blocked")["items"] == []


def test_several_tickets_block_another_at_once(face: Face) -> None:
    face("ticket", "create", "Last", "--id", "last")
    face("ticket", "update", "pump", "valve", "--blocks", "last")
    assert face.data("ticket", "show", "last")["waiting_for"] == ["pump", "valve"]


def test_a_comment_from_standard_input_reaches_every_ticket(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("said once\n"))
    face("ticket", "update", "pump", "valve", "--comment", "-")
    for name in ("pump", "valve"):
        assert [c["text"] for c in face.data("ticket", "show", name)["comments"]] == ["said once"]


def test_a_deleted_ticket_comes_back_by_a_beginning_of_its_name(face: Face) -> None:
    face("ticket", "delete", "pump")
    assert "there is no 'pum' on this board" in face("ticket", "update", "pum", "--title", "x", code=1)
    assert "deleted: True" in face("ticket", "show", "pum")
    assert face("ticket", "restore", "pum").startswith("pump  P1 open")
    assert "deleted" not in face("ticket", "show", "pump")


def test_whoever_cannot_release_learns_how(face: Face) -> None:
    face("ticket", "claim", "pump", "--agent", "bob")
    assert "Say --agent bob if that is you; --force frees it" in face("ticket", "release", "pump", code=4)
    assert "Take other work" in face("ticket", "claim", "pump", code=4)


@pytest.mark.parametrize(
    ("noun", "said", "kept"),
    [("epic", "done", "completed"), ("epic", "in_progress", "active"), ("backlog", "wip", "in-progress")],
)
def test_states_in_other_words(face: Face, noun: str, said: str, kept: str) -> None:
    thing = face.data(noun, "create", "Thing", "-l", "a,b")
    assert thing["labels"] == ["a", "b"]
    assert face.data(noun, "update", thing["id"], "--status", said)["status"] == kept
    assert [row["id"] for row in face.data(noun, "list", "--status", said)["items"]] == [thing["id"]]
    assert "Choose one of" in face(noun, "update", thing["id"], "--status", "wrong", code=2)
    assert f"See `fairlead {noun} list --all`" in face(noun, "show", "nope", code=1)


def test_nothing_to_verify_says_what_comes_first(face: Face) -> None:
    added = face.data("requirement", "add", "pump", "must be fast")["entries"][0]["id"]
    said = face("requirement", "verify", "pump", code=1)
    assert f"`fairlead requirement set pump {added} approved`" in said
    face("requirement", "set", "pump", added, "approved")
    assert "verified" in face("requirement", "verify", "pump")
    assert "acceptance met" in face("requirement", "verify", "pump")


def test_gherkin_that_is_not_there_or_has_no_scenario(face: Face) -> None:
    assert "none.feature cannot be read" in face("requirement", "gherkin", "pump", "--file", "none.feature", code=2)
    said = face("requirement", "gherkin", "pump", "Given a\nWhen b", code=2)
    assert "stands outside a scenario" in said


def test_a_story_is_shown_as_its_sentence(face: Face) -> None:
    face("requirement", "story", "pump", "As a sailor, I want a dry hull, so that I sleep")
    said = face("ticket", "show", "pump")
    assert "-- story " in said
    assert "As a sailor, I want a dry hull, so that I sleep." in said


def test_a_dry_run_promises_no_identifiers(face: Face, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('[{"title": "one"}]')
    assert face("batch", "create", str(plan), "--dry-run").startswith("would be: 1 created (")
    assert face("batch", "create", str(plan), "--dry-run").count("\n") == 1


def test_a_board_that_takes_in_its_own_export_stays_as_it_is(face: Face, tmp_path: Path) -> None:
    for name in ("board.jsonl", "board.json", "board.csv"):
        face("ticket", "export", str(tmp_path / name))
        answer = face.data("ticket", "import", str(tmp_path / name))
        assert (answer["created"], answer["updated"], answer["unchanged"]) == (0, 0, 2), name
    assert "Say which with --to" in face("ticket", "export", str(tmp_path / "x.foo"), code=2)
