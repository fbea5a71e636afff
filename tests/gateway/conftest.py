"""Fixtures of the gateway's tests: a store, a still clock, a real small model behind a loopback server, and a guard
that lets no test reach a vendor."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.gateway.config import parse_config
from fairlead.gateway.gateway import Gateway
from fairlead.store import Database, open_database
from fairlead.tenancy import make_tenant, use_tenant
from fairlead.testing.model_server import ModelServer, fixed_server
from fairlead.testing.stories import Stories
from tests.gateway.support import HandClock, data_folder

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs coroutine tests on a loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection leaves this machine, and no key of the developer's is seen."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to connect to {address[0]}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.startswith("FAIRLEAD_MODEL"):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "fairlead.db")
    yield opened
    opened.close()


@pytest.fixture
def tenant() -> Iterator[None]:
    with use_tenant(make_tenant("acme")):
        yield


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with fixed_server("A short answer, word by word, of ten words or so.") as running:
        yield running


@pytest.fixture
def second() -> Iterator[ModelServer]:
    with fixed_server("The second server says this.") as running:
        yield running


@pytest.fixture
def make_gateway(database: Database, clock: HandClock) -> Callable[..., Gateway]:
    """Builds a gateway over the test's store from a configuration mapping."""

    def build(table: dict[str, Any] | None = None, *, variables: dict[str, str] | None = None) -> Gateway:
        # A seed under which no shadow sample is drawn first; tests of sampling bring their own.
        return Gateway(
            database,
            clock,
            random.Random(5),
            config=parse_config(table or {}),
            read_variable=lambda name: (variables or {}).get(name, ""),
            sleep=clock.sleep,
        )

    return build


@pytest.fixture(scope="session")
def stories() -> Stories:
    return Stories(data_folder("lm-stories260k"))


@pytest.fixture
def story_server(stories: Stories) -> Iterator[ModelServer]:
    """The real model behind the loopback server."""
    with ModelServer(
        lambda prompt, most: stories.generate(prompt, min(most, 60)), lambda text: len(stories.encode(text))
    ) as running:
        yield running
