"""Fetching against a real server that behaves: bodies, redirects, versions, retries, robots.txt, hosts' limits."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RetryError,
    StepTimeoutError,
    UnavailableError,
)
from fairlead.pipeline.fetch import Fetcher, FetchLimits, make_rules
from fairlead.pipeline.fetch.failures import error_of_status, retry_after
from fairlead.testing.clock import StillClock
from fairlead.testing.site import Request, Site, head

T = TypeVar("T")


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


class Waits:
    """Sleeping that moves a still clock and remembers for how long."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def fetching(waits: Waits | None = None, **options: Any) -> AsyncIterator[Fetcher]:
    waits = waits or Waits()
    rules = options.pop("rules", make_rules(["127.0.0.0/8"]))
    async with Fetcher(waits.clock, random.Random(7), rules=rules, sleep=waits, **options) as fetcher:
        yield fetcher


def fetch(use: Callable[[Fetcher], Awaitable[T]], waits: Waits | None = None, **options: Any) -> T:
    async def run() -> T:
        async with fetching(waits, **options) as fetcher:
            return await use(fetcher)

    return asyncio.run(run())


def test_a_page_comes_whole_with_what_the_server_said_of_it(site: Site) -> None:
    site.put("/page", "Grüße".encode("latin-1"), "Text/HTML; Charset=ISO-8859-1", etag='"v1"')
    page = fetch(lambda f: f.get(site.url("/page")))
    assert (page.content_type, page.charset, page.etag) == ("text/html", "iso-8859-1", '"v1"')
    assert page.body.decode(page.charset) == "Grüße"
    assert page.url == site.url("/page")
    request = site.requests[-1]
    assert request.headers["host"] == f"127.0.0.1:{site.port}"
    assert "cookie" not in request.headers and "Fairlead" in request.headers["user-agent"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate", "two members"])
def test_packed_bodies_are_unpacked(site: Site, encoding: str) -> None:
    text = b"A sentence that is said again and again. " * 5_000
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "raw deflate": raw.compress(text) + raw.flush(),
        "two members": gzip.compress(text[:1000]) + gzip.compress(text[1000:]) + b"\0\0padding",
    }[encoding]
    word = "deflate" if "deflate" in encoding else "gzip"
    site.put("/packed", packed, headers={"Content-Encoding": word})
    assert fetch(lambda f: f.get(site.url("/packed"))).body == text


def test_a_version_that_is_known_is_not_sent_again(site: Site) -> None:
    site.put("/feed", b"<rss/>", "application/rss+xml", etag='"7"')
    again = fetch(lambda f: f.get(site.url("/feed"), etag='"7"'))
    assert again.not_modified and again.body == b""
    assert not fetch(lambda f: f.get(site.url("/feed"), etag='"6"')).not_modified


def test_a_304_that_nobody_asked_for_is_an_error(site: Site) -> None:
    site.put("/odd", b"", status=304)
    with pytest.raises(RefusedError):
        fetch(lambda f: f.get(site.url("/odd")))


def test_redirects_are_followed_and_joined(site: Site) -> None:
    site.put("/a/start", b"", status=302, headers={"Location": "../b/next?q=1"})
    site.put("/b/next", b"", status=308, headers={"Location": site.url("/end")})
    site.put("/end", b"here")
    page = fetch(lambda f: f.get(site.url("/a/start")))
    assert (page.url, page.body) == (site.url("/end"), b"here")


def test_five_redirects_and_no_more(site: Site) -> None:
    for number in range(7):
        site.put(f"/{number}", b"", status=301, headers={"Location": f"/{number + 1}"})
    site.put("/7", b"end")
    assert fetch(lambda f: f.get(site.url("/2"))).body == b"end"
    with pytest.raises(ForbiddenError, match="more than 5 times"):
        fetch(lambda f: f.get(site.url("/1")))


def _failing(times: int, status: int, headers: dict[str, str] | None = None) -> tuple[Any, list[int]]:
    calls: list[int] = []

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        bad = len(calls) <= times
        writer.write(head(status if bad else 200, 0 if bad else 2, headers or {}) + (b"" if bad else b"ok"))

    return answer, calls


