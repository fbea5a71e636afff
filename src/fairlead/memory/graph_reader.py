"""The graph of a namespace, for reading; got from ``Memory.graph``."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.clock import Clock
from fairlead.errors import NotFoundError
from fairlead.memory.graph import Graph, Reached, neighbourhood, themes
from fairlead.memory.keeping import Place, reading
from fairlead.store.database import Database
from fairlead.store.memory import Scope
from fairlead.store.memory_graph import EntityRow, GraphRows
from fairlead.tenancy import require_tenant


class GraphReader:
    """Looks at the things that entries name and at how they are related. Every call works for the current tenant."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def around(self, entity: str, *, depth: int = 2, name: str = "default") -> tuple[Sequence[Reached], Graph]:
        """What lies around a named thing, nearest first; :class:`NotFoundError` when nothing is known of it."""
        found = await reading(
            self._database, self._place(name), lambda scope: neighbourhood(GraphRows(scope), entity, depth)
        )
        if found is None:
            raise NotFoundError(f"nothing names {entity!r}.", remedy="`fairlead memory recall` searches texts.")
        reached, graph = found
        return reached, graph

    async def whole(self, *, name: str = "default") -> Graph:
        """The whole graph of a namespace."""

        def read(scope: Scope) -> Graph:
            rows = GraphRows(scope)
            return Graph({e.id: e for e in rows.every_entity()}, rows.every_relation())

        return await reading(self._database, self._place(name), read) or Graph({}, [])

    async def themes(self, *, name: str = "default") -> Sequence[Sequence[EntityRow]]:
        """Groups of things that are related among each other, largest first."""
        return themes(await self.whole(name=name))

    def _place(self, name: str) -> Place:
        tenant = require_tenant()
        tenant.namespace(name)
        return Place(tenant, name, self._clock.now(), "library")
