"""Verbs of `ticket`: what can be said. What is done is in :mod:`ticket_read` and :mod:`ticket_write`."""

from __future__ import annotations

from importlib import import_module

from fairlead.verbs.table import Noun, Param, Verb
from fairlead.verbs.ticket_exchange import VERBS as EXCHANGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _late(place: str) -> Callable[..., Any]:
    """``module.function``, loaded when it is called, since a command line pays for what it imports."""
    module, _, name = place.partition(".")

    def call(*args: Any, **given: Any) -> Any:
        return getattr(import_module(f"fairlead.verbs.ticket_{module}"), name)(*args, **given)

    return call


_ID = Param("id", "str", "identifier, or a unique beginning of it", positional=True, required=True)
_IDS = Param("ids", "str", "identifiers, or unique beginnings of them", positional=True, required=True, many=True)
_LABEL = Param(
    "label",
    "str",
    "label; may be repeated or comma-separated",
    many=True,
    aliases=("-l", "--labels", "--tag", "--tags"),
)
_PRIORITY = Param("priority", "str", "critical, high, medium, low, or P0-P4", aliases=("-p", "--prio"))
_TYPE = Param("type", "str", "task, bug, feature, or another word", aliases=("-t", "--issue-type", "--kind"))
_ASSIGNEE = Param("assignee", "str", "a name, `me` or `none`", aliases=("-a", "--assign", "--owner"))
_AGENT = Param("agent", "str", "agent that works on it", aliases=("--assigned-agent",))
_BODY = Param("body", "str", "text; `-` reads standard input", aliases=("-d", "--description", "--desc"))
_BODY_FILE = Param(
    "body_file", "path", "file with the text; `-` is standard input", aliases=("-F", "--description-file")
)
_COMMENT = Param("comment", "str", "adds a comment", many=True, aliases=("-m",))
_IF_MATCH = Param(
    "if_match", "str", "revision that was read; refused with exit code 4 when it has changed", aliases=("--etag",)
)
_BLOCKED_BY = Param("blocked_by", "str", "it waits for these", many=True, aliases=("--depends-on", "--needs", "--deps"))
_BLOCKS = Param("blocks", "str", "these wait for it", many=True)
_OTHERS = Param("others", "str", "refused: a flag says how two tickets are linked", positional=True, many=True)
_RELATED = Param("related", "str", "related tickets", many=True, aliases=("--related-to", "--relates-to"))
_FOUND_IN = Param("discovered_from", "str", "tickets during whose work it was found", many=True)
_EPIC = Param("epic", "str", "epic it belongs to, or `none`", aliases=("--epic-id",))
_PARENT = Param("parent", "str", "parent ticket, or `none`", aliases=("--parent-id", "--parent-ticket-id"))
_LIMIT = Param("limit", "int", "rows at most, 0 for all; 50 unless given", aliases=("-n",))
_OFFSET = Param("offset", "int", "rows to skip")
_FULL = Param("full", "bool", "all columns")
_NOTE = Param("note", "str", "why, kept with the change", aliases=("--notes",))

_FIELDS = (
    _PRIORITY,
    _TYPE,
    _ASSIGNEE,
    _AGENT,
    _EPIC,
    _PARENT,
    Param("estimated_hours", "str", "estimate in hours", aliases=("--estimate",)),
    Param("story_points", "str", "size in points", aliases=("--points",)),
    Param("due_date", "str", "date such as 2026-12-24", aliases=("--due",)),
    Param("requirements_status", "str", "draft, review, approved or complete"),
    _BODY,
    _BODY_FILE,
    _LABEL,
    _BLOCKED_BY,
    _BLOCKS,
    _RELATED,
    _FOUND_IN,
    _COMMENT,
)

_FILTERS = (
    Param(
        "status",
        "str",
        "open, in-progress, blocked, closed, cancelled or all; comma-separated",
        many=True,
        aliases=("-s",),
    ),
    Param("priority", "str", "critical, high, medium, low, or P0-P4", many=True, aliases=("-p",)),
    Param("type", "str", "task, bug, ...", many=True, aliases=("-t",)),
    _LABEL,
    Param("without_label", "str", "leave out tickets with this label", many=True),
    _ASSIGNEE,
    _AGENT,
    Param("reporter", "str", "who wrote it, or `me`"),
    _EPIC,
    _PARENT,
    Param("created_since", "str", "date, time, or age like 3d", aliases=("--since",)),
    Param("updated_since", "str", "date, time, or age like 3d"),
    Param("closed_since", "str", "date, time, or age like 3d"),
    Param("due_before", "str", "date"),
    _LIMIT,
    _OFFSET,
    Param("all", "bool", "finished ones too, and all of them"),
    _FULL,
)

