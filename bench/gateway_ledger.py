"""The ledger under load: reserve and settle from many threads against one cap, and what is overspent.

Usage: python bench/gateway_ledger.py [--pairs 100000] [--threads 16]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

from fairlead.clock import SystemClock
from fairlead.errors import BudgetError
from fairlead.gateway.attribution import Attribution
from fairlead.gateway.budgets import BudgetBook
from fairlead.gateway.ledger import Ask, Ledger
from fairlead.gateway.prices import NANO, Usage
from fairlead.store import open_database

BAR_PAIRS_PER_SECOND = 10_000
ASKED, PAID = 1000, 700


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=16)
    arguments = parser.parse_args()
    share = arguments.pairs // arguments.threads
    total = share * arguments.threads
    # The cap lets nine tenths through, so that the end is a race for what is left.
    cap = total * PAID * 9 // 10
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "ledger.db")
        ledger, budgets = Ledger(database, SystemClock()), BudgetBook(database, SystemClock())
        budget = budgets.set(
            "bench", "tenant", "bench", f"{cap / NANO:.9f}", period="total", local_only_at=101, cause="bench"
        )
        granted, refused = [0] * arguments.threads, [0] * arguments.threads

        def work(n: int) -> None:
            who = Attribution("bench", "main", agent=f"agent-{n}", run=f"run-{n}")
            for _ in range(share):
                try:
                    held = ledger.reserve_sync(Ask(who, "one:m", "cheap", ASKED))
                except BudgetError:
                    refused[n] += 1
                    continue
                ledger.settle_sync(held, PAID, Usage(10, 0, 0, 10))
                granted[n] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(arguments.threads)]
        wall, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        (window,) = budgets.show("bench", budget["id"])["windows"]
        spent = round(window["spent"] * NANO)
        database.close()
    done = sum(granted)
    print(
        f"{total} reservations from {arguments.threads} threads against one cap: {done} granted, {sum(refused)} refused"
    )
    print(f"pairs/s: {done / wall:,.0f} by the clock, {done / cpu:,.0f} by CPU time (bar {BAR_PAIRS_PER_SECOND:,})")
    print(f"spent {spent}, cap {cap}, overspent {max(0, spent - cap)} nano-dollars (bar 0)")
    assert spent == done * PAID
    print("met " if spent <= cap else "MISSED", " overspend of 0")
    print("met " if done / wall >= BAR_PAIRS_PER_SECOND else "MISSED", " pairs/s by the clock")


if __name__ == "__main__":
    main()
