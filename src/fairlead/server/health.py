"""Health: whether it lives, whether it can take work, and what it is made of. Each answer is found out when asked."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from fastapi import FastAPI, Request, Response

from fairlead.errors import FairleadError
from fairlead.server.answers import caller_of, json_answer
from fairlead.server.desk import Desk
from fairlead.server.document import REFERENCE
from fairlead.server.feed import Feed
from fairlead.server.rest import responses

_LEAST_FREE = 64 * 1024 * 1024
_PATIENCE = 5.0


def add_health(app: FastAPI, desk: Desk, feed: Feed) -> None:
    """Adds ``/health``, ``/liveness``, ``/readiness`` (open to all) and ``/health/detailed`` (viewers)."""

    async def liveness(request: Request) -> Response:
        return json_answer({"status": "alive"})

    async def readiness(request: Request) -> Response:
        faults = [name for name, check in (await _checks(desk, feed)).items() if check["state"] != "ok"]
        status = "ready" if not faults else "not ready"
        return json_answer({"status": status, "faults": faults}, *_said(not faults))

    async def health(request: Request) -> Response:
        checks = await _checks(desk, feed)
        well = all(check["state"] == "ok" for check in checks.values())
        return json_answer({"status": "healthy" if well else "unhealthy"}, *_said(well))

    async def detailed(request: Request) -> Response:
        caller = caller_of(request)
        desk.grant(caller, "runs.list", {}, request.state.request_id)
        checks = await _checks(desk, feed)
        well = all(check["state"] == "ok" for check in checks.values())
        facts = {
            "status": "healthy" if well else "unhealthy",
            "checks": checks,
            "runs_here": sum(1 for e in desk.lead.runtime.executions.values() if e.run.tenant == str(caller.tenant)),
            "listeners": feed.listeners,
            "calls": desk.calls,
        }
        return json_answer(facts, *_said(well))

    for path, endpoint, summary, shape in (
        ("/liveness", liveness, "whether the process answers", "Alive"),
        ("/readiness", readiness, "whether it can take work", "Ready"),
        ("/health", health, "whether all parts are well", "Health"),
        ("/health/detailed", detailed, "how each part does", "HealthDetailed"),
    ):
        schema = {"$ref": REFERENCE + shape}
        described = responses(200, schema)
        # The answer has the same shape when it is no: who asks wants to know what is wrong.
        described[503] = {"description": "no", "content": {**described[503]["content"], **described[200]["content"]}}
        app.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            summary=summary,
            tags=["health"],
            response_class=Response,
            responses=described,
        )


def _said(well: bool) -> tuple[int, dict[str, str]]:
    """The status of an answer, and its headers."""
    return (200, {}) if well else (503, {"retry-after": "2"})


async def _checks(desk: Desk, feed: Feed) -> dict[str, dict[str, Any]]:
    lead = desk.lead

    async def writes() -> str:
        began = lead.clock.monotonic()
        await lead.database.write(lambda tx: None)
        return f"a commit took {(lead.clock.monotonic() - began) * 1000:.1f} ms"

    async def reads() -> str:
        newest = await lead.store.events(newest=True, limit=1)
        return f"the newest event is {newest[-1].index if newest else 0}"

    async def room() -> str:
        free = shutil.disk_usage(lead.settings.home).free
        if free < _LEAST_FREE:
            raise OSError(f"{free:,} bytes free, fewer than {_LEAST_FREE:,}")
        return f"{free:,} bytes free"

    async def runtime() -> str:
        if desk.draining or lead.runtime.closing:
            raise OSError("it is ending")
        return f"{len(lead.runtime.executions)} runs in progress"

    async def events() -> str:
        if feed.closed:
            raise OSError("it is closed")
        return f"{feed.listeners} listeners"

    found: dict[str, dict[str, Any]] = {}
    for name, check in (("write", writes), ("read", reads), ("disk", room), ("runtime", runtime), ("events", events)):
        try:
            found[name] = {"state": "ok", "text": await asyncio.wait_for(check(), _PATIENCE)}
        except (FairleadError, OSError, TimeoutError) as exc:
            found[name] = {"state": "fault", "text": str(exc) or type(exc).__name__}
    return found
