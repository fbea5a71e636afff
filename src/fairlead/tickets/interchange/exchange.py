"""Between foreign records and a board: what an import does to it, and the records that an export starts from.

Pure: an import is a plan of operations that the service applies in one transaction; nothing here reads or writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fairlead.tickets.fields import FIELDS, SETS
from fairlead.tickets.interchange.kept import EXTENSION, Record
from fairlead.tickets.interchange.words import finished
from fairlead.tickets.layout import MOST_LABEL, is_entry_id, is_thing_id
from fairlead.tickets.model import ENTRY_PLACES, Ticket
from fairlead.tickets.port import EntryDraft, Operation

SCALARS = tuple(f.name for f in FIELDS["ticket"] if f.name != "created_at")
FOREIGN = "foreign"
"""The extra field of a ticket's file that holds, as JSON, what is kept for other tools."""
EDGES = ("blocked_by", "related_to", "discovered_from")
ASSIGNED = "assigned"
"""The extra field of an imported entry that names what it did not have and was given here."""

UNRESOLVED = "unresolved"
STAMPS = "stamps"
_ENTRY_DEFAULTS = {"status": ("draft", "pending"), "priority": ("medium",), "verification_method": ("manual",)}


class Plan(NamedTuple):
    """What an import will do. ``names`` maps identifiers that could not be kept to the ones used instead."""

    operations: list[Operation]
    created: list[str]
    updated: list[str]
    unchanged: list[str]
    names: dict[str, str]
    warnings: list[str]


# ── board -> record ──────────────────────────────────────────────────────────────────────────────────────────────


def record_of(ticket: Ticket, close_reason: str = "") -> Record:
    """The record of a ticket: fields that say something, entries as mappings, and what was kept from elsewhere."""
    record: Record = {"id": ticket.id}
    for name in (*SCALARS, "description", "created_at", "updated_at", "closed_at", *SETS["ticket"]):
        value = getattr(ticket, name)
        if value not in (None, "", ()):
            record[name] = list(value) if isinstance(value, tuple) else value
    for place in ENTRY_PLACES["ticket"].values():
        entries = [_entry_record(entry) for entry in getattr(ticket, place)]
        if entries:
            record[place] = entries
    extras = {k: v for k, v in ticket.extras.items() if k != FOREIGN}
    if extras:
        record["extras"] = extras
    if close_reason and finished(record):
        record["close_reason"] = close_reason
    return _with_foreign(record, _foreign(ticket.extras.get(FOREIGN)))


