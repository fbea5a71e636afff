"""Events: every fact, frozen, past tense; and the bus that hands them to whoever listens in this process.

Durable history belongs to the store, which gives each event its ``index`` when it commits: indexes increase strictly
in the order of commits, within a run and over everything, so a reader that returns with the last index it saw misses
nothing and sees nothing twice.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.ids import new_id

_log = logging.getLogger(__name__)

EVENT_VERSION = 1

EVENT_TYPES: Mapping[str, str] = {
    # Runs.
    "run.created": "a run was accepted and will be done",
    "run.started": "its first process began it",
    "run.forked": "another run went on from one of its checkpoints; data.fork is that run",
    "run.recovered": "another process took it up after its owner died or let go",
    "run.paused": "nothing new begins; data.in_flight lists what is still finishing",
    "run.drained": "a paused run has nothing in flight any more",
    "run.resumed": "it goes on after a pause",
    "run.blocked": "it waits for a person; data.waiting_for says for what",
    "run.unblocked": "what it waited for was decided",
    "run.checkpointed": "its process let go in an orderly way; all finished steps are kept",
    "run.completed": "it finished with a result",
    "run.failed": "it ended in an error",
    "run.terminated": "it was stopped from outside",
    "run.pause_requested": "somebody asked it to pause",
    "run.terminate_requested": "somebody asked it to stop",
    "run.model_changed": "later model requests use another model",
    "run.permissions_changed": "its permission mode changed",
    "run.steered": "a message was accepted for it",
    "run.message_delivered": "a step or agent took the message",
    "run.command_executed": "an allowed command ran for it",
    "run.command_refused": "a command or control request was refused, and why",
    # Steps.
    "step.started": "a step began an attempt",
    "step.progressed": "a step reported progress",
    "step.completed": "a step finished and its result is kept",
    "step.failed": "a step failed for good",
    "step.skipped": "a step will not run; data.reason says why",
    "step.retried": "an attempt failed and another will follow",
    "step.expanded": "a fan-out step learned how many items it has",
    "step.marked_unknown": "a step that may have acted on the world was in flight when its process died",
    # What steps use.
    "model.called": "a model answered",
    "model.failed": "a model request failed",
    "tool.called": "a tool returned",
    "tool.failed": "a tool failed",
    "hook.vetoed": "a hook refused an action",
    "hook.failed": "a hook raised; its fault was isolated and counted",
    "breaker.opened": "a circuit breaker stopped letting calls through",
    "breaker.half_opened": "a circuit breaker lets probes through",
    "breaker.closed": "a circuit breaker lets calls through again",
    "limit.changed": "adaptive concurrency moved a limit",
    # Memory, gates, alerts, money.
    "memory.remembered": "entries were stored",
    "memory.forgotten": "entries were erased",
    "memory.reindexed": "an index was rebuilt from the database",
    "memory.swept": "expired entries were removed",
    "gate.passed": "a quality gate was met",
    "gate.failed": "a quality gate was not met",
    "alert.raised": "an alert condition became true",
    "alert.resolved": "an alert condition ended",
    "budget.warned": "spending passed a warning level",
    "budget.refused": "a call was refused because of a budget",
    "key.created": "an API key was made",
    "key.revoked": "an API key was ended",
    "access.refused": "a known caller of the server was refused an action",
    "upload.received": "a file was received and is kept",
    # Content from elsewhere.
    "job.queued": "a source is to be taken in; the job is kept until it is done",
    "job.started": "a worker took the job",
    "job.progressed": "the job reached a stage; data.progress is in per cent",
    "job.completed": "the job is done; data says what it brought",
    "job.failed": "the job ended in an error; data.remedy says what to do",
    "job.postponed": "an attempt failed and another will follow at data.at",
    "job.recovered": "its worker died or let go, and it is to be done again",
    "job.retried": "a person asked for it to be done again",
    "job.cancelled": "a person took it back",
    "source.ingested": "memory holds what a source says now; data counts passages added, kept and removed",
    "source.watched": "a channel, feed or folder is watched from now on",
    "source.unwatched": "it is not watched any more",
    "source.checked": "a watched source was looked at; data.found counts what is new",
    "source.unreachable": "a look at a watched source failed; data.failures counts them in a row",
    "model.routed": "a model was chosen for a request, with reasons",
    "publication.started": "a message of a brief is about to be posted; nobody knows how it ended until that is stated",
    "publication.completed": "a message of a brief was posted",
    "publication.refused": "a message of a brief was refused and is not posted",
    # Tickets, epics, agents' tasks: the 23 of the repository-ticket system.
    "ticket.created": "a ticket was created",
    "ticket.updated": "fields of a ticket changed",
    "ticket.closed": "a ticket was closed or cancelled",
    "ticket.reopened": "a closed ticket was opened again",
    "ticket.deleted": "a ticket was deleted",
    "ticket.assigned": "a ticket's assignee or agent changed",
    "ticket.commented": "a comment was added",
    "agent.registered": "an agent's spec was kept for its tenant; data.revision grows with each replacement",
    "agent.removed": "a kept agent was taken away",
    "agent.task.assigned": "work was given to an agent",
    "agent.task.started": "an agent began its work",
    "agent.task.completed": "an agent finished its work",
    "agent.task.failed": "an agent failed its work",
    "requirement.added": "a requirement was added",
    "requirement.verified": "a requirement was verified",
    "test.passed": "a scenario or expected result was met",
    "test.failed": "a scenario or expected result was not met",
    "epic.created": "an epic was created",
    "epic.updated": "fields of an epic changed",
    "epic.completed": "an epic was completed",
    "milestone.reached": "a milestone was reached",
    "sprint.started": "a sprint began",
    "sprint.completed": "a sprint ended",
    "system.index.rebuilt": "an index was rebuilt",
    "system.cache.cleared": "a cache was cleared",
}
"""Type -> what it states. The list is closed: publishing any other type is refused."""


class Draft(NamedTuple):
    """An event before it is committed: everything but its index."""

    id: str
    type: str
    tenant: str
    subject: str
    data: dict[str, Any]
    source: str
    cause: str
    time: float


class Event(NamedTuple):
    """One committed fact.

    ``tenant`` is ``tenant:workspace``; ``subject`` is the run, ticket or entry it is about; ``source`` the part that
    observed it; ``cause`` who or what brought it about (``operator:name``, ``signal:SIGTERM``, an event or run id);
    ``time`` seconds since the epoch, UTC.
    """

    id: str
    index: int  # type: ignore[assignment] # tuple.index is not used on events
    type: str
    tenant: str
    subject: str
    data: dict[str, Any]
    source: str
    cause: str
    time: float
    version: int = EVENT_VERSION

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()


def draft(
    type_: str, tenant: str, subject: str, data: dict[str, Any], *, source: str, cause: str, time: float
) -> Draft:
    """A checked :class:`Draft`; :class:`InvalidInputError` for a type that is not in the list."""
    if type_ not in EVENT_TYPES:
        raise InvalidInputError(
            f"event type {type_!r} is not in the closed list.",
            remedy="Use a type of fairlead.events.EVENT_TYPES, or add yours there with its meaning.",
            field="type",
            value=type_,
        )
    # Made directly: a named tuple's own constructor is a function around this call, and steps make two drafts each.
    return tuple.__new__(Draft, (new_id("ev"), type_, tenant, subject, data, source, cause, time))


Subscriber = Callable[[Event], None]


class EventBus:
    """Hands committed events to subscribers of this process, in order.

    A subscriber that raises is isolated: the fault is counted under its name, logged, and the others still get the
    event. Subscribers run on the thread that publishes and must not block.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: tuple[tuple[Subscriber, frozenset[str] | None], ...] = ()
        self.published = 0
        self.failures: Counter[str] = Counter()

    @property
    def listening(self) -> bool:
        return bool(self._subscribers)

    def subscribe(self, subscriber: Subscriber, types: Iterable[str] | None = None) -> Callable[[], None]:
        """Adds a subscriber for ``types`` (all when None); returns the function that removes it."""
        wanted = None if types is None else frozenset(types)
        unknown = (wanted or frozenset()) - EVENT_TYPES.keys()
        if unknown:
            raise InvalidInputError(
                f"cannot subscribe to unknown event types {sorted(unknown)!r}.",
                remedy="See fairlead.events.EVENT_TYPES.",
                field="types",
            )
        entry = (subscriber, wanted)
        with self._lock:
            self._subscribers = (*self._subscribers, entry)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(e for e in self._subscribers if e is not entry)

        return unsubscribe

    def publish(self, events: Iterable[Event]) -> None:
        subscribers = self._subscribers
        for event in events:
            self.published += 1
            for subscriber, wanted in subscribers:
                if wanted is None or event.type in wanted:
                    self._deliver(subscriber, event)

    def _deliver(self, subscriber: Subscriber, event: Event) -> None:
        try:
            subscriber(event)
        except Exception:  # noqa: BLE001 - a listener's fault must not stop the work it listens to
            name = getattr(subscriber, "__qualname__", repr(subscriber))
            self.failures[name] += 1
            _log.exception("event subscriber %s failed on %s %s", name, event.type, event.id)
