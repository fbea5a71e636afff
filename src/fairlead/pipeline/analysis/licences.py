"""Which licence a text is, by phrases that only that licence has, and who holds the copyright.

Identifiers are those of SPDX. A text that matches none is ``""``: unknown, not guessed.
"""

from __future__ import annotations

import re

from fairlead.pipeline.documents import Document

_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Apache-2.0", ("apache license", "version 2.0, january 2004")),
    ("Apache-2.0", ("apache license, version 2.0",)),
    ("Apache-2.0", ("as defined by sections 1 through 9 of this document",)),
    ("MPL-2.0", ("mozilla public license", "covered software")),
    ("MPL-2.0", ("contributor version", "covered software")),
    ("MPL-2.0", ("mozilla public license, v. 2.0",)),
    ("AGPL-3.0", ("gnu affero general public license", "version 3")),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3")),
    ("LGPL-2.1", ("lesser general public license", "version 2.1")),
    ("GPL-3.0", ("gnu general public license", "version 3")),
    ("GPL-2.0", ("gnu general public license", "version 2")),
    ("PSF-2.0", ("psf license agreement", "python software foundation")),
    ("PSF-2.0", ("python software foundation license version 2",)),
    ("BSL-1.0", ("boost software license",)),
    ("Unlicense", ("released into the public domain", "unencumbered")),
    ("BSD-3-Clause", ("redistributions of source code must retain", "neither the name")),
    ("BSD-3-Clause", ("redistributions of source code must retain", "names of its contributors may")),
    ("BSD-2-Clause", ("redistributions of source code must retain", "redistributions in binary form")),
    (
        "ISC",
        ("permission to use, copy, modify, and/or distribute this software for any purpose", "the author disclaim"),
    ),
    ("ISC", ("permission to use, copy, modify, and/or distribute", "with or without fee")),
    ("MIT-0", ("mit no attribution",)),
    ("MIT", ("permission is hereby granted, free of charge", "substantial portions of the software")),
)
_TELL_OF_GPL = frozenset({"AGPL-3.0", "LGPL-2.1", "LGPL-3.0", "MPL-2.0"})
"""Licences whose own texts name the GPL, some of them before themselves."""
_HOLDER = re.compile(
    r"copyright\s+(?:\(c\)|©)?\s*(?:[\d,\s–-]+(?:present)?,?\s+)(?:by\s+)?"
    r"([A-Z][^.\n(<]{2,60}?)(?=\s*(?:[.(<\n]|all rights|permission|$))",
    re.IGNORECASE,
)
_APACHE_ONLY = re.compile(r"\[(?:yyyy|name of copyright owner)\]")


def _with_headings(document: Document) -> str:
    """The text with each heading before what it stands over: a licence's name is often one."""
    parts: list[str] = []
    heading = ""
    for segment in document.segments:
        if segment.heading != heading:
            heading = segment.heading
            parts.append(heading)
        parts.append(segment.text)
    return "\n".join(parts)


def identify_licence(document: Document) -> tuple[str, list[str]]:
    """The SPDX identifier (of the first licence in a file that holds several) and up to three holders."""
    text = document.text
    low = " ".join(_with_headings(document).lower().split())
    found = [(low.find(phrases[0]), name) for name, phrases in _PHRASES if all(phrase in low for phrase in phrases)]
    if any(name in _TELL_OF_GPL for _, name in found):
        found = [(place, name) for place, name in found if not name.startswith("GPL-")]
    name = min(found, key=lambda pair: pair[0])[1] if found else ""
    holders: list[str] = []
    for match in _HOLDER.finditer(text[:4000]):
        holder = " ".join(match.group(1).split()).strip(" ,;")
        if holder not in holders and not _APACHE_ONLY.search(holder) and len(holder.split()) <= 8:
            holders.append(holder)
    return name, holders[:3]
