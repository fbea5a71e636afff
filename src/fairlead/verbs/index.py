"""Verbs of `index`: the disposable index of the board."""

from __future__ import annotations

from fairlead.verbs.table import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.verbs.context import Context, Output


def rebuild(context: Context) -> Any:
    from fairlead.verbs.ticket_read import with_service

    def work(service: Any) -> Any:
        start = service.clock.monotonic()
        many = service.board.rebuild()
        seconds = round(service.clock.monotonic() - start, 4)
        service.announce("system.index.rebuilt", "index", {"things": many, "seconds": seconds})
        return {"things": many, "seconds": seconds}

    return with_service(context, work)


def stats(context: Context) -> Any:
    import os

    from fairlead.verbs.ticket_read import with_service

    def work(service: Any) -> Any:
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

    return with_service(context, work)


def show(answer: Any, out: Output) -> None:
    for name, value in answer.items():
        out.line(f"{name}: {value}")


VERBS: tuple[Verb, ...] = (
    Verb("index", "rebuild", "build the index anew from the files", rebuild, show=show, role="operator", changes=True),
    Verb("index", "stats", "what the index holds, and whether it follows the files", stats, show=show),
)
