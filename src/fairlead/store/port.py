"""The runtime's port to its store: runs, their journal, their mailbox and their history.

Two adapters are shipped, :class:`~fairlead.store.runs.SqlRunStore` and
:class:`~fairlead.store.volatile.VolatileRunStore`; ``fairlead.testing.check_run_store`` is the suite that both pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fairlead.events import Draft, Event, EventBus

UNFINISHED = ("init", "running", "paused")
FINISHED = ("completed", "terminated", "error")


class RunRow(NamedTuple):
    """One run as stored. Times are seconds since the epoch, UTC; payloads are JSON (``store.codec``)."""

    id: str
    tenant: str
    parent_id: str | None
    root_id: str
    kind: str
    name: str
    state: str
    pause_cause: str | None
    terminate_cause: str | None
    waiting_for: str | None
    input: bytes
    definition: bytes | None
    signature: str
    result: bytes | None
    error: str | None
    error_category: str | None
    model: str | None
    permission_mode: str
    cause: str
    owner: str | None
    lease_expires: float | None
    attempt: int
    idempotency_key: str | None
    priority: int
    run_at: float
    created: float
    started: float | None
    finished: float | None
    version: int
    forked_from: str | None = None


class JournalRow(NamedTuple):
    """One step, item, or part of a step. ``value`` is there for successes that carry one."""

    run_id: str
    key: str
    kind: str
    status: str
    attempts: int
    input_hash: str | None
    value: bytes | None
    error: str | None
    category: str | None
    metadata: str | None
    started: float
    finished: float | None
    version: int


class CommandRow(NamedTuple):
    """A request to a run, put in its mailbox by any process and answered by the run's owner."""

    id: str
    run_id: str
    verb: str
    args: str
    cause: str
    created: float
    answered: float | None
    accepted: int | None
    answer: str | None


class RunStore(Protocol):
    """What the runtime asks of a store. Every list is bound to one tenant unless the runtime itself asks."""

    @property
    def bus(self) -> EventBus: ...

    @property
    def durable(self) -> bool:
        """Whether results are kept, so that a run can be resumed."""
        ...

    async def create(self, run: RunRow, *drafts: Draft, journal: Sequence[JournalRow] = ()) -> tuple[RunRow, bool]:
        """Stores a run and what of its journal is there already; (the stored row, whether it is new).

        A known idempotency key gives the earlier row, and nothing is stored.
        """
        ...

    async def get(self, run_id: str, tenant: str | None = None) -> RunRow | None: ...

    async def find(
        self,
        *,
        tenant: str | None,
        states: Sequence[str] = (),
        parent_id: str | None = None,
        name: str | None = None,
        limit: int = 50,
        before: float | None = None,
    ) -> list[RunRow]:
        """Runs, newest first; ``before`` pages by creation time."""
        ...

    async def transition(
        self, run_id: str, expect: Sequence[str], to: str, *drafts: Draft, owner: str | None, **columns: Any
    ) -> bool:
        """Compare-and-set of the state. False, and nothing changed, when the state or owner is another one."""
        ...

    async def update(self, run_id: str, *drafts: Draft, **columns: Any) -> None:
        """Sets columns other than the state."""
        ...

    async def claim(self, run_id: str, *drafts: Draft, owner: str, dead: str | None) -> RunRow | None:
        """Takes an unfinished run whose owner is nobody or ``dead``. None when somebody else was first."""
        ...

    def record(self, row: JournalRow, *drafts: Draft) -> Awaitable[None] | None:
        """Writes a journal row with its events; what is returned, if anything, is awaited until durable."""
        ...

    def note(self, *drafts: Draft) -> None:
        """Writes events that nobody waits for; durable no later than the next awaited write."""
        ...

    async def append(self, *drafts: Draft) -> None:
        """Writes events and waits until they are durable."""
        ...

    async def erase(self, run_id: str, keys: Sequence[str], *drafts: Draft) -> None:
        """Removes journal rows, so that these steps are done again."""
        ...

    async def journal(self, run_id: str) -> list[JournalRow]:
        """The journal of a run in the order in which steps began."""
        ...

    async def events(
        self,
        *,
        after: int = 0,
        tenant: str | None = None,
        subject: str | None = None,
        types: Sequence[str] = (),
        limit: int = 1000,
        newest: bool = False,
    ) -> list[Event]:
        """History in order, beyond ``after``; the last ``limit`` when ``newest``."""
        ...

    async def post(self, command: CommandRow, *drafts: Draft, **columns: Any) -> None:
        """Puts a command in a run's mailbox and sets the run's request columns with it."""
        ...

    async def waiting_commands(self, run_ids: Sequence[str]) -> list[CommandRow]: ...

    async def answer(self, command_id: str, *, accepted: bool, answer: str, time: float) -> None: ...

    async def command(self, command_id: str) -> CommandRow | None: ...

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back, on some thread, when another process may have written; returns what ends the watch."""
        ...

    def close(self) -> None: ...


REQUEST_COLUMNS = frozenset(
    {
        "pause_cause",
        "terminate_cause",
        "waiting_for",
        "model",
        "permission_mode",
        "owner",
        "lease_expires",
        "result",
        "error",
        "error_category",
        "started",
        "finished",
        "signature",
        "definition",
    }
)
"""The columns of a run that may change after it was created, besides its state and attempt."""


def check_columns(columns: Mapping[str, Any]) -> None:
    """Column names come from our own code only; anything else is a bug and is refused before SQL is made."""
    unknown = columns.keys() - REQUEST_COLUMNS
    if unknown:
        raise KeyError(f"not columns that may change: {sorted(unknown)}")
