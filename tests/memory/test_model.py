"""Random operations over random namespaces, compared with a model of a few lines: nothing lost, nothing of others."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.memory import Memory, NewEntry
from fairlead.store import open_database
from fairlead.tenancy import make_tenant, use_tenant

WORDS = ("anchor", "buoy", "cable", "deck", "ebb", "fender")
PLACES = [(make_tenant(t, w), n) for t in ("ann", "bob") for w in ("main", "lab") for n in ("default", "notes")]

place = st.sampled_from(PLACES)
text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("remember"), place, text, st.sampled_from([None, 5.0, 50.0])),
        st.tuples(st.just("key"), place, text, st.sampled_from(["k1", "k2"])),
        st.tuples(st.just("forget"), place, st.integers(0, 5), st.none()),
        st.tuples(st.just("wait"), place, st.integers(1, 20), st.none()),
        st.tuples(st.just("sweep"), place, st.none(), st.none()),
        st.tuples(st.just("recall"), place, st.sampled_from(WORDS), st.none()),
        st.tuples(st.just("reindex"), place, st.none(), st.none()),
    ),
    min_size=5,
    max_size=40,
)


class Clock:
    time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Model:
    """What memory should hold: id -> (text, key, expires) for each place."""

    def __init__(self) -> None:
        self.kept: dict[Any, dict[str, tuple[str, str | None, float | None]]] = {p: {} for p in PLACES}

    def living(self, place: Any, now: float) -> dict[str, str]:
        return {i: t for i, (t, _, e) in self.kept[place].items() if e is None or e > now}


async def run(memory: Memory, clock: Clock, steps: list[Any]) -> None:
    model = Model()
    for verb, where, what, extra in steps:
        tenant, name = where
        kept = model.kept[where]
        with use_tenant(tenant):
            if verb == "remember":
                entry = await memory.remember(what, name=name, ttl=extra)
                kept[entry.id] = (what, None, None if extra is None else clock.time + extra)
            elif verb == "key":
                entry = await memory.remember(what, name=name, key=extra)
                kept[entry.id] = (what, extra, None)
                assert [i for i, (_, k, _) in kept.items() if k == extra] == [entry.id]
            elif verb == "forget" and len(kept) > what:
                gone = sorted(kept)[what]
                assert await memory.forget(gone, name=name) == 1
                del kept[gone]
            elif verb == "wait":
                clock.time += what
            elif verb == "sweep":
                dead = kept.keys() - model.living(where, clock.time).keys()
                assert await memory.upkeep.sweep(name=name) == len(dead)
                for one in dead:
                    del kept[one]
            elif verb == "recall":
                hits = await memory.recall(what, name=name, k=100)
                living = model.living(where, clock.time)
                assert {h.entry.id for h in hits} <= living.keys()
                assert all(h.entry.content == living[h.entry.id] for h in hits)
                assert {i for i, t in living.items() if what in t.split()} <= {h.entry.id for h in hits}
            elif verb == "reindex":
                assert await memory.upkeep.reindex(name=name) == len(kept)
    for tenant, name in PLACES:
        with use_tenant(tenant):
            listed = await memory.list(name=name, limit=1000)
            assert {e.id: e.content for e in listed} == model.living((tenant, name), clock.time)
            assert await memory.upkeep.verify(name=name) == ()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(operations)
def test_memory_behaves_like_the_model(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        database = open_database(Path(folder) / "m.db", clock=clock)
        try:
            asyncio.run(run(Memory(database, clock=clock), clock, steps))
        finally:
            database.close()


def test_no_statement_of_memory_is_without_its_namespace() -> None:
    """A scope writes the namespace itself; what reaches a table in another way is listed here with its reason."""
    import ast

    import fairlead.store.memory as module

    folder = Path(module.__file__).parent
    allowed = {"memory_numbers", "memory_namespaces", "memory_vocabulary"}
    for name in ("memory.py", "memory_sqlite.py", "memory_graph.py", "memory_statements.py"):
        for node in ast.walk(ast.parse((folder / name).read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = node.value.split()
                if words[:1] and words[0] in ("SELECT", "DELETE", "UPDATE") and "memory_" in node.value:
                    tables = {w.strip("(),") for w in words if w.startswith("memory_")}
                    scoped = "namespace" in node.value or "ns " in node.value or "MATCH" in node.value
                    assert scoped or tables <= allowed or "rowid" in node.value, node.value


def test_many_writers_and_readers_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        database = open_database(tmp_path / "m.db")
        memory = Memory(database, clock=Clock())

        async def write(tenant: str, n: int) -> None:
            with use_tenant(make_tenant(tenant)):
                for i in range(10):
                    await memory.remember_many([NewEntry(f"{tenant} secret {n} {i} {j}") for j in range(3)])

        async def read(tenant: str) -> None:
            with use_tenant(make_tenant(tenant)):
                for _ in range(20):
                    for hit in await memory.recall("secret", k=50):
                        assert hit.entry.content.startswith(tenant)

        try:
            await asyncio.gather(*(write(t, n) for t in ("ann", "bob") for n in range(4)), read("ann"), read("bob"))
            for tenant in ("ann", "bob"):
                with use_tenant(make_tenant(tenant)):
                    assert (await memory.stats())["entries"] == 120
                    assert len(await memory.recall("secret", k=200)) >= 64
                    assert await memory.upkeep.verify() == ()
        finally:
            database.close()

    asyncio.run(scenario())
