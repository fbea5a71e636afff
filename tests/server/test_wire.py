"""The wire under attack: half requests, two readings of one request, crowds, TLS."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.cli.main import main
from fairlead.errors import InvalidInputError
from fairlead.server.serving import Tls, _require_usable, make_config
from fairlead.server.wire import MOST_HEAD, Limits
from tests.server.support import Serving, _Quiet, listening, run, serving

QUICK = Limits(head=0.3, rate=1000.0, window=0.3)


class Wire:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """(status, everything after the status line) of one answer."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 20)
        length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
        return int(head.split(b" ")[1]), head + await self._reader.readexactly(length)

    async def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        try:
            return await asyncio.wait_for(self._reader.read(), 20)
        except ConnectionError:
            return b""

    def close(self) -> None:
        self._writer.close()


def attack(
    tmp_path: Path, story: Callable[[Serving, Callable[[], Coroutine[Any, Any, Wire]]], Any], limits: Limits
) -> None:
    """Runs ``story(served, connect)`` against a server on a real socket."""

    async def told() -> None:
        async with serving(tmp_path) as served, listening(served, limits) as address:
            host, port = address.removeprefix("http://").split(":")
            open_ones: list[Wire] = []

            async def connect() -> Wire:
                wire = Wire(*await asyncio.open_connection(host, int(port)))
                open_ones.append(wire)
                return wire

            try:
                await story(served, connect)
            finally:
                for wire in open_ones:
                    wire.close()

    run(told())


def test_half_a_request_is_not_waited_for(tmp_path: Path) -> None:
    async def story(served: Serving, connect: Callable[[], Any]) -> None:
        key = served.key("operator").encode()
        silent, trickling, halfway, bodiless = [await connect() for _ in range(4)]
        await halfway.say(b"GET /liveness HTTP/1.1\r\nHost: x\r\n\r\nGET /liveness HT")
        head = b"POST /api/memory HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 50\r\n\r\n{"
        await bodiless.say(head % key)

        async def trickle() -> None:
            for letter in b"GET /liveness HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1000:
                await trickling.say(bytes([letter]))
                await asyncio.sleep(0.02)

        slow = asyncio.create_task(trickle())
        for wire in (silent, trickling, bodiless):
            status, text = await wire.answer()
            assert status == 408 and b"TooSlowError" in text and b"connection: close" in text
            assert await wire.rest() == b""
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert (await halfway.answer())[0] == 200
        assert (await halfway.answer())[0] == 408
        # The server is well, and whoever sends at a fair pace is served.
        fair = await connect()
        await fair.say(head % key)
        await fair.say(b'"text": "' + b"x" * 38 + b'"}')
        assert (await fair.answer())[0] == 201
        assert await _until(lambda: not served.app.desk._waiting)

    attack(tmp_path, story, QUICK)


async def _until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return condition()


_HEAD = "POST /api/ws HTTP/1.1\r\nHost: x\r\n"


