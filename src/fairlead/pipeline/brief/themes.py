"""The themes of a brief: what each is called, which documents it is in, and the statements that show it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.pipeline.analysis.themes import Themes, as_floats, distinct, factorise, theme_count, unit
from fairlead.pipeline.brief.parts import Analysis, forms_of, offered, shown


def find_themes(main: Sequence[Analysis], wanted: frozenset[str]) -> list[dict[str, Any]]:
    documents = [a["blocks"] for a in main]
    blocks = sum(map(len, documents))
    if not blocks:
        return []
    found = factorise(documents, theme_count(len(main), blocks), wanted)
    if not len(found.terms):
        return []
    shares = _shares(found, documents)
    least = min(0.2, 0.9 / len(found.terms))
    forms, _ = forms_of(main)
    order = sorted(range(len(found.terms)), key=lambda k: (-_theme_weight(found, k, shares, wanted), k))
    used: set[tuple[str, int]] = set()
    themes: list[dict[str, Any]] = []
    for k in order:
        names = _names_of(main, found, k, shares, forms)
        statements = _theme_statements(main, found, k, names, used, wanted)
        if not names or len(statements) < 2:
            continue
        used |= {(s["document"], s["start_char"]) for s in statements}
        if len(main) >= 8 and sum(shares[:, k] >= 0.2) < 2:
            continue
        belongs = [(float(shares[i, k]), a["id"]) for i, a in enumerate(main) if shares[i, k] >= least]
        themes.append(
            {
                "label": _label([forms[name] for name in names]),
                "phrases": [forms[name] for name in names],
                "weight": round(float(shares[:, k].sum() / max(len(main), 1)), 3),
                "documents": [
                    {"id": i, "share": round(share, 3)} for share, i in sorted(belongs, key=lambda p: (-p[0], p[1]))
                ],
                "shares": as_floats(shares[:, k]),
                "statements": [shown(s) for s in statements],
            }
        )
    return themes


def _shares(found: Themes, documents: Sequence[Sequence[Mapping[str, int]]]) -> Any:
    """Documents by themes: the share of each theme in a document; rows sum to 1."""
    shares = np.zeros((len(documents), len(found.terms)))
    row = 0
    for i, blocks in enumerate(documents):
        for _ in blocks:
            shares[i] += found.rows[row]
            row += 1
    sums = shares.sum(axis=1, keepdims=True)
    return shares / np.where(sums == 0, 1, sums)


def _theme_weight(found: Themes, k: int, shares: Any, wanted: frozenset[str]) -> float:
    spread = float((shares[:, k] >= 0.2).sum())
    weight = float(shares[:, k].sum()) * (1 if spread >= 2 or len(shares) < 4 else 0.3)
    matched = sum(float(found.terms[k, found.space.column[term]]) for term in wanted if term in found.space.column)
    return weight * (1 + 6 * matched)


def _names_of(main: Sequence[Analysis], found: Themes, k: int, shares: Any, forms: Mapping[str, str]) -> list[str]:
    """The key phrases that name a theme: strong in its documents, weak in others, close to its profile."""
    inside: dict[str, float] = defaultdict(float)
    overall: dict[str, float] = defaultdict(float)
    held: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for i, analysis in enumerate(main):
        best = max((p["score"] for p in analysis["key_phrases"]), default=1.0)
        for phrase in analysis["key_phrases"]:
            standing = math.sqrt(phrase["score"] / best)
            inside[phrase["key"]] += standing * float(shares[i, k])
            overall[phrase["key"]] += standing
            said[phrase["key"]] += phrase["count"]
            held[phrase["key"]] += shares[i, k] >= 0.2
    profile = unit(found.terms[k])

    def worth(key: str) -> float:
        close = float(found.space.vector(Counter([key, *key.split()])) @ profile)
        several = 1.0 if len(main) < 4 or (held[key] >= 2 and said[key] >= 3) else 0.1
        return close * math.sqrt(inside[key]) * (inside[key] / overall[key]) * several * (1.7 if " " in key else 1.0)

    return distinct(sorted(inside, key=lambda key: (-worth(key), key))[:40], worth)


def _label(phrases: Sequence[str]) -> str:
    """The first phrase, and the second when the first is a single word."""
    first = phrases[0]
    label = first if " " in first or len(phrases) == 1 else f"{first} and {phrases[1]}"
    return label[:1].upper() + label[1:]


def _theme_statements(
    main: Sequence[Analysis],
    found: Themes,
    k: int,
    names: Sequence[str],
    used: set[tuple[str, int]],
    wanted: frozenset[str],
) -> list[dict[str, Any]]:
    profile = unit(found.terms[k])
    scored: list[tuple[float, str, int, dict[str, Any], Any]] = []
    for analysis in main:
        for s in offered(analysis):
            if s["quality"] < 0.5 or (s["document"], s["start_char"]) in used:
                continue
            vector = found.space.vector(Counter([*s["terms"], *s["keys"]]))
            close = float(vector @ profile)
            if close < 0.15:
                continue
            named = sum(name in s["keys"] or name in s["terms"] for name in names[:3])
            about = sum(term in wanted for term in {*s["terms"], *s["keys"]})
            worth = (
                close
                * s["quality"] ** 1.5
                * (0.6 + 0.4 * min(s["score"], 1))
                * (1 + 0.25 * named)
                * (1 + 0.8 * min(about, 3))
            )
            scored.append((worth, s["document"], s["start_char"], s, vector))
    scored.sort(key=lambda row: (-row[0], row[1], row[2]))
    most_each = 1 if len(main) >= 8 else 2 if len(main) > 1 else 4
    return _varied(scored, most_each)


def _varied(scored: Sequence[tuple[float, str, int, dict[str, Any], Any]], most_each: int) -> list[dict[str, Any]]:
    """Up to five statements: the best first, few from one document, none like another."""
    chosen: list[dict[str, Any]] = []
    vectors: list[Any] = []
    per_document: Counter[str] = Counter()
    for worth, document, _, statement, vector in scored[:60]:
        if len(chosen) == 5 or worth < 0.08:
            break
        if per_document[document] >= most_each or any(float(vector @ other) > 0.8 for other in vectors):
            continue
        chosen.append(statement)
        vectors.append(vector)
        per_document[document] += 1
    return chosen


def take_lead(themes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best statement of each of the first four themes, moved there from the theme when it has others to show."""
    lead: list[dict[str, Any]] = []
    for theme in themes[:4]:
        if len(theme["statements"]) > 2:
            lead.append(theme["statements"].pop(0))
    return lead
