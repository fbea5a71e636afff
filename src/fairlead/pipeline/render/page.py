"""The brief as one HTML page: no script, no request, every text from a document escaped.

Each statement links to the card of its source. A source that is a web address becomes a link only when it is http or
https; anything else stays text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from fairlead.pipeline.render.charts import arc_diagram, theme_map
from fairlead.pipeline.render.markdown import (
    ARGUMENTS_NOTE,
    FEWEST_DATES,
    NO_PHRASE,
    abstract_note,
    clock,
    numbering,
    place_of,
)
from fairlead.pipeline.render.style import HUES, style_sheet

_KINDS = {"organisation": "Organisations", "person": "People", "place": "Places", "technology": "Technologies"}
_KINDS |= {"version": "Versions", "licence": "Licences named", "other": "Other names"}
_SHORT = {"voices": "Voices", "claims": "Claims", "timeline": "Dates", "arguments": "Arguments", "accord": "Accord"}
"""Names of sections in the bar at the top, where the whole title is too long."""

_FOOTER = (
    "Every statement above is a sentence of its source, unchanged. Themes, phrases and names were found by statistics "
    "and rules on this machine; no text left it."
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def to_html(brief: Mapping[str, Any]) -> str:
    """The whole page."""
    numbers = numbering(brief)
    sections = [
        ("short", "In short", _lead(brief, numbers)),
        ("abstract", "In other words", _abstract(brief, numbers)),
        ("themes", "Themes", _themes(brief, numbers)),
        ("phrases", "Key phrases", _phrases(brief)),
        ("names", "Names", _names(brief)),
        ("voices", "Who says what", _voices(brief, numbers)),
        ("claims", "Claims worth checking", _claims(brief, numbers)),
        ("questions", "Questions", _questions(brief, numbers)),
        ("timeline", "In the order of dates", _timeline(brief, numbers)),
        ("arguments", "Arguments to look at twice", _arguments(brief, numbers)),
        ("tone", "Tone", _tone(brief, numbers)),
        ("accord", "Common ground and difference", _accord(brief, numbers)),
        ("documents", "Documents", _documents(brief, numbers)),
        ("licences", "Licences", _licences(brief)),
        ("unread", "Not read", _unread(brief)),
    ]
    present = [(anchor, title, body) for anchor, title, body in sections if body]
    links = "".join(f'<a href="#{anchor}">{_SHORT.get(anchor, title)}</a>' for anchor, title, _ in present)
    bodies = "".join(f'<section id="{anchor}"><h2>{title}</h2>{body}</section>' for anchor, title, body in present)
    title = escape(str(brief["title"]))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{style_sheet()}</style></head><body>"
        '<header class="top"><div class="wrap"><p class="kicker">Fairlead · content brief</p>'
        f"<h1>{title}</h1>{_opening(brief)}</div></header>"
        f'<nav aria-label="Sections"><div class="wrap">{links}</div></nav>'
        f'<main class="wrap">{bodies}</main>'
        f'<footer class="end"><div class="wrap">{_footer(brief)}</div></footer></body></html>\n'
    )


def _footer(brief: Mapping[str, Any]) -> str:
    told = brief.get("abstract")
    if not told:
        return _FOOTER
    return (
        "Every statement above is a sentence of its source, unchanged, but for those under “In other words”, which "
        f"{escape(str(told['model']))} wrote; it was sent the statements of this brief. Themes, phrases and names were "
        "found by statistics and rules on this machine."
    )


def _opening(brief: Mapping[str, Any]) -> str:
    n = brief["numbers"]
    kinds = ", ".join(f"{kind['count']} {kind['name']}" for kind in n["kinds"])
    focus = f" Focus: {', '.join(brief['focus'])}." if brief["focus"] else ""
    tiles = [(f"{n['documents']:,}", "documents"), (_short(n["words"]), "words read"), (f"{n['themes']}", "themes")]
    if n["seconds"]:
        tiles.append((clock(n["seconds"]), "of talk"))
    if n["voices"]:
        tiles.append((f"{n['voices']}", "speakers" if n["voices"] != 1 else "speaker"))
    if n["near_duplicates"]:
        tiles.append((f"{n['near_duplicates']}", "near-duplicates, said once"))
    if n["not_read"]:
        tiles.append((f"{n['not_read']}", "not read"))
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for value, name in tiles
    )
    return f'<p class="sub">{escape(kinds)}.{escape(focus)}</p><div class="tiles">{cells}</div>'


def _short(count: int) -> str:
    return f"{count / 1000:.0f}k" if count >= 10_000 else f"{count:,}"


def _cite(statement: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    number = numbers.get(statement["document"], 0)
    place = place_of(statement)
    inner = f"<i>{escape(place)}</i>" if place else ""
    return f'<a class="cite" href="#doc-{number}" title="To the source">{number}{inner}</a>'


def _says(statements: Iterable[Mapping[str, Any]], numbers: Mapping[str, int], *, named: bool = True) -> str:
    items = []
    for statement in statements:
        who = str(statement.get("speaker") or "") if named else ""
        lead = f'<span class="who">{escape(who)}:</span> ' if who else ""
        items.append(f"<li>{lead}{escape(statement['text'])} {_cite(statement, numbers)}</li>")
    return f'<ul class="says">{"".join(items)}</ul>'


def _tags(names: Iterable[str]) -> str:
    items = "".join(f'<li class="tag">{escape(str(name))}</li>' for name in names)
    return f'<ul class="tags">{items}</ul>' if items else ""


def _lead(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    if not brief["lead"]:
        return ""
    lines = []
    for s in brief["lead"]:
        who = f'<span class="who">{escape(s["speaker"])}:</span> ' if s.get("speaker") else ""
        lines.append(f"<p>{who}{escape(s['text'])} {_cite(s, numbers)}</p>")
    return f'<div class="card lead">{"".join(lines)}</div>'


def _abstract(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    told = brief.get("abstract")
    if not told:
        return ""
    lines = "".join(
        f"<p>{escape(sentence['text'])} {' '.join(_cite(s, numbers) for s in sentence['sources'])}</p>"
        for sentence in told["sentences"]
    )
    return f'<p class="note">{escape(abstract_note(told))}</p><div class="card lead">{lines or "<p>Nothing.</p>"}</div>'


def _themes(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    if not brief["themes"]:
        return ""
    cards = []
    for i, theme in enumerate(brief["themes"]):
        count = len(theme["documents"])
        cards.append(
            f'<article class="card theme" style="--h:{HUES[i % len(HUES)]}"><header><h3>{escape(theme["label"])}</h3>'
            f'<span class="share">{count} document{"s" * (count != 1)}</span></header>'
            f"{_tags(theme['phrases'])}{_says(theme['statements'], numbers)}</article>"
        )
    chart = ""
    if len(brief["documents"]) > 1:
        chart = (
            '<p class="note">Each bar is a document; its height is how much of the document a theme takes.</p>'
            f'<div class="card" style="margin-bottom:1.15rem">{theme_map(brief["themes"], brief["documents"])}</div>'
        )
    return f'{chart}<div class="grid">{"".join(cards)}</div>'


def _phrases(brief: Mapping[str, Any]) -> str:
    phrases = brief["key_phrases"]
    if not phrases:
        return ""
    most = max(phrase["count"] for phrase in phrases)
    items = "".join(
        f'<li style="--w:{100 * p["count"] / most:.0f}%"><span>{escape(p["phrase"])}</span>'
        f"<b>{p['count']}× in {len(p['documents'])}</b></li>"
        for p in phrases
    )
    note = "How often each is said, and in how many documents it is a key phrase."
    return f'<p class="note">{note}</p><div class="card"><ul class="phrases">{items}</ul></div>'


def _names(brief: Mapping[str, Any]) -> str:
    if not brief["entities"]:
        return ""
    groups = []
    for kind, title in _KINDS.items():
        names = [e for e in brief["entities"] if e["type"] == kind]
        if names:
            items = "".join(f"<li>{escape(e['name'])}<span>{e['count']}</span></li>" for e in names)
            groups.append(f'<div><h3>{title}</h3><ul class="names">{items}</ul></div>')
    # Among three or four documents nearly every name meets every other: a picture of that tells nothing.
    chart = arc_diagram(brief["links"]) if len(brief["documents"]) >= 5 else ""
    kinds = f'<div class="card"><div class="kinds{" one" if chart else ""}">{"".join(groups)}</div></div>'
    if not chart:
        return kinds
    note = "Arcs join names that occur in the same documents; the number is the documents a name is in."
    return f'<p class="note">{note}</p><div class="two">{kinds}<div class="card">{chart}</div></div>'


def _voices(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    titles = {document["id"]: document["title"] for document in brief["documents"]}
    most = max((voice["share"] for voice in brief["voices"]), default=1)
    cards = []
    for voice in brief["voices"]:
        shown = ", ".join(titles[i] for i in voice["documents"][:3] if i in titles)
        cards.append(
            f'<article class="card voice"><h3>{escape(voice["name"])}<span>{voice["words"]:,} words</span></h3>'
            f'<p class="meta">{escape(shown)}</p>'
            f'<div class="bar"><i style="width:{100 * voice["share"] / most:.0f}%"></i></div>'
            f"{_says(voice['statements'], numbers, named=False)}</article>"
        )
    body = f'<div class="grid">{"".join(cards)}</div>' if cards else ""
    if brief["reported"]:
        items = "".join(
            f'<li><span class="who">{escape(s["name"])}</span>, as reported: '
            f"{escape(s['text'])} {_cite(s, numbers)}</li>"
            for s in brief["reported"]
        )
        body += (
            f'<div class="card" style="margin-top:1.15rem"><h3>Reported speech</h3><ul class="says">{items}</ul></div>'
        )
    if body and not brief["voices"]:
        note = "No document marks its speakers. These are the statements that one attributes to somebody else."
        body = f'<p class="note">{note}</p>{body}'
    return body


def _claims(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    items = []
    for claim in brief["claims"]:
        who = f'<span class="who">{escape(claim["speaker"])}:</span> ' if claim.get("speaker") else ""
        items.append(f"<li>{who}{escape(claim['text'])} {_cite(claim, numbers)}{_tags(claim['signs'])}</li>")
    note = "Statements that somebody could check, with the signs that speak for it. Whether they are true is not said."
    return f'<p class="note">{note}</p><div class="card"><ul class="says">{"".join(items)}</ul></div>' if items else ""


def _questions(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    items = []
    for question in brief["questions"]:
        answer = question.get("answer")
        reply = f'<div class="answer">{_one(answer, numbers)}</div>' if answer else ""
        items.append(f"<li>{_one(question, numbers)}{reply}</li>")
    note = "Questions that are asked, with what is said next where that takes them up."
    return f'<p class="note">{note}</p><div class="card"><ul class="says">{"".join(items)}</ul></div>' if items else ""


def _one(statement: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    who = f'<span class="who">{escape(statement["speaker"])}:</span> ' if statement.get("speaker") else ""
    return f"{who}{escape(statement['text'])} {_cite(statement, numbers)}"


def _timeline(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    if len(brief["timeline"]) < FEWEST_DATES:
        return ""
    rows = "".join(
        f"<li><time>{escape(dated['when'])}</time><div>{_one(dated, numbers)}</div></li>" for dated in brief["timeline"]
    )
    return f'<div class="card"><ol class="dates">{rows}</ol></div>'


def _arguments(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    items = "".join(
        f'<li>{_one(found, numbers)}<p class="why"><b>{escape(found["label"].capitalize())}.</b> '
        f"{escape(found['why'])}</p></li>"
        for found in brief["fallacies"]
    )
    note = f'<p class="note">{ARGUMENTS_NOTE}</p>'
    return f'{note}<div class="card"><ul class="says">{items}</ul></div>' if items else ""


def _tone(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    parts = []
    for side, css, title in (("positive", "ok", "Warmest"), ("negative", "part", "Harshest")):
        if brief["tone"][side]:
            says = _says(brief["tone"][side], numbers)
            parts.append(f'<article class="card pair {css}"><h3>{title}</h3>{says}</article>')
    note = '<p class="note">The statements whose wording is plainest in its favour or disfavour.</p>'
    return f'{note}<div class="two">{"".join(parts)}</div>' if parts else ""


def _accord(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    parts = []
    for name, css, title in (("agreements", "ok", "Both speak of"), ("differences", "part", "Differ on")):
        for pair in brief[name]:
            parts.append(
                f'<article class="card pair {css}"><p class="about">{title} '
                f"<b>{escape(', '.join(pair['about']))}</b></p>"
                f"{_says(pair['statements'], numbers)}</article>"
            )
    return f'<div class="two">{"".join(parts)}</div>' if parts else ""


def _documents(brief: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    cards = "".join(_document(document, numbers[document["id"]]) for document in brief["documents"])
    return (
        f'<p class="note">What each source says of itself, in its own sentences.</p><div class="docs">{cards}</div>'
        if cards
        else ""
    )


def _document(document: Mapping[str, Any], number: int) -> str:
    counts = document["counts"]
    facts = [document["kind_name"], f"{counts['words']:,} words"]
    if counts.get("seconds"):
        facts.append(clock(counts["seconds"]))
    facts += document["speakers"][:4]
    points = []
    for s in document["summary"]:
        place = clock(s["start_s"]) if "start_s" in s else ""
        points.append(f"<li>{escape(s['text'])}{f' <span class=t>{place}</span>' if place else ''}</li>")
    summary = (
        f'<ul class="sum">{"".join(points)}</ul>' if points else '<p class="warn">No sentence in it stands alone.</p>'
    )
    chapters = "".join(
        f'<li><span class="t">{clock(c["start_s"]) if "start_s" in c else ""}</span> '
        f"{escape(', '.join(c['phrases']) or NO_PHRASE)}</li>"
        for c in document["chapters"]
    )
    if chapters:
        title = f"<summary>{len(document['chapters'])} chapters</summary>"
        summary += f'<details>{title}<ol class="chapters">{chapters}</ol></details>'
    notes = "".join(f'<p class="warn">{escape(w[:1].upper() + w[1:])}.</p>' for w in document["warnings"])
    if document["copies"]:
        notes += f'<p class="warn">Nearly the same text: {escape(", ".join(document["copies"]))}.</p>'
    head = f'<span class="num">{number}</span><div><h3>{escape(document["title"])}</h3>'
    return (
        f'<article class="card doc" id="doc-{number}"><header>{head}'
        f'<p class="meta">{escape(" · ".join(facts))}</p></div>'
        f"</header>{summary}{_tags(document['key_phrases'])}{notes}"
        f'<p class="src">{_source(str(document["source"]))}</p></article>'
    )


def _source(source: str) -> str:
    if source.startswith(("http://", "https://")):
        return f'<a href="{escape(source)}" rel="noopener noreferrer">{escape(source)}</a>'
    return escape(source)


def _licences(brief: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td><b>{escape(one["name"])}</b></td><td class="n">{one["count"]}</td>'
        f"<td>{escape(', '.join(one['documents']))}</td></tr>"
        for one in brief["licences"]
    )
    head = "<tr><th>Licence</th><th>Texts</th><th>Found in</th></tr>"
    return f'<div class="card"><table>{head}{rows}</table></div>' if rows else ""


def _unread(brief: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><b>{escape(str(one['title']))}</b></td><td>{escape(str(one['reason']))}</td></tr>"
        for one in brief["not_read"]
    )
    return f'<div class="card"><table>{rows}</table></div>' if rows else ""
