"""The parts of a brief beside its themes: phrases, names, voices, documents, licences and numbers."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.pipeline.analysis.keyphrases import written

_KIND_NAMES = {
    "readme": ("README", "READMEs"),
    "licence": ("licence", "licences"),
    "topic": ("manual topic", "manual topics"),
    "vtt": ("talk", "talks"),
    "srt": ("talk", "talks"),
    "json3": ("talk", "talks"),
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


def shown(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement with what a reader needs: its text and its source."""
    return {name: statement[name] for name in _SHOWN_FIELDS if name in statement}


def offered(analysis: Analysis) -> list[dict[str, Any]]:
    """A document's statements; those in its voices are among what a theme may show."""
    seen: set[int] = set()
    offered: list[dict[str, Any]] = []
    for statement in [*analysis["statements"], *(s for voice in analysis["voices"] for s in voice["statements"])]:
        if statement["start_char"] not in seen:
            seen.add(statement["start_char"])
            offered.append(statement)
    return offered


def forms_of(main: Sequence[Analysis]) -> tuple[dict[str, str], dict[str, int]]:
    """How each key is written most often, and in how many documents it is a key phrase."""
    ways: dict[str, Counter[str]] = defaultdict(Counter)
    presence: Counter[str] = Counter()
    for analysis in main:
        for phrase in analysis["key_phrases"]:
            ways[phrase["key"]][phrase["phrase"]] += phrase["count"]
            presence[phrase["key"]] += 1
    forms = {key: written(counts) for key, counts in ways.items()}
    return forms, dict(presence)


def shared_phrases(main: Sequence[Analysis], wanted: frozenset[str], most: int = 24) -> list[dict[str, Any]]:
    forms, presence = forms_of(main)
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


