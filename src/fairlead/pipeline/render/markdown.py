"""The brief as Markdown. Text from documents is escaped, so none of it becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

NO_PHRASE = "(no phrase stands out)"
FEWEST_DATES = 3
"""Fewer dated statements than this make no timeline."""

ARGUMENTS_NOTE = "Wordings in which fallacies often come. A wording is no verdict, and most fallacies have none."
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def escape(text: object) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def numbering(brief: Mapping[str, Any]) -> dict[str, int]:
    """Document id -> the number under which it is cited."""
    return {document["id"]: number for number, document in enumerate(brief["documents"], 1)}


def place_of(statement: Mapping[str, Any]) -> str:
    """Where in its document a statement is, for people: a time, or a heading, or nothing."""
    if "start_s" in statement:
        return clock(statement["start_s"])
    heading = str(statement.get("heading", ""))
    return heading if len(heading) <= 60 else heading.rsplit(" › ", 1)[-1][:60]


def to_markdown(brief: Mapping[str, Any]) -> str:
    """The whole brief; citations like ``[3, 2:14]`` name a source of the list at its end."""
    return "\n".join(_lines(brief)).rstrip() + "\n"


def _lines(brief: Mapping[str, Any]) -> Iterator[str]:
    numbers = numbering(brief)
    titles = {document["id"]: document["title"] for document in brief["documents"]}
    yield f"# {escape(brief['title'])}"
    yield ""
    yield from _glance(brief)
    if brief["lead"]:
        yield "## In short"
        yield ""
        yield from (_bullet(s, numbers) for s in brief["lead"])
        yield ""
    yield from _abstract(brief, numbers)
    if brief["themes"]:
        yield "## Themes"
        yield ""
    for theme in brief["themes"]:
        yield f"### {escape(theme['label'])}"
        yield ""
        about = ", ".join(escape(phrase) for phrase in theme["phrases"][1:])
        count = len(theme["documents"])
        yield f"*{count} document{'s' * (count != 1)}{f' · also {about}' if about else ''}*"
        yield ""
        yield from (_bullet(s, numbers) for s in theme["statements"])
        yield ""
    yield from _names(brief)
    yield from _voices(brief, numbers, titles)
    yield from _claims(brief, numbers)
    yield from _questions(brief, numbers)
    yield from _timeline(brief, numbers)
    yield from _arguments(brief, numbers)
    yield from _tone(brief, numbers)
    yield from _pairs("Common ground", brief["agreements"], numbers)
    yield from _pairs("Where they differ", brief["differences"], numbers)
    yield from _documents(brief, numbers)
    yield from _rest(brief)


def _abstract(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    told = brief.get("abstract")
    if told:
        yield "## In other words"
        yield ""
        yield f"*{escape(abstract_note(told))}*"
        yield ""
        for sentence in told["sentences"]:
            yield f"- {escape(sentence['text'])} {' '.join(_cite(s, numbers) for s in sentence['sources'])}"
        yield ""


def abstract_note(told: Mapping[str, Any]) -> str:
    """Who wrote the abstract, and what became of the sentences that failed the check."""
    dropped = len(told["dropped"])
    left_out = f" {dropped} sentence{'s' * (dropped != 1)} failed and {'is' if dropped == 1 else 'are'} left out."
    return f"Written by {told['model']}. Each sentence was checked against what it cites.{left_out if dropped else ''}"


def _glance(brief: Mapping[str, Any]) -> Iterator[str]:
    n = brief["numbers"]
    parts = [f"{kind['count']} {kind['name']}" for kind in n["kinds"]]
    facts = [", ".join(parts) or "nothing read", f"{n['words']:,} words", f"{n['sentences']:,} sentences"]
    if n["seconds"]:
        facts.append(f"{clock(n['seconds'])} of talk")
    if n["voices"]:
        facts.append(f"{n['voices']} speaker{'s' * (n['voices'] != 1)}")
    if n["near_duplicates"]:
        facts.append(f"{n['near_duplicates']} near-duplicates said once")
    yield " · ".join(facts)
    yield ""
    if brief["focus"]:
        yield f"Focus: {', '.join(escape(term) for term in brief['focus'])}"
        yield ""


def _bullet(statement: Mapping[str, Any], numbers: Mapping[str, int], *, named: bool = True) -> str:
    speaker = f"**{escape(statement['speaker'])}:** " if named and statement.get("speaker") else ""
    return f"- {speaker}{escape(statement['text'])} {_cite(statement, numbers)}"


def _cite(statement: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    place = place_of(statement)
    number = numbers.get(statement["document"], 0)
    return f"\\[{number}{f', {escape(place)}' if place else ''}\\]"


def _names(brief: Mapping[str, Any]) -> Iterator[str]:
    if brief["key_phrases"]:
        yield "## Key phrases"
        yield ""
        yield ", ".join(f"{escape(p['phrase'])} ({len(p['documents'])})" for p in brief["key_phrases"])
        yield ""
        yield "*In brackets: documents in which it is a key phrase.*"
        yield ""
    if brief["entities"]:
        yield "## Names"
        yield ""
        kinds = dict.fromkeys(entity["type"] for entity in brief["entities"])
        for kind in sorted(kinds):
            names = [f"{escape(e['name'])} ({len(e['documents'])})" for e in brief["entities"] if e["type"] == kind]
            yield f"- **{kind}**: {', '.join(names)}"
        yield ""


def _voices(brief: Mapping[str, Any], numbers: Mapping[str, int], titles: Mapping[str, str]) -> Iterator[str]:
    if brief["voices"] or brief["reported"]:
        yield "## Who says what"
        yield ""
    for voice in brief["voices"]:
        yield f"### {escape(voice['name'])}"
        yield ""
        shown = ", ".join([escape(titles[i]) for i in voice["documents"] if i in titles][:4])
        yield f"*{voice['words']:,} words, {voice['share']:.0%} of all that is spoken; {shown}*"
        yield ""
        yield from (_bullet(s, numbers, named=False) for s in voice["statements"])
        yield ""
    for statement in brief["reported"]:
        yield f"- **{escape(statement['name'])}**, as reported: {escape(statement['text'])} {_cite(statement, numbers)}"
    if brief["reported"]:
        yield ""


def _claims(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    if brief["claims"]:
        yield "## Claims worth checking"
        yield ""
        yield "*Statements of fact that somebody could check. Nothing here says whether they are true.*"
        yield ""
        for claim in brief["claims"]:
            yield f"{_bullet(claim, numbers)} *{escape(', '.join(claim['signs']))}*"
        yield ""


def _questions(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    if brief["questions"]:
        yield "## Questions"
        yield ""
        for question in brief["questions"]:
            yield _bullet(question, numbers)
            if "answer" in question:
                yield f"  {_bullet(question['answer'], numbers)}"
        yield ""


def _timeline(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    if len(brief["timeline"]) >= FEWEST_DATES:
        yield "## In the order of dates"
        yield ""
        for dated in brief["timeline"]:
            yield f"- **{escape(dated['when'])}** {_bullet(dated, numbers)[2:]}"
        yield ""


def _arguments(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    if brief["fallacies"]:
        yield "## Arguments to look at twice"
        yield ""
        yield f"*{ARGUMENTS_NOTE}*"
        yield ""
        for found in brief["fallacies"]:
            yield f"{_bullet(found, numbers)} *{escape(found['label'])}: {escape(found['why'])}*"
        yield ""


def _tone(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    if brief["tone"]["positive"] or brief["tone"]["negative"]:
        yield "## Tone"
        yield ""
        for side, title in (("positive", "Warmest"), ("negative", "Harshest")):
            if brief["tone"][side]:
                yield f"**{title}**"
                yield ""
                yield from (_bullet(s, numbers) for s in brief["tone"][side])
                yield ""


def _pairs(title: str, pairs: list[Mapping[str, Any]], numbers: Mapping[str, int]) -> Iterator[str]:
    if not pairs:
        return
    yield f"## {title}"
    yield ""
    for pair in pairs:
        yield f"**On {escape(', '.join(pair['about']))}**"
        yield ""
        yield from (_bullet(s, numbers) for s in pair["statements"])
        yield ""


def _documents(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> Iterator[str]:
    yield "## Document by document"
    yield ""
    for document in brief["documents"]:
        number = numbers[document["id"]]
        yield f"### {number}. {escape(document['title'])}"
        yield ""
        counts = document["counts"]
        facts = [document["kind_name"], f"{counts['words']:,} words"]
        if counts.get("seconds"):
            facts.append(clock(counts["seconds"]))
        if document["speakers"]:
            facts.append(", ".join(escape(name) for name in document["speakers"]))
        yield f"*{' · '.join(facts)}*"
        yield ""
        for statement in document["summary"]:
            place = place_of(statement)
            yield f"- {escape(statement['text'])}{f' ({escape(place)})' if place else ''}"
        if not document["summary"]:
            yield "- No sentence in it stands alone."
        yield ""
        if document["key_phrases"]:
            yield f"Key phrases: {', '.join(escape(p) for p in document['key_phrases'])}"
            yield ""
        if document["chapters"]:
            yield "Chapters:"
            yield ""
            for chapter in document["chapters"]:
                begins = f"{clock(chapter['start_s'])} " if "start_s" in chapter else ""
                yield f"- {begins}{', '.join(escape(phrase) for phrase in chapter['phrases']) or NO_PHRASE}"
            yield ""
        if document["copies"]:
            yield f"Nearly the same text: {', '.join(escape(t) for t in document['copies'])}"
            yield ""
        for warning in document["warnings"]:
            yield f"Note: {escape(warning)}"
            yield ""
        yield f"Source: `{str(document['source']).replace('`', ' ')}`"
        yield ""


def _rest(brief: Mapping[str, Any]) -> Iterator[str]:
    if brief["licences"]:
        yield "## Licences"
        yield ""
        for licence in brief["licences"]:
            shown = ", ".join(escape(title) for title in licence["documents"])
            yield f"- **{escape(licence['name'])}** ({licence['count']}): {shown}"
        yield ""
    if brief["not_read"]:
        yield "## Not read"
        yield ""
        for one in brief["not_read"]:
            yield f"- {escape(one['title'])}: {escape(one['reason'])}"
        yield ""
