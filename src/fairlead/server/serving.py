"""Running the server: one process, one loop, one opened Fairlead, and an orderly end."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from fairlead.app import Fairlead
from fairlead.errors import UnavailableError
from fairlead.server.access import SPECIAL
from fairlead.server.factory import open_server
from fairlead.settings import Settings
from fairlead.store.keys import any_key
from fairlead.verbs.context import Context
from fairlead.verbs.key import create

_CONNECTIONS = 2000


class _Uvicorn(uvicorn.Server):
    """Tells when it begins to end, so that streams let go before connections are waited for."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None], ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._drain = drain
        self._ready = ready
        self.cause = "stopped"

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and self.servers:
            self._ready(self.servers[0].sockets[0].getsockname()[1])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends in an orderly way on a signal, and does not raise it again: runs are still to be let go of."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._caught, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _caught(self, number: signal.Signals) -> None:
        self.cause = f"signal:{number.name}"
        self._drain()
        self.handle_exit(number, None)

    async def shutdown(self, sockets: Any = None) -> None:
        self._drain()
        await super().shutdown(sockets)


def serve(
    context: Context, *, host: str, port: int, say: Callable[[str], None], register: Callable[[Fairlead], None] | None
) -> dict[str, Any]:
    """Serves until SIGINT or SIGTERM; returns what it let go of. ``say`` gets lines for the person who started it."""
    return asyncio.run(_serve(context, host, port, say, register))


async def _serve(
    context: Context,
    host: str,
    port: int,
    say: Callable[[str], None],
    register: Callable[[Fairlead], None] | None,
) -> dict[str, Any]:
    # Verbs may read standard input for a person; nobody types to a server.
    standard_input, sys.stdin = sys.stdin, io.StringIO()
    lead = context.open(create=True)
    released: list[str] = []
    caught = "stopped"
    try:
        await lead.open_runtime(recover=False)
        if register is not None:
            register(lead)
        lead.recovered, lead.unrecovered = await lead.runtime.recover()
        first = await asyncio.to_thread(first_key, context, lead)
        async with open_server(lead) as app:

            def ready(bound: int) -> None:
                say(f"Fairlead serves {lead.tenant} at http://{host}:{bound}")
                if first is not None:
                    say(f"First admin key, shown only now: {first}")
                if host not in ("127.0.0.1", "::1", "localhost"):
                    say("It is reachable from other machines and speaks plain HTTP: put TLS in front of it.")

            server = _Uvicorn(_config(app, lead.settings, host, port), app.drain, ready)
            await server.serve()
            caught = server.cause
            if not server.started:
                raise UnavailableError(
                    f"port {port} of {host} cannot be served on.", remedy="Choose another with --port.", port=port
                )
            released = await lead.runtime.close(caught)
    finally:
        await lead.close(caught)
        sys.stdin = standard_input
    return {"served": f"http://{host}:{port}", "released": released}


def _config(app: Any, settings: Settings, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace)),
        h11_max_incomplete_event_size=32 * 1024,
        ws_max_size=1024 * 1024,
    )


def first_key(context: Context, lead: Fairlead) -> str | None:
    """Makes the first admin key where the store has none at all; None when there was one."""
    if lead.database.read_sync(any_key):
        return None
    made = create(context, "first", "admin", ["*", *SPECIAL])
    return str(made["key"])
