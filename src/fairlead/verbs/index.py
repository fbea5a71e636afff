"""Verbs of `index`: the disposable index of the board."""

from __future__ import annotations

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.verbs.context import Context, Output


def rebuild(context: Context) -> Any:

    with Opened(context) as service:
        start = service.clock.monotonic()
        many = service.board.rebuild()
        seconds = round(service.clock.monotonic() - start, 4)
        service.announce("system.index.rebuilt", "index", {"things": many, "seconds": seconds})
        return {"things": many, "seconds": seconds}


def stats(context: Context) -> Any:
    import os

    with Opened(context) as service:
        board = service.board
        changed = board.refresh(force=True)
        index = board.index
        looked, cost = index.meta("looked", "cost")
        names = ("tk_things", "tk_labels", "tk_edges", "tk_changes", "problems")
        counts = {name.removeprefix("tk_"): index.rows(f"SELECT count(*) FROM {name}")[0][0] for name in names}
        size = os.path.getsize(index.path) if os.path.exists(index.path) else 0
        return {
            "path": index.path,
            "bytes": size,
            **counts,
            "followed_now": changed,
            "looked_at": looked,
            "look_seconds": round(cost, 5),
        }


def show(answer: Any, out: Output) -> None:
    for name, value in answer.items():
        out.line(f"{name}: {value}")


_INDEX = Noun("index", show)
VERBS: tuple[Verb, ...] = (
    _INDEX.changes("rebuild", "build the index anew from the files", rebuild),
    _INDEX.reads("stats", "what the index holds, and whether it follows the files", stats),
)
