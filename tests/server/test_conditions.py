"""Conditional requests: what is known is not sent again, and nothing is changed that another one has changed."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import main
from fairlead.server.access import IF_MATCH
from fairlead.server.arguments import offered
from fairlead.server.conditions import can_be_conditional, reading_of
from tests.server.support import GATES, run, serving

VERBS = offered()


@pytest.fixture(autouse=True)
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    assert main(["ticket", "init"]) == 0


def test_what_shows_a_thing_exists_and_can_be_asked_for_it() -> None:
    conditional = [verb for verb in VERBS.values() if can_be_conditional(verb)]
    assert len(conditional) > 30
    for verb in conditional:
        for name in ("run", "id", "ids", "ticket", "epic", "item", "budget"):
            if any(p.name == name for p in verb.params):
                found = reading_of(verb, {name: "x"})
                if found is not None:
                    reading, arguments = found
                    assert not VERBS[reading].changes
                    assert arguments.keys() <= {p.name for p in VERBS[reading].params}
    assert reading_of(VERBS["ticket.update"], {"ids": ["a", "b"]}) is None
    assert reading_of(VERBS["ticket.update"], {"ids": ["a"]}) == ("ticket.show", {"ids": ["a"]})


def test_a_change_of_what_another_one_changed_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            client = served.client("operator")
            made = (await client.post("/api/tickets", json={"title": ["Mend the sail"]})).json()["id"]
            seen = await client.get("/api/ticket/show", params={"ids": made})
            tag = seen.headers["etag"]

            async def update(given: str, **values: Any) -> int:
                body = {"ids": [made], **values}
                return (await client.post("/api/ticket/update", json=body, headers={"if-match": given})).status_code

            assert await update(f'"another", {tag}', priority="high") == 200
            assert await update(tag, priority="low") == 412
            shown = await client.get("/api/ticket/show", params={"ids": made}, headers={"if-none-match": tag})
            assert shown.status_code == 200 and shown.json()["priority"] == "high"
            assert await update("W/" + shown.headers["etag"], priority="low") == 412
            assert await update("*", title="Mend the mainsail") == 200
            # Of many that saw the same, one is first.
            tag = (await client.get("/api/ticket/show", params={"ids": made})).headers["etag"]
            codes = await asyncio.gather(*(update(tag, comment=[f"{n}"]) for n in range(8)))
            assert sorted(codes) == [200] + [412] * 7
            both = await client.post("/api/ticket/update", json={"ids": [made, made + "x"]}, headers={"if-match": tag})
            assert both.status_code == 400
            gone = await client.post("/api/ticket/comment", json={"id": "zzzzz"}, headers={"if-match": "*"})
            assert gone.status_code == 412
            listed = await client.post("/api/runs", json={"target": "echo"}, headers={"if-match": "*"})
            assert listed.status_code == 400

    run(story())


def test_a_repeated_request_gets_its_first_answer_whatever_its_condition_would_say_now(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            client = served.client("operator")
            made = (await client.post("/api/tickets", json={"title": ["Mend the sail"]})).json()["id"]
            tag = (await client.get("/api/ticket/show", params={"ids": made})).headers["etag"]
            headers = {"if-match": tag, "idempotency-key": "k"}
            body = {"ids": [made], "priority": "high"}
            first = await client.post("/api/ticket/update", json=body, headers=headers)
            again = await client.post("/api/ticket/update", json=body, headers=headers)
            assert (first.status_code, again.status_code) == (200, 200), again.text
            assert first.content == again.content

    run(story())


def test_a_run_is_controlled_as_it_was_seen(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            client = served.client("operator")
            run_id = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
            while "gate" not in GATES:
                await asyncio.sleep(0.005)
            seen = await client.get(f"/api/runs/{run_id}")
            tag = seen.headers["etag"]
            await asyncio.sleep(0.05)
            # That time goes by is no change: a reader that waits is not told the same again and again.
            again = await client.get(f"/api/runs/{run_id}", headers={"if-none-match": tag})
            assert again.status_code == 304 and not again.content
            listed = (await client.get("/api/runs")).headers["etag"]
            assert (await client.get("/api/runs", headers={"if-none-match": f"W/{listed}"})).status_code == 304
            paused = await client.post(f"/api/runs/{run_id}/pause", headers={"if-match": tag})
            assert paused.status_code == 200, paused.text
            assert (await client.get("/api/runs", headers={"if-none-match": listed})).status_code == 200
            assert (await client.post(f"/api/runs/{run_id}/resume", headers={"if-match": tag})).status_code == 412
            assert (await client.get(f"/api/runs/{run_id}")).json()["state"] == "paused"

    run(story())


def test_a_key_can_be_bound_to_what_it_has_seen(tmp_path: Path) -> None:
    """428 for changes without If-Match, by REST and by MCP's way alike, and no way around it by another key."""

    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            client = served.client("admin", scopes=["*", IF_MATCH])
            made = (await client.post("/api/tickets", json={"title": ["Mend the sail"]})).json()
            blind = await client.post("/api/ticket/priority", json={"id": made["id"], "priority": "high"})
            assert blind.status_code == 428, blind.text
            tag = (await client.get("/api/ticket/show", params={"ids": made["id"]})).headers["etag"]
            body = {"id": made["id"], "priority": "high"}
            seen = await client.post("/api/ticket/priority", json=body, headers={"if-match": tag})
            assert seen.status_code == 200, seen.text
            revised = {"ids": [made["id"]], "priority": "low", "if_match": seen.json()["revision"]}
            assert (await client.post("/api/ticket/update", json=revised)).status_code == 200
            for verb, arguments in (
                ("batch/update", {"items": [{"id": made["id"], "title": "x"}]}),
                ("batch/delete", {"items": [made["id"]]}),
                ("memory/forget", {"tag": ["x"]}),
                ("memory/add", {"text": "x", "key": "one"}),
                ("key/revoke", {"key": "key_x"}),
            ):
                answer = await client.post(f"/api/{verb}", json=arguments)
                assert answer.status_code == 428, (verb, answer.text)
            assert (await client.post("/api/memory", json={"text": "A new thing."})).status_code == 201
            freed = await client.post("/api/key/create", json={"name": "free", "scope": ["*"]})
            assert freed.status_code == 403
            bound = await client.post("/api/key/create", json={"name": "bound", "scope": ["*", IF_MATCH]})
            assert bound.status_code == 201, bound.text

    run(story())
