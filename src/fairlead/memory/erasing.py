"""Erasing for good, with the proof that nothing is left in tables, indexes, tiers and files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.errors import UnavailableError
from fairlead.memory import keeping
from fairlead.memory.asking import Asking
from fairlead.memory.keeping import Place
from fairlead.store.database import Database, Reader
from fairlead.store.memory import EntryRow, Selection, open_scope
from fairlead.store.memory_erasure import backup_files, database_files, empty_log, files_holding, needles


class Erasure(NamedTuple):
    """What was erased and what was found of it afterwards.

    ``rows`` counts the rows left in each table (all zero), ``recalled`` how many of the entries a question with their
    own words still finds, ``files`` the database files whose bytes still hold their text. ``backups`` are older
    backups that hold it: they are not changed; an entry that comes back from one is reported by ``verify`` and taken
    out by ``reindex``, because its tombstone stays.
    """

    ids: tuple[str, ...]
    rows: dict[str, int]
    recalled: int
    answers_dropped: int
    files: tuple[Path, ...]
    backups: tuple[Path, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is left outside of backups."""
        return not any(self.rows.values()) and not self.recalled and not self.files

    def to_dict(self) -> dict[str, Any]:
        listed = {"files": [str(f) for f in self.files], "backups": [str(f) for f in self.backups]}
        return {**self._asdict(), "ids": list(self.ids), **listed, "complete": self.complete}


async def erase(database: Database, asking: Asking, place: Place, ids: Sequence[str], selection: Selection) -> Erasure:
    """Removes entries, overwrites where they stood, and looks everywhere for what is left."""
    rows = await database.write(keeping.removing(place, ids, selection, "erased"))
    dropped = await asyncio.to_thread(asking.clear(place.namespace))
    asking.drop_index(place.namespace)
    index = await asking.warm(place.tenant, place.name)
    numbers = {row.seq for row in rows}
    held = {int(n) for segment in index.postings.segments for n in segment.seqs[segment.alive]}
    if index.vectors is not None:
        held |= {int(n) for n in index.vectors.numbers()}
    left = await database.read(lambda reader: _left(reader, place, rows))
    files, backups = await asyncio.to_thread(_search_files, database, rows)
    return Erasure(tuple(row.id for row in rows), left, len(numbers & held), dropped, tuple(files), tuple(backups))


def _left(reader: Reader, place: Place, rows: Sequence[EntryRow]) -> dict[str, int]:
    scope = open_scope(reader, place.tenant, place.name)
    return {} if scope is None else keeping.traces(scope, rows)


def _search_files(database: Database, rows: Sequence[EntryRow]) -> tuple[list[Path], list[Path]]:
    path: Path = database.dialect.path  # type: ignore[attr-defined] # only a file can be searched
    try:
        empty_log(database)
    except UnavailableError:
        # A long reading of another process keeps the log; the search below then finds what it still holds.
        pass
    wanted = needles(row.content for row in rows)
    return files_holding(database_files(path), wanted), files_holding(backup_files(path), wanted)
