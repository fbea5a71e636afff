"""Traces drawn for a terminal: a tree with a waterfall beside it."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_COLOURS = {
    "success": "green",
    "uncertain": "yellow",
    "skipped": "bright_black",
    "error": "red",
    "unknown": "magenta",
    "started": "cyan",
}
_MOST_PARTS = 12


def draw_trace(trace: dict[str, Any], *, width: int = 40, every: bool = False) -> RenderableType:
    """The trace of :func:`fairlead.observe.trace.trace_of` as a table; long fan-outs are cut unless ``every``."""
    run = trace["run"]
    total = max(run["seconds"], 1e-9)
    head = Text.assemble(
        (run["name"], "bold"),
        "  ",
        (run["id"], "dim"),
        "  ",
        (run["state"], _state_colour(run["state"])),
        f"  {format_seconds(run['seconds'])}  caused by {run['cause']}",
    )
    if run["forked_from"]:
        head.append(f"  forked from {run['forked_from'][-8:]}", "yellow")
    if run["attempt"] > 1:
        head.append(f"  taken up {run['attempt'] - 1} time(s)", "yellow")
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim", expand=False)
    for name, justify in (
        ("step", "left"),
        ("status", "left"),
        ("tries", "right"),
        ("start", "right"),
        ("took", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("waterfall", no_wrap=True)
    table.add_column("", overflow="fold")
    for span in trace["spans"]:
        _add(table, span, "", total, width, every)
    for child in trace["children"]:
        table.add_row(Text(f"→ {child['name']}"), child["state"], "", "", "", "", Text(child["id"], "dim"))
    lines: list[RenderableType] = [head, table]
    if run["waiting_for"]:
        lines += [Text(f"waits for a person: {w['key']}: {w['reason']}", "magenta") for w in run["waiting_for"]]
    if run["error"]:
        lines.append(Text(run["error"], "red"))
    if trace["totals"]["usage"]:
        lines.append(Text("usage: " + ", ".join(f"{k} {v:g}" for k, v in trace["totals"]["usage"].items()), "dim"))
    return Group(*lines)


def _add(table: Table, span: dict[str, Any], indent: str, total: float, width: int, every: bool) -> None:
    colour = _COLOURS.get(span["status"], "white")
    seconds = span["seconds"]
    name = span["key"].rpartition("/")[2] if indent else span["key"]
    note = span["error"] or span["reason"] or ""
    table.add_row(
        Text(indent + name, overflow="ellipsis"),
        Text(span["status"], colour),
        str(span["attempts"]) if span["attempts"] > 1 else "",
        format_seconds(span["start"]),
        "…" if seconds is None else format_seconds(seconds),
        _bar(span["start"], seconds or 0.0, total, width, colour),
        Text(note, colour),
    )
    parts = sorted(span["parts"], key=lambda p: p["start"])
    shown = (
        parts
        if every or len(parts) <= _MOST_PARTS
        else sorted(
            sorted(parts, key=lambda p: (p["status"] != "error", -(p["seconds"] or 0)))[:_MOST_PARTS],
            key=lambda p: p["start"],
        )
    )
    for part in shown:
        _add(table, part, indent + "  ", total, width, every)
    if len(shown) < len(parts):
        table.add_row(Text(f"{indent}  … {len(parts) - len(shown)} more (--all shows them)", "dim"))


def _bar(start: float, seconds: float, total: float, width: int, colour: str) -> Text:
    left = min(width - 1, int(start / total * width))
    length = max(1, min(width - left, round(seconds / total * width)))
    return Text.assemble((" " * left, ""), ("━" * length, colour), (" " * (width - left - length), ""))


def format_seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min"


def _state_colour(state: str) -> str:
    return {"completed": "green", "error": "red", "terminated": "red", "paused": "yellow"}.get(state, "cyan")
