"""Uploads, texts and addresses become jobs, which the server's own worker carries out and callers follow."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from mcp.client.client import Client

from fairlead.server.access import Caller
from fairlead.server.ingesting import working
from fairlead.server.mcp_server import make_mcp
from fairlead.tenancy import make_tenant
from tests.server.support import run, serving

LOG = "The pilot boards the ship at noon. The harbour master keeps the log in Bergen."


async def settled(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    while True:
        found = (await client.get(f"/api/jobs/{job}")).json()
        if found["status"] in ("done", "error", "cancelled"):
            return dict(found)
        await asyncio.sleep(0.05)


def _files(*names: str) -> list[Any]:
    return [("files", (name, LOG.encode(), "text/plain")) for name in names]


def test_uploads_become_jobs_and_the_worker_of_the_server_takes_them_in(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client, other = served.client("operator"), served.client("operator", "globex")
            answer = await client.post("/api/upload", files=_files("log.txt"))
            said = answer.json()
            assert answer.status_code == 200 and len(said["jobs"]) == 1, said
            job = (await client.get(f"/api/jobs/{said['jobs'][0]}")).json()
            assert (job["status"], job["stage"], job["progress"]) == ("pending", "queued", 0)
            assert set(job["steps"]) == {"classification", "ner", "ingestion"}
            assert (await other.get(f"/api/jobs/{said['jobs'][0]}")).status_code == 404
            assert (await other.post(f"/api/jobs/{said['jobs'][0]}/retry")).status_code == 404
            assert (await other.get("/api/jobs")).json()["items"] == []
            events = await served.lead.store.events(tenant="acme:main", types=("upload.received",))
            assert len(events) == 1 and events[0].cause.startswith("key:operator of acme")
            only_kept = await client.post("/api/upload", files=_files("kept.txt"), params={"ingest": "false"})
            assert only_kept.json()["jobs"] == [] and only_kept.json()["count"] == 1
            assert (await client.post("/api/upload", files=_files("x"), params={"ingest": "5"})).status_code == 422

            body = {"text": "The lighthouse keeper rows to the skerry.", "title": "Note", "tags": ["sea,light"]}
            text = await client.post("/api/ingest", json=body)
            assert text.status_code == 201, text.text
            by_name = {"uploads": [only_kept.json()["files"][0]["path"]], "name": "charts"}
            named = await client.post("/api/ingest", json=by_name)
            async with working(served.lead, 20):
                done = await settled(client, said["jobs"][0])
                assert (done["status"], done["stage"], done["progress"]) == ("done", "complete", 100), done
                assert {step["status"] for step in done["steps"].values()} == {"complete"}
                for answer in (text, named):
                    assert (await settled(client, answer.json()["jobs"][0]["id"]))["status"] == "done"
            asked = (await client.get("/api/ask", params={"question": "When does the pilot board the ship?"})).json()
            assert asked["answered"] and "noon" in str(asked)
            found = await client.get("/api/memory/recall", params={"query": "lighthouse keeper", "name": "content"})
            assert "sea" in found.json()["hits"][0]["entry"]["tags"], found.text
            chart = await client.get("/api/memory/recall", params={"query": "harbour master", "name": "charts"})
            assert chart.json()["hits"]
            hits = await other.get("/api/memory/recall", params={"query": "lighthouse keeper", "name": "content"})
            assert hits.json()["hits"] == []
            retried = await client.post(f"/api/jobs/{said['jobs'][0]}/retry")
            assert retried.status_code == 409

    run(story())


def test_nothing_of_the_machine_is_taken_in(tmp_path: Path) -> None:
    async def story() -> None:
        secret = tmp_path / "secret.txt"
        secret.write_text(LOG)
        async with serving(tmp_path / "home") as served:
            client = served.client("operator")
            theirs = (await served.client("operator", "globex").post("/api/upload", files=_files("a.txt"))).json()
            for body, code in (
                ({"urls": [str(secret)]}, 422),
                ({"urls": [f"file://{secret}"]}, 422),
                ({"uploads": [str(secret)]}, 403),
                ({"uploads": ["uploads/../../../../secret.txt"]}, 403),
                ({"uploads": ["uploads/nothing.txt"]}, 404),
                ({"uploads": [theirs["files"][0]["path"]]}, 404),
                ({"inputs": [str(secret)]}, 422),
                ({"text": " "}, 422),
                ({}, 422),
                ({"text": "x", "urls": ["https://example.com/"], "title": "both"}, 422),
            ):
                answer = await client.post("/api/ingest", json=body)
                assert answer.status_code == code, (body, answer.text)
            accepted = await client.post("/api/ingest", json={"urls": ["https://example.com/a"] * 3})
            assert len(accepted.json()["jobs"]) == 1
            again = await client.post("/api/ingest", json={"urls": ["https://example.com/a"]})
            assert again.json()["jobs"][0]["known"] is True
            assert (await served.client("viewer").post("/api/ingest", json={"text": "x"})).status_code == 403
            limited = served.client("operator", scopes=["run"])
            assert (await limited.post("/api/upload", files=_files("a.txt"))).status_code == 403
            kept = await limited.post("/api/upload", files=_files("a.txt"), params={"ingest": "false"})
            assert kept.status_code == 200

    run(story())


def test_an_agent_takes_in_over_mcp_and_cancels(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            caller = Caller("key_1", "test", make_tenant("acme"), "operator", ("*",))
            async with Client(make_mcp(served.app.desk, lambda ctx: caller)) as client:
                said = (await client.call_tool("ingest", {"text": LOG, "title": "Log"})).structured_content
                job = said["jobs"][0]["id"]
                listed = (await client.call_tool("jobs_list", {"status": "pending"})).structured_content
                assert [item["id"] for item in listed["items"]] == [job] and listed["counts"] == {"pending": 1}
                shown = (await client.call_tool("jobs_show", {"job": job})).structured_content
                assert shown["stage"] == "queued"

    run(story())
