"""What yt-dlp says, as records: the differences between platforms end here. Nothing in it is believed unchecked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from fairlead.pipeline.fetch import shown
from fairlead.pipeline.sources.port import Found, Record

_LATEST = 7_258_118_400.0
_BEST_FORMATS = ("json3", "vtt", "srt")
"""JSON3 says which words are repeated on the screen; the others have to be compared."""


class Captions(NamedTuple):
    """One caption file: where it lies, or its text."""

    format: str
    language: str
    automatic: bool
    url: str = ""
    data: str = ""


def _text(info: Mapping[str, Any], *keys: str, most: int = 500) -> str:
    for key in keys:
        value = info.get(key)
        if isinstance(value, list):
            value = ", ".join(each for each in value[:20] if isinstance(each, str))
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:most]
    return ""


def _number(value: Any, most: float) -> float | None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
    return float(value) if fits else None


def _texts(value: Any, most: int) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(dict.fromkeys(" ".join(each.split())[:100] for each in listed if isinstance(each, str)))[:most]


def _published(info: Mapping[str, Any]) -> float | None:
    for key in ("timestamp", "release_timestamp"):
        seconds = _number(info.get(key), _LATEST)
        if seconds:
            return seconds
    for key in ("upload_date", "release_date"):
        text = _text(info, key)
        if re.fullmatch(r"\d{8}", text):
            try:
                return max(1.0, datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp())
            except ValueError:
                continue
    return None


def identity_of(info: Mapping[str, Any], address: str) -> str:
    """The platform's id; where it gives none, sixteen digits of the address's SHA-256."""
    return _text(info, "id", most=200) or hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:16]


def record_of(info: Mapping[str, Any], source: str, address: str) -> Record:
    """The record of one video or clip.

    A channel (YouTube), a streamer (Twitch: of a clip the one whose stream it is, not the one who cut it) and a
    creator (TikTok) are all ``creator``.
    """
    identity = identity_of(info, address)
    return Record(
        source,
        identity,
        _address_of(info, source) or address,
        _text(info, "title", "fulltitle", "alt_title") or identity,
        _text(info, "channel", "uploader", "creators", "creator", "uploader_id", most=200),
        _text(info, "channel_id", "uploader_id", most=200),
        _published(info),
        _number(info.get("duration"), 1e7),
        _text(info, "language", most=35),
        "clip" if _is_clip(info, address) else "video",
        str(info.get("description") or "")[:20_000] if isinstance(info.get("description"), str) else "",
        (_texts(info.get("tags"), 50) + _texts(info.get("categories"), 10))[:50],
        _thumbnails(info),
    )


def _is_clip(info: Mapping[str, Any], address: str) -> bool:
    extractor = _text(info, "extractor", "extractor_key").lower()
    return "clip" in extractor or "/clip/" in address or "//clips." in address


def _address_of(info: Mapping[str, Any], source: str) -> str:
    identity = _text(info, "id")
    if source == "youtube" and re.fullmatch(r"[A-Za-z0-9_-]{11}", identity) and not _is_clip(info, ""):
        return f"https://www.youtube.com/watch?v={identity}"
    for key in ("webpage_url", "url", "original_url"):
        value = info.get(key)
        if isinstance(value, str) and re.fullmatch(r"https?://[^\s\x00-\x1f]{1,2000}", value):
            return value
    return ""


def _thumbnails(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The best first: yt-dlp lists them the other way round."""
    listed = info.get("thumbnails")
    urls = [each.get("url") for each in reversed(listed) if isinstance(each, dict)] if isinstance(listed, list) else []
    urls = [info.get("thumbnail"), *urls]
    return tuple(dict.fromkeys(url for url in urls if isinstance(url, str) and url.startswith("http")))[:3]


def found_of(info: Mapping[str, Any], address: str, depth: int = 0) -> Iterator[Found]:
    """The items of a list, tabs of a channel opened; of one item that item."""
    source = _text(info, "extractor", "ie_key", "extractor_key").lower().partition(":")[0]
    entries = info.get("entries")
    if not isinstance(entries, list):
        url = _address_of(info, source) if depth else _address_of(info, source) or address
        if url:
            yield Found(identity_of(info, url), url, _text(info, "title"), _published(info))
        return
    for entry in entries:
        if isinstance(entry, dict) and depth < 3:
            yield from found_of(entry, address, depth + 1)


