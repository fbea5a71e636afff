"""Things taken in and given out inline, without paths of the machine: memory as lines, tickets as plans and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from fairlead.cli.main import main
from fairlead.server import carrying
from fairlead.server.access import Caller
from fairlead.server.mcp_server import make_mcp
from fairlead.tenancy import make_tenant
from tests.server.support import run, serving

LINES = {"content-type": carrying.LINES}
ASKS = {"accept": carrying.LINES}


def test_memory_is_exported_and_imported_as_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "_PAGE", 7)

    async def story() -> None:
        async with serving(tmp_path) as served:
            ours, theirs = served.client("operator"), served.client("operator", "globex")
            texts = [f"Buoy number {n} lies off the cape.\u2028It is red." for n in range(30)]
            for text in texts:
                await ours.post("/api/memory", json={"text": text, "tag": ["buoy"], "source": "chart.md"})
            whole = await ours.get("/api/memory/export", headers=ASKS)
            assert whole.headers["content-type"].startswith(carrying.LINES), whole.text
            head, *lines = whole.text.split("\n")[:-1]
            assert json.loads(head)["format"] and [json.loads(line)["content"] for line in lines] == texts
            # A reader that lost its connection after some lines goes on with the last whole one.
            after = json.loads(lines[11])["cursor"]
            rest = await ours.get("/api/memory/export", headers=ASKS, params={"after": after})
            assert rest.text.split("\n")[:-1] == lines[12:]
            page = (await ours.get("/api/memory/export", params={"limit": 10, "after": after})).json()
            assert [e["content"] for e in page["items"]] == texts[12:22] and page["has_more"]
            assert page["next"] == page["items"][-1]["cursor"]
            assert (await theirs.get("/api/memory/export", headers=ASKS)).text.count("\n") == 1

            body = whole.content
            taken = await theirs.post("/api/memory/import", content=body, headers=LINES)
            assert taken.json() == {"taken": 30, "erased": 0}, taken.text
            assert (await theirs.post("/api/memory/import", content=body, headers=LINES)).status_code == 200
            listed = (await theirs.get("/api/memory", params={"limit": 100})).json()
            assert sorted(e["content"] for e in listed) == sorted(texts)
            assert all(e["tags"] == ["buoy"] for e in listed)
            given = {"entries": [{"content": "A wreck.", "tags": ["wreck"]}]}
            assert (await theirs.post("/api/memory/import", json=given)).json()["taken"] == 1
            broken = await theirs.post("/api/memory/import", content=body + b"{\n", headers=LINES)
            assert broken.status_code == 422 and broken.json()["fields"]["line"] == 32, broken.text
            for bad in (b"\xff\n", b"[]\n", b'{"content": 5, "tags": 7}\n', b'{"content": "a\\u0000b"}\n'):
                answer = await theirs.post("/api/memory/import", content=bad, headers=LINES)
                assert answer.status_code == 422, (bad, answer.text)
            refused = await theirs.get("/api/memory/export", headers=ASKS, params={"name": "../x"})
            assert refused.status_code == 422
            viewer = served.client("viewer")
            assert (await viewer.post("/api/memory/import", content=body, headers=LINES)).status_code == 403
            assert (await viewer.get("/api/memory/export", headers=ASKS)).status_code == 200

    run(story())


def test_a_large_import_is_not_held_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")

            async def body() -> Any:
                for n in range(1200):
                    yield json.dumps({"content": f"Entry {n} " + "x" * 4000}).encode() + b"\n"

            # More than any other body may have.
            answer = await client.post("/api/memory/import", content=body(), headers=LINES)
            assert answer.json() == {"taken": 1200, "erased": 0}, answer.text
            stats = (await client.get("/api/memory/stats")).json()
            assert stats[0]["entries"] == 1200

    run(story())


def test_tickets_are_batched_imported_and_exported_inline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = tmp_path / "board"
    board.mkdir()
    monkeypatch.chdir(board)

    assert main(["ticket", "init"]) == 0

    async def story() -> None:
        async with serving(tmp_path / "home") as served:
            client = served.client("operator")
            plan = [
                {"id": "$hull", "title": "Mend the hull", "priority": "high"},
                {"title": "Paint it", "blocked_by": ["$hull"]},
            ]
            tried = (await client.post("/api/batch/run", json={"items": plan, "dry_run": True})).json()
            assert tried["dry_run"] and (await client.get("/api/tickets")).json()["items"] == []
            done = await client.post("/api/batch/run", json={"items": plan})
            assert done.status_code == 200 and len(done.json()["created_ids"]) == 2, done.text
            csv = "title,priority\nScrub the deck,low\n"
            assert len((await client.post("/api/batch/create", json={"items": csv})).json()["created_ids"]) == 1
            failed = (await client.post("/api/batch/update", json={"items": [{"id": "NOBODY-1", "title": "x"}]})).json()
            assert not failed["success"] and failed["errors"]
            for items in ("", "{", [5], 7, [{"titel": "x"}]):
                answer = await client.post("/api/batch/create", json={"items": items})
                assert answer.status_code == 422, (items, answer.text)
            assert (await client.post("/api/batch/create", json={})).status_code == 422
            exported = (await client.get("/api/ticket/export", params={"to": "beads"})).json()
            assert exported["tickets"] == 3 and "path" not in exported
            changed = exported["text"].replace("Scrub the deck", "Scrub the whole deck")
            body = {"text": changed, "source": "beads"}
            taken = (await client.post("/api/ticket/import", json=body)).json()
            assert taken["read"] == 3 and taken["created"] == 0 and taken["updated"] >= 1
            titles = {item["title"] for item in (await client.get("/api/tickets")).json()["items"]}
            assert "Scrub the whole deck" in titles and len(titles) == 3
            for body in ({"text": "{", "source": "github"}, {"text": changed}, {}, {"text": "x", "source": "beads"}):
                answer = await client.post("/api/ticket/import", json=body)
                assert answer.status_code == 422, (body, answer.text)
            assert (await client.get("/api/ticket/export", params={"path": "/tmp/x"})).status_code == 422
            caller = Caller("key_1", "test", make_tenant("acme"), "operator", ("*",))
            async with Client(make_mcp(served.app.desk, lambda ctx: caller)) as mcp:
                names = [tool.name for tool in (await mcp.list_tools()).tools if tool.name.startswith("ticket_")]
                assert len(names) == 8
                given = {"verb": "batch.run", "arguments": {"items": [{"title": "Coil the lines"}]}}
                said = (await mcp.call_tool("ticket_verb", given)).structured_content
                assert said["success"] and len(said["created_ids"]) == 1
                found = (await mcp.call_tool("ticket_find", {"what": "search", "words": "coil"})).structured_content
                assert [item["title"] for item in found["items"]] == ["Coil the lines"]
                noted = {"what": "comment", "id": found["items"][0]["id"], "text": "aft"}
                assert not (await mcp.call_tool("ticket_note", noted)).is_error
                refused = await mcp.call_tool("ticket_note", {"what": "sing"})
                assert refused.is_error and "comment, journal" in str(refused.structured_content)

    run(story())
