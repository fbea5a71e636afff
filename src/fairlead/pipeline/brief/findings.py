"""What a brief shows of questions, dates, fallacies and tone: few of each, the surest, and none where they say nothing.

READMEs and pages of a manual are left out: their questions are headings, their dates are releases, and their tone is
advertising.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.pipeline.brief.parts import Analysis, shown

_WITHOUT = frozenset({"readme", "topic", "licence"})
_LEAST_SURE_TONE = 0.75
_LEAST_QUALITY = 0.35
"""A question counts half of a statement of its form, so this is a good one."""


def told(main: Sequence[Analysis]) -> list[Analysis]:
    """The documents in which somebody tells or argues."""
    return [analysis for analysis in main if analysis["kind"] not in _WITHOUT]


def all_questions(main: Sequence[Analysis], most: int = 8) -> list[dict[str, Any]]:
    """Questions that are asked in earnest: the answered ones with their answer first, few from one document."""
    each = max(2, most // max(len(main), 1))
    rows: list[tuple[bool, float, str, int, dict[str, Any]]] = []
    for analysis in told(main):
        asked = [
            q for q in analysis["questions"] if q["label"] in ("answered", "open") and q["quality"] >= _LEAST_QUALITY
        ]
        asked.sort(key=lambda q: ("answer" not in q, -q["confidence"], -min(len(q["text"]), 120), q["start_char"]))
        rows += [("answer" not in q, -q["confidence"], q["document"], q["start_char"], q) for q in asked[:each]]
    rows.sort(key=lambda row: row[:4])
    return [
        {**shown(q), "label": q["label"], **({"answer": shown(q["answer"])} if "answer" in q else {})}
        for *_, q in rows[:most]
    ]


def all_fallacies(main: Sequence[Analysis], most: int = 6) -> list[dict[str, Any]]:
    """Sentences whose wording is that of a fallacy, the patterns first that were right most often."""
    found = [f for analysis in told(main) for f in analysis["fallacies"] if f["confidence"] >= 0.5]
    found.sort(key=lambda f: (-f["confidence"], f["document"], f["start_char"]))
    return [{**shown(f), "label": f["label"], "why": f["why"], "confidence": f["confidence"]} for f in found[:most]]


def timeline(main: Sequence[Analysis], most: int = 12) -> list[dict[str, Any]]:
    """Dated statements in the order of their dates, one a date and document; only what names a year."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for analysis in told(main):
        for date in analysis["dates"]:
            if "statement" in date:
                rows.setdefault((date["value"], analysis["id"]), date)
    found = sorted(
        rows.values(), key=lambda d: (-d["statement"]["quality"], d["value"], d["document"], d["start_char"])
    )
    found = sorted(found[:most], key=lambda d: (_moment(d["value"]), d["document"], d["start_char"]))
    return [{**shown(d["statement"]), "date": d["value"], "when": _for_people(d["value"])} for d in found]


def _for_people(value: str) -> str:
    """``193X`` as 1930s; the rest of ISO 8601 is read as it is."""
    if value.endswith("XX"):
        before = value.startswith("-")
        number = int(value.lstrip("-")[:2]) + 1
        ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending} century{' BC' if before else ''}"
    return f"{value[:3]}0s" if value.endswith("X") else value


def _moment(value: str) -> tuple[str, str]:
    """A key that puts a decade before its years, and a year before its months."""
    year = value[:4].replace("X", "0")
    return year, value


def tone(main: Sequence[Analysis], most: int = 3) -> dict[str, Any]:
    """How documents and speakers sound, and the plainest statements of either kind; empty when all are neutral."""
    heard = [analysis for analysis in told(main) if analysis["sentiment"]]
    strongest = {side: _plainest(heard, side, most) for side in ("positive", "negative")}
    speakers: dict[str, list[Mapping[str, Any]]] = {}
    for analysis in heard:
        for speaker in analysis["sentiment"]["speakers"]:
            speakers.setdefault(speaker["name"], []).append(speaker)
    return {
        "documents": [
            {"id": a["id"], "label": a["sentiment"]["label"], "score": a["sentiment"]["score"]} for a in heard
        ],
        "speakers": {name: _weighed(rows) for name, rows in sorted(speakers.items())},
        **strongest,
    }


def _plainest(heard: Sequence[Analysis], side: str, most: int) -> list[dict[str, Any]]:
    each = 1 if len(heard) >= most else most
    found = [s for a in heard for s in a["sentiment"]["strongest"][side][:each] if s["confidence"] >= _LEAST_SURE_TONE]
    found.sort(key=lambda s: (-s["confidence"], s["document"], s["start_char"]))
    return [{**shown(s), "confidence": s["confidence"]} for s in found[:most]]


def _weighed(rows: Sequence[Mapping[str, Any]]) -> float:
    words: int = sum(row["words"] for row in rows)
    total: float = sum(row["score"] * row["words"] for row in rows)
    return round(total / max(words, 1), 3)
