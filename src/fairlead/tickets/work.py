"""Work: an agent takes ready tickets one after the other, does them, and the tickets tell what came of it.

Who carries the work out is behind one small port, :data:`RunAgent`; the composition root gives the runtime's, and
:func:`command_runner` any program. Each ticket is held under a lease with a heartbeat while it is worked on, so no
second agent of the clone takes it; when the lease is lost the outcome is noted but the ticket is not closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fairlead.clock import Clock, isoformat
from fairlead.errors import ConflictError, FairleadError
from fairlead.result import ErrorCategory, StepResult
from fairlead.tickets.fields import FINISHED_STATUSES
from fairlead.tickets.model import Ticket
from fairlead.tickets.port import EntryDraft

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService

RunAgent = Callable[[str, Ticket], StepResult]
"""Carries out a ticket as an agent. What it raises counts as its failure."""

LEASE = 300.0
"""Seconds that a claim lasts without a heartbeat; one is sent every third of it."""

_MOST_TEXT = 20_000


class Claims(Protocol):
    """What is needed of the clone's claims; safe to use from another thread than the one that made it."""

    def take(self, candidates: Sequence[str], agent: str, lease: float) -> str | None:
        """The first of the candidates that nobody holds, now held by ``agent``; None when all are held."""
        ...

    def beat(self, ticket_id: str, agent: str, lease: float) -> None:
        """Extends a claim; :class:`ConflictError` when it is no longer the agent's."""
        ...

    def release(self, ticket_id: str, agent: str) -> None: ...


class BoardClaims:
    """The claims of a board. ``open_shared`` gives what the clone (or the tenant) shares, for the length of a call: a
    board of files opens its file anew, so that the heartbeat's thread needs no connection of another."""

    def __init__(
        self, open_shared: Callable[[], AbstractContextManager[Any]], *, clock: Clock, token: str, tree: str = ""
    ) -> None:
        self._open_shared = open_shared
        self._clock = clock
        self._token = token
        self._tree = tree

    def take(self, candidates: Sequence[str], agent: str, lease: float) -> str | None:
        with self._open_shared() as shared:
            taken = shared.claim_first(
                candidates, agent, many=1, now=self._clock.now(), lease=lease, tree=self._tree, token=self._token
            )
        return taken[0].id if taken else None

    def beat(self, ticket_id: str, agent: str, lease: float) -> None:
        with self._open_shared() as shared:
            shared.beat(ticket_id, agent, now=self._clock.now(), lease=lease)

    def release(self, ticket_id: str, agent: str) -> None:
        with self._open_shared() as shared:
            shared.release(ticket_id, agent, now=self._clock.now())


def claims_of(service: TicketService) -> BoardClaims:
    """The claims behind a service, over files or over the relational store."""
    from contextlib import closing

    board = service.board
    shared = board.shared
    token = service.entropy(8).hex()
    place = getattr(board, "place", None)
    if place is None:
        return BoardClaims(lambda: nullcontext(shared), clock=service.clock, token=token)
    from fairlead.store.ticket_state import TicketState

    path = shared.path
    return BoardClaims(lambda: closing(TicketState(path)), clock=service.clock, token=token, tree=place.root)


class Done(NamedTuple):
    """What came of one ticket: ``outcome`` is closed, blocked, returned or lost."""

    ticket_id: str
    title: str
    outcome: str
    reason: str
    seconds: float
    result: dict[str, Any]


def work(
    service: TicketService,
    claims: Claims,
    agent: str,
    run_agent: RunAgent,
    *,
    clock: Clock,
    limit: int | None = None,
    lease: float = LEASE,
    **filters: Any,
) -> Iterator[Done]:
    """Does ready tickets as ``agent`` until none is left or ``limit`` are done.

    Tickets that the agent began and did not finish (its process died) come first. A ticket that went back is not
    taken again in the same call.
    """
    tried: set[str] = set()
    while limit is None or len(tried) < limit:
        ticket_id = _take(service, claims, agent, tried, lease, filters)
        if ticket_id is None:
            return
        tried.add(ticket_id)
        try:
            yield _do(service, claims, agent, run_agent, ticket_id, clock=clock, lease=lease)
        finally:
            try:
                claims.release(ticket_id, agent)
            except ConflictError:
                # Somebody else holds it by now; it is theirs to release.
                continue


