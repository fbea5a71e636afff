"""Batches of files: told by their content, kept whole, each with an outcome of its own."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.clock import SystemClock
from fairlead.errors import InvalidInputError
from fairlead.pipeline.formats.content_type import tell
from fairlead.pipeline.intake import uploads
from fairlead.pipeline.intake.uploads import Disk, receive_all
from fairlead.tenancy import use_tenant
from tests.pipeline.test_ingest import ACME, PIER, VTT, Desk

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


async def test_some_are_kept_and_queued_and_the_others_are_told(
    desk: Desk, tmp_path: Path, pdf: Callable[..., bytes], docx: Callable[..., bytes]
) -> None:
    (tmp_path / "pier.txt").write_text(PIER)
    program = b"MZ\x90\x00\x03\x00\x00\x00" + bytes(range(256)) * 8
    result = await desk.intake.upload(
        [
            tmp_path / "pier.txt",
            ("talk.bin", VTT.encode()),
            ("../../report.txt", io.BytesIO(pdf("The lighthouse was built in 1823 by a keeper of the old harbour."))),
            ("letter.pdf", docx("The night train reaches Venice in the morning, and breakfast is served.")),
            ("same.txt", b"The same name is given twice, and both of these files are kept whole."),
            ("same.txt", b"The same name is given twice, and this second text is another one."),
            ("program.txt", program),
            ("empty.txt", b""),
            ("picture.txt", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64),
            tmp_path / "nothing.txt",
        ],
        tags=["batch"],
    )
    assert not result.success and result.partial_success
    assert [kept.kind for kept in result.files] == ["text", "vtt", "pdf", "docx", "text", "text"]
    assert len({kept.path for kept in result.files}) == 6 == len(result.jobs)
    folder = tmp_path / "home" / "uploads" / "acme" / "main"
    assert {path.name for path in folder.iterdir()} == {kept.path.name for kept in result.files}
    assert [f.original for f in result.failures] == ["program.txt", "empty.txt", "picture.txt", "nothing.txt"]
    assert all(failure.error and failure.remedy for failure in result.failures)
    told = result.to_dict()
    assert (told["success"], told["partialSuccess"], told["count"], told["failureCount"]) == (False, True, 6, 4)
    await desk.carry_out()
    jobs = await desk.intake.jobs.those(result.jobs)
    assert [job.status for job in jobs] == ["done"] * 6, [job.error for job in jobs]
    assert {(job.result or {})["title"] for job in jobs} >= {"talk.bin", "letter.pdf"}
    hits = await desk.memory.recall("night train Venice", name="content", tags=["batch"])
    assert hits[0].entry.metadata["title"] == "letter.pdf"


async def test_a_batch_that_is_none_is_refused_whole(desk: Desk, tmp_path: Path) -> None:
    for count in (0, 21):
        with pytest.raises(InvalidInputError):
            await desk.intake.upload([("a.txt", b"A text.")] * count)
    assert not (tmp_path / "home" / "uploads").exists()


def test_what_is_too_large_or_finds_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)

    def move(source: Path, target: Path) -> None:
        if "full" in target.name:
            raise OSError(28, "No space left on device")
        os.replace(source, target)  # noqa: PTH105 - what the upload does

    given = [("large.txt", b"x" * 1001), ("full.txt", b"A text that finds no room."), ("fits.txt", b"A text.")]
    result = receive_all(given, tmp_path, SystemClock(), disk=Disk(move=move))
    assert [f.original for f in result.failures] == ["large.txt", "full.txt"]
    assert "1,000" in result.failures[0].remedy and "No space" in result.failures[1].error
    assert [path.name for path in tmp_path.iterdir()] == [result.files[0].path.name]


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"%PDF-1.4 ...", "x.txt", "pdf"),
        (b"\n<!DOCTYPE html><p>Hi", "x.txt", "html"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nHi\n", "x.txt", "srt"),
        ("WEBVTT\n".encode("utf-16"), "x", "vtt"),
        (b"# A heading\n", "x.md", "markdown"),
        (b"# A heading\n", "x", "text"),
        (b"a,b\n1,2\n", "x.csv", "csv"),
        (b'{"a": 1}', "x.json", "json"),
        ("Grüße aus Köln".encode("latin-1"), "x.pdf", "text"),
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "x.docx", ""),
        (b"<?xml version='1.0'?><rss/>", "x.txt", ""),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "x.txt", ""),
    ],
)
def test_a_type_is_told_by_the_content(content: bytes, name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert tell(path, name).kind == kind


@pytest.mark.parametrize(
    "content", [_zip("a.txt"), b"PK\x03\x04garbage", bytes(range(256)), b"\x7fELF\x02\x01\x00\x00"]
)
def test_what_is_of_no_type_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError) as refused:
        tell(path, "harmless.txt")
    assert refused.value.remedy