_TICKET = Noun("ticket", _late("write.show_changed"))

VERBS: tuple[Verb, ...] = (
    _TICKET.changes(
        "init",
        "make a board here",
        _late("write.init"),
        Param("driver", "bool", "set up git's merge driver in this clone (--no-driver leaves git alone)", default=True),
        Param("evidence", "bool", "closing demands evidence on this board"),
        show=_late("write.show_init"),
        description="Makes `.tickets/`. Works inside git, jj or Mercurial and without any; stages and commits nothing.",
    ),
    _TICKET.changes(
        "create",
        "write a ticket",
        _late("write.create"),
        Param(
            "title",
            "str",
            "title, as one argument or several",
            positional=True,
            required=True,
            many=True,
            aliases=("--title",),
        ),
        *_FIELDS,
        Param("status", "str", "open unless given", aliases=("-s",)),
        Param("id", "str", "identifier instead of a generated one"),
        Param("dry_run", "bool", "check only"),
        show=_late("write.show_created"),
        aliases=("new", "add", "q"),
        examples=('fairlead ticket create "Pump runs dry" -p P1 --label hull --blocked-by k7f',),
    ),
    _TICKET.reads(
        "list",
        "list tickets",
        _late("read.list_"),
        *_FILTERS,
        Param("ready", "bool", "only what can be done now"),
        Param("blocked", "bool", "only what waits for something"),
        Param("deleted", "bool", "deleted ones instead"),
        Param("problems", "bool", "only those whose files have a fault"),
        Param("text", "str", "only those with these words", aliases=("--search", "--query")),
        Param(
            "sort",
            "str",
            "order",
            choices=("priority", "created", "updated", "closed", "title", "status", "due", "id", "ready"),
        ),
        Param("reverse", "bool", "the other way round", aliases=("-r", "--desc")),
        show=_late("read.show_rows"),
        aliases=("ls", "find", "query"),
        description="Unfinished ones unless --status or --all say otherwise. Filters compose: all must hold.",
        examples=("fairlead ticket list --status open --label db --assignee me --sort priority --json --limit 20",),
    ),
    _TICKET.reads(
        "show",
        "show tickets in full",
        _late("read.show"),
        _IDS,
        _FULL,
        show=_late("read.show_detail"),
        aliases=("get", "view", "cat"),
    ),
    _TICKET.changes(
        "update",
        "change fields of tickets",
        _late("write.update"),
        _IDS,
        Param("title", "str", "new title"),
        Param("status", "str", "open, in-progress, blocked, closed or cancelled", aliases=("-s",)),
        *_FIELDS,
        Param("unlabel", "str", "takes a label off", many=True, aliases=("--remove-label", "--untag")),
        Param(
            "append",
            "str",
            "text to add at the end; `-` reads standard input",
            aliases=("--append-notes", "--append-body"),
        ),
        Param("replace", "str", "text in the body that occurs exactly once", aliases=("--body-replace-old",)),
        Param("replace_with", "str", "what takes its place", aliases=("--with", "--body-replace-new")),
        _NOTE,
        _IF_MATCH,
        aliases=("edit", "set", "modify"),
        examples=(
            "fairlead ticket update k7f -s in-progress -a me",
            "fairlead ticket update k7f --replace old --with new",
        ),
    ),
    _TICKET.changes(
        "close",
        "close tickets",
        _late("write.close"),
        _IDS,
        Param("reason", "str", "why, kept as a comment", many=True, aliases=("--resolution", "-r")),
        Param("comment", "str", "as --reason; `-` reads standard input", aliases=("-m", "--message")),
        _NOTE,
        Param("commit", "str", "evidence: a commit that must exist", many=True),
        Param("file", "path", "evidence: a file in the repository", many=True),
        Param("command", "str", "evidence: a command that is run and must succeed", many=True, aliases=("--cmd",)),
        Param("cancel", "bool", "cancelled instead of closed"),
        Param("force", "bool", "without the evidence or in spite of the blockers that the board knows; this is noted"),
        _IF_MATCH,
        show=_late("write.show_closed"),
        aliases=("done", "resolve", "finish"),
        examples=('fairlead ticket close k7f --comment "valve replaced" --commit HEAD',),
    ),
    _TICKET.changes(
        "reopen",
        "open closed tickets again",
        _late("write.reopen"),
        _IDS,
        Param("comment", "str", "why", aliases=("-m", "--reason")),
    ),
    _TICKET.changes(
        "delete",
        "delete tickets",
        _late("write.delete"),
        _IDS,
        _NOTE,
        _IF_MATCH,
        show=_late("write.show_deleted"),
        aliases=("rm", "remove"),
        description="They are listed no more, their identifiers stay taken, and `restore` brings them back.",
    ),
    _TICKET.changes(
        "restore",
        "bring deleted tickets back",
        _late("write.restore"),
        _IDS,
        aliases=("undelete",),
    ),
    _TICKET.changes(
        "comment",
        "add a comment",
        _late("write.comment"),
        _ID,
        Param(
            "text",
            "str",
            "the comment; standard input when left out or `-`",
            positional=True,
            many=True,
            aliases=("--text", "-m", "--comment", "--body", "--message"),
        ),
        Param("file", "path", "file with the text", aliases=("-F", "--body-file")),
        show=_late("write.show_entry"),
        aliases=("note", "comments"),
    ),
    _TICKET.changes(
        "assign",
        "give a ticket to somebody",
        _late("write.assign"),
        _ID,
        Param("who", "str", "a name, `me` or `none`", positional=True, aliases=("--assignee", "--to", "-a")),
        Param("agent", "str", "the agent that works on it, or `none`"),
        Param("auto", "bool", "choose among the registered agents, and say why"),
    ),
    _TICKET.changes(
        "tag",
        "put labels on a ticket",
        _late("write.label"),
        _ID,
        Param("labels", "str", "labels", positional=True, required=True, many=True),
        Param("remove", "bool", "take them off"),
        aliases=("label",),
    ),
    _TICKET.changes(
        "untag",
        "take labels off a ticket",
        _late("write.unlabel"),
        _ID,
        Param("labels", "str", "labels", positional=True, required=True, many=True),
        aliases=("unlabel",),
    ),
    _TICKET.changes(
        "priority",
        "set the priority of a ticket",
        _late("more.priority"),
        _ID,
        Param("priority", "str", "critical, high, medium, low, or P0-P4", positional=True, required=True),
    ),
    _TICKET.changes(
        "link",
        "link tickets",
        _late("write.link"),
        _ID,
        _OTHERS,
        _BLOCKED_BY,
        _BLOCKS,
        _PARENT,
        Param("child", "str", "these are its children", many=True),
        _RELATED,
        _FOUND_IN,
        show=_late("write.show_links"),
        aliases=("dep",),
        description="The flag says the direction. A link that would close a circle is refused and the circle named.",
    ),
    _TICKET.changes(
        "unlink",
        "remove links",
        _late("write.unlink"),
        _ID,
        _OTHERS,
        _BLOCKED_BY,
        _BLOCKS,
        _PARENT,
        Param("child", "str", "these are its children", many=True),
        _RELATED,
        _FOUND_IN,
        show=_late("write.show_links"),
        aliases=("undep",),
    ),
    _TICKET.changes(
        "claim",
        "take a ticket so that nobody else does",
        _late("write.claim"),
        Param("ids", "str", "tickets; the next ready one when left out", positional=True, many=True),
        Param("agent", "str", "who takes it; you unless given", aliases=("--as", "--assignee", "-a")),
        Param("lease", "float", "seconds until it is free again without a heartbeat; 1800 unless given"),
        Param("start", "bool", "also set it in progress and assign it, in its file"),
        Param("next", "bool", "the next ready one"),
        _LABEL,
        Param("limit", "int", "how many of the ready ones", aliases=("-n",)),
        show=_late("write.show_claims"),
        aliases=("next", "take"),
        description=(
            "Every process and working tree of this clone sees a claim at once. Exactly one of several that try gets\n"
            "it; the others end with exit code 4. Claiming again what one holds is refused too: see `heartbeat`."
        ),
    ),
    _TICKET.changes(
        "heartbeat",
        "keep a claim",
        _late("write.heartbeat"),
        _ID,
        Param("agent", "str", "who holds it", aliases=("--as",)),
        Param("lease", "float", "seconds from now", default=1800.0),
        show=_late("write.show_claims"),
        aliases=("renew",),
    ),
    _TICKET.changes(
        "release",
        "give up a claim",
        _late("write.release"),
        _IDS,
        Param("agent", "str", "who holds it", aliases=("--as",)),
        Param("force", "bool", "whoever holds it"),
        show=_late("write.show_released"),
        aliases=("unclaim",),
    ),
    _TICKET.reads("claims", "who holds what", _late("write.claims"), show=_late("write.show_held")),
    _TICKET.reads(
        "ready",
        "what can be done now",
        _late("read.ready"),
        *_FILTERS,
        show=_late("read.show_rows"),
        description="Open, waiting for nothing, held by nobody: the most urgent, what frees most, the oldest first.",
    ),
    _TICKET.reads(
        "blocked", "what waits, and for what", _late("read.blocked"), *_FILTERS, show=_late("read.show_rows")
    ),
    _TICKET.reads(
        "search",
        "search in titles, texts and comments",
        _late("read.search"),
        Param(
            "words",
            "str",
            'words; "exact phrase", pre*',
            positional=True,
            required=True,
            many=True,
            aliases=("--text", "--query"),
        ),
        *_FILTERS,
        Param("kind", "str", "where to look", choices=("ticket", "epic", "backlog", "all")),
        show=_late("read.show_rows"),
        aliases=("grep",),
    ),
    _TICKET.reads(
        "tree",
        "tickets with their children",
        _late("read.tree"),
        Param("id", "str", "only below this one", positional=True),
        Param("all", "bool", "finished ones too"),
        show=_late("read.show_tree"),
        aliases=("children",),
    ),
    _TICKET.reads(
        "graph",
        "what waits for what",
        _late("read.graph"),
        Param("id", "str", "only what is connected to this one", positional=True),
        Param("as_", "str", "drawing", choices=("text", "mermaid", "dot"), default="text", aliases=("--as",)),
        Param("all", "bool", "finished ones too"),
        show=_late("read.show_graph"),
    ),
    _TICKET.reads(
        "history",
        "who changed what, from what to what",
        _late("read.history"),
        Param("id", "str", "ticket; the whole board when left out", positional=True),
        Param("since", "str", "date, time, or age like 3d"),
        Param("limit", "int", "changes at most, 0 for all", default=50, aliases=("-n",)),
        show=_late("read.show_history"),
        aliases=("log",),
    ),
    _TICKET.changes(
        "undo",
        "take back a change",
        _late("write.undo"),
        _ID,
        Param("change", "str", "which one (see `history`); the latest unless given", positional=True),
        aliases=("revert",),
    ),
    _TICKET.reads(
        "stats", "how many of what", _late("read.stats"), show=_late("read.show_stats"), aliases=("status", "count")
    ),
    _TICKET.reads(
        "events",
        "what happened, in the order in which this clone learned of it",
        _late("more.events"),
        Param("id", "str", "only of this ticket", positional=True),
        Param(
            "since",
            "str",
            "cursor of an earlier answer, number, time, or age like 3d",
            aliases=("--after", "--cursor"),
        ),
        Param("type", "str", "only events of this type", many=True, aliases=("-t",)),
        Param("limit", "int", "events at most, 100 unless given", aliases=("-n",)),
        Param("oldest", "bool", "from the beginning; the newest first unless given"),
        Param("counts", "bool", "how many of each type there are"),
        Param("follow", "bool", "go on and print what happens", aliases=("-f", "--watch")),
        show=_late("more.show_events"),
        aliases=("changes",),
    ),
    _TICKET.changes(
        "doctor",
        "find and mend what is wrong with the files",
        _late("write.doctor"),
        Param("fix", "bool", "settle what merges left and mend what can be mended", aliases=("--repair",)),
        Param("stage", "bool", "with --fix: `git add` the settled files, which ends git's conflict"),
        show=_late("write.show_doctor"),
        aliases=("check",),
    ),
    _TICKET.changes(
        "migrate",
        "bring files of an older format up to date",
        _late("more.migrate"),
        Param("dry_run", "bool", "say what would change"),
        Param("back", "str", "take back the migration whose backup this is", aliases=("--rollback",)),
        role="admin",
        show=_late("more.show_migrate"),
    ),
    _TICKET.changes(
        "merge-driver",
        "merge three versions of a file (for git)",
        _late("more.merge_driver"),
        Param("base", "path", "common ancestor", positional=True, required=True),
        Param("ours", "path", "our version, and where the result goes", positional=True, required=True),
        Param("theirs", "path", "their version", positional=True, required=True),
        Param("path", "path", "name of the file in the repository", positional=True),
        show=_late("more.show_nothing"),
    ),
    *EXCHANGE,
)
