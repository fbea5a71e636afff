"""The cross-document brief: one page of knowledge from the analyses of many documents, every statement with its source.

Pure functions of the analyses. Near-duplicates are said once, licences are listed by name instead of being quoted,
and what could not be read is named with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.pipeline.analysis.accord import find_pairs
from fairlead.pipeline.analysis.duplicates import group
from fairlead.pipeline.brief.findings import all_fallacies, all_questions, timeline, tone
from fairlead.pipeline.brief.parts import (
    Analysis,
    all_claims,
    all_reported,
    all_voices,
    count_licences,
    describe,
    links_between,
    numbers_of,
    offered,
    shared_entities,
    shared_phrases,
    shown,
    title_of,
)
from fairlead.pipeline.brief.themes import find_themes, take_lead
from fairlead.pipeline.text.words import fold, words_of

BRIEF_VERSION = 2


def compose(analyses: Sequence[Analysis], *, focus: Sequence[str] = ()) -> dict[str, Any]:
    """The brief as JSON-able values; ``focus`` terms raise the themes and statements that speak of them."""
    readable = [a for a in analyses if not a.get("error")]
    groups = group([a["sketch"] for a in readable])
    main = [readable[members[0]] for members in groups if readable[members[0]]["kind"] != "licence"]
    copies = {readable[m[0]]["id"]: [readable[i]["title"] for i in m[1:]] for m in groups if len(m) > 1}
    main = [_without_speakers(analysis, _speaker_words(main)) for analysis in main]
    wanted = frozenset(fold(word) for term in focus for word in words_of(term)) | {_folded(term) for term in focus}
    themes = find_themes(main, wanted)
    lead = take_lead(themes)
    agreements, differences = find_pairs([s for a in main for s in offered(a)])
    phrases = shared_phrases(main, wanted)
    entities = shared_entities(main)
    return {
        "version": BRIEF_VERSION,
        "title": title_of(main, phrases),
        "focus": list(focus),
        "numbers": numbers_of(analyses, readable, main, groups, themes),
        "lead": lead,
        "themes": themes,
        "key_phrases": phrases,
        "entities": entities,
        "voices": all_voices(main),
        "reported": all_reported(main),
        "claims": all_claims(main),
        "questions": all_questions(main),
        "fallacies": all_fallacies(main),
        "timeline": timeline(main),
        "tone": tone(main),
        "agreements": [_pair(pair) for pair in agreements],
        "differences": [_pair(pair) for pair in differences],
        "documents": [describe(a, copies.get(a["id"], [])) for a in main],
        "licences": count_licences(readable),
        "not_read": [{"title": a.get("title", ""), "reason": a["error"]} for a in analyses if a.get("error")],
        "links": links_between(main, entities),
    }


def _speaker_words(main: Sequence[Analysis]) -> frozenset[str]:
    """The words of speakers' names and their forms of address: in a debate they are everywhere and no topic."""
    names = {fold(word) for analysis in main for voice in analysis["voices"] for word in words_of(voice["name"])}
    people = [e["name"] for analysis in main for e in analysis["entities"] if e["type"] == "person"]
    for name in people:
        parts = {fold(word) for word in words_of(name)}
        if parts & names and len(parts) > 1:
            names |= parts
    return frozenset(names | {"secretary", "senator", "governor", "sir", "moderator"}) if names else frozenset()


def _without_speakers(analysis: Analysis, names: frozenset[str]) -> Analysis:
    if not names:
        return analysis
    phrases = [p for p in analysis["key_phrases"] if not names & set(p["key"].split())]
    blocks = [{term: n for term, n in block.items() if not names & set(term.split())} for block in analysis["blocks"]]
    return {**analysis, "key_phrases": phrases, "blocks": blocks}


def _folded(term: str) -> str:
    return " ".join(fold(word) for word in words_of(term))


def _pair(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {**pair, "statements": [shown(s) for s in pair["statements"]]}
