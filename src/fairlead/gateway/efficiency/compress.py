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
from fairlead.store import gateway_kept as rows
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
    current = text
    dropped: tuple[str, ...] = ()
    structured = _columnar(text)
    if structured is not None:
        current = _taken(steps, "columnar", True, current, structured)
    elif lossy and question.strip():
        selection = select(question, text)
        marked = f"{selection.text}\n[{len(selection.dropped)} sentences left out: {handle}]"
        if selection.dropped:
            current = _taken(steps, "sentences", False, current, marked)
            dropped = selection.dropped if current == marked else ()
    if structured is None:
        # Folding comes last, because sentences cannot be told apart in folded text.
        current = _taken(steps, "repetition", True, current, fold(current))
    return Shortened(current, before, estimate_tokens(current), tuple(steps), dropped, handle if steps else "")


def _taken(steps: list[Step], name: str, lossless: bool, current: str, changed: str) -> str:
    """The changed text, with its step written down, when it is shorter; else the current one."""
    before, after = estimate_tokens(current), estimate_tokens(changed)
    if changed == current or after >= before:
        return current
    steps.append(Step(name, lossless, before, after))
    return changed


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
