"""The ledger: nothing is overspent, nothing is forgotten, and every refusal says why."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.clock import SystemClock
from fairlead.errors import BudgetError, BudgetReachedError
from fairlead.events import Event
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.budgets import BudgetBook, window_start
from fairlead.gateway.ledger import Ask, Ledger
from fairlead.gateway.prices import NANO, Usage
from fairlead.store import Database, open_database
from tests.gateway.support import HandClock

WHO = Attribution("acme", "main", agent="writer", run="run_1", step="draft")


def ask(amount: int | None, who: Attribution = WHO, **more: Any) -> Ask:
    return Ask(who, "one:m", more.pop("tier", "cheap"), amount, **more)


@pytest.fixture
def ledger(database: Database, clock: HandClock) -> Ledger:
    return Ledger(database, clock)


@pytest.fixture
def budgets(database: Database, clock: HandClock) -> BudgetBook:
    return BudgetBook(database, clock)


def cap(budgets: BudgetBook, limit: str, scope: str = "tenant", subject: str = "acme", **more: Any) -> str:
    shown = budgets.set("acme", scope, subject, limit, cause="test", **{"period": "total", **more})
    return str(shown["id"])


def spent(budgets: BudgetBook, budget: str) -> tuple[float, float]:
    windows = budgets.show("acme", budget)["windows"]
    return sum(w["spent"] for w in windows), sum(w["reserved"] for w in windows)


def test_a_call_is_refused_before_it_is_made(ledger: Ledger, budgets: BudgetBook) -> None:
    budget = cap(budgets, "1.00", local_only_at=101)
    first = ledger.reserve_sync(ask(700_000_000))
    with pytest.raises(BudgetError) as caught:
        ledger.reserve_sync(ask(400_000_000))
    assert caught.value.fields["reason"] == "limit"
    assert caught.value.fields["budget"] == budget
    assert "raise the limit" in caught.value.remedy
    assert spent(budgets, budget) == (0.0, 0.7)
    ledger.settle_sync(first, 100_000_000, Usage(10, 0, 0, 5))
    assert spent(budgets, budget) == (0.1, 0.0)
    ledger.reserve_sync(ask(400_000_000))


def test_settling_twice_charges_once(ledger: Ledger, budgets: BudgetBook) -> None:
    budget = cap(budgets, "1")
    held = ledger.reserve_sync(ask(1000))
    assert ledger.settle_sync(held, 400, Usage())
    assert not ledger.settle_sync(held, 400, Usage())
    assert spent(budgets, budget) == (400 / NANO, 0.0)


def test_every_scope_that_applies_is_held(ledger: Ledger, budgets: BudgetBook) -> None:
    wide = cap(budgets, "10")
    narrow = cap(budgets, "0.000001", "agent", "writer")
    other = cap(budgets, "0.000001", "agent", "critic")
    held = ledger.reserve_sync(ask(900))
    with pytest.raises(BudgetError) as caught:
        ledger.reserve_sync(ask(200))
    assert caught.value.fields["scope"] == "agent"
    ledger.settle_sync(held, 900, Usage())
    assert spent(budgets, wide)[0] == spent(budgets, narrow)[0] == 900 / NANO
    assert spent(budgets, other) == (0.0, 0.0)


def test_a_star_limits_each_one_by_itself(ledger: Ledger, budgets: BudgetBook) -> None:
    cap(budgets, "0.000001", "run", "*")
    for run in ("run_1", "run_2", "run_3"):
        ledger.reserve_sync(ask(1000, WHO._replace(run=run)))
    with pytest.raises(BudgetError):
        ledger.reserve_sync(ask(1, WHO._replace(run="run_2")))


def test_a_request_limit_needs_no_window(ledger: Ledger, budgets: BudgetBook) -> None:
    cap(budgets, "0.000001", period="request")
    ledger.reserve_sync(ask(1000))
    ledger.reserve_sync(ask(1000))
    with pytest.raises(BudgetError, match="per request"):
        ledger.reserve_sync(ask(1001))


def test_windows_begin_anew(ledger: Ledger, budgets: BudgetBook, clock: HandClock) -> None:
    cap(budgets, "0.000001", period="hour", local_only_at=101)
    ledger.settle_sync(ledger.reserve_sync(ask(1000)), 1000, Usage())
    with pytest.raises(BudgetError):
        ledger.reserve_sync(ask(1))
    clock.advance(3600)
    ledger.reserve_sync(ask(1000))


def test_a_settlement_goes_to_the_window_that_it_was_reserved_in(
    ledger: Ledger, budgets: BudgetBook, clock: HandClock
) -> None:
    budget = cap(budgets, "1", period="hour")
    held = ledger.reserve_sync(ask(1000))
    clock.advance(3600)
    ledger.settle_sync(held, 1000, Usage())
    assert spent(budgets, budget) == (0.0, 0.0)
    clock.advance(-3600)
    assert spent(budgets, budget) == (1000 / NANO, 0.0)


def test_months_are_calendar_months_of_utc() -> None:
    leap = 1_709_251_199.0  # 2024-02-29T23:59:59Z
    assert window_start("month", leap) == 1_706_745_600
    assert window_start("month", leap + 1) == 1_709_251_200


def test_at_ninety_percent_only_local_models_are_used(ledger: Ledger, budgets: BudgetBook) -> None:
    cap(budgets, "0.001", local_only_at=90)
    ledger.settle_sync(ledger.reserve_sync(ask(900_000)), 900_000, Usage())
    with pytest.raises(BudgetError) as caught:
        ledger.reserve_sync(ask(1))
    assert caught.value.fields["reason"] == "local_only"
    ledger.reserve_sync(ask(0, tier="local", price_state="free"))


def test_a_budget_can_ask_instead_of_refusing(ledger: Ledger, budgets: BudgetBook) -> None:
    cap(budgets, "0.000001", on_limit="ask")
    with pytest.raises(BudgetReachedError) as caught:
        ledger.reserve_sync(ask(2000))
    assert caught.value.fields["waiting_for"] == "budget"


def test_an_unknown_price_is_refused_or_reserved_at_its_ceiling(ledger: Ledger, budgets: BudgetBook) -> None:
    free = ledger.reserve_sync(ask(None, price_state="unknown"))
    assert free.reserved_nano == 0
    budget = cap(budgets, "1")
    with pytest.raises(BudgetError) as caught:
        ledger.reserve_sync(ask(None, price_state="unknown"))
    assert caught.value.fields["reason"] == "unknown_price"
    held = ledger.reserve_sync(ask(None, price_state="unknown", ceiling_nano=5000))
    ledger.settle_sync(held, None, Usage(1, 0, 0, 1))
    # The cost stays unknown, and the budget is charged what was reserved rather than nothing.
    assert spent(budgets, budget) == (5000 / NANO, 0.0)


def test_warnings_come_once_at_each_level(database: Database, ledger: Ledger, budgets: BudgetBook) -> None:
    heard: list[Event] = []
    database.bus.subscribe(heard.append, types=["budget.warned"])
    cap(budgets, "0.000001", local_only_at=101)
    for _ in range(10):
        ledger.settle_sync(ledger.reserve_sync(ask(100)), 100, Usage())
    assert [e.data["level"] for e in heard] == [50, 80, 95]
    assert heard[0].data["spent"] == pytest.approx(500 / NANO)


def test_a_refusal_is_an_event(database: Database, ledger: Ledger, budgets: BudgetBook) -> None:
    heard: list[Event] = []
    database.bus.subscribe(heard.append, types=["budget.refused"])
    cap(budgets, "0.000001")
    with pytest.raises(BudgetError):
        ledger.reserve_sync(ask(2000))
    assert heard[0].data["agent"] == "writer"
    assert heard[0].subject == "run_1"


def test_tenants_do_not_share_budgets(ledger: Ledger, budgets: BudgetBook) -> None:
    cap(budgets, "0.000001")
    ledger.reserve_sync(ask(10**9, Attribution("rival", "main")))
    assert budgets.all("rival") == []


def test_sixteen_threads_cannot_overspend(database: Database) -> None:
    ledger, budgets = Ledger(database, SystemClock()), BudgetBook(database, SystemClock())
    budget = cap(budgets, "0.0001", local_only_at=101)  # 100,000 nano-dollars: exactly 200 calls of 500
    granted: list[int] = []
    refused: list[int] = []

    def work(seed: int) -> None:
        for n in range(40):
            try:
                held = ledger.reserve_sync(ask(500))
            except BudgetError:
                refused.append(seed)
                continue
            ledger.settle_sync(held, 500 if n % 3 else 250, Usage(1, 0, 0, 1))
            granted.append(500 if n % 3 else 250)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used, reserved = spent(budgets, budget)
    assert used * NANO == pytest.approx(sum(granted))
    assert sum(granted) <= 100_000
    assert reserved == 0.0
    assert refused


def _spend(path: str, results: Any) -> None:
    database = open_database(Path(path))
    ledger = Ledger(database, SystemClock())
    total = 0
    for _ in range(60):
        try:
            held = ledger.reserve_sync(ask(1000))
        except BudgetError:
            continue
        ledger.settle_sync(held, 1000, Usage())
        total += 1000
    database.close()
    results.put(total)


def test_processes_cannot_overspend_together(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    database = open_database(path)
    budgets = BudgetBook(database, SystemClock())
    budget = cap(budgets, "0.0001", local_only_at=101)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_spend, args=(str(path), results)) for _ in range(3)]
    for process in processes:
        process.start()
    totals = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(totals) == 100_000
    assert spent(budgets, budget) == (0.0001, 0.0)
    database.close()
    results.close()
    results.join_thread()


_VICTIM = """
import sys, time
from pathlib import Path
from fairlead.clock import SystemClock
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.ledger import Ask, Ledger
from fairlead.store import open_database
ledger = Ledger(open_database(Path(sys.argv[1])), SystemClock())
ledger.reserve_sync(Ask(Attribution("acme", "main"), "one:m", "cheap", 3000))
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_process_keeps_its_reservation_until_it_is_charged(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    database = open_database(path)
    clock = HandClock(SystemClock().now())
    budgets = BudgetBook(database, clock)
    budget = cap(budgets, "0.000005", local_only_at=101)
    victim = subprocess.Popen([sys.executable, "-c", _VICTIM, str(path)], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"held\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    ledger = Ledger(database, clock)
    assert spent(budgets, budget) == (0.0, 3000 / NANO)
    with pytest.raises(BudgetError):
        ledger.reserve_sync(ask(2001, Attribution("acme", "main")))
    assert ledger.sweep(older_than=3600) == 0
    clock.advance(3700)
    assert ledger.sweep(older_than=3600) == 1
    # It may have been billed, so it counts in full.
    assert spent(budgets, budget) == (3000 / NANO, 0.0)
    database.close()


@given(
    limit=st.integers(0, 5000),
    calls=st.lists(st.tuples(st.integers(1, 2000), st.floats(0, 1)), max_size=12),
)
@settings(max_examples=25, deadline=None)
def test_what_is_spent_never_passes_the_limit(
    tmp_path_factory: Any, limit: int, calls: list[tuple[int, float]]
) -> None:
    database = open_database(tmp_path_factory.mktemp("ledger") / "f.db")
    try:
        clock = HandClock()
        ledger, budgets = Ledger(database, clock), BudgetBook(database, clock)
        budget = cap(budgets, f"{limit / NANO:.9f}", local_only_at=101)
        total = 0
        for amount, share in calls:
            try:
                held = ledger.reserve_sync(ask(amount))
            except BudgetError:
                assert total + amount > limit
                continue
            cost = int(amount * share)
            ledger.settle_sync(held, cost, Usage())
            total += cost
        assert total <= limit
        assert spent(budgets, budget) == (pytest.approx(total / NANO), 0.0)
    finally:
        database.close()


async def test_async_and_release(database: Database, ledger: Ledger, budgets: BudgetBook) -> None:
    budget = cap(budgets, "0.000001")
    held = await ledger.reserve(ask(1000))
    assert await ledger.release(held)
    assert spent(budgets, budget) == (0.0, 0.0)
    many = await asyncio.gather(*(ledger.reserve(ask(300)) for _ in range(6)), return_exceptions=True)
    assert sum(not isinstance(m, BaseException) for m in many) == 3


def test_the_database_itself_refuses_negative_windows(database: Database, ledger: Ledger, tmp_path: Path) -> None:
    ledger.reserve_sync(ask(10))
    connection = sqlite3.connect(tmp_path / "fairlead.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO budgets VALUES ('b','t','run','r','day',-1,'refuse',90,'c',0)")
    connection.close()


def test_attempts_of_a_request_share_its_id(ledger: Ledger, database: Database, clock: HandClock) -> None:
    for attempt in (1, 2):
        held = ledger.reserve_sync(ask(10, request_id="req_x", attempt=attempt))
        ledger.settle_sync(held, 10, Usage(1, 0, 0, 1), outcome="failed" if attempt == 1 else "ok")
    summary = Accounts(database, clock).summary("acme")
    assert summary["calls"] == 2
    assert summary["succeeded"] == 1
    assert summary["lost"] == 10 / NANO
