"""Hostile sources fail alone, with a reason and a remedy, and leave nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.tenancy import use_tenant
from tests.pipeline.test_ingest import ACME, PIER, Desk

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "home")
    with use_tenant(ACME):
        yield desk
    desk.close()


async def test_each_bad_file_is_an_error_of_its_own_and_the_good_ones_are_taken_in(
    desk: Desk, tmp_path: Path, pdf: Callable[..., bytes], docx: Callable[..., bytes]
) -> None:
    entities = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    bad = {
        "bomb.docx": docx("Harmless words are in here.", extra={"word/media/x.bin": b"\0" * 50_000_000}),
        "entities.docx": docx(document=entities),
        "torn.docx": b"PK\x03\x04 not an archive",
        "torn.pdf": b"%PDF-1.7\n" + b"garbage " * 200,
        "no.pdf": b"hello there",
        "nul.txt": b"text \x00\x01\x02\x00 \x00 binary\x00\x00\x00",
        "binary.txt": bytes(range(128, 256)) * 20 + bytes(range(1, 32)) * 200,
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "nothing.html": b"<script>document.write('x')</script>",
        "huge.txt": b"a" * 20_000_001,
    }
    good = {
        "loop.pdf": pdf("A page that is read as it should be, in a file that loops.", kids="2 0 R 4 0 R 2 0 R"),
        "line.txt": (PIER + " ").encode() * 1_500,
        "latin.txt": "Der große Hafen bleibt heute wegen des Sturms geschlossen, sagte der Wärter.".encode("latin-1"),
        "script.html": f"<p>{PIER}</p><script>alert('stolen')</script><style>p {{}}</style>".encode(),
        "good.txt": PIER.encode(),
    }
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in {**bad, **good}.items():
        (folder / name).write_bytes(content)
    jobs = {Path(job["address"]).name: job for job in await desk.ingest(folder)}
    told = json.dumps({name: (job["status"], job["error"]) for name, job in jobs.items()}, indent=1)
    assert {name for name, job in jobs.items() if job["status"] == "error"} >= set(bad), told
    assert all(job["error"] and job["remedy"] for job in jobs.values() if job["status"] == "error"), told
    assert {name for name, job in jobs.items() if job["status"] == "done"} >= set(good) - {"loop.pdf"}, told
    assert jobs["loop.pdf"]["status"] in ("done", "error")
    texts = await desk.texts()
    assert {Path(source).name for source in texts} == {n for n, job in jobs.items() if job["status"] == "done"}
    assert texts[str((folder / "script.html").resolve())] == [PIER]


async def test_what_lies_about_its_place_is_not_followed(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("The secret of the harbour is kept in a box below the third stair.")
    inside = tmp_path / "in" / "letter.txt"
    inside.parent.mkdir()
    inside.write_text(PIER)
    (one,) = await desk.intake.submit([inside])
    # After it was accepted, the file becomes a link that leads elsewhere.
    inside.unlink()
    inside.symlink_to(secret)
    await desk.carry_out()
    job = await desk.intake.jobs.get(one.job.id)
    assert job.status == "error" and await desk.texts() == {}


async def test_an_address_with_words_of_a_shell_or_a_query_is_only_an_address(desk: Desk) -> None:
    names = ("'; DROP TABLE pipeline_jobs; --", "--exec rm", "$(id)", "%00", "../../etc/passwd", "\u202etxt")
    addresses = [desk.shelf.put(name, PIER.encode()).url for name in names]
    jobs = await desk.ingest(*addresses)
    assert [(job["status"], job["address"]) for job in jobs] == [("done", address) for address in addresses]
    assert set(await desk.texts()) == set(addresses)
