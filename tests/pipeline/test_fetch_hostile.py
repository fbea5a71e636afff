"""Fetching from those who mean harm: addresses that lead inside, servers that lie, drip, hang and swell."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NetworkError,
    RefusedError,
    RetryError,
    StepTimeoutError,
)
from fairlead.pipeline.fetch import AddressRules, Fetcher, FetchLimits, make_rules, parse_target, shown
from fairlead.pipeline.fetch.addresses import checked_addresses, is_public
from fairlead.testing.site import Request, Site, head
from tests.pipeline.test_fetch import Waits, fetch, fetching


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────


def _words(text: str) -> list[str]:
    return text.split()


INSIDE = _words("""
0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1
192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1
fec0::1 ff02::1
""")

PUBLIC = _words("8.8.8.8 93.184.216.34 172.32.0.1 100.128.0.1 2606:4700::1111 2a00:1450:4001::200e ::ffff:8.8.8.8")


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_is_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_outside_are(address: str) -> None:
    assert is_public(ip_address(address))


@settings(deadline=None, max_examples=300)
@given(st.ip_addresses())
def test_public_is_never_more_than_python_thinks(address: Any) -> None:
    """Python's own table is another reading of the same registries: whatever it calls private must be refused."""
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    _words("""
    http://2130706433/ http://0x7f000001/ http://0x7f.0.0.1/ http://0177.0.0.1/ http://127.1/ http://127.0.1/
    http://1.1.1.1./ http://0/ http://017700000001/ http://127.0.0.01/ http://[::1%25lo]/ http://a.b.0x1/
    ftp://example.org/ file:///etc/passwd gopher://x/ javascript:alert(1) //example.org/ example.org http:///x
    http://user:secret@example.org/ http://user@example.org/ http://a..b/ http://-/ http://[::1/ http://a]b/
    http://example.org:0x50/ http://example.org:99999/ http://exa%6dple.org/ http://[v1.a]/
    """),
)
def test_unusual_addresses_are_refused_before_any_lookup(address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"looked up {host!r}")

    with pytest.raises(RefusedError) as refused:
        fetch(lambda f: f.get(address), resolve=resolve)
    assert refused.value.remedy and "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["http://exam\tple.org/", "http://a b/", "http://a\\b/", "http://a/\r\nHost: b", "http://a/\x00", ""]
)
def test_addresses_with_marks_that_parsers_read_differently_are_refused(address: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_target(address)


def test_an_address_without_end_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="characters"):
        parse_target("http://example.org/" + "a" * 9_000)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60) | st.from_regex(r"https?://[^\s]{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        target = parse_target(text)
    except InvalidInputError:
        return
    assert target.scheme in ("http", "https") and target.host and 0 < target.port < 65536
    assert target.path.startswith("/") and "\n" not in target.url and " " not in target.url
    assert parse_target(target.url) == target


def _name_server(*answers: list[str]) -> Any:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenError, match="not a public address"):
        fetch(lambda f: f.get("http://innocent.example/"), resolve=_name_server([address]), rules=AddressRules())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.1]", "10.0.0.8"])
def test_an_address_inside_is_refused_unless_allowed(host: str) -> None:
    with pytest.raises(ForbiddenError, match="allow_private"):
        fetch(lambda f: f.get(f"http://{host}/"), rules=make_rules(["192.168.0.0/16"]))


def test_localhost_is_refused(site: Site) -> None:
    with pytest.raises(ForbiddenError):
        fetch(lambda f: f.get(f"http://localhost:{site.port}/"), rules=AddressRules())
    assert site.requests == []


def test_rebinding_between_check_and_connection_changes_nothing(site: Site) -> None:
    """The second answer of the name server is never asked for: what was checked is what is connected to."""
    site.put("/x", b"ok")
    resolve = _name_server(["127.0.0.1"], ["10.0.0.1"])
    url = f"http://rebind.example:{site.port}/x"
    assert fetch(lambda f: f.get(url), resolve=resolve, rules=make_rules(["127.0.0.1"]), robots=False).body == b"ok"
    assert resolve.asked == ["rebind.example"]
    assert site.requests[-1].headers["host"] == f"rebind.example:{site.port}"


