"""Workflows drawn: as Mermaid, as DOT, and as a tree of text. Pure functions of the graph."""

from __future__ import annotations

from fairlead.runtime.graph import Node, Workflow, check_graph


def draw_mermaid(workflow: Workflow) -> str:
    """A Mermaid flowchart (mermaid.js.org), top down."""
    shape = check_graph(workflow)
    lines = ["flowchart TD"]
    for n, node in enumerate(workflow.nodes):
        label = _escape(_label(node), quote="#quot;")
        left, right = ("[[", "]]") if node.foreach or node.each_of else ("[", "]")
        lines.append(f'    n{n}{left}"{label}"{right}')
    for target, edges in enumerate(shape.incoming):
        for source, on in edges:
            arrow = "-->" if on == "success" else f"-. {on} .->"
            lines.append(f"    n{source} {arrow} n{target}")
    for source, followers in enumerate(shape.followers):
        lines += [f"    n{source} == each item ==> n{target}" for target in followers]
    return "\n".join(lines) + "\n"


def draw_dot(workflow: Workflow) -> str:
    """A digraph in the DOT language (graphviz.org/doc/info/lang.html)."""
    shape = check_graph(workflow)
    lines = [f'digraph "{_escape(workflow.name)}" {{', "    rankdir=TB; node [shape=box, style=rounded];"]
    for n, node in enumerate(workflow.nodes):
        peripheries = ", peripheries=2" if node.foreach or node.each_of else ""
        lines.append(f'    n{n} [label="{_escape(_label(node))}"{peripheries}];')
    for target, edges in enumerate(shape.incoming):
        for source, on in edges:
            style = "" if on == "success" else f' [style=dashed, label="{on}"]'
            lines.append(f"    n{source} -> n{target}{style};")
    for source, followers in enumerate(shape.followers):
        lines += [f'    n{source} -> n{target} [style=bold, label="each item"];' for target in followers]
    return "\n".join([*lines, "}"]) + "\n"


def draw_text(workflow: Workflow) -> str:
    """The steps in an order in which they may run, each with what it waits for."""
    shape = check_graph(workflow)
    depth: dict[int, int] = {}
    for n in shape.order:
        node = workflow.nodes[n]
        sources = [s for s, _ in shape.incoming[n]]
        if node.each_of is not None:
            sources.append(shape.position[node.each_of])
        depth[n] = max((depth[s] + 1 for s in sources), default=0)
    lines = [f"{workflow.name} (version {workflow.version})"]
    for n in sorted(shape.order, key=lambda n: (depth[n], n)):
        node = workflow.nodes[n]
        waits = [_edge_text(shape.names[s], on) for s, on in shape.incoming[n]]
        if node.each_of is not None:
            waits.append(f"each item of {node.each_of}")
        marks = "".join(f"  [{m}]" for m in _marks(node))
        behind = f"  ← {', '.join(waits)}" if waits else ""
        lines.append(f"{'  ' * depth[n]}{'└ ' if depth[n] else ''}{node.name}{marks}{behind}")
    return "\n".join(lines) + "\n"


def _edge_text(name: str, on: str) -> str:
    return name if on == "success" else f"{name} ({on})"


def _label(node: Node) -> str:
    agent = node.agent or getattr(node.call, "__name__", "")
    return node.name if agent in ("", node.name) else f"{node.name}\n{agent}"


def _marks(node: Node) -> list[str]:
    marks = []
    if node.foreach or node.each_of:
        marks.append("per item")
    if node.when:
        marks.append(f"when {node.when}")
    if node.effect:
        marks.append("effect")
    if node.permission != "read":
        marks.append(node.permission)
    return marks


def _escape(text: str, *, quote: str = '\\"') -> str:
    return text.replace("\\", "\\\\").replace('"', quote).replace("\n", "\\n")
