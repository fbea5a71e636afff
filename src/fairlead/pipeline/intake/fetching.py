"""What a job's address gives: one document to understand, or several addresses that are jobs of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError, NotFoundError, RefusedError
from fairlead.pipeline.documents import short_id
from fairlead.pipeline.sources import START, DocumentRef, Found, Record, Source, discover
from fairlead.store.pipeline import JobRow

FindSource = Callable[[str, str], Source]
"""The source that answers for an address, or the one of the given name; raises :class:`InvalidInputError`."""

MOST_ITEMS = 50
"""Items of a channel or feed that one job asks for unless its options say otherwise."""

_SHORTEST_DESCRIPTION = 80


class Content(NamedTuple):
    """One document. ``data`` is None for a file, which the process that understands it reads itself.

    ``source`` is what every passage of it names as its source: the URL where a person reads it, or the path.
    """

    source: str
    ref: DocumentRef
    form: str = ""
    data: bytes | None = None
    record: Record | None = None
    note: str = ""


class Several(NamedTuple):
    """An address that holds items, newest first."""

    items: tuple[Found, ...]


def is_local(address: str) -> bool:
    """Whether the address is a path of this machine."""
    return "://" not in address


async def fetch(job: JobRow, find: FindSource) -> Content | Several:
    """What the address gives. Errors are those of the source, or :class:`InvalidInputError` for a file."""
    if is_local(job.address):
        return await asyncio.to_thread(_of_file, job)
    source = find(job.address, job.source)
    # A channel holds items; an item is what discovering it finds.
    if not job.external_id:
        limit = int(job.options.get("limit") or MOST_ITEMS)
        found = (await source.discover(job.address, START, limit)).items
        if [item.url for item in found] != [job.address]:
            return Several(found)
    record = await source.metadata(job.address)
    return await _spoken(source, job, record)


async def _spoken(source: Source, job: JobRow, record: Record) -> Content:
    transcript = await source.transcript(job.address, record)
    ref = DocumentRef(short_id("doc", record.url), _title(job, record), record.kind, origin=record.url)
    if transcript is not None and transcript.content:
        ref = ref._replace(bytes=len(transcript.content))
        note = "" if transcript.origin in ("captions", "page", "file") else f"words by {transcript.origin}"
        return Content(record.url, ref, transcript.format, transcript.content, record, note)
    if len(record.description) >= _SHORTEST_DESCRIPTION:
        words = record.description.encode()
        return Content(record.url, ref, "text", words, record, "no transcript: only its description was read")
    raise NotFoundError(
        f"{job.address} has no captions and no text.",
        remedy="Install the extra that listens to speech, or give a transcript as a file.",
        address=job.address,
    )


def _title(job: JobRow, record: Record) -> str:
    return str(job.options.get("title") or record.title or record.url)


def _of_file(job: JobRow) -> Content:
    options: dict[str, Any] = dict(job.options)
    try:
        found = discover([job.address])
    except NotFoundError as exc:
        raise RefusedError(f"{job.address} is not there any more.", remedy="Give an existing file.") from exc
    if len(found) != 1 or found[0].path != job.address:
        raise InvalidInputError(
            f"{job.address} is no single file.", remedy="Give its files, or ingest the folder.", field="address"
        )
    ref = found[0]._replace(id=short_id("doc", job.address))
    if options.get("kind"):
        # An upload's type was told by its content, whatever its name ends in.
        ref = ref._replace(kind=str(options["kind"]), error="" if "are not read" in ref.error else ref.error)
    if options.get("title"):
        ref = ref._replace(title=str(options["title"]))
    if ref.error:
        raise InvalidInputError(f"{ref.title}: {ref.error}.", remedy="Mend it, or leave it out.", field="content")
    return Content(job.address, ref)
