"""The cross-document brief: one page of knowledge from the analyses of many documents, every statement with its source.

Pure functions of the analyses. Near-duplicates are said once, licences are listed by name instead of being quoted,
and what could not be read is named with its reason.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.pipeline.analysis.accord import find_pairs
from fairlead.pipeline.analysis.duplicates import group
from fairlead.pipeline.analysis.themes import Themes, as_floats, factorise, label_of, theme_count, unit
from fairlead.pipeline.text.words import fold, words_of

BRIEF_VERSION = 1
_KIND_NAMES = {
    "readme": ("README", "READMEs"),
    "licence": ("licence", "licences"),
    "topic": ("manual topic", "manual topics"),
    "vtt": ("talk", "talks"),
    "srt": ("talk", "talks"),
    "transcript": ("transcript", "transcripts"),
    "pdf": ("PDF", "PDFs"),
    "docx": ("Word document", "Word documents"),
    "html": ("web page", "web pages"),
    "markdown": ("Markdown document", "Markdown documents"),
    "rst": ("reStructuredText document", "reStructuredText documents"),
    "csv": ("table", "tables"),
    "json": ("JSON document", "JSON documents"),
    "text": ("text", "texts"),
}
_SHOWN_FIELDS = ("text", "document", "start_char", "end_char", "speaker", "heading", "start_s", "end_s")

Analysis = Mapping[str, Any]


def compose(analyses: Sequence[Analysis], *, focus: Sequence[str] = ()) -> dict[str, Any]:
    """The brief as JSON-able values; ``focus`` terms raise the themes and statements that speak of them."""
    readable = [a for a in analyses if not a.get("error")]
    groups = group([a["sketch"] for a in readable])
    main = [readable[members[0]] for members in groups if readable[members[0]]["kind"] != "licence"]
    copies = {readable[m[0]]["id"]: [readable[i]["title"] for i in m[1:]] for m in groups if len(m) > 1}
    wanted = frozenset(fold(word) for term in focus for word in words_of(term)) | {_folded(term) for term in focus}
    themes = _themes(main, wanted)
    agreements, differences = find_pairs([s for a in main for s in _offered(a)])
    phrases = _key_phrases(main, wanted)
    entities = _entities(main)
    return {
        "version": BRIEF_VERSION,
        "title": _title(main, themes, phrases),
        "focus": list(focus),
        "numbers": _numbers(analyses, readable, main, groups, themes),
        "lead": _lead(main, themes),
        "themes": themes,
        "key_phrases": phrases,
        "entities": entities,
        "voices": _voices(main),
        "reported": _reported(main),
        "agreements": [_pair(pair) for pair in agreements],
        "differences": [_pair(pair) for pair in differences],
        "documents": [_document(a, copies.get(a["id"], [])) for a in main],
        "licences": _licences(readable),
        "not_read": [{"title": a.get("title", ""), "reason": a["error"]} for a in analyses if a.get("error")],
        "links": _links(main, entities),
    }


def _folded(term: str) -> str:
    return " ".join(fold(word) for word in words_of(term))


def shown(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement with what a reader needs: its text and its source."""
    return {name: statement[name] for name in _SHOWN_FIELDS if name in statement}


