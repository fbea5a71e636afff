"""The command line's manners, knocked at through its front door."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import main
from fairlead.tickets.prime import COMMANDS
from tests.tickets.boards import QUIET, git, repository

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a fresh board; answers with the data of its JSON, or with the error and exit code."""
    monkeypatch.chdir(repository(tmp_path / "repo"))
    for name, value in {**QUIET, "FAIRLEAD_ACTOR": "ann", "FAIRLEAD_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)

    def call(*words: str, stdin: str = "", code: int = 0) -> Any:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        assert main(["ticket", *words, "--json"] if words[0] != "fairlead" else [*words[1:], "--json"]) == code, words
        answer = json.loads(capsys.readouterr().out)
        assert answer["schema_version"] == 1
        return answer["data"] if code == 0 or "data" in answer else answer["error"]

    return call


def test_what_models_type_first_works(run: Run) -> None:
    a = run("create", "Pump", "runs", "dry", "-p", "P1", "-t", "bug", "--tag", "hull,db", "-d", "text")["id"]
    b = run("new", "Second", "--depends-on", a[:4])["id"]
    run("comment", a, "found", "the", "cause")
    run("note", a, "-m", "another")
    run("assign", a, "bob")
    run("tag", b, "x", "y")
    run("priority", b, "0")
    run("link", b, "--related", a)
    found = run("show", a)
    assert (found["priority"], found["type"], found["assignee"], found["labels"]) == (
        "high",
        "bug",
        "bob",
        ["db", "hull"],
    )
    assert [c["text"] for c in found["comments"]] == ["found the cause", "another"]
    assert found["blocks"] == [b]
    closed = run("close", a, "--comment", "valve replaced")
    assert closed["status"] == "closed"
    assert closed["newly_unblocked"] == [b]
    assert run("show", b)["priority"] == "critical"
    assert run("reopen", a, "-m", "not so")["status"] == "open"
    assert run("done", a, "--resolution", "really")["status"] == "closed"
    assert run("list", "--format", "json")["items"][0]["id"] == b


def test_text_comes_from_standard_input_files_and_exact_replacement(run: Run, tmp_path: Path) -> None:
    ticket = run("create", "one", "--body", "-", stdin="from\nstdin\n")["id"]
    assert run("show", ticket)["description"] == "from\nstdin"
    (tmp_path / "body.md").write_text("from a file\n")
    run("update", ticket, "--body-file", str(tmp_path / "body.md"))
    run("update", ticket, "--append", "-", stdin="appended")
    run("update", ticket, "--replace", "a file", "--with", "a book")
    assert run("show", ticket)["description"] == "from a book\n\nappended"
    run("update", ticket, "--body", "twice twice")
    error = run("update", ticket, "--replace", "twice", "--with", "once", code=1)
    assert error["fields"]["hits"] == 2
    run("comment", ticket, "-", stdin="line 1\nline 2\n")
    assert run("show", ticket)["comments"][0]["text"] == "line 1\nline 2"


def test_exit_codes_tell_what_to_do(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = run("create", "one")
    assert "Did you mean `--label`" in run("list", "--lable", "x", code=2)["remedy"]
    assert "Did you mean `ticket close`" in run("clse", ticket["id"], code=2)["remedy"]
    assert run("update", ticket["id"], "--priority", "P9", code=2)["fields"]["field"] == "priority"
    assert run("show", "zzzz", code=1)["code"] == "NotFoundError"
    run("update", ticket["id"], "--title", "two")
    assert (
        run("update", ticket["id"], "--title", "three", "--if-match", ticket["revision"], code=4)["code"]
        == "ConflictError"
    )
    run("claim", ticket["id"])
    assert run("claim", ticket["id"], code=4)["fields"]["agent"] == "ann"
    monkeypatch.chdir(tmp_path)
    assert run("list", code=3)["code"] == "NotInitialisedError"


def test_pages_filters_and_lean_rows(run: Run) -> None:
    for n in range(7):
        run("create", f"t{n}", "-a", "me" if n % 2 else "bob", "-l", "odd" if n % 2 else "even")
    page = run("list", "--sort", "title", "--limit", "3")
    assert [r["title"] for r in page["items"]] == ["t0", "t1", "t2"]
    assert (page["has_more"], page["next_offset"]) == (True, 3)
    assert [r["title"] for r in run("list", "--sort", "title", "--offset", "6")["items"]] == ["t6"]
    assert set(page["items"][0]) == {"id", "title", "status", "priority", "type", "assignee", "labels", "updated_at"}
    mine = run("list", "--status", "open", "--label", "odd", "--assignee", "me", "--ready", "--limit", "2")
    assert len(mine["items"]) == 2
    assert run("search", "t3")["items"][0]["title"] == "t3"
    assert len(run("list", "--created-since", "1h", "--all")["items"]) == 7


def test_closing_can_demand_evidence_that_is_checked(run: Run) -> None:
    run("init", "--evidence", "--no-driver")
    ticket = run("create", "one")["id"]
    assert "evidence" in run("close", ticket, code=1)["message"]
    assert "no commit" in run("close", ticket, "--commit", "nonsense", code=1)["message"]
    assert "no file" in run("close", ticket, "--file", "../outside", code=1)["message"]
    assert (
        "ended with"
        in run("close", ticket, "--command", f"{sys.executable} -c 'raise SystemExit(3)'", code=1)["message"]
    )
    assert run("show", ticket)["status"] == "open"
    closed = run(
        "close", ticket, "--commit", "HEAD", "--file", ".tickets/README.md", "--command", f"{sys.executable} -c 1"
    )
    assert len(closed["evidence"]) == 3
    other = run("create", "two", "--blocked-by", run("create", "three")["id"])["id"]
    assert "waits for" in run("close", other, "--commit", "HEAD", code=1)["message"]
    assert run("close", other, "--force")["evidence"] == ["closed without evidence, by force"]
    assert "by force" in run("history", other)["items"][0]["note"]


def test_batches_index_cache_and_events(run: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(
        json.dumps([{"id": "$a", "title": "A"}, {"title": "B", "blocked_by": "$a"}, {"id": "$a", "action": "close"}])
    )
    done = run("fairlead", "batch", "run", str(plan))
    assert (done["success"], len(done["created_ids"])) == (True, 2)
    plan.write_text('{"title": "ok"}\n{"title": "bad", "priority": "bogus"}\n')
    refused = run("fairlead", "batch", "create", str(plan), code=1)
    assert (refused["rolled_back"], refused["errors"][0]["item"]) == (True, 1)
    assert run("fairlead", "batch", "create", str(plan), "--no-atomic", code=1)["operations_executed"] == 1
    plan.write_text("title,priority,labels\nfrom csv,high,a;b\n")
    [made] = run("fairlead", "batch", "create", str(plan))["created_ids"]
    assert run("show", made)["labels"] == ["a", "b"]
    # A file that changed a moment ago is read again and not taken from the cache, so these are made older.
    for path in sorted(Path(".tickets").rglob("*"), reverse=True):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert run("fairlead", "index", "rebuild")["things"] == 4
    assert run("fairlead", "cache", "warm")["kept"] == 3
    run("show", made)
    stats = run("fairlead", "cache", "stats")
    assert stats["hits"] >= 1
    assert 0 < stats["hit_rate"] <= 1
    page = run("events", "--since", "0", "--limit", "2")
    assert page["has_more"]
    rest = run("events", "--since", page["cursor"], "--limit", "1000")
    told = [item["type"] for item in [*page["items"], *rest["items"]]]
    assert told[:4] == ["ticket.created", "ticket.created", "ticket.updated", "ticket.closed"]
    assert "system.index.rebuilt" in told
    assert run("events", "--since", rest["cursor"])["items"] == []
    assert run("fairlead", "cache", "clear")["cleared"] == 3


def test_doctor_undo_graph_and_tree(run: Run) -> None:
    a = run("create", "a")["id"]
    b = run("create", "b", "--blocked-by", a, "--parent", a)["id"]
    assert run("graph")["layers"] == [[a], [b]]
    assert "-->" in run("graph", "--as", "mermaid")["drawing"]
    assert run("tree")["items"][0]["children"][0]["id"] == b
    assert "circle" in run("link", a, "--blocked-by", b, code=2)["message"]
    assert "--blocked-by" in run("link", a, code=2)["remedy"]
    run("unlink", b, "--blocked-by", a, "--parent", a)
    assert run("ready")["items"][-1]["id"] == b
    run("undo", b)
    assert run("blocked")["items"][0]["waiting_for"] == [a]
    assert run("doctor")["healthy"]
    Path(f".tickets/{a}.md").write_text("broken")
    assert f"{a}.md:1:" in run("doctor", code=1)["problems"][0]
    assert any(a in line for line in run("list")["problems"])
    run("delete", b)
    assert run("restore", b)["status"] == "open"


def test_every_command_that_agents_are_taught_parses() -> None:
    import shlex

    from fairlead.cli.parse import parse

    for command, _ in COMMANDS:
        words = shlex.split(command)
        assert words[0] == "fairlead"
        assert parse(words[1:], read_stdin=str).verb is not None, command


def test_a_listing_stays_clear_of_what_costs_start_up_time(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    code = (
        "import sys\nfrom fairlead.cli.main import main\n"
        "for words in (['list'], ['ready'], ['search', 'x'], ['list', '--json']): main(['ticket', *words])\n"
        "slow = 'typing re json pathlib datetime contextlib dataclasses inspect'.split()\n"
        "slow += 'asyncio pydantic orjson rich yaml'.split()\n"
        "print(sorted(set(slow) & set(sys.modules)), file=sys.stderr)\n"
    )
    environ = {**os.environ, **QUIET, "FAIRLEAD_ACTOR": "ann"}
    main_ = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n{code}"]
    subprocess.run(main_, cwd=folder, env=environ, capture_output=True, check=True)
    again = subprocess.run(main_, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    assert again.stderr.strip() == "[]"


def test_nothing_is_staged_or_committed(run: Run) -> None:
    run("create", "one")
    folder = Path.cwd()
    assert git(folder, "diff", "--cached", "--name-only").stdout == ""
    assert git(folder, "log", "--oneline").stdout.count("\n") == 1
