"""Traces: what a run did when, from its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from fairlead.store.port import JournalRow, RunRow


def trace_of(run: RunRow, journal: Sequence[JournalRow], children: Sequence[RunRow] = ()) -> dict[str, Any]:
    """A run as a tree of spans: ``{run, spans, totals}``.

    Each span is ``{key, kind, status, start, seconds, attempts, error, usage, parts}``; ``start`` is seconds after the
    run's creation; items hang below their fan-out, and parts (model calls, tools, durable parts) below their step.
    """
    spans: dict[str, dict[str, Any]] = {}
    roots: list[dict[str, Any]] = []
    for row in sorted(journal, key=lambda r: (r.key.count("/"), "[" in r.key, r.started, r.key)):
        span = _span(run, row)
        spans[row.key] = span
        parent = spans.get(_parent(row.key))
        (roots if parent is None else parent["parts"]).append(span)
    for span in spans.values():
        _widen(span)
    roots.sort(key=lambda s: s["start"])
    end = run.finished or max([run.created, *(r.finished or r.started for r in journal)])
    return {
        "run": {
            "id": run.id,
            "name": run.name,
            "kind": run.kind,
            "state": run.state,
            "cause": run.cause,
            "forked_from": run.forked_from,
            "attempt": run.attempt,
            "created": run.created,
            "seconds": round(end - run.created, 6),
            "error": run.error,
            "waiting_for": orjson.loads(run.waiting_for) if run.waiting_for else None,
        },
        "spans": roots,
        "children": [{"id": c.id, "name": c.name, "state": c.state} for c in children],
        "totals": _totals(journal),
    }


def _parent(key: str) -> str:
    if "/" in key:
        return key.rpartition("/")[0]
    return key.partition("[")[0] if "[" in key else ""


def _span(run: RunRow, row: JournalRow) -> dict[str, Any]:
    metadata = orjson.loads(row.metadata) if row.metadata else {}
    # What a fork took over was done before the fork began, and took it no time.
    kept = "kept_from" in metadata
    seconds = 0.0 if kept else None if row.finished is None else round(row.finished - row.started, 6)
    return {
        "key": row.key,
        "kind": row.kind,
        "status": row.status,
        "start": 0.0 if kept else round(row.started - run.created, 6),
        "seconds": seconds,
        "attempts": row.attempts,
        "error": row.error,
        "reason": f"kept from {metadata['kept_from'][-8:]}" if kept else metadata.get("reason"),
        "kept_from": metadata.get("kept_from"),
        "usage": metadata.get("usage"),
        "bytes": len(row.value) if row.value is not None else 0,
        "parts": [],
    }


def _widen(span: dict[str, Any]) -> None:
    """A fan-out's own row is written when its last item ends; its time is that of its items."""
    if span["kind"] == "fan" and span["parts"]:
        start = min(p["start"] for p in span["parts"])
        end = max(p["start"] + (p["seconds"] or 0) for p in span["parts"])
        span["start"], span["seconds"] = start, round(end - start, 6)


def _totals(journal: Sequence[JournalRow]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    usage: dict[str, float] = {}
    for row in journal:
        if row.kind in ("step", "item"):
            counts[row.status] = counts.get(row.status, 0) + 1
            for name, amount in (orjson.loads(row.metadata).get("usage") or {}).items() if row.metadata else ():
                usage[name] = usage.get(name, 0) + amount
    return {"units": counts, "usage": usage}
