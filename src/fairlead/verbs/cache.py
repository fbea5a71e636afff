"""Verbs of `cache`: records kept between calls."""

from __future__ import annotations

from fairlead.verbs.table import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.verbs.context import Context, Output


def stats(context: Context) -> Any:
    from fairlead.tickets import cache
    from fairlead.verbs.ticket_read import with_service

    return with_service(context, lambda service: cache.stats(service.board, service.cache))


def clear(context: Context) -> Any:
    from fairlead.verbs.ticket_read import with_service

    def work(service: Any) -> Any:
        many = service.cache.clear(service.board)
        service.announce("system.cache.cleared", "cache", {"states": many})
        return {"cleared": many}

    return with_service(context, work)


def warm(context: Context) -> Any:
    from fairlead.verbs.ticket_read import with_service

    return with_service(context, lambda service: {"kept": service.cache.warm(service.board)})


def show(answer: Any, out: Output) -> None:
    for name, value in answer.items():
        out.line(f"{name}: {'not measured yet' if value is None else value}")


VERBS: tuple[Verb, ...] = (
    Verb("cache", "stats", "hits, misses, size and hit rate of all processes so far", stats, show=show),
    Verb("cache", "clear", "forget what is kept", clear, show=show, role="operator", changes=True),
    Verb(
        "cache",
        "warm",
        "keep all unfinished tickets for the next calls",
        warm,
        show=show,
        role="operator",
        changes=True,
    ),
)