def _take(
    service: TicketService, claims: Claims, agent: str, tried: set[str], lease: float, filters: dict[str, Any]
) -> str | None:
    begun = service.rows("ticket", agent=agent, status=["in-progress"], **filters)
    candidates = [row["id"] for row in begun if row["id"] not in tried]
    ready = service.ready(limit=len(tried) + 50, **filters)
    candidates += [row["id"] for row in ready if row["id"] not in tried and row["assigned_agent"] in (None, agent)]
    while candidates:
        taken = claims.take(candidates, agent, lease)
        if taken is None:
            return None
        # Between the list and the claim somebody may have done the ticket and let go of it.
        ticket = service.get(taken, "ticket")
        assert isinstance(ticket, Ticket)
        if ticket.status == "open" or (ticket.status == "in-progress" and ticket.assigned_agent == agent):
            return taken
        claims.release(taken, agent)
        candidates.remove(taken)
    return None


def _do(
    service: TicketService,
    claims: Claims,
    agent: str,
    run_agent: RunAgent,
    ticket_id: str,
    *,
    clock: Clock,
    lease: float,
) -> Done:
    service.announce("agent.task.assigned", ticket_id, {"agent": agent})
    ticket = service.update(ticket_id, {"status": "in-progress", "assigned_agent": agent})
    assert isinstance(ticket, Ticket)
    service.announce("agent.task.started", ticket_id, {"agent": agent, "title": ticket.title})
    began, started = clock.monotonic(), clock.now()
    with _heartbeat(claims, ticket_id, agent, lease) as lost:
        result = _run(run_agent, agent, ticket)
    seconds = clock.monotonic() - began
    outcome, status, reason = _verdict(result)
    if lost.is_set():
        outcome, status, reason = "lost", None, f"the claim was lost while working; result: {reason}"
    _write_back(service, ticket_id, agent, result, status, reason, started=started, seconds=seconds)
    told = "agent.task.completed" if result.success and outcome != "lost" else "agent.task.failed"
    service.announce(
        told, ticket_id, {"agent": agent, "outcome": outcome, "reason": reason, "seconds": round(seconds, 3)}
    )
    return Done(ticket_id, ticket.title, outcome, reason, seconds, result.to_dict())


def _run(run_agent: RunAgent, agent: str, ticket: Ticket) -> StepResult:
    try:
        result: object = run_agent(agent, ticket)
    except Exception as exc:  # noqa: BLE001 - an agent's fault becomes its result, whatever it is
        return StepResult.from_exception(exc)
    if not isinstance(result, StepResult):
        return StepResult.fail(f"the agent answered {type(result).__name__}, not a StepResult")
    return result


def _verdict(result: StepResult) -> tuple[str, str | None, str]:
    """(outcome, status to set, reason). What a retry may mend goes back; what needs a person is blocked."""
    said = summary_of(result)
    if result.skipped:
        return "returned", "open", str(result.metadata.get("reason") or "skipped")
    if result.success and result.custom_status == "uncertain":
        return "blocked", "blocked", f"uncertain: {said}"
    if result.success:
        return "closed", "closed", said
    if result.retryable:
        return "returned", "open", said
    return "blocked", "blocked", said


def summary_of(result: StepResult) -> str:
    """One line that says what came of it."""
    if not result.success:
        text = result.error or "failed without a message"
    elif isinstance(result.data, dict):
        text = str(
            next((result.data[k] for k in ("summary", "reason", "text", "output") if result.data.get(k)), "done")
        )
    else:
        text = str(result.data) if result.data not in (None, "") else "done"
    lines = text.strip().split("\n")
    return lines[0][:300] if lines[0] else "done"


def _write_back(
    service: TicketService,
    ticket_id: str,
    agent: str,
    result: StepResult,
    status: str | None,
    reason: str,
    *,
    started: float,
    seconds: float,
) -> None:
    """Journal, time and status in one change. A ticket that somebody finished meanwhile keeps its status."""
    now = service.get(ticket_id, "ticket")
    assert isinstance(now, Ticket)
    values: dict[str, Any] = {}
    if status is not None and now.status not in FINISHED_STATUSES:
        values["status"] = status
        if status == "open":
            values["assigned_agent"] = None
    log = {
        "description": f"worked on by {agent}",
        "start_time": isoformat(started),
        "end_time": isoformat(started + seconds),
        "duration_minutes": round(seconds / 60, 4),
        "author": agent,
    }
    entries = [EntryDraft("journal", _journal(agent, result, reason, seconds)), EntryDraft("time", log)]
    service.update(ticket_id, values, entries=entries, note=reason)


