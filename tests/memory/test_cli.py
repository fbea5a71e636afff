"""`fairlead memory …` as a person and as a program types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import main


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str, code: int = 0) -> Any:
        assert main([*words, "--home", str(tmp_path / "home"), "--json"]) == code
        document = json.loads(capsys.readouterr().out)
        return document.get("data", document.get("error"))

    return run


def test_add_recall_show_list_forget(call: Any) -> None:
    entry = call("memory", "add", "Deploys freeze on Fridays.", "--source", "handbook.md", "--tag", "process")
    (hit,) = call("memory", "recall", "when do deploys freeze")["hits"]
    assert (hit["id"], hit["source"], hit["offsets"]) == (entry["id"], "handbook.md", [[0, 7], [8, 14]])
    assert call("memory", "show", entry["id"])["content"] == "Deploys freeze on Fridays."
    assert [e["id"] for e in call("memory", "list", "--tag", "process")] == [entry["id"]]
    assert call("memory", "stats")[0]["entries"] == 1
    assert call("memory", "forget", entry["id"]) == {"forgotten": 1}
    assert call("memory", "recall", "deploys")["hits"] == []
    assert call("memory", "show", entry["id"], code=1)["code"] == "NotFoundError"


def test_export_erase_import_verify_and_graph(call: Any, tmp_path: Path) -> None:
    secret = call("memory", "add", "Zephyrine keeps the harbour keys.")
    call("memory", "add", "The gate opens at six.")
    file = str(tmp_path / "memory.jsonl")
    assert call("memory", "export", file)["entries"] == 2
    erasure = call("memory", "erase", secret["id"])
    assert (erasure["complete"], erasure["files"]) == (True, [])
    assert call("memory", "import", file) == {"taken": 1, "erased": 1}
    assert call("memory", "verify")["namespaces"] == {"default": []}
    assert call("memory", "reindex") == {"default": 1}
    assert call("memory", "versions", call("memory", "list")[0]["id"]) == []
    assert call("memory", "graph", "Nobody", code=1)["code"] == "NotFoundError"
    assert call("memory", "graph", "--output", "graphml")["text"].startswith("<?xml")
    assert call("memory", "move", "pgvector", code=2)["code"] == "InvalidInputError"


def test_the_graph_is_drawn_as_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "in.jsonl"
    facts = {"content": "Anna met Bob.", "relations": [["Anna", "met", "Bob"], ["Bob", "owns", "Tug"]]}
    file.write_text(json.dumps(facts) + "\n")
    home = ["--home", str(tmp_path / "home")]
    assert main(["memory", "import", str(file), *home]) == 0
    capsys.readouterr()
    assert main(["memory", "graph", "anna", "--depth", "2", *home]) == 0
    assert capsys.readouterr().out.splitlines() == ["Anna  1.00", "└─ met → Bob  0.50", "   └─ owns → Tug  0.25"]


def test_reading_before_anything_was_remembered_makes_nothing(call: Any, tmp_path: Path) -> None:
    assert call("memory", "recall", "anything", code=3)["code"] == "NotInitialisedError"
    assert not (tmp_path / "home").exists()


def test_people_see_the_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert main(["memory", "add", "Owls hunt at night.\x1b[31m", "--source", "birds.txt", *home]) == 0
    capsys.readouterr()
    assert main(["memory", "recall", "owls", *home]) == 0
    shown = capsys.readouterr().out
    assert "birds.txt" in shown
    assert "lexical" in shown
    assert "\x1b" not in shown
    assert main(["memory", "recall", "zebras", *home]) == 0
    assert "nothing is remembered about 'zebras'" in capsys.readouterr().out
