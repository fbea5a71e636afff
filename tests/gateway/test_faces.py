"""The verbs, the cost of importing, and counting tokens."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import main
from fairlead.errors import MissingDependencyError, NotFoundError
from fairlead.gateway.providers.gguf import serve
from fairlead.gateway.tokens import TokenCounter, estimate_tokens, load_vocabulary
from fairlead.testing.model_server import ModelServer
from fairlead.testing.stories import Stories


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRLEAD_TENANT", "acme")
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main([*words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    return document.get("data", document.get("error"))


def configure(home: Path, server: ModelServer) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "gateway.toml").write_text(
        f"""
        [policy]
        shadow_share = 0.0
        [providers.one]
        kind = "openai"
        base_url = "{server.url}"
        [models."one:m"]
        input_per_mtok = 1.0
        output_per_mtok = 2.0
        """,
        encoding="utf-8",
    )


def test_models_are_listed_shown_tested_and_asked(
    home: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, server)
    assert [m["id"] for m in run(capsys, "model", "list")["items"]] == ["local/extractive", "one:m"]
    assert run(capsys, "model", "show", "one:m")["price"]["state"] == "override"
    assert run(capsys, "model", "test", "one:m")["success"] is True
    asked = run(capsys, "model", "ask", "Write a line.", "--max-tokens", "40")
    assert asked["content"].startswith("A short answer")
    assert run(capsys, "cost", "summary")["calls"] == 2
    assert run(capsys, "cost", "by", "model")["items"][0]["model"] == "one:m"
    assert run(capsys, "cost", "tree")["calls"] == 2
    assert len(run(capsys, "cost", "calls")["items"]) == 2
    assert run(capsys, "cost", "forecast", "--hours", "5")["hours"] == 5
    report = run(capsys, "cost", "report", "openai:gpt-4")
    assert report["requests"] == 2 and report["share_saved"] > 0.5
    assert run(capsys, "cost", "alerts")["items"] == []


def test_a_decision_is_explained_without_a_call(
    home: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, server)
    assert run(capsys, "model", "route", "Write a poem", "--explain")["model"] == "one:m"
    assert main(["model", "route", "Write a poem", "--explain"]) == 0
    text = capsys.readouterr().out
    assert "expected quality" in text and "does answer, classify, extract, summarise and not write" in text
    assert server.requests == []


def test_budgets_are_set_shown_and_kept(home: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, server)
    budget = run(capsys, "budget", "set", "tenant", "acme", "0.00001", "--per", "day")
    assert (budget["limit"], budget["period"]) == (0.00001, "day")
    refused = run(capsys, "model", "ask", "Write a line.", code=1)
    assert "fairlead budget set" in refused["error_message"]
    assert run(capsys, "budget", "list")["items"][0]["id"] == budget["id"]
    assert run(capsys, "budget", "show", budget["id"])["cause"].startswith("operator:")
    again = run(capsys, "budget", "set", "tenant", "acme", "5", "--per", "day")
    assert again["id"] == budget["id"]
    assert run(capsys, "model", "ask", "Write a line.")["success"] is True
    assert run(capsys, "budget", "delete", budget["id"])["deleted"] is True
    assert run(capsys, "budget", "show", budget["id"], code=1)["code"] == "NotFoundError"


def test_every_verb_prints_for_people(home: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, server)
    for words in (
        ["model", "ask", "Write a line."],
        ["model", "list"],
        ["model", "route", "Write a line."],
        ["budget", "set", "run", "*", "1", "--per", "total"],
        ["budget", "list"],
        ["cost", "summary"],
        ["cost", "by", "agent"],
        ["cost", "tree"],
        ["cost", "forecast"],
        ["cost", "report", "openai:gpt-4o"],
        ["cost", "alerts"],
    ):
        assert main(words) == 0, words
        assert capsys.readouterr().out.strip(), words


def test_bad_words_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "budget", "set", "tenant", "rival", "1", code=2)["code"] == "InvalidInputError"
    assert run(capsys, "budget", "set", "tenant", "acme", "-1", code=2)["code"] in ("InvalidInputError", "UsageError")
    assert run(capsys, "model", "show", "gpt-4o", code=1)["code"] == "NotFoundError"


def test_a_router_is_trained_from_a_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {
            "prompt": f"{'prove' if n % 2 else 'name'} thing {n}",
            "model": model,
            "quality": float(n % 2 == 0 or n % 7 == 0),
        }
        for n in range(80)
        for model in ("cheap", "premium")
    ]
    file = tmp_path / "outcomes.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert run(capsys, "model", "train", str(file))["prompts"] == 80
    assert (home / "difficulty.npz").is_file()
    file.write_text('{"prompt": 1}', encoding="utf-8")
    assert "line 1" in run(capsys, "model", "train", str(file), code=2)["message"]


def test_importing_the_room_is_cheap() -> None:
    code = (
        "import sys, time; t = time.process_time(); import fairlead.gateway; "
        "print(time.process_time() - t); print(*sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    seconds, _, modules = out.partition("\n")
    assert float(seconds) < 0.5
    assert not {"numpy", "pydantic_ai", "pydantic", "genai_prices", "openai"} & set(modules.split())


def test_the_whole_gateway_loads_without_any_vendors_client() -> None:
    code = "import sys; import fairlead.gateway.gateway; print(*sys.modules)"
    modules = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert not {"pydantic_ai", "openai", "anthropic", "genai_prices", "httpx2", "sklearn"} & modules


def test_counts_are_labelled(stories: Stories) -> None:
    counter = TokenCounter(exact={"one:stories": lambda text: len(stories.encode(text))})
    exact = counter.count("one:stories", "Once upon a time")
    assert (exact.tokens, exact.label) == (4, "exact")
    assert counter.count("other:m", "Once upon a time").label == "estimated"


def test_a_vocabulary_file_counts_exactly(tmp_path: Path) -> None:
    pytest.importorskip("tiktoken")
    pieces = [bytes([n]) for n in range(256)] + [b"ab", b"abab"]
    lines = [base64.b64encode(piece) + b" " + str(rank).encode() for rank, piece in enumerate(pieces)]
    (tmp_path / "small.tiktoken").write_bytes(b"\n".join(lines))
    count = load_vocabulary(str(tmp_path / "small.tiktoken"))
    assert [count("abababab"), count("abc"), count("xyz")] == [2, 2, 3]
    with pytest.raises(NotFoundError):
        load_vocabulary(str(tmp_path / "none.tiktoken"))


def test_the_estimate_is_near_a_real_vocabulary() -> None:
    pytest.importorskip("mistral_common")
    count = load_vocabulary("tekken")
    text = Path(__file__).read_text("utf-8")
    assert estimate_tokens(text) == pytest.approx(count(text), rel=0.25)


def test_estimates_learn_and_reservations_stay_above() -> None:
    counter = TokenCounter()
    text = "The quick brown fox jumps over the lazy dog. " * 30
    for _ in range(8):
        counter.learn("m", estimate_tokens(text), 500)
    count = counter.count("m", text)
    assert count.label == "calibrated"
    assert count.tokens == pytest.approx(500, rel=0.03)
    assert count.most > 500
    assert estimate_tokens("") == 1
    assert counter.count("m", "x").most <= 16


def test_a_model_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        serve(str(tmp_path / "none.gguf"))
    (tmp_path / "empty.gguf").write_bytes(b"")
    if find_spec("xllamacpp") is None:
        (tmp_path / "empty.gguf").write_bytes(b"")
        with pytest.raises(MissingDependencyError, match="xllamacpp"):
            serve(str(tmp_path / "empty.gguf"))
