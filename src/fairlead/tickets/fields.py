"""The words of the ticket system: kinds, statuses and the field table that files, index and faces share.

Imports nothing that costs start-up time: every command line reads this module. The typed records that programs work
with are in :mod:`fairlead.tickets.model`.
"""

from __future__ import annotations

from fairlead.errors import InvalidInputError

FORMAT_VERSION = 1
"""The version written into every file. A file with a higher one is read and never written."""

TICKET_STATUSES = ("open", "in-progress", "blocked", "closed", "cancelled")
FINISHED_STATUSES = ("closed", "cancelled")
PRIORITIES = ("critical", "high", "medium", "low")
REQUIREMENTS_STATUSES = ("draft", "review", "approved", "complete")
REQUIREMENT_STATUSES = ("draft", "approved", "implemented", "verified")
SCENARIO_STATUSES = ("draft", "ready", "passing", "failing", "blocked")
RESULT_METHODS = ("manual", "automated", "review")
RESULT_STATUSES = ("pending", "verified", "failed", "blocked")
TIME_TYPES = ("work", "meeting", "research", "blocked", "review", "testing", "documentation", "other")
JOURNAL_TYPES = ("progress", "blocker", "milestone", "decision", "risk", "meeting")
EPIC_STATUSES = ("draft", "active", "completed", "cancelled")
BACKLOG_TYPES = ("story", "feature", "bug", "epic", "task", "spike")
BACKLOG_STATUSES = ("new", "groomed", "ready", "in-progress", "done", "cancelled")
RISKS = ("low", "medium", "high")


class Field:
    """One scalar field of a kind of file, in the order in which it is written.

    ``type`` is ``line`` (one line of text), ``choice``, ``word`` (a name without spaces), ``id``, ``int``, ``number``,
    ``time`` (RFC 3339, UTC, milliseconds), ``date``, ``text`` (many lines) or ``lines`` (a list, one item a line).
    ``fixed`` fields are set at creation and never changed.
    """

    __slots__ = ("choices", "default", "fixed", "name", "type")

    def __init__(
        self,
        name: str,
        type: str = "line",  # noqa: A002 - the word a reader looks for
        choices: tuple[str, ...] = (),
        default: str | None = None,
        fixed: bool = False,
    ) -> None:
        self.name = name
        self.type = type
        self.choices = choices
        self.default = default
        self.fixed = fixed


_CREATED = (Field("reporter", fixed=True), Field("reporter_email", fixed=True), Field("created_at", "time", fixed=True))
_WRITTEN = (Field("author", fixed=True), Field("created_at", "time", fixed=True))

FIELDS: dict[str, tuple[Field, ...]] = {
    # Files at the top of `.tickets/`, one a thing.
    "ticket": (
        Field("title"),
        Field("status", "choice", TICKET_STATUSES, "open"),
        Field("priority", "choice", PRIORITIES, "medium"),
        Field("type", "word", default="task"),
        Field("assignee"),
        Field("assigned_agent"),
        Field("epic_id", "id"),
        Field("parent_ticket_id", "id"),
        Field("estimated_hours", "number"),
        Field("story_points", "number"),
        Field("due_date", "date"),
        Field("requirements_status", "choice", REQUIREMENTS_STATUSES),
        Field("branch"),
        Field("commit"),
        *_CREATED,
    ),
    "epic": (
        Field("title"),
        Field("status", "choice", EPIC_STATUSES, "draft"),
        Field("priority", "choice", PRIORITIES, "medium"),
        Field("owner"),
        Field("target_version"),
        Field("target_date", "date"),
        Field("estimated_story_points", "number"),
        *_CREATED,
    ),
    "backlog": (
        Field("title"),
        Field("type", "choice", BACKLOG_TYPES, "story"),
        Field("status", "choice", BACKLOG_STATUSES, "new"),
        Field("priority", "choice", PRIORITIES, "medium"),
        Field("risk", "choice", RISKS),
        Field("business_value", "int"),
        Field("story_points", "number"),
        Field("epic_id", "id"),
        Field("ticket_id", "id"),
        Field("assignee"),
        *_CREATED,
    ),
    # Files in the folder of the ticket, epic or backlog item that they belong to.
    "comment": _WRITTEN,
    "journal": (
        Field("type", "choice", JOURNAL_TYPES, "progress"),
        Field("completion_percentage", "int"),
        Field("effort_spent_hours", "number"),
        Field("milestone"),
        Field("run"),
        *_WRITTEN,
    ),
    "time": (
        Field("type", "choice", TIME_TYPES, "work"),
        Field("start_time", "time"),
        Field("end_time", "time"),
        Field("duration_minutes", "number"),
        *_WRITTEN,
    ),
    "requirement": (
        Field("title"),
        Field("status", "choice", REQUIREMENT_STATUSES, "draft"),
        Field("priority", "choice", PRIORITIES, "medium"),
        Field("acceptance_criteria", "lines"),
        Field("verified_by"),
        Field("verified_at", "time"),
        Field("evidence", "text"),
        *_WRITTEN,
    ),
    "story": (
        Field("persona"),
        Field("goal"),
        Field("benefit"),
        Field("acceptance_criteria", "lines"),
        Field("priority", "choice", PRIORITIES, "medium"),
        Field("story_points", "number"),
        *_WRITTEN,
    ),
    # The body of a scenario is its Gherkin text.
    "scenario": (Field("title"), Field("status", "choice", SCENARIO_STATUSES, "draft"), *_WRITTEN),
    "result": (
        Field("verification_method", "choice", RESULT_METHODS, "manual"),
        Field("status", "choice", RESULT_STATUSES, "pending"),
        Field("success_criteria", "lines"),
        Field("notes", "text"),
        Field("verified_by"),
        Field("verified_at", "time"),
        *_WRITTEN,
    ),
    # One goal of an epic, one criterion of success or acceptance: the text is the body.
    "goal": _WRITTEN,
    "criterion": _WRITTEN,
}
"""Kind -> its scalar fields in file order. The body of a file is the field that :data:`BODIES` names."""