def captions_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """What of an answer is kept to choose captions from."""
    return {
        key: value
        for key in ("subtitles", "automatic_captions", "language")
        if isinstance(value := info.get(key), (dict, str))
    }


def choose_captions(info: Mapping[str, Any], language: str, wanted: tuple[str, ...]) -> Captions | None:
    """The caption file to read: a person's before a machine's, in a language that is wanted, else the item's own.

    Of a machine's captions only those in the spoken language are taken, never its translations of them.
    """
    own = language or _text(info, "language")
    people = _tracks(info.get("subtitles"), automatic=False)
    machine = _tracks(info.get("automatic_captions"), automatic=True)
    for want in (*wanted, *([own] if own else [])):
        found = _in_language(people, want)
        if found is not None:
            return found
    spoken = [track for track in machine if track.language.endswith("-orig")]
    if not spoken:
        found = _in_language(machine, own) if own else None
        # Where the platform does not say what is spoken, one language only is no translation.
        spoken = [found] if found else machine if len({track.language for track in machine}) == 1 else []
    if people and not (spoken and own):
        return _best(people)
    return _best([track._replace(language=track.language.removesuffix("-orig")) for track in spoken] or people)


def _tracks(value: Any, *, automatic: bool) -> list[Captions]:
    tracks: list[Captions] = []
    for language, offered in value.items() if isinstance(value, dict) else ():
        if not isinstance(offered, list) or not re.fullmatch(
            r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,12}){0,3}", str(language)
        ):
            continue
        for each in offered[:20]:
            if not isinstance(each, dict) or each.get("ext") not in _BEST_FORMATS:
                continue
            url, data = each.get("url"), each.get("data")
            # Lists of pieces (HLS) are no caption file.
            if isinstance(data, str) and data:
                tracks.append(Captions(each["ext"], language, automatic, data=data))
            elif isinstance(url, str) and url.startswith("http") and "m3u8" not in str(each.get("protocol")):
                tracks.append(Captions(each["ext"], language, automatic, url))
    return tracks


def _in_language(tracks: list[Captions], language: str) -> Captions | None:
    exact = [track for track in tracks if track.language.lower() == language.lower()]
    near = [track for track in tracks if track.language.lower().split("-")[0] == language.lower().split("-")[0]]
    return _best(exact or near)


def _best(tracks: list[Captions]) -> Captions | None:
    return min(tracks, key=lambda track: _BEST_FORMATS.index(track.format), default=None)


_MEANINGS: tuple[tuple[str, type[FairleadError], str], ...] = (
    (r"HTTP Error 429|too many requests|rate.?limit", RateLimitedError, "Try again later."),
    (r"private|sign in|log ?in|members.only|subscriber|age.restricted|not available in your country|geo.?restrict"
     r"|drm|paid|premium|HTTP Error 40[13]", ForbiddenError, "Use an item that is open to all."),
    (r"unavailable|does not exist|not found|removed|HTTP Error 4(?:04|10)|no longer|deleted|terminated",
     NotFoundError, "Check the address."),
    (r"unsupported url|no suitable extractor|is not a valid url", InvalidInputError, "Check the address."),
    (r"timed? ?out|getaddrinfo|connection|unable to download|network|resolve|HTTP Error 5\d\d|reset by peer|ssl",
     NetworkError, "Try again later."),
)  # fmt: skip
"""What yt-dlp says, in the order in which it is looked for, and what it means for whoever asked."""


def error_of(said: str, address: str, source: str) -> FairleadError:
    """The error that yt-dlp's last words mean. What is not known may be a change of the platform that an update
    mends, so it counts as passing."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = next(
        (line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "it said nothing"
    )
    last = re.sub(r"https?://\S+", lambda found: shown(found[0]), last.removeprefix("ERROR:").strip())[:300]
    message = f"yt-dlp could not read {shown(address)}: {last.rstrip('.')}."
    for pattern, kind, remedy in _MEANINGS:
        if re.search(pattern, last, re.IGNORECASE):
            return kind(message, remedy=remedy, source=source)
    return UnavailableError(message, remedy="Update yt-dlp: pip install -U yt-dlp.", source=source)