def test_rebinding_before_a_new_connection_is_checked_again(site: Site) -> None:
    async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, None, {}) + b"ok")
        writer.close()

    site.answer("/x", hang_up)
    resolve = _name_server(["127.0.0.1"], ["127.0.0.2"])

    async def use(fetcher: Fetcher) -> None:
        assert (await fetcher.get(f"http://rebind.example:{site.port}/x")).body == b"ok"
        with pytest.raises(ForbiddenError):
            await fetcher.get(f"http://rebind.example:{site.port}/x")

    fetch(use, resolve=resolve, rules=make_rules(["127.0.0.1"]), robots=False)


def test_of_several_addresses_only_public_ones_are_connected_to() -> None:
    async def ask() -> list[str]:
        return await checked_addresses(
            "both.example", 80, AddressRules(), _name_server(["127.0.0.1", "8.8.8.8", "fe80::1%eth0", "::1"])
        )

    assert asyncio.run(ask()) == ["8.8.8.8"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "//10.0.0.1/",
        "http://2130706433/",
        "file:///etc/passwd",
        "http://user:pass@example.org/",
        "http://127.0.0.2:1/",
    ],
)
def test_a_redirect_inside_is_refused(site: Site, location: str) -> None:
    site.put("/start", b"", status=302, headers={"Location": location})
    with pytest.raises(RefusedError):
        fetch(lambda f: f.get(site.url("/start")), rules=make_rules(["127.0.0.1"]))


def test_a_redirect_from_robots_inside_is_refused(site: Site) -> None:
    site.put("/robots.txt", b"", status=302, headers={"Location": "http://169.254.169.254/"})
    site.put("/open", b"ok")
    with pytest.raises(ForbiddenError, match="not a public address"):
        fetch(lambda f: f.get(site.url("/open")), rules=make_rules(["127.0.0.1"]))


@pytest.mark.parametrize("port", [22, 25, 53, 110, 143, 445, 587])
def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(ForbiddenError, match="another service"):
        fetch(lambda f: f.get(f"http://mail.example:{port}/"), resolve=_name_server(["8.8.8.8"]))


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="allow_private"):
        make_rules(["not-a-network"])


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_any_redirect_is_an_address_or_is_refused(location: str) -> None:
    try:
        target = parse_target(location, base="https://example.org/a/b?c=d")
    except InvalidInputError:
        return
    assert target.host and target.scheme in ("http", "https")
    assert target.path.startswith("/") and target.path.isascii() and target.path.isprintable()
    assert " " not in target.path


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────────


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths[1].write_bytes(key.private_bytes(*form))
    return paths


