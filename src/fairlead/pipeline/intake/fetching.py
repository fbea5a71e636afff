"""What a job's address gives: one document to understand, or several addresses that are jobs of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fairlead.errors import InvalidInputError, MissingDependencyError, NotFoundError, RefusedError
from fairlead.pipeline.documents import short_id
from fairlead.pipeline.jobs import JobRequest
from fairlead.pipeline.sources import START, DocumentRef, Found, Position, Record, Source, discover
from fairlead.pipeline.sources.files import MEDIA
from fairlead.pipeline.sources.opening import Sources
from fairlead.store.pipeline import JobRow

MOST_ITEMS = 50
"""Items of a channel or feed that one job asks for unless its options say otherwise."""

_SHORTEST_DESCRIPTION = 80


class Content(NamedTuple):
    """One document. ``data`` is None for a file, which the process that understands it reads itself.

    ``source`` is what every passage of it names as its source, and what it is known by when it is taken in again;
    ``url`` is where a person reads it. ``position`` is what the source said about this version of it.
    """

    source: str
    ref: DocumentRef
    form: str = ""
    data: bytes | None = None
    record: Record | None = None
    position: Position = START
    note: str = ""

    @property
    def url(self) -> str:
        """A page may say that its address is another one; it is believed about its own host only."""
        own = self.record.url if self.record is not None else ""
        return own if own and (not _is_web(self.record) or _host(own) == _host(self.source)) else self.source


class Several(NamedTuple):
    """An address that holds items, newest first."""

    items: tuple[Found, ...]


class Unchanged(NamedTuple):
    """An item that says what it said when it was last taken in: the source stated so, or its bytes are the same."""

    source: str


def is_local(address: str) -> bool:
    """Whether the address is a path of this machine."""
    return "://" not in address


async def fetch(
    job: JobRow | JobRequest, sources: Sources, folder: Path, known: Position = START
) -> Content | Several | Unchanged:
    """What the address gives; ``known`` is the position of what memory holds of it. Media are fetched into ``folder``.

    Errors are those of the source, or :class:`InvalidInputError` for a file.
    """
    if is_local(job.address) and PurePath(job.address).suffix.lower() not in MEDIA:
        return await asyncio.to_thread(_of_file, job)
    source = source_for(job, sources)
    looked = await source.discover(job.address, known, int(job.options.get("limit") or MOST_ITEMS))
    if looked.unchanged:
        return Unchanged(job.address)
    if [item.url for item in looked.items] != [job.address]:
        return Several(looked.items)
    record = await source.metadata(job.address)
    return await _spoken(job, sources, source, record, folder, looked.position)


def source_for(job: JobRow | JobRequest, sources: Sources) -> Source:
    """The source that answers for the job's address, which has to be the one that the job names, if it names one."""
    if not job.source:
        return sources.of(job.address)
    known: dict[str, Source] = {source.name: source for source in sources}
    if job.source in known and known[job.source].accepts(job.address):
        return known[job.source]
    raise InvalidInputError(
        f"source {job.source!r} does not take {job.address!r}.",
        remedy=f"Leave it out, or use one of {', '.join(sorted(known))}.",
        field="source",
        value=job.source,
    )


async def _spoken(
    job: JobRow | JobRequest, sources: Sources, source: Source, record: Record, folder: Path, position: Position
) -> Content:
    name = record.external_id if _is_web(record) else record.url
    ref = DocumentRef(short_id("doc", name), _title(job, record), record.kind, origin=name)
    try:
        if job.source:
            transcript = await source.transcript(job.address, record)
        else:
            transcript = await sources.words(job.address, record, folder)
    except (MissingDependencyError, NotFoundError):
        # A recording that nobody can listen to here is still described.
        if len(record.description) < _SHORTEST_DESCRIPTION:
            raise
        transcript = None
    if transcript is not None and transcript.content:
        ref = ref._replace(bytes=len(transcript.content))
        note = "" if transcript.origin in ("captions", "page", "file") else f"the words are by {transcript.origin}"
        return Content(name, ref, transcript.format, transcript.content, record, position, note)
    if len(record.description) >= _SHORTEST_DESCRIPTION:
        words = record.description.encode()
        return Content(name, ref, "text", words, record, START, "it has no transcript: only its description was read")
    raise NotFoundError(
        f"{job.address} has no captions and no text.", remedy="Give a transcript as a file.", address=job.address
    )


def _is_web(record: Record | None) -> bool:
    """Whether the record's URL is what a page or a feed says about itself, and not what a platform says."""
    return record is not None and record.source == "web"


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _title(job: JobRow | JobRequest, record: Record) -> str:
    return str(job.options.get("title") or record.title or record.url)


def _of_file(job: JobRow | JobRequest) -> Content:
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
