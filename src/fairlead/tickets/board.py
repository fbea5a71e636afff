"""The board of files: one truth under ``.tickets/``, an index that follows it, and writes that are whole.

Reading first asks the index whether the files still look as they did. The folder's own time of change, the version
control system's files and an unfinished write are looked at every time; all files of a board are looked at unless
that would take long and was done a moment ago (see :meth:`FileBoard.refresh`).
"""

from __future__ import annotations

import os

from fairlead.errors import NotInitialisedError, StoreFullError, UnavailableError
from fairlead.store.ticket_index import BOARD, SCHEMA, TicketIndex
from fairlead.tickets import intents, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from fairlead.clock import Clock
    from fairlead.store.ticket_state import Claim, TicketState
    from fairlead.tickets.file_session import FileSession
    from fairlead.tickets.place import Place
    from fairlead.tickets.reading import Reading, Record
    from fairlead.tickets.state import State

    T = TypeVar("T")

_QUICK = 0.005
"""Seconds: a look at all files that takes no longer is taken by every reading."""

_SHARE = 20
"""A slower look is repeated once this many times its own duration has passed, so it costs at most a twentieth."""

_STRAYS = frozenset({"README.md", "settings.txt", "hooks"})


class FileBoard:
    """A board in a working tree.

    Not for use by several threads at once: a server gives each thread its own. Files are opened when first needed.
    """

    def __init__(self, place: Place, clock: Clock) -> None:
        self.place = place
        self.clock = clock
        self.board = BOARD
        self._index: TicketIndex | None = None
        self._state: TicketState | None = None
        self.alone = False
        self.written = 0

    def close(self) -> None:
        for part in (self._index, self._state):
            if part is not None:
                part.close()
        self._index = self._state = None

    @property
    def index(self) -> TicketIndex:
        """The index as it is, without a look at the files."""
        if self._index is None:
            self._index = TicketIndex(os.path.join(self.place.own, f"index-{SCHEMA}.db"))
        return self._index

    @property
    def shared(self) -> TicketState:
        """Claims, events and counters of the clone."""
        if self._state is None:
            from fairlead.store.ticket_state import TicketState

            self._state = TicketState(os.path.join(self.place.shared, "tickets.db"))
        return self._state

    def claims(self, now: float) -> dict[str, Claim]:
        """The claims that hold. A clone that cannot be written has none, and reading goes on."""
        try:
            return self.shared.claims(now)
        except (StoreFullError, UnavailableError):
            return {}

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A question to the index after it was brought up to date."""
        self.refresh()
        return self.index.rows(statement, parameters)

    # ── following the files ──────────────────────────────────────────────────────────────────────────────────

    def refresh(self, *, force: bool = False) -> int:
        """Brings the index up to date with the files and returns how many things had changed.

        Names that came or went, moves of the version control system and unfinished writes are seen at once. A file
        that an editor overwrote in place (most write a new one) is seen at once on boards of up to about 2,000
        things, and after at most twenty times the duration of a look on larger ones: half a second at 10,000.
        """
        index = self.index
        folder, signs, looked, cost = index.meta("folder", "signs", "looked", "cost")
        here = self._folder_time()
        now = self.clock.now()
        unfinished = os.path.exists(os.path.join(self.place.own, "pending"))
        if folder is None:
            return self._build()
        moved = self._signs()
        settled = folder == here and signs == moved and not unfinished
        if settled and not force and cost > _QUICK and 0 <= now - looked < _SHARE * cost:
            return 0
        return self._look(here, moved, force=force or unfinished)

    def rebuild(self) -> int:
        """Builds the index anew from the files and returns how many things there are."""
        return self._build()

    def _folder_time(self) -> int:
        try:
            return os.stat(self.place.tickets).st_mtime_ns
        except FileNotFoundError:
            raise NotInitialisedError(
                f"{self.place.tickets} is gone.",
                remedy="Run `fairlead ticket init`, or check out a branch that has it.",
            ) from None

    def _signs(self) -> str:
        times = []
        for path in self.place.signs:
            try:
                times.append(os.stat(path).st_mtime_ns)
            except OSError:
                times.append(0)
        return repr(times)

    def _stats(self) -> tuple[dict[str, os.stat_result], int]:
        """The stat of every name in the folder, and a sum over them that changes when any of them does."""
        tickets = self.place.tickets
        found: dict[str, os.stat_result] = {}
        total = 0
        lstat = os.lstat
        prefix = tickets + os.sep
        for name in os.listdir(tickets):
            if name[0] == ".":
                continue
            try:
                stat = found[name] = lstat(prefix + name)
            except FileNotFoundError:
                continue
            total += _mark(name, stat)
        return found, total & 0x7FFFFFFFFFFFFFFF

    def _look(self, here: int, moved: str, *, force: bool) -> int:
        index = self.index
        start = self.clock.monotonic()
        stats, total = self._stats()
        cost = self.clock.monotonic() - start
        (known_total,) = index.meta("total")
        changed = 0
        if force or total != known_total:
            with self._steady():
                overlay = intents.pending(self.place.own)
                again = self._folder_time()
                if again != here:
                    # A writer was at work during the look.
                    here = again
                    stats, total = self._stats()
                changed = self._follow(stats, total, overlay, here, moved, cost)
        elif cost > _QUICK or moved != index.meta("signs")[0] or here != index.meta("folder")[0]:
            self._note(folder=here, signs=moved, looked=self.clock.now(), cost=cost)
        return changed

    def _note(self, **values: Any) -> None:
        index = self.index
        try:
            with index.writing():
                index.set_meta(**values)
        except (StoreFullError, UnavailableError):
            # Only a note of when was looked last: without it the next reading looks again.
            return

    def _follow(
        self,
        stats: dict[str, os.stat_result],
        total: int,
        overlay: Mapping[str, bytes | None],
        here: int,
        moved: str,
        cost: float,
    ) -> int:
        """Reads what changed and puts it into the index."""
        from fairlead.tickets.reading import indexed

        index = self.index
        with index.writing():
            known = index.known()
            changed, gone = _compare(stats, known, overlay)
            before = self._records_of(changed)
            readings = self._read(changed, overlay)
            missing = [thing_id for thing_id in changed if thing_id not in readings and thing_id in known]
            index.drop([*gone, *missing])
            index.put(indexed(r) for r in readings.values())
            self._strays(stats)
            total = total if _is_settled(readings, overlay) else -1
            index.set_meta(folder=here, signs=moved, looked=self.clock.now(), cost=cost, total=total)
            self._tell_found(readings, before, known)
        return len(readings) + len(gone) + len(missing)

    def _build(self) -> int:
        import gc

        # Thousands of records that live until the end make the collector go through them again and again.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self._built()
        finally:
            if collecting:
                gc.enable()

    def _built(self) -> int:
        from fairlead.tickets.reading import indexed

        index = self.index
        start = self.clock.monotonic()
        with self._steady():
            here, moved = self._folder_time(), self._signs()
            overlay = intents.pending(self.place.own)
            stats, total = self._stats()
            cost = self.clock.monotonic() - start
            with index.writing():
                index.empty()
                changed, _ = _compare(stats, {}, overlay)
                readings = self._read(changed, overlay)
                in_order = sorted(readings.values(), key=lambda r: r.state.values.get("created_at") or "")
                index.put((indexed(r) for r in in_order), new=True)
                self._strays(stats)
                total = total if _is_settled(readings, overlay) else -1
                index.set_meta(folder=here, signs=moved, looked=self.clock.now(), cost=cost, total=total)
                self._tell_found(readings, {}, {})
        return len(readings)

    def _read(self, ids: Iterable[str], overlay: Mapping[str, bytes | None]) -> dict[str, Reading]:
        from fairlead.tickets.reading import read_thing

        now_ns = int(self.clock.now() * 1e9)
        tickets = self.place.tickets
        found = {}
        for thing_id in ids:
            reading = read_thing(tickets, thing_id, overlay, now_ns)
            if reading is not None:
                found[thing_id] = reading
        return found

    def _strays(self, stats: Mapping[str, Any]) -> None:
        """Notes names that cannot be those of a thing; they are loud in every listing's problems."""
        index = self.index
        index.execute("DELETE FROM problems WHERE id = ''")
        for name in stats:
            if name in _STRAYS:
                continue
            thing_id = name.removesuffix(".md")
            if not layout.is_thing_id(thing_id):
                index.execute("INSERT INTO problems VALUES ('', ?)", (f"{name}:1: not a name that a ticket can have",))
            elif thing_id == name and f"{name}.md" not in stats:
                text = f"{name}:1: this folder belongs to a ticket whose file {name}.md is missing"
                index.execute("INSERT INTO problems VALUES ('', ?)", (text,))

    def _records_of(self, ids: Sequence[str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for thing_id in ids:
            rows = self.index.rows("SELECT id FROM tk_changes WHERE board = '' AND thing_id = ?", (thing_id,))
            found[thing_id] = {row[0] for row in rows}
        return found

    def _tell_found(
        self, readings: Mapping[str, Reading], before: Mapping[str, set[str]], known: Mapping[str, Any]
    ) -> None:
        """Adds the events of changes that came from outside to the clone's history.

        Before the index forgets that they are new: a process that dies in between has them told again, not never.
        """
        from fairlead.tickets.stream import tell

        new = []
        for thing_id, reading in readings.items():
            had = before.get(thing_id, set())
            records = [r for r in reading.records if r[0] not in had]
            if not records and thing_id in known:
                records = [_unrecorded(reading, self.clock.now())]
            new.append((reading.state.kind, thing_id, records))
        if new:
            try:
                tell(self.shared, new, source="files")
            except (StoreFullError, UnavailableError):
                # Reading must also work in a clone that cannot be written; its events are told by one that can.
                return

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, thing_id: str) -> Reading | None:
        """A thing straight from its files, which are the truth."""
        from fairlead.tickets.reading import read_thing

        if not layout.is_thing_id(thing_id):
            return None
        return read_thing(self.place.tickets, thing_id, intents.pending(self.place.own))

    def state(self, thing_id: str) -> State | None:
        reading = self.read(thing_id)
        return None if reading is None else reading.state

    def states(self, ids: Iterable[str]) -> Iterator[State]:
        from fairlead.tickets.reading import read_thing

        overlay = intents.pending(self.place.own)
        for thing_id in ids:
            reading = read_thing(self.place.tickets, thing_id, overlay)
            if reading is not None:
                yield reading.state

    def problems(self) -> list[tuple[str, str]]:
        """(thing or empty, ``file:line: what``) of everything that is wrong on the board."""
        self.refresh()
        return self.index.problems()

    def generation(self) -> tuple[int, int, int]:
        """Changes when this or another process has written to the board, or files came or went."""
        return self.index.generation(), self.written, self._folder_time()

    def sign(self, thing_id: str) -> tuple[int, int, int, int]:
        """How a thing's files look: another value when one of them was written."""
        return _stat_of(self.place.tickets, thing_id)

    def settled(self, ids: Sequence[str]) -> bool:
        """Whether the files of these things look as they did when the index read them."""
        for thing_id, stat in self.index.stats_of(ids).items():
            if _stat_of(self.place.tickets, thing_id) != stat and stat[1] != -1:
                return False
        return True

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

    def transact(self, unit: Callable[[FileSession], T]) -> T:
        """Runs a unit alone on this working tree; what it puts is written whole, or nothing when it raises."""
        from fairlead.tickets.file_session import FileSession

        with self.writing():
            session = FileSession(self)
            result = unit(session)
            if session.writes:
                self._write(session)
            return result

    def writing(self) -> _Alone:
        """Nobody else writes during the block; an unfinished write is finished first, the index follows the files."""
        return _Alone(self)

    def _steady(self) -> intents.Steady | _Nothing:
        """No writer is at work during the block; the one that holds the lock for itself need not ask."""
        return _NOTHING if self.alone else intents.Steady(self.place.own)

    def recover(self) -> None:
        """Carries out what a killed process had put down."""
        left = intents.pending(self.place.own)
        if left:
            try:
                intents.carry_out(self.place.tickets, left)
            except OSError as exc:
                raise intents.explained(exc, self.place.tickets) from exc
            intents.take_up(self.place.own)

    def _write(self, session: FileSession) -> None:
        tickets, own = self.place.tickets, self.place.own
        self.written += 1
        before = self._folder_time()
        if len(session.writes) > 1:
            intents.put_down(own, session.writes)
        beside = None
        try:
            beside = intents.write_beside(tickets, session.writes, session.created)
            intents.put_in_place(tickets, session.writes, beside)
        except OSError as exc:
            if beside is not None:
                intents.drop(beside)
                session.restore()
            intents.take_up(own)
            raise intents.explained(exc, tickets) from exc
        try:
            # Told before the index knows of them: what a killed process did not tell, the next reading does.
            self._tell_written(session)
            self._index_written(session, before)
        except (StoreFullError, UnavailableError):
            # The files are the truth and they are written. The index and the history catch up at the next reading.
            self._note_stale()
        if len(session.writes) > 1:
            intents.take_up(own)

    def _note_stale(self) -> None:
        self.close()

    def _index_written(self, session: FileSession, before: int) -> None:
        """Puts what was just written into the index, so that no reading has to find it out."""
        from fairlead.tickets.reading import indexed

        index = self.index
        tickets = self.place.tickets
        with index.writing():
            folder, total = index.meta("folder", "total")
            old = index.stats_of(list(session.readings)) if len(session.readings) < 500 else index.known()
            for thing_id, reading in session.readings.items():
                reading.stat = _stat_of(tickets, thing_id)
                total += _weight(reading.stat) - (_weight(old[thing_id]) if thing_id in old else 0)
            fresh = len(session.created) == len(session.readings) and not old.keys() & session.created
            index.put((indexed(r) for r in session.readings.values()), new=fresh)
            if folder == before:
                folder = self._folder_time()
            index.set_meta(folder=folder, total=total & 0x7FFFFFFFFFFFFFFF)

    def _tell_written(self, session: FileSession) -> None:
        from fairlead.tickets.stream import tell

        new = [(r.state.kind, thing_id, session.new_records[thing_id]) for thing_id, r in session.readings.items()]
        session.told = tell(self.shared, new, source="service")


class _Nothing:
    """A block that needs nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *fault: object) -> None:
        return None


_NOTHING = _Nothing()


class _Alone:
    """The block of :meth:`FileBoard.writing`."""

    __slots__ = ("_board", "_lock")

    def __init__(self, board: FileBoard) -> None:
        self._board = board
        self._lock = intents.Exclusive(board.place.own)

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._board.alone = True
        try:
            self._board.recover()
            self._board.refresh()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *fault: object) -> None:
        self._board.alone = False
        self._lock.__exit__()


def _mark(name: str, stat: os.stat_result) -> int:
    if name.endswith(".md"):
        return hash((stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return hash((stat.st_mtime_ns, 7))


def _weight(stat: tuple[int, int, int, int]) -> int:
    """The share of a thing in the sum over all stats: its file's and its folder's."""
    return hash(stat[:3]) + (hash((stat[3], 7)) if stat[3] else 0)


def _stat_of(tickets: str, thing_id: str) -> tuple[int, int, int, int]:
    path = f"{tickets}{os.sep}{thing_id}"
    try:
        stat = os.lstat(path + ".md")
    except FileNotFoundError:
        return (0, 0, 0, 0)
    try:
        folder = os.lstat(path).st_mtime_ns
    except FileNotFoundError:
        folder = 0
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size, folder)


def _compare(
    stats: Mapping[str, os.stat_result],
    known: Mapping[str, tuple[int, int, int, int]],
    overlay: Mapping[str, bytes | None],
) -> tuple[list[str], list[str]]:
    """Things to read again, and things that are gone."""
    changed: list[str] = []
    present: set[str] = set()
    for name, stat in stats.items():
        if not name.endswith(".md") or name in _STRAYS:
            continue
        thing_id = name[:-3]
        present.add(thing_id)
        folder = stats.get(thing_id)
        look = (stat.st_ino, stat.st_mtime_ns, stat.st_size, folder.st_mtime_ns if folder else 0)
        if known.get(thing_id) != look and layout.is_thing_id(thing_id):
            changed.append(thing_id)
    for path in overlay:
        thing_id = path.partition("/")[0].removesuffix(".md")
        if thing_id not in changed:
            changed.append(thing_id)
            present.add(thing_id)
    return changed, [thing_id for thing_id in known if thing_id not in present]


def _is_settled(readings: Mapping[str, Reading], overlay: Mapping[str, bytes | None]) -> bool:
    """Whether nothing that was read may still change without looking changed."""
    return not overlay and all(reading.stat[1] != -1 for reading in readings.values())


def _unrecorded(reading: Reading, now: float) -> Record:
    """The record of a change that was made without one, in an editor or by a merge."""
    from fairlead.clock import isoformat

    return (f"{reading.state.revision}-{reading.stat[1]}", isoformat(now), "action: edit\n\nfile\n")
