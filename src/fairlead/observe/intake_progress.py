"""Live progress of taking sources in: how many, how fast, how long still, and what is at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from fairlead.events import Event
from fairlead.observe.bars import LiveBars


class IntakeProgress(LiveBars):
    """One bar over all jobs. Give :meth:`hear` to the event bus and states of ``Pace`` to :meth:`update`."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._stages: dict[str, str] = {}
        self._bar = self._progress.add_task("taking in", total=None, count="", note="")

    def hear(self, event: Event) -> None:
        if event.type == "job.progressed":
            self._stages[event.subject] = str(event.data["stage"])
        elif event.type.startswith("job."):
            self._stages.pop(event.subject, None)

    def update(self, state: Mapping[str, Any]) -> None:
        ended = state["done"] + state["failed"] + state["cancelled"]
        parts = [f"{state['rate']:.1f}/s" if state["rate"] else "", _left(state["remaining_s"])]
        stages = list(self._stages.values())
        parts += [f"{stages.count(s)} {s}" for s in ("classifying", "extracting", "ingesting") if s in stages]
        if state["failed"]:
            parts.append(f"{state['failed']} failed")
        note = ", ".join(part for part in parts if part)
        count = f"{ended}/{state['total']}"
        self._progress.update(self._bar, total=max(state["total"], 1), completed=ended, count=count, note=note)


def _left(seconds: float | None) -> str:
    if not seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s left" if minutes else f"{rest} s left"