BODIES: dict[str, str] = {
    "ticket": "description",
    "epic": "description",
    "backlog": "description",
    "comment": "text",
    "journal": "content",
    "time": "description",
    "requirement": "description",
    "story": "description",
    "scenario": "text",
    "result": "description",
    "goal": "text",
    "criterion": "text",
}
"""Kind -> the name of its free text, the body of the file."""

THINGS = ("ticket", "epic", "backlog")
"""Kinds that have an identifier on the board and a file at the top of ``.tickets/``."""

ENTRIES = ("comment", "journal", "time", "requirement", "story", "scenario", "result", "goal", "criterion")
"""Kinds that belong to a thing and live in its folder, each in a file of its own."""

SETS: dict[str, tuple[str, ...]] = {
    "ticket": ("labels", "blocked_by", "related_to", "discovered_from"),
    "epic": ("labels",),
    "backlog": ("labels",),
}
"""Kind -> its sets. Each member is an empty file in the thing's folder, so that members added on two branches merge."""

MARKS: dict[str, str] = {
    "labels": "label",
    "blocked_by": "blocked-by",
    "related_to": "related-to",
    "discovered_from": "discovered-from",
}
"""Set -> the word that its members' file names begin with."""

_PRIORITY_WORDS = {
    **{p: p for p in PRIORITIES},
    "p0": "critical",
    "p1": "high",
    "p2": "medium",
    "p3": "low",
    "p4": "low",
    "0": "critical",
    "1": "high",
    "2": "medium",
    "3": "low",
    "4": "low",
    "urgent": "critical",
    "blocker": "critical",
    "highest": "critical",
    "normal": "medium",
    "med": "medium",
    "minor": "low",
    "lowest": "low",
}
_STATUS_WORDS = (
    ("open", "new", "todo", "draft", "reopened"),
    ("in-progress", "inprogress", "started", "doing", "wip", "active"),
    ("closed", "done", "resolved", "completed", "complete", "finished"),
    ("cancelled", "canceled", "wontfix"),
)
"""Words that people and models use for fresh, begun, finished and dropped."""

_STATUS_MEANT = {
    "ticket": ("open", "in-progress", "closed", "cancelled"),
    "epic": ("draft", "active", "completed", "cancelled"),
    "backlog": ("new", "in-progress", "done", "cancelled"),
}
"""Kind -> its own word for each of these."""


def read_priority(text: str) -> str:
    """A priority in any spelling that people and models use (``P0``-``P4``, ``0``-``4``, words)."""
    word = _PRIORITY_WORDS.get(text.strip().lower())
    if word is None:
        raise _not_a_choice("priority", text, PRIORITIES)
    return word


def read_status(text: str, kind: str = "ticket") -> str:
    """A status of a ticket, epic or backlog item in any common spelling."""
    choices = {"ticket": TICKET_STATUSES, "epic": EPIC_STATUSES, "backlog": BACKLOG_STATUSES}[kind]
    word = text.strip().lower().replace(" ", "-").replace("_", "-")
    if word in choices:
        return word
    for words, meant in zip(_STATUS_WORDS, _STATUS_MEANT[kind], strict=True):
        if word in words:
            return meant
    raise _not_a_choice("status", text, choices)


def field_of(kind: str, name: str) -> Field | None:
    """The field ``name`` of a kind, or None."""
    if kind not in _BY_NAME:
        _BY_NAME[kind] = {field.name: field for field in FIELDS.get(kind, ())}
    return _BY_NAME[kind].get(name)


_BY_NAME: dict[str, dict[str, Field]] = {}


def _not_a_choice(name: str, value: str, choices: tuple[str, ...]) -> InvalidInputError:
    return InvalidInputError(
        f"{name} is {value!r}.", remedy=f"Choose one of {', '.join(choices)}.", field=name, value=value
    )
