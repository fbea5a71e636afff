"""Upkeep of a namespace: sweeping, evicting, verifying, building again, carrying elsewhere, moving to another index."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from orjson import dumps

from fairlead.clock import Clock
from fairlead.errors import InvalidInputError
from fairlead.memory import keeping
from fairlead.memory.asking import Asking
from fairlead.memory.entries import Entry, entry_from_row
from fairlead.memory.exchange import Imported, from_lines, to_facts, to_lines, without_erased
from fairlead.memory.keeping import Place, Problem, reading
from fairlead.memory.moving import SHARES, MovingVectors, MovingWords, Stage
from fairlead.memory.plan import EMBEDDED
from fairlead.store.database import Database, Transaction
from fairlead.store.memory import Scope, make_scope
from fairlead.tenancy import require_tenant

RememberMany = Callable[..., Awaitable[list[Entry]]]


class Upkeep:
    """What keeps memory in order; got from ``Memory.upkeep``. Every call works for the current tenant."""

    def __init__(self, database: Database, clock: Clock, asking: Asking, remember_many: RememberMany) -> None:
        self._database = database
        self._clock = clock
        self._asking = asking
        self._remember_many = remember_many

    async def sweep(self, *, name: str = "default", cause: str = "library") -> int:
        """Removes what has expired and returns how many entries that were. They were not recalled before either."""
        return await self._database.write(keeping.sweeping(self._place(name, cause)))

    async def evict(self, most: int, *, share: float = 0.1, name: str = "default", cause: str = "library") -> int:
        """With more than ``most`` entries the least worthy go: at least ``share`` of all. Returns how many."""
        return await self._database.write(keeping.evicting(self._place(name, cause), most, share))

    async def verify(self, *, name: str = "default") -> tuple[Problem, ...]:
        """What derived tables and indexes get wrong; empty when everything agrees. ``reindex`` mends all of it."""
        place = self._place(name)
        return tuple(await self._database.read(lambda reader: keeping.verify(reader, place)))

    async def export(self, *, name: str = "default") -> Sequence[str]:
        """Every living entry as a line of JSON, oldest first, after a header line."""
        place = self._place(name)

        def reading(scope: Scope) -> Sequence[str]:
            rows = keeping.everything(scope, now=place.now)
            named, related = keeping.stated(scope, rows)
            entries = [entry_from_row(row, place.namespace) for row in rows]
            return tuple(to_lines(entries, named, related))

        return await self._reading(place, reading) or tuple(to_lines((), {}, {}))

    async def export_page(self, after: int = 0, limit: int = 500, *, name: str = "default") -> Sequence[dict[str, Any]]:
        """Some living entries in the order in which they were remembered, each as it is exported with its ``cursor``:
        give the last one's as ``after`` to go on. Fewer than ``limit`` are the last."""
        place = self._place(name)

        def reading(scope: Scope) -> Sequence[dict[str, Any]]:
            rows = scope.beyond(after, place.now, limit=limit)
            named, related = keeping.stated(scope, rows)
            return tuple(
                {**to_facts(entry_from_row(row, place.namespace), named, related), "cursor": row.seq} for row in rows
            )

        return await self._reading(place, reading) or ()

    async def import_lines(self, lines: Iterable[str], *, name: str = "default", cause: str = "import") -> Imported:
        """Takes in exported lines in one write, without what was erased here. Doing it twice changes nothing."""
        new = from_lines(lines)
        erased = await self._reading(self._place(name), lambda scope: scope.erased()) or set()
        kept = without_erased(new, erased)
        await self._remember_many(kept, name=name, cause=cause)
        return Imported(len(kept), len(new) - len(kept))

    async def reindex(self, *, name: str = "default", cause: str = "library") -> int:
        """Derives everything from the entries anew, with the current model; returns how many entries that were."""
        place = self._place(name, cause)
        embedder = self._asking.embedder
        vectors: dict[int, tuple[float, bytes]] = {}
        if embedder is not None:
            model = embedder
            vectors = await self._database.read(lambda reader: keeping.embed_all(reader, place, model))
        of = None if embedder is None else (embedder.name, embedder.dimensions)
        count = await self._database.write(keeping.rebuilding(place, vectors, of))
        self._asking.drop_index(place.namespace)
        return int(count)

    # ── moving to another index ──────────────────────────────────────────────────────────────────────────────

    async def move(self, target: str, share: int, *, name: str = "default", cause: str = "library") -> Sequence[Stage]:
        """Takes a namespace's vectors, and its words where the target has a place for them, to another index by stages,
        while it serves; ``share`` is 0 (shadow), 10, 50 or 100.

        At 0 the new index is filled and every question is put to both. ``target`` ``embedded`` is the way back, at
        once. Returns what each stage so far has shown.
        """
        if share not in SHARES:
            raise InvalidInputError(f"share is {share}.", remedy="Use 0, 10, 50 or 100.", field="share", value=share)
        if target != EMBEDDED:
            self._asking.plan.check(target)
        place = self._place(name, cause)
        index = await self._asking.warm(place.tenant, name)
        before = await self.move_report(name=name)

        def unit(tx: Transaction) -> None:
            scope = make_scope(tx, place.tenant, name, place.now)
            if target == EMBEDDED:
                scope.delete("memory_moves", "1 = 1")
            else:
                scope.set_move(target, share, dumps([stage._asdict() for stage in before]).decode(), place.now)
            scope.next_stamp()
            data = {"entries": len(index.vectors.numbers()) if index.vectors else 0, "target": target, "share": share}
            tx.emit(place.event("memory.reindexed", data))

        await self._database.write(unit)
        await self._asking.warm(place.tenant, name)
        return await self.move_report(name=name) if target != EMBEDDED else before

    async def move_report(self, *, name: str = "default") -> Sequence[Stage]:
        """What each stage of the present move has shown in this process; empty without a move."""
        index = self._asking.index(self._place(name).namespace)
        moving = (part for part in (index.vectors, index.words) if isinstance(part, (MovingVectors, MovingWords)))
        return [stage for part in moving for stage in part.report()]

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────

    def _place(self, name: str, cause: str = "library") -> Place:
        tenant = require_tenant()
        tenant.namespace(name)
        return Place(tenant, name, self._clock.now(), cause)

    async def _reading(self, place: Place, work: Any) -> Any:
        return await reading(self._database, place, work)
