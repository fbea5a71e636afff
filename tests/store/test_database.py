"""The database: group commit, isolation of faults, many writers, kill -9, migrations forth and back."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import ConflictError, NotInitialisedError, StoreClosedError
from fairlead.events import Event, draft
from fairlead.store import Database, open_database
from fairlead.store.migrations import load_migrations, parse_migration, split, take_back
from fairlead.store.sqlite import SqliteDialect, check_integrity


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = open_database(tmp_path / "a.db")
    opened.write_sync(lambda tx: tx.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)"))
    yield opened
    opened.close()


def put(k: int, v: str = "x") -> Any:
    return lambda tx: tx.execute("INSERT INTO t VALUES (?, ?)", (k, v))


def count(database: Database) -> int:
    row = database.read_sync(lambda r: r.one("SELECT count(*) FROM t"))
    assert row is not None
    return int(row[0])


def test_what_waits_is_committed_together(database: Database) -> None:
    async def body() -> None:
        await asyncio.gather(*(database.write(put(n)) for n in range(3000)))

    commits = database.commits
    asyncio.run(body())
    assert count(database) == 3000
    assert database.commits - commits < 100


def test_a_bad_unit_takes_nobody_with_it(database: Database) -> None:
    def fails(tx: Any) -> None:
        tx.execute("INSERT INTO t VALUES (100000, 'half')")
        raise ValueError("mine alone")

    async def body() -> list[Any]:
        units = [put(n % 40) for n in range(80)] + [fails] * 5 + [put(1000)]
        return await asyncio.gather(*(database.write(u) for u in units), return_exceptions=True)

    outcomes = asyncio.run(body())
    assert sum(o == 1 for o in outcomes) == 41
    assert sum(isinstance(o, ConflictError) for o in outcomes) == 40
    assert sum(isinstance(o, ValueError) for o in outcomes) == 5
    assert count(database) == 41, "nothing of a failed unit remains"


def test_events_of_failed_units_are_never_heard(database: Database) -> None:
    heard: list[Event] = []
    database.bus.subscribe(heard.append)

    def unit(n: int) -> Any:
        def write(tx: Any) -> None:
            tx.emit(draft("run.created", "a:b", f"r{n}", {}, source="t", cause="t", time=0.0))
            if n % 3 == 0:
                raise ValueError(n)

        return write

    async def body() -> None:
        await asyncio.gather(*(database.write(unit(n)) for n in range(30)), return_exceptions=True)

    asyncio.run(body())
    assert [e.subject for e in heard] == [f"r{n}" for n in range(30) if n % 3]
    assert [e.index for e in heard] == list(range(1, 21)), "indexes have no gaps where units failed"


def test_threads_and_loops_may_write_at_once(database: Database) -> None:
    def threads(start: int) -> None:
        for n in range(100):
            database.write_sync(put(start + n))

    def loops(start: int) -> None:
        async def body() -> None:
            await asyncio.gather(*(database.write(put(start + n)) for n in range(100)))

        asyncio.run(body())

    workers = [threading.Thread(target=threads, args=(n * 1000,)) for n in range(4)]
    workers += [threading.Thread(target=loops, args=(n * 1000,)) for n in range(4, 8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert count(database) == 800


def test_a_cancelled_waiter_does_not_undo_its_write(database: Database) -> None:
    async def body() -> None:
        task = asyncio.create_task(database.write(put(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await database.write(put(2))

    asyncio.run(body())
    assert count(database) == 2


def test_later_is_durable_before_the_next_awaited_write(database: Database) -> None:
    database.later(put(1))
    database.write_sync(put(2))
    assert count(database) == 2
    database.later(put(3))
    limit = time.monotonic() + 5
    while count(database) < 3:
        assert time.monotonic() < limit, "what nobody waits for is written all the same"
        time.sleep(0.005)


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="readonly"):
        database.read_sync(lambda r: r.one("INSERT INTO t VALUES (1, 'x') RETURNING k"))


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    database = open_database(tmp_path / "a.db")
    database.write_sync(lambda tx: None)
    database.close()
    database.close()
    with pytest.raises(StoreClosedError):
        database.write_sync(lambda tx: None)


def test_reading_commands_make_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotInitialisedError):
        open_database(tmp_path / "none" / "a.db", create=False)
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys
from pathlib import Path
from fairlead.store import open_database
db = open_database(Path(sys.argv[1]))
n = int(sys.argv[2])
print("ready", flush=True)
while True:
    db.write_sync(lambda tx: tx.execute("INSERT INTO t VALUES (?, 'x')", (n,)))
    print(n, flush=True)
    n += 1
"""