def shared_entities(main: Sequence[Analysis], each: int = 12) -> list[dict[str, Any]]:
    """Entities of all documents; those in more documents first, at most ``each`` of a type."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    people: dict[tuple[str, str], str] = {}
    for entity in (e for analysis in main for e in analysis["entities"] if e["type"] == "person" and " " in e["name"]):
        ends = (entity["name"].split()[0], entity["name"].split()[-1])
        people[ends] = min(people.get(ends, entity["name"]), entity["name"], key=lambda name: (len(name), name))
    for analysis in main:
        for entity in analysis["entities"]:
            name = _one_name(entity, people)
            held = merged.setdefault(
                (name, entity["type"]),
                {"name": name, "type": entity["type"], "count": 0, "confidence": 0.0, "documents": []},
            )
            held["count"] += entity["count"]
            held["confidence"] = max(held["confidence"], entity["confidence"])
            if held["documents"] and held["documents"][-1]["id"] == analysis["id"]:
                held["documents"][-1]["count"] += entity["count"]
            else:
                held["documents"].append({"id": analysis["id"], "count": entity["count"], "at": entity["mentions"][0]})
    kinds: Counter[str] = Counter()
    chosen: list[dict[str, Any]] = []
    for entity in sorted(merged.values(), key=lambda e: (-len(e["documents"]), -e["count"], e["name"], e["type"])):
        scarce = entity["type"] in ("other", "version") and len(main) > 3
        if scarce and len(entity["documents"]) < (3 if entity["type"] == "other" else 2):
            continue
        if kinds[entity["type"]] < each:
            kinds[entity["type"]] += 1
            entity["documents"].sort(key=lambda d: (-d["count"], d["id"]))
            chosen.append(entity)
    return chosen


def _one_name(entity: Mapping[str, Any], people: Mapping[tuple[str, str], str]) -> str:
    """``Donald J. Trump`` and ``Donald Trump`` are one person: the shorter of the forms that share first and last."""
    name = str(entity["name"])
    return people.get((name.split()[0], name.split()[-1]), name) if entity["type"] == "person" else name


def all_voices(main: Sequence[Analysis], most: int = 12) -> list[dict[str, Any]]:
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
        best = sorted(
            voice["statements"], key=lambda s: (-s["quality"], -len(s["terms"]), s["document"], s["start_char"])
        )
        voice["statements"] = [shown(s) for s in best[:each]]
    return [voice for voice in voices if voice["statements"]]


def all_reported(main: Sequence[Analysis], most: int = 10) -> list[dict[str, Any]]:
    found = [(s["quality"], s) for analysis in main for s in analysis["reported"] if s["quality"] >= 0.5]
    found.sort(key=lambda pair: (-pair[0], pair[1]["document"], pair[1]["start_char"]))
    return [{"name": s["name"], **shown(s)} for _, s in found[:most]]


def all_claims(main: Sequence[Analysis], most: int = 8) -> list[dict[str, Any]]:
    """The claims most worth checking, few from one document."""
    each = 2 if len(main) >= 4 else 4 if len(main) > 1 else most
    found = [claim for analysis in main for claim in analysis["claims"][:each]]
    found.sort(key=lambda c: (-c["worth"], c["document"], c["start_char"]))
    return [{**shown(claim), "worth": claim["worth"], "signs": claim["signs"]} for claim in found[:most]]


def describe(analysis: Analysis, copies: Sequence[str]) -> dict[str, Any]:
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
        "chapters": [dict(chapter) for chapter in analysis["chapters"]],
        "copies": list(copies),
        "warnings": list(analysis["warnings"]),
    }


def count_licences(readable: Sequence[Analysis]) -> list[dict[str, Any]]:
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


def numbers_of(
    analyses: Sequence[Analysis],
    readable: Sequence[Analysis],
    main: Sequence[Analysis],
    groups: Sequence[Sequence[int]],
    themes: Sequence[Any],
) -> dict[str, Any]:
    kinds = Counter(a["kind"] for a in readable)
    return {
        "documents": len(readable),
        "kinds": [
            {"kind": kind, "name": _KIND_NAMES.get(kind, (kind, kind))[n != 1], "count": n}
            for kind, n in sorted(kinds.items(), key=lambda p: (-p[1], p[0]))
        ],
        "words": sum(a["counts"]["words"] for a in readable),
        "sentences": sum(a["counts"]["sentences"] for a in readable),
        "seconds": sum(a["counts"].get("seconds", 0) for a in readable),
        "voices": len({voice["name"] for a in main for voice in a["voices"]}),
        "themes": len(themes),
        "near_duplicates": sum(len(members) - 1 for members in groups),
        "not_read": sum(bool(a.get("error")) for a in analyses),
    }


def title_of(main: Sequence[Analysis], phrases: Sequence[Mapping[str, Any]]) -> str:
    if not main:
        return "Nothing could be read"
    if len(main) == 1:
        return str(main[0]["title"])
    kinds = Counter(a["kind"] for a in main).most_common()
    if len(kinds) <= 3:
        what = _listed([f"{count} {_KIND_NAMES.get(kind, (kind, kind))[count != 1]}" for kind, count in kinds])
    else:
        what = f"{len(main)} documents"
    names = [p["phrase"] for p in phrases[:3]]
    return f"{what} on {_listed(names)}" if names else what


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def links_between(main: Sequence[Analysis], entities: Sequence[Mapping[str, Any]], most: int = 16) -> dict[str, Any]:
    """Which entities occur in the same documents: the most spread ones, and how many documents each pair shares."""
    nodes = [
        e
        for e in entities
        if e["type"] not in ("version", "licence") and len(e["documents"]) >= (2 if len(main) > 3 else 1)
    ]
    nodes = sorted(nodes, key=lambda e: (-len(e["documents"]), -e["count"], e["name"]))[:most]
    held = [{d["id"] for d in e["documents"]} for e in nodes]
    edges = [
        {"a": i, "b": j, "documents": len(held[i] & held[j])}
        for i in range(len(nodes))
        for j in range(i + 1, len(nodes))
        if held[i] & held[j]
    ]
    return {
        "nodes": [{"name": e["name"], "type": e["type"], "documents": len(e["documents"])} for e in nodes],
        "edges": edges,
    }
