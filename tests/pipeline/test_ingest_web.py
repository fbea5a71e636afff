"""Pages and feeds of a web site, taken in through the front door."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.testing.site import Site

FACTS = (
    "The pier at Clevedon was opened in 1869 and is 312 metres long.",
    "The night train to Venice leaves Vienna at nine in the evening.",
    "The lens of Augustin Fresnel was first lit at Cordouan in 1823.",
)
VTT = "WEBVTT\n\n00:01:23.000 --> 00:01:30.000\n<v Ada>The organ of Passau has 17974 pipes in five sections.\n"


def page(fact: str, title: str = "A page", more: str = "") -> bytes:
    text = f"<p>{fact} Many visitors come to see it in the summer months, and some of them stay for a week.</p>"
    return f"<html><head><title>{title}</title>{more}</head><body><article>{text}</article></body></html>".encode()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "sources.toml").write_text('allow_private = ["127.0.0.0/8"]\n')
    with Site() as site:
        yield site


@pytest.fixture
def ingest(cli: Callable[..., Any]) -> Callable[..., tuple[int, dict[str, Any]]]:
    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code, out, err = cli("ingest", *words, "--json", "--processes", "1")
        assert out, err
        return code, json.loads(out)["data"]

    return run


def test_a_page_is_taken_in_once_and_answers_with_its_address(
    site: Site, cli: Callable[..., Any], ingest: Callable[..., Any]
) -> None:
    site.put("/pier", page(FACTS[0], "The pier"), etag='"1"')
    site.put("/talk.vtt", VTT.encode(), "text/vtt")
    code, answer = ingest(site.url("/pier"), site.url("/talk.vtt"), "--tags", "web")
    assert code == 0, answer
    assert site.paths.count("/pier") == 1 == site.paths.count("/talk.vtt")
    code, out, _ = cli("ask", "How long is the pier at Clevedon?")
    assert code == 0 and "312 metres" in out and site.url("/pier") in out
    code, out, _ = cli("ask", "How many pipes has the organ of Passau?")
    assert code == 0 and f"{site.url('/talk.vtt')}#t=83" in out
    code, answer = ingest(site.url("/pier"))
    assert (code, answer["unchanged"]) == (0, 1)
    assert dict(site.requests[-1].headers)["if-none-match"] == '"1"'
    site.put("/pier", page("The pier at Clevedon was closed in 1970 for a very long time.", "The pier"), etag='"2"')
    code, answer = ingest(site.url("/pier"))
    assert answer["jobs"][0]["result"]["removed"] == 1
    assert "312 metres" not in cli("ask", "How long is the pier at Clevedon?")[1]


def test_a_feed_becomes_its_entries(site: Site, cli: Callable[..., Any], ingest: Callable[..., Any]) -> None:
    for n, fact in enumerate(FACTS):
        site.put(f"/post{n}", page(fact))
    items = "".join(
        f"<item><guid>g{n}</guid><title>P{n}</title><link>{site.url(f'/post{n}')}</link></item>" for n in range(3)
    )
    feed = f"<rss version='2.0'><channel><title>Blog</title><link>{site.url()}</link>{items}</channel></rss>"
    site.put("/feed", feed.encode(), "application/rss+xml")
    code, answer = ingest(site.url("/feed"))
    assert code == 0 and answer["counts"] == {"done": 4}, answer
    assert {job["result"].get("expanded") for job in answer["jobs"]} == {3, None}
    assert site.url("/post1") in cli("ask", "When does the night train to Venice leave?")[1]


def test_a_page_cannot_take_the_place_of_another(
    site: Site, cli: Callable[..., Any], ingest: Callable[..., Any]
) -> None:
    site.put("/pier", page(FACTS[0]))
    own = site.url("/pier")
    for path, claimed in (("/evil", own), ("/far", "https://bank.example/rates")):
        site.put(path, page(FACTS[1], "Evil", f'<link rel="canonical" href="{claimed}">'))
    code, answer = ingest(own, site.url("/evil"), site.url("/far"))
    assert code == 0, answer
    assert len({job["result"]["source"] for job in answer["jobs"]}) == 3
    assert own in cli("ask", "How long is the pier at Clevedon?")[1]
    listed = json.loads(cli("memory", "list", "--name", "content", "--json")[1])["data"]
    assert not any("bank.example" in json.dumps(entry) for entry in listed)


def test_what_cannot_be_fetched_is_told_with_a_remedy(site: Site, ingest: Callable[..., Any]) -> None:
    site.put("/gone", b"", status=410)
    site.put("/loop", b"", status=302, headers={"Location": "/loop"})
    site.put("/inside", b"", status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})
    site.put("/picture", b"\x89PNG\r\n\x1a\n" + bytes(200), "image/png")
    addresses = [site.url(path) for path in ("/gone", "/loop", "/inside", "/picture", "/nothing")]
    code, answer = ingest(*addresses)
    assert code == 1 and answer["counts"] == {"error": 5}, answer
    assert all(job["error"] and job["remedy"] and job["stage"] == "failed" for job in answer["jobs"])


def test_addresses_of_this_network_are_refused_by_default(
    site: Site, tmp_path: Path, ingest: Callable[..., Any]
) -> None:
    (tmp_path / "home" / "sources.toml").unlink()
    site.put("/pier", page(FACTS[0]))
    code, answer = ingest(site.url("/pier"))
    assert code == 1 and answer["counts"] == {"error": 1} and site.requests == []


def test_a_brief_is_written_over_pages_and_files_together(site: Site, tmp_path: Path, cli: Callable[..., Any]) -> None:
    for n, fact in enumerate(FACTS):
        site.put(f"/post{n}", page(fact, f"Post {n}"))
    (tmp_path / "notes.txt").write_text("The keeper of the lighthouse wrote a book of stories about the old harbour.")
    words = [site.url("/post0"), site.url("/post1"), site.url("/missing"), str(tmp_path / "notes.txt")]
    code, out, err = cli("run", "content-brief", "--input", *words, "--output", str(tmp_path / "out"), "--json")
    assert code == 0, out + err
    brief = json.loads((tmp_path / "out" / "brief.json").read_text())
    sources = {document["source"] for document in brief["documents"]}
    assert {site.url("/post0"), site.url("/post1"), str(tmp_path / "notes.txt")} <= sources
    assert "missing" in json.dumps(brief)
    assert site.url("/post0") in cli("ask", "How long is the pier at Clevedon?")[1]
