"""``fairlead analyse`` from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fairlead.cli.main import main

TEXT = "Tidal energy feeds the town of Kirkwall since 2019. Write to anna@orkney.example about tidal energy. " * 3


def test_analyse_prints_json_and_stores_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.json").write_text("{")
    home = tmp_path / "home"
    code = main(["analyse", str(tmp_path / "a.txt"), str(tmp_path / "b.json"), "--json", "--home", str(home)])
    answer = json.loads(capsys.readouterr().out)["data"]
    assert code == 0
    assert not home.exists()
    first, second = answer["documents"]
    assert "tidal energy" in first["key_phrases"][0]["phrase"].lower()
    assert "JSON cannot be read" in second["error"]
    assert "sketch" not in first


def test_analyse_shows_and_writes_a_brief(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    assert main(["analyse", str(tmp_path / "a.txt"), "--redact", "--output", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "taken out as private: 3 email" in shown
    assert "anna@" not in (tmp_path / "out" / "brief.html").read_text()
    assert "Kirkwall" in (tmp_path / "out" / "brief.md").read_text()


def test_analyse_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert main(["analyse", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["documents"][0]["source"] == "stdin"


def test_a_path_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", "/no/such/file.txt"]) != 0
    assert "does not exist" in capsys.readouterr().err
