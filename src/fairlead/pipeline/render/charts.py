"""Small charts as inline SVG: how themes spread over the documents, and which names occur together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fairlead.pipeline.render.style import HUES

_ROW = 24


def theme_map(themes: Sequence[Mapping[str, Any]], documents: Sequence[Mapping[str, Any]]) -> str:
    """One strip per theme with a bar per document; a bar's height and strength are the theme's share of it."""
    rows = []
    for number, theme in enumerate(themes):
        bars = []
        for column, (document, share) in enumerate(zip(documents, theme["shares"], strict=False)):
            if share < 0.02:
                continue
            title = escape(f"{document['title']}: {share:.0%}")
            bars.append(
                f'<rect x="{column + 0.08:.2f}" y="{10 - 10 * share:.2f}" width=".84" height="{10 * share:.2f}" '
                f'opacity="{0.35 + 0.65 * share:.2f}"><title>{title}</title></rect>'
            )
        style = f'style="--h:{HUES[number % len(HUES)]}"'
        rows.append(
            f'<div class="name">{escape(theme["label"])}</div>'
            f'<svg {style} viewBox="0 0 {max(len(documents), 1)} 10" preserveAspectRatio="none" role="img" '
            f'aria-label="Share of {escape(theme["label"])} in each document">{"".join(bars)}</svg>'
            f'<div class="pc">{theme["weight"]:.0%}</div>'
        )
    axis = f'<div class="axis"><span>document 1</span><span>{len(documents)}</span></div>' if len(documents) > 1 else ""
    return f'<div class="map">{"".join(rows)}{axis}</div>'


def arc_diagram(links: Mapping[str, Any]) -> str:
    """Names as a column; an arc joins two that occur in the same documents, stronger the more they share."""
    nodes, edges = links["nodes"], links["edges"]
    if len(nodes) < 3 or not edges:
        return ""
    most = max(edge["documents"] for edge in edges)
    strong = sorted(edges, key=lambda e: (-e["documents"], e["a"], e["b"]))[: max(len(nodes) * 2, 12)]
    width, left = 440, 190
    height = _ROW * len(nodes) + 12
    paths = []
    for edge in sorted(strong, key=lambda e: e["documents"]):
        top, bottom = _row_y(edge["a"]), _row_y(edge["b"])
        bulge = left + 12 + (width - left - 24) * math.sqrt((edge["b"] - edge["a"]) / len(nodes)) * 1.25
        share = edge["documents"] / most
        title = escape(f"{nodes[edge['a']]['name']} and {nodes[edge['b']]['name']}: {edge['documents']} documents")
        paths.append(
            f'<path d="M{left} {top} C{bulge:.0f} {top} {bulge:.0f} {bottom} {left} {bottom}" '
            f'stroke-width="{0.8 + 2.6 * share:.1f}" opacity="{0.16 + 0.6 * share:.2f}"><title>{title}</title></path>'
        )
    labels = []
    biggest = max(node["documents"] for node in nodes)
    for i, node in enumerate(nodes):
        y = _row_y(i)
        name = node["name"] if len(node["name"]) <= 22 else node["name"][:21] + "…"
        labels.append(
            f'<circle cx="{left}" cy="{y}" r="{2.5 + 4 * math.sqrt(node["documents"] / biggest):.1f}"/>'
            f'<text x="{left - 12}" y="{y + 4.5}" text-anchor="end">{escape(name)}'
            f'<tspan class="n" dx="6">{node["documents"]}</tspan></text>'
        )
    about = 'role="img" aria-label="Names that occur in the same documents"'
    return f'<svg class="arcs" viewBox="0 0 {width} {height}" {about}>{"".join(paths)}{"".join(labels)}</svg>'


def _row_y(index: int) -> float:
    return _ROW * index + _ROW / 2 + 6
