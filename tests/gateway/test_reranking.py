"""Hits that a model reads and puts in order anew, over the loopback server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fairlead
from fairlead.errors import BudgetError, InvalidInputError, RefusedError, UnavailableError
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.reranking import rerank
from fairlead.memory import Memory
from fairlead.store import Database
from fairlead.testing.model_server import ModelServer, Piece
from tests.gateway.support import HandClock, priced

pytestmark = pytest.mark.usefixtures("tenant")

TEXTS = ["Ropes are made of hemp.", "The tide turns twice a day.", "A tide table tells when the tide turns."]


def by_tide(prompt: str, most: int) -> Iterator[Any]:
    """Scores each listed text by how often it speaks of the tide."""
    listed = re.findall(r"^\[\d+\] (.*)$", prompt, re.MULTILINE)
    yield Piece(json.dumps({"scores": [min(1.0, 0.4 * text.lower().count("tide")) for text in listed]}))


@pytest.fixture
def reader() -> Iterator[ModelServer]:
    with ModelServer(by_tide, lambda text: len(text.split())) as running:
        yield running


async def test_a_model_judges_all_texts_in_one_request(
    make_gateway: Callable[..., Gateway], reader: ModelServer
) -> None:
    gateway = make_gateway(priced(reader))
    assert await rerank(gateway, "When does the tide turn?", TEXTS) == [0.0, 0.4, 0.8]
    assert len(reader.requests) == 1
    assert await rerank(gateway, "anything", []) == []
    await gateway.close()


@pytest.mark.parametrize("said", ["no JSON at all", '{"scores": [1]}', '{"scores": [0.1, 2, 0.3]}', '{"marks": []}'])
async def test_an_answer_that_is_not_one_number_for_each_is_turned_down(
    make_gateway: Callable[..., Gateway], said: str
) -> None:
    with ModelServer(lambda prompt, most: iter([Piece(said)]), len) as odd:
        gateway = make_gateway(priced(odd, attempts=1))
        with pytest.raises(RefusedError):
            await rerank(gateway, "?", TEXTS)
        await gateway.close()


async def test_numbers_in_a_fence_are_read(make_gateway: Callable[..., Gateway]) -> None:
    said = '```json\n{"scores": [0.5, 0, 1]}\n```'
    with ModelServer(lambda prompt, most: iter([Piece(said)]), len) as fenced:
        gateway = make_gateway(priced(fenced))
        assert await rerank(gateway, "?", TEXTS) == [0.5, 0.0, 1.0]
        await gateway.close()


async def test_failures_and_budgets_are_told_apart(make_gateway: Callable[..., Gateway], reader: ModelServer) -> None:
    gateway = make_gateway(priced(reader, attempts=1))
    reader.fail_always("503")
    with pytest.raises(UnavailableError):
        await rerank(gateway, "?", TEXTS)
    reader.fail_always("")
    gateway.budgets.set("acme", "tenant", "acme", "0.0000001", period="day", cause="test")
    with pytest.raises(BudgetError):
        await rerank(gateway, "?", TEXTS)
    with pytest.raises(RefusedError, match="no model"):
        await rerank(make_gateway(), "?", TEXTS)
    await gateway.close()


async def test_recall_is_put_in_order_by_the_reader(database: Database, clock: HandClock) -> None:
    asked: list[int] = []

    async def judge(question: str, texts: Any) -> list[float]:
        asked.append(len(texts))
        return [float("hemp" in text) for text in texts]

    memory = Memory(database, clock=clock, reranker=judge)
    for text in [*TEXTS, "Hemp and tide.", "hemp, hemp, the turning tide"]:
        await memory.remember(text)
    plain = await memory.recall("when does the tide turn", k=2)
    assert all("rerank" not in hit.why for hit in plain)
    hits = await memory.recall("when does the tide turn", k=2, rerank=4)
    assert "hemp" in hits[0].entry.content
    assert hits[0].score == hits[0].why["rerank"] == 1.0
    assert 0 < hits[0].why["recall"] < 1
    assert asked == [4]
    with pytest.raises(InvalidInputError, match="nothing here can read"):
        await Memory(database, clock=clock).recall("tide", rerank=5)
    memory.close()


async def test_a_reader_that_cannot_be_asked_now_costs_no_answer(database: Database, clock: HandClock) -> None:
    async def down(question: str, texts: Any) -> list[float]:
        raise UnavailableError("nobody is there.")

    memory = Memory(database, clock=clock, reranker=down)
    for text in TEXTS:
        await memory.remember(text)
    plain = await memory.recall("tide")
    assert await memory.recall("tide", rerank=3) == plain
    memory.close()


async def test_an_opened_fairlead_reranks_through_its_gateway(tmp_path: Path, reader: ModelServer) -> None:
    tmp_path.joinpath("gateway.toml").write_text(
        f'[policy]\nshadow_share = 0.0\n[providers.one]\nkind = "openai"\nbase_url = "{reader.url}"\n'
        '[models."one:m"]\ninput_per_mtok = 1.0\noutput_per_mtok = 2.0\ntier = "cheap"\n'
    )
    async with fairlead.open(home=str(tmp_path)) as lead:
        for text in TEXTS:
            await lead.memory.remember(text)
        hits = await lead.memory.recall("when does the tide turn, and what are ropes made of", k=3, rerank=3)
        assert [hit.why["rerank"] for hit in hits] == [0.8, 0.4, 0.0]
        rows = lead.database.read_sync(lambda r: r.rows("SELECT model, task_type FROM model_calls"))
        assert [tuple(row) for row in rows] == [("one:m", "rerank")]
