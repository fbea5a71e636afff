"""The style of the HTML brief: one sheet for light and dark, phone to desktop, and the colours of the themes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

HUES = (212, 158, 28, 280, 340, 95, 190, 48, 250)
"""Hue of each theme's colour, in degrees."""


@lru_cache(maxsize=1)
def style_sheet() -> str:
    """The sheet, as one text to be put inside the page."""
    return (Path(__file__).parent / "brief.css").read_text(encoding="utf-8").replace("\n", "")
