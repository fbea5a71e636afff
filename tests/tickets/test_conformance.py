"""Both boards pass the suite that the port owns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.clock import SystemClock, isoformat
from fairlead.store import open_database
from fairlead.tenancy import make_tenant
from fairlead.testing.tickets import CHECKS, Check
from fairlead.tickets.plan import Author
from fairlead.tickets.relational import RelationalBoard
from fairlead.tickets.service import TicketService
from tests.tickets.boards import open_board


@pytest.fixture(params=["files", "relational"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TicketService]:
    if request.param == "files":
        board = tmp_path / "board"
        board.mkdir()
        made = open_board(board, make=True)
        yield made
        made.close()
        return
    clock = SystemClock()
    database = open_database(tmp_path / "server.db")
    try:
        yield TicketService(
            RelationalBoard(database, make_tenant("acme", "sea")),
            clock=clock,
            entropy=os.urandom,
            author=lambda: Author("tester", isoformat(clock.now())),
        )
    finally:
        database.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_board_conforms(service: TicketService, check: Check) -> None:
    check(service)


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    clock = SystemClock()
    database = open_database(tmp_path / "server.db")
    services = [
        TicketService(
            RelationalBoard(database, make_tenant(name)),
            clock=clock,
            entropy=os.urandom,
            author=lambda: Author("tester", isoformat(clock.now())),
        )
        for name in ("acme", "globex")
    ]
    one, two = services
    ticket = one.create("ticket", {"title": "secret plan"})
    assert two.rows() == []
    assert two.search("secret") == []
    assert two.board.shared.events() == []
    assert two.count() == 0
    two.create("ticket", {"title": "same id"}, id=ticket.id)
    assert one.get(ticket.id).title == "secret plan"
    database.close()
