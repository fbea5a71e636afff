"""What the gateway's tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fairlead.testing.model_server import ModelServer


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    @property
    def slept(self) -> list[float]:
        return self.__dict__.setdefault("naps", [])


def priced(server: ModelServer, name: str = "one", *, tier: str = "cheap", **policy: Any) -> dict[str, Any]:
    """A configuration with one OpenAI-compatible server whose model costs money."""
    return {
        "policy": {"shadow_share": 0.0, **policy},
        "providers": {name: {"kind": "openai", "base_url": server.url}},
        "models": {f"{name}:m": {"input_per_mtok": 1.0, "output_per_mtok": 2.0, "tier": tier}},
    }


def joined(*tables: dict[str, Any]) -> dict[str, Any]:
    """One configuration of several."""
    found: dict[str, Any] = {}
    for table in tables:
        for name, part in table.items():
            found[name] = {**found.get(name, {}), **part}
    return found


def data_folder(name: str) -> Path:
    """A folder of the shared data; skips the test, saying so, where it is absent."""
    root = Path(os.environ.get("FAIRLEAD_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (root / name).is_dir():
        pytest.skip(f"no {name} under {root} (set FAIRLEAD_DATA)")
    return root / name
