"""Merging tickets field by field, and reading what a line merge left undecided.

Two branches that changed different fields never conflict, with or without this module: the layout sees to that. When
both changed the *same* field to different values, a line merge leaves conflict markers, and something has to decide.
The decision is a function of the values alone, the same for both directions, for the merge driver, for the reader and
for `doctor`, so all clones come to the same ticket whatever order they merge in:

- one side unchanged: the other side's value;
- status: the one further along (open, in-progress, blocked, cancelled, closed);
- priority: the more urgent; numbers: the larger; times and dates: the later;
- other fields: the one that sorts last;
- texts: merged line by line, and where both changed the same lines both versions stand, in sorted order.

Nothing is lost by that: the records of both changes are in the ticket's folder, `doctor` names what it decided, and
`undo` takes a decision back.
"""

from __future__ import annotations

from fairlead.tickets.fields import (
    BACKLOG_STATUSES,
    EPIC_STATUSES,
    FIELDS,
    PRIORITIES,
    REQUIREMENT_STATUSES,
    REQUIREMENTS_STATUSES,
    field_of,
)
from fairlead.tickets.files import Document, Problem, decode, has_opening, opening, parse_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STATUS_ORDER = ("open", "in-progress", "blocked", "cancelled", "closed")
_ORDERS: dict[str, tuple[str, ...]] = {
    "ticket.status": _STATUS_ORDER,
    "epic.status": EPIC_STATUSES,
    "backlog.status": BACKLOG_STATUSES,
    "requirement.status": REQUIREMENT_STATUSES,
    "scenario.status": ("draft", "ready", "blocked", "passing", "failing"),
    "result.status": ("pending", "blocked", "verified", "failed"),
    "ticket.requirements_status": REQUIREMENTS_STATUSES,
    "priority": tuple(reversed(PRIORITIES)),
}


def settle_text(data: bytes, path: str) -> tuple[Document, tuple[str, ...]]:
    """The document of a file with conflict markers, with every conflict decided, and the fields that had two values."""
    text = decode(data, path)[0]
    sides = split_sides(text)
    if sides is None:
        document = _parsed(text, path)
        document.conflicted = True
        return document, ("file",)
    base, ours, theirs = (None if side is None else _parsed(side, path) for side in sides)
    assert ours is not None
    assert theirs is not None
    merged, conflicts = merge_documents(base, ours, theirs)
    merged.conflicted = True
    merged.problems = _unique(ours, theirs)
    return merged, conflicts or ("file",)


def _unique(ours: Document, theirs: Document) -> list[Problem]:
    found = [p for p in (*ours.problems, *theirs.problems) if "conflict markers" not in p.text]
    return [
        Problem(ours.path, 1, "a merge left conflict markers here; `fairlead ticket doctor --fix` settles them"),
        *found,
    ]


def split_sides(text: str) -> tuple[str | None, str, str] | None:
    """(base, ours, theirs) of a text with conflict markers; the base only where the markers show it (diff3 style).

    Reads git's and Mercurial's markers and each style of Jujutsu's, of any length. Markers inside markers, as a merge
    of merges leaves, are taken apart from the outside in. None when the markers do not pair, or show more than two
    sides.
    """
    lines = text.split("\n")
    sides: tuple[list[str], list[str], list[str]] = ([], [], [])
    whole, at = True, 0
    while at < len(lines):
        size = opening(lines[at])
        if not size:
            for side in sides:
                side.append(lines[at])
            at += 1
            continue
        end = _closing(lines, at, size)
        inside = None if end is None else _sides_of(lines[at + 1 : end], size)
        if end is None or inside is None:
            return None
        whole = whole and inside[0] is not None
        for side, added in zip(sides, inside, strict=True):
            side.extend(added or ())
        at = end + 1
    base, left, right = ("\n".join(side) for side in sides)
    while has_opening(left) and (inner := split_sides(left)) is not None:
        left = inner[1]
    while has_opening(right) and (inner := split_sides(right)) is not None:
        right = inner[2]
    return (base if whole and not has_opening(base) else None), left, right


def _closing(lines: Sequence[str], start: int, size: int) -> int | None:
    """The index of the line that closes the markers opened at ``start``."""
    depth = 0
    for at in range(start, len(lines)):
        depth += (opening(lines[at]) == size) - (_sign(lines[at], size) == ">")
        if depth == 0:
            return at
    return None


def _sign(line: str, size: int) -> str:
    """The sign of which a marker of ``size`` is made; empty for a line that is none."""
    sign = line[:1]
    return sign if sign and line[:size] == sign * size and line[size : size + 1] in ("", " ") else ""


def _sides_of(lines: Sequence[str], size: int) -> tuple[list[str] | None, list[str], list[str]] | None:
    """(base, ours, theirs) of what stands between two markers."""
    if lines and _sign(lines[0], size) in tuple("%+-") and "=" not in (_sign(line, size) for line in lines):
        return _jujutsu_sides(lines, size)
    parts: dict[str, list[str]] = {"<": []}
    place, depth = "<", 0
    for line in lines:
        sign = _sign(line, size)
        if depth == 0 and sign in tuple("|=") and sign not in parts:
            place = sign
            parts[place] = []
            continue
        depth += (opening(line) == size) - (sign == ">")
        parts[place].append(line)
    return parts.get("|"), parts["<"], parts.get("=", [])


