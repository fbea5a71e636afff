"""Rows of memory's graph: entities, what mentions them, and relations, within one namespace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fairlead.store.memory import Scope


class EntityRow(NamedTuple):
    """A named thing: ``name`` folded for finding, ``label`` as first written."""

    id: int
    name: str
    label: str
    kind: str


class RelationRow(NamedTuple):
    """An edge. ``seq`` is the entry that states it, when one does."""

    source: int
    target: int
    kind: str
    weight: float
    seq: int | None


class GraphRows:
    """The graph tables through one scope."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def put_entities(self, entities: Iterable[tuple[str, str, str]]) -> dict[str, int]:
        """Makes what is new of (name, label, kind) and returns the ids of all, by name."""
        wanted = {name: (name, label, kind) for name, label, kind in entities}
        self._scope.insert("memory_entities", "name, label, kind", wanted.values(), "ON CONFLICT DO NOTHING")
        return {str(name): int(id_) for id_, name in self._scope.among("memory_entities", "id, name", "name", wanted)}

    def put_mentions(self, mentions: Iterable[tuple[int, int]]) -> None:
        """(entity, entry) pairs."""
        self._scope.insert("memory_mentions", "entity, seq", mentions, "ON CONFLICT DO NOTHING")

    def put_relations(self, relations: Iterable[RelationRow]) -> None:
        """Edges; stating one again for the same entry keeps the larger weight."""
        conflict = (
            "ON CONFLICT (namespace, source, target, kind, coalesce(seq, 0)) "
            "DO UPDATE SET weight = max(weight, excluded.weight)"
        )
        self._scope.insert("memory_relations", "source, target, kind, weight, seq", relations, conflict)

    def named(self, names: Iterable[str]) -> list[EntityRow]:
        return [EntityRow(*r) for r in self._scope.among("memory_entities", "id, name, label, kind", "name", names)]

    def by_id(self, ids: Iterable[int]) -> dict[int, EntityRow]:
        rows = self._scope.among("memory_entities", "id, name, label, kind", "id", ids)
        return {int(r[0]): EntityRow(*r) for r in rows}

    def edges_of(self, entity: int, most: int) -> list[tuple[int, str, float, bool]]:
        """(other end, kind, weight, whether it leads there) of the strongest edges at an entity."""
        out = self._scope.rows(
            "memory_relations", "target, kind, weight", "source = ?", (entity, most), "ORDER BY weight DESC LIMIT ?"
        )
        back = self._scope.rows(
            "memory_relations", "source, kind, weight", "target = ?", (entity, most), "ORDER BY weight DESC LIMIT ?"
        )
        edges = [(int(t), str(k), float(w), True) for t, k, w in out]
        edges += [(int(s), str(k), float(w), False) for s, k, w in back]
        return sorted(edges, key=lambda e: (-e[2], e[0]))[:most]

    def mentioning(self, entities: Sequence[int], most: int) -> list[tuple[int, int]]:
        """(entity, entry) of the newest entries that mention each."""
        found: list[tuple[int, int]] = []
        for entity in entities:
            rows = self._scope.rows("memory_mentions", "seq", "entity = ?", (entity, most), "ORDER BY seq DESC LIMIT ?")
            found += [(entity, int(r[0])) for r in rows]
        return found

    def mentions_of(self, seqs: Iterable[int]) -> list[tuple[int, int]]:
        """(entity, entry) of everything that these entries mention."""
        return [(int(e), int(s)) for e, s in self._scope.among("memory_mentions", "entity, seq", "seq", seqs)]

    def every_entity(self) -> list[EntityRow]:
        return [EntityRow(*r) for r in self._scope.rows("memory_entities", "id, name, label, kind", tail="ORDER BY id")]

    def every_relation(self) -> list[RelationRow]:
        columns = "source, target, kind, weight, seq"
        return [RelationRow(*r) for r in self._scope.rows("memory_relations", columns, tail="ORDER BY id")]

    def stated_by(self, seqs: Iterable[int]) -> list[RelationRow]:
        """The relations that these entries state, in the order in which they were."""
        columns = "id, source, target, kind, weight, seq"
        rows = sorted(self._scope.among("memory_relations", columns, "seq", seqs), key=lambda row: row[0])
        return [RelationRow(*row[1:]) for row in rows]

    def drop_unmentioned(self, entities: Iterable[int]) -> int:
        """Removes those entities that no entry mentions and no relation joins any more."""
        gone = 0
        for entity in entities:
            gone += self._scope.delete(
                "memory_entities",
                "id = ? AND NOT EXISTS (SELECT 1 FROM memory_mentions m WHERE m.namespace = memory_entities.namespace "
                "AND m.entity = memory_entities.id) AND NOT EXISTS (SELECT 1 FROM memory_relations r "
                "WHERE r.namespace = memory_entities.namespace "
                "AND (r.source = memory_entities.id OR r.target = memory_entities.id))",
                (entity,),
            )
        return gone

    def clear_entry(self, seq: int) -> list[int]:
        """Takes away what one entry says about the graph; returns the entities that it named."""
        named = [entity for entity, _ in self.mentions_of([seq])]
        self._scope.delete("memory_mentions", "seq = ?", (seq,))
        self._scope.delete("memory_relations", "seq = ?", (seq,))
        return named
