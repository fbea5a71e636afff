"""The service: everything that can be done with tickets, over whichever board."""

from __future__ import annotations

from fairlead.errors import InvalidInputError
from fairlead.store import ticket_sql as sql
from fairlead.tickets.fields import PRIORITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from fairlead.clock import Clock
    from fairlead.errors import FairleadError
    from fairlead.tickets.identifiers import Entropy
    from fairlead.tickets.model import BatchResult, Change, Entry, Thing, Ticket
    from fairlead.tickets.plan import Author, Outcome
    from fairlead.tickets.port import Operation
    from fairlead.tickets.state import State


class TicketService:
    """Tickets, epics, backlog items and their entries.

    ``author`` is called before each change and says on whose behalf it is made. ``cache`` keeps records between
    readings; ``after`` is called with the numbers of the events of each committed change (hooks, a bus).
    """

    def __init__(
        self,
        board: Any,
        *,
        clock: Clock,
        entropy: Entropy,
        author: Callable[[], Author],
        cache: Any = None,
        after: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        self.board = board
        self.clock = clock
        self.entropy = entropy
        self.author = author
        self.cache = cache
        self.after = after

    def close(self) -> None:
        if self.cache is not None:
            self.cache.close(self.board)
        self.board.close()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

    def resolve(self, text: str, kind: str | None = None, *, deleted: bool = False) -> str:
        """The identifier that a full one or a unique beginning stands for.

        :class:`NotFoundError` when there is none, :class:`InvalidInputError` when there are several.
        """
        from fairlead.tickets.resolving import pick

        text = text.strip()
        if not text:
            raise InvalidInputError("the identifier is empty.", remedy="Give one.", field="id")
        found = sql.resolve(self.board.rows, self.board.board, text, kind)
        alive = [row for row in found if not row[3]]
        return pick(text, alive or (found if deleted else []), kind)

    def get(self, id: str, kind: str | None = None) -> Thing:  # noqa: A002 - its name everywhere
        """The full record of a thing with its entries and the other ends of its links."""
        thing_id = id
        if self.cache is not None:
            kept = self.cache.get(self.board, thing_id)
            if kept is not None and kind in (None, kept[0]):
                record: Thing = kept[1]
                return record
        thing_id = self.resolve(id, kind, deleted=True)
        return self._load(thing_id, kind, id)

    def ticket(self, id: str) -> Ticket:  # noqa: A002
        """As :meth:`get` for a ticket."""
        found: Any = self.get(id, "ticket")
        ticket: Ticket = found
        return ticket

    def _load(self, thing_id: str, kind: str | None, asked: str) -> Thing:
        from fairlead.tickets.resolving import missing
        from fairlead.tickets.state import record_of

        keep = self.cache is not None and not self.board.alone
        state = self.cache.state(self.board, thing_id) if keep else self.board.state(thing_id)
        if state is None or (kind is not None and state.kind != kind):
            raise missing(asked, kind)
        blocks, children, members = sql.other_ends(self.board.rows, self.board.board, thing_id)
        record = record_of(state, blocks=blocks, children=children, members=members)
        if self.cache is not None:
            self.cache.put(self.board, thing_id, state.kind, record)
        return record

    def entries(self, id: str, kind: str | None = None) -> list[Entry]:  # noqa: A002
        """The entries of a thing in the order of time, of all kinds or of one."""
        return self.entries_of(self.resolve(id), kind)

    def entries_of(self, thing_id: str, kind: str | None = None) -> list[Entry]:
        """As :meth:`entries` for a full identifier, that of a deleted thing too."""
        from fairlead.tickets.resolving import missing
        from fairlead.tickets.state import entry_of

        state: State | None = self.board.state(thing_id)
        if state is None:
            raise missing(thing_id)
        return [entry_of(state.id, e) for e in state.entries if kind is None or e.kind == kind]

    def everything(self, kind: str | None = None, *, deleted: bool = False) -> Iterator[Thing]:
        """Full records of the whole board, in the order of their creation."""
        from fairlead.tickets.state import record_of

        rows = self.board.rows
        key = self.board.board
        filters = {"kind": kind} if kind else {}
        ids = [row["id"] for row in sql.find(rows, key, filters, sort="created")]
        if deleted:
            ids += [row["id"] for row in sql.find(rows, key, {**filters, "deleted": True}, sort="created")]
        blocks: dict[str, list[str]] = {}
        children: dict[str, list[str]] = {}
        members: dict[str, list[str]] = {}
        alive = set(ids)
        for node, other in sql.edges(rows, key):
            if node in alive:
                blocks.setdefault(other, []).append(node)
        for row in sql.find(rows, key, {}, sort="created"):
            if row["parent_id"]:
                children.setdefault(row["parent_id"], []).append(row["id"])
            if row["epic_id"] and row["kind"] == "ticket":
                members.setdefault(row["epic_id"], []).append(row["id"])
        for state in self.board.states(ids):
            yield record_of(
                state,
                blocks=sorted(blocks.get(state.id, ())),
                children=children.get(state.id, ()),
                members=members.get(state.id, ()),
            )

    def rows(
        self,
        kind: str | None = "ticket",
        *,
        sort: str = "priority",
        reverse: bool = False,
        limit: int | None = None,
        offset: int = 0,
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """Lean rows straight from the index; filters are those of :func:`fairlead.store.ticket_sql.conditions`."""
        if sort not in sql.SORTS:
            raise InvalidInputError(f"sort {sort!r} is unknown.", remedy=f"Use {', '.join(sql.SORTS)}.", field="sort")
        found = sql.find(
            self.board.rows,
            self.board.board,
            {**filters, "kind": kind},
            sort=sort,
            reverse=reverse,
            limit=limit,
            offset=offset,
        )
        return [_shown(row) for row in found]

    def count(self, kind: str | None = "ticket", **filters: Any) -> int:
        return sql.count(self.board.rows, self.board.board, {**filters, "kind": kind})

    def search(
        self, text: str, kind: str | None = None, *, limit: int = 20, offset: int = 0, **filters: Any
    ) -> list[dict[str, Any]]:
        """Things whose title, body, entries or labels have the words, best first, with ``score`` and ``snippet``.

        ``"exact phrase"`` and ``pre*`` work; all words must occur, unless nothing has them all.
        """
        from fairlead.store.ticket_index import full_text_query, search

        self.board.refresh()
        where, values = sql.conditions(self.board.board, {**filters, "kind": kind})
        for any_term in (False, True):
            expression = full_text_query(text, any_term=any_term)
            if not expression:
                raise InvalidInputError(
                    f"{text!r} has no word to search for.", remedy="Give at least one word.", field="text", value=text
                )
            found = search(self.board.rows, expression, where, values, limit=limit, offset=offset)
            if found or offset:
                break
        rows = []
        for row in found:
            lean = dict(zip(sql.COLUMNS, row, strict=False))
            lean["score"], lean["snippet"] = round(row[-2], 3), row[-1]
            rows.append(lean)
        return [_shown(row) for row in sql.with_labels(self.board.rows, self.board.board, rows)]

    def ready(self, *, limit: int | None = None, claimed: bool = False, **filters: Any) -> list[dict[str, Any]]:
        """Open tickets that nothing unfinished blocks and nobody holds: most urgent first, then those that free most
        other work, then the oldest. With ``claimed`` those that somebody holds too."""
        held = {} if claimed else self.board.claims(self.clock.now())
        rows = self.rows(
            "ticket",
            sort="ready",
            ready=True,
            limit=None if limit is None else limit + len(held),
            **filters,
        )
        return [row for row in rows if row["id"] not in held][:limit]

    def blocked(self, *, limit: int | None = None, **filters: Any) -> list[dict[str, Any]]:
        """Unfinished tickets that something unfinished blocks, or that say so themselves, with ``waiting_for``."""
        rows = self.rows("ticket", blocked=True, limit=limit, **filters)
        waiting = sql.blockers(self.board.rows, self.board.board, [row["id"] for row in rows])
        return [{**row, "waiting_for": waiting.get(row["id"], [])} for row in rows]

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong on the board, as (thing or empty, ``file:line: what``)."""
        found: list[tuple[str, str]] = self.board.problems()
        return found

    def history(self, id: str | None = None, *, since: str | None = None, limit: int = 100) -> list[Change]:  # noqa: A002
        """Changes of a thing (deleted ones too) or of the whole board, newest first."""
        from fairlead.tickets.reading import change_of

        thing_id = None if id is None else self.resolve(id, deleted=True)
        found = sql.changes(self.board.rows, self.board.board, thing_id, since, limit)
        return [change_of((change_id, "", text), thing) for change_id, thing, text in found]

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────

    def create(
        self,
        kind: str,
        values: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002
        add: Mapping[str, Sequence[str]] | None = None,
        entries: Sequence[Any] = (),
    ) -> Thing:
        """A new thing; its identifier is generated unless given."""
        from fairlead.tickets.port import Operation

        operation = Operation("create", id, kind, values, add or {}, entries=entries)
        outcome = self.carry_out([operation])
        return self._load(outcome.created[0], None, outcome.created[0])

    def update(
        self,
        id: str,  # noqa: A002
        values: Mapping[str, Any] | None = None,
        *,
        add: Mapping[str, Sequence[str]] | None = None,
        remove: Mapping[str, Sequence[str]] | None = None,
        entries: Sequence[Any] = (),
        entry_values: Mapping[str, Mapping[str, Any]] | None = None,
        note: str = "",
        if_match: str | None = None,
    ) -> Thing:
        """Changes fields, sets and entries of a thing in one go."""
        from fairlead.tickets.port import Operation

        operation = Operation(
            "update",
            id,
            values=values or {},
            add=add or {},
            remove=remove or {},
            entries=entries,
            entry_values=entry_values or {},
            note=note,
            if_match=if_match,
        )
        return self._changed(operation)

    def add_entry(self, id: str, kind: str, **values: Any) -> Entry:  # noqa: A002
        """Adds a comment, journal entry, requirement, ... and returns it."""
        from fairlead.tickets.identifiers import new_entry_id
        from fairlead.tickets.port import EntryDraft, Operation
        from fairlead.tickets.state import entry_of

        entry_id = new_entry_id(self.entropy)
        outcome = self.carry_out([Operation("update", id, entries=[EntryDraft(kind, values, entry_id)])])
        state = self.board.state(outcome.touched[0])
        return entry_of(state.id, next(e for e in state.entries if e.id == entry_id))

    def update_entry(self, id: str, entry_id: str, **values: Any) -> Entry:  # noqa: A002
        """Changes fields of an entry and returns it."""
        from fairlead.tickets.port import Operation
        from fairlead.tickets.state import entry_of

        outcome = self.carry_out([Operation("update", id, entry_values={entry_id: values})])
        state = self.board.state(outcome.touched[0])
        return entry_of(state.id, next(e for e in state.entries if e.id.startswith(entry_id)))

    def delete(self, id: str, *, note: str = "", if_match: str | None = None) -> Thing:  # noqa: A002
        """Deletes a thing: it is listed no more, its identifier stays taken, and it can be restored."""
        from fairlead.tickets.port import Operation

        return self._changed(Operation("delete", id, note=note, if_match=if_match))

    def restore(self, id: str) -> Thing:  # noqa: A002
        """Takes a deletion back."""
        from fairlead.tickets.port import Operation

        return self._changed(Operation("restore", id))

    def apply(
        self, plan: Sequence[Operation], *, atomic: bool = True, dry_run: bool = False, dangling: bool = False
    ) -> BatchResult:
        """Carries out a plan in one transaction.

        With ``atomic`` one refused item refuses all, and the result has the error of each refused item and no
        identifier. Without it the rest is done and ``success`` is false all the same. ``dry_run`` says what would
        happen and writes nothing.
        """
        from fairlead.tickets.outcomes import BatchResult
        from fairlead.tickets.plan import PlanError

        start = self.clock.monotonic()
        try:
            outcome = self._carry_out(plan, atomic=atomic, dry_run=dry_run, dangling=dangling)
            rolled_back = False
        except PlanError as exc:
            outcome, rolled_back = exc.outcome, True
        kept = not rolled_back
        return BatchResult(
            success=not outcome.errors,
            operations_executed=outcome.executed if kept else 0,
            operations_failed=len(outcome.errors),
            created_ids=tuple(outcome.created) if kept else (),
            updated_ids=tuple(dict.fromkeys(outcome.updated)) if kept else (),
            deleted_ids=tuple(dict.fromkeys(outcome.deleted)) if kept else (),
            errors=tuple(_error(item, operation, exc) for item, operation, exc in outcome.errors),
            duration_ms=round((self.clock.monotonic() - start) * 1000, 3),
            rolled_back=rolled_back,
        )

    def undo(self, id: str, change_id: str | None = None) -> Thing:  # noqa: A002
        """Takes back a change (the latest one by default) where its values still stand; the undoing is a change too."""
        from fairlead.tickets.history import undoing

        return self._changed(undoing(self, id, change_id))

    def announce(self, type_: str, subject: str, data: Mapping[str, Any]) -> None:
        """Adds an event that no field change implies, such as ``agent.task.started`` or ``sprint.started``."""
        import json

        from fairlead.events import draft

        author = self.author()
        event = draft(type_, "", subject, dict(data), source="service", cause=author.name, time=self.clock.now())
        text = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"), default=str)
        row = (event.id, type_, subject, text, event.source, event.cause, event.time)
        self._told(self.board.shared.add_events([row]))

    # ── carrying out ─────────────────────────────────────────────────────────────────────────────────────────

    def carry_out(self, plan: Sequence[Operation], *, dry_run: bool = False) -> Outcome:
        """As :meth:`apply` for a plan that is one thing to its caller: all of it is done, or it fails with the first
        item's own error, whose branch of the tree says what to do next."""
        from fairlead.tickets.plan import PlanError

        try:
            return self._carry_out(plan, dry_run=dry_run)
        except PlanError as exc:
            raise exc.outcome.errors[0][2] from None

    def _changed(self, operation: Operation) -> Thing:
        outcome = self.carry_out([operation])
        return self._load(outcome.touched[0], None, outcome.touched[0])

    def _carry_out(
        self, plan: Sequence[Operation], *, atomic: bool = True, dry_run: bool = False, dangling: bool = False
    ) -> Outcome:
        from fairlead.tickets.identifiers import new_entry_id
        from fairlead.tickets.plan import Planner

        author = self.author()
        batch = new_entry_id(self.entropy) if len(plan) > 1 else None
        sessions: list[Any] = []

        def unit(session: Any) -> Outcome:
            planner = Planner(session, author, self.entropy, batch=batch, dangling=dangling)
            outcome = planner.run(plan, atomic=atomic)
            if dry_run:
                session.forget()
            sessions.append(session)
            return outcome

        outcome: Outcome = self.board.transact(unit)
        self._told(sessions[-1].told)
        return outcome

    def _told(self, numbers: Sequence[int]) -> None:
        if self.after is not None and numbers:
            self.after(numbers)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """An index row as a caller sees it: words for ranks, no columns of the machinery."""
    rank = row["priority"]
    row["priority"] = PRIORITIES[rank] if isinstance(rank, int) and rank < len(PRIORITIES) else None
    return row


def _error(item: int, operation: Operation, exc: FairleadError) -> dict[str, Any]:
    return {
        "item": item,
        "id": operation.id,
        "action": operation.action,
        "code": type(exc).__name__,
        "error": exc.message,
        "remedy": exc.remedy,
        "fields": exc.fields,
    }
