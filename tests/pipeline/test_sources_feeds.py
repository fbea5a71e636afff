"""Feeds and pages as pure reading: the kinds that exist, broken ones, and those made to harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError
from fairlead.pipeline.sources.feeds import Entry, Feed, looks_like_feed, read_duration, read_feed, read_time
from fairlead.pipeline.sources.pages import read_facts, to_utf8

URL = "https://example.org/feed/index.xml"

PODCAST = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"
  xmlns:podcast="https://podcastindex.org/namespace/1.0" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Tides &amp; Currents</title><link>https://example.org/</link><language>en-GB</language>
<itunes:author>Ada Harbour</itunes:author><itunes:image href="/cover.jpg"/>
<item><title>On anchors</title><guid isPermaLink="false">ep-2</guid><link>/ep2</link>
<pubDate>Fri, 20 Nov 2026 10:00:00 +0200</pubDate><itunes:duration>1:02:03</itunes:duration>
<itunes:keywords>anchors, chain</itunes:keywords><itunes:image href="/ep2.jpg"/>
<description><![CDATA[<p>Why anchors <b>hold</b> &amp; slip.</p>]]></description>
<enclosure url="/ep2.mp3" length="12345" type="audio/mpeg"/>
<podcast:transcript url="/ep2.srt" type="application/srt" language="en"/>
<podcast:transcript url="/ep2.vtt" type="text/vtt"/></item>
<item><title>On buoys</title><guid isPermaLink="false">ep-1</guid><pubDate>Thu, 19 Nov 2026 08:00:00 GMT</pubDate>
<enclosure url="https://cdn.example.net/ep1.mp3" length="bogus" type="audio/mpeg"/></item>
</channel></rss>"""

ATOM = """<?xml version="1.0"?><a:feed xmlns:a="http://www.w3.org/2005/Atom" xml:lang="de">
<a:title>Blatt</a:title><a:link href="https://example.org/"/><a:link rel="self" href="https://example.org/feed"/>
<a:entry><a:id>urn:1</a:id><a:title type="html">Eins &amp;amp; zwei</a:title><a:link rel="edit" href="/edit"/>
<a:link href="/eins"/><a:author><a:name>Uwe</a:name></a:author><a:updated>2026-11-01T10:00:00+01:00</a:updated>
<a:published>2026-10-31T10:00:00+01:00</a:published><a:category term="See"/>
<a:content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Der <em>Text</em>.</p></div></a:content></a:entry>
</a:feed>"""

RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><title>Old</title></channel>
<item rdf:about="https://example.org/1"><title>One</title><link>https://example.org/1</link>
<dc:date>2026-11-20T09:00Z</dc:date><dc:creator>Bo</dc:creator></item></rdf:RDF>"""


def test_a_podcast_with_its_tags() -> None:
    feed = read_feed(PODCAST.encode(), URL)
    assert (feed.title, feed.language, feed.author) == ("Tides & Currents", "en-GB", "Ada Harbour")
    first, second = feed.entries
    assert (first.id, first.link, first.title) == ("ep-2", "https://example.org/ep2", "On anchors")
    assert first.published_at == 1795161600.0 and first.duration_seconds == 3723.0
    assert first.summary == "Why anchors hold & slip." and first.tags == ("anchors", "chain")
    assert first.images == ("https://example.org/ep2.jpg",)
    assert first.enclosures == (("https://example.org/ep2.mp3", "audio/mpeg", 12345),)
    assert [words.url[-3:] for words in first.transcripts] == ["srt", "vtt"]
    assert second.link == "" and second.enclosures[0].bytes == 0


def test_atom_under_any_prefix() -> None:
    feed = read_feed(ATOM.encode(), URL)
    (entry,) = feed.entries
    assert (feed.title, feed.language, feed.link) == ("Blatt", "de", "https://example.org/")
    assert (entry.id, entry.link, entry.author, entry.tags) == ("urn:1", "https://example.org/eins", "Uwe", ("See",))
    assert entry.title == "Eins & zwei" and entry.published_at == 1793437200.0
    assert "Der" in entry.content and "Text" in entry.content


def test_rss_1() -> None:
    (entry,) = read_feed(RDF.encode(), URL).entries
    assert (entry.id, entry.title, entry.author, entry.published_at) == (
        "https://example.org/1",
        "One",
        "Bo",
        1795165200,
    )


def test_json_feed() -> None:
    value = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "J",
        "authors": [{"name": "Jo"}],
        "items": [
            {
                "id": 7,
                "url": "/7",
                "title": "Seven",
                "content_text": "a < b",
                "date_published": "2026-11-20T10:00:00Z",
                "tags": ["x", 5],
                "attachments": [{"url": "/7.mp3", "mime_type": "audio/mpeg", "duration_in_seconds": 61}],
            },
            "no item",
            {"title": "nothing to know it by"},
        ],
    }
    data = json.dumps(value).encode()
    assert looks_like_feed(data, "application/json")
    feed = read_feed(data, URL)
    (entry,) = feed.entries
    assert feed.author == "Jo"
    assert (entry.id, entry.link, entry.content, entry.tags) == ("7", "https://example.org/7", "a &lt; b", ("x",))
    assert entry.duration_seconds == 61.0 and entry.enclosures[0].media_type == "audio/mpeg"


@pytest.mark.parametrize(
    ("broken", "title"),
    [
        ("<rss><channel><item><title>Fish & Chips &nbsp;&eacute;&bogus;</title><guid>1</guid></item></channel></rss>",
         "Fish & Chips é&bogus;"),
        ("<rss><channel><item><title>A\x0bB\x00</title><guid>1</guid></item></channel></rss>", "AB"),
        ("\n\n<?xml version='1.0'?><rss><channel><item><title>Late</title><guid>1</guid></item></channel></rss>",
         "Late"),
        ("<rss><channel><item><title>Whole</title><guid>1</guid></item><item><title>Cut", "Whole"),
        ("<rss><channel><item><title><![CDATA[a & b]]></title><guid>1</guid><link>http://x/?a=1&b=2</link></item>"
         "</channel></rss>", "a & b"),
        ("<rss><channel><item><itunes:title>No xmlns</itunes:title><guid>1</guid></item></channel></rss>", "No xmlns"),
    ],
)  # fmt: skip
def test_feeds_as_they_are_found_in_the_wild(broken: str, title: str) -> None:
    entry = read_feed(broken.encode(), URL).entries[0]
    assert " ".join(entry.title.replace("\xa0", " ").split()) == title


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1251", "shift_jis"])
def test_feeds_in_other_encodings(encoding: str) -> None:
    words = {"windows-1251": "Привет", "shift_jis": "こんにちは"}.get(encoding, "Grüße")
    item = f"<item><title>{words}</title><guid>1</guid></item>"
    text = f'<?xml version="1.0" encoding="{encoding}"?><rss><channel>{item}</channel></rss>'
    assert read_feed(text.encode(encoding), URL).entries[0].title == words


def _laughs() -> str:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{levels}]><rss><channel><title>&l9;</title></channel></rss>'


HARMFUL = {
    "billion laughs": _laughs(),
    "quadratic": f'<!DOCTYPE x [<!ENTITY a "{"A" * 50_000}">]><rss><channel>{"&a;" * 50_000}</channel></rss>',
    "outside": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel><title>&a;</title></channel></rss>',
    "parameter": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><rss/>',
    "default attributes": '<!DOCTYPE x [<!ATTLIST item a CDATA "'
    + "x" * 9999
    + '">]><rss>'
    + "<item/>" * 999
    + "</rss>",
    "deep": "<rss><channel>" + "<a>" * 100_000,
    "deep entries": "<rss><channel>" + "<item>" * 100_000,
    "wide": "<rss><channel>" + "<a/>" * 110_000 + "</channel></rss>",
    "attributes": "<rss><channel><item " + " ".join(f'a{n}="1"' for n in range(50_000)) + "/></channel></rss>",
    "open cdata": "<rss><channel>" + "<![CDATA[" * 200_000,
    "open tags": "<rss><channel>" + "<" * 500_000,
    "ampersands": "<rss><channel>" + "&" * 500_000,
    "no feed": "<html><body>hello</body></html>",
    "nothing": "",
    "words": "just words",
    "json bomb": "[" * 200_000,
    "json object": '{"version": "https://jsonfeed.org/version/1", "items": ' + "[" * 100_000,
    "json of another kind": '{"version": 1, "items": {"a": 1}}',
    "doctype flood": "<!DOCTYPE " * 100_000,
}


@pytest.mark.parametrize("name", HARMFUL)
def test_feeds_that_mean_harm_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_feed(HARMFUL[name].encode(), URL)
    assert refused.value.remedy and len(str(refused.value)) < 400


def test_a_feed_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="10,000,000"):
        read_feed(b" " * 10_000_001, URL)


def test_a_text_without_end_is_held_to_a_length() -> None:
    words = "<rss><channel><item><guid>1</guid><title>" + "word " * 500_000 + "</title></item></channel></rss>"
    assert len(read_feed(words.encode(), URL).entries[0].title) <= 5_000


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_no_text_breaks_the_reading_of_an_entry(text: str) -> None:
    for body in (text, f"<rss><channel><item><guid>g</guid><title>{text}</title></item></channel></rss>"):
        try:
            feed = read_feed(body.encode("utf-8", "replace"), URL)
        except InvalidInputError:
            continue
        assert isinstance(feed, Feed) and all(isinstance(entry, Entry) and entry.id for entry in feed.entries)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Fri, 20 Nov 2026 10:00:00 GMT", 1795168800.0),
        ("20 Nov 2026 10:00 +0000", 1795168800.0),
        ("2026-11-20T10:00:00Z", 1795168800.0),
        ("2026-11-20", 1795132800.0),
        ("2026-11-20T10:00:00", 1795168800.0),
        ("yesterday", None),
        ("0001-01-01", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("1" * 100_000, None),
        ("", None),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert read_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3723", 3723.0),
        ("62:03", 3723.0),
        ("1:02:03", 3723.0),
        (" 7.5 ", 7.5),
        ("1:2:3:4", None),
        ("-1", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert read_duration(text) == seconds


# ── what pages say of themselves ─────────────────────────────────────────────────────────────────────────────

PAGE = """<!doctype html><html lang="pt-BR"><head><title>Raw title | Site</title>
<meta property="og:title" content="The tide turns"><meta property="og:site_name" content="Harbour News">
<meta name="author" content="Meta Author"><meta property="article:published_time" content="2026-11-20T10:00:00Z">
<link rel="canonical" href="/tide">
<meta name="keywords" content="tide, sea ,"><meta property="og:image" content="/t.jpg">
<meta name="description" content="What  turns."><script type="application/ld+json">
{"@context":"https://schema.org","@graph":[{"@type":"Organization","name":"x"},
{"@type":["NewsArticle"],"headline":"LD","author":[{"@type":"Person","name":"Ada Lovel"},{"name":"https://x/y"}],
"datePublished":"2026-11-19T10:00:00Z"}]}</script></head><body><time datetime="2020-01-01">x</time></body></html>"""


def test_a_page_says_who_wrote_it_and_when() -> None:
    facts = read_facts(PAGE, "https://example.org/2026/tide?utm=1")
    assert (facts.title, facts.author, facts.site) == ("The tide turns", "Ada Lovel", "Harbour News")
    assert (facts.canonical, facts.language) == ("https://example.org/tide", "pt-BR")
    assert facts.published_at == 1795082400.0 and facts.description == "What turns."
    assert facts.tags == ("tide", "sea") and facts.images == ("https://example.org/t.jpg",)


def test_a_page_that_says_nothing() -> None:
    facts = read_facts("<p>Just words</p>", "https://example.org/x")
    assert facts == ("", "", "", None, "", "", "", (), ())


@pytest.mark.parametrize(
    "stated",
    ["https://bank.example/login", "//evil.example/", "javascript:alert(1)", "http://user@example.org/", "http://[::1", "ftp://example.org/"],
)  # fmt: skip
def test_a_page_cannot_claim_to_be_another_sites(stated: str) -> None:
    page = f'<link rel="canonical" href="{stated}"><title>x</title>'
    assert read_facts(page, "https://example.org/x").canonical == ""


@pytest.mark.parametrize(
    "page",
    [
        "<meta " * 100_000,
        "<" * 300_000,
        "<!" * 150_000,
        "<![" * 100_000,
        "<a " + "b " * 150_000,
        "<title>" * 50_000,
        '<script type="application/ld+json">' + "[" * 100_000,
        '<script type="application/ld+json">{"@type":"Article","author":{"name":5},"headline":[]}</script>',
        '<meta property="og:title" content="' + "x" * 200_000 + '">',
    ],
)
def test_pages_that_mean_harm_are_read_in_bounds(page: str) -> None:
    facts = read_facts(page, "https://example.org/")
    assert len(facts.title) <= 300


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ('<meta charset="windows-1251">Привет'.encode("windows-1251"), "", '<meta charset="windows-1251">Привет'),
        ("こんにちは".encode("shift_jis"), "Shift_JIS", "こんにちは"),
        ("Grüße".encode(), "utf-8", "Grüße"),
        (b"plain", "rot13", "plain"),
        (b"plain", "zip", "plain"),
        (b"plain", "no-such-thing", "plain"),
        (b"plain", "../../etc", "plain"),
    ],
)
def test_pages_come_as_utf8(data: bytes, charset: str, text: str) -> None:
    assert to_utf8(data, charset).decode() == text
