"""Agents that were registered as data: kept in the store for their tenant, and made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from fairlead.agents.spec import AgentSpec, Specified, parse_agent
from fairlead.clock import Clock
from fairlead.errors import ConflictError, NotFoundError
from fairlead.events import draft
from fairlead.runtime.graph import Workflow
from fairlead.store.agents import SpecRow, drop_spec, put_spec, spec_of, specs_of
from fairlead.store.database import Database, Transaction
from fairlead.tenancy import Tenant, current_tenant, require_tenant

Make = Callable[[AgentSpec], Any]
"""Spec -> the agent that it describes, with ``as_workflow`` and a call that takes a prompt."""

_MOST_MADE = 256


class KeptAgent(Specified):
    """A registered agent by its spec. Calling it calls what is registered under its name at that moment."""

    def __init__(self, spec: AgentSpec, kept: KeptAgents) -> None:
        self.spec = spec
        self._kept = kept

    async def __call__(self, prompt: Any) -> Any:
        return await self._kept.made(self.name)(prompt)

    def as_workflow(self) -> Workflow:
        workflow: Workflow = self._kept.made(self.name).as_workflow()
        return workflow


class KeptAgents:
    """The agents of the current tenant that are kept in the store. Without a current tenant there are none.

    The store is asked each time, so that what one process registers holds for all at once; what is made of a spec is
    kept until the spec is replaced.
    """

    def __init__(self, database: Database, clock: Clock, make: Make) -> None:
        self._database = database
        self._clock = clock
        self._make = make
        self._made: dict[tuple[str, str], tuple[int, Any]] = {}

    def register(self, spec: AgentSpec, *, cause: str, replace: bool = False) -> int:
        """Keeps a spec for the current tenant and returns its revision.

        :class:`ConflictError` when the name is taken and ``replace`` is not set.
        """
        tenant, now = str(require_tenant()), self._clock.now()
        text = orjson.dumps(spec.model_dump(mode="json", exclude_unset=True)).decode()

        def unit(tx: Transaction) -> int:
            revision = put_spec(tx, tenant, spec.name, text, cause=cause, now=now, replace=replace)
            if revision:
                facts = {"name": spec.name, "revision": revision}
                tx.emit(draft("agent.registered", tenant, spec.name, facts, source="agents", cause=cause, time=now))
            return revision

        revision = self._database.write_sync(unit)
        if not revision:
            raise ConflictError(
                f"there is already an agent named {spec.name!r}.",
                remedy="Choose another name, or replace it with --replace.",
                field="name",
                value=spec.name,
            )
        return revision

    def remove(self, name: str, *, cause: str) -> None:
        """Takes an agent of the current tenant away; runs of it that go on are not touched."""
        tenant, now = str(require_tenant()), self._clock.now()

        def unit(tx: Transaction) -> bool:
            gone = drop_spec(tx, tenant, name)
            if gone:
                facts = {"name": name}
                tx.emit(draft("agent.removed", tenant, name, facts, source="agents", cause=cause, time=now))
            return gone

        if not self._database.write_sync(unit):
            raise NotFoundError(
                f"there is no registered agent {name!r}.", remedy="See `fairlead agent list`.", agent=name
            )

    def find(self, name: str) -> KeptAgent | None:
        row = self._row(name)
        return None if row is None else KeptAgent(_spec(row), self)

    def __iter__(self) -> Iterator[KeptAgent]:
        tenant = current_tenant()
        if tenant is not None:
            for row in self._database.read_sync(lambda r: specs_of(r, str(tenant))):
                yield KeptAgent(_spec(row), self)

    def made(self, name: str) -> Any:
        """The agent behind a name of the current tenant, made of its newest spec."""
        row = self._row(name)
        if row is None:
            raise NotFoundError(f"there is no agent {name!r}.", remedy="It was removed; register it.", agent=name)
        known = self._made.get((row.tenant, name))
        if known is None or known[0] != row.revision:
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            known = self._made[row.tenant, name] = (row.revision, self._make(_spec(row)))
        return known[1]

    def _row(self, name: str) -> SpecRow | None:
        tenant: Tenant | None = current_tenant()
        return None if tenant is None else self._database.read_sync(lambda r: spec_of(r, str(tenant), name))


def _spec(row: SpecRow) -> AgentSpec:
    return parse_agent(orjson.loads(row.spec), f"the registered agent {row.name!r}")