TWO_READINGS = (
    "GET /liveness HTTP/1.1\nHost: x\n\n",
    "GET /liveness HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nHost: x\r\nX: y\r\n folded\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET /liveness HTTP/1.1\r\n Host: x\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nX: y\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "GET /liveness HTTP/3.7\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    f"{_HEAD}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    f"{_HEAD}Content-Length: 3, 5\r\n\r\nabcde",
    f"{_HEAD}Content-Length: +3\r\n\r\nabc",
    f"{_HEAD}Content-Length: 0x3\r\n\r\nabc",
    f"{_HEAD}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    f"{_HEAD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    f"{_HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    f"{_HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    f"{_HEAD}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    f"{_HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    f"{_HEAD}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "GET /liveness HTTP/1.1\r\nHost: x\r\nX: " + "a" * (MOST_HEAD + 1),
    "GET /liveness HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * (MOST_HEAD // 6 + 1) + "\r\n",
)


def test_what_could_be_read_in_two_ways_is_not_read(tmp_path: Path) -> None:
    """And nothing that follows on the connection is taken for another request."""

    async def story(served: Serving, connect: Callable[[], Any]) -> None:
        for request in TWO_READINGS:
            wire = await connect()
            await wire.say(request.encode("latin-1") + b"GET /liveness HTTP/1.1\r\nHost: x\r\n\r\n")
            status, text = await wire.answer()
            assert status in (400, 431, 501), (request[:200], text)
            assert b"connection: close" in text.lower(), (request[:200], text)
            assert b"HTTP/1.1" not in await wire.rest(), request[:200]

    attack(tmp_path, story, Limits(head=5.0))


def test_a_chunked_body_must_be_whole_and_strict(tmp_path: Path) -> None:
    async def story(served: Serving, connect: Callable[[], Any]) -> None:
        head = b"POST /api/memory HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nTransfer-Encoding: chunked\r\n\r\n"
        head %= served.key("operator").encode()
        good = await connect()
        body = b'{"text": "in chunks"}'
        await good.say(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert (await good.answer())[0] == 201
        for chunks in (b"g\r\nx\r\n0\r\n\r\n", b"-1\r\n\r\n", b"5\r\nabc\r\n0\r\n\r\n"):
            wire = await connect()
            await wire.say(head + chunks)
            assert (await wire.answer())[0] == 400, chunks
            await wire.rest()

    attack(tmp_path, story, Limits())


def test_bodies_of_other_codings_and_two_keys_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            packed = await client.post("/api/memory", content=b"x", headers={"content-encoding": "gzip"})
            assert packed.status_code == 415, packed.text
            key = client.headers["authorization"]
            twice = await client.get("/api/runs", headers=[("authorization", key), ("authorization", key)])
            assert twice.status_code == 400

    run(story())


def test_a_crowd_is_told_to_come_back(tmp_path: Path) -> None:
    async def story(served: Serving, connect: Callable[[], Any]) -> None:
        first, second = await connect(), await connect()
        for wire in (first, second):
            await wire.say(b"GET /liveness HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await wire.answer())[0] == 200
        third = await connect()
        status, text = await third.answer()
        assert status == 503 and b"retry-after: 1" in text
        await third.rest()
        first.close()
        for _ in range(500):
            fourth = await connect()
            await fourth.say(b"GET /liveness HTTP/1.1\r\nHost: x\r\n\r\n")
            if (await fourth.answer())[0] == 200:
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the place of a connection that ended stays taken")

    attack(tmp_path / "a", story, Limits(connections=2))
    attack(tmp_path / "b", story, Limits(of_address=2, spare_loopback=False))


def test_idle_connections_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(served: Serving, connect: Callable[[], Any]) -> None:
        wire = await connect()
        await wire.say(b"GET /liveness HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await wire.answer())[0] == 200
        assert await wire.rest() == b""

    monkeypatch.setattr("fairlead.server.serving.KEEP_ALIVE", 1)
    attack(tmp_path, story, Limits())


def _certificate(folder: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    return Tls(str(folder / "cert.pem"), str(folder / "key.pem"))


def test_a_certificate_without_its_key_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert main(["--home", str(home), "serve", "--tls-cert", "cert.pem"]) == 2
    assert "go together" in capsys.readouterr().err
    missing = ["serve", "--port", "0", "--tls-cert", str(tmp_path / "no.pem"), "--tls-key", str(tmp_path / "no.pem")]
    assert main(["--home", str(home), *missing]) == 2
    assert "cannot be used" in capsys.readouterr().err
    assert not (home / "fairlead.db").exists()


def test_it_serves_over_tls(tmp_path: Path) -> None:
    tls = _certificate(tmp_path)
    _require_usable(tls)
    with pytest.raises(InvalidInputError, match="cannot be used"):
        _require_usable(Tls(tls.certificate, tls.certificate))

    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            settings = served.lead.settings.replaced(log_level="error", shutdown_grace=1.0)
            server = _Quiet(make_config(served.app, settings, "127.0.0.1", 0, tls=tls))
            task = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            trusted = ssl.create_default_context(cafile=tls.certificate)
            trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
            async with httpx.AsyncClient(verify=trusted) as client:
                answer = await client.get(f"https://localhost:{port}/liveness")
                assert answer.json() == {"status": "alive"}
                assert answer.headers["strict-transport-security"]
            with pytest.raises(httpx.HTTPError):
                async with httpx.AsyncClient() as plain:
                    await plain.get(f"http://localhost:{port}/liveness")
            server.should_exit = True
            await task

    run(story())
