"""Database: one writer with group commit, readers beside it, over any DB-API driver.

Writes are *units*: functions of a transaction. Everything that waits is run in one transaction and committed once,
then all waiters are released with their own results. When a unit fails, the transaction is rolled back and each unit
of the group runs again alone, so one bad write never takes its neighbours with it. A unit must therefore be a
function of the database and its own arguments: it may run twice, and what it did the first time was undone.

The design is that of group commit in transaction processing (DeWitt et al., "Implementation Techniques for Main
Memory Database Systems", SIGMOD 1984).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

import orjson

from fairlead.errors import FairleadError, StoreClosedError
from fairlead.events import EVENT_VERSION, Draft, Event, EventBus

T = TypeVar("T")
Row = tuple[Any, ...]
Unit = Callable[["Transaction"], T]
Reading = Callable[["Reader"], T]

_MOST_UNITS = 2000
"""Units in one transaction at most, so that a flood cannot hold the first waiter back for long."""

_BURST = 100
"""Waiters released in one turn of an event loop: a thousand at once would hold up everything else on it."""


class Connection(Protocol):
    """The part of a DB-API connection that is used."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any: ...
    def close(self) -> None: ...


class Dialect(Protocol):
    """Everything that differs between database products, in one place."""

    name: str

    def connect(self, *, writer: bool) -> Connection:
        """A connection in autocommit mode; readers cannot write."""
        ...

    def translate(self, sql: str) -> str:
        """Portable SQL (``?`` placeholders) in this product's spelling."""
        ...

    def begin(self, connection: Connection) -> None:
        """Starts a write transaction that is serialised against all other writers."""
        ...

    def next_event_index(self, connection: Connection) -> int:
        """The next free event index, locked until the transaction ends."""
        ...

    def foreign_version(self, connection: Connection) -> Any:
        """A value that changes when another connection has committed."""
        ...

    def explain(self, exc: Exception) -> FairleadError | None:
        """The product's error in our tree, or None when it is not the product's."""
        ...


class Reader:
    """A consistent view for one reading."""

    __slots__ = ("_dialect", "connection")

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection = connection
        self._dialect = dialect

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        found: list[Row] = self.connection.execute(self._dialect.translate(sql), parameters).fetchall()
        return found

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self.connection.execute(self._dialect.translate(sql), parameters).fetchone()
        return row


