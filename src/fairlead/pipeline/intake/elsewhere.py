"""Documents of elsewhere as steps of a workflow: references that a journal can keep, and what they name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairlead.errors import RefusedError
from fairlead.pipeline.documents import short_id
from fairlead.pipeline.intake.fetching import MOST_ITEMS, Content, fetch
from fairlead.pipeline.jobs import JobRequest
from fairlead.pipeline.parsing import parse_bytes
from fairlead.pipeline.sources import START, DocumentRef
from fairlead.pipeline.sources.opening import Sources

_ORIGIN = "url:"


async def discover_elsewhere(addresses: Sequence[str], sources: Sources) -> list[dict[str, Any]]:
    """References to the items at each address; one that cannot be had is in the list with its ``error``."""
    found = await asyncio.gather(*(_items_at(address, sources) for address in addresses))
    return list({ref.id: ref.to_dict() for refs in found for ref in refs}.values())


async def _items_at(address: str, sources: Sources) -> list[DocumentRef]:
    try:
        items = (await sources.of(address).discover(address, START, MOST_ITEMS)).items
    except RefusedError as exc:
        return [DocumentRef(short_id("doc", address), address, "page", origin=_ORIGIN + address, error=exc.message)]
    return [
        DocumentRef(short_id("doc", item.url), item.title or item.url, "page", origin=_ORIGIN + item.url)
        for item in items
    ]


async def parse_elsewhere(ref: dict[str, Any], sources: Sources, folder: Path) -> dict[str, Any]:
    """The document that a reference of :func:`discover_elsewhere` names, or why it cannot be read."""
    address = str(ref["origin"]).removeprefix(_ORIGIN)
    unread = {"id": ref["id"], "title": ref["title"], "kind": ref["kind"], "source": address}
    if ref.get("error"):
        return {**unread, "error": ref["error"]}
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    try:
        content = await fetch(JobRequest(address), sources, folder)
        if not isinstance(content, Content) or content.data is None:
            return {**unread, "error": "it holds several items; give theirs"}
        document = await asyncio.to_thread(parse_bytes, content.ref, content.data, content.form)
        return document.to_dict()
    except RefusedError as exc:
        return {**unread, "error": exc.message}
