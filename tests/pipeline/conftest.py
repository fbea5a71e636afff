from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlead.pipeline import steps


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(os.environ.get("FAIRLEAD_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set FAIRLEAD_DATA to the folder of data sets")
    return folder


@pytest.fixture
def read_file(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes a file and reads it through the steps, as a workflow does."""

    def read(name: str, content: str | bytes) -> dict[str, Any]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        (ref,) = steps.discover_documents([str(path)])
        return steps.parse_document(ref)

    return read


# ── small files of the kinds that cannot be written as text, made by hand so that no writer library is needed ──

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="word/document.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def build_docx(*paragraphs: str, heading: str = "", document: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    styled = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    body = f"<w:p>{styled}<w:r><w:t>{heading}</w:t></w:r></w:p>" if heading else ""
    body += "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    xml = document or f'<?xml version="1.0"?><w:document {_W}><w:body>{body}</w:body></w:document>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELS)
        archive.writestr("word/document.xml", xml)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def build_pdf(*pages: str, kids: str = "") -> bytes:
    """A PDF with one text line per sentence of each page; ``kids`` replaces the page tree's children."""
    objects: list[str] = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    numbers = []
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    for page in pages:
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in page.split("|"))
        stream = f"BT /F1 12 Tf 60 740 Td {lines}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        content = len(objects)
        resources = f"<< /Font << /F1 {font} >> >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {content} 0 R /Resources {resources} >>"
        )
        numbers.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{kids or ' '.join(numbers)}] /Count {len(pages) or 1} >>"
    out = b"%PDF-1.4\n"
    places = []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    return out + f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


@pytest.fixture(scope="session")
def docx() -> Callable[..., bytes]:
    return build_docx


@pytest.fixture(scope="session")
def pdf() -> Callable[..., bytes]:
    return build_pdf
