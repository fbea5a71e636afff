"""The brief as Markdown, JSON and one HTML page that needs nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.errors import InvalidInputError
from fairlead.pipeline.render.markdown import to_markdown
from fairlead.pipeline.render.page import to_html


def to_json(brief: Mapping[str, Any]) -> str:
    """Indented JSON in the order of the brief."""
    import json

    return json.dumps(brief, ensure_ascii=False, indent=2) + "\n"


def write(brief: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Writes the three renderings into ``folder``, each in one step; returns format -> path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidInputError(
            f"output folder {str(folder)!r} cannot be made: {exc.strerror}.",
            remedy="Give another folder.",
            field="folder",
        ) from exc
    texts = {
        "markdown": ("brief.md", to_markdown(brief)),
        "json": ("brief.json", to_json(brief)),
        "html": ("brief.html", to_html(brief)),
    }
    return {name: str(write_text(folder / file, text)) for name, (file, text) in texts.items()}


def write_text(path: Path, text: str) -> Path:
    """Replaces ``path`` with ``text`` in one step, also when the machine stops in between."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


__all__ = ["to_html", "to_json", "to_markdown", "write"]
