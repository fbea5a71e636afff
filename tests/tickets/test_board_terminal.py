"""The live board, driven by keys as a person would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual", reason="the live board needs the extra `board`")

from textual.pilot import Pilot
from textual.widgets import Input, Static

from fairlead.cli.main import main
from fairlead.tickets.columns import columns_of
from fairlead.tickets.service import TicketService
from fairlead.tickets.terminal import Detail, TicketBoard
from tests.tickets.boards import open_board


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TicketService]:
    folder = tmp_path / "board"
    folder.mkdir()
    made = open_board(folder, "mia", make=True, seed=1)
    yield made
    made.close()


def drive(
    service: TicketService, script: Callable[[TicketBoard, Pilot[None]], Awaitable[None]], **options: Any
) -> None:
    async def go() -> None:
        app = TicketBoard(service, **options)
        async with app.run_test(size=(140, 40)) as pilot:
            await pilot.pause()
            await script(app, pilot)

    asyncio.run(go())


def titles(app: TicketBoard) -> dict[str, list[str]]:
    from fairlead.tickets.terminal import Card, Column

    return {column.key: [card.card["title"] for card in column.query(Card)] for column in app.query(Column)}


def said(app: TicketBoard) -> str:
    return str(app.query_one("#status", Static).render())


def test_columns_hold_what_their_titles_say(service: TicketService) -> None:
    free = service.create("ticket", {"title": "free", "priority": "high"})
    service.create("ticket", {"title": "waits"}, add={"blocked_by": [free.id]})
    service.create("ticket", {"title": "busy", "status": "in-progress", "assigned_agent": "dev-1"})
    held = service.create("ticket", {"title": "held"})
    done = service.create("ticket", {"title": "done"})
    service.update(done.id, {"status": "closed"})
    service.board.shared.claim(held.id, "dev-2", now=service.clock.now(), lease=60, tree="", token="x")
    found = {c["key"]: [card["title"] for card in c["cards"]] for c in columns_of(service)}
    assert found == {"ready": ["free"], "waiting": ["waits"], "in-progress": ["busy", "held"], "finished": ["done"]}
    cards = {card["title"]: card for c in columns_of(service) for card in c["cards"]}
    assert cards["waits"]["waiting_for"] == [free.id]
    assert (cards["held"]["who"], cards["held"]["claimed"], cards["busy"]["who"]) == ("dev-2", True, "dev-1")
    assert columns_of(service, limit=1)[2]["count"] == 2


def test_keys_move_tickets_through_the_board(service: TicketService) -> None:
    one = service.create("ticket", {"title": "one", "priority": "critical"})
    service.create("ticket", {"title": "two"})

    async def script(app: TicketBoard, pilot: Pilot[None]) -> None:
        assert titles(app)["ready"] == ["one", "two"]
        await pilot.press("s")
        await pilot.pause()
        assert titles(app)["in-progress"] == ["one"]
        await pilot.press("c")
        await pilot.pause()
        assert "yours" in said(app)
        await pilot.press("right", "right")
        assert app.chosen is not None and app.chosen["title"] == "one"
        await pilot.press("x")
        await pilot.pause()
        await pilot.press(*"done")
        await pilot.press("enter")
        await pilot.pause()
        assert titles(app)["finished"] == ["one"]

    drive(service, script)
    ticket: Any = service.get(one.id)
    assert ticket.status == "closed"
    assert "done" in {change.note for change in service.history(one.id)}


def test_a_ticket_opens_and_a_comment_is_written(service: TicketService) -> None:
    made = service.create("ticket", {"title": "one", "description": "the text"})

    async def script(app: TicketBoard, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Detail)
        await pilot.press("s", "x")
        assert isinstance(app.screen, Detail)
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("m")
        await pilot.pause()
        await pilot.press(*"q says hi", "enter")
        await pilot.pause()
        assert "commented" in said(app)
        await pilot.press("m")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()

    drive(service, script)
    ticket: Any = service.get(made.id)
    assert [c.text for c in ticket.comments] == ["q says hi"]
    assert ticket.status == "open"


def test_new_tickets_and_a_filter(service: TicketService) -> None:
    service.create("ticket", {"title": "apple"}, add={"labels": ["fruit"]})

    async def script(app: TicketBoard, pilot: Pilot[None]) -> None:
        await pilot.press("n")
        await pilot.pause()
        await pilot.press(*"pear", "enter")
        await pilot.pause()
        assert sorted(titles(app)["ready"]) == ["apple", "pear"]
        await pilot.press("slash")
        await pilot.pause()
        app.screen.query_one(Input).value = "fruit"
        await pilot.press("enter")
        await pilot.pause()
        await pilot.pause()
        assert titles(app)["ready"] == ["apple"]

    drive(service, script)
    assert service.count("ticket") == 2


def test_what_others_do_appears_and_the_choice_stays(service: TicketService, tmp_path: Path) -> None:
    service.create("ticket", {"title": "one"})
    two = service.create("ticket", {"title": "two"})
    other = open_board(tmp_path / "board", "bo")

    async def script(app: TicketBoard, pilot: Pilot[None]) -> None:
        await pilot.press("down")
        assert app.chosen is not None and app.chosen["id"] == two.id
        other.create("ticket", {"title": "zero", "priority": "critical"})
        await app.look()
        await pilot.pause()
        assert titles(app)["ready"] == ["zero", "one", "two"]
        assert app.chosen is not None and app.chosen["id"] == two.id

    try:
        drive(service, script)
    finally:
        other.close()


def test_a_refusal_is_said_and_changes_nothing(service: TicketService) -> None:
    made = service.create("ticket", {"title": "one"})
    service.board.shared.claim(made.id, "dev-2", now=service.clock.now(), lease=60, tree="", token="x")

    async def script(app: TicketBoard, pilot: Pilot[None]) -> None:
        await pilot.press("right", "right", "c")
        await pilot.pause()
        assert "dev-2" in said(app)
        await pilot.press("left", "left", "s")
        await pilot.pause()
        assert "no ticket" in said(app)

    drive(service, script)
    assert service.get(made.id).status == "open"


def test_markup_in_titles_is_text(service: TicketService) -> None:
    service.create("ticket", {"title": "[red]not red[/] [b"}, add={"labels": ["[x]"]})

    async def script(app: TicketBoard, pilot: Pilot[None]) -> None:
        assert titles(app)["ready"] == ["[red]not red[/] [b"]
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Detail)
        assert "not&#160;red" in app.export_screenshot()

    drive(service, script)


def test_off_a_terminal_the_board_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert main(["ticket", "init"]) == 0
    assert main(["ticket", "create", "One"]) == 0
    capsys.readouterr()
    assert main(["board"]) == 0
    assert "Ready (1)" in capsys.readouterr().out
    assert main(["board", "--json", "--assignee", "me"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["columns"][0]["count"] == 0
