"""Links to a second: how each platform is told where in a recording to begin."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_TIME_PARAMETERS = frozenset({"t", "start", "time_continue"})


def link_at(url: str, seconds: float | None) -> str:
    """``url`` with the second at which something is said.

    YouTube takes ``t=83s`` in the query, Twitch ``t=0h1m23s``, Vimeo ``#t=83s``; whatever else is an address on the web
    gets a media fragment (W3C Media Fragments URI, ``#t=83``), which browsers follow for audio and video. A moment that
    the address named before is replaced. What is not on the web, and what has no time, stays as it is.
    """
    if seconds is None or not url.startswith(("http://", "https://")):
        return url
    whole = max(0, int(seconds))
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    except ValueError:
        return url
    if host in ("youtube.com", "youtu.be", "music.youtube.com") and not parts.path.startswith("/clip/"):
        return _with_query(url, f"{whole}s")
    if host == "twitch.tv" and parts.path.startswith("/videos/"):
        return _with_query(url, f"{whole // 3600}h{whole // 60 % 60}m{whole % 60}s")
    if host in ("tiktok.com", "clips.twitch.tv", "twitch.tv"):
        # Neither can be told where to begin.
        return url
    if parts.fragment and not parts.fragment.startswith("t="):
        return url
    return urlunsplit(parts._replace(fragment=f"t={whole}s" if host == "vimeo.com" else f"t={whole}"))


def _with_query(url: str, moment: str) -> str:
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in _TIME_PARAMETERS]
    return urlunsplit(parts._replace(query=urlencode([*pairs, ("t", moment)]), fragment=""))