def _pair(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {**pair, "statements": [shown(s) for s in pair["statements"]]}


def _offered(analysis: Analysis) -> list[dict[str, Any]]:
    """A document's statements; those in its voices are among what a theme may show."""
    seen: set[int] = set()
    offered: list[dict[str, Any]] = []
    for statement in [*analysis["statements"], *(s for voice in analysis["voices"] for s in voice["statements"])]:
        if statement["start_char"] not in seen:
            seen.add(statement["start_char"])
            offered.append(statement)
    return offered


# ── themes ───────────────────────────────────────────────────────────────────────────────────────────────────


def _themes(main: Sequence[Analysis], wanted: frozenset[str]) -> list[dict[str, Any]]:
    documents = [a["blocks"] for a in main]
    blocks = sum(map(len, documents))
    if not blocks:
        return []
    found = factorise(documents, theme_count(len(main), blocks), wanted)
    if not len(found.terms):
        return []
    shares = _shares(found, documents)
    forms, presence = _forms(main)
    order = sorted(range(len(found.terms)), key=lambda k: (-_theme_weight(found, k, shares, wanted), k))
    used: set[tuple[str, int]] = set()
    themes: list[dict[str, Any]] = []
    for k in order:
        names = label_of(found.terms[k], found.space, forms, presence)
        statements = _theme_statements(main, found, k, names, used, wanted)
        if not names or len(statements) < 2:
            continue
        used |= {(s["document"], s["start_char"]) for s in statements}
        belongs = [(float(shares[i, k]), a["id"]) for i, a in enumerate(main) if shares[i, k] >= 0.2]
        themes.append(
            {
                "label": _label([forms[name] for name in names]),
                "phrases": [forms[name] for name in names],
                "weight": round(float(shares[:, k].sum() / max(len(main), 1)), 3),
                "documents": [{"id": i, "share": round(share, 3)} for share, i in sorted(belongs, key=lambda p: (-p[0], p[1]))],
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


def _forms(main: Sequence[Analysis]) -> tuple[dict[str, str], dict[str, int]]:
    """How each key is written most often, and in how many documents it is a key phrase."""
    written: dict[str, Counter[str]] = defaultdict(Counter)
    presence: Counter[str] = Counter()
    for analysis in main:
        for phrase in analysis["key_phrases"]:
            written[phrase["key"]][phrase["phrase"]] += phrase["count"]
            presence[phrase["key"]] += 1
    forms = {key: min(counts, key=lambda form: (-counts[form], form)) for key, counts in written.items()}
    return forms, dict(presence)


def _label(phrases: Sequence[str]) -> str:
    """The first phrase, and the second when the first is a single word."""
    first = phrases[0]
    label = first if " " in first or len(phrases) == 1 else f"{first} and {phrases[1]}"
    return label[:1].upper() + label[1:]


def _theme_statements(
    main: Sequence[Analysis], found: Themes, k: int, names: Sequence[str], used: set[tuple[str, int]], wanted: frozenset[str]
) -> list[dict[str, Any]]:
    profile = unit(found.terms[k])
    scored: list[tuple[float, str, int, dict[str, Any], Any]] = []
    for analysis in main:
        for s in _offered(analysis):
            if s["quality"] < 0.5 or (s["document"], s["start_char"]) in used:
                continue
            vector = found.space.vector(Counter([*s["terms"], *s["keys"]]))
            close = float(vector @ profile)
            if close < 0.15:
                continue
            named = sum(name in s["keys"] or name in s["terms"] for name in names[:3])
            about = sum(term in wanted for term in {*s["terms"], *s["keys"]})
            worth = close * s["quality"] * (0.6 + 0.4 * min(s["score"], 1)) * (1 + 0.25 * named) * (1 + 0.8 * min(about, 3))
            scored.append((worth, s["document"], s["start_char"], s, vector))
    scored.sort(key=lambda row: (-row[0], row[1], row[2]))
    most_each = 1 if len(main) >= 8 else 2 if len(main) > 1 else 4
    return _varied(scored, most_each)


def _varied(scored: Sequence[tuple[float, str, int, dict[str, Any], Any]], most_each: int) -> list[dict[str, Any]]:
    """Up to four statements: the best first, few from one document, none like another."""
    chosen: list[dict[str, Any]] = []
    vectors: list[Any] = []
    per_document: Counter[str] = Counter()
    for worth, document, _, statement, vector in scored[:60]:
        if len(chosen) == 4 or worth < 0.08:
            break
        if per_document[document] >= most_each or any(float(vector @ other) > 0.8 for other in vectors):
            continue
        chosen.append(statement)
        vectors.append(vector)
        per_document[document] += 1
    return chosen


# ── the other parts ──────────────────────────────────────────────────────────────────────────────────────────


def _lead(main: Sequence[Analysis], themes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The best summary sentence of the document that stands most for each of the first themes, not said elsewhere."""
    said = {(s["document"], s["start_char"]) for theme in themes for s in theme["statements"]}
    by_id = {a["id"]: a for a in main}
    lead: list[dict[str, Any]] = []
    for theme in themes[:4]:
        for belongs in theme["documents"]:
            options = [s for s in by_id[belongs["id"]]["summary"] if s["quality"] >= 0.7 and (s["document"], s["start_char"]) not in said]
            if options:
                best = max(options, key=lambda s: (s["score"], -s["start_char"]))
                said.add((best["document"], best["start_char"]))
                lead.append(shown(best))
                break
    return lead


def _key_phrases(main: Sequence[Analysis], wanted: frozenset[str], most: int = 24) -> list[dict[str, Any]]:
    forms, presence = _forms(main)
    standing: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    where: dict[str, list[str]] = defaultdict(list)
    for analysis in main:
        best = max((p["score"] for p in analysis["key_phrases"]), default=1.0)
        for phrase in analysis["key_phrases"]:
            key = phrase["key"]
            standing[key] += (phrase["score"] / best) * (1.0 if " " in key else 0.6)
            counts[key] += phrase["count"]
            where[key].append(analysis["id"])
    several = len(main) >= 4

    def worth(key: str) -> float:
        shared = math.log(1 + presence[key]) if several else 1.0
        common = 0.35 if several and presence[key] > 0.5 * len(main) and " " not in key else 1.0
        return standing[key] * shared * common * (2.5 if wanted & {key, *key.split()} else 1.0)

    ranked = sorted(standing, key=lambda key: (-worth(key), key))
    chosen: list[str] = []
    for key in ranked:
        words = set(key.split())
        if not any(words <= set(other.split()) or set(other.split()) <= words for other in chosen):
            chosen.append(key)
        if len(chosen) == most:
            break
    return [{"phrase": forms[key], "count": counts[key], "documents": where[key]} for key in chosen]


def _entities(main: Sequence[Analysis], each: int = 12) -> list[dict[str, Any]]:
    """Entities of all documents; those in more documents first, at most ``each`` of a type."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for analysis in main:
        for entity in analysis["entities"]:
            held = merged.setdefault(
                (entity["name"], entity["type"]),
                {"name": entity["name"], "type": entity["type"], "count": 0, "confidence": 0.0, "documents": []},
            )
            held["count"] += entity["count"]
            held["confidence"] = max(held["confidence"], entity["confidence"])
            held["documents"].append({"id": analysis["id"], "count": entity["count"], "at": entity["mentions"][0]})
    kinds: Counter[str] = Counter()
    chosen: list[dict[str, Any]] = []
    for entity in sorted(merged.values(), key=lambda e: (-len(e["documents"]), -e["count"], e["name"], e["type"])):
        if entity["type"] == "other" and len(entity["documents"]) < 2 and len(main) > 3:
            continue
        if kinds[entity["type"]] < each:
            kinds[entity["type"]] += 1
            entity["documents"].sort(key=lambda d: (-d["count"], d["id"]))
            chosen.append(entity)
    return chosen


def _voices(main: Sequence[Analysis], most: int = 12) -> list[dict[str, Any]]:
    """Speakers over all documents, by how much they say."""
    held: dict[str, dict[str, Any]] = {}
    for analysis in main:
        for voice in analysis["voices"]:
            one = held.setdefault(voice["name"], {"name": voice["name"], "words": 0, "documents": [], "statements": []})
            one["words"] += voice["words"]
            one["documents"].append(analysis["id"])
            one["statements"] += voice["statements"]
    total = max(sum(voice["words"] for voice in held.values()), 1)
    voices = sorted(held.values(), key=lambda voice: (-voice["words"], voice["name"]))[:most]
    each = 3 if len(voices) <= 6 else 2
    for voice in voices:
        voice["share"] = round(voice["words"] / total, 3)
        best = sorted(voice["statements"], key=lambda s: (-s["quality"], -len(s["terms"]), s["document"], s["start_char"]))
        voice["statements"] = [shown(s) for s in best[:each]]
    return [voice for voice in voices if voice["statements"]]


def _reported(main: Sequence[Analysis], most: int = 10) -> list[dict[str, Any]]:
    found = [(s["quality"], s) for analysis in main for s in analysis["reported"] if s["quality"] >= 0.5]
    found.sort(key=lambda pair: (-pair[0], pair[1]["document"], pair[1]["start_char"]))
    return [{"name": s["name"], **shown(s)} for _, s in found[:most]]


def _document(analysis: Analysis, copies: Sequence[str]) -> dict[str, Any]:
    return {
        "id": analysis["id"],
        "title": analysis["title"],
        "kind": analysis["kind"],
        "kind_name": _KIND_NAMES.get(analysis["kind"], (analysis["kind"], ""))[0],
        "source": analysis["source"],
        "language": analysis["language"],
        "checksum": analysis["checksum"],
        "counts": dict(analysis["counts"]),
        "summary": [shown(s) for s in analysis["summary"]],
        "key_phrases": [p["phrase"] for p in analysis["key_phrases"][:6]],
        "speakers": [voice["name"] for voice in analysis["voices"][:6]],
        "copies": list(copies),
        "warnings": list(analysis["warnings"]),
    }


def _licences(readable: Sequence[Analysis]) -> list[dict[str, Any]]:
    """Licence texts by name: how many documents carry each, and whose they are."""
    held: dict[str, list[Analysis]] = defaultdict(list)
    for analysis in readable:
        if analysis["kind"] == "licence":
            held[analysis["licence"]["name"] or "not recognised"].append(analysis)
    return [
        {
            "name": name,
            "count": len(found),
            "documents": [a["title"] for a in found],
            "holders": sorted({holder for a in found for holder in a["licence"]["holders"]})[:12],
        }
        for name, found in sorted(held.items(), key=lambda item: (item[0] == "not recognised", -len(item[1]), item[0]))
    ]


def _numbers(
    analyses: Sequence[Analysis], readable: Sequence[Analysis], main: Sequence[Analysis], groups: Sequence[Sequence[int]], themes: Sequence[Any]
) -> dict[str, Any]:
    kinds = Counter(a["kind"] for a in readable)
    return {
        "documents": len(readable),
        "kinds": [{"kind": kind, "name": _KIND_NAMES.get(kind, (kind, kind))[n != 1], "count": n} for kind, n in sorted(kinds.items(), key=lambda p: (-p[1], p[0]))],
        "words": sum(a["counts"]["words"] for a in readable),
        "sentences": sum(a["counts"]["sentences"] for a in readable),
        "seconds": sum(a["counts"].get("seconds", 0) for a in readable),
        "voices": len({voice["name"] for a in main for voice in a["voices"]}),
        "themes": len(themes),
        "near_duplicates": sum(len(members) - 1 for members in groups),
        "not_read": sum(bool(a.get("error")) for a in analyses),
    }


def _title(main: Sequence[Analysis], themes: Sequence[Mapping[str, Any]], phrases: Sequence[Mapping[str, Any]]) -> str:
    if not main:
        return "Nothing could be read"
    if len(main) == 1:
        return str(main[0]["title"])
    names = [theme["phrases"][0] for theme in themes[:3]] or [p["phrase"] for p in phrases[:3]]
    kinds = {a["kind"] for a in main}
    noun = _KIND_NAMES.get(next(iter(kinds)), ("", "documents"))[1] if len(kinds) == 1 else "documents"
    if not names:
        return f"{len(main)} {noun}"
    listed = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
    return f"{len(main)} {noun} on {listed}"


def _links(main: Sequence[Analysis], entities: Sequence[Mapping[str, Any]], most: int = 16) -> dict[str, Any]:
    """Which entities occur in the same documents: the most spread ones, and how many documents each pair shares."""
    nodes = [e for e in entities if e["type"] not in ("version", "licence") and len(e["documents"]) >= (2 if len(main) > 3 else 1)]
    nodes = sorted(nodes, key=lambda e: (-len(e["documents"]), -e["count"], e["name"]))[:most]
    held = [{d["id"] for d in e["documents"]} for e in nodes]
    edges = [
        {"a": i, "b": j, "documents": len(held[i] & held[j])}
        for i in range(len(nodes))
        for j in range(i + 1, len(nodes))
        if held[i] & held[j]
    ]
    return {"nodes": [{"name": e["name"], "type": e["type"], "documents": len(e["documents"])} for e in nodes], "edges": edges}
