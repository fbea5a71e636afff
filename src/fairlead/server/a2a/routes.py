"""The addresses of A2A: cards, JSON-RPC and REST, for all agents and for each one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.routing import Route

from fairlead.errors import ForbiddenError
from fairlead.server.access import Caller, require_allowed
from fairlead.server.answers import Paced, tagged_answer
from fairlead.server.desk import Desk
from fairlead.server.feed import Feed
from fairlead.tenancy import use_tenant

if TYPE_CHECKING:
    from fairlead.server.a2a.speaking import Speaking

CARD_PATH = "/.well-known/agent-card.json"
_REST: tuple[tuple[str, str, str], ...] = (
    ("POST", "/message:send", "on_message_send"),
    ("POST", "/message:stream", "on_message_send_stream"),
    ("POST", "/tasks/{id}:cancel", "on_cancel_task"),
    ("GET", "/tasks/{id}:subscribe", "on_subscribe_to_task"),
    ("POST", "/tasks/{id}:subscribe", "on_subscribe_to_task"),
    ("GET", "/tasks/{id}", "on_get_task"),
    ("GET", "/tasks", "list_tasks"),
    ("GET", "/extendedAgentCard", "handle_authenticated_agent_card"),
    ("POST", "/tasks/{id}/pushNotificationConfigs", "set_push_notification"),
    ("GET", "/tasks/{id}/pushNotificationConfigs", "list_push_notifications"),
    ("GET", "/tasks/{id}/pushNotificationConfigs/{push_id}", "get_push_notification"),
    ("DELETE", "/tasks/{id}/pushNotificationConfigs/{push_id}", "delete_push_notification"),
)
"""The HTTP+JSON binding of A2A 1.0, section 11: method, path, and who answers in the SDK."""


def is_installed() -> bool:
    """Whether the extra ``a2a`` is there, so that A2A is served."""
    return find_spec("a2a") is not None and find_spec("sse_starlette") is not None


def add_a2a(app: FastAPI, desk: Desk, feed: Feed) -> None:
    """Adds the card, ``/a2a`` for all agents and ``/a2a/agents/{agent}`` for each, where the extra is installed."""
    if not is_installed():
        return
    binding = _Binding(desk, feed)
    routes = [
        Route(CARD_PATH, binding.card, methods=["GET"]),
        Route("/a2a/agents/{agent}" + CARD_PATH, binding.card, methods=["GET"]),
    ]
    for prefix in ("/a2a", "/a2a/agents/{agent}"):
        routes.append(Route(prefix, binding.rpc, methods=["POST"]))
        routes += [Route(f"{prefix}/v1{path}", binding.rest(name), methods=[method]) for method, path, name in _REST]
    app.router.routes += routes


class _Binding:
    """The endpoints. The SDK's part is loaded with the first request."""

    def __init__(self, desk: Desk, feed: Feed) -> None:
        self._desk = desk
        self._feed = feed
        self._loading = asyncio.Lock()
        self._spoken: Speaking | None = None

    async def _speaking(self) -> Speaking:
        async with self._loading:
            if self._spoken is None:

                def load() -> Speaking:
                    from fairlead.server.a2a.speaking import Speaking

                    return Speaking(self._desk, self._feed)

                # Away from the loop, which goes on serving others meanwhile.
                self._spoken = await asyncio.to_thread(load)
            return self._spoken

    async def rpc(self, request: Request) -> Response:
        speaking = await self._speaking()
        return _paced(await speaking.rpc.handle_requests(request))

    def rest(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            speaking = await self._speaking()
            return _paced(await getattr(speaking.rest, name)(request))

        return endpoint

    async def card(self, request: Request) -> Response:
        """The card: without a key who serves and how to come in; with one also the agents that its tenant has."""
        await self._speaking()
        from fairlead.server.a2a.cards import agent_card, card_as_json, skills_of

        base = str(request.base_url).rstrip("/")
        agent = request.path_params.get("agent")
        caller: Caller | None = getattr(request.state, "caller", None)
        skills: list[Any] = []
        if caller is not None and (agent is not None or self._may_list(caller)):
            self._desk.grant(caller, "agent.list", {}, request.state.request_id)
            with use_tenant(caller.tenant):
                skills = skills_of(self._desk.lead.agents, agent)
        return tagged_answer(request, card_as_json(agent_card(base, skills, agent)))

    def _may_list(self, caller: Caller) -> bool:
        """Whether the caller may see agents; one who may not gets the card of strangers."""
        try:
            require_allowed(caller, self._desk.verbs["agent.list"], {})
        except ForbiddenError:
            return False
        return True


def _paced(answer: Response) -> Response:
    return Paced(answer) if hasattr(answer, "body_iterator") else answer
