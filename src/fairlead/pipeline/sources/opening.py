"""All sources together: which one answers for an address, and how they are opened and closed."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError, MissingDependencyError
from fairlead.pipeline.fetch import Fetcher, FetchLimits, make_rules, shown
from fairlead.pipeline.sources.files import FileSource
from fairlead.pipeline.sources.options import SourceOptions
from fairlead.pipeline.sources.port import Record, Source, Transcript
from fairlead.pipeline.sources.speech import Listener, listener_of
from fairlead.pipeline.sources.video import VideoOptions, platforms_of
from fairlead.pipeline.sources.web import WebSource


class Sources:
    """The sources of one event loop, in the order in which they are asked. Use it in ``async with``, or close it."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        close: Callable[[], Awaitable[None]] | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._close = close
        self._listener = listener

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._sources)

    def of(self, address: str) -> Source:
        """The source that answers for the address; :class:`InvalidInputError` when none does."""
        for source in self._sources:
            if source.accepts(address):
                return source
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", address)
        what = f"addresses of {scheme[0]!r} are not read" if scheme else "it names nothing"
        raise InvalidInputError(
            f"{shown(address)!r} cannot be ingested: {what}.",
            remedy="Give an http or https URL, a path, or - for standard input.",
            field="address",
        )

    async def words(self, address: str, record: Record, folder: Path) -> Transcript:
        """What an item says: its own words, else what a listener hears in its media, which is fetched into ``folder``
        and removed again. Refused, with the remedy, when there is neither."""
        source = self.of(address)
        transcript = await source.transcript(address, record)
        if transcript is not None:
            return transcript
        if self._listener is None:
            raise MissingDependencyError(
                f"{shown(address)} has no captions, and nothing here can listen to it.",
                remedy="Install fairlead[speech] and set speech_model in sources.toml to a model's folder.",
            )
        path = await source.media(address, record, folder)
        try:
            return await self._listener.listen(path, record.language)
        finally:
            path.unlink(missing_ok=True)

    async def aclose(self) -> None:
        if self._close is not None:
            await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def open_sources(
    options: SourceOptions,
    clock: Clock,
    *,
    rng: random.Random | None = None,
    read_stdin: Callable[[int], bytes] | None = None,
    video_program: Sequence[str] | None = None,
) -> Sources:
    """Every source there is, sharing one client: platforms of videos, the web, this machine's files.

    ``read_stdin`` gives at most so many bytes of standard input; without it ``-`` is empty. ``video_program`` are the
    words that start yt-dlp, when it is not the installed one. Nothing is connected to and nothing is started before
    something is asked for.
    """
    limits = FetchLimits(
        total_seconds=options.total_seconds,
        media_seconds=options.media_seconds,
        idle_seconds=options.idle_seconds,
        most_bytes=options.most_bytes,
        most_media_bytes=options.most_media_bytes,
        per_host=options.per_host,
        at_once=options.at_once,
        attempts=options.attempts,
    )
    fetcher = Fetcher(
        clock,
        rng or random.Random(),
        rules=make_rules(options.allow_private),
        limits=limits,
        robots=options.respect_robots,
    )
    oldest = options.oldest_days * 86_400.0
    video = VideoOptions(
        options.languages,
        media_seconds=options.media_seconds,
        most_media_bytes=options.most_media_bytes,
        oldest_seconds=oldest,
    )
    return Sources(
        (
            *platforms_of(fetcher, clock, video, video_program),
            WebSource(fetcher, clock, oldest_seconds=oldest),
            FileSource(read_stdin),
        ),
        close=fetcher.aclose,
        listener=listener_of(options.speech_model),
    )
