"""A plan of operations carried out on a session: one transaction, one check for cycles, errors named by item.

Everything a service writes is a plan, a single change as well as a batch of thousands.
"""

from __future__ import annotations

from fairlead.errors import ConflictError, FairleadError, InvalidInputError, NotFoundError, RefusedError
from fairlead.tickets import layout
from fairlead.tickets.fields import BODIES, ENTRIES, SETS, THINGS, field_of, read_priority, read_status
from fairlead.tickets.graph import refuse_cycle
from fairlead.tickets.identifiers import new_entry_id, new_thing_id
from fairlead.tickets.outcomes import Change
from fairlead.tickets.resolving import missing, pick
from fairlead.tickets.state import EntryState, State, checked, defaults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from fairlead.tickets.identifiers import Entropy
    from fairlead.tickets.port import EntryDraft, Operation

LINKS = ("blocked_by", "related_to", "discovered_from")
_REFERENCES = ("epic_id", "parent_ticket_id", "ticket_id")


class Author:
    """On whose behalf and where a change is made: it goes into the record of the change."""

    __slots__ = ("at", "branch", "commit", "email", "name")

    def __init__(
        self, name: str, at: str, *, email: str | None = None, branch: str | None = None, commit: str | None = None
    ) -> None:
        self.name = name
        self.at = at
        self.email = email
        self.branch = branch
        self.commit = commit


class Outcome:
    """What carrying out a plan brought: identifiers by action, and (item, error) of what was refused."""

    __slots__ = ("created", "deleted", "errors", "executed", "names", "touched", "updated")

    def __init__(self) -> None:
        self.created: list[str] = []
        self.updated: list[str] = []
        self.deleted: list[str] = []
        self.touched: list[str] = []
        self.errors: list[tuple[int, Operation, FairleadError]] = []
        self.names: dict[str, str] = {}
        self.executed = 0


class PlanError(RefusedError):
    """Items of an all-or-nothing plan were refused, so nothing was done. ``outcome.errors`` has each."""

    def __init__(self, outcome: Outcome) -> None:
        first = outcome.errors[0][2]
        super().__init__(first.message, remedy=first.remedy, **first.fields)
        self.outcome = outcome


