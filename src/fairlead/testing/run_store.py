"""The conformance suite of run stores: what the runtime relies on, as checks that any adapter can run.

async def test_mine():
    await check_run_store(lambda: MyRunStore(...))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.errors import InvalidInputError
from fairlead.events import Draft, Event, draft
from fairlead.ids import new_id
from fairlead.store.codec import PAYLOAD_VERSION
from fairlead.store.port import CommandRow, JournalRow, RunRow, RunStore

Check = Callable[[RunStore], Awaitable[None]]


def make_run(**changes: Any) -> RunRow:
    """A valid running run, changed as given."""
    run_id = changes.get("id") or new_id("run")
    fields: dict[str, Any] = dict.fromkeys(RunRow._fields)
    fields |= {
        "id": run_id,
        "tenant": "acme:main",
        "root_id": run_id,
        "kind": "workflow",
        "name": "w",
        "state": "running",
        "input": b"{}",
        "signature": "s",
        "permission_mode": "default",
        "cause": "test",
        "owner": "own_a",
        "attempt": 1,
        "priority": 2,
        "run_at": 1.0,
        "created": 1.0,
        "version": PAYLOAD_VERSION,
    }
    return RunRow(**(fields | changes))


def make_event(subject: str, type_: str = "run.created", tenant: str = "acme:main", **data: Any) -> Draft:
    return draft(type_, tenant, subject, data, source="test", cause="test", time=1.0)


def make_step(run_id: str, key: str, status: str = "success", **changes: Any) -> JournalRow:
    row = JournalRow(run_id, key, "step", status, 1, None, b"1", None, None, None, 1.0, 2.0, PAYLOAD_VERSION)
    return row._replace(**changes)


async def record(store: RunStore, row: JournalRow, *drafts: Draft) -> None:
    """Writes a journal row and waits until it is durable."""
    pending = store.record(row, *drafts)
    if pending is not None:
        await pending


async def check_run_store(make: Callable[[], RunStore]) -> None:
    """Runs every check on a store of its own; raises AssertionError at the first that fails."""
    for check in CHECKS:
        store = make()
        try:
            await check(store)
        except AssertionError as exc:
            raise AssertionError(f"{check.__name__}: {exc}") from exc
        finally:
            store.close()


async def created_runs_come_back_whole(store: RunStore) -> None:
    run = make_run(input=b'{"x":1}', idempotency_key="k")
    stored, new = await store.create(run, make_event(run.id))
    assert (stored, new) == (run, True)
    assert await store.get(run.id) == run
    assert await store.get("run_none") is None


async def tenants_do_not_see_each_other(store: RunStore) -> None:
    run = make_run()
    await store.create(run, make_event(run.id))
    assert await store.get(run.id, "acme:main") == run
    assert await store.get(run.id, "rival:main") is None
    assert await store.find(tenant="rival:main") == []
    assert await store.events(tenant="rival:main") == []
    assert len(await store.find(tenant="acme:main")) == 1


async def one_key_is_one_run_per_tenant(store: RunStore) -> None:
    runs = [make_run(idempotency_key="k") for _ in range(5)]
    outcomes = [await store.create(run) for run in runs]
    assert [new for _, new in outcomes] == [True, False, False, False, False]
    assert {stored.id for stored, _ in outcomes} == {runs[0].id}
    other = make_run(idempotency_key="k", tenant="rival:main")
    assert (await store.create(other))[1], "another tenant's key is another key"


async def transitions_compare_before_they_set(store: RunStore) -> None:
    run = make_run()
    await store.create(run)
    moved = await asyncio.gather(
        *(
            store.transition(run.id, ("running",), "paused", make_event(run.id, "run.paused"), owner="own_a")
            for _ in range(8)
        )
    )
    assert sorted(moved) == [False] * 7 + [True]
    assert not await store.transition(run.id, ("paused",), "running", owner="own_b"), "another owner may not"
    assert len(await store.events(types=("run.paused",))) == 1, "a refused transition leaves no event"
    assert await store.transition(run.id, ("paused",), "terminated", owner=None, finished=2.0, terminate_cause="t")
    ended = await store.get(run.id)
    assert ended is not None
    assert (ended.state, ended.finished, ended.terminate_cause) == ("terminated", 2.0, "t")


async def claims_have_one_winner(store: RunStore) -> None:
    run = make_run(owner="own_dead")
    await store.create(run)
    claims = await asyncio.gather(*(store.claim(run.id, owner=f"own_{n}", dead="own_dead") for n in range(8)))
    winners = [claim for claim in claims if claim is not None]
    assert len(winners) == 1
    assert winners[0].attempt == 2
    done = make_run(state="completed", finished=1.0)
    await store.create(done)
    assert await store.claim(done.id, owner="own_x", dead=done.owner) is None, "what has ended is not claimed"


async def journal_rows_are_replaced_by_key_and_keep_their_start(store: RunStore) -> None:
    run = make_run()
    await store.create(run)
    await record(store, make_step(run.id, "pay", "started", value=None, finished=None, started=5.0))
    await record(store, make_step(run.id, "pay", started=9.0, finished=10.0, value=b'"done"'))
    await record(store, make_step(run.id, "first", started=1.0))
    rows = await store.journal(run.id)
    assert [(r.key, r.status, r.started, r.value) for r in rows] == [
        ("first", "success", 1.0, b"1"),
        ("pay", "success", 5.0, b'"done"'),
    ]
    await store.erase(run.id, ["pay"])
    assert [r.key for r in await store.journal(run.id)] == ["first"]


async def event_indexes_increase_strictly_and_miss_nothing(store: RunStore) -> None:
    run = make_run()
    await store.create(run, make_event(run.id))
    heard: list[Event] = []
    store.bus.subscribe(heard.append)

    async def write(n: int) -> None:
        store.note(make_event(run.id, "step.started", step=n))
        await record(store, make_step(run.id, f"s{n}"), make_event(run.id, "step.completed", step=n))

    await asyncio.gather(*(write(n) for n in range(50)))
    stored = await store.events(subject=run.id, limit=1000)
    indexes = [e.index for e in stored]
    assert indexes == sorted(set(indexes))
    assert len(stored) == 101
    assert [e.id for e in heard] == [e.id for e in stored[1:]], "subscribers hear the same, in the same order"
    for n in range(50):
        kinds = [e.type for e in stored if e.data.get("step") == n]
        assert kinds == ["step.started", "step.completed"], "one step's events keep their order"
    middle = indexes[40]
    assert [e.index for e in await store.events(after=middle, subject=run.id, limit=1000)] == indexes[41:]
    assert [e.index for e in await store.events(subject=run.id, limit=3, newest=True)] == indexes[-3:]


async def pages_of_runs_are_newest_first(store: RunStore) -> None:
    for n in range(10):
        await store.create(make_run(created=float(n), name=f"w{n % 2}", state="running"))
    page = await store.find(tenant="acme:main", limit=3)
    assert [r.created for r in page] == [9.0, 8.0, 7.0]
    assert [r.created for r in await store.find(tenant="acme:main", limit=3, before=7.0)] == [6.0, 5.0, 4.0]
    assert len(await store.find(tenant="acme:main", name="w1")) == 5
    assert await store.find(tenant="acme:main", states=("paused",)) == []


async def commands_are_answered_once(store: RunStore) -> None:
    run = make_run()
    await store.create(run)
    command = CommandRow(new_id("cmd"), run.id, "pause", "{}", "operator:ann", 1.0, None, None, None)
    await store.post(command, make_event(run.id, "run.pause_requested"), pause_cause="operator:ann")
    assert await store.waiting_commands([run.id]) == [command]
    assert await store.waiting_commands(["run_other"]) == []
    asked = await store.get(run.id)
    assert asked is not None
    assert asked.pause_cause == "operator:ann", "a request is a column of its own"
    assert asked.state == "running"
    await store.answer(command.id, accepted=True, answer="{}", time=2.0)
    await store.answer(command.id, accepted=False, answer="too late", time=3.0)
    answered = await store.command(command.id)
    assert answered is not None
    assert (answered.accepted, answered.answer, answered.answered) == (1, "{}", 2.0)
    assert await store.waiting_commands([run.id]) == []


async def unknown_columns_and_event_types_are_refused(store: RunStore) -> None:
    run = make_run()
    await store.create(run)
    for column in ("id", "tenant", "state; DROP TABLE runs"):
        try:
            await store.update(run.id, **{column: "x"})
        except KeyError:
            continue
        raise AssertionError(f"column {column!r} was written")
    try:
        make_event(run.id, "run.exploded")
    except InvalidInputError:
        return
    raise AssertionError("an event type outside the list was accepted")


CHECKS: tuple[Check, ...] = (
    created_runs_come_back_whole,
    tenants_do_not_see_each_other,
    one_key_is_one_run_per_tenant,
    transitions_compare_before_they_set,
    claims_have_one_winner,
    journal_rows_are_replaced_by_key_and_keep_their_start,
    event_indexes_increase_strictly_and_miss_nothing,
    pages_of_runs_are_newest_first,
    commands_are_answered_once,
    unknown_columns_and_event_types_are_refused,
)
"""Every check, by itself."""