def _journal(agent: str, result: StepResult, reason: str, seconds: float) -> dict[str, Any]:
    text = reason
    if result.success and result.data not in (None, ""):
        from json import dumps

        full = (
            result.data
            if isinstance(result.data, str)
            else dumps(result.data, ensure_ascii=False, indent=1, default=str)
        )
        if full.strip() != reason:
            text = f"{reason}\n\n{full[:_MOST_TEXT]}"
    values = {
        "content": text,
        "type": "progress" if result.success else "blocker",
        "author": agent,
        "effort_spent_hours": round(seconds / 3600, 6),
        "completion_percentage": 100 if result.success and result.custom_status is None else None,
        "run": result.metadata.get("run"),
    }
    return {k: v for k, v in values.items() if v is not None}


@contextmanager
def _heartbeat(claims: Claims, ticket_id: str, agent: str, lease: float) -> Iterator[threading.Event]:
    """Extends the claim from a thread of its own; the event is set once the claim is lost."""
    lost, over = threading.Event(), threading.Event()

    def beat() -> None:
        while not over.wait(lease / 3):
            try:
                claims.beat(ticket_id, agent, lease)
            except ConflictError:
                lost.set()
                return
            except FairleadError:
                # A store that is busy now may take the next beat; the lease has two more of them.
                continue

    thread = threading.Thread(target=beat, name="fairlead-heartbeat", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()


# ── any program as an agent ──────────────────────────────────────────────────────────────────────────────────────


def prompt_of(ticket: Ticket) -> str:
    """What an agent is told about a ticket, as text."""
    parts = [f"# {ticket.title} ({ticket.id})", "", f"priority: {ticket.priority}, type: {ticket.type}"]
    if ticket.labels:
        parts.append(f"labels: {', '.join(ticket.labels)}")
    if ticket.description:
        parts += ["", ticket.description]
    if ticket.requirements:
        parts += ["", "## Requirements", *(f"- {r.title}" for r in ticket.requirements)]
    if ticket.gherkin_scenarios:
        parts += ["", "## Scenarios", *(scenario.text for scenario in ticket.gherkin_scenarios)]
    if ticket.expected_results:
        parts += ["", "## Expected", *(f"- {r.description}" for r in ticket.expected_results)]
    if ticket.comments:
        parts += ["", "## Comments", *(f"{c.author}: {c.text}" for c in ticket.comments)]
    return "\n".join(parts) + "\n"


def command_runner(command: Sequence[str], *, folder: str, timeout: float | None = None) -> RunAgent:
    """A program as an agent: it gets the ticket as text on its standard input.

    Exit 0 closes the ticket; its last line, or a JSON object in the shape of a StepResult, is the result. 75
    (``EX_TEMPFAIL``) gives the ticket back, any other code blocks it with the last line of the error output.
    """

    def run(agent: str, ticket: Ticket) -> StepResult:
        import subprocess

        try:
            done = subprocess.run(
                list(command),
                input=prompt_of(ticket),
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return StepResult.timeout_error(f"{command[0]} took longer than {timeout:g} s")
        except OSError as exc:
            return StepResult.fail(f"{command[0]} cannot be started: {exc.strerror}", ErrorCategory.DEPENDENCY)
        if done.returncode == 0:
            return _spoken(done.stdout)
        last = (done.stderr.strip() or done.stdout.strip()).rsplit("\n", 1)[-1]
        category = ErrorCategory.SERVICE_UNAVAILABLE if done.returncode == 75 else ErrorCategory.PROCESSING
        return StepResult.fail(f"{command[0]} exited with {done.returncode}: {last}".rstrip(": "), category)

    return run


def _spoken(output: str) -> StepResult:
    import json

    text = output.strip()
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict) and ("status" in value or "success" in value):
            return StepResult.from_dict(value)
    return StepResult.ok({"summary": text.rsplit("\n", 1)[-1], "output": text} if text else None)