class Planner:
    """Carries out operations on one session.

    ``dangling`` lets links lead to things that are not on this board, as imports of other trackers' boards need.
    """

    def __init__(self, session: Any, author: Author, entropy: Entropy, *, batch: str | None, dangling: bool) -> None:
        self.session = session
        self.author = author
        self.entropy = entropy
        self.batch = batch
        self.dangling = dangling
        self.outcome = Outcome()
        self._count: int | None = None
        self._linked: dict[str, set[str]] = {"blocked_by": set(), "parent": set()}

    def run(self, operations: Sequence[Operation], *, atomic: bool) -> Outcome:
        """All operations in order. With ``atomic`` every item is looked at and :class:`PlanError` raised when one was
        refused; without it the others are done."""
        outcome = self.outcome
        for item, operation in enumerate(operations):
            try:
                self._one(operation)
                if not atomic:
                    self._check_cycles()
                outcome.executed += 1
            except FairleadError as exc:
                outcome.errors.append((item, operation, exc))
        if atomic and not outcome.errors:
            try:
                self._check_cycles()
            except FairleadError as exc:
                outcome.errors.append((len(operations) - 1, operations[-1], exc))
        if atomic and outcome.errors:
            raise PlanError(outcome)
        return outcome

    def _one(self, operation: Operation) -> None:
        match operation.action:
            case "create":
                self._create(operation)
            case "update" | "undo":
                self._update(operation)
            case "delete" | "restore":
                self._delete(operation, operation.action == "delete")
            case _:
                raise InvalidInputError(
                    f"action {operation.action!r} is unknown.",
                    remedy="Use create, update, delete or restore.",
                    field="action",
                    value=operation.action,
                )

    # ── creating ─────────────────────────────────────────────────────────────────────────────────────────────

    def _create(self, operation: Operation) -> None:
        kind = operation.kind
        if kind not in THINGS:
            raise InvalidInputError(f"kind {kind!r} is unknown.", remedy=f"Use {', '.join(THINGS)}.", field="kind")
        values = defaults(kind)
        given = dict(operation.values)
        extras = _extras(given.pop("extras", None))
        values.update(self._checked(kind, given))
        if not values.get("title"):
            raise InvalidInputError("title is missing.", remedy="Give the new thing a title.", field="title")
        author = self.author
        for name, value in (
            ("reporter", operation.by or author.name),
            ("reporter_email", None if operation.by else author.email),
            ("created_at", operation.at or author.at),
            ("branch", author.branch),
            ("commit", author.commit),
        ):
            if name in values and values[name] is None and name not in given:
                values[name] = value
        state = State(kind, self._new_id(operation), values)
        state.extras = extras
        state.sets = self._sets(state, operation.add, {})
        state.entries = tuple(self._entry(kind, draft, operation) for draft in operation.entries)
        self._note_links(state, {}, None)
        self.session.create(state)
        self.outcome.created.append(state.id)
        self.outcome.touched.append(state.id)

    def _new_id(self, operation: Operation) -> str:
        wanted = operation.id
        if wanted is None or wanted.startswith("$"):
            if self._count is None:
                self._count = self.session.count()
            made = new_thing_id(self._count, self.session.exists, self.entropy)
            self._count += 1
            if wanted is not None:
                if wanted in self.outcome.names:
                    raise InvalidInputError(f"{wanted} is given twice.", remedy="Name each creation once.", field="id")
                self.outcome.names[wanted] = made
            return made
        if not layout.is_thing_id(wanted):
            raise InvalidInputError(
                f"identifier {wanted!r} cannot be used.",
                remedy="Use 1 to 64 letters, digits, dots, dashes or underscores.",
                field="id",
                value=wanted,
            )
        if self.session.exists(wanted):
            raise ConflictError(f"{wanted} exists already.", remedy="Update it, or leave the id out.", id=wanted)
        return wanted

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────

    def _update(self, operation: Operation) -> None:
        old = self._found(operation)
        new = _copy(old)
        given = dict(operation.values)
        if "extras" in given:
            new.extras = {**old.extras, **_extras(given.pop("extras"))}
        new.values = {**old.values, **self._checked(old.kind, given)}
        new.sets = self._sets(old, operation.add, operation.remove)
        new.entries = self._entries(old, operation)
        self._note_links(new, old.values, old)
        self._change(old, new, operation, operation.action)
        self.outcome.updated.append(old.id)

    def _delete(self, operation: Operation, gone: bool) -> None:
        old = self._found(operation, deleted=not gone)
        new = _copy(old)
        new.deleted = gone
        self._change(old, new, operation, operation.action)
        (self.outcome.deleted if gone else self.outcome.updated).append(old.id)

    def _change(self, old: State, new: State, operation: Operation, action: str) -> None:
        from fairlead.tickets.changing import edits_between

        edits = tuple(edits_between(old, new))
        added = len(new.entries) > len(old.entries)
        self.outcome.touched.append(old.id)
        if not edits and not added and new.extras == old.extras:
            return
        change = None
        if edits or operation.note:
            change = Change(
                id=new_entry_id(self.entropy),
                thing_id=old.id,
                at=operation.at or self._after(old.touched),
                by=operation.by or self.author.name,
                action=action,
                edits=edits,
                note=operation.note,
                batch=self.batch,
                branch=self.author.branch,
            )
        self.session.change(old, new, change)

    def _after(self, touched: str | None) -> str:
        """Now, or a moment after the thing's latest change when that is not past yet: two changes within one
        millisecond, or by machines whose clocks differ, keep their order in the history."""
        if touched is None or touched < self.author.at:
            return self.author.at
        from fairlead.clock import isoformat
        from fairlead.tickets.stream import seconds

        return isoformat(seconds(touched) + 0.001)

    def _found(self, operation: Operation, *, deleted: bool = False) -> State:
        if not operation.id:
            raise InvalidInputError("id is missing.", remedy="Say which thing is meant.", field="id")
        thing_id = self.reference(operation.id, deleted=deleted)
        state: State | None = self.session.state(thing_id)
        if state is None or state.deleted != deleted:
            raise missing(operation.id)
        if operation.if_match is not None and operation.if_match != state.revision:
            raise ConflictError(
                f"{state.id} is at revision {state.revision}, not {operation.if_match}: somebody changed it.",
                remedy="Read it again and repeat the change.",
                id=state.id,
                revision=state.revision,
            )
        return state

    def reference(self, text: str, *, deleted: bool = False) -> str:
        """The identifier that a full one, a unique beginning or a temporary name stands for."""
        text = text.strip()
        if text.startswith("$"):
            if text not in self.outcome.names:
                raise NotFoundError(f"{text} names nothing created before it.", remedy="Create it first.", id=text)
            return self.outcome.names[text]
        if text in self.session.readings or not text:
            return text
        found = [row for row in self.session.resolve(text) if bool(row[3]) == deleted or row[0] == text]
        return pick(text, found)

    # ── parts of a thing ─────────────────────────────────────────────────────────────────────────────────────

    def _checked(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        for name, value in given.items():
            if value is not None and name == "priority" and field_of(kind, name):
                value = read_priority(str(value))
            elif value is not None and name == "status" and kind in THINGS:
                value = read_status(str(value), kind)
            value = checked(kind, name, value)
            if name in _REFERENCES and value is not None:
                value = self._link(value)
            values[name] = value
        return values

    def _link(self, text: str) -> str:
        try:
            thing_id = self.reference(text)
            if self.session.kind_of(thing_id) is None:
                raise missing(text)
        except NotFoundError:
            if not self.dangling or not layout.is_thing_id(text):
                raise
            return text
        return thing_id

    def _sets(
        self, old: State, add: Mapping[str, Sequence[str]], remove: Mapping[str, Sequence[str]]
    ) -> dict[str, tuple[str, ...]]:
        sets = {name: set(members) for name, members in old.sets.items()}
        for name in {*add, *remove}:
            if name not in SETS[old.kind]:
                raise InvalidInputError(
                    f"{old.kind} has no set {name!r}.", remedy=f"Known: {', '.join(SETS[old.kind])}.", field=name
                )
            members = sets.setdefault(name, set())
            for member in remove.get(name, ()):
                members.discard(member.strip() if name == "labels" else self._known_member(member, members))
            for member in add.get(name, ()):
                members.add(_label(member) if name == "labels" else self._link(member))
            if name in LINKS and old.id in members:
                raise InvalidInputError(f"{old.id} cannot be linked to itself.", remedy="Name another.", field=name)
        return {name: tuple(sorted(members)) for name, members in sets.items() if members}

    def _known_member(self, text: str, members: set[str]) -> str:
        """A link to be removed may lead to something that is gone, so it is looked for among the links first."""
        text = text.strip()
        if text in members:
            return text
        near = [m for m in members if m.startswith(text)]
        return near[0] if len(near) == 1 else self.reference(text)

    def _entries(self, old: State, operation: Operation) -> tuple[EntryState, ...]:
        entries = list(old.entries)
        for entry_id, given in operation.entry_values.items():
            matches = [n for n, e in enumerate(entries) if e.id == entry_id or e.id.startswith(entry_id)]
            if len(matches) != 1:
                why = "is not unique" if matches else "was not found"
                raise NotFoundError(f"{old.id} entry {entry_id!r} {why}.", remedy="Give its identifier.", id=entry_id)
            entry = entries[matches[0]]
            changed = {name: checked(entry.kind, name, value) for name, value in given.items()}
            entries[matches[0]] = EntryState(
                entry.kind, entry.id, {**entry.values, **changed}, entry.extras, entry.version
            )
        entries += [self._entry(old.kind, draft, operation) for draft in operation.entries]
        return tuple(entries)

    def _entry(self, kind: str, draft: EntryDraft, operation: Operation) -> EntryState:
        if draft.kind not in ENTRIES:
            raise InvalidInputError(f"{draft.kind!r} is no kind of entry.", remedy=f"Use {', '.join(ENTRIES)}.")
        entry_id = draft.id or new_entry_id(self.entropy)
        if not layout.is_entry_id(entry_id):
            raise InvalidInputError(f"entry identifier {entry_id!r} cannot be used.", field="id", value=entry_id)
        given = dict(draft.values)
        extras = _extras(given.pop("extras", None))
        values = defaults(draft.kind)
        values.update({name: checked(draft.kind, name, value) for name, value in given.items() if value is not None})
        values["author"] = values["author"] or operation.by or self.author.name
        values["created_at"] = values["created_at"] or operation.at or self.author.at
        if draft.kind in ("comment", "goal", "criterion") and not values[BODIES[draft.kind]].strip():
            raise InvalidInputError(f"the {draft.kind} is empty.", remedy="Give its text.", field="text")
        return EntryState(draft.kind, entry_id, values, extras)

    # ── cycles ───────────────────────────────────────────────────────────────────────────────────────────────

    def _note_links(self, new: State, before: Mapping[str, Any], old: State | None) -> None:
        had = set(old.sets.get("blocked_by", ())) if old else set()
        if set(new.sets.get("blocked_by", ())) - had:
            self._linked["blocked_by"].add(new.id)
        parent = new.values.get("parent_ticket_id")
        if parent and parent != before.get("parent_ticket_id"):
            self._linked["parent"].add(new.id)

    def _check_cycles(self) -> None:
        for type_, starts in self._linked.items():
            if starts:
                refuse_cycle(type_, self._edges(type_), sorted(starts))
                starts.clear()

    def _edges(self, type_: str) -> Iterable[tuple[str, str]]:
        """All edges of a type as they will be."""
        changed = self.session.readings
        for node, other in self.session.edges(type_):
            if node not in changed:
                yield node, other
        for reading in changed.values():
            state = reading.state
            if type_ == "blocked_by":
                for other in state.sets.get("blocked_by", ()):
                    yield state.id, other
            elif state.values.get("parent_ticket_id"):
                yield state.id, state.values["parent_ticket_id"]


def _label(text: str) -> str:
    return " ".join(text.split())


def _extras(given: Any) -> dict[str, str]:
    """Fields that Fairlead does not know, kept with the thing. Names must be words, values are text."""
    extras = {}
    for name, value in (given or {}).items():
        if not name.isidentifier() or not name.isascii():
            raise InvalidInputError(
                f"extra field {name!r} is not a word.", remedy="Use letters and underscores.", field=name
            )
        if value is not None:
            extras[name] = str(value)
    return extras


def _copy(old: State) -> State:
    new = State(old.kind, old.id, old.values)
    new.sets, new.entries, new.extras = old.sets, old.entries, old.extras
    new.deleted, new.version = old.deleted, old.version
    return new
