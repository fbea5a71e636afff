"""Dependencies as a graph: cycles refused with their path, trees and drawings. Functions of values."""

from __future__ import annotations

from fairlead.errors import InvalidGraphError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


def find_cycle(edges: Iterable[tuple[str, str]], starts: Iterable[str]) -> list[str] | None:
    """The first cycle that can be reached from ``starts``, as the nodes along it with the first one again at the end.

    Depth-first search with an explicit stack, linear in nodes and edges; a batch of any size is checked once.
    """
    following: dict[str, list[str]] = {}
    for node, other in edges:
        following.setdefault(node, []).append(other)
    done: set[str] = set()
    for start in starts:
        if start in done:
            continue
        path, on_path = [start], {start}
        stack = [iter(following.get(start, ()))]
        while stack:
            near = next(stack[-1], None)
            if near is None:
                stack.pop()
                last = path.pop()
                on_path.discard(last)
                done.add(last)
            elif near in on_path:
                return [*path[path.index(near) :], near]
            elif near not in done:
                path.append(near)
                on_path.add(near)
                stack.append(iter(following.get(near, ())))
    return None


def refuse_cycle(kind: str, edges: Iterable[tuple[str, str]], starts: Iterable[str]) -> None:
    """:class:`InvalidGraphError` naming the path when there is a cycle."""
    cycle = find_cycle(edges, starts)
    if cycle is None:
        return
    word = " is blocked by " if kind == "blocked_by" else " is a child of "
    raise InvalidGraphError(
        f"this would close a circle: {word.join(cycle)}.",
        remedy="Remove one of these links first. Nothing was changed.",
        path=cycle,
        kind=kind,
    )


def layers(edges: Sequence[tuple[str, str]], nodes: Iterable[str]) -> list[list[str]]:
    """Nodes in layers: those that wait for nothing, then those that wait only for earlier layers, and so on. Nodes of
    a cycle (which only a merge can bring) come last, together."""
    waiting: dict[str, set[str]] = {node: set() for node in nodes}
    for node, other in edges:
        if node in waiting and other in waiting:
            waiting[node].add(other)
    found = []
    while waiting:
        free = sorted(node for node, others in waiting.items() if not others & waiting.keys())
        if not free:
            found.append(sorted(waiting))
            break
        found.append(free)
        for node in free:
            del waiting[node]
    return found


def mermaid(rows: Sequence[Mapping[str, Any]], edges: Iterable[tuple[str, str]]) -> str:
    """A Mermaid flowchart; an arrow leads from what blocks to what it blocks."""
    names = {row["id"]: f"t{n}" for n, row in enumerate(rows)}
    lines = ["flowchart LR"]
    lines += [f'    {names[row["id"]]}["{row["id"]}: {_plain(row["title"])}"]' for row in rows]
    lines += [f"    {names[other]} --> {names[node]}" for node, other in edges if node in names and other in names]
    return "\n".join(lines)


def dot(rows: Sequence[Mapping[str, Any]], edges: Iterable[tuple[str, str]]) -> str:
    """A Graphviz drawing."""
    known = {row["id"] for row in rows}
    lines = ["digraph tickets {", "    rankdir=LR;", "    node [shape=box];"]
    lines += [f'    "{row["id"]}" [label="{row["id"]}: {_plain(row["title"])}"];' for row in rows]
    lines += [f'    "{other}" -> "{node}";' for node, other in edges if node in known and other in known]
    return "\n".join([*lines, "}"])


def _plain(title: str) -> str:
    text = "".join(c for c in title if c not in '"\\[]{}<>|`')
    return text if len(text) <= 40 else text[:39] + "…"
