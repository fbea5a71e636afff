"""What a look at a channel or feed takes, and when to look again: decisions about values, nothing is fetched here."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.pipeline.sources.port import Discovery, Found, Position

YEAR_SECONDS = 365.25 * 86400.0
FIRST_BACKOFF_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 6 * 3600.0


def choose(
    listed: Iterable[Found],
    position: Position,
    *,
    limit: int,
    now: float | None = None,
    oldest_seconds: float = YEAR_SECONDS,
    etag: str = "",
    last_modified: str = "",
    cursor: str = "",
) -> Discovery:
    """The items of a list, newest first, that a watch has not handled: it stops at ``position.last_seen``.

    With ``now``, what was published more than ``oldest_seconds`` before is left out (a year unless stated); an item
    without a date is kept. An item that a list repeats counts once. A first look takes the newest ``limit`` items. A
    later look takes the oldest of those that are new, and remembers the newest of what it took: where there were more
    than ``limit``, the next look goes on there and nothing is passed over.
    """
    new: dict[str, Found] = {}
    head = ""
    for item in listed:
        if item.external_id == position.last_seen:
            head = head or item.external_id
            break
        too_old = now is not None and item.published_at is not None and item.published_at < now - oldest_seconds
        if not too_old:
            head = head or item.external_id
            new.setdefault(item.external_id, item)
    items = list(new.values())
    if position.last_seen and len(items) > limit:
        items = items[len(items) - limit :]
        head = items[0].external_id
    place = Position(cursor, head or position.last_seen, etag, last_modified)
    return Discovery(tuple(items[:limit]), place)


def newest_first(listed: Iterable[Found]) -> list[Found]:
    """Sorted by time, falling. Where any item has no time, the order given is kept: it is the publisher's own."""
    items = list(listed)
    if any(item.published_at is None for item in items):
        return items
    return sorted(items, key=lambda item: item.published_at or 0.0, reverse=True)


def unchanged(position: Position) -> Discovery:
    """The answer where the server itself said that nothing is new."""
    return Discovery((), position, unchanged=True)


def wait_after_failures(failures: int, *, retry_after: float | None = None, draw: float = 0.5) -> float:
    """Seconds until the next look after so many failures in a row.

    Doubles from a minute to six hours, spread by ``draw`` (0 to 1) over three quarters to five quarters so that
    watches that failed together do not return together. A server's own ``retry_after`` is never undercut, but held to a
    day: a server's mistake must not switch a watch off.
    """
    if failures <= 0:
        return 0.0
    wait = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 30))
    wait *= 0.75 + 0.5 * min(1.0, max(0.0, draw))
    return max(wait, min(retry_after or 0.0, 86400.0))
