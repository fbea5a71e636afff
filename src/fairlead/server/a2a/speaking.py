"""The SDK's dispatchers over our handler, with the caller that the gate found."""

from __future__ import annotations

from a2a.server.context import ServerCallContext
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.server.routes.rest_dispatcher import RestDispatcher
from starlette.requests import Request

from fairlead.server.a2a.handler import RunTasks
from fairlead.server.desk import Desk
from fairlead.server.feed import Feed


class _Contexts(DefaultServerCallContextBuilder):
    """Puts the caller, the agent of the address and the request's own address into a call's context."""

    def build(self, request: Request) -> ServerCallContext:
        context = super().build(request)
        context.state["caller"] = request.state.caller
        context.state["stays"] = request.state.stays
        context.state["agent"] = request.path_params.get("agent")
        context.state["base"] = str(request.base_url).rstrip("/")
        context.state["request"] = request.state.request_id
        return context


class Speaking:
    """Both bindings; JSON-RPC also answers the methods of version 0.3, such as ``message/send`` and ``tasks/get``."""

    def __init__(self, desk: Desk, feed: Feed) -> None:
        handler = RunTasks(desk, feed)
        self.rpc = JsonRpcDispatcher(handler, _Contexts(), enable_v0_3_compat=True)
        self.rest = RestDispatcher(handler, _Contexts())
