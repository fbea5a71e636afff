"""Intruders: guessed keys, forged tokens, keys that end while a connection lives, sockets of other sites."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
import pytest
import websockets
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fairlead.errors import RateLimitedError
from fairlead.server import feed
from fairlead.server.door import Door
from fairlead.server.problems import UnauthorisedError
from tests.server.support import GATES, Serving, listening, read_events, run, serving

CLOSED = 4401


def test_ten_thousand_guesses_lead_nowhere(tmp_path: Path) -> None:
    """Near misses of a real key and inventions: all refused, nearly all before they are looked at."""

    async def story() -> None:
        async with serving(tmp_path) as served:
            door, key = Door(served.lead), served.key("admin")
            head, _, secret = key.rpartition("_")
            looked = slowed = 0
            for number in range(10_000):
                place = number % len(secret)
                near = secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :]
                guess = f"{head}_{near}" if number % 2 else f"fl_{number:026}_{secret}"
                try:
                    door.identify("203.0.113.7", f"Bearer {guess}")
                    raise AssertionError(f"guess {number} was let in")
                except UnauthorisedError:
                    looked += 1
                except RateLimitedError as exc:
                    slowed += 1
                    assert float(exc.fields["retry_after"]) > 0
            assert looked + slowed == 10_000 and slowed > 5_000
            # Others are not slowed down, and neither is who has the key.
            assert door.identify("203.0.113.7", f"Bearer {key}").role == "admin"
            with pytest.raises(UnauthorisedError):
                door.identify("203.0.113.8", "Bearer fl_x_y")

    run(story())


def test_health_is_not_a_way_to_keep_the_store_busy(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            door = Door(served.lead)
            with pytest.raises(RateLimitedError):
                for _ in range(10_000):
                    door.glance("203.0.113.7")
            door.glance("203.0.113.8")

    run(story())


def _segment(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _forged(good: rsa.RSAPrivateKey, evil: rsa.RSAPrivateKey, claims: Mapping[str, Any]) -> dict[str, str]:
    """Tokens that somebody without the issuer's key can make."""
    body = dict(claims)
    own = jwt.algorithms.RSAAlgorithm.to_jwk(evil.public_key(), as_dict=True)
    signed = jwt.encode(body, good, "RS256", {"kid": "one"})
    head, payload, signature = signed.split(".")
    richer = _segment({**body, "role": "admin"})
    curve = ec.generate_private_key(ec.SECP256R1())
    return {
        "no signature": f"{_segment({'alg': 'none', 'kid': 'one', 'typ': 'JWT'})}.{payload}.",
        "no signature, other spelling": f"{_segment({'alg': 'nOnE', 'kid': 'one'})}.{payload}.",
        "no algorithm": f"{_segment({'kid': 'one'})}.{payload}.{signature}",
        "signature cut off": f"{head}.{payload}.",
        "signature of another": jwt.encode(body, evil, "RS256", {"kid": "one"}),
        "other claims under a signature": f"{head}.{richer}.{signature}",
        "own key in the header": jwt.encode(body, evil, "RS256", {"kid": "one", "jwk": own}),
        "own key by address": jwt.encode(body, evil, "RS256", {"kid": "one", "jku": "https://evil.example/k"}),
        "public key as a secret": _with_secret(body, _pem(good)),
        "empty secret": _with_secret(body, b""),
        "another kind of key": jwt.encode(body, curve, "ES256", {"kid": "one"}),
        "symmetric under the name of the asymmetric": _with_secret(body, b"x" * 64),
        "no kid": jwt.encode(body, good, "RS256"),
        "empty kid": jwt.encode(body, good, "RS256", {"kid": ""}),
        "kid that is a path": jwt.encode(body, evil, "RS256", {"kid": "../../../../dev/null"}),
        "kid that is a query": jwt.encode(body, evil, "RS256", {"kid": "one' OR '1'='1"}),
        "unknown critical header": jwt.encode(body, good, "RS256", {"kid": "one", "crit": ["x"], "x": 1}),
        "not yet": jwt.encode({**body, "nbf": time.time() + 600}, good, "RS256", {"kid": "one"}),
        "expired": jwt.encode({**body, "exp": time.time() - 1}, good, "RS256", {"kid": "one"}),
        "for another": jwt.encode({**body, "aud": ["other"]}, good, "RS256", {"kid": "one"}),
        "for everybody": jwt.encode({k: v for k, v in body.items() if k != "aud"}, good, "RS256", {"kid": "one"}),
        "of another issuer": jwt.encode({**body, "iss": body["iss"] + "/"}, good, "RS256", {"kid": "one"}),
        "many parts": f"{signed}.{payload}",
        "no token": "....",
        "bytes": "\u00e9\u00e9",
    }


