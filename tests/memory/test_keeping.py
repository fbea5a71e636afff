"""Versions, eviction, erasing with proof, verifying, reindexing, export and import."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.memory import Memory, NewEntry
from fairlead.memory.keeping import worth
from fairlead.store import Database
from fairlead.tenancy import make_tenant, use_tenant

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("tenant")]

SECRET = "Zephyrine Quillfeather lives at 12 Gorsehollow Lane."


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_versions_are_kept(memory: Memory, clock: Any) -> None:
    entry = await memory.remember("The port is 8080.", key="port", tags=["net"])
    clock.time += 5
    await memory.remember("The port is 9090.", key="port", cause="run:1")
    (old,) = await memory.versions(entry.id)
    assert (old["version"], old["content"], old["tags"]) == (1, "The port is 8080.", ["net"])
    assert (old["replaced"], old["cause"]) == (clock.time, "run:1")
    with pytest.raises(NotFoundError):
        await memory.versions("mem_none")


async def test_the_least_worthy_are_evicted_first(memory: Memory, clock: Any) -> None:
    old = await memory.remember("old and unused owl")
    clock.time += 100 * 86_400
    used = await memory.remember("used owl")
    (hit,) = [h for h in await memory.recall("used owl") if h.entry.id == used.id]
    await memory.feedback(hit, 1.0)
    fresh = await memory.remember("fresh owl")
    assert await memory.upkeep.evict(5) == 0
    assert await memory.upkeep.evict(2) == 1
    assert {e.id for e in await memory.list()} == {used.id, fresh.id}
    assert old.id not in {e.id for e in await memory.list()}


def test_worth_has_the_stated_parts() -> None:
    assert worth(0, 0, 1e12) == pytest.approx(0)
    assert worth(1, 0, 1e12) == pytest.approx(0.4)
    assert worth(0, 10**9, 1e12) == pytest.approx(0.4)
    assert worth(0, 0, 0) == pytest.approx(0.2)


async def test_erasing_reaches_everything_and_proves_it(memory: Memory, database: Database, tmp_path: Path) -> None:
    entry = await memory.remember(
        SECRET,
        key="who",
        entities=["Zephyrine Quillfeather"],
        relations=[("Zephyrine", "lives at", "Gorsehollow Lane")],
    )
    await memory.remember(SECRET + " Still.", key="who")
    await memory.remember("Another matter entirely.", entities=["Harbour"])
    (hit, *_) = await memory.recall("Gorsehollow")
    await memory.feedback(hit, 1.0)
    assert b"Gorsehollow" in _bytes(tmp_path)
    erasure = await memory.erase(entry.id)
    assert erasure.complete, erasure
    assert erasure.ids == (entry.id,)
    assert set(erasure.rows.values()) == {0}
    assert await memory.recall("Gorsehollow") == []
    with pytest.raises(NotFoundError):
        await memory.graph.around("Zephyrine Quillfeather")
    database.close()
    held = _bytes(tmp_path)
    for piece in (b"Gorsehollow", b"gorsehollow", b"Quillfeather", b"quillfeath"):
        assert piece not in held
    assert b"Another matter" in held


def _bytes(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.iterdir() if p.is_file())


async def test_a_backup_that_holds_it_is_named(memory: Memory, tmp_path: Path) -> None:
    entry = await memory.remember(SECRET)
    backup = tmp_path / "backups" / "old.db"
    backup.parent.mkdir()
    source = sqlite3.connect(tmp_path / "fairlead.db")
    target = sqlite3.connect(backup)
    source.backup(target)
    source.close()
    target.close()
    erasure = await memory.erase(entry.id)
    assert erasure.backups == (backup,)
    assert erasure.complete


async def test_what_was_erased_does_not_return_with_an_export(memory: Memory) -> None:
    entry = await memory.remember(SECRET)
    await memory.remember("Harmless.")
    lines = await memory.upkeep.export()
    await memory.erase(entry.id)
    done = await memory.upkeep.import_lines(lines)
    assert (done.taken, done.erased) == (1, 1)
    assert [e.content for e in await memory.list()] == ["Harmless."]


async def test_export_and_import_carry_everything_over(memory: Memory, clock: Any) -> None:
    await memory.remember_many(
        [
            NewEntry("Anna met Bob.\u2028In Oslo.", source="a", span=(3, 9), tags=("x",), metadata={"n": [1]}, key="k"),
            NewEntry("Later.", expires=clock.time + 9, entities=("Anna",), relations=(("Anna", "met", "Bob"),)),
        ]
    )
    lines = await memory.upkeep.export()
    before = [e.to_dict() for e in await memory.list()]
    with use_tenant(make_tenant("elsewhere")):
        assert (await memory.upkeep.import_lines(lines)).taken == 2
        await memory.upkeep.import_lines(lines)
        after = [e.to_dict() for e in await memory.list()]
        assert [r.entity.label for r in (await memory.graph.around("anna"))[0]] == ["Anna", "Bob"]
    for one in (*before, *after):
        del one["id"], one["namespace"]
    assert sorted(map(str, after)) == sorted(map(str, before))
    with pytest.raises(InvalidInputError, match="line 2"):
        await memory.upkeep.import_lines([lines[0], "{nonsense"])


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("DELETE FROM memory_fts", "entries without full text"),
        ("INSERT INTO memory_fts (rowid, ns, terms) VALUES (999, 'n1', 'ghost')", "full text without an entry"),
        ("DELETE FROM memory_features", "entries without features"),
        ("UPDATE memory_features SET version = 0", "features of another analyser"),
        ("UPDATE memory_namespaces SET entries = 7", "count of entries is wrong"),
    ],
)
async def test_verify_finds_damage_and_reindex_mends_it(memory: Memory, tmp_path: Path, damage: str, kind: str) -> None:
    await memory.remember_many([NewEntry("red owl"), NewEntry("blue owl")])
    connection = sqlite3.connect(tmp_path / "fairlead.db")
    with connection:
        connection.execute(damage)
    connection.close()
    assert [p.kind for p in await memory.upkeep.verify()] == [kind]
    assert await memory.upkeep.reindex() == 2
    assert await memory.upkeep.verify() == ()
    assert {h.entry.content for h in await memory.recall("owl")} == {"red owl", "blue owl"}


async def test_feedback_moves_success_and_order(memory: Memory) -> None:
    await memory.remember_many([NewEntry("how to moor a ship"), NewEntry("how to moor a boat")])
    first, second = await memory.recall("how to moor")
    for _ in range(10):
        await memory.feedback(second, 1.0)
        await memory.feedback(first, 0.0)
    again = await memory.recall("how to moor")
    assert [h.entry.id for h in again] == [second.entry.id, first.entry.id]
    assert again[0].why["outcome"] > 0.5 > again[1].why["outcome"]
    assert again[0].entry.usage_count == 10
