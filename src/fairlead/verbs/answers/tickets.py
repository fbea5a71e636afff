"""What the verbs of a board answer: tickets, epics, the backlog, requirements, time. Times are ISO 8601 in UTC."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from fairlead.verbs.answers.shapes import Deleted, Items, More, Page


class Lean(TypedDict):
    """A ticket in short."""

    id: str
    title: str
    status: str
    priority: str
    type: str
    assignee: str | None
    labels: list[str]
    updated_at: str


class Row(Lean):
    """A ticket of a list; the fields that are not required come with ``full``."""

    kind: NotRequired[str]
    assigned_agent: NotRequired[str | None]
    epic_id: NotRequired[str | None]
    parent_id: NotRequired[str | None]
    reporter: NotRequired[str]
    created_at: NotRequired[str]
    closed_at: NotRequired[str | None]
    due_date: NotRequired[str | None]
    story_points: NotRequired[float | None]
    estimated_hours: NotRequired[float | None]
    risk: NotRequired[str | None]
    business_value: NotRequired[float | None]
    deleted: NotRequired[int]
    flawed: NotRequired[int]
    revision: NotRequired[str]


class Rows(More):
    """A page; ``next_offset`` is where the following one begins, ``problems`` what is wrong with files."""

    items: list[Row]
    next_offset: NotRequired[int]
    problems: NotRequired[list[Any]]


class BlockedRow(Row):
    waiting_for: list[str]


class BlockedRows(More):
    items: list[BlockedRow]
    next_offset: NotRequired[int]
    problems: NotRequired[list[Any]]


class FoundRow(Row):
    score: float
    snippet: str


class FoundRows(More):
    items: list[FoundRow]
    next_offset: NotRequired[int]
    problems: NotRequired[list[Any]]


class Created(TypedDict):
    """A new ticket; with ``dry_run`` only its title."""

    title: str
    id: NotRequired[str]
    status: NotRequired[str]
    priority: NotRequired[str]
    type: NotRequired[str]
    assignee: NotRequired[str | None]
    labels: NotRequired[list[str]]
    revision: NotRequired[str]
    dry_run: NotRequired[bool]


class Changed(TypedDict):
    """Something of the board after a change; ``revision`` is what ``if_match`` wants."""

    id: str
    title: str
    status: str
    priority: str
    labels: list[str]
    revision: str
    assignee: NotRequired[str | None]
    type: NotRequired[str]
    blocked_by: NotRequired[list[str]]
    updated_at: NotRequired[str]
    reason: NotRequired[str]


class Closing(TypedDict):
    newly_unblocked: list[str]
    evidence: NotRequired[list[str]]


class Closed(Changed, Closing):
    """A closed ticket, what became ready by it, and what shows that it is done."""


class ManyClosed(Closing):
    items: list[Changed]


class Claim(TypedDict):
    """Who holds a ticket until when; ``expires_at`` is seconds since the epoch."""

    id: str
    agent: str
    until: str
    expires_at: float
    title: NotRequired[str]
    status: NotRequired[str]
    priority: NotRequired[str]
    type: NotRequired[str]
    labels: NotRequired[list[str]]


class Detail(TypedDict):
    """Everything of a ticket, an epic or an item of the backlog, with its entries."""

    id: str
    title: str
    description: str
    status: str
    priority: str
    reporter: str
    reporter_email: str | None
    labels: list[str]
    created_at: str
    updated_at: str
    deleted: bool
    extras: dict[str, Any]
    revision: str
    version: int
    type: NotRequired[str]
    assignee: NotRequired[str | None]
    assigned_agent: NotRequired[str | None]
    closed_at: NotRequired[str | None]
    due_date: NotRequired[str | None]
    branch: NotRequired[str | None]
    commit: NotRequired[str | None]
    estimated_hours: NotRequired[float | None]
    story_points: NotRequired[float | None]
    epic_id: NotRequired[str | None]
    parent_ticket_id: NotRequired[str | None]
    child_ticket_ids: NotRequired[list[str]]
    blocked_by: NotRequired[list[str]]
    blocks: NotRequired[list[str]]
    related_to: NotRequired[list[str]]
    discovered_from: NotRequired[list[str]]
    comments: NotRequired[list[dict[str, Any]]]
    journal_entries: NotRequired[list[dict[str, Any]]]
    time_logs: NotRequired[list[dict[str, Any]]]
    agent_tasks: NotRequired[list[dict[str, Any]]]
    requirements: NotRequired[list[dict[str, Any]]]
    user_stories: NotRequired[list[dict[str, Any]]]
    expected_results: NotRequired[list[dict[str, Any]]]
    gherkin_scenarios: NotRequired[list[dict[str, Any]]]
    requirements_status: NotRequired[str | None]
    waiting_for: NotRequired[list[str]]
    claim: NotRequired[Claim]
    problems: NotRequired[list[str]]


class Comment(TypedDict):
    id: str
    ticket_id: str
    text: str
    author: str
    created_at: str
    extras: dict[str, Any]


class Links(TypedDict):
    """What a ticket hangs together with."""

    id: str
    title: str
    status: str
    blocked_by: NotRequired[list[str]]
    blocks: NotRequired[list[str]]
    parent_ticket_id: NotRequired[str | None]
    child_ticket_ids: NotRequired[list[str]]
    related_to: NotRequired[list[str]]
    discovered_from: NotRequired[list[str]]


class Released(TypedDict):
    released: list[str]


class Gone(TypedDict):
    deleted: list[str]


class Twig(Lean):
    children: list[Twig]


class Node(TypedDict):
    id: str
    title: str
    status: str
    priority: str


class BlockedBy(TypedDict):
    id: str
    blocked_by: str


class Graph(TypedDict):
    """Tickets, what blocks what, and layers that can be done one after the other."""

    nodes: list[Node]
    edges: list[BlockedBy]
    layers: list[list[str]]
    drawing: NotRequired[str]


class Edit(TypedDict):
    field: str
    before: Any
    after: Any


class Change(TypedDict):
    id: str
    thing_id: str
    at: str
    by: str
    action: str
    edits: list[Edit]
    note: str
    batch: str | None
    branch: str | None


class Stats(TypedDict):
    tickets: int
    deleted: int
    by_status: dict[str, int]
    open_by_priority: dict[str, int]
    by_type: dict[str, int]
    by_assignee: dict[str, int]
    by_label: dict[str, int]
    epics: int
    backlog: int
    ready: int
    blocked: int
    claimed: int
    problems: int


class BoardEvent(TypedDict):
    id: str
    index: int
    type: str
    subject: str
    data: dict[str, Any]
    source: str
    cause: str
    time: float


class BoardEvents(More):
    items: list[BoardEvent]
    cursor: str
    counts: NotRequired[dict[str, int]]


class Text(TypedDict):
    text: str


class Progress(TypedDict):
    """How far an epic is; ``percent`` is None without tickets."""

    total: int
    done: int
    cancelled: int
    in_progress: int
    points: float
    points_done: float
    percent: float | None


class EpicTicket(TypedDict):
    id: str
    title: str
    status: str
    priority: str
    assignee: str | None


class Planned(TypedDict):
    """An epic or an item of the backlog; what is empty is left out."""

    id: str
    title: str
    status: str
    priority: str
    created_at: str
    updated_at: str
    revision: str
    description: NotRequired[str]
    reporter: NotRequired[str]
    labels: NotRequired[list[str]]
    closed_at: NotRequired[str]
    deleted: NotRequired[bool]


class Epic(Planned):
    progress: Progress
    tickets: list[EpicTicket]
    owner: NotRequired[str]
    target_version: NotRequired[str]
    target_date: NotRequired[str]
    estimated_story_points: NotRequired[float]
    goals: NotRequired[list[Any]]
    success_criteria: NotRequired[list[Any]]


class EpicRow(TypedDict):
    id: str
    title: str
    status: str
    priority: str
    progress: Progress
    labels: NotRequired[list[str]]


class BacklogItem(Planned):
    type: str
    priority_score: float
    risk: NotRequired[str]
    business_value: NotRequired[float]
    story_points: NotRequired[float]
    acceptance_criteria: NotRequired[list[Any]]
    epic_id: NotRequired[str]
    assignee: NotRequired[str]
    ticket_id: NotRequired[str]


class BacklogRow(TypedDict):
    id: str
    title: str
    type: str
    status: str
    priority: str
    priority_score: float
    labels: NotRequired[list[str]]
    risk: NotRequired[str]
    business_value: NotRequired[float]
    story_points: NotRequired[float]
    epic_id: NotRequired[str]


class Converted(Planned):
    """The ticket that an item of the backlog became."""

    type: str
    branch: NotRequired[str]
    story_points: NotRequired[float]
    assignee: NotRequired[str]
    epic_id: NotRequired[str]
    requirements: NotRequired[list[Any]]


class Coverage(TypedDict):
    """How much is shown to hold; rates are percentages."""

    requirements: int
    requirements_verified: int
    requirement_coverage: float
    scenarios: int
    scenarios_passing: int
    test_pass_rate: float
    results: int
    results_verified: int
    acceptance_met: bool


class OwnCoverage(Coverage):
    unmet: list[str]


class TicketCoverage(OwnCoverage):
    ticket: str
    title: NotRequired[str]


class CoverageTotal(Coverage):
    unmet: int


class CoverageOfAll(TypedDict):
    items: list[TicketCoverage]
    total: CoverageTotal


class Required(TypedDict):
    """Entries that were added or changed; their fields differ by kind."""

    ticket: str
    entries: list[dict[str, Any]]
    coverage: OwnCoverage


class RequiredList(TypedDict):
    ticket: str
    coverage: OwnCoverage
    requirements: NotRequired[list[dict[str, Any]]]
    user_stories: NotRequired[list[dict[str, Any]]]
    gherkin_scenarios: NotRequired[list[dict[str, Any]]]
    expected_results: NotRequired[list[dict[str, Any]]]


class Spent(TypedDict):
    minutes: float
    by_type: dict[str, float]
    by_author: dict[str, float]
    estimated_minutes: float | None
    running: int
    used: float | None


class TimeEntry(TypedDict):
    id: str
    type: str
    start_time: str
    author: str
    created_at: str
    end_time: NotRequired[str]
    duration_minutes: NotRequired[float]
    description: NotRequired[str]


class TimeLogged(TypedDict):
    ticket: str
    spent: Spent
    entry: TimeEntry


class TimeShown(TypedDict):
    ticket: str
    spent: Spent
    entries: list[TimeEntry]


class JournalEntry(TypedDict):
    id: str
    content: str
    type: str
    author: str
    created_at: str
    completion_percentage: NotRequired[int]
    milestone: NotRequired[str]


class Journal(TypedDict):
    ticket: str
    entries: list[JournalEntry]


class Rebuilt(TypedDict):
    things: int
    seconds: float


class IndexStats(TypedDict):
    path: str
    bytes: int
    things: int
    labels: int
    edges: int
    changes: int
    problems: int
    followed_now: int
    looked_at: float
    look_seconds: float


class CacheStats(TypedDict):
    enabled: bool
    hits: int
    invalidated: int
    misses: int
    evictions: int
    expired: int
    cache_size: int
    hit_rate: float | None
    ttl_seconds: float


class Kept(TypedDict):
    kept: int


class Cleared(TypedDict):
    cleared: int


class Card(TypedDict):
    id: str
    title: str
    status: str
    priority: str
    type: str
    labels: list[str]
    who: str
    claimed: bool
    waiting_for: list[str]


class Column(TypedDict):
    key: str
    title: str
    count: int
    cards: list[Card]


class Board(TypedDict):
    columns: list[Column]


_CHANGED = Changed | Items[Changed]


class BatchFault(TypedDict):
    item: int
    id: str | None
    error: str
    remedy: str
    action: NotRequired[str]
    code: NotRequired[str]
    fields: NotRequired[dict[str, Any]]


class Batch(TypedDict):
    """What a batch did; after a rollback the lists of ids are empty."""

    success: bool
    operations_executed: int
    operations_failed: int
    created_ids: list[str]
    updated_ids: list[str]
    deleted_ids: list[str]
    errors: list[BatchFault]
    duration_ms: float
    rolled_back: bool
    exit_code: int
    dry_run: NotRequired[bool]


class TakenIn(TypedDict):
    """Tickets of another tool that were taken in; ``renamed`` holds identifiers that could not be kept."""

    format: str
    read: int
    created: int
    updated: int
    unchanged: int
    renamed: dict[str, str]
    warnings: list[str]
    dry_run: bool


class GivenOut(TypedDict):
    format: str
    text: str
    tickets: int


ANSWERS: dict[str, Any] = {
    "board": Board,
    "ticket.create": Created,
    "ticket.import": TakenIn,
    "ticket.export": GivenOut,
    "batch.create": Batch,
    "batch.update": Batch,
    "batch.delete": Batch,
    "batch.close": Batch,
    "batch.run": Batch,
    "ticket.list": Rows,
    "ticket.ready": Rows,
    "ticket.blocked": BlockedRows,
    "ticket.search": FoundRows,
    "ticket.show": Detail | Items[Detail],
    "ticket.update": _CHANGED,
    "ticket.close": Closed | ManyClosed,
    "ticket.reopen": _CHANGED,
    "ticket.restore": _CHANGED,
    "ticket.delete": Gone,
    "ticket.comment": Comment,
    "ticket.assign": Changed,
    "ticket.tag": Changed,
    "ticket.untag": Changed,
    "ticket.priority": Changed,
    "ticket.undo": Changed,
    "ticket.link": Links,
    "ticket.unlink": Links,
    "ticket.claim": Items[Claim],
    "ticket.heartbeat": Items[Claim],
    "ticket.claims": Items[Claim],
    "ticket.release": Released,
    "ticket.tree": Items[Twig],
    "ticket.graph": Graph,
    "ticket.history": Items[Change],
    "ticket.stats": Stats,
    "ticket.events": BoardEvents,
    "ticket.prime": Text,
    "epic.create": Epic,
    "epic.list": Page[EpicRow],
    "epic.show": Epic,
    "epic.update": Epic,
    "epic.complete": Epic,
    "epic.add-ticket": Epic,
    "epic.remove-ticket": Epic,
    "epic.delete": Deleted,
    "backlog.add": BacklogItem,
    "backlog.list": Page[BacklogRow],
    "backlog.show": BacklogItem,
    "backlog.update": BacklogItem,
    "backlog.convert": Converted,
    "backlog.delete": Deleted,
    "requirement.add": Required,
    "requirement.story": Required,
    "requirement.gherkin": Required,
    "requirement.result": Required,
    "requirement.set": Required,
    "requirement.verify": Required,
    "requirement.list": RequiredList,
    "requirement.coverage": TicketCoverage | CoverageOfAll,
    "time.log": TimeLogged,
    "time.start": TimeLogged,
    "time.stop": TimeLogged,
    "time.show": TimeShown,
    "time.journal": Journal,
    "index.rebuild": Rebuilt,
    "index.stats": IndexStats,
    "cache.stats": CacheStats,
    "cache.warm": Kept,
    "cache.clear": Cleared,
}