class Transaction(Reader):
    """What a write unit works with."""

    __slots__ = ("drafts",)

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        super().__init__(connection, dialect)
        self.drafts: list[Draft] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Runs one statement and returns the number of rows it changed."""
        changed: int = self.connection.execute(self._dialect.translate(sql), parameters).rowcount
        return changed

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        self.connection.executemany(self._dialect.translate(sql), parameters)

    def emit(self, *drafts: Draft) -> None:
        """Adds events to the durable history; subscribers hear of them after the commit, never before."""
        self.drafts += drafts


class _Waiting:
    """A unit in the queue and where its outcome goes."""

    __slots__ = ("drafts", "error", "first", "future", "loop", "result", "unit")

    def __init__(self, unit: Unit[Any], loop: asyncio.AbstractEventLoop | None, future: Any) -> None:
        self.unit = unit
        self.loop = loop
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None
        self.drafts: Sequence[Draft] = ()
        self.first = 0

    def events(self) -> list[Event]:
        """What was committed, for subscribers."""
        return [tuple.__new__(Event, (d[0], self.first + n, *d[1:], EVENT_VERSION)) for n, d in enumerate(self.drafts)]


class Database:
    """A store of record: group-committed writes and concurrent reads.

    Safe to use from any thread and from any number of event loops. The writer thread starts with the first write.
    """

    def __init__(self, dialect: Dialect, *, bus: EventBus | None = None, poll_interval: float = 0.02) -> None:
        self.dialect = dialect
        self.bus = bus or EventBus()
        self._poll_interval = poll_interval
        self._queue: deque[_Waiting] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._sleeping = False
        self._closing = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._open: list[Connection] = []
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._listener: asyncio.AbstractEventLoop | None = None
        self.commits = 0
        self.units = 0

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, unit: Unit[T]) -> asyncio.Future[T]:
        """Queues a unit from a coroutine's thread; the future is done once the unit is durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Waiting(unit, loop, future))
        return future

    async def write(self, unit: Unit[T]) -> T:
        """Runs a unit durably. A caller that is cancelled while it waits does not undo the write."""
        return await asyncio.shield(self.submit(unit))

    def write_sync(self, unit: Unit[T]) -> T:
        """Runs a unit durably from a thread without an event loop."""
        future: Future[T] = Future()
        waiting = _Waiting(unit, None, future)
        self._put(waiting)
        result = future.result()
        self._publish([waiting])
        return result

    def later(self, unit: Unit[Any]) -> None:
        """Queues a unit that nobody waits for. It is durable no later than the next awaited write.

        The writer is not woken for it: it rides with the next group, or after one poll interval.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        self._put(_Waiting(unit, loop, None), wake=False)

    def _put(self, waiting: _Waiting, *, wake: bool = True) -> None:
        if waiting.loop is not None:
            self._listener = waiting.loop
        elif waiting.future is None:
            # A unit of a worker thread: its events are published where those of its neighbours are, or they would
            # overtake events with smaller indexes.
            waiting.loop = self._listener
        if self._thread is None:
            self._start()
        if self._closing:
            raise StoreClosedError("the store is closed.", remedy="Open it again before writing.")
        self._queue.append(waiting)
        # Without watchers the writer sleeps without a time limit, so even a unit nobody waits for must wake it.
        if self._sleeping and (wake or not self._watchers):
            # Lowered here and not by the writer, which may take a while to wake: one call is enough for those after it.
            self._sleeping = False
            self._wake.put(None)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                connection = self.dialect.connect(writer=True)
                self._thread = threading.Thread(
                    target=self._run, args=(connection,), name="fairlead-writer", daemon=True
                )
                self._thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            version = self.dialect.foreign_version(connection)
            due = 0.0
            while True:
                # The queue is looked at once more after the flag is up: a producer either sees the flag and wakes
                # this thread, or had put its unit in before this look.
                self._sleeping = True
                if not self._queue and not self._closing:
                    self._sleep(max(0.0, due - time.monotonic()) if self._watchers else None)
                self._sleeping = False
                while self._queue:
                    self._commit(connection, self._take())
                if self._closing and not self._queue:
                    break
                # Asked once per interval, however often this thread's own work wakes it in between.
                if self._watchers and (now := time.monotonic()) >= due:
                    due = now + self._poll_interval
                    seen = self.dialect.foreign_version(connection)
                    if seen != version:
                        version = seen
                        for watcher in self._watchers:
                            watcher()
        finally:
            connection.close()

    def _sleep(self, seconds: float | None) -> None:
        # A queue of C and not an Event: this is done once per commit. A call too many costs one look at the queue.
        try:
            self._wake.get(timeout=seconds)
        except Empty:
            return

    def _take(self) -> list[_Waiting]:
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), _MOST_UNITS))]

    def _commit(self, connection: Connection, group: list[_Waiting]) -> None:
        try:
            self._attempt(connection, group)
        except Exception as exc:  # noqa: BLE001 - the fault is handed to the waiter it belongs to
            if len(group) == 1:
                group[0].error = self._explained(exc)
            else:
                for waiting in group:
                    try:
                        self._attempt(connection, [waiting])
                    except Exception as own:  # noqa: BLE001 - as above
                        waiting.error = self._explained(own)
        self._release(group)

    def _attempt(self, connection: Connection, group: list[_Waiting]) -> None:
        """One transaction over the group; nothing of it remains when this raises."""
        dialect = self.dialect
        dialect.begin(connection)
        try:
            transaction = Transaction(connection, dialect)
            drafts = transaction.drafts
            ends = []
            for waiting in group:
                waiting.result = waiting.unit(transaction)
                ends.append(len(drafts))
            first = dialect.next_event_index(connection) if drafts else 0
            if drafts:
                connection.executemany(_insert_events(dialect), map(_event_row, drafts, count(first)))
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        begin = 0
        for waiting, end in zip(group, ends, strict=True):
            waiting.drafts, waiting.first = drafts[begin:end], first + begin
            begin = end
        self.commits += 1
        self.units += len(group)

    def _explained(self, exc: Exception) -> Exception:
        return self.dialect.explain(exc) or exc

    def _release(self, group: list[_Waiting]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        for waiting in group:
            if waiting.loop is not None:
                by_loop.setdefault(waiting.loop, []).append(waiting)
            elif waiting.future is None:
                self._publish([waiting])
            elif waiting.error is not None:
                waiting.future.set_exception(waiting.error)
            else:
                waiting.future.set_result(waiting.result)
        for loop, members in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._settle, members)
            except RuntimeError:
                # The loop was closed while its write waited. The write is durable; nobody is left to tell.
                self._listener = None
                continue

    def _settle(self, members: list[_Waiting], begin: int = 0) -> None:
        if begin == 0:
            self._publish(members)
        for waiting in members[begin : begin + _BURST]:
            future = waiting.future
            if future is None:
                if waiting.error is not None:
                    _report_lost(waiting)
            elif not future.done():
                if waiting.error is not None:
                    future.set_exception(waiting.error)
                else:
                    future.set_result(waiting.result)
        rest = begin + _BURST
        if rest < len(members) and (loop := members[0].loop) is not None:
            loop.call_soon(self._settle, members, rest)

    def _publish(self, members: Iterable[_Waiting]) -> None:
        # Asked after the commit: who subscribes from now on finds in the history what is not told here.
        if self.bus.listening:
            for waiting in members:
                if waiting.drafts:
                    self.bus.publish(waiting.events())

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

    def read_sync(self, reading: Reading[T]) -> T:
        """Runs a reading on this thread, over this thread's own connection."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            if self._closing:
                raise StoreClosedError("the store is closed.", remedy="Open it again before reading.")
            connection = self._local.connection = self.dialect.connect(writer=False)
            with self._lock:
                self._open.append(connection)
        try:
            return reading(Reader(connection, self.dialect))
        except FairleadError:
            raise
        except Exception as exc:
            explained = self.dialect.explain(exc)
            if explained is None:
                raise
            raise explained from exc

    def version_sync(self) -> Any:
        """A value that changes when anybody has committed, cheap enough to ask many times a second."""
        return self.read_sync(lambda reader: self.dialect.foreign_version(reader.connection))

    async def read(self, reading: Reading[T]) -> T:
        """Runs a reading beside the event loop."""
        if self._readers is None:
            self._readers = ThreadPoolExecutor(2, thread_name_prefix="fairlead-reader")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_sync, reading)

    # ── other processes ──────────────────────────────────────────────────────────────────────────────────────

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls ``callback`` (on the writer thread) after another process may have committed.

        Returns the function that ends the watch.
        """
        if self._thread is None:
            self._start()
        with self._lock:
            self._watchers = (*self._watchers, callback)
        self._wake.put(None)

        def unwatch() -> None:
            with self._lock:
                self._watchers = tuple(w for w in self._watchers if w is not callback)

        return unwatch

    # ── closing ──────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Commits what is queued, ends the threads and closes every connection. May be called twice."""
        self._closing = True
        self._wake.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._readers is not None:
            self._readers.shutdown()
        with self._lock:
            connections, self._open = self._open, []
        for connection in connections:
            connection.close()


_EVENT_COLUMNS = "idx, id, type, tenant, subject, data, source, cause, time, version"


def _insert_events(dialect: Dialect) -> str:
    return dialect.translate(f"INSERT INTO events ({_EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")


def _event_row(d: Draft, index: int) -> Row:
    data = orjson.dumps(d[4], option=orjson.OPT_NON_STR_KEYS).decode()
    return (index, d[0], d[1], d[2], d[3], data, d[5], d[6], d[7], EVENT_VERSION)


def event_from_row(row: Row) -> Event:
    """The event of a row selected with the columns of the events table in order."""
    return Event(row[1], row[0], row[2], row[3], row[4], orjson.loads(row[5]), row[6], row[7], row[8], row[9])


def _roll_back(connection: Connection) -> None:
    # Some failures (a full disk among them) have already ended the transaction; rolling back is then refused.
    if getattr(connection, "in_transaction", True):
        connection.execute("ROLLBACK")


def _report_lost(waiting: _Waiting) -> None:
    assert waiting.loop is not None
    waiting.loop.call_exception_handler(
        {"message": "a queued write that nobody awaited failed", "exception": waiting.error}
    )
