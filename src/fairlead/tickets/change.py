"""Change records: who changed what from what to what, as text that reads like a diff.

    at: 2026-11-20T09:15:33.870Z
    by: alice
    action: update

    status
    - open
    + closed

    labels
    + db

A record is written once, beside the change that it tells, and never again changed; its file name is its own, so the
records of two branches never collide. What a ticket says is in its own file: records are history, read to show who
did what, to undo, and to know when something was last changed.
"""

from __future__ import annotations

from fairlead.tickets.files import quote, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fairlead.tickets.outcomes import Change

    Edit = tuple[str, str | None, str | None]

MOST_TEXT = 256 * 1024
"""Characters of a value that a record keeps; of a longer one it keeps the length, and undo refers to the VCS."""

_HEAD = ("at", "by", "action", "batch", "branch", "note")


def render(change: Change) -> str:
    """The text of a record."""
    lines = [f"at: {change.at}", f"by: {_one_line(change.by)}", f"action: {change.action}"]
    for key, value in (("batch", change.batch), ("branch", change.branch), ("note", change.note)):
        if value:
            lines.append(f"{key}: {_one_line(value)}")
    for field, before, after in change.edits:
        lines += ["", field, *_signed("- ", before), *_signed("+ ", after)]
    return "\n".join(lines) + "\n"


def parse(text: str, thing_id: str, change_id: str) -> Change:
    """Reads a record. A line that makes no sense is left out: a record is history and decides nothing."""
    from fairlead.tickets.outcomes import Change

    head, _, rest = text.replace("\r\n", "\n").partition("\n\n")
    facts = {}
    for line in head.split("\n"):
        key, colon, value = line.partition(": ")
        if colon and key in _HEAD:
            facts[key] = unquote(value) if value.startswith('"') else value
    edits: list[Edit] = []
    name, before, after = "", None, None
    for line in rest.rstrip("\n").split("\n"):
        sign, text = line[:2], line[2:]
        if sign in ("- ", "-"):
            before = text if before is None else f"{before}\n{text}"
        elif sign in ("+ ", "+"):
            after = text if after is None else f"{after}\n{text}"
        elif line and not line.startswith((" ", "<", "=", ">")):
            if name:
                edits.append((name, before, after))
            name, before, after = line, None, None
    if name:
        edits.append((name, before, after))
    return Change(
        id=change_id,
        thing_id=thing_id,
        at=facts.get("at", ""),
        by=facts.get("by", ""),
        action=facts.get("action", "update"),
        edits=tuple(edits),
        note=facts.get("note", ""),
        batch=facts.get("batch"),
        branch=facts.get("branch"),
    )


def kept(value: str | None) -> str | None:
    """What a record keeps of a value."""
    if value is None or len(value) <= MOST_TEXT:
        return value
    return f"({len(value)} characters, too long to be kept here)"


def is_whole(value: str | None) -> bool:
    """Whether a record has the value itself and not only its length."""
    return value is None or not (value.startswith("(") and value.endswith(" characters, too long to be kept here)"))


def _signed(sign: str, value: str | None) -> list[str]:
    return [] if value is None else [sign + line for line in value.split("\n")]


def _one_line(value: str) -> str:
    return value if value.isprintable() and not value.startswith('"') else quote(value)
