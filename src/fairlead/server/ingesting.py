"""Taking in over the server: URLs, uploads and texts become durable jobs, which a worker of the server carries out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fairlead.app import Fairlead
from fairlead.errors import ForbiddenError, InvalidInputError, NotFoundError
from fairlead.ids import new_id
from fairlead.pipeline.intake.uploads import folder_of
from fairlead.pipeline.jobs import job_view
from fairlead.server.access import Caller
from fairlead.server.borrowed import RemoteContext
from fairlead.server.desk import Desk
from fairlead.tenancy import use_tenant

if TYPE_CHECKING:
    from fairlead.pipeline.intake.worker import Worker

_log = logging.getLogger(__name__)
_SCHEMES = ("http://", "https://")
_MOST = 1000


class Ingesting:
    """The verb ``ingest``, as a caller elsewhere gets it: submitted and not waited for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lead = desk.lead
        desk.answers["ingest"] = self.ingest

    async def ingest(self, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
        intake = self._lead.intake
        options = {name: given[name] for name in ("source", "name", "redact", "limit", "priority") if name in given}
        title, tags = given.get("title"), [tag for text in given.get("tags", ()) for tag in text.split(",") if tag]
        inputs = [*map(_url, given.get("urls", ())), *(self._upload(caller, key) for key in given.get("uploads", ()))]
        if given.get("text") is not None:
            if not given["text"].strip():
                raise InvalidInputError("the text is empty.", remedy="Say something.", field="text")
            inputs.append(str(await intake.keep_text(given["text"].encode())))
        if not 1 <= len(inputs) <= _MOST:
            raise InvalidInputError(
                f"there are {len(inputs)} things to take in.",
                remedy=f"Give 1 to {_MOST:,} urls, uploads or a text.",
                field="urls",
            )
        if title is not None and len(inputs) > 1:
            raise InvalidInputError("a title is for one thing.", remedy="Leave it out.", field="title")
        batch = new_id("bat")
        cause = RemoteContext(self._lead, caller).cause
        submitted = await intake.submit(inputs, tags=tags, cause=cause, batch=batch, title=title, **options)
        return {"batch": batch, "jobs": [{**job_view(one.job), "known": one.known} for one in submitted]}

    def _upload(self, caller: Caller, key: str) -> str:
        """The path of an upload of the caller's tenant."""
        folder = folder_of(self._lead.settings.home, caller.tenant).resolve()
        path = (folder / key.removeprefix("uploads/")).resolve()
        if not key.startswith("uploads/") or path.parent != folder:
            raise ForbiddenError(
                f"{key[:200]!r} is no upload.", remedy="Give the path of an upload's answer.", field="uploads"
            )
        if not path.is_file():
            raise NotFoundError(f"there is no upload {key[:200]!r}.", remedy="Upload it first.", field="uploads")
        return str(path)


def _url(text: str) -> str:
    # Without this a word would be looked for among the machine's files.
    if not text.lower().startswith(_SCHEMES):
        raise InvalidInputError(
            f"{text[:200]!r} is no URL of the web.", remedy="Give http:// or https:// addresses.", field="urls"
        )
    return text


@asynccontextmanager
async def working(lead: Fairlead, grace: float) -> AsyncIterator[None]:
    """A worker for the jobs of all tenants, and the memory's index loaded beside it, for the length of the block.

    Both begin in the background, so that the server answers before they have. At the end the worker takes no more and
    has ``grace`` seconds to finish; what it has then goes back into the queue.
    """
    workers: list[Worker] = []
    beginning = asyncio.create_task(_begin(lead, workers))
    try:
        yield
    finally:
        beginning.cancel()
        await asyncio.wait([beginning])
        for worker in workers:
            try:
                async with asyncio.timeout(grace):
                    await worker.drain()
            except TimeoutError:
                await worker.stop()


async def _begin(lead: Fairlead, workers: list[Worker]) -> None:
    def load() -> None:
        import fairlead.pipeline.intake.intake
        import fairlead.pipeline.sources.opening  # noqa: F401 - what takes long is loaded away from the loop

    try:
        await asyncio.to_thread(load)
        workers.append(lead.intake.worker())
        await workers[0].start()
        with use_tenant(lead.tenant):
            # So that the first question does not wait for the index of what the server's own tenant remembers.
            for name in await lead.memory.names():
                await lead.memory.warm(name=name)
    except Exception:
        _log.exception("the worker or the memory's index could not be begun; jobs wait and questions load it")
        raise
