"""What the pipeline asks of every place that content comes from, and the records that all of them answer with.

A source deals in *addresses*: URLs, paths or ``-``. An address names either one item (a video, a page, a file) or
something that holds items (a channel, a feed, a folder). ``discover`` serves both: of one item it finds that item. What
it finds has an address of its own, which the same :class:`Sources` answers for.

Errors are those of the tree: :class:`NetworkError`, :class:`StepTimeoutError`, :class:`UnavailableError` and
:class:`RateLimitedError` (``fields['retry_after']`` in seconds) may pass when tried again; every refusal is permanent
until the address, the configuration or the installation changes. :func:`fairlead.testing.sources.check_source` runs
what an adapter must keep.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

KINDS = ("video", "clip", "episode", "article", "file", "text")
"""What a record can be of."""

ORIGINS = ("captions", "automatic", "speech", "page", "file")
"""Who wrote a transcript: a person, the platform's machine, our own listening, the page or the file itself."""


class Record(NamedTuple):
    """One item, whoever publishes it.

    ``source`` is the name of the source that answered, ``external_id`` the item's name there: the two are one item's
    identity. ``creator`` is the channel, the streamer, the author or the podcast; ``published_at`` seconds since the
    epoch, UTC; ``language`` a tag such as ``en`` or ``pt-BR``; ``url`` where a person reads it, and what links with
    seconds are made from (:func:`fairlead.pipeline.sources.moments.link_at`).
    """

    source: str
    external_id: str
    url: str
    title: str
    creator: str = ""
    creator_id: str = ""
    published_at: float | None = None
    duration_seconds: float | None = None
    language: str = ""
    kind: str = "article"
    description: str = ""
    tags: tuple[str, ...] = ()
    thumbnails: tuple[str, ...] = ()


class Transcript(NamedTuple):
    """What an item says, as bytes of ``format``: a kind that the parsers read (``vtt``, ``srt``, ``json``, ``html``,
    ``text``, ``markdown``, ``pdf`` ...). ``origin`` is one of :data:`ORIGINS`."""

    format: str
    content: bytes
    language: str = ""
    origin: str = "captions"


class Found(NamedTuple):
    """An item that was discovered. ``url`` is the address to ask metadata of."""

    external_id: str
    url: str
    title: str = ""
    published_at: float | None = None


class Position(NamedTuple):
    """What a watch remembers between two looks.

    ``last_seen`` is the external id of the newest item handled so far, ``cursor`` where the source goes on when one
    look could not list everything; ``etag`` and ``last_modified`` are the server's own words about the version seen.
    """

    cursor: str = ""
    last_seen: str = ""
    etag: str = ""
    last_modified: str = ""


class Discovery(NamedTuple):
    """What one look found, newest first, and the position to look from next time. ``unchanged`` says that the source
    itself stated that nothing is new."""

    items: tuple[Found, ...]
    position: Position
    unchanged: bool = False


START = Position()
"""Where a first look begins."""


class Source(Protocol):
    """One kind of place. Instances hold no state of a watch: what must be remembered is in the position."""

    @property
    def name(self) -> str:
        """A short word, stored with every record."""

    def accepts(self, address: str) -> bool:
        """Whether this source answers for the address. Pure: nothing is fetched."""

    async def discover(self, address: str, position: Position = START, limit: int = 50) -> Discovery:
        """At most ``limit`` items newer than the position, newest first."""

    async def metadata(self, address: str) -> Record:
        """The record of the one item at the address."""

    async def transcript(self, address: str, record: Record) -> Transcript | None:
        """What the item says; None when the source has no words of it and only its media could be listened to."""

    async def media(self, address: str, record: Record, folder: Path) -> Path:
        """Fetches the item's media (its audio where there is a choice) into ``folder``; returns the file there."""
