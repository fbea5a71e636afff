"""Hostile input is refused with a reason, in bounded time, and never stops the documents beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.pipeline import steps
from fairlead.pipeline.formats.office import read_pdf
from fairlead.pipeline.parsing import parse_bytes
from fairlead.pipeline.sources import DocumentRef, discover

Read = Callable[..., dict[str, Any]]
Build = Callable[..., bytes]


def test_zip_bomb_is_refused_before_it_unfolds(read_file: Read, docx: Build) -> None:
    bomb = docx("Harmless words are in here.", extra={"word/media/x.bin": b"\0" * 50_000_000})
    assert len(bomb) < 100_000
    assert "would unfold" in read_file("bomb.docx", bomb)["error"]


def test_xml_entities_are_refused(read_file: Read, docx: Build) -> None:
    xml = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    assert "document type" in read_file("x.docx", docx(document=xml))["error"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.docx", b"PK\x03\x04 not an archive", "not a Word document"),
        ("a.pdf", b"hello there", "not a PDF"),
        ("b.pdf", b"%PDF-1.7\n" + b"garbage " * 200, "cannot be read"),
        ("a.txt", b"text \x00\x01\x02\x00 \x00 binary\x00\x00\x00", "NUL"),
        ("b.txt", bytes(range(128, 256)) * 20 + bytes(range(1, 32)) * 200, "binary"),
        ("a.json", b'{"a": [1, 2', "JSON cannot be read"),
        ("deep.json", b"[" * 100_000 + b"]" * 100_000, "JSON cannot be read"),
        ("a.vtt", b"this is no caption file at all", "captions cannot be read"),
        ("c.txt", b"12345 67890\n---\n", "no readable text"),
    ],
)
def test_damaged_files_say_why(read_file: Read, name: str, content: bytes, reason: str) -> None:
    assert reason in read_file(name, content)["error"]


def test_pdf_whose_pages_loop_ends(read_file: Read, pdf: Build) -> None:
    start = time.monotonic()
    document = read_file("loop.pdf", pdf("A page that is read as it should be.", kids="2 0 R 4 0 R 2 0 R"))
    assert time.monotonic() - start < 30
    assert "error" in document or document["segments"]


def test_slow_reader_is_stopped(pdf: Build) -> None:
    with pytest.raises(InvalidInputError, match="was stopped"):
        read_pdf(pdf("One page of words is enough for this."), time_limit_s=0.001)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("line.txt", b"word " * 3_000_000),
        ("solid.txt", b"x" * 10_000_000),
        ("deep.md", b"> " * 20_000 + b"a quote that nests further than anybody would write"),
        ("brackets.md", b"[" * 200_000 + b" the text goes on after it for a while"),
        ("tags.html", b"<div>" * 100_000 + b"The words that are inside of it all."),
        ("stars.md", b"*a **b " * 60_000),
        ("under.rst", b"the_word_ " * 20_000),
        ("cells.csv", b'"' + b"a,b\n" * 400_000),
    ],
)
def test_huge_and_pathological_text_ends_soon(read_file: Read, name: str, content: bytes) -> None:
    start = time.process_time()
    document = read_file(name, content)
    analysis = steps.analyse_document(document)
    assert time.process_time() - start < 20
    assert "error" in analysis or analysis["counts"]["words"] > 0


def test_files_above_the_limit_are_listed_with_the_reason(tmp_path: Path) -> None:
    big = tmp_path / "big.rst"
    with big.open("wb") as file:
        file.truncate(2_000_001)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "fine.txt").write_text("The pier is old, and it is wet.")
    refs = steps.discover_documents([str(tmp_path)])
    assert [("error" in ref, ref["title"]) for ref in refs] == [(True, "big.rst"), (True, "empty.txt"), (False, "Fine")]
    assert "2,000,001 bytes" in refs[0]["error"]
    assert steps.parse_document(refs[0])["error"] == refs[0]["error"]


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_links_out_of_the_folder_and_pipes_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("The secret is not for this folder to tell.")
    folder = tmp_path / "given"
    (folder / "sub").mkdir(parents=True)
    (folder / "out.txt").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "sub" / "in.txt").write_text("The pier is in the folder that was given.")
    (folder / "again.txt").symlink_to(folder / "sub" / "in.txt")
    os.mkfifo(folder / "pipe.txt")
    refs = discover([folder])
    assert [(ref.title, bool(ref.error)) for ref in refs] == [("out.txt", True), ("pipe.txt", True), ("In", False)]


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_a_file_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The pier is old, and it is wet.")
    (ref,) = steps.discover_documents([str(path)])
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert "cannot be read" in steps.parse_document(ref)["error"]


def test_wrong_calls_are_errors() -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        steps.discover_documents(["/no/such/folder/anywhere"])
    with pytest.raises(InvalidInputError, match="not a document reference"):
        steps.parse_document({"id": "x", "kind": "text", "colour": "red"})


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.binary(max_size=400), form=st.sampled_from(["text", "markdown", "html", "rst", "json", "csv", "vtt", "srt"])
)
def test_any_bytes_are_read_or_refused(data: bytes, form: str) -> None:
    ref = DocumentRef("doc-x", "X", form, path="x")
    try:
        document = parse_bytes(ref, data, form)
    except InvalidInputError as exc:
        assert exc.message
    else:
        assert all(document.text[s.start_char : s.end_char] == s.text for s in document.segments)
        assert steps.analyse_document(document.to_dict())["id"] == "doc-x"


@pytest.mark.parametrize("page", ["<![" * 5, "<p>text<![" * 300, "<!DOCTYPE html><![<p>text</p>"])
def test_a_page_with_broken_declarations_is_refused(page: str, read_file: Callable[..., dict[str, Any]]) -> None:
    assert "cannot be read" in read_file("page.html", page)["error"]
