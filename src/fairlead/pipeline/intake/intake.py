"""Intake: the front door for what is to be taken in, for whoever holds an opened Fairlead."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError
from fairlead.events import draft
from fairlead.memory import Memory
from fairlead.pipeline.documents import short_id
from fairlead.pipeline.intake.fetching import is_local, source_for
from fairlead.pipeline.intake.uploads import MOST_FILES, Given, Kept, UploadResult, folder_of, receive_all
from fairlead.pipeline.intake.watching import Watches
from fairlead.pipeline.intake.worker import Worker, WorkerOptions
from fairlead.pipeline.jobs import JobRequest, Jobs, Submitted
from fairlead.pipeline.sources import SIZE_LIMIT, discover
from fairlead.pipeline.sources.opening import Sources
from fairlead.store import Database
from fairlead.store.database import Transaction
from fairlead.store.pipeline_items import ItemRow, ProvenanceRow, items_of, provenance_of
from fairlead.tenancy import require_tenant

STDIN = "-"


class Intake:
    """Submits sources for the current tenant, makes workers, and tells what was taken in.

    ``sources`` fetch what is elsewhere; :meth:`close` closes them.
    """

    def __init__(self, database: Database, memory: Memory, clock: Clock, home: Path, sources: Sources) -> None:
        self._database = database
        self._memory = memory
        self._clock = clock
        self._home = home
        self.sources = sources
        self.jobs = Jobs(database, clock)
        self.watches = Watches(database, clock, sources)

    async def submit(
        self,
        inputs: Sequence[str | Path],
        *,
        tags: Iterable[str] = (),
        source: str = "",
        priority: str = "medium",
        visibility: str = "public",
        cause: str = "library",
        batch: str | None = None,
        **options: Any,
    ) -> list[Submitted]:
        """Accepts URLs, files and folders durably, as one job for each file and URL; a worker carries them out.

        ``options`` are those of :class:`JobRequest`. Raises
        :class:`NotFoundError` for a path that does not exist and :class:`InvalidInputError` for what no source takes.
        """
        given = {name: value for name, value in options.items() if value not in (None, "", False)}
        addresses = await asyncio.to_thread(self._addresses, [str(one) for one in inputs], source)
        requests = [
            JobRequest(address, source, "", tuple(tags), given, visibility, priority)
            for address in dict.fromkeys(addresses)
        ]
        return await self.jobs.submit(requests, cause=cause, batch=batch)

    async def keep_text(self, text: bytes, *, title: str = "Standard input", ending: str = ".txt") -> Path:
        """Keeps a text that is in no file, so that a job of it survives this process; the same text is kept once."""
        if len(text) > SIZE_LIMIT:
            raise InvalidInputError(f"the text has {len(text):,} bytes.", remedy="Split it.", field="text")
        tenant = require_tenant()
        folder = folder_of(self._home, tenant)
        path = folder / f"text_{hashlib.sha256(text).hexdigest()[:20]}{ending}"

        def keep() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{short_id('part', f'{os.getpid()}{path.name}')}"
            partial.write_bytes(text)
            partial.replace(path)

        await asyncio.to_thread(keep)
        return path.resolve()

    async def upload(
        self, files: Sequence[Given], *, tags: Iterable[str] = (), cause: str = "library", **options: Any
    ) -> UploadResult:
        """Takes up to 20 files of 100 MB each: streamed to disk, told by their content, and queued as one batch.

        Each file has an outcome of its own; only a batch that is no batch raises :class:`InvalidInputError`.
        """
        if not 1 <= len(files) <= MOST_FILES:
            raise InvalidInputError(
                f"there are {len(files)} files.", remedy=f"Upload 1 to {MOST_FILES} at once.", field="files"
            )
        tenant = require_tenant()
        result = await asyncio.to_thread(receive_all, files, folder_of(self._home, tenant), self._clock)
        submitted = await self.take_uploads(result.files, tags=tags, cause=cause, **options)
        return result._replace(jobs=tuple(one.job.id for one in submitted))

    async def take_uploads(
        self, kept: Sequence[Kept], *, tags: Iterable[str] = (), cause: str = "library", **options: Any
    ) -> list[Submitted]:
        """Accepts files that were kept as jobs, as far as something reads them, and tells that they were received."""
        tenant, now = require_tenant(), self._clock.now()
        given = {name: value for name, value in options.items() if value not in (None, "", False)}
        requests = [
            JobRequest(
                str(one.path.resolve()),
                external_id=one.key,
                tags=tuple(tags),
                options={**given, "title": one.original, "kind": one.kind},
            )
            for one in kept
            if one.kind
        ]
        submitting = self.jobs.submitting(requests, cause=cause)
        facts = [(one.key, one.to_dict()) for one in kept]
        events = [
            draft("upload.received", str(tenant), key, data, source="pipeline", cause=cause, time=now)
            for key, data in facts
        ]

        def unit(tx: Transaction) -> list[Submitted]:
            tx.emit(*events)
            submitted: list[Submitted] = submitting(tx)
            return submitted

        return await self._database.write(unit) if kept else []

    def worker(self, *, tenant: str | None = None, processes: int = 0) -> Worker:
        """A worker for ``tenant`` (``tenant:workspace``), or for all tenants."""
        options = WorkerOptions(self._home / "owners", self._home / "media", tenant, processes)
        return Worker(self._database, self._memory, self._clock, sources=self.sources, options=options)

    async def close(self) -> None:
        """Lets go of connections."""
        await self.sources.aclose()

    async def items(self, *, name: str | None = None, limit: int = 1000) -> list[ItemRow]:
        """What memory holds of sources, the latest changed first."""
        tenant = str(require_tenant())
        return await self._database.read(lambda reader: items_of(reader, tenant, name, limit))

    async def provenance(self, source: str, *, name: str = "content") -> list[ProvenanceRow]:
        """Every change of what memory holds of a source, oldest first."""
        tenant = str(require_tenant())
        return await self._database.read(lambda reader: provenance_of(reader, tenant, name, source))

    def _addresses(self, inputs: Sequence[str], source: str) -> list[str]:
        addresses: list[str] = []
        for given in inputs:
            # Asked here so that a word that nothing can fetch is refused before anything is stored.
            source_for(JobRequest(given, source), self.sources)
            addresses += [ref.path for ref in discover([given]) if ref.path] if is_local(given) else [given]
        if not addresses:
            raise InvalidInputError(
                "there is nothing to take in.", remedy="Give URLs, files, or folders with documents.", field="inputs"
            )
        return addresses
