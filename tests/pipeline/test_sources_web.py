"""The web, feeds, podcasts and files as sources: the conformance suite against a real server, and what is their own."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from fairlead.clock import SystemClock
from fairlead.errors import FairleadError, InvalidInputError, MissingDependencyError, NotFoundError, RefusedError
from fairlead.pipeline.documents import short_id
from fairlead.pipeline.fetch import Fetcher, make_rules
from fairlead.pipeline.parsing import parse_bytes
from fairlead.pipeline.sources import START, DocumentRef, Position
from fairlead.pipeline.sources.files import FileSource
from fairlead.pipeline.sources.moments import link_at
from fairlead.pipeline.sources.opening import Sources, open_sources
from fairlead.pipeline.sources.options import SourceOptions, load_options, parse_options
from fairlead.pipeline.sources.web import WebSource
from fairlead.testing.site import Site
from fairlead.testing.sources import Case, MemorySource, check_source

T = TypeVar("T")
ARTICLE = "<html lang=en><title>{0}</title><article><h1>{0}</h1><p>The {0} is described in a sentence.</p></article>"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def _rss(site: Site, *items: str) -> bytes:
    head = '<rss version="2.0" xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel><title>Harbour</title>'
    return f"{head}<link>{site.url('/')}</link>{''.join(items)}</channel></rss>".encode()


def _item(name: str, day: int, extra: str = "") -> str:
    date = f"<pubDate>{day} Nov 2026 10:00:00 GMT</pubDate>"
    return f"<item><guid>{name}</guid><title>On {name}</title>{date}{extra}</item>"


def web(use: Callable[[WebSource], Awaitable[T]]) -> T:
    async def run() -> T:
        rules = make_rules(["127.0.0.0/8"])
        async with Fetcher(SystemClock(), random.Random(1), rules=rules) as fetcher:
            return await use(WebSource(fetcher, SystemClock()))

    return asyncio.run(run())


def _check(case: Case, folder: Path) -> None:
    async def use(source: WebSource) -> None:
        await check_source(lambda: WebSource(source._fetcher, SystemClock()), case, folder)

    web(use)


def test_a_feed_of_articles_keeps_the_suite(site: Site, tmp_path: Path) -> None:
    for name in ("tides", "buoys"):
        site.put(f"/{name}", ARTICLE.format(name).encode())
    links = {name: f"<link>{site.url(f'/{name}')}</link>" for name in ("tides", "buoys")}
    # The publisher lists the older one first; the newest comes first all the same.
    feed = _rss(site, _item("buoys", 18, links["buoys"]), _item("tides", 19, links["tides"]))
    site.put("/feed", feed, "text/plain", etag='"1"')
    items = (site.url("/tides"), site.url("/buoys"))
    _check(Case(site.url("/feed"), items, missing=site.url("/none")), tmp_path)


@pytest.mark.parametrize("words", [True, False])
def test_a_podcast_keeps_the_suite(site: Site, tmp_path: Path, words: bool) -> None:
    enclosure = '<enclosure url="/audio/{}.mp3" type="audio/mpeg" length="4"/>'
    said = '<podcast:transcript url="/two.vtt" type="text/vtt"/>' if words else ""
    one, two = _item("one", 18, enclosure.format("one")), _item("two/#?", 19, enclosure.format("two") + said)
    site.put("/pod.xml", _rss(site, two, one), "application/rss+xml")
    site.put("/two.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada>The anchor holds.\n", "text/vtt")
    site.put("/audio/two.mp3", b"\xff\xfb\x90\x00", "audio/mpeg")
    items = (site.url("/pod.xml#item=two%2F%23%3F"), site.url("/pod.xml#item=one"))
    case = Case(site.url("/pod.xml"), items, missing=site.url("/pod.xml#item=x"), silent=not words, media=True)
    _check(case, tmp_path)


def test_an_episode_becomes_one_record_and_its_words_have_seconds(site: Site) -> None:
    extra = (
        '<enclosure url="/e.mp3" type="audio/mpeg"/><link>https://harbour.example/e</link>'
        '<podcast:transcript url="/e.html" type="text/html"/><podcast:transcript url="/gone.vtt" type="text/vtt"/>'
        '<podcast:transcript url="/e.srt" type="application/srt" language="en"/>'
    )
    site.put("/pod", _rss(site, _item("e", 19, extra)), "application/xml")
    site.put("/e.srt", b"1\n00:00:07,000 --> 00:00:09,000\nThe chain is longer than the water is deep.\n", "text/plain")

    async def use(source: WebSource) -> None:
        (found,) = (await source.discover(site.url("/pod"))).items
        record = await source.metadata(found.url)
        assert (record.kind, record.creator, record.title) == ("episode", "Harbour", "On e")
        assert record.url == "https://harbour.example/e"
        transcript = await source.transcript(found.url, record)
        # The best form is gone from the server; the next best is taken.
        assert transcript is not None and (transcript.format, transcript.language) == ("srt", "en")
        ref = DocumentRef(short_id("doc", found.url), record.title, transcript.format, origin=record.url)
        (segment,) = parse_bytes(ref, transcript.content, transcript.format).segments
        assert link_at(record.url, segment.start_s) == "https://harbour.example/e#t=7"

    web(use)


def test_an_article_is_asked_for_once_and_says_who_wrote_it(site: Site) -> None:
    page = (
        "<html lang=de><head><title>T</title><meta name=author content='Ada'><link rel=canonical href='/a'></head>"
        "<body><nav>Menu item that is no prose.</nav><article>"
        "<p>Der große Hafen bleibt heute wegen des Sturms geschlossen.</p></article></body></html>"
    )
    site.put("/a", page.encode("windows-1252"), "text/html; charset=windows-1252")

    async def use(source: WebSource) -> None:
        address = site.url("/a?utm_source=x#top")
        await source.discover(address)
        record = await source.metadata(address)
        transcript = await source.transcript(address, record)
        assert transcript is not None and transcript.format == "html" and transcript.origin == "page"
        assert (record.creator, record.language, record.url) == ("Ada", "de", site.url("/a"))
        assert record.external_id == site.url("/a?utm_source=x")
        ref = DocumentRef("doc-1", record.title, "html", origin=record.url)
        assert (
            parse_bytes(ref, transcript.content, "html").text
            == "Der große Hafen bleibt heute wegen des Sturms geschlossen."
        )

    web(use)
    assert site.paths == ["/robots.txt", "/a?utm_source=x"]


def test_a_page_is_found_again_only_when_it_changed(site: Site) -> None:
    site.put("/a", b"<p>one</p>", etag='"1"')

    async def use(source: WebSource) -> None:
        address = site.url("/a")
        first = await source.discover(address)
        assert len(first.items) == 1
        again = await source.discover(address, first.position)
        assert again.unchanged and again.position == first.position
        site.put("/a", b"<p>one</p>", etag='"2"')
        same = await source.discover(address, first.position)
        assert same.items == () and not same.unchanged and same.position.etag == '"2"'
        site.put("/a", b"<p>two</p>", etag='"3"')
        changed = await source.discover(address, same.position)
        assert len(changed.items) == 1
        record = await source.metadata(address)
        transcript = await source.transcript(address, record)
        assert transcript is not None and b"two" in transcript.content

    web(use)


def test_a_feed_is_asked_whether_it_changed_and_nothing_is_passed_over(site: Site) -> None:
    items = [_item(str(n), n, f"<link>{site.url(f'/{n}')}</link>") for n in range(1, 10)]

    def publish(count: int) -> None:
        site.put("/feed", _rss(site, *reversed(items[:count])), "application/rss+xml", etag=f'"{count}"')

    async def use(source: WebSource) -> None:
        publish(2)
        address = site.url("/feed")
        looked = await source.discover(address, START, 2)
        publish(9)
        taken: list[str] = []
        for _ in range(5):
            looked = await source.discover(address, looked.position, 3)
            taken += [found.title for found in reversed(looked.items)]
        assert taken == [f"On {n}" for n in range(3, 10)]
        assert looked.unchanged

    web(use)


def test_what_is_too_old_is_left_out(site: Site) -> None:
    old = _item("old", 1).replace("2026", "2019")
    site.put("/feed", _rss(site, _item("new", 19), old), "application/rss+xml")
    found = web(lambda source: source.discover(site.url("/feed")))
    assert [item.title for item in found.items] == ["On new"]


@pytest.mark.parametrize(
    ("path", "body", "content_type", "form", "kind"),
    [
        ("/a.txt", b"Words of a text.", "text/plain", "text", "file"),
        ("/notes.md", b"# Head\n\nWords.", "text/plain", "markdown", "file"),
        ("/a.pdf", b"%PDF-1.4 ...", "application/octet-stream", "pdf", "file"),
        ("/a", b"%PDF-1.4 ...", "application/pdf", "pdf", "file"),
        ("/a.vtt", b"WEBVTT\n\n", "text/plain", "vtt", "file"),
        ("/page", b"<!DOCTYPE html><p>x</p>", "text/plain", "html", "article"),
        ("/x.mp3", b"\xff\xfb", "audio/mpeg", None, "episode"),
        ("/x.png", b"\x89PNG", "image/png", None, "episode"),
    ],
)
def test_other_things_on_the_web(
    site: Site, path: str, body: bytes, content_type: str, form: str | None, kind: str
) -> None:
    site.put(path, body, content_type)

    async def use(source: WebSource) -> None:
        record = await source.metadata(site.url(path))
        transcript = await source.transcript(site.url(path), record)
        assert record.kind == kind and (transcript.format if transcript else None) == form

    web(use)


def test_names_of_media_are_ours(site: Site, tmp_path: Path) -> None:
    path = "/..%2f..%2fetc%2fpasswd%00.mp3;rm%20-rf"
    site.put(path, b"\xff\xfb", "audio/mpeg")

    async def use(source: WebSource) -> Path:
        record = await source.metadata(site.url(path))
        return await source.media(site.url(path), record, tmp_path)

    found = web(use)
    assert found.parent == tmp_path and found.name.isascii() and ".." not in found.name and "%" not in found.name


def test_a_feed_is_no_item(site: Site) -> None:
    site.put("/feed", _rss(site, _item("a", 1)), "application/rss+xml")
    with pytest.raises(InvalidInputError, match="feed"):
        web(lambda source: source.metadata(site.url("/feed")))


def test_links_of_a_feed_cannot_lead_inside(site: Site) -> None:
    """The links are found; following them is refused by the client, whoever wrote them."""
    site.put("/feed", _rss(site, _item("a", 19, "<link>http://169.254.169.254/x</link>")), "application/rss+xml")

    async def use(source: WebSource) -> None:
        (found,) = (await source.discover(site.url("/feed"))).items
        with pytest.raises(RefusedError, match="not a public address"):
            await source.metadata(found.url)

    web(use)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "file:///etc/passwd", "http://u:p@example.org/", "http://0x7f.1/"]
)
def test_links_that_nobody_may_follow_stay_in_the_feed(site: Site, link: str) -> None:
    site.put("/feed", _rss(site, _item("a", 19, f"<link>{link}</link>")), "application/rss+xml")
    (found,) = web(lambda source: source.discover(site.url("/feed"))).items
    assert found.url == site.url("/feed#item=a")


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


def _folder(tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, age in (("old.txt", 100), ("new.md", 50)):
        (folder / name).write_text("Some words of a file.", "utf-8")
        # The change of a file's place counts too, so times are set apart by real changes.
        os.utime(folder / name, ns=(0, 4_000_000_000_000_000_000 - age))
    return folder, tuple(str((folder / name).resolve()) for name in ("new.md", "old.txt"))


def test_a_folder_keeps_the_suite(tmp_path: Path) -> None:
    folder, items = _folder(tmp_path)
    case = Case(str(folder), items, foreign="https://example.org/", missing=str(folder / "none.txt"))
    asyncio.run(check_source(FileSource, case, tmp_path))


def test_a_watched_folder_finds_what_changed(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("one", "utf-8")

    async def run() -> None:
        source = FileSource()
        first = await source.discover(str(folder))
        assert len(first.items) == 1
        assert (await source.discover(str(folder), first.position)).unchanged
        for number in range(4):
            (folder / f"b{number}.txt").write_text("new", "utf-8")
        (folder / "a.txt").write_text("changed", "utf-8")
        os.utime(folder / "a.txt", ns=(0, 4_000_000_000_000_000_000))
        position, names = first.position, set[str]()
        for _ in range(4):
            looked = await source.discover(str(folder), position, 2)
            names |= {Path(found.url).name for found in looked.items}
            position = looked.position
        assert names == {"a.txt", "b0.txt", "b1.txt", "b2.txt", "b3.txt"} and looked.unchanged

    asyncio.run(run())


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_bytes(b"MZ")
    (tmp_path / "empty.txt").write_bytes(b"")

    async def ask(name: str) -> None:
        source = FileSource()
        record = await source.metadata(str(tmp_path / name))
        await source.transcript(str(tmp_path / name), record)

    for name in ("a.exe", "empty.txt"):
        with pytest.raises(InvalidInputError):
            asyncio.run(ask(name))
    with pytest.raises(NotFoundError):
        asyncio.run(ask("none"))
    with pytest.raises(NotFoundError, match="is a folder"):
        asyncio.run(ask("."))


def test_recordings_on_disk_are_listened_to(tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").write_bytes(b"\xff\xfb")
    target = tmp_path / "work"
    target.mkdir()

    async def run() -> None:
        source = FileSource()
        (found,) = (await source.discover(str(tmp_path))).items
        record = await source.metadata(found.url)
        assert await source.transcript(found.url, record) is None
        assert (await source.media(found.url, record, target)).parent == target

    asyncio.run(run())


def test_standard_input_is_read_once() -> None:
    calls: list[int] = []

    def read(most: int) -> bytes:
        calls.append(most)
        return b"Said on standard input."

    async def run() -> None:
        source = FileSource(read)
        (found,) = (await source.discover("-")).items
        record = await source.metadata("-")
        transcript = await source.transcript("-", record)
        assert record.external_id == found.external_id and transcript is not None
        assert transcript.content == b"Said on standard input." and len(calls) == 1

    asyncio.run(run())
    for data in (b"", b"x" * 20_000_001):
        with pytest.raises(InvalidInputError, match="standard input"):
            asyncio.run(FileSource(lambda most, data=data: data).metadata("-"))


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://www.youtube.com/watch?v=abc", "youtube"),
        ("https://youtu.be/abc", "youtube"),
        ("https://m.youtube.com/@x", "youtube"),
        ("https://clips.twitch.tv/x", "twitch"),
        ("https://www.tiktok.com/@a/video/1", "tiktok"),
        ("https://youtube.com.evil.example/", "web"),
        ("https://notyoutube.com/", "web"),
        ("https://example.org/?u=youtube.com", "web"),
        ("HTTP://example.org/", "web"),
        ("docs/notes.md", "file"),
        ("-", "file"),
        ("C:\\notes.txt", "file"),
    ],
)
def test_each_address_has_its_source(address: str, name: str) -> None:
    async def run() -> str:
        async with open_sources(SourceOptions(), SystemClock()) as sources:
            return sources.of(address).name

    assert asyncio.run(run()) == name


@pytest.mark.parametrize("address", ["ftp://example.org/", "file:///etc/passwd", "", "ytsearch://x", "s3://bucket/key"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be ingested"):
        open_sources(SourceOptions(), SystemClock()).of(address)


def test_an_item_without_words_asks_for_a_listener(tmp_path: Path) -> None:
    shelf = MemorySource()
    record = shelf.put("talk", b"", format="")
    with pytest.raises(MissingDependencyError, match="speech"):
        asyncio.run(Sources([shelf]).words(record.url, record, tmp_path))


def test_options_are_read_from_the_home_folder(tmp_path: Path) -> None:
    assert load_options(tmp_path) == SourceOptions()
    (tmp_path / "sources.toml").write_text('allow_private = ["127.0.0.1"]\nper_host = 4\ntotal_seconds = 5\n', "utf-8")
    assert load_options(tmp_path) == SourceOptions(allow_private=("127.0.0.1",), per_host=4, total_seconds=5.0)


@pytest.mark.parametrize(
    "table",
    [
        {"unknown": 1},
        {"per_host": 10},
        {"per_host": 0},
        {"per_host": True},
        {"respect_robots": "no"},
        {"allow_private": "127.0.0.1"},
        {"allow_private": [1]},
        {"total_seconds": float("nan")},
        {"total_seconds": -1},
    ],
)
def test_options_that_cannot_be_used_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_options(table)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://www.youtube.com/watch?v=abc", "https://www.youtube.com/watch?v=abc&t=83s"),
        ("https://www.youtube.com/watch?v=abc&t=5&list=x", "https://www.youtube.com/watch?v=abc&list=x&t=83s"),
        ("https://youtu.be/abc", "https://youtu.be/abc?t=83s"),
        ("https://www.twitch.tv/videos/1", "https://www.twitch.tv/videos/1?t=0h1m23s"),
        ("https://clips.twitch.tv/x", "https://clips.twitch.tv/x"),
        ("https://www.tiktok.com/@a/video/1", "https://www.tiktok.com/@a/video/1"),
        ("https://vimeo.com/1", "https://vimeo.com/1#t=83s"),
        ("https://example.org/a.mp3#t=9", "https://example.org/a.mp3#t=83"),
        ("https://example.org/page#section", "https://example.org/page#section"),
        ("docs/talk.vtt", "docs/talk.vtt"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_links_lead_to_the_second(url: str, linked: str) -> None:
    assert link_at(url, 83.4) == linked
    assert link_at(url, None) == url


def test_a_lost_position_is_no_lost_watch(site: Site) -> None:
    site.put("/feed", _rss(site, _item("b", 19), _item("a", 18)), "application/rss+xml")
    found = web(lambda source: source.discover(site.url("/feed"), Position(last_seen="gone for good")))
    assert [item.title for item in found.items] == ["On b", "On a"]


def test_errors_of_the_wire_stay_errors_of_the_tree(site: Site) -> None:
    with pytest.raises(FairleadError):
        web(lambda source: source.metadata("http://127.0.0.1:1/"))