def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "a.db"
    for round_ in range(8):
        start = round_ * 1_000_000
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(start)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # Killed in the middle of its work, however late a busy machine lets it begin.
        acknowledged = [int(process.stdout.readline())]
        time.sleep(round_ * 0.01)
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split() if line]
        process.wait()
        process.stdout.close()
        stored = {r[0] for r in database.read_sync(lambda r: r.rows("SELECT k FROM t WHERE k >= ?", (start,)))}  # noqa: B023
        assert set(acknowledged) <= stored
        assert len(stored) - len(acknowledged) <= 1
    assert check_integrity(path) == []


def test_watchers_hear_of_other_processes_and_not_of_ourselves(tmp_path: Path) -> None:
    one, two = open_database(tmp_path / "a.db"), open_database(tmp_path / "a.db")
    heard = threading.Event()
    stop = one.watch(heard.set)
    one.write_sync(lambda tx: tx.execute("CREATE TABLE t (k INTEGER)"))
    assert not heard.wait(0.1)
    two.write_sync(lambda tx: tx.execute("INSERT INTO t VALUES (1)"))
    assert heard.wait(2)
    stop()
    one.close()
    two.close()


def test_migrations_go_forth_and_back_and_forth(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_database(path).close()
    schema = _schema(path)
    dialect = SqliteDialect(path)
    connection = dialect.connect(writer=True)
    numbers = [m.number for m in load_migrations("sqlite")]
    assert take_back(connection, dialect, 0) == numbers[::-1]
    assert [name for name in _schema(path) if name != "schema_migrations"] == []
    connection.close()
    open_database(path).close()
    assert _schema(path) == schema


def _schema(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    return dict(rows)


def test_a_migration_makes_a_backup_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    database = open_database(path)
    database.write_sync(lambda tx: tx.execute("CREATE TABLE mine (k INTEGER)"))
    database.close()
    extra = parse_migration(
        "9000_more.sql", "-- migrate: up\nCREATE TABLE more (k INTEGER);\n-- migrate: down\nDROP TABLE more;\n"
    )
    from fairlead.store import opening

    monkeypatch.setattr(opening, "load_migrations", lambda dialect: [*load_migrations(dialect), extra])
    with pytest.raises(NotInitialisedError, match="older schema"):
        open_database(path, create=False)
    open_database(path).close()
    assert "more" in _schema(path)
    (backup,) = (tmp_path / "backups").iterdir()
    assert "mine" in _schema(backup)
    assert "more" not in _schema(backup)
    monkeypatch.undo()
    older = open_database(path)
    older.write_sync(lambda tx: tx.execute("INSERT INTO mine VALUES (1)"))
    older.close()


def test_a_broken_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    open_database(path).close()
    before = _schema(path)
    bad = parse_migration(
        "9000_bad.sql", "-- migrate: up\nCREATE TABLE a1 (k);\nCREATE TABLE runs (k);\n-- migrate: down\n"
    )
    from fairlead.store import opening

    monkeypatch.setattr(opening, "load_migrations", lambda dialect: [*load_migrations(dialect), bad])
    with pytest.raises(Exception, match="already exists"):
        open_database(path)
    assert _schema(path) == before


def test_statements_are_split_around_triggers_and_comments() -> None:
    script = (
        "CREATE TABLE a (x TEXT DEFAULT 'it''s; -- fine'); -- a comment; with a semicolon\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\n  DELETE FROM a;\nEND;\n"
    )
    assert len(split(script)) == 2


def test_two_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fairlead.store import open_database; "
        "open_database(Path(sys.argv[1])).close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a.db")]) for _ in range(4)]
    assert [p.wait(30) for p in processes] == [0] * 4
