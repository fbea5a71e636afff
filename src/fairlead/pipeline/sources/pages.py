"""What a web page says about itself: title, author, date, canonical address, language, from its head and JSON-LD.

Sources: the Open Graph protocol, schema.org's Article, Dublin Core in HTML, RFC 6596 (canonical).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from fairlead.pipeline.sources.feeds import read_time

_READ = 300_000
_READ_OF_BODY = 20_000
"""Characters of a page and of its body that are looked at: what a page says of itself stands at its top."""
_MOST_LD = 200_000
_HEAD_END = re.compile(r"</head\s*>|<body[\s>]", re.IGNORECASE)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_ARTICLES = frozenset(
    {"article", "newsarticle", "blogposting", "report", "techarticle", "scholarlyarticle", "webpage", "videoobject"}
)


class PageFacts(NamedTuple):
    """What a page states. ``canonical`` is its own address when it names one on its own host, else empty."""

    title: str = ""
    author: str = ""
    site: str = ""
    published_at: float | None = None
    canonical: str = ""
    language: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


def to_utf8(data: bytes, charset: str) -> bytes:
    """The page as UTF-8, when the server or the page says that it is something else that Python knows."""
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return data
    found = _CHARSET.search(data[:2_048])
    name = charset or (found[1].decode("ascii") if found else "")
    try:
        known = codecs.lookup(name) if name else None
    except (LookupError, ValueError):
        known = None
    # Codecs that are no character sets (rot13, zip) are none of a page's business.
    if known is None or known.name in ("utf-8", "utf-16", "utf-32") or not known._is_text_encoding:
        return data
    return data.decode(known.name, "replace").encode("utf-8", "replace")


def read_facts(text: str, url: str) -> PageFacts:
    """What the page at ``url`` says of itself. Nothing in a page makes this fail."""
    head = _Head()
    with suppress(AssertionError):
        # Python's parser asserts that declarations are well-formed. What stood before such a one is kept.
        end = _HEAD_END.search(text, 0, _READ)
        head.feed(text[: end.end() + _READ_OF_BODY if end else _READ_OF_BODY * 3])
    metas = head.metas
    ld = _article_of(head.scripts)

    def meta(*names: str) -> str:
        return next((metas[name][0] for name in names if metas.get(name)), "")

    published = meta("article:published_time", "datepublished", "dc.date", "dcterms.created", "date", "pubdate")
    author = _author_of(ld) or meta("author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author")
    keywords = [word for text in metas.get("keywords", ()) for word in text.split(",")]
    images = [urljoin(url, each) for each in (*metas.get("og:image", ()), *metas.get("twitter:image", ())) if each]
    return PageFacts(
        _line(meta("og:title", "dc.title") or _text(ld.get("headline")) or head.title, 300),
        _line(author, 200),
        _line(meta("og:site_name", "application-name"), 200),
        read_time(_text(ld.get("datePublished"))) or read_time(published) or read_time(head.time),
        _canonical(head.canonical or meta("og:url"), url),
        _language(head.language or meta("og:locale", "content-language", "dc.language")),
        _line(meta("og:description", "description", "dc.description"), 2_000),
        tuple(dict.fromkeys(_line(tag, 100) for tag in (*metas.get("article:tag", ()), *keywords) if tag.strip()))[:50],
        tuple(dict.fromkeys(image[:2_000] for image in images if image.startswith("http")))[:5],
    )


def _line(text: str, most: int) -> str:
    return " ".join(text.split())[:most]


def _language(text: str) -> str:
    text = text.strip().replace("_", "-")
    return text if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", text) else ""


def _canonical(stated: str, url: str) -> str:
    """The page's own name for itself. It cannot claim an address on another host."""
    try:
        joined = urljoin(url, stated.strip()) if stated.strip() else ""
        there, here = urlsplit(joined), urlsplit(url)
        same = there.hostname == here.hostname and there.port == here.port and there.username is None
    except ValueError:
        return ""
    return joined if joined and same and there.scheme in ("http", "https") and len(joined) < 2_000 else ""


class _Head(HTMLParser):
    """Gathers title, metas, the canonical link, the first time and JSON-LD."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.metas: dict[str, list[str]] = {}
        self.scripts: list[str] = []
        self.canonical = self.language = self.time = ""
        self._inside = ""
        self._title: list[str] = []

    @property
    def title(self) -> str:
        return "".join(self._title)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs[:64]}
        match tag:
            case "html":
                self.language = self.language or values.get("lang", "")
            case "meta":
                name = (values.get("property") or values.get("name") or values.get("itemprop") or "").lower()
                kept = self.metas.setdefault(name, [])
                if name and len(kept) < 50 and len(self.metas) < 500:
                    kept.append(values.get("content", "")[:5_000])
            case "link":
                if "canonical" in values.get("rel", "").lower().split():
                    self.canonical = self.canonical or values.get("href", "")
            case "time":
                self.time = self.time or values.get("datetime", "")
            case "title" if not self._title:
                self._inside = "title"
            case "script" if values.get("type", "").lower() == "application/ld+json":
                self._inside = "script"
                self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title" and sum(map(len, self._title)) < 5_000:
            self._title.append(data)
        elif self._inside == "script" and len(self.scripts[-1]) < _MOST_LD:
            self.scripts[-1] += data


def _article_of(scripts: list[str]) -> Mapping[str, Any]:
    """The first JSON-LD object that is an article or a page, wherever it is nested one level deep."""
    for script in scripts[:20]:
        try:
            value = json.loads(script)
        except (ValueError, RecursionError):
            continue
        for found in _objects(value):
            kind = found.get("@type")
            kinds = kind if isinstance(kind, list) else [kind]
            if any(isinstance(each, str) and each.lower() in _ARTICLES for each in kinds):
                return found
    return {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    for found in value if isinstance(value, list) else [value]:
        if isinstance(found, dict):
            yield found
            graph = found.get("@graph")
            yield from (each for each in graph if isinstance(each, dict)) if isinstance(graph, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _author_of(ld: Mapping[str, Any]) -> str:
    stated = ld.get("author")
    names = [
        _text(each.get("name")) if isinstance(each, dict) else _text(each)
        for each in (stated if isinstance(stated, list) else [stated])
    ]
    # Some sites give the address of a profile; a name has no slashes.
    return ", ".join(name.strip() for name in names if name.strip() and "//" not in name)