def _foreign(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        # A person may have edited the field; what cannot be read is not used, and stays in the file.
        return {}
    return value if isinstance(value, dict) else {}


def _entry_record(entry: Any) -> Record:
    found = {}
    hidden = {"ticket_id", "extras", *entry.extras.get(ASSIGNED, "").split(",")}
    for name, value in entry._asdict().items():
        if name in hidden or value in (None, "", ()) or value in _ENTRY_DEFAULTS.get(name, ()):
            continue
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def _with_foreign(record: Record, foreign: dict[str, Any]) -> Record:
    stamps, edges = foreign.pop(STAMPS, None), foreign.pop(UNRESOLVED, None)
    if isinstance(stamps, dict):
        untouched = str(record.get("updated_at", "")) <= str(stamps.pop("until", ""))
        told = {k: v for k, v in stamps.items() if untouched or k == "created_at"}
        record = {k: v for k, v in {**record, **told}.items() if v or k not in told}
    if isinstance(edges, dict):
        for name, targets in edges.items():
            if name == "parent_ticket_id":
                record.setdefault(name, targets)
            else:
                record[name] = sorted({*record.get(name, []), *targets})
    return {**record, EXTENSION: foreign} if foreign else record


# ── record -> board ──────────────────────────────────────────────────────────────────────────────────────────────


def plan(
    records: Sequence[Record], board: Mapping[str, Record], *, now: str, by: str, new_id: Callable[[], str]
) -> Plan:
    """The operations that bring ``records`` onto a board whose records are ``board``.

    A record that the board has is compared and only its differences are written. An edge that would close
    a cycle, or whose name cannot be one here, is kept with the ticket and written again on export, with a warning.
    """
    made = Plan([], [], [], [], {}, [])
    records = _renamed(_unique(records, made.warnings), made.names, new_id, made.warnings)
    loops = _cycles(records, board)
    for record in records:
        record = _resolved(record, loops, made.warnings)
        mine = board.get(record["id"])
        if mine is None:
            made.operations.extend(_creation(record, now, by))
            made.created.append(record["id"])
        elif changed := _difference(record, mine, by):
            made.operations.append(changed)
            made.updated.append(record["id"])
        else:
            made.unchanged.append(record["id"])
    return made


def _unique(records: Iterable[Record], warnings: list[str]) -> list[Record]:
    found: dict[str, Record] = {}
    for record in records:
        if record.get("id") and record["id"] in found:
            warnings.append(f"{record['id']} stands twice; the later one counts")
        found[record.get("id") or f"\0{len(found)}"] = record
    return list(found.values())


def _renamed(
    records: list[Record], names: dict[str, str], new_id: Callable[[], str], warnings: list[str]
) -> list[Record]:
    for record in records:
        own = str(record.get("id", ""))
        if not is_thing_id(own):
            names[own] = record["id"] = new_id()
            warnings.append(f"{own!r} cannot be an identifier here; it is now {record['id']}")
    if not names:
        return records
    found = []
    for record in records:
        record = {**record, **{k: [names.get(t, t) for t in record[k]] for k in EDGES if k in record}}
        if record.get("parent_ticket_id") in names:
            record["parent_ticket_id"] = names[record["parent_ticket_id"]]
        found.append(record)
    return found


def _resolved(record: Record, loops: Collection[tuple[str, str, str]], warnings: list[str]) -> Record:
    """The record with the edges that the board can hold; the others go into its extension.

    An edge to a ticket that is not here (yet) is held, when its name can be one.
    """
    own, rest = record["id"], {}
    for name in EDGES:
        wanted = record.get(name, [])
        kept = [t for t in wanted if is_thing_id(t) and t != own and (name, own, t) not in loops]
        if len(kept) < len(wanted):
            rest[name] = [t for t in wanted if t not in kept]
            record = {**record, name: kept}
    parent = record.get("parent_ticket_id")
    if parent and (not is_thing_id(parent) or parent == own or ("parent_ticket_id", own, parent) in loops):
        rest["parent_ticket_id"] = parent
        record = {k: v for k, v in record.items() if k != "parent_ticket_id"}
    labels = record.get("labels", [])
    if any(len(label) > MOST_LABEL for label in labels):
        rest["labels"] = [label for label in labels if len(label) > MOST_LABEL]
        record = {**record, "labels": [label for label in labels if len(label) <= MOST_LABEL]}
    if not rest:
        return record
    warnings.append(f"{own}: kept but not used here: {json.dumps(rest, ensure_ascii=False)}")
    return {**record, EXTENSION: {**record.get(EXTENSION, {}), UNRESOLVED: rest}}


def _cycles(records: Sequence[Record], board: Mapping[str, Record]) -> set[tuple[str, str, str]]:
    """The edges (field, from, to) to leave out so that blocking and parentage have no cycle.

    A depth-first search in the order of the records; the edge that would close a cycle is the one left out.
    """
    every = {**board, **{r["id"]: r for r in records}}
    found: set[tuple[str, str, str]] = set()
    for field in ("blocked_by", "parent_ticket_id"):
        state: dict[str, int] = {}
        for start in every:
            if start in state:
                continue
            state[start] = 1
            stack = [(start, iter(_targets(every.get(start), field)))]
            while stack:
                node, targets = stack[-1]
                target = next(targets, None)
                if target is None:
                    state[node] = 2
                    stack.pop()
                elif state.get(target) == 1:
                    found.add((field, node, target))
                elif target not in state and target in every:
                    state[target] = 1
                    stack.append((target, iter(_targets(every[target], field))))
    return found


def _targets(record: Record | None, field: str) -> list[str]:
    value = (record or {}).get(field) or []
    return [value] if isinstance(value, str) else value


def _creation(record: Record, now: str, by: str) -> list[Operation]:
    """Its creation and its closing, each at its own time, so that the history tells the same."""
    created = record.get("created_at") or now
    values: dict[str, Any] = dict.fromkeys(("reporter", "reporter_email", "branch", "commit"))
    values |= {k: record[k] for k in SCALARS if record.get(k) not in (None, "", [])}
    values["description"] = record.get("description", "")
    closing, until = [], created
    if finished(record):
        until = max(record.get("closed_at") or created, created)
        shut = {"status": values.pop("status")}
        note = record.get("close_reason", "")
        closing = [Operation("update", record["id"], values=shut, note=note, at=until, by=by)]
    stamps = [e.get("created_at") or "" for place in ENTRY_PLACES["ticket"].values() for e in record.get(place, [])]
    foreign = _foreign_text(record, created, until, max([until, *stamps]))
    extras = {**record.get("extras", {}), **({FOREIGN: foreign} if foreign else {})}
    if extras:
        values["extras"] = extras
    first = Operation(
        "create",
        record["id"],
        values=values,
        add={name: record[name] for name in SETS["ticket"] if record.get(name)},
        entries=_drafts(record, created),
        at=created,
        by=record.get("reporter") or by,
    )
    return [first, *closing]


def _foreign_text(record: Record, created: str, closed: str, until: str) -> str:
    """The extension as JSON, with the times that the board's history will not tell as they were."""
    foreign = {**record.get(EXTENSION, {})}
    told = {"created_at": created, "updated_at": until, "closed_at": closed if finished(record) else ""}
    wanted = {k: record.get(k) or "" for k in told}
    differing = {k: v for k, v in wanted.items() if v != told[k]}
    if differing:
        foreign[STAMPS] = {**differing, "until": until}
    return json.dumps(foreign, ensure_ascii=False, separators=(",", ":")) if foreign else ""


def _drafts(record: Record, created: str, after: int = 0) -> list[EntryDraft]:
    """Its entries. What one lacks is given here and noted, and entries of one moment are numbered to stay in order."""
    drafts = []
    for kind, place in ENTRY_PLACES["ticket"].items():
        for number, entry in enumerate(record.get(place, []), after + 1):
            values = {k: v for k, v in entry.items() if k != "id"}
            own = entry.get("id")
            usable = isinstance(own, str) and is_entry_id(own)
            lacking = [k for k in ("author", "created_at") if not values.get(k)] + ["id"] * (not usable)
            values["created_at"] = values.get("created_at") or created
            if lacking:
                values["extras"] = {ASSIGNED: ",".join(lacking)}
            drafts.append(EntryDraft(kind, values, own if usable else f"imported_{kind}_{number:04d}"))
    return drafts


def _difference(record: Record, mine: Record, by: str) -> Operation | None:
    """What an import changes of a ticket that is there: fields that say otherwise, members and entries that are new."""
    values = {k: record[k] for k in (*SCALARS, "description") if record.get(k) and record[k] != mine.get(k)}
    values.pop("reporter", None)
    values.pop("reporter_email", None)
    ext = {k: v for k, v in record.get(EXTENSION, {}).items() if k != UNRESOLVED}
    # A format that had to keep nothing says nothing about a ticket that was here before.
    if any(mine.get(EXTENSION, {}).get(k, {}) != v for k, v in ext.items()):
        foreign = {**mine.get(EXTENSION, {}), **record.get(EXTENSION, {})}
        values["extras"] = {FOREIGN: json.dumps(foreign, ensure_ascii=False, separators=(",", ":"))}
    add = {k: sorted({*record.get(k, [])} - {*mine.get(k, [])}) for k in SETS["ticket"]}
    remove = {k: sorted({*mine.get(k, [])} - {*record[k]}) for k in SETS["ticket"] if k in record}
    unresolved = record.get(EXTENSION, {}).get(UNRESOLVED, {})
    remove = {k: [t for t in v if t not in unresolved.get(k, [])] for k, v in remove.items()}
    here = max((len(mine.get(place, [])) for place in ENTRY_PLACES["ticket"].values()), default=0)
    drafts = [d for d in _drafts(record, record.get("created_at", ""), here) if not _has(mine, d)]
    add, remove = {k: v for k, v in add.items() if v}, {k: v for k, v in remove.items() if v}
    if not (values or add or remove or drafts):
        return None
    return Operation("update", record["id"], values=values, add=add, remove=remove, entries=drafts, by=by)


def _has(mine: Record, draft: EntryDraft) -> bool:
    """Whether a board's ticket has an entry already: by identifier, else by its words."""
    said = _words(draft.values)
    for entry in mine.get(ENTRY_PLACES["ticket"][draft.kind], []):
        if (draft.id is not None and entry.get("id") == draft.id) or _words(entry) == said:
            return True
    return False


def _words(entry: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("title", "text", "content", "description", "goal", "start_time")
    return tuple(re.sub(r"\s+", " ", str(entry.get(k) or "")).strip() for k in names)