async def _speak_tls(certificate: Path, key: Path, ask: Any) -> Any:
    """Answers one page over TLS in this loop while ``ask(port)`` runs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head(200, None, {}) + b"over TLS")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        return await ask(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def test_a_certificate_has_to_fit_the_name_and_not_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = _certificate(tmp_path, "good.example")
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr("httpcore2.default_ssl_context", lambda: trusting)

    async def ask(port: int) -> None:
        async with fetching(resolve=_name_server(["127.0.0.1"]), robots=False) as fetcher:
            assert (await fetcher.get(f"https://good.example:{port}/")).body == b"over TLS"
            with pytest.raises(ForbiddenError, match="cannot prove"):
                await fetcher.get(f"https://bad.example:{port}/")
            with pytest.raises(ForbiddenError, match="cannot prove"):
                await fetcher.get(f"https://127.0.0.1:{port}/")

    asyncio.run(_speak_tls(certificate, key, ask))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "good.example")

    async def ask(port: int) -> None:
        async with fetching(resolve=_name_server(["127.0.0.1"]), robots=False) as fetcher:
            with pytest.raises(ForbiddenError, match="cannot prove"):
                await fetcher.get(f"https://good.example:{port}/")

    asyncio.run(_speak_tls(certificate, key, ask))


# ── what messages show ───────────────────────────────────────────────────────────────────────────────────────

SECRETS = (
    "https://u:hunter2secret@example.org/a",
    "https://example.org/feed?token=hunter2secret",
    "https://example.org/feed?a=1&X-Amz-Signature=hunter2secret",
    "https://example.org/feed?sid=hunter2secrethunter2secret99",
    "https://example.org/feed?hunter2secrethunter2",
    "https://example.org/rss/hunter2secrethunter2secret0123456789/feed.xml",
    "https://discord.com/api/webhooks/123456789012345678/hunter2secretAbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "https://example.org/a#access_token=hunter2secret",
    "https://[bad/?token=hunter2secret",
)


@pytest.mark.parametrize("address", SECRETS)
def test_no_secret_of_an_address_is_shown(address: str) -> None:
    assert "hunter2" not in shown(address)


def test_what_identifies_an_item_is_shown() -> None:
    assert shown("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=3") == "https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=3"
    assert shown("https://example.org/2026/11/a-long-headline-about-many-things.html").endswith("many-things.html")
    assert "\x1b" not in shown("https://example.org/\x1b[31m\u202e")


@pytest.mark.parametrize("address", SECRETS[1:])
def test_no_secret_is_in_an_error_of_fetching(site: Site, address: str) -> None:
    path = address.partition("example.org")[2] or address.partition(".com")[2] or "/?token=hunter2secret"
    with pytest.raises(FairleadError) as failed:
        fetch(lambda f: f.get(site.url(path)))
    assert "hunter2" not in f"{failed.value!r} {failed.value} {failed.value.fields}"


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────

ONCE = FetchLimits(most_bytes=1_000_000, attempts=1)
QUICK = FetchLimits(total_seconds=0.6, idle_seconds=0.3, connect_seconds=0.3, most_bytes=1_000_000, attempts=1)


async def _hang(request: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def _hang_in_body(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, 100, {}) + b"start")
    await writer.drain()
    await asyncio.sleep(3600)


async def _drip(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, 1_000_000, {}))
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _drip_head(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("answer", [_hang, _hang_in_body, _drip, _drip_head])
def test_servers_that_take_their_time_are_left(site: Site, answer: Any) -> None:
    site.answer("/slow", answer)
    with pytest.raises(StepTimeoutError):
        fetch(lambda f: f.get(site.url("/slow")), limits=QUICK, robots=False)


def test_a_robots_txt_that_hangs_does_not_hold_up_for_good(site: Site) -> None:
    site.answer("/robots.txt", _hang)
    site.put("/x", b"ok")
    with pytest.raises(RetryError):
        fetch(lambda f: f.get(site.url("/x")), limits=QUICK)


def test_a_name_server_that_hangs_is_left() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(3600)
        return []

    with pytest.raises(StepTimeoutError):
        fetch(lambda f: f.get("http://slow.example/"), limits=QUICK, resolve=resolve, robots=False)


async def _endless(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(head(200, None, {}))
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _endless_chunks(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("answer", [_endless, _endless_chunks])
def test_bodies_without_end_are_cut_off(site: Site, answer: Any) -> None:
    site.answer("/big", answer)
    with pytest.raises(InvalidInputError, match="1,000,000"):
        fetch(lambda f: f.get(site.url("/big")), limits=FetchLimits(most_bytes=1_000_000))


def _said(length: str, body: bytes, *, close: bool = True) -> Any:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + body)
        await writer.drain()
        if close:
            writer.close()

    return answer


def test_a_length_that_is_too_long_is_believed_before_any_byte(site: Site) -> None:
    site.answer("/x", _said("99999999999999999999", b"x"))
    with pytest.raises(FairleadError):
        fetch(lambda f: f.get(site.url("/x")), limits=ONCE, robots=False)
    site.answer("/x", _said("1000001", b"x"))
    with pytest.raises(InvalidInputError, match="1,000,001"):
        fetch(lambda f: f.get(site.url("/x")), limits=ONCE, robots=False)


@pytest.mark.parametrize("length", ["50", "-1", "5, 6", "abc", "0x10"])
def test_a_length_that_is_not_kept_is_an_error_and_never_a_short_body(site: Site, length: str) -> None:
    site.answer("/x", _said(length, b"short"))
    with pytest.raises(NetworkError):
        fetch(lambda f: f.get(site.url("/x")), limits=ONCE, robots=False)


def test_bytes_beyond_the_length_answer_for_no_other_host(site: Site) -> None:
    """What a server sends unasked may answer a question to itself, which it could as well. Another name at the same
    address is asked over a connection of its own."""
    site.answer("/x", _said("2", b"okHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", close=False))
    site.put("/y", b"real")

    async def use(fetcher: Fetcher) -> None:
        assert (await fetcher.get(f"http://evil.example:{site.port}/x")).body == b"ok"
        await asyncio.sleep(0.05)
        assert (await fetcher.get(f"http://good.example:{site.port}/y")).body == b"real"

    fetch(use, limits=ONCE, robots=False, resolve=_name_server(["127.0.0.1"]))


def _bomb(form: str) -> tuple[bytes, str]:
    if form == "deflate":
        return zlib.compress(bytes(60_000_000), 9), "deflate"
    if form == "members":
        return gzip.compress(bytes(3_000_000), 9) * 200, "gzip"
    return gzip.compress(bytes(60_000_000), 9), "gzip"


@pytest.mark.parametrize("form", ["gzip", "deflate", "members"])
def test_bombs_are_stopped_at_the_limit(site: Site, form: str) -> None:
    import tracemalloc

    body, encoding = _bomb(form)
    site.put("/bomb", body, headers={"Content-Encoding": encoding})
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match="unpacked"):
            fetch(lambda f: f.get(site.url("/bomb")), limits=FetchLimits(most_bytes=1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, deflate, gzip", "compress", "exploded"])
def test_packings_that_were_not_asked_for_are_refused(site: Site, encoding: str) -> None:
    site.put("/x", gzip.compress(gzip.compress(b"x")), headers={"Content-Encoding": encoding})
    with pytest.raises(InvalidInputError, match="not asked for"):
        fetch(lambda f: f.get(site.url("/x")))


@pytest.mark.parametrize(
    "body", [b"no gzip at all", gzip.compress(b"x" * 9999, mtime=0)[:30], b"\x1f\x8b"], ids=["text", "cut", "head"]
)
def test_damaged_packing_is_an_error(site: Site, body: bytes) -> None:
    site.put("/x", body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(FairleadError):
        fetch(lambda f: f.get(site.url("/x")), limits=ONCE, robots=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"\x00" * 5000,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_http_is_an_error(site: Site, answer: bytes) -> None:
    async def reply(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    site.answer("/x", reply)
    with pytest.raises(FairleadError):
        fetch(lambda f: f.get(site.url("/x")), limits=ONCE, robots=False)


def test_a_robots_txt_made_to_cost_is_read_in_bounds(site: Site) -> None:
    lines = b"User-agent: *\n" + b"Disallow: /" + b"*a" * 2_000 + b"b\n" + b"Disallow: /zz*q$\n" * 20_000
    site.put("/robots.txt", lines, "text/plain")
    site.put("/" + "a" * 4_000, b"ok")
    assert fetch(lambda f: f.get(site.url("/" + "a" * 4_000))).body == b"ok"


def test_closing_leaves_nothing_behind(site: Site) -> None:
    site.answer("/robots.txt", _hang)
    site.answer("/x", _hang)

    async def use(fetcher: Fetcher) -> None:
        asks = [asyncio.ensure_future(fetcher.get(site.url("/x"))) for _ in range(5)]
        await asyncio.sleep(0.1)
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        await fetcher.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    fetch(use, Waits())
