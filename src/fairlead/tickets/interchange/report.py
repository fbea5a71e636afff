"""The HTML report of a board: one file that needs nothing else, readable by people and by print.

Charts are SVG drawn here, colours follow the reader's light or dark setting, and the filter of the table is the only
script. Every text is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from fairlead.tickets.fields import FINISHED_STATUSES, PRIORITIES, TICKET_STATUSES
from fairlead.tickets.interchange.kept import Record
from fairlead.tickets.interchange.markdown import order

MOST_ROWS = 2000
"""Tickets in the table; the report says so when there are more."""


def render(records: Sequence[Record], title: str, *, now: str, epics: Sequence[Mapping[str, Any]] = ()) -> str:
    """The report. ``now`` is its RFC 3339 time; ``epics`` are mappings with title, status, done and total."""
    live = [r for r in records if r.get("status", "open") not in FINISHED_STATUSES]
    unfinished = {r["id"] for r in live}
    waiting = [r for r in live if not unfinished.isdisjoint(r.get("blocked_by", ()))]
    style, script = (Path(__file__).with_name(name).read_text("utf-8") for name in ("report.css", "report.js"))
    when = now[:16].replace("T", " ")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>",
        f'<header><h1>{escape(title)}</h1><p class="quiet">{len(records)} tickets, {when} UTC</p></header>',
        _tiles(records, live, waiting),
        _status_bar(records),
        '<div class="grid">',
        _flow(records),
        _bars("Open by priority", _ordered(Counter(r.get("priority", "medium") for r in live), PRIORITIES), "priority"),
        _bars("Open by assignee", Counter(r.get("assignee") or "nobody" for r in live).most_common(10)),
        _bars("Open by label", Counter(label for r in live for label in r.get("labels", [])).most_common(10)),
        "</div>",
        _epics(epics),
        _waiting(waiting, records, unfinished),
        _table(records),
        f"</main><script>{script}</script></body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _tiles(records: Sequence[Record], live: Sequence[Record], waiting: Sequence[Record]) -> str:
    done = sum(r.get("status") == "closed" for r in records)
    share = f"{100 * done / len(records):.0f} %" if records else "-"
    points = sum(r.get("story_points") or 0 for r in live)
    tiles = [
        ("open", len(live)),
        (
            "ready",
            sum(r.get("status", "open") == "open" for r in live)
            - sum(r.get("status", "open") == "open" for r in waiting),
        ),
        ("waiting for others", len(waiting)),
        ("closed", f"{done} ({share})"),
        ("open points", f"{points:g}" if points else "-"),
    ]
    inner = "".join(f"<div><b>{escape(str(value))}</b><span>{escape(name)}</span></div>" for name, value in tiles)
    return f'<section class="tiles">{inner}</section>'


def _status_bar(records: Sequence[Record]) -> str:
    counts = Counter(r.get("status", "open") for r in records)
    total = sum(counts.values())
    if not total:
        return ""
    parts = [(s, counts[s]) for s in ("closed", "in-progress", "open", "blocked", "cancelled") if counts[s]]
    bar = "".join(f'<i class="s-{s}" style="flex:{n}" title="{s}: {n}"></i>' for s, n in parts)
    legend = "".join(f'<span><i class="s-{s}"></i>{s} {n}</span>' for s, n in parts)
    return f'<section><div class="stack">{bar}</div><div class="legend">{legend}</div></section>'


def _bars(title: str, rows: Sequence[tuple[str, int]], prefix: str = "") -> str:
    if not rows:
        return ""
    most = max(n for _, n in rows) or 1
    lines = []
    for name, count in rows:
        kind = f" {prefix[0]}-{escape(name)}" if prefix else ""
        fill = f'<i class="fill{kind}" style="width:{100 * count / most:.1f}%"></i>'
        lines.append(f"<tr><th>{escape(name)}</th><td>{fill}</td><td>{count}</td></tr>")
    return f'<section><h2>{escape(title)}</h2><table class="bars">{"".join(lines)}</table></section>'


def _ordered(counts: Counter[str], words: Sequence[str]) -> list[tuple[str, int]]:
    return [(word, counts[word]) for word in words if counts[word]]


def _flow(records: Sequence[Record]) -> str:
    """Tickets created and closed over time, cumulated, as two lines."""
    created = sorted(r["created_at"][:10] for r in records if r.get("created_at"))
    closed = sorted(r["closed_at"][:10] for r in records if r.get("closed_at"))
    # A lone old ticket would squeeze all the rest to the edge: the axis begins where a hundredth has been created.
    start = created[len(created) // 100] if created else ""
    days = sorted({max(day, start) for day in (*created, *closed)})
    if len(days) < 2:
        return ""
    from datetime import date

    first = date.fromisoformat(days[0]).toordinal()
    span = date.fromisoformat(days[-1]).toordinal() - first
    top = max(len(created), 1)

    def line(stamps: Sequence[str]) -> str:
        points = ["0,120"]
        counts = Counter(max(stamp, start) for stamp in stamps)
        total = 0
        for day in days:
            x = 400 * (date.fromisoformat(day).toordinal() - first) / span
            points.append(f"{x:.1f},{120 - 110 * total / top:.1f}")
            total += counts[day]
            points.append(f"{x:.1f},{120 - 110 * total / top:.1f}")
        return " ".join(points)

    area = f"{line(closed)} 400,120"
    return (
        '<section><h2>Created and closed</h2><svg viewBox="0 0 400 122" preserveAspectRatio="none" role="img" '
        f'aria-label="{len(created)} created and {len(closed)} closed"><polygon class="area" points="{area}"/>'
        f'<polyline class="created" points="{line(created)}"/><polyline class="closed" points="{line(closed)}"/></svg>'
        f'<div class="legend"><span>{days[0]}</span><span><i class="l-created"></i>created {len(created)}</span>'
        f'<span><i class="s-closed"></i>closed {len(closed)}</span><span>{days[-1]}</span></div></section>'
    )


def _epics(epics: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for epic in epics:
        done, total = int(epic.get("done", 0)), int(epic.get("total", 0))
        fill = f'<i class="fill s-closed" style="width:{100 * done / total if total else 0:.1f}%"></i>'
        name = f"{escape(str(epic.get('title', '')))} <span class=quiet>{escape(str(epic.get('status', '')))}</span>"
        rows.append(f"<tr><th>{name}</th><td>{fill}</td><td>{done} / {total}</td></tr>")
    return f'<section><h2>Epics</h2><table class="bars">{"".join(rows)}</table></section>' if rows else ""


def _waiting(waiting: Sequence[Record], records: Sequence[Record], unfinished: set[str]) -> str:
    """The tickets that hold up most others, with what they hold up."""
    titles = {r["id"]: r.get("title", "") for r in records}
    held: dict[str, list[str]] = {}
    for record in waiting:
        for target in record.get("blocked_by", []):
            if target in unfinished:
                held.setdefault(target, []).append(record["id"])
    rows = []
    for target, others in sorted(held.items(), key=lambda item: (-len(item[1]), item[0]))[:15]:
        said = ", ".join(f'<a href="#{escape(o)}">{escape(o)}</a>' for o in others[:8]) + (
            " …" if len(others) > 8 else ""
        )
        name = f'<a href="#{escape(target)}">{escape(target)}</a> {escape(titles.get(target, ""))}'
        rows.append(f"<tr><td>{name}</td><td>{len(others)}</td><td>{said}</td></tr>")
    if not rows:
        return ""
    head = "<tr><th>ticket</th><th>holds up</th><th>which</th></tr>"
    return f'<section><h2>What others wait for</h2><table class="list">{head}{"".join(rows)}</table></section>'


def _table(records: Sequence[Record]) -> str:
    ranks = {status: n for n, status in enumerate(("in-progress", "blocked", "open", "closed", "cancelled"))}
    rows = sorted(records, key=lambda r: (ranks[r.get("status", "open")], *order(r)))
    more = f'<p class="quiet">The first {MOST_ROWS} of {len(rows)}.</p>' if len(rows) > MOST_ROWS else ""
    options = "".join(f"<option>{s}</option>" for s in TICKET_STATUSES)
    head = (
        '<section><h2>Tickets</h2><p class="tools">'
        '<input id="find" type="search" placeholder="filter" aria-label="filter">'
        f'<select id="status" aria-label="status"><option value="">every status</option>{options}</select>'
        '<span id="count" class="quiet"></span></p><table class="list" id="tickets">'
        "<thead><tr><th>id</th><th>title</th><th>status</th><th>priority</th><th>assignee</th><th>labels</th></tr></thead><tbody>"
    )
    return head + "".join(map(_row, rows[:MOST_ROWS])) + f"</tbody></table>{more}</section>"


def _row(record: Record) -> str:
    status, priority = record.get("status", "open"), record.get("priority", "medium")
    labels = " ".join(f'<span class="tag">{escape(label)}</span>' for label in record.get("labels", []))
    body = escape(record.get("description", ""))
    name = escape(record.get("title", ""))
    said = f"<details><summary>{name}</summary><pre>{body}</pre></details>" if body else name
    own = escape(record["id"])
    return (
        f'<tr id="{own}" data-status="{status}"><td class="id">{own}</td><td>{said}</td>'
        f'<td><span class="pill s-{status}">{status}</span></td>'
        f'<td><span class="pri p-{priority}">{priority}</span></td>'
        f"<td>{escape(record.get('assignee') or '')}</td><td>{labels}</td></tr>\n"
    )
