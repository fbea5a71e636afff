"""Typed, immutable records of the ticket system, with the field names of the repository-ticket schema.

A record is a value: changing one means giving changes to :class:`fairlead.tickets.service.TicketService`. Times are
RFC 3339 text in UTC with milliseconds, dates ``YYYY-MM-DD``. ``extras`` are fields of a file that this version does
not know; they are kept as text. ``revision`` changes with every change of the thing (for ``--if-match``).
"""

from __future__ import annotations

from types import MappingProxyType

from fairlead.tickets.outcomes import BatchResult, Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple
else:
    from fairlead.records import NamedTuple

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Comment(NamedTuple):
    id: str
    ticket_id: str
    text: str
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class JournalEntry(NamedTuple):
    """A dated note about the work. ``type`` is one of ``fields.JOURNAL_TYPES``; ``run`` the run it came from."""

    id: str
    ticket_id: str
    content: str
    type: str = "progress"
    completion_percentage: int | None = None
    effort_spent_hours: float | None = None
    milestone: str | None = None
    run: str | None = None
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class TimeLog(NamedTuple):
    """A stretch of work. A log without ``end_time`` and ``duration_minutes`` is still going on."""

    id: str
    ticket_id: str
    description: str = ""
    type: str = "work"
    start_time: str | None = None
    end_time: str | None = None
    duration_minutes: float | None = None
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class Requirement(NamedTuple):
    id: str
    ticket_id: str
    title: str = ""
    description: str = ""
    status: str = "draft"
    priority: str = "medium"
    acceptance_criteria: tuple[str, ...] = ()
    verified_by: str | None = None
    verified_at: str | None = None
    evidence: str | None = None
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class UserStory(NamedTuple):
    id: str
    ticket_id: str
    persona: str = ""
    goal: str = ""
    benefit: str = ""
    description: str = ""
    acceptance_criteria: tuple[str, ...] = ()
    priority: str = "medium"
    story_points: float | None = None
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class Scenario(NamedTuple):
    """``text`` is the Gherkin source, which :mod:`fairlead.tickets.gherkin` parses."""

    id: str
    ticket_id: str
    title: str = ""
    text: str = ""
    status: str = "draft"
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class ExpectedResult(NamedTuple):
    id: str
    ticket_id: str
    description: str = ""
    verification_method: str = "manual"
    status: str = "pending"
    success_criteria: tuple[str, ...] = ()
    notes: str | None = None
    verified_by: str | None = None
    verified_at: str | None = None
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


class Item(NamedTuple):
    """A goal of an epic, or a criterion of success or acceptance."""

    id: str
    ticket_id: str
    text: str
    author: str | None = None
    created_at: str | None = None
    extras: Mapping[str, str] = _NOTHING


Entry = Comment | JournalEntry | TimeLog | Requirement | UserStory | Scenario | ExpectedResult | Item

ENTRY_TYPES: dict[str, Any] = {
    "comment": Comment,
    "journal": JournalEntry,
    "time": TimeLog,
    "requirement": Requirement,
    "story": UserStory,
    "scenario": Scenario,
    "result": ExpectedResult,
    "goal": Item,
    "criterion": Item,
}
"""Kind of entry -> its record."""


class Ticket(NamedTuple):
    """A ticket. ``blocks`` and ``child_ticket_ids`` are the other ends of other tickets' fields, never stored;
    ``updated_at`` and ``closed_at`` come from its history."""

    id: str
    title: str
    description: str = ""
    status: str = "open"
    priority: str = "medium"
    type: str = "task"
    assignee: str | None = None
    assigned_agent: str | None = None
    reporter: str | None = None
    reporter_email: str | None = None
    labels: tuple[str, ...] = ()
    created_at: str | None = None
    updated_at: str | None = None
    closed_at: str | None = None
    due_date: str | None = None
    branch: str | None = None
    commit: str | None = None
    estimated_hours: float | None = None
    story_points: float | None = None
    epic_id: str | None = None
    parent_ticket_id: str | None = None
    child_ticket_ids: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    related_to: tuple[str, ...] = ()
    discovered_from: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    journal_entries: tuple[JournalEntry, ...] = ()
    time_logs: tuple[TimeLog, ...] = ()
    agent_tasks: tuple[str, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    user_stories: tuple[UserStory, ...] = ()
    expected_results: tuple[ExpectedResult, ...] = ()
    gherkin_scenarios: tuple[Scenario, ...] = ()
    requirements_status: str | None = None
    deleted: bool = False
    extras: Mapping[str, str] = _NOTHING
    revision: str = ""
    version: int = 1


class Epic(NamedTuple):
    """``ticket_ids`` are the tickets whose ``epic_id`` it is."""

    id: str
    title: str
    description: str = ""
    status: str = "draft"
    priority: str = "medium"
    owner: str | None = None
    goals: tuple[Item, ...] = ()
    success_criteria: tuple[Item, ...] = ()
    target_version: str | None = None
    target_date: str | None = None
    estimated_story_points: float | None = None
    labels: tuple[str, ...] = ()
    ticket_ids: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    reporter: str | None = None
    reporter_email: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    closed_at: str | None = None
    deleted: bool = False
    extras: Mapping[str, str] = _NOTHING
    revision: str = ""
    version: int = 1


class BacklogItem(NamedTuple):
    """``ticket_id`` is the ticket that it was converted to; acceptance criteria become requirements there."""

    id: str
    title: str
    description: str = ""
    type: str = "story"
    status: str = "new"
    priority: str = "medium"
    risk: str | None = None
    business_value: int | None = None
    story_points: float | None = None
    acceptance_criteria: tuple[Item, ...] = ()
    epic_id: str | None = None
    ticket_id: str | None = None
    assignee: str | None = None
    labels: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    reporter: str | None = None
    reporter_email: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    closed_at: str | None = None
    deleted: bool = False
    extras: Mapping[str, str] = _NOTHING
    revision: str = ""
    version: int = 1


Thing = Ticket | Epic | BacklogItem

THING_TYPES: dict[str, Any] = {"ticket": Ticket, "epic": Epic, "backlog": BacklogItem}

ENTRY_PLACES: dict[str, dict[str, str]] = {
    "ticket": {
        "comment": "comments",
        "journal": "journal_entries",
        "time": "time_logs",
        "requirement": "requirements",
        "story": "user_stories",
        "scenario": "gherkin_scenarios",
        "result": "expected_results",
    },
    "epic": {"comment": "comments", "goal": "goals", "criterion": "success_criteria"},
    "backlog": {"comment": "comments", "criterion": "acceptance_criteria"},
}
"""Kind of thing -> kind of entry -> the field of the record that holds it."""

__all__ = [
    "ENTRY_PLACES",
    "ENTRY_TYPES",
    "THING_TYPES",
    "BacklogItem",
    "BatchResult",
    "Change",
    "Comment",
    "Entry",
    "Epic",
    "ExpectedResult",
    "Item",
    "JournalEntry",
    "Requirement",
    "Scenario",
    "Thing",
    "Ticket",
    "TimeLog",
    "UserStory",
]
