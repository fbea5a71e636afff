"""Posting briefs to Discord: limits, rates, what happens once, and a token that nobody sees."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import (
    EffectUnknownError,
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
)
from fairlead.events import draft
from fairlead.pipeline.fetch import Fetcher, make_rules
from fairlead.pipeline.publish.discord import parse_webhook, publish
from fairlead.pipeline.publish.discord_post import (
    MOST_CONTENT,
    MOST_DESCRIPTION,
    MOST_EMBEDS,
    MOST_FIELD_NAME,
    MOST_FIELD_VALUE,
    MOST_FIELDS,
    MOST_MESSAGES,
    MOST_TITLE,
    MOST_TOTAL,
    cut,
    length,
    messages_of,
)
from fairlead.store import open_database
from fairlead.store.publications import SqlPublications
from fairlead.testing.clock import StillClock
from fairlead.testing.site import Request, Site, head

TOKEN = "hunter2TOKEN_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-abcdefghijklmnopqr"
PATH = f"/api/webhooks/123456789012345678/{TOKEN}"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def _statement(text: str, document: str = "d1", **more: Any) -> dict[str, Any]:
    return {"text": text, "document": document, "start_char": 0, "end_char": len(text), **more}


def _brief(**changes: Any) -> dict[str, Any]:
    brief: dict[str, Any] = {
        "version": 1,
        "title": "2 talks on anchors",
        "numbers": {"documents": 2, "words": 1234, "not_read": 1},
        "lead": [_statement("The anchor holds.", speaker="Ada", start_s=83.2)],
        "themes": [{"label": "anchors", "statements": [_statement("It *slips* @everyone <@1>.", "d2")]}],
        "agreements": [{"about": ["chain"], "statements": [_statement("Longer is better.")]}],
        "differences": [],
        "documents": [
            {"id": "d1", "title": "A talk", "source": "https://www.youtube.com/watch?v=abc"},
            {"id": "d2", "title": "A [note](x)", "source": "notes/a.md"},
        ],
    }
    return brief | changes


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_brief_is_a_message_whose_statements_link_to_their_second() -> None:
    (message,) = messages_of(_brief())
    assert message["allowed_mentions"] == {"parse": []} and message["content"] == "**2 talks on anchors**"
    first, themes, common, sources = message["embeds"]
    assert first["description"] == (
        r"• **Ada:** The anchor holds. [\[1, 1:23\]](https://www.youtube.com/watch?v=abc&t=83s)"
    )
    assert first["footer"]["text"] == "2 documents · 1,234 words · 1 not read"
    assert themes["fields"] == [{"name": "anchors", "value": r"• It \*slips\* @everyone \<@1\>. \[2\]"}]
    assert common["title"] == "Common ground"
    assert sources["description"].splitlines()[1] == r"2. A \[note\](x)"


def _check_limits(messages: list[dict[str, Any]]) -> None:
    assert 1 <= len(messages) <= MOST_MESSAGES
    for message in messages:
        assert length(message.get("content", "")) <= MOST_CONTENT
        assert message["allowed_mentions"] == {"parse": []}
        assert 1 <= len(message["embeds"]) <= MOST_EMBEDS
        total = 0
        for embed in message["embeds"]:
            fields = embed.get("fields", [])
            assert len(fields) <= MOST_FIELDS
            assert embed.get("title") != "" and embed.get("description") != ""
            texts = [(embed.get("title", ""), MOST_TITLE), (embed.get("description", ""), MOST_DESCRIPTION)]
            texts += [(embed.get("footer", {}).get("text", ""), 2048)]
            for field in fields:
                assert field["name"] and field["value"]
                texts += [(field["name"], MOST_FIELD_NAME), (field["value"], MOST_FIELD_VALUE)]
            assert all(length(text) <= most for text, most in texts)
            total += sum(length(text) for text, _ in texts)
        assert total <= MOST_TOTAL


def test_a_long_brief_is_split_and_says_what_is_left_out() -> None:
    many = [
        {"label": f"theme {n} " + "x" * 300, "statements": [_statement("𝄞 word " * 200, "d2")] * 5} for n in range(60)
    ]
    documents = [{"id": f"d{n}", "title": f"Document {n}", "source": f"https://example.org/{n}"} for n in range(200)]
    messages = messages_of(_brief(themes=many, documents=documents))
    _check_limits(messages)
    assert len(messages) == MOST_MESSAGES
    assert "did not fit" in messages[-1]["embeds"][-1]["footer"]["text"]


_TEXT = st.text(max_size=60) | st.text(alphabet="[](<@*_~`|\\ 😀\n", max_size=400) | st.just("w" * 5000)
_STATEMENTS = st.lists(
    st.builds(_statement, _TEXT, st.sampled_from(["d1", "d2", "d3"]), speaker=_TEXT, heading=_TEXT), max_size=4
)


@settings(deadline=None, max_examples=60)
@given(
    title=_TEXT,
    lead=_STATEMENTS,
    themes=st.lists(st.fixed_dictionaries({"label": _TEXT, "statements": _STATEMENTS}), max_size=30),
    sources=st.lists(st.sampled_from(["https://example.org/a)b", "file", "https://x/" + "y" * 900, ""]), max_size=40),
)
def test_every_brief_keeps_the_limits(title: str, lead: Any, themes: Any, sources: list[str]) -> None:
    documents = [{"id": f"d{n}", "title": title, "source": source} for n, source in enumerate(sources, 1)]
    _check_limits(messages_of(_brief(title=title, lead=lead, themes=themes, documents=documents)))


@pytest.mark.parametrize(
    "source", ["https://x/a) [click](https://evil", "javascript:alert(1)", "https://x/a b", "https://x/\\"]
)
def test_no_source_breaks_out_of_its_link(source: str) -> None:
    documents = [{"id": "d1", "title": "A", "source": source}, {"id": "d2", "title": "B", "source": ""}]
    text = json.dumps(messages_of(_brief(documents=documents)))
    assert "](javascript" not in text and "](https://evil" not in text


@given(st.text(max_size=50), st.integers(1, 40))
@settings(deadline=None)
def test_cutting_keeps_to_the_length(text: str, most: int) -> None:
    assert length(cut(text, most)) <= most
    assert cut(text, most) == text or cut(text, most).endswith("…")


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address",
    [f"https://discord.com{PATH}", f"https://canary.discord.com/api/v10/webhooks/1/{TOKEN}/?thread_id=99&wait=false"],
)
def test_webhooks_are_known_by_their_id_only(address: str) -> None:
    webhook = parse_webhook(address)
    assert webhook.url.partition("?")[2] in ("wait=true", "wait=true&thread_id=99")
    assert TOKEN in webhook.url and "hunter2" not in f"{webhook!r} {webhook}"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://discord.com/",
        f"ftp://discord.com{PATH}",
        f"https://u:{TOKEN}@discord.com{PATH}",
        f"https://discord.com/api/webhooks/abc/{TOKEN}",
        f"https://discord.com{PATH}/../../x",
    ],
)
def test_other_addresses_are_refused_without_being_shown(address: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_webhook(address)
    assert "hunter2" not in f"{refused.value!r}{refused.value.fields}"


class Ledger:
    """Publications in memory, as the durable ones behave."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}

    def begin(self, digest: str, facts: Mapping[str, Any], *, again: bool) -> str:
        known = self.states.get(digest, "")
        if known in ("started", "completed") and not again:
            return known
        self.states[digest] = "started"
        return ""

    def end(self, digest: str, facts: Mapping[str, Any], *, posted: bool) -> None:
        self.states[digest] = "completed" if posted else "refused"


