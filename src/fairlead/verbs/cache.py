"""Verbs of `cache`: records kept between calls."""

from __future__ import annotations

from fairlead.verbs.opened import Opened
from fairlead.verbs.table import Noun, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.verbs.context import Context, Output


def stats(context: Context) -> Any:
    from fairlead.tickets import cache

    with Opened(context) as service:
        return cache.stats(service.board, service.cache)


def clear(context: Context) -> Any:

    with Opened(context) as service:
        many = service.cache.clear(service.board)
        service.announce("system.cache.cleared", "cache", {"states": many})
        return {"cleared": many}


def warm(context: Context) -> Any:

    with Opened(context) as service:
        return {"kept": service.cache.warm(service.board)}


def show(answer: Any, out: Output) -> None:
    for name, value in answer.items():
        out.line(f"{name}: {'not measured yet' if value is None else value}")


_CACHE = Noun("cache", show)
VERBS: tuple[Verb, ...] = (
    _CACHE.reads("stats", "hits, misses, size and hit rate of all processes so far", stats),
    _CACHE.changes("clear", "forget what is kept", clear),
    _CACHE.changes("warm", "keep all unfinished tickets for the next calls", warm),
)
