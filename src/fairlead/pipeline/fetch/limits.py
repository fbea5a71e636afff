"""How much, how long and how many at once: the limits of fetching, as values."""

from __future__ import annotations

from typing import NamedTuple


class FetchLimits(NamedTuple):
    """Limits of one client.

    ``total_seconds`` bounds one attempt with all its redirects, ``idle_seconds`` the silence between two pieces,
    ``connect_seconds`` looking up, connecting and shaking hands. ``most_bytes`` bounds a body both as it travels and
    unpacked, ``most_media_bytes`` a download to a file. ``per_host`` and ``at_once`` bound requests in progress.
    ``attempts`` counts the first; between two of them at most ``longest_wait`` seconds pass: whoever asks for more
    patience than that gets it from the schedule, not from a worker that sits and waits.
    """

    total_seconds: float = 60.0
    media_seconds: float = 1800.0
    idle_seconds: float = 15.0
    connect_seconds: float = 10.0
    most_bytes: int = 10_000_000
    most_media_bytes: int = 1_000_000_000
    redirects: int = 5
    per_host: int = 9
    at_once: int = 48
    attempts: int = 3
    longest_wait: float = 10.0
