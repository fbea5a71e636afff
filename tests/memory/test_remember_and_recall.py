"""Remembering, recalling and forgetting through the front door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import InvalidInputError, NotFoundError, TenantMissingError
from fairlead.events import Event
from fairlead.memory import IndexPlan, Memory, NewEntry, make_selection
from fairlead.store import Database
from fairlead.tenancy import make_tenant, use_tenant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.usefixtures("tenant")
async def test_a_hit_says_what_was_found_where_and_why(memory: Memory) -> None:
    entry = await memory.remember(
        "Ships carry lines through a fairlead without chafing.", source="glossary.md", tags=["ships"], span=(10, 63)
    )
    await memory.remember("The weather was fine.", source="log.md")
    (hit,) = await memory.recall("chafed line")
    assert hit.entry == entry
    assert hit.source == "glossary.md"
    assert [entry.content[a:b] for a, b in hit.offsets] == ["lines", "chafing"]
    assert 0 < hit.why["lexical"] <= 1
    assert hit.entry.span == (10, 63)


@pytest.mark.usefixtures("tenant")
async def test_the_same_text_from_the_same_source_is_one_entry(memory: Memory) -> None:
    first = await memory.remember("One fact.", source="a", tags=["x"])
    again = await memory.remember("One fact.", source="a", tags=["x"])
    other = await memory.remember("One fact.", source="b")
    assert first == again
    assert other.id != first.id
    tagged = await memory.remember("One fact.", source="a", tags=["y"], metadata={"page": 3})
    assert (tagged.id, tagged.tags, tagged.metadata, tagged.version) == (first.id, ("x", "y"), {"page": 3}, 2)
    assert (await memory.stats())["entries"] == 2


@pytest.mark.usefixtures("tenant")
async def test_a_batch_with_repeats_is_one_write_in_order(memory: Memory, database: Database) -> None:
    events: list[Event] = []
    database.bus.subscribe(events.append)
    entries = await memory.remember_many([NewEntry(text) for text in ("b", "a", "b", "c")])
    assert [e.content for e in entries] == ["b", "a", "b", "c"]
    assert entries[0].id == entries[2].id
    assert [(e.type, e.data["added"]) for e in events] == [("memory.remembered", 3)]
    await memory.remember_many([NewEntry("a")])
    assert len(events) == 1


@pytest.mark.usefixtures("tenant")
async def test_a_key_names_an_entry_that_is_replaced(memory: Memory) -> None:
    first = await memory.remember("The port is 8080.", key="port")
    second = await memory.remember("The port is 9090.", key="port")
    assert (second.id, second.version) == (first.id, 2)
    assert [h.entry.content for h in await memory.recall("port")] == ["The port is 9090."]
    assert await memory.recall("8080") == []
    assert (await memory.stats())["versions"] == 1


@pytest.mark.usefixtures("tenant")
async def test_filters_narrow_what_is_considered(memory: Memory, clock: Any) -> None:
    await memory.remember("alpha fox", tags=["red", "old"], source="s1", content_type="note")
    clock.time += 10
    await memory.remember("beta fox", tags=["red"], source="s2", content_type="turn")
    assert [h.entry.content for h in await memory.recall("fox", tags=["red", "old"])] == ["alpha fox"]
    assert [h.entry.content for h in await memory.recall("fox", sources=["s2"])] == ["beta fox"]
    assert [h.entry.content for h in await memory.recall("fox", content_types=["note"])] == ["alpha fox"]
    assert [h.entry.content for h in await memory.recall("fox", since=clock.time)] == ["beta fox"]
    assert [h.entry.content for h in await memory.recall("fox", until=clock.time - 5)] == ["alpha fox"]
    assert [e.content for e in await memory.list(limit=1)] == ["beta fox"]


@pytest.mark.usefixtures("tenant")
async def test_what_expires_is_not_recalled_and_then_swept(memory: Memory, clock: Any) -> None:
    entry = await memory.remember("short-lived fact", ttl=60)
    await memory.remember("lasting fact")
    clock.time += 59.9
    assert len(await memory.recall("fact")) == 2
    clock.time += 0.1
    assert [h.entry.content for h in await memory.recall("fact")] == ["lasting fact"]
    with pytest.raises(NotFoundError):
        await memory.get(entry.id)
    assert await memory.upkeep.sweep() == 1
    assert await memory.upkeep.sweep() == 0
    stats = await memory.stats()
    assert (stats["entries"], stats["expired"], stats["tombstones"]) == (1, 0, 1)


@pytest.mark.usefixtures("tenant")
async def test_forgetting_by_id_and_by_selection(memory: Memory) -> None:
    first, second, third = await memory.remember_many(
        [NewEntry("one owl"), NewEntry("two owls", tags=("t",)), NewEntry("three owls", tags=("t",))]
    )
    assert await memory.forget(first.id) == 1
    assert await memory.forget(first.id) == 0
    assert await memory.forget(selection=make_selection(tags=["t"])) == 2
    assert await memory.recall("owls") == []
    with pytest.raises(InvalidInputError, match="neither"):
        await memory.forget()
    assert {second.id, third.id}.isdisjoint(e.id for e in await memory.list())


async def test_without_a_tenant_nothing_works(memory: Memory) -> None:
    with pytest.raises(TenantMissingError):
        await memory.remember("x")
    with pytest.raises(TenantMissingError):
        await memory.recall("x")


async def test_tenants_workspaces_and_names_are_apart(memory: Memory) -> None:
    with use_tenant(make_tenant("acme")):
        entry = await memory.remember("secret plan")
    for tenant, name in ((make_tenant("other"), "default"), (make_tenant("acme", "lab"), "default")):
        with use_tenant(tenant):
            await memory.remember("a plan of our own", name=name)
            assert [h.entry.content for h in await memory.recall("plan", name=name)] == ["a plan of our own"]
            with pytest.raises(NotFoundError):
                await memory.get(entry.id, name=name)
            assert await memory.forget(entry.id, name=name) == 0
    with use_tenant(make_tenant("acme")):
        assert await memory.recall("plan", name="elsewhere") == []
        assert (await memory.get(entry.id)).content == "secret plan"


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewEntry(""), "content"),
        (NewEntry(" \n\t"), "content"),
        (NewEntry("half \ud83d surrogate"), "content"),
        (NewEntry("x", tags=("",)), "tags"),
        (NewEntry("x", span=(5, 2)), "span"),
        (NewEntry("x", metadata={"a": object()}), "metadata"),
        (NewEntry("x", success_score=2), "success_score"),
    ],
)
async def test_what_cannot_be_stored_is_refused_whole(memory: Memory, new: NewEntry, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await memory.remember_many([NewEntry("good"), new])
    assert caught.value.fields["field"] == field
    assert await memory.list() == []


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("nul \x00 inside the hull", "hull"),
        ("🚢 emoji ⚓ anchor", "anchor"),
        ("שלום עולם", "עולם"),
        ("مرحبا بالعالم", "بالعالم"),
        ("größenwahn straße", "STRASSE"),
        ('quote " and (parens) NEAR/2 AND OR NOT *', "parens"),
        ("x" * 70 + " endless", "endless"),
    ],
)
async def test_odd_texts_come_back_as_they_were(memory: Memory, text: str, query: str) -> None:
    await memory.remember(text)
    assert [h.entry.content for h in await memory.recall(query)] == [text]


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize("query", ["", "   ", '"', "ns : n1", "terms:", "a* OR b", "\x00", "🚢", "((", "NOT"])
async def test_no_query_breaks_out_of_the_search(memory: Memory, query: str) -> None:
    await memory.remember("harmless")
    assert isinstance(await memory.recall(query), list)


@pytest.mark.usefixtures("tenant")
async def test_a_megabyte_is_one_entry(memory: Memory) -> None:
    text = "needle " + "hay stack " * 100_000
    await memory.remember(text)
    (hit,) = await memory.recall("needle")
    assert len(hit.entry.content) == len(text)


@pytest.mark.usefixtures("tenant")
async def test_the_privacy_filter_sees_entries_first(database: Database, clock: Any) -> None:
    def redact(new: NewEntry) -> NewEntry | None:
        return None if "password" in new.content else new._replace(content=new.content.replace("a@b.c", "[email]"))

    memory = Memory(database, clock=clock, privacy=redact)
    assert (await memory.remember("write to a@b.c")).content == "write to [email]"
    with pytest.raises(InvalidInputError, match="privacy filter"):
        await memory.remember_many([NewEntry("fine"), NewEntry("password 123")])
    assert len(await memory.list()) == 1


@pytest.mark.usefixtures("tenant")
async def test_recall_refuses_a_k_below_one(memory: Memory) -> None:
    with pytest.raises(InvalidInputError):
        await memory.recall("x", k=0)


def test_everything_survives_reopening(tmp_path: Path, clock: Any) -> None:
    import asyncio

    from fairlead.store import open_database

    with use_tenant(make_tenant("acme")):
        for _ in range(2):
            database = open_database(tmp_path / "f.db", clock=clock)
            asyncio.run(Memory(database, clock=clock).remember("durable fact"))
            database.close()
        database = open_database(tmp_path / "f.db", clock=clock)
        hits = asyncio.run(Memory(database, clock=clock).recall("durable"))
        database.close()
    assert [h.entry.content for h in hits] == ["durable fact"]


@pytest.mark.usefixtures("tenant")
async def test_a_large_namespace_is_answered_by_full_text_until_it_is_warmed(database: Database, clock: Any) -> None:
    memory = Memory(database, clock=clock, indexes=IndexPlan(load_most=2))
    await memory.remember_many([NewEntry(f"owl number {n}", tags=(f"t{n}",)) for n in range(5)])
    cold = await memory.recall("owl number 3")
    assert cold[0].entry.content == "owl number 3"
    assert set(cold[0].why) == {"lexical"}
    assert [h.entry.content for h in await memory.recall("owl", tags=["t4"])] == ["owl number 4"]
    await memory.warm()
    assert "hashed" in (await memory.recall("the owl number 3"))[0].why


@pytest.mark.usefixtures("tenant")
async def test_a_misspelt_word_still_finds_its_entry(memory: Memory) -> None:
    await memory.remember_many([NewEntry("the harbourmaster keeps the keys"), NewEntry("the weather was fine")])
    assert [h.entry.content for h in await memory.recall("harbormaster")] == ["the harbourmaster keeps the keys"]
    assert await memory.recall("zebra") == []


@pytest.mark.usefixtures("tenant")
async def test_a_turn_shares_in_its_neighbours_of_the_same_source(memory: Memory) -> None:
    turns = ["Anna: which colour for the hull?", "Bob: emerald, I think.", "Anna: and lunch at noon."]
    await memory.remember_many([NewEntry(t, "turn", source="chat") for t in turns])
    await memory.remember("Bob: emerald, I think.", source="elsewhere")
    hits = await memory.recall("colour of the hull")
    assert [h.entry.content for h in hits[:2]] == turns[:2]
    assert hits[1].why["context"] > 0
    assert "elsewhere" not in {h.source for h in hits}
