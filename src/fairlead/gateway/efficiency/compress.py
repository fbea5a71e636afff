"""Shortening a context: lossless steps first, then by choice of sentences; with a handle to the original.

Only what is handed in is shortened, never turns that were sent before: providers discount prompts whose beginning
they have seen, and a rewritten beginning costs more than it saves. The same context and question always give the same
text, byte for byte.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import orjson

from fairlead.clock import Clock
from fairlead.errors import NotFoundError
from fairlead.gateway.attribution import Attribution, require_attribution
from fairlead.gateway.efficiency.columnar import encode
from fairlead.gateway.efficiency.repetition import fold
from fairlead.gateway.efficiency.selection import select
from fairlead.gateway.tokens import estimate_tokens
from fairlead.store import gateway as rows
from fairlead.store.database import Database

_LEAST_TOKENS = 60
"""Shorter contexts are left alone: the marker would eat the saving."""


class Step(NamedTuple):
    """One thing that was done. ``lossless`` says whether the text alone gives the original back."""

    name: str
    lossless: bool
    tokens_before: int
    tokens_after: int


class Shortened(NamedTuple):
    """The report of a shortening. ``handle`` brings the original back; empty when nothing was changed. Token counts
    are estimates (:func:`fairlead.gateway.tokens.estimate_tokens`)."""

    text: str
    tokens_before: int
    tokens_after: int
    steps: tuple[Step, ...]
    dropped: tuple[str, ...]
    handle: str

    @property
    def tokens_saved(self) -> int:
        return self.tokens_before - self.tokens_after

    def to_dict(self) -> dict[str, Any]:
        return {
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
            "tokens_saved": self.tokens_saved,
            "steps": [step._asdict() for step in self.steps],
            "dropped": list(self.dropped),
            "handle": self.handle,
        }


def shorten(text: str, *, question: str = "", lossy: bool = True) -> Shortened:
    """Shortens ``text`` for ``question``; without ``lossy`` only by steps that lose nothing. A pure function."""
    before = estimate_tokens(text)
    handle = handle_of(text)
    if before < _LEAST_TOKENS:
        return Shortened(text, before, before, (), (), "")
    steps: list[Step] = []
    structured = _columnar(text)
    current = text
    for name, changed in (("columnar", structured), ("repetition", fold(text) if structured is None else None)):
        if changed is not None and changed != current and estimate_tokens(changed) < estimate_tokens(current):
            steps.append(Step(name, True, estimate_tokens(current), estimate_tokens(changed)))
            current = changed
    dropped: tuple[str, ...] = ()
    if lossy and question.strip() and structured is None and not steps:
        selection = select(question, text)
        marked = f"{selection.text}\n[{len(selection.dropped)} sentences left out: {handle}]"
        if selection.dropped and estimate_tokens(marked) < estimate_tokens(current):
            steps.append(Step("sentences", False, estimate_tokens(current), estimate_tokens(marked)))
            current, dropped = marked, selection.dropped
    return Shortened(current, before, estimate_tokens(current), tuple(steps), dropped, handle if steps else "")


def handle_of(text: str) -> str:
    """The handle of an original: the same text always has the same."""
    return f"ctx_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _columnar(text: str) -> str | None:
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return None
    try:
        value = orjson.loads(stripped)
    except orjson.JSONDecodeError:
        return None
    return encode(value)


class Shortener:
    """Shortens and keeps the originals, so that nothing is lost for good."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def shorten(self, who: Attribution, text: str, *, question: str = "", lossy: bool = True) -> Shortened:
        """:func:`shorten`, with the original stored under its handle for the tenant's workspace."""
        found = shorten(text, question=question, lossy=lossy)
        if found.handle:
            now = self._clock.now()
            self._database.later(lambda tx: rows.keep_original(tx, who.tenant, who.workspace, found.handle, text, now))
        return found

    def original(self, handle: str) -> str:
        """The original behind a handle, for the tenant and workspace of the current context."""
        who = require_attribution()
        text = self._database.read_sync(lambda r: rows.original_of(r, who.tenant, who.workspace, handle))
        if text is None:
            raise NotFoundError(
                f"there is no original {handle!r} in this workspace.",
                remedy="Give the handle that the shortened text names.",
                field="handle",
                value=handle,
            )
        return text
