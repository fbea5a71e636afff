"""Agents take tickets one after the other and the tickets tell what came of it."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import main
from fairlead.clock import SystemClock, isoformat
from fairlead.errors import ConflictError, InvalidInputError, RateLimitedError
from fairlead.result import ErrorCategory, StepResult
from fairlead.store import open_database
from fairlead.tenancy import make_tenant
from fairlead.tickets.model import Ticket
from fairlead.tickets.plan import Author
from fairlead.tickets.relational import RelationalBoard
from fairlead.tickets.service import TicketService
from fairlead.tickets.work import claims_of, command_runner, prompt_of, work
from tests.tickets.boards import open_board


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "board"
    made.mkdir()
    open_board(made, make=True).close()
    return made


@pytest.fixture
def service(folder: Path) -> Iterator[TicketService]:
    made = open_board(folder, seed=1)
    yield made
    made.close()


def test_work_over_the_relational_store(tmp_path: Path) -> None:
    database = open_database(tmp_path / "server.db")
    clock = SystemClock()
    try:
        server = TicketService(
            RelationalBoard(database, make_tenant("acme")),
            clock=clock,
            entropy=os.urandom,
            author=lambda: Author("server", isoformat(clock.now())),
        )
        server.create("ticket", {"title": "one"})

        def run(agent: str, ticket: Ticket) -> StepResult:
            time.sleep(0.3)
            assert server.board.shared.claims(time.time())[ticket.id].agent == "dev-1"
            return StepResult.ok("did it")

        (done,) = do(server, run, lease=0.2)
        assert (done.outcome, server.get(done.ticket_id).status) == ("closed", "closed")
        assert server.board.shared.claims(time.time()) == {}
    finally:
        database.close()


def do(service: TicketService, run: Any, agent: str = "dev-1", **options: Any) -> list[Any]:
    return list(work(service, claims_of(service), agent, run, clock=SystemClock(), **options))


def held(service: TicketService) -> dict[str, Any]:
    found: dict[str, Any] = service.board.shared.claims(time.time())
    return found


def events(service: TicketService, subject: str) -> list[str]:
    return [row[2] for row in service.board.shared.events(subject=subject, limit=100)]


def test_ready_tickets_are_done_in_order_and_what_they_free_follows(service: TicketService) -> None:
    first = service.create("ticket", {"title": "first", "priority": "low"})
    urgent = service.create("ticket", {"title": "urgent", "priority": "critical"})
    after = service.create("ticket", {"title": "after"}, add={"blocked_by": [first.id]})
    seen = []

    def run(agent: str, ticket: Ticket) -> StepResult:
        seen.append((agent, ticket.title, ticket.status, ticket.assigned_agent))
        assert held(service)[ticket.id].agent == "dev-1"
        return StepResult.ok({"summary": f"did {ticket.title}", "lines": 3}, run="run_1")

    done = do(service, run)
    assert [d.title for d in done] == ["urgent", "first", "after"]
    assert seen[0] == ("dev-1", "urgent", "in-progress", "dev-1")
    assert {d.outcome for d in done} == {"closed"}
    ticket: Any = service.get(urgent.id)
    assert ticket.status == "closed"
    (entry,) = ticket.journal_entries
    assert (entry.author, entry.type, entry.run, entry.completion_percentage) == ("dev-1", "progress", "run_1", 100)
    assert entry.content.startswith("did urgent\n") and '"lines": 3' in entry.content
    assert ticket.time_logs[0].author == "dev-1"
    assert "did urgent" in {change.note for change in service.history(urgent.id)}
    assert held(service) == {}
    told = events(service, after.id)
    for name in ("agent.task.assigned", "agent.task.started", "ticket.closed", "agent.task.completed"):
        assert name in told


@pytest.mark.parametrize(
    ("result", "outcome", "status", "says"),
    [
        (StepResult.fail("no such file"), "blocked", "blocked", "no such file"),
        (StepResult.fail("busy", ErrorCategory.SERVICE_UNAVAILABLE), "returned", "open", "busy"),
        (StepResult.skip("not mine"), "returned", "open", "not mine"),
        (StepResult.uncertain("maybe"), "blocked", "blocked", "uncertain: maybe"),
        (StepResult.ok(), "closed", "closed", "done"),
        (StepResult.ok("two\nlines"), "closed", "closed", "two"),
        ("nonsense", "blocked", "blocked", "the agent answered str"),
        (ValueError("broken"), "blocked", "blocked", "broken"),
        (RateLimitedError("slow down"), "returned", "open", "slow down"),
    ],
)
def test_what_comes_of_a_result(service: TicketService, result: Any, outcome: str, status: str, says: str) -> None:
    made = service.create("ticket", {"title": "t"})

    def run(agent: str, ticket: Ticket) -> StepResult:
        if isinstance(result, Exception):
            raise result
        answer: StepResult = result
        return answer

    (done,) = do(service, run)
    ticket: Any = service.get(made.id)
    assert (done.outcome, ticket.status) == (outcome, status)
    assert says in done.reason and says in ticket.journal_entries[0].content
    assert (ticket.assigned_agent is None) == (status == "open")
    assert held(service) == {}
    good = outcome == "closed" or "uncertain" in says or says == "not mine"
    assert ("agent.task.completed" in events(service, made.id)) == good


def test_the_limit_holds_and_a_returned_ticket_is_not_taken_twice(service: TicketService) -> None:
    for n in range(4):
        service.create("ticket", {"title": str(n)})
    assert len(do(service, lambda a, t: StepResult.ok(), limit=1)) == 1
    calls = []

    def back(agent: str, ticket: Ticket) -> StepResult:
        calls.append(ticket.id)
        return StepResult.skip("later")

    assert len(do(service, back)) == 3
    assert len(set(calls)) == 3


def test_work_that_a_dead_process_began_comes_first_and_others_are_left_alone(service: TicketService) -> None:
    service.create("ticket", {"title": "urgent", "priority": "critical"})
    mine = service.create("ticket", {"title": "mine", "status": "in-progress", "assigned_agent": "dev-1"})
    other = service.create("ticket", {"title": "other", "status": "in-progress", "assigned_agent": "dev-2"})
    reserved = service.create("ticket", {"title": "reserved", "assigned_agent": "dev-2"})
    taken = service.create("ticket", {"title": "taken"})
    claims_of(service).take([taken.id], "dev-3", 60)
    done = do(service, lambda a, t: StepResult.ok())
    assert [d.title for d in done] == ["mine", "urgent"]
    assert done[0].ticket_id == mine.id
    assert [service.get(t.id).status for t in (other, reserved, taken)] == ["in-progress", "open", "open"]


def test_the_heartbeat_keeps_the_claim_longer_than_its_lease(service: TicketService) -> None:
    made = service.create("ticket", {"title": "long"})

    def run(agent: str, ticket: Ticket) -> StepResult:
        time.sleep(0.9)
        with pytest.raises(ConflictError):
            service.board.shared.claim(made.id, "thief", now=time.time(), lease=60, tree="", token="x")
        return StepResult.ok()

    (done,) = do(service, run, lease=0.45)
    assert done.outcome == "closed"


def test_a_lost_claim_does_not_close_the_ticket(service: TicketService) -> None:
    made = service.create("ticket", {"title": "long"})

    def run(agent: str, ticket: Ticket) -> StepResult:
        service.board.shared.release(made.id, None, now=time.time())
        service.board.shared.claim(made.id, "thief", now=time.time(), lease=60, tree="", token="x")
        time.sleep(0.3)
        return StepResult.ok("finished")

    (done,) = do(service, run, lease=0.3)
    ticket: Any = service.get(made.id)
    assert (done.outcome, ticket.status) == ("lost", "in-progress")
    assert "the claim was lost" in ticket.journal_entries[0].content
    assert held(service)[made.id].agent == "thief"


def test_a_ticket_that_somebody_closed_meanwhile_stays_as_they_left_it(service: TicketService) -> None:
    made = service.create("ticket", {"title": "x"})

    def run(agent: str, ticket: Ticket) -> StepResult:
        service.update(made.id, {"status": "cancelled"})
        return StepResult.fail("too late")

    do(service, run)
    assert service.get(made.id).status == "cancelled"


def test_agents_at_once_never_do_one_ticket_twice(folder: Path, service: TicketService) -> None:
    for n in range(12):
        service.create("ticket", {"title": str(n)})
    done: list[tuple[str, str]] = []
    faults: list[BaseException] = []

    def agent(name: str) -> None:
        own = open_board(folder, name)
        try:
            for one in work(own, claims_of(own), name, lambda a, t: StepResult.ok(), clock=SystemClock()):
                done.append((one.ticket_id, name))
        except BaseException as exc:  # noqa: BLE001 - shown by the test below
            faults.append(exc)
        finally:
            own.close()

    threads = [threading.Thread(target=agent, args=(f"dev-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert len(done) == len({ticket for ticket, _ in done}) == 12


# ── programs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


TICKET = Ticket("k7f", "Pump runs dry", "Look at the valve.", labels=("hull",))


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("import sys; print(sys.stdin.read().splitlines()[0])", "success", "# Pump runs dry (k7f)"),
        ('print(\'{"status": "uncertain", "data": "hm"}\')', "uncertain", "hm"),
        ('print(\'{"status": "error", "error": "no"}\')', "error", "no"),
        ("print('{not json')", "success", "{not json"),
        ("", "success", "None"),
        ("import sys; sys.exit('valve stuck')", "error", "exited with 1: valve stuck"),
        ("import sys; sys.exit(75)", "error", "exited with 75"),
    ],
)
def test_a_program_as_an_agent(tmp_path: Path, code: str, status: str, says: str) -> None:
    result = command_runner(python(code), folder=str(tmp_path))("dev", TICKET)
    assert result.status == status
    assert says in str(result.data if result.success else result.error)
    assert result.retryable == (says == "exited with 75")


def test_a_program_that_hangs_or_is_absent(tmp_path: Path) -> None:
    slow = command_runner(python("import time; time.sleep(20)"), folder=str(tmp_path), timeout=0.2)("dev", TICKET)
    assert slow.error_category == ErrorCategory.TIMEOUT and slow.retryable
    gone = command_runner(["/no/such/program"], folder=str(tmp_path))("dev", TICKET)
    assert gone.error_category == ErrorCategory.DEPENDENCY and not gone.retryable


def test_the_prompt_has_what_the_ticket_says() -> None:
    text = prompt_of(TICKET)
    assert "Look at the valve." in text and "labels: hull" in text


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRLEAD_ACTOR", "mia")
    assert main(["ticket", "init"]) == 0
    assert main(["ticket", "create", "One"]) == 0
    assert main(["ticket", "create", "Two", "-l", "db"]) == 0
    capsys.readouterr()
    program = shlex.join(python("import os; print(os.getcwd())"))
    assert main(["work", "--agent", "dev-1", "--command", program, "--label", "db", "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["kind"] == "work"
    assert (row["data"]["title"], row["data"]["outcome"]) == ("Two", "closed")
    assert Path(row["data"]["reason"]) == folder
    assert main(["work", "--agent", "dev-1", "--command", shlex.join(python("raise SystemExit(3)"))]) == 1
    assert "blocked" in capsys.readouterr().out
    assert main(["work", "--agent", "nobody-knows-this"]) == 1
    assert "nobody-knows-this" in capsys.readouterr().err


def test_an_agent_of_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fairlead.agents import agent
    from fairlead.app import Fairlead
    from fairlead.verbs.context import Context
    from fairlead.verbs.work import work as work_verb

    @agent("counter")
    def counter(ticket: dict[str, Any], prompt: str) -> dict[str, Any]:
        if ticket["title"] == "Bad":
            raise ValueError("cannot count")
        return {"summary": f"{len(prompt.split())} words", "seen": ticket["id"]}

    class Own(Context):
        def open(self, *, create: bool = True) -> Fairlead:
            app = super().open(create=create)
            app.agents.register(counter)
            return app

    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["ticket", "init"]) == 0
    assert main(["ticket", "create", "Good", "-p", "P0", "--body", "one two three"]) == 0
    assert main(["ticket", "create", "Bad"]) == 0
    good, bad = work_verb(Own(), "counter")
    assert (good["outcome"], good["reason"], good["exit_code"]) == ("closed", "10 words", 0)
    assert (bad["outcome"], bad["exit_code"]) == ("blocked", 1)
    assert "cannot count" in bad["reason"]
    assert good["result"]["metadata"]["run"].startswith("run_")
    with pytest.raises(InvalidInputError, match="it takes document"):
        list(work_verb(Own(), "content.analyse"))
    assert capsys.readouterr().err == ""
