"""The text that an agent reads at the start: what this board holds, and the commands for it.

Every command in :data:`COMMANDS` is parsed by a test, so the text cannot teach what the command line does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.tickets.service import TicketService

COMMANDS: tuple[tuple[str, str], ...] = (
    ("fairlead ticket ready --json", "what can be done now, most urgent first"),
    ("fairlead ticket claim k7f --start", "take one; exit code 4 means somebody else has it"),
    ("fairlead ticket claim --next --start --agent NAME", "take the next ready one"),
    ("fairlead ticket heartbeat k7f", "keep it, at least every 30 minutes"),
    ("fairlead ticket show k7f", "read it in full"),
    ('fairlead ticket comment k7f "found the cause"', "write down what you learn"),
    ('fairlead time journal k7f "half done" --completion 50', "tell how far it is"),
    ('fairlead ticket close k7f --comment "fixed" --commit HEAD', "close it, with evidence"),
    ("fairlead ticket release k7f", "give it back"),
    ('fairlead ticket create "Title" -p P1 -l db --body "why and what"', "write down new work"),
    ('fairlead ticket create "Found on the way" --discovered-from k7f', "and where you found it"),
    ("fairlead ticket link k7f --blocked-by m3x", "k7f waits for m3x; --blocks says the opposite"),
    ("fairlead ticket update k7f --status blocked --append -", "change it; - reads standard input"),
    ("fairlead ticket search 'exact words' pre*", "search titles, texts and comments"),
    ("fairlead ticket list --status open --label db --assignee me --limit 20", "filters compose"),
    ("fairlead requirement list k7f", "what it must fulfil"),
    ('fairlead requirement verify k7f --evidence "make test"', "say that it does"),
    ("fairlead ticket blocked", "what waits, and for what"),
    ("fairlead batch create plan.json --dry-run", "many at once, all or nothing"),
)
"""(command, what it is for), in the order of the text."""

RULES = (
    "Claim before you work. One agent holds a ticket; every working tree of this clone sees it at once.",
    "Identifiers may be shortened as long as they are unique. --json prints one versioned document.",
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no board or a newer format, 4 conflict: read again and retry.",
    "Tickets are files under .tickets/. Commit them with the code they belong to; nothing is committed for you.",
)

MOST_SHOWN = 5


def text_of(service: TicketService, me: str) -> str:
    """The text for whoever ``me`` is."""
    counts = {status: service.count("ticket", status=[status]) for status in ("open", "in-progress", "blocked")}
    closed = service.count("ticket", finished=True)
    said = ", ".join(f"{n} {status}" for status, n in counts.items())
    lines = ["# Tickets", "", f"You are {me}. {said}, {closed} finished."]
    ready = service.ready(limit=MOST_SHOWN)
    if ready:
        lines += ["", "## Ready now"]
        lines += [f"- {row['id']} [{row['priority']}] {row['title']}" for row in ready]
    mine = service.rows("ticket", assignee=me, finished=False, limit=MOST_SHOWN)
    if mine:
        lines += ["", "## Yours"]
        lines += [f"- {row['id']} [{row['status']}] {row['title']}" for row in mine]
    width = max(len(command) for command, _ in COMMANDS)
    lines += ["", "## Commands (k7f stands for an identifier)", ""]
    lines += [f"    {command:<{width}}  # {what}" for command, what in COMMANDS]
    lines += ["", "## Rules", *(f"- {rule}" for rule in RULES)]
    return "\n".join(lines) + "\n"
