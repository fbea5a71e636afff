"""The graph between the things that entries name: expansion, themes, pictures and exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fairlead.memory.words import fold, stems
from fairlead.store.memory_graph import EntityRow, GraphRows, RelationRow

FAN_OUT, MOST_REACHED, DECAY = 16, 100, 0.5
_LONGEST_NAME_WORDS = 4


class Reached(NamedTuple):
    """An entity reached by expansion: how near it is (1 for the start, times the decay per hop), and how."""

    entity: EntityRow
    nearness: float
    hops: int
    via: int | None
    relation: str


class Graph(NamedTuple):
    """A part of a namespace's graph: entities by id, and relations between them."""

    entities: Mapping[int, EntityRow]
    relations: Sequence[RelationRow]


def entity_name(label: str) -> str:
    """The folded form under which an entity is one: ``New York`` and ``new  york`` are the same."""
    return " ".join(folded for word in label.split() if (folded := fold(word)))


def names_in(text: str) -> list[str]:
    """Every run of one to four words of a text, folded: what could be an entity's name."""
    words = [folded for word in text.split() if (folded := fold(word))]
    return [
        " ".join(words[at : at + size])
        for size in range(1, _LONGEST_NAME_WORDS + 1)
        for at in range(len(words) - size + 1)
    ]


def expand(
    rows: GraphRows,
    seeds: Iterable[int],
    depth: int,
    *,
    fan_out: int = FAN_OUT,
    most: int = MOST_REACHED,
    decay: float = DECAY,
) -> list[Reached]:
    """Entities within ``depth`` hops of the seeds, nearest first: at most ``fan_out`` edges of each, ``most`` in all.

    Nearness is multiplied by ``decay`` and by the edge's share of the strongest edge there.
    """
    near: dict[int, tuple[float, int, int | None, str]] = dict.fromkeys(seeds, (1.0, 0, None, ""))
    frontier = list(near)
    for hop in range(1, depth + 1):
        fresh: list[int] = []
        for entity in frontier:
            edges = rows.edges_of(entity, fan_out)
            strongest = max((weight for _, _, weight, _ in edges), default=1.0)
            for other, kind, weight, _ in edges:
                nearness = near[entity][0] * decay * (weight / strongest)
                if other not in near and len(near) < most:
                    near[other] = (nearness, hop, entity, kind)
                    fresh.append(other)
        frontier = fresh
    entities = rows.by_id(near)
    reached = [Reached(entities[e], *facts) for e, facts in near.items() if e in entities]
    return sorted(reached, key=lambda one: (-one.nearness, one.hops, one.entity.name))


def neighbourhood(rows: GraphRows, label: str, depth: int) -> tuple[list[Reached], Graph] | None:
    """What lies around an entity, and the relations among it; None when there is no such entity."""
    found = rows.named([entity_name(label)])
    if not found:
        return None
    reached = expand(rows, [found[0].id], depth)
    entities = {one.entity.id: one.entity for one in reached}
    seen: dict[tuple[int, int, str], RelationRow] = {}
    for entity in entities:
        for other, kind, weight, forward in rows.edges_of(entity, MOST_REACHED):
            if other in entities:
                ends = (entity, other) if forward else (other, entity)
                seen[(*ends, kind)] = RelationRow(*ends, kind, weight, None)
    return reached, Graph(entities, list(seen.values()))


def themes(graph: Graph, *, rounds: int = 20) -> list[list[EntityRow]]:
    """Communities by label propagation (Raghavan, Albert and Kumara, 2007), largest first, without lone ones.

    Ties and the order of visits are settled by number, so the same graph always gives the same themes.
    """
    beside: dict[int, dict[int, float]] = {entity: {} for entity in graph.entities}
    for one in graph.relations:
        if one.source in beside and one.target in beside and one.source != one.target:
            for a, b in ((one.source, one.target), (one.target, one.source)):
                beside[a][b] = beside[a].get(b, 0.0) + one.weight
    label = {entity: entity for entity in beside}
    for _ in range(rounds):
        changed = False
        for entity in sorted(beside):
            votes: dict[int, float] = {}
            for other, weight in beside[entity].items():
                votes[label[other]] = votes.get(label[other], 0.0) + weight
            if votes:
                best = min(votes, key=lambda one: (-votes[one], one))
                changed |= best != label[entity]
                label[entity] = best
        if not changed:
            break
    groups: dict[int, list[EntityRow]] = {}
    for entity, theme in label.items():
        groups.setdefault(theme, []).append(graph.entities[entity])
    return sorted((g for g in groups.values() if len(g) > 1), key=lambda g: (-len(g), g[0].name))


# ── pictures and exports ─────────────────────────────────────────────────────────────────────────────────────


def to_dot(graph: Graph) -> str:
    """Graphviz."""
    lines = ["digraph memory {"]
    lines += [f"  n{e.id} [label={_quoted(e.label)}];" for e in graph.entities.values()]
    lines += [f"  n{r.source} -> n{r.target} [label={_quoted(r.kind)}];" for r in graph.relations]
    return "\n".join([*lines, "}"])


def to_graphml(graph: Graph) -> str:
    """GraphML (graphml.graphdrawing.org), UTF-8."""
    from xml.sax.saxutils import escape

    def data(key: str, value: object) -> str:
        text = "".join(c for c in str(value) if c.isprintable())
        return f'<data key="{key}">{escape(text)}</data>'

    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="label" for="node" attr.name="label" attr.type="string"/>',
        '<key id="kind" for="all" attr.name="kind" attr.type="string"/>',
        '<key id="weight" for="edge" attr.name="weight" attr.type="double"/>',
        '<graph edgedefault="directed">',
    ]
    lines += [
        f'<node id="n{e.id}">{data("label", e.label)}{data("kind", e.kind)}</node>' for e in graph.entities.values()
    ]
    lines += [
        f'<edge source="n{r.source}" target="n{r.target}">{data("kind", r.kind)}{data("weight", r.weight)}</edge>'
        for r in graph.relations
    ]
    return "\n".join([*lines, "</graph>", "</graphml>"])


def to_cypher(graph: Graph) -> str:
    """openCypher statements that make the same graph; names and kinds are quoted as string literals."""
    lines = [
        f"MERGE (n:Entity {{id: {e.id}}}) SET n.label = {_quoted(e.label)}, n.kind = {_quoted(e.kind)};"
        for e in graph.entities.values()
    ]
    lines += [
        f"MATCH (a:Entity {{id: {r.source}}}), (b:Entity {{id: {r.target}}}) "
        f"MERGE (a)-[:RELATED {{kind: {_quoted(r.kind)}, weight: {r.weight}}}]->(b);"
        for r in graph.relations
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def seeds_of(rows: GraphRows, text: str) -> list[EntityRow]:
    """The entities that a question names."""
    return rows.named(dict.fromkeys(names_in(text))) if stems(text) else []