def _post(site: Site, ledger: Any, *, payloads: Any = None, again: bool = False) -> tuple[list[Any], list[float]]:
    slept: list[float] = []
    clock = StillClock()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def run() -> list[Any]:
        async with Fetcher(clock, random.Random(1), rules=make_rules(["127.0.0.1"])) as fetcher:
            return await publish(
                payloads or [{"content": "a"}, {"content": "b"}],
                parse_webhook(site.url(PATH)),
                fetcher,
                ledger,
                clock,
                again=again,
                sleep=sleep,
            )

    return asyncio.run(run()), slept


def _discord(site: Site, *answers: tuple[int, dict[str, str], Any]) -> None:
    """Answers the webhook with these in turn, the last for good; without a body with a message's id."""
    calls: list[int] = []

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        status, headers, value = answers[min(len(calls), len(answers)) - 1]
        body = json.dumps(value if value is not None else {"id": str(1000 + len(calls))}).encode()
        writer.write(head(status, len(body), {"Content-Type": "application/json", **headers}) + body)

    site.answer(PATH, answer)


def _posted(site: Site) -> list[str]:
    return [json.loads(request.body)["content"] for request in site.requests]


def test_each_message_is_posted_once(site: Site) -> None:
    _discord(site, (200, {}, None))
    ledger = Ledger()
    outcomes, _ = _post(site, ledger)
    assert [(o["number"], o["posted"], o["id"]) for o in outcomes] == [(1, True, "1001"), (2, True, "1002")]
    outcomes, _ = _post(site, ledger)
    assert [o["posted"] for o in outcomes] == [False, False]
    assert _posted(site) == ["a", "b"] and all("wait=true" in path for path in site.paths)
    _post(site, ledger, again=True)
    assert _posted(site) == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({}, {"message": "You are being rate limited.", "retry_after": 0.65, "global": False}, 0.65),
        ({"Retry-After": "3"}, {"retry_after": 2.5}, 3.0),
        ({"Retry-After": "3"}, "<html>", 3.0),
        ({}, {"retry_after": "soon"}, 1.0),
        ({}, {"retry_after": True}, 1.0),
        ({}, [], 1.0),
    ],
)
def test_a_wait_is_kept_and_the_message_comes_after_it(
    site: Site, headers: dict[str, str], body: Any, wait: float
) -> None:
    _discord(site, (429, headers, body), (200, {}, {}), (200, {}, None))
    outcomes, slept = _post(site, Ledger())
    assert slept == [wait] and [o["posted"] for o in outcomes] == [True, True]
    assert _posted(site) == ["a", "a", "b"]


