"""Pages, feeds and podcasts over HTTP, as a source.

An address of a page is that page. An address of a feed holds its entries: those with a page of their own are found
under the page's address, those that carry a recording under ``FEED#item=ID``, since only the feed knows about them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from fairlead.clock import Clock
from fairlead.errors import FairleadError, InvalidInputError, NotFoundError
from fairlead.pipeline.fetch import Fetched, Fetcher, parse_target, shown
from fairlead.pipeline.sources import feeds, on_disk, pages
from fairlead.pipeline.sources.port import START, Discovery, Found, Position, Record, Transcript
from fairlead.pipeline.sources.watching import YEAR_SECONDS, choose, newest_first, unchanged

ITEM = "#item="
_ACCEPT = (
    "text/html, application/xhtml+xml, application/rss+xml, application/atom+xml, application/feed+json, "
    "application/xml;q=0.9, text/*;q=0.9, application/pdf;q=0.8, */*;q=0.5"
)
_FORMS = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/vtt": "vtt",
    "text/csv": "csv",
    "application/pdf": "pdf",
    "application/json": "json",
    "application/srt": "srt",
    "application/x-subrip": "srt",
    "text/srt": "srt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
}
_BEST_WORDS = ("vtt", "srt", "json", "html", "text")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
_FRESH_SECONDS = 60.0


class WebSource:
    """Whatever answers over HTTP. ``oldest_seconds`` bounds how far a first look at a feed goes back."""

    name = "web"

    def __init__(self, fetcher: Fetcher, clock: Clock, *, oldest_seconds: float = YEAR_SECONDS) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._oldest = oldest_seconds
        self._recent = _Recent(clock)

    def accepts(self, address: str) -> bool:
        return address.lower().startswith(("http://", "https://"))

    async def discover(self, address: str, position: Position = START, limit: int = 50) -> Discovery:
        if ITEM in address:
            record = await self.metadata(address)
            return choose([Found(record.external_id, address, record.title)], position, limit=limit)
        page = await self._fetch(address, position)
        if page.not_modified:
            return unchanged(position)
        if feeds.looks_like_feed(page.body, page.content_type):
            feed = await _parsed(page)
            listed = newest_first(_found(entry, page.url) for entry in feed.entries)
            looked = choose(listed, position, limit=limit, now=self._clock.now(), oldest_seconds=self._oldest)
            # Entries were left for the next look: the server must not answer that look with "nothing changed".
            left = bool(looked.items) and looked.position.last_seen != listed[0].external_id
            validators = {} if left else {"etag": page.etag, "last_modified": page.last_modified}
            return looked._replace(position=looked.position._replace(**validators))
        return self._page_itself(address, page, position)

    def _page_itself(self, address: str, page: Fetched, position: Position) -> Discovery:
        """One page: it is found again whenever its bytes are others than before."""
        digest = hashlib.sha256(page.body).hexdigest()
        identity = _identity(address)
        place = Position(digest, identity, page.etag, page.last_modified)
        seen = position.cursor == digest or (not position.cursor and position.last_seen == identity)
        return Discovery(() if seen else (Found(identity, address),), place)

    async def metadata(self, address: str) -> Record:
        if ITEM in address:
            feed, entry = await self._entry(address)
            return _record_of_entry(address, feed, entry)
        page = await self._fetch(address)
        if feeds.looks_like_feed(page.body, page.content_type):
            raise InvalidInputError(
                f"{shown(address)} is a feed, not one item.", remedy="Ingest or watch it as a whole.", field="address"
            )
        return await asyncio.to_thread(_record_of_page, address, page)

    async def transcript(self, address: str, record: Record) -> Transcript | None:
        if ITEM in address:
            return await self._words_of_entry(address)
        page = await self._fetch(address)
        self._recent.forget(_identity(address))
        form = _form_of(page)
        if form is None:
            return None
        text = form not in ("pdf", "docx")
        body = await asyncio.to_thread(pages.to_utf8, page.body, page.charset) if text else page.body
        return Transcript(form, body, record.language, "page" if form == "html" else "file")

    async def media(self, address: str, record: Record, folder: Path) -> Path:
        if ITEM in address:
            _, entry = await self._entry(address)
            url = next((one.url for one in entry.enclosures if _is_media(one)), "")
        else:
            page = await self._fetch(address)
            url = address if page.content_type.startswith(("audio/", "video/")) else ""
        if not url:
            raise NotFoundError(f"{shown(address)} carries no audio or video.", remedy="Use its text.")
        target = folder / _file_name(url)
        await self._fetcher.download(url, target)
        return target

    # ── entries of feeds ─────────────────────────────────────────────────────────────────────────────────────

    async def _entry(self, address: str) -> tuple[feeds.Feed, feeds.Entry]:
        place, _, identity = address.partition(ITEM)
        feed = await _parsed(await self._fetch(place))
        for entry in feed.entries:
            if entry.id == unquote(identity):
                return feed, entry
        raise NotFoundError(
            f"{shown(place)} has no item {unquote(identity)[:100]!r} any more.", remedy="Look at the feed again."
        )

    async def _words_of_entry(self, address: str) -> Transcript | None:
        """The transcript that the podcast publishes, in the form that keeps most; the next when one cannot be had."""
        _, entry = await self._entry(address)
        offered = [(form, words) for words in entry.transcripts if (form := _form_of_words(words)) in _BEST_WORDS]
        failure: FairleadError | None = None
        for form, words in sorted(offered, key=lambda pair: _BEST_WORDS.index(pair[0])):
            try:
                page = await self._fetcher.get(words.url)
            except FairleadError as exc:
                failure = exc
                continue
            return Transcript(form, pages.to_utf8(page.body, page.charset), words.language, "captions")
        if failure is not None:
            raise failure
        return None

    # ── fetching ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, address: str, position: Position = START) -> Fetched:
        """The page, or the one of a moment ago: asking for a record and then for words is one request."""
        identity = _identity(address)
        known = self._recent.get(identity)
        if known is not None and position == START:
            return known
        page = await self._fetcher.get(
            identity,
            accept=_ACCEPT,
            etag=position.etag,
            last_modified=position.last_modified,
            most_bytes=_most_bytes(self._fetcher.limits.most_bytes),
        )
        if not page.not_modified:
            self._recent.put(identity, page)
        return page


def _most_bytes(general: int):  # type: ignore[no-untyped-def]
    def most(content_type: str) -> int:
        if content_type.startswith(("audio/", "video/")):
            # Only what it is was asked for; the recording itself is downloaded to a file.
            return general
        return max(general, on_disk.SIZE_LIMITS.get(_FORMS.get(content_type, ""), 0))

    return most


async def _parsed(page: Fetched) -> feeds.Feed:
    return await asyncio.to_thread(feeds.read_feed, page.body, page.url, charset=page.charset)


def _identity(address: str) -> str:
    """The address without its fragment, spelled as it is requested."""
    return parse_target(address.partition("#")[0]).url


def _found(entry: feeds.Entry, feed_url: str) -> Found:
    if entry.link.startswith(("http://", "https://")) and not any(map(_is_media, entry.enclosures)):
        try:
            url = _identity(entry.link)
        except InvalidInputError:
            # A link that nobody can follow: the entry is still known by the feed.
            url = _item_address(feed_url, entry)
    else:
        url = _item_address(feed_url, entry)
    return Found(url, url, entry.title, entry.published_at)


def _item_address(feed_url: str, entry: feeds.Entry) -> str:
    return f"{_identity(feed_url)}{ITEM}{quote(entry.id, safe='')}"


def _is_media(enclosure: feeds.Enclosure) -> bool:
    return enclosure.media_type.startswith(("audio/", "video/"))


def _record_of_entry(address: str, feed: feeds.Feed, entry: feeds.Entry) -> Record:
    return Record(
        WebSource.name,
        address,
        entry.link or next((one.url for one in entry.enclosures), "") or feed.link or address,
        entry.title or feed.title or "Untitled",
        feed.title or entry.author,
        feed.link,
        entry.published_at,
        entry.duration_seconds,
        feed.language,
        "episode" if any(map(_is_media, entry.enclosures)) else "article",
        entry.summary,
        entry.tags,
        entry.images,
    )


def _record_of_page(address: str, page: Fetched) -> Record:
    identity, host = _identity(address), urlsplit(page.url).hostname or ""
    form = _form_of(page)
    if form != "html":
        name = PurePosixPath(unquote(urlsplit(page.url).path)).stem
        kind = "file" if form else "episode"
        return Record(WebSource.name, identity, page.url, on_disk.title_of(name) if name else host, host, kind=kind)
    text = pages.to_utf8(page.body, page.charset).decode("utf-8", "replace")
    facts = pages.read_facts(text, page.url)
    return Record(
        WebSource.name,
        identity,
        facts.canonical or page.url,
        facts.title or host,
        facts.author or facts.site or host,
        host,
        facts.published_at,
        language=facts.language,
        description=facts.description,
        tags=facts.tags,
        thumbnails=facts.images,
    )


def _form_of(page: Fetched) -> str | None:
    """How the body is read; None for what can only be listened to."""
    stated = _FORMS.get(page.content_type)
    if stated == "text" or stated is None:
        by_name = on_disk.KINDS.get(PurePosixPath(urlsplit(page.url).path).suffix.lower())
        sniffed = _sniffed(page.body)
        if page.content_type.startswith(("audio/", "video/", "image/")):
            return None
        return sniffed or by_name or stated or ("text" if page.content_type.startswith("text/") else "html")
    return stated


def _sniffed(body: bytes) -> str | None:
    head = body[:512].lstrip(b"\xef\xbb\xbf \r\n\t")
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"WEBVTT"):
        return "vtt"
    return "html" if head[:15].lower().startswith((b"<!doctype html", b"<html")) else None


def _form_of_words(words: feeds.Words) -> str:
    suffix = PurePosixPath(urlsplit(words.url).path).suffix.lower()
    return _FORMS.get(words.media_type.partition(";")[0].strip(), "") or on_disk.KINDS.get(suffix, "")


def _file_name(url: str) -> str:
    """A name that is ours: nothing of the address but a plain ending reaches the file system."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    ending = suffix if _SUFFIX.fullmatch(suffix) else ".bin"
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:16] + ending


class _Recent:
    """The last few pages, for a minute and within a bound of bytes."""

    _MOST = 64
    _MOST_BYTES = 32_000_000

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: OrderedDict[str, tuple[float, Fetched]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Fetched | None:
        known = self._pages.get(key)
        if known is None or known[0] < self._clock.monotonic():
            self.forget(key)
            return None
        return known[1]

    def put(self, key: str, page: Fetched) -> None:
        self.forget(key)
        self._pages[key] = (self._clock.monotonic() + _FRESH_SECONDS, page)
        self._bytes += len(page.body)
        while self._bytes > self._MOST_BYTES or len(self._pages) > self._MOST:
            self.forget(next(iter(self._pages)))

    def forget(self, key: str) -> None:
        known = self._pages.pop(key, None)
        if known is not None:
            self._bytes -= len(known[1].body)
