"""Where content comes from: files here, pages, feeds, podcasts and videos elsewhere, behind one small port.

Owns every way to get documents into Fairlead. ``port`` says what a source is, ``on_disk`` what lies on this machine.
"""

from __future__ import annotations

from fairlead.pipeline.sources.on_disk import (
    KINDS,
    SIZE_LIMIT,
    SIZE_LIMITS,
    BuiltIn,
    DocumentRef,
    description_of,
    discover,
    discover_installed,
    read_bytes,
    spread,
    title_of,
)
from fairlead.pipeline.sources.port import (
    START,
    Discovery,
    Found,
    Position,
    Record,
    Source,
    Transcript,
)

__all__ = [
    "KINDS",
    "SIZE_LIMIT",
    "SIZE_LIMITS",
    "START",
    "BuiltIn",
    "Discovery",
    "DocumentRef",
    "Found",
    "Position",
    "Record",
    "Source",
    "Transcript",
    "description_of",
    "discover",
    "discover_installed",
    "read_bytes",
    "spread",
    "title_of",
]
