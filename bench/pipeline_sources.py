"""Sixty pages that each take a second to answer, fetched at most nine at once per host: time and memory.

    python bench/pipeline_sources.py [--quick]

The pages (200 kB each) lie on a server on loopback, in a process of its own. What is measured is the way of one source
from its address to its words: robots.txt is asked for, the page is discovered, its record is read, its text is handed
over. Wall time and peak memory are of a process that does nothing else, from its start on.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import harness

PAGES = 60
LATENCY_S = 1.0
TIMES = 1 if harness.QUICK else 3


def serve(hosts: int) -> None:
    """The server: prints its addresses, and after a line on standard input how many requests it had at once."""
    from contextlib import ExitStack

    from fairlead.testing.site import Site

    words = "<p>The harbour keeps its anchors in the northern basin, and divers look at them every spring.</p>" * 2_000
    with ExitStack() as stack:
        sites = [stack.enter_context(Site(f"127.0.0.{number + 1}")) for number in range(hosts)]
        for number in range(PAGES):
            page = f"<html lang=en><title>Page {number}</title><article>{words}</article></html>".encode()
            sites[number % hosts].put(f"/{number}", page, "text/html; charset=utf-8", delay=LATENCY_S)
        print(json.dumps([sites[number % hosts].url(f"/{number}") for number in range(PAGES)]), flush=True)
        sys.stdin.readline()
        requests = sum(len(site.requests) for site in sites)
        print(json.dumps({"most": max(site.most_at_once for site in sites), "requests": requests}), flush=True)


async def fetch(addresses: list[str]) -> int:
    from fairlead.clock import SystemClock
    from fairlead.pipeline.sources.opening import open_sources
    from fairlead.pipeline.sources.options import SourceOptions

    async def one(address: str) -> int:
        source = sources.of(address)
        await source.discover(address)
        record = await source.metadata(address)
        transcript = await source.transcript(address, record)
        assert transcript is not None and record.title.startswith("Page")
        return len(transcript.content)

    async with open_sources(SourceOptions(allow_private=("127.0.0.0/8",)), SystemClock()) as sources:
        return sum(await asyncio.gather(*map(one, addresses)))


def measure(hosts: int) -> tuple[float, float, float, int, int]:
    """(wall seconds, CPU seconds, peak MiB, most at once at a host, requests)."""
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", str(hosts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None and server.stdout is not None
    with server:
        addresses = server.stdout.readline()
        done = harness.run_process([sys.executable, __file__, "fetch", addresses])
        if done.code:
            raise SystemExit(f"fetching ended with {done.code}")
        server.stdin.write("\n")
        server.stdin.flush()
        seen = json.loads(server.stdout.readline())
    return done.wall_s, done.cpu_s, done.peak_mib, seen["most"], seen["requests"]


def main() -> None:
    rows = []
    for hosts in (1, 6):
        measured = [measure(hosts) for _ in range(TIMES)]
        wall, cpu, peak, most, requests = sorted(measured)[len(measured) // 2]
        rows.append((hosts, wall, cpu, peak, most, requests))
    print(f"{PAGES} pages of 200 kB, {LATENCY_S:g} s latency each; median of {TIMES}")
    print()
    print("| hosts | wall s (bar < 8) | CPU s | peak MiB (bar < 400) | most at once per host (bar 9) | requests |")
    print("|---|---|---|---|---|---|")
    for hosts, wall, cpu, peak, most, requests in rows:
        print(f"| {hosts} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {most} | {requests} |")


if __name__ == "__main__":
    match sys.argv[1:2]:
        case ["serve"]:
            serve(int(sys.argv[2]))
        case ["fetch"]:
            asyncio.run(fetch(json.loads(sys.argv[2])))
        case _:
            main()
