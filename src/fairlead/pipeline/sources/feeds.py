"""Feeds: RSS 0.9 to 2.0, Atom, JSON Feed, and the tags of podcasts, from bytes to entries.

Read with expat, which takes linear time, under limits of our own. A document type with declarations is refused, so
nothing can be declared that swells. Feeds in the wild are often not well-formed: HTML's names of characters and bare
ampersands are mended and tried once more, and of a feed that breaks off the entries before the break are kept.

Sources: RSS 2.0 (rssboard.org), RFC 4287, jsonfeed.org 1.1, Apple's podcast tags, podcastindex.org's namespace.
"""

from __future__ import annotations

import html
import html.entities
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin
from xml.parsers import expat

from fairlead.errors import InvalidInputError

MOST_BYTES = 10_000_000
_DEEPEST = 64
_MOST_ELEMENTS = 100_000
_MOST_ATTRIBUTES = 64
_MOST_ENTRIES = 5_000
_LONGEST = 1_000_000
_NAMESPACES = {
    "http://www.w3.org/2005/atom": "",
    "http://purl.org/atom/ns#": "",
    "http://purl.org/rss/1.0/": "",
    "http://backend.userland.com/rss2": "",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes:",
    "https://podcastindex.org/namespace/1.0": "podcast:",
    "https://github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md": "podcast:",
    "http://search.yahoo.com/mrss/": "media:",
    "http://purl.org/dc/elements/1.1/": "dc:",
    "http://purl.org/rss/1.0/modules/content/": "content:",
    "http://www.w3.org/1999/xhtml": "xhtml:",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf:",
}
_ENTRIES = ("item", "entry")
_ROOTS = ("rss", "feed", "rdf:rdf")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_REFERENCE = re.compile(r"&(#\d{1,7};|#[xX][0-9a-fA-F]{1,6};|([A-Za-z][A-Za-z0-9]{1,31});)?")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARED = re.compile(rb"""<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")


class Enclosure(NamedTuple):
    """A file that an entry carries; ``bytes`` is 0 when it is not stated."""

    url: str
    media_type: str = ""
    bytes: int = 0


class Words(NamedTuple):
    """Where a transcript of an entry lies."""

    url: str
    media_type: str = ""
    language: str = ""


class Entry(NamedTuple):
    """One item of a feed. ``id`` is the publisher's own, or its link; ``content`` is HTML."""

    id: str
    link: str = ""
    title: str = ""
    published_at: float | None = None
    author: str = ""
    summary: str = ""
    content: str = ""
    duration_seconds: float | None = None
    tags: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    transcripts: tuple[Words, ...] = ()


class Feed(NamedTuple):
    """A feed and its entries in the publisher's order. ``damaged`` says that it broke off."""

    title: str = ""
    link: str = ""
    author: str = ""
    language: str = ""
    entries: tuple[Entry, ...] = ()
    damaged: bool = False


def looks_like_feed(data: bytes, content_type: str = "") -> bool:
    """Whether the bytes begin as a feed does; many servers call feeds plain text or HTML."""
    head = data[:2048].replace(b"\x00", b"").lower()
    if content_type in ("application/feed+json", "application/rss+xml", "application/atom+xml"):
        return True
    if content_type.endswith("json") or head.lstrip()[:1] == b"{":
        return b"jsonfeed.org/version" in head
    return any(mark in head for mark in (b"<rss", b"<feed", b"<rdf:rdf")) and b"<html" not in head


def read_feed(data: bytes, url: str, *, charset: str = "") -> Feed:
    """The feed in ``data``, its links joined to ``url``; :class:`InvalidInputError` when there is none."""
    if len(data) > MOST_BYTES:
        raise _bad(f"it has {len(data):,} bytes; at most {MOST_BYTES:,} are read")
    text = _decode(data, charset)
    if text.lstrip("\ufeff \r\n\t")[:1] == "{":
        return _json_feed(text, url)
    feed = _Reader(url).read(text)
    if feed is None or feed.damaged:
        mended = _Reader(url).read(_mend(text))
        if mended is not None and (feed is None or len(mended.entries) >= len(feed.entries)):
            feed = mended
    if feed is None:
        raise _bad("it is no XML")
    if feed.damaged and not feed.entries:
        raise _bad("it is not well-formed, and no entry is whole")
    return feed


def _bad(why: str) -> InvalidInputError:
    return InvalidInputError(f"the feed cannot be read: {why}.", remedy="Check the address.", field="content")


def _decode(data: bytes, charset: str) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    declared = _DECLARED.match(data[:200].lstrip())
    for name in (declared[1].decode("ascii") if declared else "", charset, "utf-8"):
        try:
            return data.decode(name) if name else data.decode("utf-8")
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("windows-1252", "replace")


def _mend(text: str) -> str:
    """Replaces what XML does not know outside of CDATA: HTML's names, bare ampersands, control characters."""
    parts: list[str] = []
    place = 0
    while True:
        start = text.find("<![CDATA[", place)
        end = text.find("]]>", start) if start >= 0 else -1
        parts.append(_REFERENCE.sub(_mended, text[place : start if end >= 0 else None]))
        if end < 0:
            return _FORBIDDEN.sub("", "".join(parts))
        parts.append(text[start : end + 3])
        place = end + 3


def _mended(found: re.Match[str]) -> str:
    whole, name = found[0], found[2]
    if whole == "&":
        return "&amp;"
    if name and name not in _XML_NAMES:
        known = html.entities.html5.get(f"{name};")
        return known if known and known not in "<&" else f"&amp;{name};"
    return whole


class _Element:
    __slots__ = ("attributes", "children", "name", "parts", "size")

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[_Element] = []
        self.parts: list[str] = []
        self.size = 0

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    def all(self, *names: str) -> Iterator[_Element]:
        return (child for child in self.children if child.name in names)

    def first(self, *names: str) -> str:
        """The text of the first child that has some, in the order of ``names``."""
        for name in names:
            for child in self.all(name):
                if child.text:
                    return child.text
        return ""


class _Reader:
    """Builds the elements of one entry at a time; those of the feed itself stay."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack: list[_Element] = []
        self._seen = 0
        self._root: _Element | None = None
        self._prefixes: dict[str, str] = {}
        self._entries: list[Entry] = []

    def read(self, text: str) -> Feed | None:
        """The feed as far as it is well-formed; None when not even its first element is."""
        parser = expat.ParserCreate(encoding="utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        damaged = False
        try:
            # A declared encoding is overruled: the text is decoded already.
            parser.Parse(text.lstrip("\ufeff \r\n\t").encode("utf-8", "replace"), True)
        except expat.ExpatError:
            damaged = True
        root = self._root
        if root is None:
            return None
        if root.name.lower() not in _ROOTS:
            raise _bad(f"its first element is {root.name[:40]!r}")
        return self._feed(root, damaged)

    def _doctype(self, name: str, system: str | None, public: str | None, subset: bool) -> None:
        if subset:
            raise _bad("its document type declares things of its own")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._seen += 1
        if len(self._stack) >= _DEEPEST or self._seen > _MOST_ELEMENTS or len(attributes) > _MOST_ATTRIBUTES:
            raise _bad("it is nested too deep or has too many elements or attributes")
        for key, value in attributes.items():
            if key.startswith("xmlns"):
                self._prefixes[key[6:]] = _NAMESPACES.get(value.strip().lower(), f"{key[6:]}:" if key[6:] else "")
        prefix, _, local = name.rpartition(":")
        known = self._prefixes.get(prefix, f"{prefix}:" if prefix else "")
        element = _Element(known + local, attributes)
        if self._stack:
            self._stack[-1].children.append(element)
        elif self._root is None:
            self._root = element
        self._stack.append(element)

    def _text(self, text: str) -> None:
        element = self._stack[-1]
        element.size += len(text)
        if element.size <= _LONGEST:
            element.parts.append(text)

    def _end(self, name: str) -> None:
        element = self._stack.pop()
        if element.name.startswith("xhtml:") and self._stack:
            # Atom may carry its text as elements; their words are what is read of them.
            self._stack[-1].parts.append(f" {element.text} ")
        if element.name in _ENTRIES and self._stack:
            self._stack[-1].children.pop()
            if len(self._entries) < _MOST_ENTRIES:
                self._entries.append(_entry_of(element, self._url))

    def _feed(self, root: _Element, damaged: bool) -> Feed:
        channel = next(root.all("channel"), root)
        entries = [entry for entry in self._entries if entry.id]
        return Feed(
            _plain(channel.first("title")),
            _link_of(channel, self._url),
            _author_of(channel),
            (channel.first("language", "dc:language") or root.attributes.get("xml:lang", ""))[:35],
            tuple(entries),
            damaged,
        )


def _entry_of(item: _Element, url: str) -> Entry:
    link = _link_of(item, url)
    title = _plain(item.first("title", "itunes:title", "media:title"))
    stated = item.first("guid", "id") or item.attributes.get("rdf:about", "")
    for guid in item.all("guid"):
        if not link and guid.attributes.get("isPermaLink", "true").lower() == "true":
            link = _joined(url, guid.text)
    enclosures = tuple(_enclosures(item, url))
    published = item.first("pubDate", "published", "dc:date", "issued", "updated", "modified")
    return Entry(
        (stated or link or (enclosures[0].url if enclosures else "") or title)[:2_000],
        link,
        title,
        read_time(published),
        _author_of(item),
        _plain(item.first("itunes:summary", "description", "summary", "media:description", "itunes:subtitle")),
        item.first("content:encoded", "content", "description", "summary", "xhtml:body"),
        read_duration(item.first("itunes:duration")) or _media_duration(item),
        tuple(_tags(item)),
        tuple(_images(item, url)),
        enclosures,
        tuple(
            Words(
                _joined(url, each.attributes.get("url", "")),
                each.attributes.get("type", "").lower(),
                each.attributes.get("language", ""),
            )
            for each in item.all("podcast:transcript")
            if each.attributes.get("url")
        ),
    )


def _link_of(element: _Element, url: str) -> str:
    """The page of a feed or an entry: Atom's alternate link, or RSS's text."""
    for link in element.all("link"):
        if link.attributes.get("rel", "alternate") == "alternate":
            address = link.attributes.get("href") or link.text
            if address:
                return _joined(url, address)
    return ""


def _joined(url: str, address: str) -> str:
    try:
        return urljoin(url, address.strip())[:8_192]
    except ValueError:
        return ""


def _author_of(element: _Element) -> str:
    for author in element.all("author"):
        name = author.first("name") or author.text
        if name:
            # RSS wants "mail@example.org (Name)" and rarely gets it.
            inner = re.search(r"\(([^()]{1,100})\)\s*$", name[:300])
            return _plain(inner[1] if inner else name)
    return _plain(element.first("itunes:author", "dc:creator", "managingEditor"))


def _media(item: _Element) -> Iterator[_Element]:
    yield from item.all("media:content")
    for group in item.all("media:group"):
        yield from group.all("media:content")


def _enclosures(item: _Element, url: str) -> Iterator[Enclosure]:
    for element in item.all("enclosure"):
        yield from _enclosure(element, "url", url)
    for element in item.all("link"):
        if element.attributes.get("rel") == "enclosure":
            yield from _enclosure(element, "href", url)
    for element in _media(item):
        yield from _enclosure(element, "url", url)


def _enclosure(element: _Element, key: str, url: str) -> Iterator[Enclosure]:
    address = _joined(url, element.attributes.get(key, ""))
    size = element.attributes.get("length") or element.attributes.get("fileSize") or ""
    if element.attributes.get(key) and address:
        size_bytes = int(size) if size.isascii() and size.isdigit() and len(size) < 16 else 0
        yield Enclosure(address, element.attributes.get("type", "").strip().lower(), size_bytes)


def _media_duration(item: _Element) -> float | None:
    for element in _media(item):
        seconds = read_duration(element.attributes.get("duration", ""))
        if seconds:
            return seconds
    return None


def _tags(item: _Element) -> Iterator[str]:
    for category in item.all("category"):
        yield _plain(category.attributes.get("term") or category.text)
    yield from (word for word in map(_plain, item.first("itunes:keywords").split(",")) if word)


def _images(item: _Element, url: str) -> Iterator[str]:
    for image in item.all("itunes:image", "media:thumbnail"):
        address = _joined(url, image.attributes.get("href") or image.attributes.get("url") or "")
        if address:
            yield address


_MARKUP = re.compile(r"<[^<>]*>")


def _plain(text: str) -> str:
    """Text without markup, on one line, of a length that a record may hold."""
    return " ".join(html.unescape(_MARKUP.sub(" ", text[:20_000])).split())[:5_000]


def read_time(text: str) -> float | None:
    """Seconds since the epoch of an RFC 5322 or ISO 8601 date; None for anything else. Without a zone it is UTC."""
    text = text.strip()[:64]
    moment: datetime | None = None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            break
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    if moment is None or not 1970 < moment.year < 2200:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_duration(text: str) -> float | None:
    """Seconds of ``1:02:03``, ``62:03`` or ``3723``; None for anything else."""
    if not re.fullmatch(r"(?:\d{1,3}:){0,2}\d{1,7}(?:\.\d{1,3})?", text.strip()):
        return None
    seconds = 0.0
    for part in text.strip().split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


# ── JSON Feed ────────────────────────────────────────────────────────────────────────────────────────────────


def _json_feed(text: str, url: str) -> Feed:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _bad("it is no JSON") from exc
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        raise _bad("it has no list of items")
    entries = [_json_entry(item, url) for item in value["items"][:_MOST_ENTRIES] if isinstance(item, dict)]
    return Feed(
        _plain(_said(value, "title")),
        _joined(url, _said(value, "home_page_url")),
        _json_author(value),
        _said(value, "language")[:35],
        tuple(entry for entry in entries if entry.id),
    )


def _said(value: Mapping[str, Any], *keys: str) -> str:
    """The first of the fields that is text or a number, as text."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, str) and found.strip():
            return found
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return str(found)
    return ""


def _json_author(value: Mapping[str, Any]) -> str:
    listed = value.get("authors")
    for author in (*(listed if isinstance(listed, list) else ()), value.get("author")):
        if isinstance(author, dict) and _said(author, "name"):
            return _plain(_said(author, "name"))
    return ""


def _json_entry(item: Mapping[str, Any], url: str) -> Entry:
    attachments = item.get("attachments")
    files = [each for each in attachments if isinstance(each, dict)] if isinstance(attachments, list) else []
    tags = item.get("tags")
    link = _said(item, "url", "external_url")
    image = _said(item, "image", "banner_image")
    return Entry(
        (_said(item, "id") or link)[:2_000],
        _joined(url, link) if link else "",
        _plain(_said(item, "title")),
        read_time(_said(item, "date_published", "date_modified")),
        _json_author(item),
        _plain(_said(item, "summary")),
        _said(item, "content_html") or html.escape(_said(item, "content_text")),
        next((read_duration(_said(each, "duration_in_seconds")) for each in files), None),
        tuple(_plain(tag) for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        (_joined(url, image),) if image else (),
        tuple(
            Enclosure(_joined(url, _said(each, "url")), _said(each, "mime_type").lower())
            for each in files
            if _said(each, "url")
        ),
    )
