"""What existing clients expect: uploads, OpenAI's chat API, generation, dashboards, metrics, WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from hypothesis import given
from hypothesis import settings as fast
from hypothesis import strategies as some

from fairlead.clock import SystemClock
from fairlead.errors import StoreFullError
from fairlead.server import uploads
from fairlead.server.uploads import Disk, receive_batch, safe_name, sweep
from tests.server.support import GATES, finished, listening, run, serving


def _files(*names: str, content: bytes = b"A quiet harbour.") -> list[Any]:
    return [("files", (name, content, "text/plain")) for name in names]


def test_files_are_kept_under_names_of_their_own_and_can_be_inputs(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            names = ("../../etc/passwd.txt", "twice.txt", "twice.txt", ".hidden.txt", "naïve & strange.md")
            said = (await client.post("/api/upload", files=_files(*names))).json()
            assert said["success"] and said["count"] == 5, said
            assert [f["originalName"] for f in said["files"]][1:] == list(names[1:])
            folder = tmp_path / "uploads" / "acme" / "main"
            kept = {f"uploads/{p.name}" for p in folder.iterdir()}
            assert kept == {f["path"] for f in said["files"]} and len(kept) == 5
            body = {"target": "content-brief", "inputs": {"paths": [f["path"] for f in said["files"][1:3]]}}
            started = await client.post("/api/runs", json=body)
            assert started.status_code == 201, started.text
            await finished(client, started.json()["id"])
            stolen = {"target": "content-brief", "inputs": {"paths": [said["files"][0]["path"]]}}
            other = await served.client("operator", "globex").post("/api/runs", json=stolen)
            if other.status_code == 201:
                ended = await served.lead.run(other.json()["id"]).result()
                assert not ended.success
            received = await served.lead.store.events(tenant="acme:main", types=("upload.received",))
            assert len(received) == 5

    run(story())


def test_a_batch_that_cannot_be_taken_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)

    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            good = _files("good.txt")
            program = [("files", ("x.exe", b"MZ", "application/x-msdownload"))]
            for files, code in (
                (_files(*(f"{n}.txt" for n in range(21))), 400),
                ([*good, *_files("empty.txt", content=b"")], 400),
                ([*good, *program], 400),
                ([*good, ("other", ("x.txt", b"x", "text/plain"))], 400),
                ([*good, *_files("large.txt", content=b"x" * 1001)], 413),
            ):
                answer = await client.post("/api/upload", files=files)
                assert answer.status_code == code, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
            kind = {"content-type": "multipart/form-data; boundary=b"}
            for body in (
                b"",
                b"--b\r\n",
                b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nx',
            ):
                assert (await client.post("/api/upload", content=body, headers=kind)).status_code == 400
            assert (await client.post("/api/upload", json={})).status_code == 400
            assert list((tmp_path / "uploads" / "acme" / "main").iterdir()) == []
            assert (await served.client("viewer").post("/api/upload", files=good)).status_code == 403

    run(story())


def test_some_files_failing_is_207_and_all_is_500(tmp_path: Path) -> None:
    request = httpx.Request("POST", "http://x", files=_files("one.txt", "two.txt"))

    async def chunks() -> AsyncIterator[bytes]:
        yield request.read()

    async def batch(faulty: str) -> Any:
        def move(source: Path, target: Path) -> None:
            if faulty in target.name:
                raise OSError(28, "No space left on device")
            os.replace(source, target)  # noqa: PTH105 - what the upload does

        kind = request.headers["content-type"]
        return await receive_batch(kind, chunks(), tmp_path, SystemClock(), disk=Disk(move=move))

    some_kept = asyncio.run(batch("two"))
    assert some_kept.status == 207 and some_kept.answer["partialSuccess"] and some_kept.answer["failureCount"] == 1
    assert some_kept.answer["failures"] == [{"originalName": "two.txt", "error": "No space left on device"}]
    none_kept = asyncio.run(batch("txt"))
    assert none_kept.status == 500 and none_kept.answer["count"] == 0 and not none_kept.answer["partialSuccess"]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_answered_was_written_before(tmp_path: Path) -> None:
    request = httpx.Request("POST", "http://x", files=_files("one.txt", "two.txt"))
    done: list[str] = []

    async def chunks() -> AsyncIterator[bytes]:
        yield request.read()

    def sync(number: int) -> None:
        os.fsync(number)
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else f"{os.fstat(number).st_size} bytes")

    def move(source: Path, target: Path) -> None:
        os.replace(source, target)  # noqa: PTH105 - what the upload does
        done.append("move")

    async def batch() -> Any:
        kind = request.headers["content-type"]
        return await receive_batch(kind, chunks(), tmp_path, SystemClock(), disk=Disk(move, sync))

    assert asyncio.run(batch()).status == 200
    assert done == ["16 bytes", "16 bytes", "move", "move", "folder"]


def test_files_for_which_there_is_no_room_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    request = httpx.Request("POST", "http://x", files=_files("one.txt", "two.txt"))

    async def chunks() -> AsyncIterator[bytes]:
        yield request.read()

    def sync(number: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreFullError):
        asyncio.run(
            receive_batch(request.headers["content-type"], chunks(), tmp_path, SystemClock(), disk=Disk(sync=sync))
        )
    assert list(tmp_path.iterdir()) == []


def test_half_files_of_killed_processes_are_swept_up(tmp_path: Path) -> None:
    folder = tmp_path / "acme" / "main"
    folder.mkdir(parents=True)
    old, young, whole = folder / ".part_1.part", folder / ".part_2.part", folder / "kept.part"
    for file in (old, young, whole):
        file.write_bytes(b"x")
    os.utime(old, (1.0, 1.0))
    os.utime(whole, (1.0, 1.0))
    assert sweep(tmp_path, young.stat().st_mtime) == 1
    assert sorted(p.name for p in folder.iterdir()) == [".part_2.part", "kept.part"]
    assert sweep(tmp_path / "nowhere", 0.0) == 0


@given(some.text(max_size=400))
@fast(deadline=None)
def test_a_safe_name_stays_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert 1 <= len(safe) <= 180 and not safe.startswith(".") and ".." not in safe
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_clients_of_openai_are_answered(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            models = (await client.get("/v1/models")).json()["data"]
            assert {"auto", "local/extractive"} <= {m["id"] for m in models}
            text = "The fairlead guides a rope. A cleat holds it.\n\nWhat does the fairlead guide?"
            body = {"model": "local/extractive", "messages": [{"role": "user", "content": text}]}
            said = await client.post("/v1/chat/completions", json=body)
            assert said.status_code == 200, said.text
            assert said.json()["choices"][0]["message"]["content"]
            streamed = await client.post("/v1/chat/completions", json={**body, "stream": True})
            lines = [line[6:] for line in streamed.text.splitlines() if line.startswith("data: ")]
            assert lines[-1] == "[DONE]" and json.loads(lines[0])["object"] == "chat.completion.chunk"
            bad = await client.post("/v1/chat/completions", json={"messages": "x"})
            assert bad.status_code == 422 and bad.json()["error"]["message"]
            missing = await client.post("/v1/chat/completions", json={**body, "model": "nobody"})
            assert missing.status_code == 404
            made = await client.post("/api/ai/generate", json={"prompt": text, "force_local": True})
            assert made.status_code == 200 and made.json()["success"], made.text
            assert (await client.post("/api/ai/generate", json={"prompt": 5})).status_code == 422
            epic = await client.post("/api/team/coordinate-epic", json={"title": "x"})
            assert epic.status_code == 501 and epic.json()["remedy"]
            board = (await client.get("/api/monitoring/dashboard")).json()
            assert board["team_overview"]["tasks_in_progress"] == 0 and board["missing"]["quality"]
            assert "fairlead_store_commits_total" in (await client.get("/metrics")).text

    run(story())


def test_control_and_events_over_one_websocket(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served, listening(served) as address:
            url = address.replace("http", "ws") + "/api/ws"
            headers = {"authorization": f"Bearer {served.key('operator')}"}
            async with websockets.connect(url, additional_headers=headers, proxy=None) as socket:

                async def say(**message: Any) -> None:
                    await socket.send(json.dumps(message))

                async def hear() -> Any:
                    return json.loads(await asyncio.wait_for(socket.recv(), 10))

                assert (await hear())["role"] == "operator"
                await say(id=1, verb="run", arguments={"target": "held"})
                run_id = (await hear())["answer"]["id"]
                await say(id=2, verb="runs.pause", arguments={"run": run_id})
                assert (await hear())["answer"]["state"] == "paused"
                await say(id=3, verb="key.list")
                assert (await hear())["problem"]["status"] == 403
                await say(id=4, listen={"subject": run_id})
                assert (await hear())["event"]["type"] == "run.created"
                await say(id=5, verb="runs.resume", arguments={"run": run_id})
                GATES["gate"].set()
                heard = []
                while "ended" not in (message := await hear()):
                    heard += [message["event"]["type"]] if "event" in message else []
                assert heard[-1] == "run.completed"
                await socket.send("no json")
                assert (await hear())["problem"]["status"] == 422
            async with websockets.connect(url, proxy=None) as socket:
                await socket.send('{"key": "fl_wrong_key"}')
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await socket.recv()
                assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401

    run(story())


def test_names_of_other_scripts_are_names(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path) as served:
            client = served.client("operator")
            kind = {"content-type": "multipart/form-data; boundary=b"}
            part = 'Content-Disposition: form-data; name="{}"{}\r\nContent-Type: text/plain\r\n\r\nx\r\n'
            body = (
                "--b\r\n"
                + part.format("𥴍", "")
                + "--b\r\n"
                + part.format("files", '; filename="отчёт 𥴍.txt"')
                + "--b--"
            )
            answer = await client.post("/api/upload", content=body.encode(), headers=kind)
            assert answer.status_code == 200, answer.text
            assert [f["originalName"] for f in answer.json()["files"]] == ["отчёт 𥴍.txt"]

    run(story())
