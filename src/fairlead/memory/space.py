"""Pattern search: the nearest vectors of one namespace, without the words around it."""

from __future__ import annotations

from typing import Any

from fairlead.errors import ModelMismatchError
from fairlead.memory.dense import unit
from fairlead.memory.entries import Entry, entry_from_row
from fairlead.memory.index import NamespaceIndex
from fairlead.store.database import Database, Reader
from fairlead.store.memory import EVERYTHING, EntryRow, Selection, open_scope
from fairlead.tenancy import Tenant


class Space:
    """The vectors of a namespace as they were when the space was opened; got from ``Memory.space``.

    It belongs to one tenant and goes on belonging to it, whatever the context is when it is used.
    """

    def __init__(self, database: Database, tenant: Tenant, name: str, index: NamespaceIndex) -> None:
        self._database = database
        self._tenant = tenant
        self._name = name
        self._index = index

    @property
    def model(self) -> str | None:
        """Which model made the vectors."""
        return self._index.model

    def __len__(self) -> int:
        return 0 if self._index.vectors is None else len(self._index.vectors.numbers())

    def nearest(self, vector: Any, k: int = 10, allowed: Any = None) -> list[tuple[int, float]]:
        """(entry number, cosine) of the ``k`` nearest, best first; ``vector`` is [dimensions] floats of any length.

        ``allowed`` is a sorted array of entry numbers, as ``numbers`` gives them. Raises :class:`ModelMismatchError`
        for a vector of another size.
        """
        vectors = self._index.vectors
        if vectors is None:
            return []
        one = unit(vector)
        if len(one) != vectors.dimensions:
            raise ModelMismatchError(
                f"the vector has {len(one)} dimensions, those of {self._name!r} have {vectors.dimensions}.",
                remedy="Embed the query with the model of the namespace, or run `fairlead memory reindex`.",
                model=self._index.model,
            )
        numbers, cosines = vectors.search(one, k, allowed)
        return list(zip(numbers[:k].tolist(), cosines[:k].tolist(), strict=True))

    async def numbers(self, selection: Selection = EVERYTHING, *, now: float = 0.0) -> Any:
        """The sorted numbers of entries that match a selection, for ``nearest``."""
        import numpy as np

        def reading(reader: Reader) -> list[int]:
            scope = open_scope(reader, self._tenant, self._name)
            return [] if scope is None else scope.selected_numbers(selection, now)

        return np.sort(np.array(await self._database.read(reading), np.int64))

    async def entries(self, numbers: list[int]) -> list[Entry]:
        """The entries with these numbers, in their order; without those that are gone."""

        def reading(reader: Reader) -> list[EntryRow]:
            scope = open_scope(reader, self._tenant, self._name)
            return [] if scope is None else scope.entries("seq", numbers)

        namespace = self._tenant.namespace(self._name)
        rows = {row.seq: entry_from_row(row, namespace) for row in await self._database.read(reading)}
        return [rows[n] for n in numbers if n in rows]
