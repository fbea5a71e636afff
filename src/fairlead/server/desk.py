"""The one place where a call from outside becomes a verb: checked, granted, recorded, carried out.

REST, WebSocket and MCP all come here. Runs and memory are used directly on the server's own loop; every other verb is
carried out on one of few threads, because verbs are written to be called from a process of their own.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from fairlead.app import Fairlead
from fairlead.errors import FairleadError, ForbiddenError, InternalError, NotFoundError, UnavailableError
from fairlead.events import draft
from fairlead.ids import new_id
from fairlead.server.access import Caller, require_allowed
from fairlead.server.answers import to_bytes
from fairlead.server.arguments import checked, offered
from fairlead.server.borrowed import RemoteContext
from fairlead.server.conditions import Conditions, require_condition
from fairlead.store.database import Transaction
from fairlead.store.keys import AuditRow, add_audit
from fairlead.tenancy import use_tenant
from fairlead.verbs.table import Verb

if TYPE_CHECKING:
    from fastapi import Request, Response

    from fairlead.gateway.gateway import Gateway

Streamed = Callable[["Request"], Awaitable["Response"]]
Native = Callable[[Caller, Mapping[str, Any]], Awaitable[Any]]

_log = logging.getLogger(__name__)
_THREADS = 4
_MOST_WAITING = 64
_MOST_ITEMS = 10_000
_OF_THE_BOARD = frozenset({"ticket", "epic", "backlog", "requirement", "time", "batch", "index", "cache"})


class Desk:
    """Carries out calls over one opened and running Fairlead.

    ``answers`` are the verbs that are carried out on the loop; the others run on threads. ``lines_out`` and
    ``lines_in`` are those that can also answer with, or take in, lines of JSON as they come. ``draining`` refuses new
    work while the server ends.
    """

    def __init__(self, lead: Fairlead) -> None:
        self.lead = lead
        self.verbs: dict[str, Verb] = offered()
        self.answers: dict[str, Native] = {}
        self.conditions = Conditions(to_bytes)
        self.lines_out: dict[str, Streamed] = {}
        self.lines_in: dict[str, Streamed] = {}
        self.draining = False
        self.calls = 0
        self._waiting = 0
        self._threads = ThreadPoolExecutor(_THREADS, "fairlead-verb")

    @property
    def gateway(self) -> Gateway:
        """The application's own: what is reserved here and within runs is one account."""
        return self.lead.gateway

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    # ── calling ──────────────────────────────────────────────────────────────────────────────────────────────

    async def call(
        self, caller: Caller, name: str, arguments: Mapping[str, Any], request_id: str = "", *, compared: bool = False
    ) -> Any:
        """Carries out a verb for a caller; every refusal and fault is a :class:`FairleadError`.

        ``compared`` says that what it changes is as the caller has seen it.
        """
        verb = self.grant(caller, name, arguments, request_id)
        self.calls += 1
        if self.draining and verb.changes:
            raise UnavailableError("the server is ending.", remedy="Ask again in a moment.", retry_after=2)
        given = checked(verb, arguments)
        require_condition(caller, verb, given, compared=compared)
        try:
            with use_tenant(caller.tenant):
                native = self.answers.get(name)
                if native is not None:
                    return await native(caller, given)
                return await self.on_thread(caller, verb, given)
        except FairleadError as exc:
            if verb.changes:
                self.record(caller, name, "failed", type(exc).__name__, request_id)
            raise
        except Exception as exc:
            # The caller is told that it failed and nothing of how; the log has it all.
            _log.exception("%s failed (request %s)", name, request_id)
            self.record(caller, name, "failed", type(exc).__name__, request_id)
            raise InternalError(f"{name} failed.", remedy="The server's log says why.", request=request_id) from exc

    def grant(self, caller: Caller, name: str, arguments: Mapping[str, Any], request_id: str) -> Verb:
        """The verb when it exists and the caller may call it; the decision is recorded either way."""
        verb = self.verbs.get(name)
        if verb is None:
            raise NotFoundError(f"there is no verb {name[:100]!r}.", remedy="See /openapi.json.")
        try:
            require_allowed(caller, verb, arguments)
        except ForbiddenError as exc:
            self.record(caller, name, "refused", exc.message, request_id)
            raise
        self.record(caller, name, "allowed", "", request_id)
        return verb

    def record(self, caller: Caller, action: str, outcome: str, reason: str, request_id: str) -> None:
        """Writes a decision to the audit log: durable no later than whatever the call writes after it."""
        now, tenant = self.lead.clock.now(), str(caller.tenant)
        row = AuditRow(new_id("aud"), now, tenant, caller.actor, action, outcome, reason, request_id)

        def unit(tx: Transaction) -> None:
            add_audit(tx, row)
            if outcome == "refused":
                facts = {"action": action, "reason": reason, "request": request_id}
                said = draft("access.refused", tenant, caller.id, facts, source="access", cause=caller.actor, time=now)
                tx.emit(said)

        self.lead.database.later(unit)

    async def on_thread(self, caller: Caller, verb: Verb, given: Mapping[str, Any]) -> Any:
        """Carries out a verb on a thread; :class:`UnavailableError` when too many wait."""
        if verb.noun in _OF_THE_BOARD or verb.name == "board":
            self._require_board(caller)
        if self._waiting >= _MOST_WAITING:
            raise UnavailableError(
                f"{self._waiting} calls wait already.", remedy="Ask again in a moment.", retry_after=1
            )
        context = RemoteContext(self.lead, caller)

        def work() -> Any:
            value = verb.invoke(context, given)
            return list(islice(value, _MOST_ITEMS)) if hasattr(value, "__next__") else value

        self._waiting += 1
        try:
            running = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._threads, running.run, work)
        finally:
            self._waiting -= 1

    def _require_board(self, caller: Caller) -> None:
        # A board belongs to the repository in which the server was started, and so to the server's own tenant.
        if caller.tenant != self.lead.tenant:
            raise NotFoundError(
                "there is no board of tickets for this tenant.", remedy="Start a server in its repository."
            )
