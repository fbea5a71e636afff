"""Records kept between readings, with a time limit, a size limit, and statistics that outlive the process.

A kept record is handed out only while the thing's files look as they did and no other process has changed the index;
records are immutable, so a caller cannot spoil what the next one gets. Two levels: the records of this process, and
states kept in the index file for the next process (agents start one for every call).
"""

from __future__ import annotations

from collections import OrderedDict

from fairlead.errors import StoreFullError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.clock import Clock
    from fairlead.tickets.state import State

TTL = 300.0
"""Seconds for which a record is kept."""

SIZE = 4096
"""Records kept in a process."""

_UNFINISHED = (
    "SELECT id FROM tk_things WHERE board = '' AND deleted = 0 "
    "AND status NOT IN ('closed', 'cancelled', 'completed', 'done') ORDER BY priority, created_at LIMIT ?"
)
_NAMES = ("hits", "misses", "evictions", "expired", "invalidated")


class RecordCache:
    """Least recently used records of one board."""

    def __init__(self, clock: Clock, *, ttl: float = TTL, size: int = SIZE) -> None:
        self._clock = clock
        self._ttl = ttl
        self._size = size
        self._kept: OrderedDict[str, tuple[str, Any, Any, float]] = OrderedDict()
        self._generation: Any = None
        self.counts = dict.fromkeys(_NAMES, 0)

    def get(self, board: Any, thing_id: str) -> tuple[str, Any] | None:
        """(kind, record) while it is valid, else None."""
        kept = self._kept.get(thing_id)
        if kept is None:
            return None
        kind, record, sign, until = kept
        reason = "expired" if self._clock.monotonic() > until else None
        moved = reason is None and self._generation != board.generation()
        if moved or (reason is None and sign != board.sign(thing_id)):
            reason = "invalidated"
        if reason is not None:
            if moved:
                # Another process has written: what belongs together may have changed together.
                self.counts["invalidated"] += len(self._kept)
                self._kept.clear()
            else:
                self.counts[reason] += 1
                del self._kept[thing_id]
            return None
        self._kept.move_to_end(thing_id)
        self.counts["hits"] += 1
        return kind, record

    def state(self, board: Any, thing_id: str) -> State | None:
        """A thing's state: as another process kept it while its files still look the same, else from the files."""
        sign = hash(board.sign(thing_id))
        since = self._clock.now() - self._ttl
        kept = board.index.kept(thing_id, sign, since)
        if kept is not None:
            self.counts["hits"] += 1
            return _unpacked(thing_id, kept)
        self.counts["misses"] += 1
        state: State | None = board.state(thing_id)
        if state is not None and not state.problems:
            board.index.keep([(thing_id, sign, self._clock.now(), _packed(state))], most=self._size)
        return state

    def warm(self, board: Any) -> int:
        """Keeps the states of all unfinished things for this and the next processes; returns how many."""
        board.refresh()
        ids = [row[0] for row in board.index.rows(_UNFINISHED, (self._size,))]
        now = self._clock.now()
        rows = []
        for state in board.states(ids):
            if not state.problems:
                rows.append((state.id, hash(board.sign(state.id)), now, _packed(state)))
        board.index.keep(rows, most=self._size)
        return len(rows)

    def put(self, board: Any, thing_id: str, kind: str, record: Any) -> None:
        """Keeps a record that was just read."""
        generation = board.generation()
        if generation != self._generation:
            self._kept.clear()
            self._generation = generation
        self._kept[thing_id] = (kind, record, board.sign(thing_id), self._clock.monotonic() + self._ttl)
        self._kept.move_to_end(thing_id)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
            self.counts["evictions"] += 1

    def clear(self, board: Any) -> int:
        """Forgets everything, for all processes, and returns how many states that were; counts begin anew."""
        self._kept.clear()
        self.counts = dict.fromkeys(_NAMES, 0)
        board.shared.clear_counters("cache.")
        return int(board.index.forget_kept())

    @property
    def size(self) -> int:
        return len(self._kept)

    def close(self, board: Any) -> None:
        """Adds this process's counts to those of the clone."""
        counts = {f"cache.{name}": float(many) for name, many in self.counts.items() if many}
        if counts:
            try:
                board.shared.add(counts)
            except (StoreFullError, UnavailableError):
                # Statistics are not worth failing a reading for in a clone that cannot be written.
                return
        self.counts = dict.fromkeys(_NAMES, 0)


def stats(board: Any, cache: RecordCache | None) -> dict[str, Any]:
    """Hits, misses, evictions, size and hit rate of all processes of the clone so far. The rate is None before the
    first look-up: nothing was measured."""
    counts = {name.removeprefix("cache."): int(many) for name, many in board.shared.counters("cache.").items()}
    for name in _NAMES:
        counts[name] = counts.get(name, 0) + (cache.counts[name] if cache is not None else 0)
    looked = counts["hits"] + counts["misses"]
    return {
        "enabled": cache is not None,
        **counts,
        "cache_size": board.index.kept_count(),
        "hit_rate": round(counts["hits"] / looked, 4) if looked else None,
        "ttl_seconds": TTL,
    }


def _packed(state: State) -> bytes:
    """A state as bytes. Only this machine's same Python reads them, from a file that may be deleted at any time."""
    import marshal

    from fairlead.tickets.state import document_of

    return marshal.dumps(document_of(state))


def _unpacked(thing_id: str, data: bytes) -> State:
    import marshal

    from fairlead.tickets.state import state_from

    return state_from(thing_id, marshal.loads(data))
