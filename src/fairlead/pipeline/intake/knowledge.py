"""What becomes of an understood document: passages in memory, names in the graph, and where each came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.clock import Clock
from fairlead.events import draft
from fairlead.ids import new_id
from fairlead.memory import Memory, NewEntry, Renewal
from fairlead.pipeline.fetch import shown
from fairlead.pipeline.intake.fetching import Content
from fairlead.pipeline.sources import START, Position, Record
from fairlead.store import Database
from fairlead.store.database import Reader, Transaction
from fairlead.store.pipeline import JobRow
from fairlead.store.pipeline_items import (
    ItemRow,
    ProvenanceRow,
    add_provenance,
    item_of,
    passages_held,
    put_item,
    touch_item,
)
from fairlead.tenancy import require_tenant

COLLECTION = "content"
"""The name in memory under which sources are kept unless a job says otherwise."""

End = Callable[[Mapping[str, Any]], Callable[[Transaction], None]]
"""Gives the unit that ends a job with a result, to be written with what the job brought."""


def collection_of(job: JobRow) -> str:
    return str(job.options.get("name") or COLLECTION)


class Knowledge:
    """Memory and its provenance, for the tenant of the current context."""

    def __init__(self, database: Database, memory: Memory, clock: Clock) -> None:
        self._database = database
        self._memory = memory
        self._clock = clock

    async def position(self, job: JobRow) -> Position:
        """What a server said about the version that memory holds; START when it has to be fetched whole."""
        item = await self._held(job, job.address)
        if item is None or "position" not in item.record:
            return START
        # Imported here: a worker leaves analysis, and what that loads, to its processes.
        from fairlead.pipeline.intake.understanding import fingerprint_of

        redact, overlap = bool(job.options.get("redact")), int(job.options.get("overlap") or 0)
        as_now = fingerprint_of(item.checksum, redact=redact, overlap=overlap)
        return Position(**item.record["position"]) if item.fingerprint == as_now else START

    async def known(self, job: JobRow, source: str) -> str:
        """The fingerprint of what memory holds of a source; empty when it has to be understood (again)."""
        item = await self._held(job, source)
        return "" if item is None else item.fingerprint

    async def _held(self, job: JobRow, source: str) -> ItemRow | None:
        """What is held of a source, unless its passages are not all there any more, or the job brings new tags."""
        tenant, collection, now = require_tenant(), collection_of(job), self._clock.now()

        def read(reader: Reader) -> ItemRow | None:
            item = item_of(reader, str(tenant), collection, source)
            if item is None or not set(job.tags) <= set(item.tags):
                return None
            return item if passages_held(reader, tenant, collection, source, now) >= item.passages else None

        return await self._database.read(read)

    async def unchanged(self, job: JobRow, source: str, end: End) -> dict[str, Any]:
        """Ends a job whose source says what it said before; nothing of it is written again."""
        tenant, collection, now = str(require_tenant()), collection_of(job), self._clock.now()
        result: dict[str, Any] = {"source": source, "unchanged": True, "passages": 0}

        def unit(tx: Transaction) -> None:
            item = item_of(tx, tenant, collection, source)
            if item is not None:
                touch_item(tx, item, now)
            end({**result, "held": item.passages if item else 0})(tx)

        await self._database.write(unit)
        return result

    async def keep(self, job: JobRow, content: Content, found: Mapping[str, Any], end: End) -> dict[str, Any]:
        """Makes the passages what memory holds of the source, and ends the job, in one transaction."""
        tenant, collection = str(require_tenant()), collection_of(job)
        entries = [_entry(job, content, passage) for passage in found["passages"]]
        result: dict[str, Any] = {}

        def also(tx: Transaction, renewal: Renewal) -> None:
            now = self._clock.now()
            before = item_of(tx, tenant, collection, content.source)
            item = _item(tenant, collection, job, content, found, renewal, before, now)
            put_item(tx, item)
            if renewal.added or renewal.removed or before is None:
                add_provenance(tx, _provenance(item, job, renewal, now))
            result.update(_result(item, found, renewal, content))
            place, cause = shown(content.source), f"job:{job.id}"
            data = {**result, "source": place, "collection": collection, "job": job.id}
            tx.emit(draft("source.ingested", tenant, place, data, source="pipeline", cause=cause, time=now))
            end(result)(tx)

        await self._memory.renew(content.source, entries, name=collection, cause=f"job:{job.id}", also=also)
        return result


def _entry(job: JobRow, content: Content, passage: Mapping[str, Any]) -> NewEntry:
    """One passage as memory keeps it. Nothing in it depends on when or how often it was read."""
    record = content.record
    metadata = {
        name: value
        for name, value in passage.items()
        if name not in ("text", "source", "about", "entities", "relations") and value is not None
    }
    relations = [(str(a), str(kind), str(b)) for a, kind, b in passage["relations"]]
    if record is not None:
        metadata |= {"url": content.url, **_told(record)}
        if record.creator:
            relations += [(record.creator, "published", name) for name in passage["entities"][:3]]
    return NewEntry(
        content=passage["text"],
        source=content.source,
        span=(passage["start_char"], passage["end_char"]),
        tags=job.tags,
        metadata=metadata,
        entities=tuple(passage["entities"]),
        relations=tuple(relations),
    )


def _told(record: Record) -> dict[str, Any]:
    facts = {"creator": record.creator, "published_at": record.published_at, "episode_id": record.external_id}
    return {name: value for name, value in facts.items() if value not in ("", None)}


def _item(
    tenant: str,
    collection: str,
    job: JobRow,
    content: Content,
    found: Mapping[str, Any],
    renewal: Renewal,
    before: ItemRow | None,
    now: float,
) -> ItemRow:
    document = found["document"]
    changed = bool(renewal.added or renewal.removed)
    return ItemRow(
        tenant=tenant,
        collection=collection,
        source=content.source,
        title=document["title"],
        kind=document["kind"],
        language=document["language"],
        checksum=document["checksum"],
        fingerprint=found["fingerprint"],
        tags=tuple(dict.fromkeys((*(before.tags if before else ()), *job.tags))),
        record=_remembered(content),
        words=found["words"],
        passages=renewal.added + renewal.kept,
        created=now,
        changed=now if changed or before is None else before.changed,
        seen=now,
    )


def _remembered(content: Content) -> dict[str, Any]:
    """What the source says about the item, and about this version of it."""
    if content.record is None:
        return {}
    facts = content.record._asdict()
    said = {name: getattr(content.position, name) for name in ("etag", "last_modified")}
    return {**facts, "position": said} if any(said.values()) else facts


def _provenance(item: ItemRow, job: JobRow, renewal: Renewal, now: float) -> ProvenanceRow:
    return ProvenanceRow(
        new_id("prv"), item.tenant, item.collection, item.source, item.checksum, job.id, *renewal, at=now
    )


def _result(item: ItemRow, found: Mapping[str, Any], renewal: Renewal, content: Content) -> dict[str, Any]:
    warnings = [*found["document"]["warnings"], *([content.note] if content.note else [])]
    return {
        "source": item.source,
        "namespace": f"{item.tenant}:{item.collection}",
        "title": item.title,
        "kind": item.kind,
        "language": item.language,
        "checksum": item.checksum,
        "words": item.words,
        "passages": item.passages,
        "added": renewal.added,
        "kept": renewal.kept,
        "removed": renewal.removed,
        "repeated": found["repeated"],
        "key_phrases": found["key_phrases"],
        **({"warnings": warnings} if warnings else {}),
    }