@pytest.mark.parametrize("body", [{"retry_after": 3600}, {"retry_after": 1}])
def test_a_rate_that_does_not_end_is_told(site: Site, body: Any) -> None:
    _discord(site, (429, {}, body))
    ledger = Ledger()
    with pytest.raises(RateLimitedError):
        _post(site, ledger)
    assert len(site.requests) <= 5 and set(ledger.states.values()) == {"refused"}


@pytest.mark.parametrize(
    ("status", "kind", "state"),
    [
        (400, RefusedError, "refused"),
        (401, ForbiddenError, "refused"),
        (403, ForbiddenError, "refused"),
        (404, NotFoundError, "refused"),
        (302, RefusedError, "refused"),
        (500, UnavailableError, "started"),
        (503, UnavailableError, "started"),
    ],
)
def test_refusals_and_doubts_are_told_apart(site: Site, status: int, kind: type[FairleadError], state: str) -> None:
    _discord(site, (status, {"Location": "http://169.254.169.254/"}, {"message": "Unknown Webhook", "code": 10015}))
    ledger = Ledger()
    with pytest.raises(kind) as failed:
        _post(site, ledger)
    assert list(ledger.states.values()) == [state] and len(site.requests) == 1
    assert "hunter2" not in f"{failed.value} {failed.value.fields}" and failed.value.remedy


def test_what_may_have_been_posted_is_asked_about(site: Site) -> None:
    async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    site.answer(PATH, hang_up)
    ledger = Ledger()
    with pytest.raises(NetworkError) as failed:
        _post(site, ledger)
    assert "hunter2" not in f"{failed.value} {failed.value.fields}"
    _discord(site, (200, {}, None))
    with pytest.raises(EffectUnknownError, match="--again"):
        _post(site, ledger)
    assert len(site.requests) == 1
    _post(site, ledger, again=True)
    assert set(ledger.states.values()) == {"completed"}