def _jujutsu_sides(lines: Sequence[str], size: int) -> tuple[list[str], list[str], list[str]] | None:
    """Jujutsu shows a side whole behind ``+``, the base behind ``-``, or behind ``%`` how a side differs from the
    base; a marker of backslashes goes on with the label above it (its documentation, "First-class conflicts")."""
    bases: list[list[str]] = []
    sides: list[list[str]] = []
    shown = ""
    for line in lines:
        sign = _sign(line, size)
        if sign in ("%", "+", "-"):
            shown = sign
            if sign != "+":
                bases.append([])
            if sign != "-":
                sides.append([])
        elif sign != "\\" and shown == "%":
            if line[:1] != "+":
                bases[-1].append(line[1:])
            if line[:1] != "-":
                sides[-1].append(line[1:])
        elif sign != "\\":
            (sides if shown == "+" else bases)[-1].append(line)
    return (bases[0], sides[0], sides[1]) if (len(bases), len(sides)) == (1, 2) else None


def _parsed(text: str, path: str) -> Document:
    document = Document(path)
    parse_text(text, document)
    return document


def merge_documents(base: Document | None, ours: Document, theirs: Document) -> tuple[Document, tuple[str, ...]]:
    """Both sides' changes in one document, and the names of the fields that both had changed differently."""
    merged = Document(ours.path)
    if not (ours.readable and theirs.readable):
        merged.fields, merged.body = dict((ours if ours.readable else theirs).fields), ours.body or theirs.body
        merged.readable = ours.readable or theirs.readable
        return merged, ("file",)
    before: Mapping[str, str] | None = None if base is None or not base.readable else base.fields
    kind = ours.fields.get("kind") or _kind_of(ours.path)
    conflicts: list[str] = []
    for name in [*ours.fields, *(n for n in theirs.fields if n not in ours.fields)]:
        ancient = None if before is None else before.get(name, "")
        value, decided = merge_value(kind, name, ancient, ours.fields.get(name, ""), theirs.fields.get(name, ""))
        if decided:
            conflicts.append(name)
        if value or name in ours.fields or name in theirs.fields:
            merged.fields[name] = value
    ancient_body = None if before is None or base is None else base.body
    merged.body, decided = merge_texts(ancient_body, ours.body, theirs.body)
    if decided:
        conflicts.append("description")
    return merged, tuple(conflicts)


def _kind_of(path: str) -> str:
    """The kind of an entry by its file name; a thing says its own."""
    parts = path.rpartition("/")[2].split("-", 2)
    return parts[1] if len(parts) == 3 and parts[1] in FIELDS else "ticket"


def merge_value(kind: str, name: str, base: str | None, ours: str, theirs: str) -> tuple[str, bool]:
    """The value of one field, and whether both sides had given it a value of their own."""
    if ours == theirs:
        return ours, False
    if base is not None:
        if ours == base:
            return theirs, False
        if theirs == base:
            return ours, False
    if not ours or not theirs:
        # Without a common ancestor, or with both sides changed: a value says more than none.
        return ours or theirs, True
    order = _ORDERS.get(f"{kind}.{name}") or _ORDERS.get(name)
    if order is not None and ours in order and theirs in order:
        return max(ours, theirs, key=order.index), True
    field = field_of(kind, name)
    if field is not None and field.type in ("number", "int"):
        return max(ours, theirs, key=_number), True
    if "\n" in ours or "\n" in theirs:
        return merge_texts(base, ours, theirs)[0], True
    return max(ours, theirs), True


def _number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("-inf"), text


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def merge_texts(base: str | None, ours: str, theirs: str) -> tuple[str, bool]:
    """Three-way merge of lines, and whether both had changed the same ones (then both versions stand, sorted).

    The regions follow Khanna, Kunal and Pierce, "A Formal Investigation of Diff3" (FSTTCS 2007): stretches that both
    sides share with the base are stable, and between them each side's change is taken or both are.
    """
    if ours == theirs:
        return ours, False
    if base is not None and base in (ours, theirs):
        return (theirs if ours == base else ours), False
    if base is None:
        base = _common(ours, theirs)
    old, left, right = base.split("\n"), ours.split("\n"), theirs.split("\n")
    in_left, in_right = _matches(old, left), _matches(old, right)
    out: list[str] = []
    both = False
    at = [0, 0, 0]
    for line in [*(n for n in range(len(old)) if n in in_left and n in in_right), len(old)]:
        end = [line, in_left.get(line, len(left)), in_right.get(line, len(right))]
        chunk, decided = _region(old[at[0] : end[0]], left[at[1] : end[1]], right[at[2] : end[2]])
        out += chunk
        both = both or decided
        if line < len(old):
            out.append(old[line])
        at = [n + 1 for n in end]
    return "\n".join(out), both


def _region(old: Sequence[str], left: Sequence[str], right: Sequence[str]) -> tuple[Sequence[str], bool]:
    if left == right or right == old:
        return left, False
    if left == old:
        return right, False
    first, second = sorted((list(left), list(right)))
    if not first:
        return second, True
    return [*first, *second], True


def _matches(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Index in ``old`` -> index in ``new`` of lines that stayed."""
    import difflib

    found = {}
    for a, b, size in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        for n in range(size):
            found[a + n] = b + n
    return found


def _common(ours: str, theirs: str) -> str:
    """The lines that two texts share, standing in for an ancestor that is not known."""
    left = ours.split("\n")
    shared = sorted(_matches(left, theirs.split("\n")))
    return "\n".join(left[n] for n in shared)