def _with_secret(body: Mapping[str, Any], secret: bytes) -> str:
    """Signed with HS256 over any secret: libraries refuse to make what attackers make by hand."""
    import hashlib
    import hmac

    text = f"{_segment({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{_segment(dict(body))}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_no_forged_token_is_let_in(tmp_path: Path) -> None:
    good, evil = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    jwks = tmp_path / "jwks.json"
    known = {**jwt.algorithms.RSAAlgorithm.to_jwk(good.public_key(), as_dict=True), "kid": "one"}
    jwks.write_bytes(orjson.dumps({"keys": [known]}))
    claims = {
        "iss": "https://issuer.example",
        "aud": "fairlead",
        "sub": "ada",
        "exp": time.time() + 600,
        "tenant": "acme",
        "role": "viewer",
    }

    async def story() -> None:
        settings = {"jwt_issuer": claims["iss"], "jwt_jwks": str(jwks), "rate_limit": 1e5, "rate_burst": 100_000}
        async with serving(tmp_path / "home", **settings) as served:
            client = served.client(key=jwt.encode(claims, good, "RS256", {"kid": "one"}))
            assert (await client.get("/api/runs")).status_code == 200
            door = Door(served.lead)
            for number, (name, token) in enumerate(_forged(good, evil, claims).items()):
                with pytest.raises(UnauthorisedError):
                    door.identify(f"203.0.113.{number}", f"Bearer {token}")
                    raise AssertionError(f"a token was let in: {name}")
            # A key set that cannot be read is a fault of the server, and lets nobody in.
            for broken in (b"{", b"[]", b'{"keys": 5}', b'{"keys": [{"kty": "RSA"}]}'):
                jwks.write_bytes(broken)
                answer = await client.get("/api/runs")
                assert answer.status_code == 503 and answer.headers["retry-after"] == "5", answer.text
            jwks.write_bytes(orjson.dumps({"keys": []}))
            assert (await client.get("/api/runs")).status_code == 401

    run(story())


def test_a_connection_ends_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams and sockets that were opened with a key that is revoked meanwhile are told nothing more."""
    monkeypatch.setattr(feed, "LOOK_AGAIN", 0.0)

    async def story() -> None:
        async with serving(tmp_path) as served, listening(served) as address:
            admin = served.client("admin")
            made = (await admin.post("/api/key/create", json={"name": "brief", "role": "operator"})).json()
            headers = {"authorization": f"Bearer {made['key']}"}
            url = address.replace("http", "ws") + "/api/ws"
            async with (
                websockets.connect(url, additional_headers=headers, proxy=None) as socket,
                httpx.AsyncClient(base_url=address, headers=headers, timeout=20) as client,
                client.stream("GET", "/api/events/stream") as response,
            ):
                await socket.recv()
                reading = asyncio.create_task(read_events(response))
                while not served.app.feed.listeners:
                    await asyncio.sleep(0.01)
                assert (await admin.post("/api/key/revoke", json={"key": made["id"]})).status_code == 200
                await admin.post("/api/runs", json={"target": "echo"})
                seen = await asyncio.wait_for(reading, 20)
                assert not [event for event in seen if event["type"] == "run.completed"]
                await socket.send(json.dumps({"id": 1, "verb": "runs.list"}))
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await asyncio.wait_for(socket.recv(), 20)
                assert closed.value.rcvd is not None and closed.value.rcvd.code == CLOSED

    run(story())


async def _closed(served: Serving, url: str, first: Any, **more: Any) -> int:
    """The code with which a socket is closed after its first message."""
    async with websockets.connect(url, proxy=None, **more) as socket:
        if first is not None:
            await socket.send(first)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 20)
        return closed.value.rcvd.code if closed.value.rcvd else 0


def test_sockets_of_nobody_and_of_other_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.server.sockets._PATIENCE", 0.3)

    async def story() -> None:
        async with serving(tmp_path, cors_origins="https://mine.example") as served, listening(served) as address:
            key = served.key("operator")
            url = address.replace("http", "ws") + "/api/ws"
            for first in (None, "no json", "[]", '{"key": 5}', '{"key": "fl_a_b"}', '{"id": 1, "verb": "runs.list"}'):
                assert await _closed(served, url, first) == CLOSED, first
            assert await _closed(served, url, b"bytes") == 1003
            assert await _closed(served, url, None, additional_headers={"authorization": "Bearer fl_a_b"}) == CLOSED
            headers = {"authorization": f"Bearer {key}"}
            for origin in ("https://evil.example", "null", address.replace("http", "https") + ".evil.example"):
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await websockets.connect(url, origin=origin, additional_headers=headers, proxy=None)
                assert refused.value.response.status_code == 403
            for origin in ("https://mine.example", address):
                async with websockets.connect(url, origin=origin, additional_headers=headers, proxy=None) as socket:
                    assert json.loads(await socket.recv())["role"] == "operator"
                    await socket.send(b"bytes")
                    with pytest.raises(websockets.ConnectionClosed):
                        await asyncio.wait_for(socket.recv(), 20)

    run(story())


def test_requests_of_one_run_that_race_leave_one_history(tmp_path: Path) -> None:
    """Pauses, resumes and terminations at once: each is answered, one ends it, and the events tell the same story."""

    async def story() -> None:
        async with serving(tmp_path, rate_limit=1e5, rate_burst=100_000) as served:
            client = served.client("operator")
            run_id = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
            while "gate" not in GATES:
                await asyncio.sleep(0.005)
            words = ["pause", "resume"] * 10 + ["terminate"] + ["pause", "resume"] * 10
            answers = await asyncio.gather(*(client.post(f"/api/runs/{run_id}/{word}") for word in words))
            assert {answer.status_code for answer in answers} <= {200, 409}
            assert answers[20].json()["state"] == "terminated"
            query = {"subject": run_id, "after": 0, "limit": 1000}
            events = (await client.get("/api/events", params=query)).json()
            changes = [e["type"] for e in events if e["type"] in ("run.paused", "run.resumed", "run.terminated")]
            assert changes[-1] == "run.terminated" and changes.count("run.terminated") == 1
            # Between a pause and the next there is a resume: each was a change of what was.
            assert all(a != b for a, b in itertools.pairwise(changes)), changes

    run(story())
