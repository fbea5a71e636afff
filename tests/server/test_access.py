"""Who may call what: every verb, every role, other tenants, bad keys and tokens, rates and sizes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fairlead.errors import ForbiddenError
from fairlead.server import gate
from fairlead.server.access import BYPASS, COMMANDS, Caller, require_allowed
from fairlead.server.arguments import offered
from fairlead.server.rates import Buckets, Rates
from fairlead.store import open_database
from fairlead.tenancy import make_tenant
from fairlead.testing.clock import StillClock
from fairlead.verbs.table import ROLES, Verb
from tests.server.support import run, serving

VERBS = offered()


def _granted(verb: Verb, role: str, scopes: tuple[str, ...], **arguments: Any) -> bool:
    try:
        require_allowed(Caller("key_1", "k", make_tenant("acme"), role, scopes), verb, arguments)
    except ForbiddenError:
        return False
    return True


@pytest.mark.parametrize("name", VERBS)
def test_a_role_may_call_what_it_reaches_and_nothing_without_a_scope(name: str) -> None:
    verb = VERBS[name]
    for role in (*ROLES, "", "root"):
        reaches = role in ROLES and ROLES.index(role) >= ROLES.index(verb.role)
        assert _granted(verb, role, ("*", COMMANDS)) is reaches
        assert not _granted(verb, role, ())
        assert not _granted(verb, role, ("nothing.*",))
        assert not _granted(verb, role, (COMMANDS, BYPASS))
    if verb.changes:
        assert verb.role != "viewer", f"{name} changes something and viewers may call it"


def test_commands_and_bypassing_permissions_need_their_own_scopes() -> None:
    assert not _granted(VERBS["runs.command"], "admin", ("*",))
    assert _granted(VERBS["runs.command"], "operator", ("*", COMMANDS))
    for verb, argument in ((VERBS["runs.permissions"], "mode"), (VERBS["run"], "permissions")):
        assert not _granted(verb, "admin", ("*",), **{argument: "bypassPermissions"})
        assert _granted(verb, "admin", ("*", BYPASS), **{argument: "bypassPermissions"})
        assert _granted(verb, "operator", ("*",), **{argument: "plan"})


def test_a_key_cannot_make_a_key_that_may_do_more() -> None:
    create = VERBS["key.create"]
    assert _granted(create, "admin", ("*",), scope=["runs.*"])
    assert not _granted(create, "admin", ("key.*",), scope=["*"])
    assert not _granted(create, "admin", ("key.*",))
    assert not _granted(create, "admin", ("*",), scope=[COMMANDS])


def test_every_route_refuses_who_may_not_call_it(tmp_path: Path) -> None:
    """Every verb over HTTP, for nobody and for each role: refused below its role, never a fault of the server."""

    async def story() -> None:
        async with serving(tmp_path, rate_limit=100_000.0, rate_burst=100_000) as served:
            nobody = served.client(key="")
            by_role = {role: served.client(role) for role in ROLES}
            for number, verb in enumerate(VERBS.values()):
                path, method = "/api/" + verb.name.replace(".", "/"), "POST" if verb.changes else "GET"
                if number < 20:
                    assert (await nobody.request(method, path)).status_code == 401, path
                for role, client in by_role.items():
                    if ROLES.index(role) < ROLES.index(verb.role):
                        answer = await client.request(method, path)
                        assert answer.status_code == 403, (path, role, answer.text)
                        assert answer.headers["content-type"] == "application/problem+json"
                if any(p.required for p in verb.params):
                    answer = await by_role["admin"].request(method, path)
                    assert answer.status_code in (403, 422), (path, answer.text)
                    assert verb.name == "runs.command" or answer.status_code == 422
            refused = (await by_role["admin"].get("/api/audit", params={"limit": "500"})).json()["items"]
            assert {row["outcome"] for row in refused} >= {"allowed", "refused"}

    run(story())


def test_a_key_ends_when_it_is_revoked_or_expires(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            admin = served.client("admin")
            made = (await admin.post("/api/key/create", json={"name": "ci", "role": "operator"})).json()
            client = served.client(key=made["key"])
            assert (await client.get("/api/runs")).status_code == 200
            listed = (await admin.get("/api/keys")).text
            assert made["id"] in listed and made["key"] not in listed and "hash" not in listed
            assert (await admin.post("/api/key/revoke", json={"key": made["id"]})).status_code == 200
            assert (await client.get("/api/runs")).status_code == 401
            brief = served.key("viewer", expires=1e-9)
            assert (await served.client(key=brief).get("/api/runs")).status_code == 401
            other = served.client("admin", "globex")
            assert (await other.post("/api/key/revoke", json={"key": made["id"]})).status_code == 404
            assert made["id"] not in (await other.get("/api/keys")).text

    run(story())


def test_no_key_stands_in_the_store_the_events_or_an_error(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            token = served.key("admin")
            client = served.client(key=token)
            secret = token.split("_", 2)[2]  # the secret itself may hold the separator
            assert secret not in (await client.get("/api/events", params={"after": "0"})).text
            wrong = served.client(key=token[:-1] + ("A" if token[-1] != "A" else "B"))
            answer = await wrong.get("/api/runs")
            assert answer.status_code == 401 and token[:-1] not in answer.text
            await client.get("/api/runs")
        for file in tmp_path.glob("fairlead.db*"):
            assert secret.encode() not in file.read_bytes()

    run(story())


def test_guessing_keys_is_slowed_down(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            good = served.client("viewer")
            guesser = served.client(key="fl_guess_0")
            codes: dict[int, int] = {}
            for number in range(10_000):
                if number > 200 and number % 100:
                    continue
                header = {"authorization": f"Bearer fl_guess{number}_{number}"}
                code = (await guesser.get("/api/runs", headers=header)).status_code
                codes[code] = codes.get(code, 0) + 1
            assert codes.keys() == {401, 429} and codes[401] < 60
            assert (await good.get("/api/runs")).status_code == 200

    run(story())


def test_a_caller_beyond_its_rate_is_told_when_to_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path, rate_limit=0.5, rate_burst=3) as served:
            client, other = served.client("viewer"), served.client("viewer")
            answers = [await client.get("/api/workflows") for _ in range(5)]
            assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
            assert int(answers[-1].headers["retry-after"]) >= 1
            assert answers[0].headers["ratelimit-limit"] == "3"
            assert (await other.get("/api/workflows")).status_code == 200

    run(story())


def test_a_bucket_fills_again() -> None:
    clock = StillClock()
    buckets = Buckets(2.0, 2, clock)
    assert [buckets.take("a").allowed for _ in range(3)] == [True, True, False]
    assert buckets.take("a").wait == pytest.approx(0.5)
    clock.advance(0.5)
    assert buckets.take("a").allowed and not buckets.take("a").allowed


def test_processes_over_one_store_share_the_rate_of_a_caller(tmp_path: Path) -> None:
    """What one gives out the others do not have: at the latest after they have looked once."""
    caller = Caller("key_1", "k", make_tenant("acme"), "viewer", ("*",))
    other = caller._replace(id="key_2")
    clock = StillClock()

    async def story() -> None:
        stores = [open_database(tmp_path / "fairlead.db") for _ in range(3)]
        try:
            rates = [Rates(1.0, 30, clock, store) for store in stores]

            async def settle() -> None:
                for store in stores:
                    await store.write(lambda tx: None)
                    await asyncio.sleep(0)

            async def given(one: Rates, wanted: int) -> int:
                found = sum(one.take(caller).allowed for _ in range(wanted))
                await settle()
                return found

            assert await given(rates[0], 12) == 12
            clock.advance(0.25)
            assert await given(rates[0], 1) == 1
            # The second process looks at its first request, and is told of what the first one gave.
            assert await given(rates[1], 1) == 1
            assert await given(rates[1], 100) == 16
            clock.advance(0.25)
            assert await given(rates[1], 1) == 0
            assert [await given(one, 1) for one in (rates[2], rates[0])] == [1, 1]
            assert [await given(one, 50) for one in rates] == [0, 0, 0]
            assert rates[0].take(other).remaining == 29
            # All at once each gives what it knows of; the debt is waited for, by asking whichever.
            clock.advance(40.0)
            spent = sum([await given(one, 30) for one in rates])
            assert 30 <= spent <= 90
            for _ in range(spent - 31):
                clock.advance(1.0)
                assert sum([await given(one, 1) for one in rates]) <= (1 if _ else 3)
            clock.advance(35.0)
            assert await given(rates[0], 1) == 1
        finally:
            for store in stores:
                store.close()

    run(story())


def test_bodies_that_are_too_large_or_no_json_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_BODY", 2048)

    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            large = await client.post("/api/memory", json={"text": "x" * 3000})
            assert large.status_code == 413

            async def unannounced() -> Any:
                for _ in range(30):
                    yield b" " * 100

            assert (await client.post("/api/memory", content=unannounced())).status_code == 413
            for content, kind, code in (
                (b"{", "application/json", 400),
                (b"[]", "application/json", 400),
                (b"a=1", "application/x-www-form-urlencoded", 400),
                (b'{"text": 5}', "application/json", 422),
                (b'{"text": "a\\u0000b"}', "application/json", 422),
                (b'{"text": "\\ud800"}', "application/json", 400),
                (b'{"text": "a", "more": 1}', "application/json", 422),
                (b'{"text": "-"}', "application/json", 422),
            ):
                answer = await client.post("/api/memory", content=content, headers={"content-type": kind})
                assert answer.status_code == code, (content, answer.text)
            assert (await client.get("/api/runs", params={"limit": "9" * 30})).status_code == 422
            assert (await client.get("/api/runs", params={"cursor": "x"})).status_code == 422
            assert (await client.post("/api/ticket/update", json={"ids": []})).status_code == 422
            assert (await client.get("/api/nowhere")).status_code == 404
            assert (await client.delete("/api/runs")).status_code == 405

    run(story())


def test_bodies_that_are_too_many_are_told_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_HELD", 5000)

    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            going = asyncio.Event()

            async def slowly() -> Any:
                yield b'{"text": "' + b"x" * 4000
                await going.wait()
                yield b'"}'

            first = asyncio.create_task(client.post("/api/memory", content=slowly()))
            await asyncio.sleep(0.05)
            second = await client.post("/api/memory", json={"text": "y" * 4000})
            assert second.status_code == 503 and second.headers["retry-after"] == "1", second.text
            assert (await client.post("/api/memory", json={"text": "short"})).status_code == 201
            going.set()
            assert (await first).status_code == 201
            # What is answered is held no more.
            for _ in range(3):
                assert (await client.post("/api/memory", json={"text": "z" * 4000})).status_code == 201

    run(story())


def _jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


def test_tokens_of_the_issuer_are_accepted_and_no_others(tmp_path: Path) -> None:
    first, second = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    jwks = tmp_path / "jwks.json"
    shared = {"kty": "oct", "kid": "hs", "k": "c2VjcmV0LXRoYXQtaXMtbG9uZy1lbm91Z2gtZm9yLWhzMjU2"}
    jwks.write_bytes(orjson.dumps({"keys": [_jwk(first, "one"), shared]}))
    claims = {
        "iss": "https://issuer.example",
        "aud": "fairlead",
        "sub": "ada",
        "exp": time.time() + 60,
        "tenant": "acme",
        "role": "operator",
    }

    async def story() -> None:
        settings = {"jwt_issuer": "https://issuer.example", "jwt_jwks": str(jwks)}
        async with serving(tmp_path / "home", **settings) as served:

            async def code(key: Any, kid: str, algorithm: str, **changed: Any) -> int:
                body = {k: v for k, v in {**claims, **changed}.items() if v is not None}
                token = jwt.encode(body, key, algorithm, {"kid": kid})
                return (await served.client(key=token).get("/api/runs")).status_code

            assert await code(first, "one", "RS256") == 200
            assert await code("secret-that-is-long-enough-for-hs256", "hs", "HS256") == 200
            assert await code(second, "one", "RS256") == 401
            assert await code(None, "one", "none") == 401
            # The public key as the secret of a symmetric signature is the classic confusion.
            assert await code("x" * 64, "one", "HS256") == 401
            for changed in (
                {"exp": time.time() - 1},
                {"aud": "another"},
                {"iss": "https://evil.example"},
                {"exp": None},
                {"sub": None},
                {"tenant": None},
                {"tenant": "../acme"},
                {"role": "root"},
            ):
                assert await code(first, "one", "RS256", **changed) == 401, changed
            assert await code(second, "two", "RS256") == 401
            jwks.write_bytes(orjson.dumps({"keys": [_jwk(second, "two")]}))
            assert await code(second, "two", "RS256") == 200
            assert await code(first, "one", "RS256") == 401

    run(story())


def test_health_is_open_and_detail_is_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            nobody, viewer = served.client(key=""), served.client("viewer")
            for path in ("/health", "/liveness", "/readiness"):
                assert (await nobody.get(path)).status_code == 200
            assert (await nobody.get("/health/detailed")).status_code == 401
            detail = (await viewer.get("/health/detailed")).json()
            assert {check["state"] for check in detail["checks"].values()} == {"ok"}
            served.app.drain()
            unready = await nobody.get("/readiness")
            assert unready.status_code == 503 and unready.headers["retry-after"]
            assert (await nobody.get("/liveness")).status_code == 200
            refused = await served.client("operator").post("/api/runs", json={"target": "echo"})
            assert refused.status_code == 503 and refused.headers["retry-after"]
            await asyncio.sleep(0)

    run(story())
