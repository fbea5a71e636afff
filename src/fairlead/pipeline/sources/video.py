"""Videos, clips and channels of YouTube, Twitch and TikTok, through yt-dlp as a program of its own (extra ``media``).

yt-dlp knows the platforms and changes weekly, so it is asked over its command line only, with nothing of the user's
configuration, plug-ins or cookies, and only for addresses of the platform in question. Captions are fetched by our own
client from where yt-dlp says that they lie.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, MissingDependencyError, NotFoundError
from fairlead.pipeline.fetch import Fetcher, parse_target, shown
from fairlead.pipeline.sources.port import START, Discovery, Position, Record, Transcript
from fairlead.pipeline.sources.programs import run_program
from fairlead.pipeline.sources.video_facts import (
    captions_of,
    choose_captions,
    error_of,
    found_of,
    record_of,
)
from fairlead.pipeline.sources.watching import YEAR_SECONDS, choose

_MOST_JSON = 32_000_000
_MOST_CAPTIONS = 20_000_000
_MOST_RECENT = 32
_FRESH_SECONDS = 300.0
_QUIET = (
    "--ignore-config --no-plugin-dirs --no-cache-dir --no-cookies --no-cookies-from-browser --no-exec "
    "--no-progress --no-warnings --color no_color --no-update --socket-timeout 15 --retries 2 --extractor-retries 1"
)


class Platform(NamedTuple):
    """One platform: its name in records, the hosts that are its own, and yt-dlp's extractors for it."""

    name: str
    hosts: tuple[str, ...]
    extractors: str

    def owns(self, host: str) -> bool:
        return any(host == own or host.endswith(f".{own}") for own in self.hosts)


YOUTUBE = Platform("youtube", ("youtube.com", "youtu.be", "youtube-nocookie.com"), "youtube.*")
TWITCH = Platform("twitch", ("twitch.tv",), "twitch.*")
TIKTOK = Platform("tiktok", ("tiktok.com",), "tiktok.*,vm.tiktok")
PLATFORMS = (YOUTUBE, TWITCH, TIKTOK)


class VideoOptions(NamedTuple):
    """``languages`` wanted for captions; times in seconds for asking and for fetching media; bytes of media."""

    languages: tuple[str, ...] = ()
    ask_seconds: float = 120.0
    media_seconds: float = 1_800.0
    most_media_bytes: int = 1_000_000_000
    oldest_seconds: float = YEAR_SECONDS


class _Asked(NamedTuple):
    until: float
    record: Record
    captions: Mapping[str, Any]


def _holds_several(info: Mapping[str, Any]) -> bool:
    return info.get("_type") in ("playlist", "multi_video") or isinstance(info.get("entries"), list)


def find_program() -> tuple[str, ...]:
    """The words that start yt-dlp here: the installed package, else the program on the path."""
    import shutil
    import sys
    from importlib.util import find_spec

    if find_spec("yt_dlp") is not None:
        return (sys.executable, "-P", "-m", "yt_dlp")
    program = shutil.which("yt-dlp")
    if program:
        return (program,)
    raise MissingDependencyError(
        "yt-dlp is needed for videos and is not installed.", remedy="Install it with pip install 'fairlead[media]'."
    )


