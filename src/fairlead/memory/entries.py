"""What is remembered and what comes back: entries, hits, filters, and the reasons for a hit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.store.memory import EntryRow, Selection

LARGEST_CONTENT = 16 * 1024 * 1024
"""Bytes of UTF-8 in one entry at most."""

_NO_METADATA: Mapping[str, Any] = {}


class NewEntry(NamedTuple):
    """What is to be remembered.

    ``source`` says where it comes from (a URI, path or run id) and ``span`` which characters of it; an entry with the
    same content, type, source, span and key is the same entry. ``key`` names an entry that is replaced when it is
    remembered again with other content. ``expires`` is seconds since the epoch. ``entities`` are names that it
    mentions, ``relations`` are (source, kind, target) between such names. ``embedding`` is given when the caller has
    it; its length must be that of the namespace's model.
    """

    content: str
    content_type: str = "passage"
    source: str = ""
    span: tuple[int, int] | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = _NO_METADATA
    key: str | None = None
    expires: float | None = None
    entities: tuple[str, ...] = ()
    relations: tuple[tuple[str, str, str], ...] = ()
    success_score: float = 0.5
    created: float | None = None
    embedding: Any = None


class Entry(NamedTuple):
    """One remembered thing. Times are seconds since the epoch, UTC; ``address`` is its content's digest in hex."""

    id: str
    namespace: str
    content: str
    content_type: str
    source: str
    span: tuple[int, int] | None
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    key: str | None
    success_score: float
    usage_count: int
    last_used: float | None
    created: float
    updated: float
    expires: float | None
    version: int
    address: str

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "tags": list(self.tags), "span": list(self.span) if self.span else None}


class Hit(NamedTuple):
    """An entry that was recalled.

    ``score`` orders the hits. ``why`` holds each term that speaks for it, as a value from 0 to 1: ``lexical``,
    ``hashed``, ``semantic``, ``graph``, ``named``, ``context``, ``recency``, ``outcome``. ``source`` is the entry's;
    ``offsets`` are the (start, end) characters of its content where words of the query stand.
    """

    entry: Entry
    score: float
    why: Mapping[str, float]
    source: str
    offsets: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.entry.id,
            "score": round(self.score, 6),
            "why": {name: round(value, 6) for name, value in self.why.items()},
            "source": self.source,
            "span": list(self.entry.span) if self.entry.span else None,
            "offsets": [list(o) for o in self.offsets],
            "entry": self.entry.to_dict(),
        }


def make_selection(
    tags: Iterable[str] = (),
    content_types: Iterable[str] = (),
    sources: Iterable[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> Selection:
    """Which entries may be recalled: all of ``tags``, one of ``content_types``, one of ``sources``, created within."""
    return Selection(tuple(tags), tuple(content_types), tuple(sources), since, until)


def check_entry(new: NewEntry) -> NewEntry:
    """``new`` when it can be stored, else :class:`InvalidInputError` that names the field."""
    if not new.content.strip():
        raise _refused("content", new.content, "it must hold text", "Give the text that is to be remembered.")
    try:
        size = len(new.content.encode())
    except UnicodeEncodeError as exc:
        raise _refused("content", new.content[:80], "it holds half of a surrogate pair", "Decode it again.") from exc
    if size > LARGEST_CONTENT:
        raise _refused("content", f"{size} bytes", f"at most {LARGEST_CONTENT} are taken", "Split it into passages.")
    if not 0 <= new.success_score <= 1:
        raise _refused("success_score", new.success_score, "it must be from 0 to 1", "Scale it.")
    if new.span is not None and not 0 <= new.span[0] <= new.span[1]:
        raise _refused("span", new.span, "it must be (start, end) with 0 <= start <= end", "Count characters.")
    for tag in new.tags:
        if not tag.strip():
            raise _refused("tags", tag, "a tag is a non-empty text", "Leave empty tags out.")
    return new


def address_of(new: NewEntry) -> bytes:
    """SHA-256 over everything that makes an entry the same entry (32 bytes)."""
    span = f"{new.span[0]}-{new.span[1]}" if new.span else ""
    digest = hashlib.sha256()
    for part in (new.content_type, new.source, span, new.key or ""):
        raw = part.encode()
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    digest.update(new.content.encode())
    return digest.digest()


def entry_from_row(row: EntryRow, namespace: str) -> Entry:
    from orjson import loads

    span = None if row.span_start is None or row.span_end is None else (row.span_start, row.span_end)
    return Entry(
        id=row.id,
        namespace=namespace,
        content=row.content,
        content_type=row.content_type,
        source=row.source,
        span=span,
        tags=tuple(loads(row.tags)),
        metadata=loads(row.metadata),
        key=row.key,
        success_score=row.success_score,
        usage_count=row.usage_count,
        last_used=row.last_used,
        created=row.created,
        updated=row.updated,
        expires=row.expires,
        version=row.version,
        address=row.address.hex(),
    )


def _refused(field: str, value: Any, why: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"{field} is {value!r}, but {why}.", remedy=remedy, field=field, value=value)