def test_what_may_pass_is_tried_again(site: Site) -> None:
    answer, calls = _failing(2, 503)
    site.answer("/flaky", answer)
    waits = Waits()
    assert fetch(lambda f: f.get(site.url("/flaky")), waits).body == b"ok"
    assert len(calls) == 3 and len(waits.slept) == 2
    assert 0.25 <= waits.slept[0] <= 0.75 and 0.5 <= waits.slept[1] <= 1.5


def test_what_will_not_pass_is_not(site: Site) -> None:
    answer, calls = _failing(9, 404)
    site.answer("/none", answer)
    with pytest.raises(NotFoundError):
        fetch(lambda f: f.get(site.url("/none")))
    assert len(calls) == 1


def test_a_short_wait_that_was_asked_for_is_kept(site: Site) -> None:
    answer, calls = _failing(1, 429, {"Retry-After": "4"})
    site.answer("/busy", answer)
    waits = Waits()
    assert fetch(lambda f: f.get(site.url("/busy")), waits).body == b"ok"
    assert sum(waits.slept) == pytest.approx(4.0) and len(calls) == 2


def test_a_long_wait_is_handed_to_the_caller_and_spares_the_host(site: Site) -> None:
    answer, calls = _failing(99, 429, {"Retry-After": "60"})
    site.answer("/busy", answer)
    site.put("/other", b"ok")
    waits = Waits()

    async def use(fetcher: Fetcher) -> None:
        with pytest.raises(RateLimitedError) as first:
            await fetcher.get(site.url("/busy"))
        assert first.value.fields["retry_after"] == 60.0
        with pytest.raises(RateLimitedError) as second:
            await fetcher.get(site.url("/other"))
        assert second.value.fields["retry_after"] == pytest.approx(60.0)
        waits.clock.advance(61.0)
        assert (await fetcher.get(site.url("/other"))).body == b"ok"

    fetch(use, waits, robots=False)
    assert len(calls) == 1 and waits.slept == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        ("99999999999999", None),
        ("999999999", 86_400.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_in_every_spelling(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, StillClock().now()) == seconds


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (408, StepTimeoutError),
        (410, NotFoundError),
        (418, RefusedError),
        (429, RateLimitedError),
        (451, ForbiddenError),
        (500, UnavailableError),
        (501, RefusedError),
        (502, UnavailableError),
        (503, UnavailableError),
        (520, UnavailableError),
    ],
)
def test_statuses_fall_into_classes(status: int, kind: type[FairleadError]) -> None:
    error = error_of_status(status, "https://example.org/x?token=abc", {}, 0.0)
    assert type(error) is kind and str(status) in error.message and error.remedy
    assert "abc" not in f"{error} {error.fields}"
    assert isinstance(error, RetryError) == (status in (408, 429, 500, 502, 503, 520))


def test_one_host_is_asked_nine_at_a_time(site: Site) -> None:
    gate = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        # The ninth that arrives lets all go; a tenth would be seen in the count.
        if site.most_at_once >= 9:
            gate.set()
        await gate.wait()
        await asyncio.sleep(0.01)
        writer.write(head(200, 2, {}) + b"ok")

    site.answer("/slow", answer)

    async def use(fetcher: Fetcher) -> list[bytes]:
        pages = await asyncio.gather(*(fetcher.get(site.url(f"/slow?{n}")) for n in range(30)))
        return [page.body for page in pages]

    assert fetch(use, robots=False) == [b"ok"] * 30
    assert site.most_at_once == 9


# ── robots.txt ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_robots_forbids_is_not_fetched_and_it_is_asked_once(site: Site) -> None:
    site.put("/robots.txt", b"User-agent: *\nDisallow: /private*\nDisallow: /*.tmp$\n", "text/plain")
    for path in ("/open", "/open2", "/private/x", "/a.tmp"):
        site.put(path, b"ok")

    async def use(fetcher: Fetcher) -> None:
        await asyncio.gather(fetcher.get(site.url("/open")), fetcher.get(site.url("/open2")))
        for path in ("/private/x", "/a.tmp"):
            with pytest.raises(ForbiddenError, match=r"robots\.txt"):
                await fetcher.get(site.url(path))
        assert (await fetcher.get(site.url("/private/x"), robots=False)).body == b"ok"

    fetch(use)
    assert site.paths.count("/robots.txt") == 1 and "/a.tmp" not in site.paths


