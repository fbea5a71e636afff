"""A session: what a unit of work reads and puts while nobody else writes. The same for both boards but for how a thing
is found and what is written for it."""

from __future__ import annotations

from fairlead.errors import InvalidInputError
from fairlead.store import ticket_sql as sql
from fairlead.tickets import change as records
from fairlead.tickets import layout
from fairlead.tickets.reading import creation_record, entry_record, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fairlead.tickets.outcomes import Change
    from fairlead.tickets.reading import Reading, Record
    from fairlead.tickets.state import State


class Session:
    """Things as they stand, with what this unit has put. ``rows`` asks the board's tables."""

    def __init__(self, rows: Callable[..., list[tuple[Any, ...]]], board: str) -> None:
        self.rows = rows
        self._board = board
        self.readings: dict[str, Reading] = {}
        self.new_records: dict[str, list[Record]] = {}
        self.created: set[str] = set()
        self.told: list[int] = []
        self._found: dict[str, Reading] = {}

    # ── what a board's session says for itself ───────────────────────────────────────────────────────────────

    def _taken(self, thing_id: str) -> bool:
        """Whether what is stored has the identifier."""
        raise NotImplementedError

    def _read(self, thing_id: str) -> Reading | None:
        """A thing as it is stored."""
        raise NotImplementedError

    def _made(self, state: State, history: list[Record]) -> Reading:
        """The reading of a new thing."""
        raise NotImplementedError

    def _changed(self, reading: Reading, new: State, change: Change | None, history: list[Record]) -> Reading:
        """The reading of a thing after a change."""
        raise NotImplementedError

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────

    def count(self) -> int:
        return sql.total(self.rows, self._board)

    def exists(self, thing_id: str) -> bool:
        """Whether an identifier is taken, also by a deleted thing or by a file that cannot be read."""
        return thing_id in self.readings or self._taken(thing_id)

    def kind_of(self, thing_id: str) -> str | None:
        """The kind of a thing that is not deleted, or None."""
        if thing_id in self.readings:
            state = self.readings[thing_id].state
            return None if state.deleted else state.kind
        statement = "SELECT kind FROM tk_things WHERE board = ? AND id = ? AND deleted = 0"
        found = self.rows(statement, (self._board, thing_id))
        return found[0][0] if found else None

    def resolve(self, prefix: str) -> list[tuple[str, str, str, int]]:
        return sql.resolve(self.rows, self._board, prefix, None)

    def edges(self, type_: str) -> list[tuple[str, str]]:
        return sql.edges(self.rows, self._board, type_)

    def state(self, thing_id: str) -> State | None:
        if thing_id in self.readings:
            return self.readings[thing_id].state
        reading = self._read(thing_id)
        if reading is None:
            return None
        self._found[thing_id] = reading
        return reading.state

    # ── putting ──────────────────────────────────────────────────────────────────────────────────────────────

    def create(self, state: State) -> None:
        """Puts a new thing."""
        check_labels(state)
        new = [creation_record(state.id, state.kind, state.values), *(entry_record(e) for e in state.entries)]
        self._put(self._made(state, new), new)
        self.created.add(state.id)

    def change(self, old: State, new: State, change: Change | None) -> None:
        """Puts a changed thing; ``old`` is what :meth:`state` gave."""
        check_labels(new)
        reading = self.readings.get(old.id) or self._found[old.id]
        had = {entry.id for entry in reading.state.entries}
        added = [entry_record(entry) for entry in new.entries if entry.id not in had]
        if change is not None:
            added.append((change.id, change.at, records.render(change)))
        self._put(self._changed(reading, new, change, [*reading.records, *added]), added)

    def _put(self, reading: Reading, new: list[Record]) -> None:
        settle(reading)
        self.readings[reading.state.id] = reading
        self.new_records.setdefault(reading.state.id, []).extend(new)

    def forget(self) -> None:
        """Drops everything that was put, as a dry run does."""
        self.readings.clear()


def check_labels(state: State) -> None:
    """:class:`InvalidInputError` for a label that cannot be a file's name."""
    for label in state.sets.get("labels", ()):
        short = label.strip() and len(label) <= layout.MOST_LABEL and len(layout.encode(label)) <= 200
        if not short or not label.isprintable():
            raise InvalidInputError(
                f"label {label[:60]!r} cannot be used.",
                remedy=f"Use 1 to {layout.MOST_LABEL} printable characters.",
                field="labels",
                value=label,
            )
