"""Running the server: one process, one loop, one opened Fairlead, and an orderly end."""

from __future__ import annotations

import asyncio
import io
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn

from fairlead.app import Fairlead
from fairlead.errors import InvalidInputError, UnavailableError
from fairlead.server.access import SPECIAL
from fairlead.server.factory import open_server
from fairlead.server.ingesting import working
from fairlead.server.wire import MOST_HEAD, Limits, guarded
from fairlead.settings import Settings
from fairlead.store.keys import any_key
from fairlead.verbs.context import Context
from fairlead.verbs.key import create

KEEP_ALIVE = 15
"""Seconds that a connection may stay open without a request."""


class Tls(NamedTuple):
    """Paths of the certificate (with its chain) and of its key, in PEM."""

    certificate: str
    key: str


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
    context: Context,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    register: Callable[[Fairlead], None] | None,
    tls: Tls | None = None,
) -> dict[str, Any]:
    """Serves until SIGINT or SIGTERM; returns what it let go of. ``say`` gets lines for the person who started it."""
    return asyncio.run(_serve(context, host, port, say, register, tls))


async def _serve(
    context: Context,
    host: str,
    port: int,
    say: Callable[[str], None],
    register: Callable[[Fairlead], None] | None,
    tls: Tls | None,
) -> dict[str, Any]:
    if tls is not None:
        _require_usable(tls)
    scheme = "http" if tls is None else "https"
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
        async with open_server(lead) as app, working(lead, lead.settings.shutdown_grace):

            def ready(bound: int) -> None:
                say(f"Fairlead serves {lead.tenant} at {scheme}://{host}:{bound}")
                if first is not None:
                    say(f"First admin key, shown only now: {first}")
                if tls is None and host not in ("127.0.0.1", "::1", "localhost"):
                    say("It is reachable from other machines and speaks plain HTTP: give --tls-cert and --tls-key.")

            server = _Uvicorn(make_config(app, lead.settings, host, port, tls=tls), app.drain, ready)
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
    return {"served": f"{scheme}://{host}:{port}", "released": released}


def _require_usable(tls: Tls) -> None:
    """Refuses a certificate that cannot be used before anything else is opened."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as exc:
        raise InvalidInputError(
            f"the certificate {tls.certificate!r} with the key {tls.key!r} cannot be used: {exc}.",
            remedy="Give a PEM file with the chain, and its key without a passphrase.",
            field="tls_cert",
        ) from exc


def make_config(
    app: Any, settings: Settings, host: str, port: int, *, tls: Tls | None = None, limits: Limits | None = None
) -> uvicorn.Config:
    """How uvicorn is to serve ``app``."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=guarded(limits or Limits()),
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_grace)),
        h11_max_incomplete_event_size=MOST_HEAD,
        ws_max_size=1024 * 1024,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )


def first_key(context: Context, lead: Fairlead) -> str | None:
    """Makes the first admin key where the store has none at all; None when there was one."""
    if lead.database.read_sync(any_key):
        return None
    made = create(context, "first", "admin", ["*", *SPECIAL])
    return str(made["key"])
