"""A brief as messages for Discord: pure, and within the limits that Discord documents for messages and embeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fairlead.pipeline.render.markdown import escape, numbering, place_of
from fairlead.pipeline.sources.moments import link_at

MOST_CONTENT = 2_000
MOST_EMBEDS = 10
MOST_FIELDS = 25
MOST_TITLE = 256
MOST_DESCRIPTION = 4_096
MOST_FIELD_NAME = 256
MOST_FIELD_VALUE = 1_024
MOST_TOTAL = 6_000
"""Discord's limits; the total is that of all embeds of one message together."""

MOST_MESSAGES = 5
"""A brief is no flood: what does not fit is said to be left out."""

_COLOUR = 0x2F6F8F
Embed = dict[str, Any]


def length(text: str) -> int:
    """UTF-16 units, the larger of the two ways in which the length of a text may be counted."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most: int) -> str:
    """The text, or its beginning with an ellipsis; never half of a character outside the basic plane."""
    if length(text) <= most:
        return text
    kept = text[: most - 1]
    while length(kept) > most - 1:
        kept = kept[:-1]
    # A backslash that lost the mark it stood before would escape the ellipsis instead.
    return kept.rstrip("\\") + "…"


def messages_of(brief: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The payloads to post, in order. No name in them calls anybody, whatever the documents say."""
    embeds = list(_embeds(brief))
    groups: list[list[Embed]] = [[]]
    for embed in embeds:
        if len(groups[-1]) == MOST_EMBEDS or _size([*groups[-1], embed]) > MOST_TOTAL:
            groups.append([])
        groups[-1].append(embed)
    left_out = sum(map(len, groups[MOST_MESSAGES:]))
    groups = groups[:MOST_MESSAGES]
    if left_out:
        note = f"{left_out} more part{'s' * (left_out != 1)} did not fit. The whole brief is kept with its run."
        _note(groups[-1], note)
    payloads: list[dict[str, Any]] = []
    for number, group in enumerate(groups):
        payload: dict[str, Any] = {"embeds": group, "allowed_mentions": {"parse": []}}
        if number == 0:
            payload["content"] = cut(f"**{escape(brief.get('title') or 'Brief')}**", MOST_CONTENT)
        payloads.append(payload)
    return payloads


def _size(embeds: Sequence[Embed]) -> int:
    total = 0
    for embed in embeds:
        texts = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
        texts += [text for field in embed.get("fields", ()) for text in (field["name"], field["value"])]
        total += sum(map(length, texts))
    return total


def _note(group: list[Embed], note: str) -> None:
    while group and (_size([*group, {"footer": {"text": note}}]) > MOST_TOTAL):
        group.pop()
    if group:
        group[-1]["footer"] = {"text": note}
    else:
        group.append({"description": note})


def _embeds(brief: Mapping[str, Any]) -> Iterator[Embed]:
    numbers = numbering(brief)
    sources = {document["id"]: str(document.get("source", "")) for document in brief["documents"]}

    def bullet(statement: Mapping[str, Any]) -> str:
        speaker = f"**{escape(statement['speaker'])}:** " if statement.get("speaker") else ""
        cite = _cite(statement, numbers, sources)
        # A link that is cut in half is none; a field's limit is for the words and the link together.
        return f"• {cut(speaker + escape(statement['text']), 600)} {cite}"

    counts = brief["numbers"]
    facts = f"{counts['documents']} documents · {counts['words']:,} words"
    if counts.get("not_read"):
        facts += f" · {counts['not_read']} not read"
    lead = [bullet(statement) for statement in brief.get("lead", ())]
    yield {
        "title": cut(str(brief.get("title") or "Brief"), MOST_TITLE),
        "description": _joined(lead, MOST_DESCRIPTION - 200) or facts,
        "color": _COLOUR,
        **({"footer": {"text": facts}} if lead else {}),
    }
    themes = [(escape(theme["label"]), [bullet(s) for s in theme["statements"]]) for theme in brief.get("themes", ())]
    yield from _listed("Themes", themes)
    for title, key in (("Common ground", "agreements"), ("Where they differ", "differences")):
        pairs = [(escape(", ".join(p["about"])), [bullet(s) for s in p["statements"]]) for p in brief.get(key, ())]
        yield from _listed(title, pairs)
    lines = [_source(number, document) for number, document in enumerate(brief["documents"], 1)]
    for part in _parts(lines, MOST_DESCRIPTION - 100):
        yield {"title": "Sources", "description": part, "color": _COLOUR}


def _cite(statement: Mapping[str, Any], numbers: Mapping[str, int], sources: Mapping[str, str]) -> str:
    number = numbers.get(statement["document"], 0)
    place = cut(place_of(statement), 60)
    words = f"{number}{f', {escape(place)}' if place else ''}"
    url = _linkable(link_at(sources.get(statement["document"], ""), statement.get("start_s")))
    return f"[\\[{words}\\]]({url})" if url else f"\\[{words}\\]"


def _linkable(address: str) -> str:
    """An address that Markdown takes as the target of a link; empty for what is none or would break out of it."""
    if not address.startswith(("http://", "https://")) or length(address) > 300:
        return ""
    escaped = address.replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(">", "%3E")
    return escaped if escaped.isprintable() and " " not in escaped and "\\" not in escaped else ""


def _source(number: int, document: Mapping[str, Any]) -> str:
    title = cut(escape(document["title"]), 200)
    url = _linkable(str(document.get("source", "")))
    return f"{number}. [{title}]({url})" if url else f"{number}. {title}"


def _listed(title: str, items: Sequence[tuple[str, list[str]]]) -> Iterator[Embed]:
    """Embeds of fields, each with as many as fit."""
    fields: list[dict[str, Any]] = []
    for name, lines in items:
        value = _joined(lines, MOST_FIELD_VALUE)
        if not value:
            continue
        field = {"name": cut(name or "—", MOST_FIELD_NAME), "value": value}
        if len(fields) == MOST_FIELDS or _size([{"title": title, "fields": [*fields, field]}]) > MOST_TOTAL:
            yield {"title": title, "fields": fields, "color": _COLOUR}
            fields = []
        fields.append(field)
    if fields:
        yield {"title": title, "fields": fields, "color": _COLOUR}


def _joined(lines: Sequence[str], most: int) -> str:
    """As many whole lines as fit; of the first, its beginning, when not even that does."""
    parts = list(_parts(lines, most))
    return parts[0] if parts else ""


def _parts(lines: Sequence[str], most: int) -> Iterator[str]:
    part = ""
    for line in lines:
        line = cut(line, most)
        longer = f"{part}\n{line}" if part else line
        if length(longer) > most:
            yield part
            part = line
        else:
            part = longer
    if part:
        yield part