def test_a_redirect_into_what_robots_forbids_is_not_followed(site: Site) -> None:
    site.put("/robots.txt", b"User-agent: *\nDisallow: /private\n", "text/plain")
    site.put("/open", b"", status=302, headers={"Location": "/private"})
    with pytest.raises(ForbiddenError, match=r"robots\.txt"):
        fetch(lambda f: f.get(site.url("/open")))
    assert "/private" not in site.paths


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_site_without_rules_allows_all(site: Site, status: int) -> None:
    site.put("/robots.txt", b"User-agent: *\nDisallow: /\n", "text/plain", status=status)
    site.put("/open", b"ok")
    assert fetch(lambda f: f.get(site.url("/open"))).body == b"ok"


def test_a_site_that_cannot_say_its_rules_is_left_alone_for_now(site: Site) -> None:
    site.put("/robots.txt", b"", status=500)
    site.put("/open", b"ok")

    async def use(fetcher: Fetcher) -> None:
        with pytest.raises(UnavailableError, match=r"robots\.txt"):
            await fetcher.get(site.url("/open"))
        site.put("/robots.txt", b"", status=404)
        assert (await fetcher.get(site.url("/open"))).body == b"ok"

    fetch(use)


def test_a_crawl_delay_is_kept_and_held_to_ten_seconds(site: Site) -> None:
    site.put("/robots.txt", b"User-agent: *\nCrawl-delay: 99999\n", "text/plain")
    site.put("/a", b"ok")
    waits = Waits()

    async def use(fetcher: Fetcher) -> None:
        for _ in range(3):
            await fetcher.get(site.url("/a"))

    fetch(use, waits)
    assert waits.slept == [pytest.approx(10.0), pytest.approx(10.0)]


def test_a_host_that_wants_to_be_spared_holds_nobody_else_up(site: Site) -> None:
    """Requests that wait for a slow host's turn take no place from those to another."""
    site.put("/robots.txt", b"User-agent: *\nCrawl-delay: 10\n", "text/plain")
    site.put("/a", b"ok")

    async def never(seconds: float) -> None:
        await asyncio.sleep(3600)

    async def use() -> None:
        rules, limits = make_rules(["127.0.0.0/8"]), FetchLimits(at_once=2)
        async with Fetcher(StillClock(), random.Random(1), rules=rules, limits=limits, sleep=never) as fetcher:
            assert (await fetcher.get(site.url("/a"))).body == b"ok"
            waiting = [asyncio.ensure_future(fetcher.get(site.url("/a"))) for _ in range(5)]
            await asyncio.sleep(0.05)
            with Site("127.0.0.2") as other:
                other.put("/b", b"there")
                assert (await fetcher.get(other.url("/b"))).body == b"there"
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(use())


# ── files, and sending ───────────────────────────────────────────────────────────────────────────────────────


def test_a_download_lands_whole_or_not_at_all(site: Site, tmp_path: Path) -> None:
    site.put("/a.mp3", b"\xff\xfb" * 100_000, "audio/mpeg")
    target = tmp_path / "a.mp3"
    limits = FetchLimits(most_media_bytes=150_000)
    with pytest.raises(InvalidInputError, match="150,000"):
        fetch(lambda f: f.download(site.url("/a.mp3"), target), limits=limits)
    assert list(tmp_path.iterdir()) == []
    fetch(lambda f: f.download(site.url("/a.mp3"), target))
    assert target.stat().st_size == 200_000 and list(tmp_path.iterdir()) == [target]


def test_what_is_sent_is_sent_once(site: Site) -> None:
    answer, calls = _failing(9, 503)
    site.answer("/hook", answer)
    answered = fetch(lambda f: f.post(site.url("/hook"), b'{"a":1}', content_type="application/json"))
    assert (answered.status, len(calls), site.requests[0].body) == (503, 1, b'{"a":1}')
    site.put("/moved", b"", status=307, headers={"Location": "/hook"})
    assert fetch(lambda f: f.post(site.url("/moved"), b"x", content_type="text/plain")).status == 307
    assert len(calls) == 1
