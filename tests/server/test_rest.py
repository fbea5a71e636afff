"""The verbs over HTTP: reading, changing, paging, repeating."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fairlead.verbs import every_verb
from tests.server.support import GATES, finished, run, serving


def test_a_run_is_started_read_and_listed(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            answer = await client.post("/api/runs", json={"target": "echo", "inputs": {"text": "ship ahoy"}})
            assert answer.status_code == 201, answer.text
            assert answer.headers["x-content-type-options"] == "nosniff"
            done = await finished(client, answer.json()["id"])
            assert done["result"] == "ship ahoy"
            assert done["cause"].startswith("key:operator of acme")
            listed = (await client.get("/api/runs")).json()
            assert [item["id"] for item in listed["items"]] == [done["id"]]
            trace = await client.get(f"/api/runs/{done['id']}/trace")
            assert trace.status_code == 200

    run(story())


def test_a_run_is_paused_resumed_and_terminated(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            run_id = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
            paused = await client.post(f"/api/runs/{run_id}/pause")
            assert paused.json()["state"] == "paused", paused.text
            assert (await client.get(f"/api/runs/{run_id}")).json()["state"] == "paused"
            again = await client.post(f"/api/runs/{run_id}/resume")
            assert again.json()["state"] == "running"
            assert (await client.post(f"/api/runs/{run_id}/resume")).status_code == 409
            steered = await client.post(f"/api/runs/{run_id}/steer", json={"message": "hard to port"})
            assert steered.json()["message_id"].startswith("msg_")
            ended = await client.post(f"/api/runs/{run_id}/terminate")
            assert ended.json()["state"] == "terminated"
            assert (await client.post(f"/api/runs/{run_id}/pause")).status_code == 409

    run(story())


def test_a_run_is_forked_from_a_checkpoint(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            first = (await client.post("/api/runs", json={"target": "echo", "inputs": {"text": "ahoy"}})).json()["id"]
            await finished(client, first)
            points = (await client.get(f"/api/runs/{first}/checkpoints")).json()["items"]
            assert [(p["number"], p["key"]) for p in points] == [(1, "echo")]
            body = {"values": {"echo": "belay"}}
            header = {"Idempotency-Key": "one"}
            made = await client.post(f"/api/runs/{first}/fork", json=body, headers=header)
            assert made.status_code == 201 and made.json()["forked_from"] == first, made.text
            again = await client.post(f"/api/runs/{first}/fork", json=body, headers=header)
            assert again.json()["id"] == made.json()["id"]
            assert (await finished(client, made.json()["id"]))["result"] == "belay"
            missing = await client.post(f"/api/runs/{first}/fork", json={"at": "9"})
            assert missing.status_code == 404 and "checkpoint '9'" in missing.text
            other = served.client("operator", "globex")
            assert (await other.post(f"/api/runs/{first}/fork")).status_code == 404
            assert (await served.client("viewer").post(f"/api/runs/{first}/fork")).status_code == 403

    run(story())


def test_two_control_requests_that_race_leave_one_state(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            for _ in range(10):
                run_id = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
                answers = await asyncio.gather(
                    client.post(f"/api/runs/{run_id}/pause"), client.post(f"/api/runs/{run_id}/terminate")
                )
                assert {a.status_code for a in answers} <= {200, 409}
                assert answers[1].status_code == 200
                assert (await client.get(f"/api/runs/{run_id}")).json()["state"] == "terminated"

    run(story())


def test_pages_meet_every_run_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            made = {
                (await client.post("/api/runs", json={"target": "echo", "inputs": {"text": str(n)}})).json()["id"]
                for n in range(25)
            }
            seen: list[str] = []
            query = {"limit": "10"}
            while True:
                page = (await client.get("/api/runs", params=query)).json()
                seen += [item["id"] for item in page["items"]]
                if page["next"] is None:
                    break
                query["cursor"] = page["next"]
            assert len(seen) == 25 and set(seen) == made

    run(story())


def test_a_repeated_request_is_done_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            headers = {"idempotency-key": "one"}
            body = {"target": "echo", "inputs": {"text": "once"}}
            first = await client.post("/api/runs", json=body, headers=headers)
            second = await client.post("/api/runs", json=body, headers=headers)
            assert first.json()["id"] == second.json()["id"]
            memory = {"text": "The fairlead guides the rope."}
            one = await client.post("/api/memory", json=memory, headers=headers)
            two = await client.post("/api/memory", json=memory, headers=headers)
            assert one.status_code == two.status_code == 201, one.text
            assert one.json() == two.json()
            assert two.headers["idempotency-replayed"] == "true"
            other = await client.post("/api/memory", json={"text": "Another."}, headers=headers)
            assert other.status_code == 422 and "Idempotency-Key" in other.json()["detail"]
            refused = {"idempotency-key": "two"}
            assert (await client.post("/api/memory", json={}, headers=refused)).status_code == 422
            assert (await client.post("/api/memory", json=memory, headers=refused)).status_code == 201

    run(story())


def test_what_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("viewer")
            first = await client.get("/api/workflows")
            again = await client.get("/api/workflows", headers={"if-none-match": first.headers["etag"]})
            assert again.status_code == 304 and not again.content
            other = await client.get("/api/workflows", headers={"if-none-match": '"no"'})
            assert other.status_code == 200

    run(story())


def test_memory_is_remembered_recalled_asked_and_forgotten(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            text = "The licence of the harbour software is MIT."
            entry = (await client.post("/api/memory", json={"text": text, "name": "content"})).json()
            query = {"query": "harbour licence", "name": "content"}
            hits = (await client.get("/api/memory/recall", params=query)).json()["hits"]
            assert hits[0]["entry"]["id"] == entry["id"] if "entry" in hits[0] else hits[0]["id"] == entry["id"]
            asked = await client.get("/api/ask", params={"question": "Which licence has the harbour software?"})
            assert asked.json()["answered"] is True, asked.text
            gone = await client.post("/api/memory/forget", json={"id": [entry["id"]], "name": "content"})
            assert gone.json()["forgotten"] == 1
            assert (await client.get("/api/memory/recall", params=query)).json()["hits"] == []

    run(story())


def test_another_tenant_sees_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            ours, theirs = served.client("operator"), served.client("admin", "globex")
            run_id = (await ours.post("/api/runs", json={"target": "held"})).json()["id"]
            await ours.post("/api/memory", json={"text": "Our secret is the north anchor."})
            unknown = await theirs.get("/api/runs/run_00000000000000000000000000")
            assert (await theirs.get(f"/api/runs/{run_id}")).status_code == unknown.status_code == 404
            for word in ("pause", "resume", "terminate"):
                assert (await theirs.post(f"/api/runs/{run_id}/{word}")).status_code == 404
            assert (await theirs.get(f"/api/runs/{run_id}/trace")).status_code == 404
            assert (await theirs.get(f"/api/runs/{run_id}/events")).status_code == 404
            assert (await theirs.get("/api/runs")).json()["items"] == []
            assert (await theirs.get("/api/events")).json() is not None
            events = (await theirs.get("/api/events", params={"after": "0"})).json()
            assert {event["tenant"] for event in events} <= {"globex:main"}
            recalled = await theirs.get("/api/memory/recall", params={"query": "anchor secret"})
            assert recalled.json()["hits"] == []
            assert (await theirs.get("/api/ticket/list")).status_code == 404
            assert (await ours.get(f"/api/runs/{run_id}")).json()["state"] == "running"
            GATES.setdefault("gate", asyncio.Event()).set()

    run(story())


def test_paths_of_the_machine_are_not_inputs(tmp_path: Path) -> None:
    async def story() -> None:
        secret = tmp_path / "secret.txt"
        secret.write_text("nobody may read this")
        async with serving(tmp_path / "home") as served:
            client = served.client("operator")
            for inputs in (
                {"paths": [str(secret)]},
                {"paths": "uploads/../../../secret.txt"},
                {"paths": ["."]},
                {"output": str(tmp_path / "out")},
            ):
                answer = await client.post("/api/runs", json={"target": "content-brief", "inputs": inputs})
                assert answer.status_code == 403, (inputs, answer.text)
            agent = await client.post("/api/runs", json={"target": "echo", "inputs": {"text": str(secret)}})
            assert agent.status_code == 403
            file = await client.post("/api/runs", json={"target": str(tmp_path / "flow.yaml")})
            assert file.status_code == 404
            shown = await client.get("/api/workflow/show", params={"workflow": "/etc/passwd.yaml"})
            assert shown.status_code == 404

    run(story())


def test_the_document_names_every_verb_that_is_offered(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            document = (await served.client(key="").get("/openapi.json")).json()
            paths = document["paths"]
            from fairlead.server.arguments import why_not

            for verb in every_verb():
                path = "/api/" + verb.name.replace(".", "/")
                if why_not(verb) is None:
                    operation = paths[path]["post" if verb.changes else "get"]
                    assert operation["responses"]["403"]
                else:
                    assert path not in paths or path == "/api/runs/watch"

    run(story())


def test_a_step_that_ends_as_its_run_is_resumed_does_not_strand_the_run(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            for turns in range(10):
                GATES.clear()
                run_id = (await client.post("/api/runs", json={"target": "held"})).json()["id"]
                while "gate" not in GATES:
                    await asyncio.sleep(0.005)
                await client.post(f"/api/runs/{run_id}/pause")
                GATES["gate"].set()
                for _ in range(turns):
                    await asyncio.sleep(0)
                await client.post(f"/api/runs/{run_id}/resume")
                await finished(client, run_id)

    run(story())
