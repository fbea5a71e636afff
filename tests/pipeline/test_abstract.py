"""What a language model retells is shown only as far as the statements that it cites bear it out."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from fairlead.cli.main import main
from fairlead.errors import InvalidInputError
from fairlead.pipeline.abstract import Told, judge, retell, sentences_in, statements_of
from fairlead.pipeline.analyse import analyse
from fairlead.pipeline.brief import compose
from fairlead.pipeline.render import to_html, to_markdown
from fairlead.testing.model_server import fixed_server
from tests.pipeline.test_analysis import TIDE, document_of

STATEMENTS: list[dict[str, Any]] = [
    {"text": "The north quay was rebuilt in 2019 for $1.5 million by Orkney Power.", "document": "a", "start_char": 0},
    {"text": "Salt water does not eat the steel of the new turbine.", "document": "a", "start_char": 90},
    {"text": "The ferry uses the south quay.", "document": "b", "start_char": 0, "speaker": "Anna"},
]


@pytest.mark.parametrize(
    "text",
    [
        "Orkney Power rebuilt the north quay in 2019.",
        "In 2019 the north quay was rebuilt for $1,500,000.",
        "The quay, rebuilt for $1.5 million, is the north quay.",
    ],
)
def test_what_is_borne_out_passes(text: str) -> None:
    assert judge(text, [1], STATEMENTS).problem == ""


@pytest.mark.parametrize(
    ("text", "ids", "why"),
    [
        ("Orkney Power rebuilt the north quay.", [], "cites nothing"),
        ("Orkney Power rebuilt the north quay.", [7], "p7, which is not there"),
        ("Orkney Power rebuilt the north quay in 2020.", [1], "it says 2020"),
        ("The north quay was rebuilt for $2.5 million.", [1], "it says 2.5"),
        ("The north quay was rebuilt by twelve people.", [1], "it says twelve"),
        ("The north quay was rebuilt by Messina Energy.", [1], "it names Messina"),
        ('The power company said "the quay is fine" of the north quay.', [1], "it quotes"),
        ("Salt water eats the steel of the new turbine.", [2], "what it cites denies it"),
        ("Orkney Power did not rebuild the north quay in 2019.", [1], "it denies what it cites"),
        ("Whales and dolphins enjoy warm weather near harbours.", [1], "of its words"),
        ("The ferry uses the south quay.", [1], "of its words"),
    ],
)
def test_what_is_not_borne_out_is_refused_with_the_reason(text: str, ids: list[int], why: str) -> None:
    assert why in judge(text, ids, STATEMENTS).problem


def test_a_speaker_may_be_named_and_a_likeness_makes_up_for_other_words() -> None:
    assert judge("Anna says that the ferry uses the south quay.", [3], STATEMENTS).problem == ""
    other = "The ferry takes its passengers aboard at the south pier."
    assert "of its words" in judge(other, [3], STATEMENTS).problem
    assert judge(other, [3], STATEMENTS, lambda text, sources: 0.9).problem == ""
    assert judge(other, [3], STATEMENTS, lambda text, sources: 0.2).problem


def test_sentences_and_their_citations_are_read_in_many_forms() -> None:
    answer = "- One thing [p1].\n2. Another thing [p2, p3] And a third [p1] [2]\n\nNothing cited here\n[p4]"
    assert sentences_in(answer) == [
        ("One thing.", [1]),
        ("Another thing.", [2, 3]),
        ("And a third.", [1, 2]),
        ("Nothing cited here.", []),
    ]


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=300))
def test_no_answer_upsets_the_check(text: str) -> None:
    for sentence, ids in sentences_in(text):
        judge(sentence, ids, STATEMENTS)


# ── with models ──────────────────────────────────────────────────────────────────────────────────────────────


def tide_brief() -> dict[str, Any]:
    return compose([analyse(document_of(TIDE))])


def test_a_model_of_pydantic_ai_retells_a_brief() -> None:
    """The model sees numbered statements only; an invented number is left out and named."""
    seen: list[str] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        prompt = str(messages[0].parts[-1].content)  # type: ignore[union-attr]
        seen.append(prompt)
        number = next(line for line in prompt.splitlines() if "no fuel" in line).partition("]")[0].strip("[p")
        return ModelResponse(
            [TextPart(f"The turbine needs no fuel and makes no noise [p{number}].\nIt cost $9 billion [p{number}].")]
        )

    async def generate(prompt: str, context: str) -> Told:
        run = await Agent(FunctionModel(answer)).run(f"{context}\n\n{prompt}")
        return Told(run.output, "function:answer", 0.0)

    told = asyncio.run(retell(tide_brief(), generate))
    assert [s["text"] for s in told["sentences"]] == ["The turbine needs no fuel and makes no noise."]
    source = told["sentences"][0]["sources"][0]
    assert TIDE.replace("\n", " ")[source["start_char"] : source["end_char"]] == source["text"]
    assert told["dropped"] == [{"text": "It cost $9 billion.", "why": "it says 9, which what it cites does not"}]
    assert seen[0].startswith("[p1] ")


def test_the_renderings_say_who_wrote_what_and_what_was_left_out() -> None:
    brief = tide_brief()
    source = statements_of(brief)[0]
    brief["abstract"] = {
        "sentences": [{"text": "Tides <give> power.", "support": 1.0, "sources": [source]}],
        "dropped": [{"text": "x", "why": "y"}],
        "model": "mine:small",
        "cost": None,
    }
    page, text = to_html(brief), to_markdown(brief)
    assert "Tides &lt;give&gt; power." in page
    assert "Written by mine:small" in text
    assert "1 sentence failed and is left out" in page
    assert "no text left it" not in page


def test_a_brief_without_statements_is_not_sent() -> None:
    async def generate(prompt: str, context: str) -> Told:
        raise AssertionError("nothing should be asked")

    with pytest.raises(InvalidInputError, match="no statement"):
        asyncio.run(retell(compose([]), generate))


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.startswith("FAIRLEAD_MODEL"):
            monkeypatch.delenv(name)
    yield


@pytest.mark.usefixtures("keyless")
def test_analyse_abstractive_through_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tide.txt").write_text(TIDE)
    home = tmp_path / "home"
    home.mkdir()
    answer = "A turbine takes power from the tide [p1, p2, p3, p4].\nIt opened in 1850 [p1]."
    with fixed_server(answer) as server:
        (home / "gateway.toml").write_text(
            f'pool = ["mine:small"]\n[providers.mine]\nkind = "openai"\nbase_url = "{server.url}"\nlocal = true\n'
        )
        words = ["analyse", str(tmp_path / "tide.txt"), "--abstractive", "--model", "mine:small"]
        code = main([*words, "--output", str(tmp_path / "out"), "--home", str(home), "--json"])
        told = json.loads(capsys.readouterr().out)["data"]["abstract"]
        assert code == 0
        assert [s["text"] for s in told["sentences"]] == ["A turbine takes power from the tide."]
        assert "1850" in told["dropped"][0]["why"]
        assert told["model"] == "mine:small"
        assert "[p1] " in json.dumps(server.requests[0])
    assert "In other words" in (tmp_path / "out" / "brief.html").read_text()


@pytest.mark.usefixtures("keyless")
def test_without_a_model_abstractive_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tide.txt").write_text(TIDE)
    assert main(["analyse", str(tmp_path / "tide.txt"), "--abstractive", "--home", str(tmp_path / "home")]) != 0
    assert "leave --abstractive out" in capsys.readouterr().err
