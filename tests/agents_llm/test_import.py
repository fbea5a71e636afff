"""pydantic-ai costs 0.4 s to import, so only those pay who use it; and its clients do not retry behind our back."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pydantic_ai
import pytest

import fairlead
from fairlead.agents.llm import models, resolve_by_name

SOURCE = Path(fairlead.__file__).parent


def test_nothing_else_imports_the_adapter_or_pydantic_ai_at_module_level() -> None:
    offenders = []
    for path in SOURCE.rglob("*.py"):
        if path.is_relative_to(SOURCE / "agents" / "llm"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.startswith("fairlead.agents.llm"):
                    offenders.append(f"{path}: {name}")
                if name.partition(".")[0] == "pydantic_ai" and not path.is_relative_to(SOURCE / "gateway"):
                    offenders.append(f"{path}: {name}")
    assert offenders == []


def test_the_agents_room_is_imported_without_it() -> None:
    code = "import fairlead.agents, fairlead.runtime, sys; print('pydantic_ai' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_the_banner_stays_off() -> None:
    assert pydantic_ai.BANNER_ENABLED is False


def test_the_client_of_a_model_made_here_does_not_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(client=SimpleNamespace(max_retries=2))
    monkeypatch.setattr(models, "infer_model", lambda name: made)
    assert resolve_by_name("any:model") is made  # type: ignore[comparison-overlap]
    assert made.client.max_retries == 0
