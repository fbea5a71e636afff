"""Live progress of a run on a terminal: a bar per step, and what each agent is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import TaskID

from fairlead.events import Event
from fairlead.observe.bars import LiveBars

_MARKS = {
    "run.paused": "paused",
    "run.resumed": "resumed",
    "run.recovered": "taken up again",
    "run.blocked": "waits for you",
}


class RunProgress(LiveBars):
    """Shows one run. Give :meth:`hear` to the event bus; it takes events of other runs and ignores them.

    ``follows`` says which step follows which other one item by item.

    Off a terminal a line is printed when a step ends, and nothing moves.
    """

    def __init__(
        self, run_id: str, *, steps: list[str], follows: Mapping[str, str] | None = None, console: Console | None = None
    ) -> None:
        super().__init__(console)
        self.run_id = run_id
        self._bars: dict[str, TaskID] = {}
        self._working: dict[str, set[str]] = {}
        self._done: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._ended: set[str] = set()
        self._follows = dict(follows or {})
        for step in steps:
            self._bars[step] = self._progress.add_task(step, total=None, start=False, count="", note="")

    def hear(self, event: Event) -> None:
        if event.subject != self.run_id:
            return
        if event.type in _MARKS:
            self.console.print(f"[yellow]{_MARKS[event.type]}[/] [dim]by {event.cause}")
        step = event.data.get("step")
        if step is None:
            return
        name = step.partition("/")[0].partition("[")[0]
        if name not in self._bars or "/" in step:
            return
        self._count(name, step, event)

    def _count(self, name: str, step: str, event: Event) -> None:
        is_item = "[" in step
        if event.type == "step.expanded":
            self._expand(name, event.data["items"])
        elif event.type == "step.started":
            self._progress.start_task(self._bars[name])
            self._working.setdefault(name, set()).add(step)
        elif event.type in ("step.completed", "step.failed", "step.skipped"):
            self._working.get(name, set()).discard(step)
            if is_item:
                self._done[name] = self._done.get(name, 0) + 1
            else:
                self._end(name, event)
                return
        self._paint(name, event)

    def _expand(self, name: str, items: int) -> None:
        """A fan-out knows its number of items, and so does everything that follows it item by item."""
        self._totals[name] = items
        for follower, followed in self._follows.items():
            if followed == name:
                self._expand(follower, items)

    def _paint(self, name: str, event: Event) -> None:
        total = self._totals.get(name)
        done = self._done.get(name, 0)
        working = len(self._working.get(name, ()))
        count = f"{done}/{total}" if total else (str(done) if done else "")
        note = f"{working} at work" if working > 1 else event.data.get("note", "")
        self._progress.update(self._bars[name], total=total, completed=done, count=count, note=note)

    def _end(self, name: str, event: Event) -> None:
        if name in self._ended:
            return
        self._ended.add(name)
        items = event.data.get("items", self._done.get(name, 0))
        count = str(items) if items else ""
        word = event.type.partition(".")[2]
        note = "" if word == "completed" else f"{word}: {event.data.get('error') or event.data.get('reason') or ''}"
        self._progress.update(self._bars[name], total=1, completed=1, count=count, note=note)
        if not self.console.is_terminal:
            told: Any = f" ({items})" if items else ""
            self.console.print(f"{word:>9}  {name}{told} {note}".rstrip())
