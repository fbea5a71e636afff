"""Extraction by pattern: addresses, dates, amounts, names and terms; or the fields that a schema names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fairlead.gateway.local.answer import best_answer
from fairlead.gateway.local.text import STOPWORDS, sentences

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
PATTERNS: Mapping[str, re.Pattern[str]] = {
    "emails": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "urls": re.compile(r"\bhttps?://[^\s<>\"')\]]+[^\s<>\"')\].,;:]"),
    "dates": re.compile(
        rf"\b(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}/\d{{1,2}}/\d{{2,4}}|(?:{_MONTHS})\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,\s*\d{{4}})?"
        rf"|\d{{1,2}}\s+(?:{_MONTHS})(?:\s+\d{{4}})?|(?:{_MONTHS})\s+\d{{4}})\b"
    ),
    "amounts": re.compile(
        r"(?:[$€£]\s?\d[\d,]*(?:\.\d+)?(?:\s?(?:million|billion|thousand|[kKmM]))?\b"
        r"|\b\d[\d,]*(?:\.\d+)?\s?(?:USD|EUR|GBP|dollars|euros|pounds)\b)"
    ),
    "percentages": re.compile(r"\b\d+(?:\.\d+)?\s?(?:%|percent\b)"),
    "phones": re.compile(r"(?<![\w.])\+\d[\d ()-]{7,16}\d\b"),
}
"""What is looked for, by the name it is returned under."""

_NAME = re.compile(r"\b[A-Z][a-zA-Z’'-]+(?:\s+(?:(?:of|the|de|von|van|and)\s+)?[A-Z][a-zA-Z’'-]+)*")
_MOST_NAMES = 50


def extract(text: str) -> dict[str, list[str]]:
    """Everything found, each value once, in order of appearance; kinds without a value are left out."""
    found = {kind: list(dict.fromkeys(m.group() for m in p.finditer(text))) for kind, p in PATTERNS.items()}
    found["names"] = names(text)
    return {kind: values for kind, values in found.items() if values}


def names(text: str) -> list[str]:
    """Capitalised names, the most frequent first. A single word that only opens sentences is not taken for one."""
    inside: Counter[str] = Counter()
    opening: Counter[str] = Counter()
    for sentence in sentences(text):
        for match in _NAME.finditer(sentence):
            name = match.group()
            first = name.split()[0].lower()
            if match.start() == 0 and (first in STOPWORDS):
                name = name.partition(" ")[2]
            if not name:
                continue
            at_start = match.start() <= 1 and " " not in name
            (opening if at_start else inside)[name] += 1
    for name in opening:
        if name in inside:
            inside[name] += opening[name]
    return [name for name, _ in inside.most_common(_MOST_NAMES)]


def extract_fields(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each property of a JSON Schema object, by its name, description and type; None for what the text
    does not hold. Arrays get every value of the matching kind."""
    values: dict[str, Any] = {}
    everything = extract(text)
    for name, rule in schema.get("properties", {}).items():
        kind = rule.get("type", "string")
        label = name.replace("_", " ")
        if kind == "array":
            values[name] = everything.get(name) or everything.get(name + "s") or []
            continue
        stated = _stated(text, label)
        values[name] = _typed(stated, kind) if stated else _asked(text, label, rule, kind, everything)
    return values


def _stated(text: str, label: str) -> str:
    """What stands behind ``label:`` on a line."""
    match = re.search(rf"^\W*{re.escape(label)}\s*[:=]\s*(.+)$", text, re.IGNORECASE | re.MULTILINE)
    return match.group(1).strip() if match else ""


def _asked(text: str, label: str, rule: Mapping[str, Any], kind: str, everything: Mapping[str, list[str]]) -> Any:
    plural = label.split()[-1] + "s"
    if plural in everything:
        return _typed(everything[plural][0], kind)
    word = (
        "how many" if kind in ("integer", "number") else "when" if "date" in label or "year" in label else "what is the"
    )
    found = best_answer(f"{word} {label} {rule.get('description', '')}", text)
    return _typed(found.span or found.text, kind) if found.text and found.confidence >= 0.5 else None


def _typed(value: str, kind: str) -> Any:
    if kind in ("integer", "number"):
        match = re.search(r"-?\d[\d,]*(?:\.\d+)?", value)
        if match is None:
            return None
        number = float(match.group().replace(",", ""))
        return int(number) if kind == "integer" else number
    if kind == "boolean":
        return value.strip().lower() in ("yes", "true", "on", "1")
    return value
