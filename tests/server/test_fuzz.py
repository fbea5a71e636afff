"""Made-up requests over the OpenAPI document: no fault of the server, and no answer that the document does not know.

Bounded and the same each time; FAIRLEAD_FUZZ_EXAMPLES=20 searches longer.
"""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from fairlead.cli.main import main
from fairlead.server.access import SPECIAL
from tests.server.support import listening, serving

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis (dependency group services)")

EXAMPLES = int(os.environ.get("FAIRLEAD_FUZZ_EXAMPLES", "2"))
"""Requests per route; a search by hand takes more."""

LEFT_OUT = (
    "/api/events/stream",  # Has no end.
    "/api/team/coordinate-epic",  # Answers 501, and says so.
)


class Server(threading.Thread):
    """A server on a loop of its own, so that requests may wait for it."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self._home = home
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self.address = ""
        self.key = ""

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        limits = {"rate_limit": 1e6, "rate_burst": 1_000_000}
        async with serving(self._home, **limits) as served, listening(served) as self.address:
            self.key = served.key("admin", scopes=["*", *SPECIAL])
            self._ready.set()
            await self._end.wait()

    def __enter__(self) -> Server:
        self.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.join(30)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    # As `fairlead serve` does: nobody types to a server.
    monkeypatch.setattr("sys.stdin", io.StringIO())
    subprocess.run(["git", "init", "-q"], check=True)
    assert main(["ticket", "init"]) == 0
    with Server(tmp_path / "home") as running:
        yield running


@pytest.mark.slow
def test_no_made_up_request_is_answered_otherwise_than_documented(server: Server) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    headers = {"authorization": f"Bearer {server.key}"}
    document = httpx.get(f"{server.address}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.address)
    tried: dict[str, int] = {}
    known: set[str] = set()
    faults: list[str] = []
    wanted = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]

    def attempt(case: Any) -> None:
        response = case.call(headers=headers, timeout=20)
        tried[case.path] = tried.get(case.path, 0) + 1
        case.validate_response(response, checks=wanted)

    for found in schema.get_all_operations():
        operation = found.ok()
        said = operation.definition.raw.get("description", operation.label)
        if operation.path in LEFT_OUT or said in known:
            # The same verb at another address.
            continue
        known.add(said)
        search = settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        try:
            search(given(case=operation.as_strategy())(attempt))()
        except Unsatisfiable:
            continue
        except (AssertionError, BaseExceptionGroup) as exc:
            faults.append(f"{operation.label}: {str(exc)[:1500]}")
    assert not faults, "\n\n".join(faults)
    assert len(tried) > 110 and sum(tried.values()) > len(tried), tried
