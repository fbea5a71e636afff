"""MCP over standard input and output: for a client that starts the server itself and is trusted like its user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mcp.server.stdio import stdio_server

from fairlead.app import Fairlead
from fairlead.server.access import SPECIAL, Caller
from fairlead.server.factory import open_desk
from fairlead.server.ingesting import working
from fairlead.server.mcp_server import make_mcp
from fairlead.verbs.context import Context


def local_caller(lead: Fairlead) -> Caller:
    """Whoever started the process: may do what the command line may."""
    return Caller("local", lead.settings.actor, lead.tenant, "admin", ("*", *SPECIAL))


def serve_stdio(context: Context, *, register: Callable[[Fairlead], None] | None) -> dict[str, Any]:
    """Serves until the client closes the input; returns the runs that it let go of."""
    return asyncio.run(_serve(context, register))


async def _serve(context: Context, register: Callable[[Fairlead], None] | None) -> dict[str, Any]:
    lead = context.open(create=True)
    released: list[str] = []
    try:
        await lead.open_runtime(recover=False)
        if register is not None:
            register(lead)
        lead.recovered, lead.unrecovered = await lead.runtime.recover()
        async with open_desk(lead) as desk, working(lead, lead.settings.shutdown_grace):
            server = make_mcp(desk, lambda ctx: local_caller(lead))
            async with stdio_server() as (read, write):
                await server.run(read, write, server.create_initialization_options())
            released = await lead.runtime.close("client closed")
    finally:
        await lead.close("client closed")
    return {"released": released}