class VideoSource:
    """One platform. ``program`` are the words that start yt-dlp; None: looked for when it is first needed."""

    def __init__(
        self,
        platform: Platform,
        fetcher: Fetcher,
        clock: Clock,
        *,
        options: VideoOptions = VideoOptions(),  # noqa: B008 - a named tuple never changes
        program: Sequence[str] | None = None,
    ) -> None:
        self.name = platform.name
        self.platform = platform
        self._fetcher = fetcher
        self._clock = clock
        self._options = options
        self._program = tuple(program) if program is not None else None
        self._recent: OrderedDict[str, _Asked] = OrderedDict()

    def accepts(self, address: str) -> bool:
        if not address.lower().startswith(("http://", "https://")):
            return False
        try:
            return self.platform.owns((urlsplit(address).hostname or "").lower())
        except ValueError:
            return False

    async def discover(self, address: str, position: Position = START, limit: int = 50) -> Discovery:
        # Two lists are asked for at most: a short one, and a long one when what was seen last is not in it.
        for most in (limit * 2, limit * 20):
            # Lists of YouTube say "3 months ago" only; near enough to leave out what is years old.
            dates = ("--extractor-args", "youtubetab:approximate_date")
            words = ("--flat-playlist", *dates, "--playlist-items", f"1:{most}")
            info = await self._ask(listing_address(address), *words)
            listed = list(found_of(info, address))
            if not _holds_several(info):
                # An item finds itself, and what was said of it is what its record is made from in a moment.
                self._remember(address, info)
            known = any(item.external_id == position.last_seen for item in listed)
            if known or not position.last_seen or len(listed) < most:
                break
        return choose(listed, position, limit=limit, now=self._clock.now(), oldest_seconds=self._options.oldest_seconds)

    async def metadata(self, address: str) -> Record:
        return (await self._asked(address)).record

    async def transcript(self, address: str, record: Record) -> Transcript | None:
        asked = await self._asked(address)
        chosen = choose_captions(asked.captions, record.language, self._options.languages)
        if chosen is None:
            return None
        if chosen.data:
            content = chosen.data.encode()
        else:
            # robots.txt speaks of crawlers; this is the one file that belongs to the item that was asked for.
            page = await self._fetcher.get(chosen.url, most_bytes=_MOST_CAPTIONS, robots=False)
            content = page.body
        if not content.strip():
            return None
        return Transcript(chosen.format, content, chosen.language, "automatic" if chosen.automatic else "captions")

    async def media(self, address: str, record: Record, folder: Path) -> Path:
        options = self._options
        words = ["--no-playlist", "--format", "bestaudio/best", "--max-filesize", str(options.most_media_bytes)]
        words += ["--no-mtime", "--no-part", "--no-overwrites", "--restrict-filenames", "--fixup", "never"]
        # The name is ours and holds nothing of the platform's answer but an ending that yt-dlp itself checks.
        words += ["--output", "media.%(ext)s", "--no-simulate"]
        target = folder.resolve()
        before = set(target.iterdir())
        await self._run(address, words, options.media_seconds, folder=str(target))
        new = [path for path in target.iterdir() if path not in before and path.is_file() and not path.is_symlink()]
        if not new:
            raise NotFoundError(
                f"{shown(address)} gave no media of at most {options.most_media_bytes:,} bytes.",
                remedy="Raise most_media_bytes in sources.toml, or use its captions.",
            )
        return max(new, key=lambda path: path.stat().st_size)

    # ── what was said a moment ago ───────────────────────────────────────────────────────────────────────────

    async def _asked(self, address: str) -> _Asked:
        known = self._recent.get(address)
        if known is not None and known.until > self._clock.monotonic():
            return known
        info = await self._ask(address, "--no-playlist")
        if _holds_several(info):
            raise InvalidInputError(
                f"{shown(address)} holds several videos.", remedy="Ingest or watch it as a whole.", field="address"
            )
        return self._remember(address, info)

    def _remember(self, address: str, info: Mapping[str, Any]) -> _Asked:
        until = self._clock.monotonic() + _FRESH_SECONDS
        asked = self._recent[address] = _Asked(until, record_of(info, self.name, address), captions_of(info))
        self._recent.move_to_end(address)
        while len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return asked

    # ── the program ──────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, address: str, *words: str) -> dict[str, Any]:
        output = await self._run(address, ["--dump-single-json", *words], self._options.ask_seconds)
        try:
            info = json.loads(output)
        except (ValueError, RecursionError) as exc:
            raise _no_answer(address, "what it said is no JSON") from exc
        if not isinstance(info, dict):
            raise _no_answer(address, f"it answered with a {type(info).__name__}")
        return info

    async def _run(self, address: str, words: Sequence[str], seconds: float, folder: str | None = None) -> bytes:
        target = parse_target(address)
        if not self.platform.owns(target.host):
            raise InvalidInputError(f"{shown(address)} is not on {self.name}.", remedy="Check the address.")
        program = self._program if self._program is not None else find_program()
        kept = ["--use-extractors", self.platform.extractors, *_QUIET.split()]
        # The address begins with http and stands behind "--": it can be no option and no other kind of name.
        ended = await run_program(
            [*program, *kept, *words, "--", target.url], seconds=seconds, most_bytes=_MOST_JSON, folder=folder
        )
        if ended.code != 0:
            raise error_of(ended.errors, address, self.name)
        return ended.output


def _no_answer(address: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"yt-dlp gave no usable answer for {shown(address)}: {why}.",
        remedy="Update yt-dlp: pip install -U yt-dlp.",
        field="output",
    )


def listing_address(address: str) -> str:
    """The address whose list holds a channel's videos, the newest first; any other address as it is.

    The front page of a YouTube channel lists its tabs and not its videos, and that of a Twitch channel is its live
    stream.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    steps = [step for step in parts.path.split("/") if step]
    if host == "youtube.com" and steps:
        named = steps[0].startswith("@") and len(steps) == 1
        if named or (steps[0] in ("channel", "c", "user") and len(steps) == 2):
            return f"https://www.youtube.com/{'/'.join(steps)}/videos"
    if host == "twitch.tv" and len(steps) == 1 and steps[0] not in ("videos", "directory", "downloads"):
        return f"https://www.twitch.tv/{steps[0]}/videos"
    return address


def platforms_of(
    fetcher: Fetcher, clock: Clock, options: VideoOptions, program: Sequence[str] | None = None
) -> Iterator[VideoSource]:
    """A source for each platform."""
    for platform in PLATFORMS:
        yield VideoSource(platform, fetcher, clock, options=options, program=program)