def test_what_never_left_may_be_posted_again(site: Site) -> None:
    ledger, dead = Ledger(), Site()
    dead.port = 1
    with pytest.raises(NetworkError):
        _post(dead, ledger)
    _discord(site, (200, {}, None))
    assert [o["posted"] for o in _post(site, ledger)[0]] == [True, True]


# ── what was posted is kept ──────────────────────────────────────────────────────────────────────────────────


def test_publications_are_durable_and_the_tenant_s_own(tmp_path: Path) -> None:
    def of(tenant: str) -> SqlPublications:
        return SqlPublications(
            database,
            tenant,
            "run_1",
            lambda type_, data: draft(type_, tenant, "run_1", data, source="t", cause="t", time=1.0),
        )

    database = open_database(tmp_path / "a.db")
    try:
        assert of("acme:main").begin("d1", {}, again=False) == ""
        assert of("acme:main").begin("d1", {}, again=False) == "started"
        assert of("acme:main").begin("d2", {}, again=False) == ""
        assert of("rival:main").begin("d1", {}, again=False) == ""
        of("acme:main").end("d1", {}, posted=True)
        of("acme:main").end("d2", {}, posted=False)
    finally:
        database.close()
    database = open_database(tmp_path / "a.db")
    try:
        assert of("acme:main").begin("d1", {}, again=False) == "completed"
        assert of("acme:main").begin("d2", {}, again=False) == ""
        assert of("acme:main").begin("d1", {}, again=True) == ""
    finally:
        database.close()


def test_two_that_begin_at_once_are_told_apart(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    database = open_database(tmp_path / "a.db")
    try:
        publications = SqlPublications(
            database,
            "acme:main",
            "run_1",
            lambda type_, data: draft(type_, "acme:main", "run_1", data, source="t", cause="t", time=1.0),
        )
        with ThreadPoolExecutor(16) as pool:
            states = list(pool.map(lambda _: publications.begin("d", {}, again=False), range(32)))
        assert sorted(states) == [""] + ["started"] * 31
    finally:
        database.close()


def test_a_run_is_published_from_the_command_line(
    tmp_path: Path, site: Site, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a real run of a brief, a real post, and no trace of the token anywhere."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("anchors", "buoys"):
        (notes / f"{name}.md").write_text(
            f"# On {name}\n\nThe harbour keeps {name} in the northern basin for the winter. "
            f"Every spring the {name} are checked by two divers before the season opens.\n",
            "utf-8",
        )
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "sources.toml").write_text('allow_private = ["127.0.0.1"]\n', "utf-8")
    _discord(site, (200, {}, None))
    webhook = site.url(PATH)
    code, out, err = cli("run", "content-brief", "--input", str(notes), "--json")
    assert code == 0, err
    run = json.loads(out)["data"]["run"]
    code, out, err = cli("publish", "discord", run[-8:], "--webhook", webhook, "--json")
    assert code == 0, err
    answer = json.loads(out)["data"]
    assert answer["run"] == run and all(message["posted"] for message in answer["messages"])
    embeds = [embed for request in site.requests for embed in json.loads(request.body)["embeds"]]
    assert "northern basin" in json.dumps(embeds)
    monkeypatch.setenv("TEAM_WEBHOOK", webhook)
    code, out, err = cli("publish", "discord", "latest", "--webhook", "env:TEAM_WEBHOOK")
    assert code == 0 and "posted before" in out
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"hunter2" not in kept and "hunter2" not in out + err
    code, out, _ = cli("events", "--json")
    assert out.count('"publication.completed"') == len(answer["messages"])
    for words in (("--webhook", "env:NO_SUCH_VARIABLE"), ("--webhook", "https://example.org/x")):
        code, out, err = cli("publish", "discord", "latest", *words)
        assert code == 2 and "webhook" in err
