"""Entities: people, organisations, places, technologies, versions and licences, by rules and a trained tagger.

Runs of capitalised words are candidates; a word that opens a sentence counts only when the document also capitalises it
inside one. The type comes from word lists, from the words beside it (a title before a person, ``University`` at an
end) and from form (``WebGPU``, ``TensorFlow.js``). Where none of them settles it the tagger of
:mod:`fairlead.pipeline.analysis.names` is asked; what that leaves open too is ``other``, never a guess. Shorter
mentions are joined to the full name they end (``Clinton`` to ``Hillary Clinton``) when only one full name fits.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from fairlead.pipeline.analysis.gazetteer import (
    ALIASES,
    COMMON_ACRONYMS,
    DEMONYMS,
    FIRST_NAMES,
    NOT_NAMES,
    ORGANISATION_WORDS,
    ORGANISATIONS,
    PLACES,
    TECHNOLOGIES,
    TITLES,
)
from fairlead.pipeline.analysis.name_features import lists
from fairlead.pipeline.analysis.names import Name, Tagger, WordTagger
from fairlead.pipeline.text.reading import Reading, Sentence
from fairlead.pipeline.text.wordset import word_set

_CAPITAL = re.compile(r"[^\W\d_]*[A-Z][\w.'’&+#/-]*")
_JOINERS = word_set("of de van von bin")
_TECHNICAL = re.compile(r"[a-z]+[A-Z]|[A-Z]{2,}[a-z]|[A-Z][a-z]+[A-Z]|\.(?:js|py|net|io)$|[A-Za-z]\d|\+\+|#$", re.ASCII)
_VERSION = re.compile(
    r"\b(?:(?:Python|PyPy|CPython|Java|Node|Unicode|HTTP|TLS|OpenGL|Rust|Windows|Android|numpy|NumPy|Pydantic)"
    r" v?\d+(?:\.\d+)*\+?|v\d+\.\d+(?:\.\d+)*)(?![\w.]*\w)"
)
_LICENCE = re.compile(
    r"\b(?:MIT|BSD(?:-[23]-Clause)?|Apache(?:[ -]License)?(?:,? (?:Version )?2\.0)?|MPL(?:[ -]2\.0)?"
    r"|(?:L|A)?GPL(?:v?[ -]?[23](?:\.\d)?)?|PSF|Unlicense|CC[ -]BY(?:-SA)?(?: \d\.0)?) [Ll]icen[cs]e\b"
)
_SURE = 0.6
"""Confidence from which a rule's or the tagger's word stands without the other."""

_LEAST = 0.5
_CERTAIN = 0.98
_COMMON_TOO = word_set("Reading Nice Bath Cork Mobile Web Essex Lincoln Derby Split")
_PLACING = re.compile(r"\b(?:in|near)\s(?:the\s)?$")
_TECHNICAL_KINDS = word_set("readme topic rst markdown licence")
_MOST_MENTIONS = 4
_MOST_ENTITIES = 80


RULES = "name-rules/1"
"""What is said to have found a name that no trained tagger was asked about."""


class Mention(NamedTuple):
    """A name in the text, ``type`` one of person, organisation, place, technology, version, licence, other."""

    name: str
    type: str
    start: int
    end: int
    confidence: float
    model: str = RULES


class _Judged(NamedTuple):
    """A sentence with what the rules found in it, and whether the tagger has a word on it."""

    sentence: Sentence
    fixed: list[Mention]
    ruled: list[Mention]
    asked: bool


def entities_of(reading: Reading, tagger: Tagger | None = None) -> list[dict[str, Any]]:
    """Entities by falling number of mentions: name, type, count, confidence, where the first few are, and which
    ``model`` was surest of it. ``tagger`` is the trained one that is asked (None: that of words).
    """
    mentions = list(_mentions(reading, tagger or WordTagger()))
    names = _full_names(mentions)
    groups: dict[tuple[str, str], list[Mention]] = defaultdict(list)
    for mention in mentions:
        name, kind = names.get(mention.name, (mention.name, mention.type))
        groups[name, kind].append(mention)
    groups = _one_type_each(groups)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {
            "name": name,
            "type": kind,
            "count": len(found),
            "confidence": round(max(mention.confidence for mention in found), 2),
            "mentions": [[mention.start, mention.end] for mention in found[:_MOST_MENTIONS]],
            "model": max(found, key=lambda mention: mention.confidence).model,
        }
        for (name, kind), found in ordered[:_MOST_ENTITIES]
        if kind != "other" or len(found) >= 2
    ]


def _mentions(reading: Reading, tagger: Tagger) -> Iterator[Mention]:
    inner = _capitalised_inside(reading.sentences)
    technical = reading.document.kind in _TECHNICAL_KINDS
    judged = [_by_rules(sentence, inner) for sentence in reading.sentences]
    tagged = iter(tagger.find([one.sentence.text for one in judged if one.asked]))
    for one in judged:
        yield from one.fixed
        if one.asked:
            said = [
                Mention(
                    name, found.type, one.sentence.start + found.start, one.sentence.start + found.end,
                    found.confidence, tagger.version,
                )
                for found, name in _believed(one, next(tagged), inner, technical, tagger.alone)
            ]  # fmt: skip
            yield from _joined(one.ruled, said)
        else:
            yield from one.ruled


def _by_rules(sentence: Sentence, inner: frozenset[str]) -> _Judged:
    """What the rules find. The tagger is asked only where they left a name without a type, or where a name may open the
    sentence: the rules are exact on what they list, the tagger knows what context tells.
    """
    fixed: list[Mention] = []
    for pattern, kind in ((_VERSION, "version"), (_LICENCE, "licence")):
        for found in pattern.finditer(sentence.text):
            name = found.group() if kind == "version" else found.group().rsplit(" ", 1)[0].removesuffix(" License")
            fixed.append(Mention(name, kind, sentence.start + found.start(), sentence.start + found.end(), 0.9))
    if sentence.quality <= 0 and len(sentence.tokens) <= 3:
        return _Judged(sentence, fixed, [], asked=False)
    ruled = list(_named(sentence, inner))
    opening = sentence.tokens[0][0].isupper() and not (ruled and ruled[0].start == sentence.start)
    return _Judged(sentence, fixed, ruled, opening or any(mention.confidence < _SURE for mention in ruled))


def _believed(
    one: _Judged, names: list[Name], inner: frozenset[str], technical: bool, alone: float | None
) -> Iterator[tuple[Name, str]]:
    """The tagger's names that are kept beside what the rules are sure of, each with how it is written."""
    sentence = one.sentence
    taken = {i for m in one.ruled if m.confidence >= _SURE for i in range(m.start, m.end)}
    for found in names:
        name = _singular(sentence.text[found.start : found.end].strip(" .,'’-"))
        place = range(sentence.start + found.start, sentence.start + found.end)
        if found.confidence < _LEAST or not taken.isdisjoint(place) or not _is_name(name):
            continue
        sure = alone is not None and found.confidence >= alone and not technical
        if sure or _supported(name, found, sentence.text, inner, technical):
            yield found, ALIASES.get(name, name)


def _joined(ruled: list[Mention], tagged: list[Mention]) -> list[Mention]:
    """What rules and tagger say of one sentence; where the rules were not sure the tagger's word goes first."""
    covered = {i for mention in tagged for i in range(mention.start, mention.end)}
    sure = [mention for mention in ruled if mention.confidence >= _SURE]
    unsure = [m for m in ruled if m.confidence < _SURE and covered.isdisjoint(range(m.start, m.end))]
    return sorted([*sure, *tagged, *unsure], key=lambda mention: mention.start)


def _supported(name: str, found: Name, text: str, inner: frozenset[str], technical: bool) -> bool:
    """Whether more than the tagger speaks for a name: it was trained on news, articles and posts, not on manuals.

    Each word must be one that the document capitalises inside sentences or one on a list. A person then has a known
    first or last name, or is nearly certain; a place is on a list, or follows ``in`` or the like.
    """
    held = lists().words
    marks = [set(held.get(word.lower(), ())) for word in name.split()]
    if not all(word in inner or word in _JOINERS or on for word, on in zip(name.split(), marks, strict=True)):
        return False
    every = set().union(*marks)
    match found.type:
        case "person":
            known = bool(every & {"gfirst", "glast"}) and not every & {"gtechnology", "gproduct"}
            if technical:
                return known and len(marks) > 1 and not any(word.isupper() for word in name.split())
            return known or found.confidence >= _CERTAIN
        case "place":
            after = _PLACING.search(text[: found.start])
            if name in _COMMON_TOO:
                return False
            return bool(every & {"gplace", "hplace"}) or (
                not technical and bool(after) and found.confidence >= _CERTAIN
            )
        case "organisation":
            return bool(every & {"gorganisation", "gorgword"}) or (not technical and found.confidence >= _CERTAIN)
        case _:
            return not technical


def _capitalised_inside(sentences: list[Sentence]) -> frozenset[str]:
    """Words with a capital that are not the first of their sentence, and hardly ever occur without it."""
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for sentence in sentences:
        for token in sentence.tokens[1:]:
            if token[0].isupper():
                capital[token] += 1
            elif token[0].islower():
                small[token] += 1
    return frozenset(word for word, count in capital.items() if count >= small[word.lower()])


def _named(sentence: Sentence, inner: frozenset[str]) -> Iterator[Mention]:
    tokens = sentence.tokens
    places = _offsets(sentence)
    i = 0
    while i < len(tokens):
        if not _opens(tokens, i, inner):
            i += 1
            continue
        end = _extent(tokens, i)
        name = sentence.text[places[i] : places[end - 1] + len(tokens[end - 1])]
        before = tokens[i - 1] if i else ""
        if tokens[i].rstrip(".") in TITLES and end - i > 1:
            before = tokens[i].rstrip(".")
            name = name[places[i + 1] - places[i] :]
            i += 1
        name = _singular(name.strip(" .,'’").removesuffix("'s").removesuffix("’s"))
        licensed = end < len(tokens) and tokens[end].lower() in ("license", "licence", "licensed")
        name = ALIASES.get(name, name)
        if _is_name(name) and not licensed and "License" not in name:
            kind, confidence = type_of(name, before)
            last = places[end - 1] + len(tokens[end - 1])
            yield Mention(name, kind, sentence.start + places[i], sentence.start + last, confidence)
        i = end


def _singular(name: str) -> str:
    """``GPUs`` -> ``GPU``: acronyms are counted in the singular."""
    return name[:-1] if len(name) > 3 and name.endswith("s") and name[:-1].isupper() else name


def _is_name(name: str) -> bool:
    if name.endswith(("Error", "Exception", "Warning")) or (name.isupper() and len(name) > 5) or name.isdigit():
        return False
    if not 2 <= len(name) <= 60 or name in NOT_NAMES or name in DEMONYMS or name in COMMON_ACRONYMS:
        return False
    return name.rstrip(".") not in TITLES and name != "New"


def _offsets(sentence: Sentence) -> list[int]:
    places: list[int] = []
    position = 0
    for token in sentence.tokens:
        position = sentence.text.index(token, position)
        places.append(position)
        position += len(token)
    return places


def _opens(tokens: list[str], i: int, inner: frozenset[str]) -> bool:
    word = tokens[i]
    if not word[0].isalpha() or not _CAPITAL.match(word) or word in NOT_NAMES or len(word) < 2:
        return False
    if word in TITLES and not (i + 1 < len(tokens) and tokens[i + 1][0].isupper()):
        return False
    if word.isupper() and len(word) > 6:
        return False
    opens_sentence = i == 0 or tokens[i - 1] in '"“(‘'
    if not opens_sentence:
        return True
    return word in inner or word in FIRST_NAMES or word in ORGANISATIONS or bool(_TECHNICAL.search(word))


def _extent(tokens: list[str], i: int) -> int:
    """Where the run of name words from ``i`` ends. ``of`` and ``van`` join; an initial keeps its full stop."""
    end = i + 1
    while end < len(tokens) and end - i < 6:
        word = tokens[end]
        goes_on = end + 1 < len(tokens) and tokens[end + 1][0].isupper() and tokens[end + 1] not in NOT_NAMES
        if (word[0].isupper() and word not in NOT_NAMES) or (word == "." and len(tokens[end - 1]) == 1 and goes_on):
            end += 1
        elif word in _JOINERS and goes_on:
            end += 2
        else:
            break
    return end


def type_of(name: str, before: str) -> tuple[str, float]:
    """The type of a name and how sure the rule is."""
    words = name.replace(".", " ").split()
    if not words:
        return "other", 0.0
    if name in PLACES:
        return "place", 0.9
    if name in ORGANISATIONS:
        return "organisation", 0.9
    if name in TECHNOLOGIES:
        return "technology", 0.9
    if words[-1] in ORGANISATION_WORDS or words[0] in ("University", "Department", "Ministry", "Bank", "Institute"):
        return "organisation", 0.8
    if before.rstrip(".") in TITLES or (
        words[0] in FIRST_NAMES and 2 <= len(words) <= 4 and not set(words) & TECHNOLOGIES
    ):
        return "person", 0.85
    if name in FIRST_NAMES:
        return "person", 0.6
    if _TECHNICAL.search(name):
        return "technology", 0.6
    if before in ("in", "near") and len(words) == 1 and name[1:].islower():
        return "other", 0.3
    return "other", 0.3


def _full_names(mentions: list[Mention]) -> dict[str, tuple[str, str]]:
    """Short mention -> the one full name of a person that ends with it, when its own type allows."""
    full: dict[str, Counter[str]] = defaultdict(Counter)
    for mention in mentions:
        words = mention.name.split()
        if mention.type == "person" and len(words) > 1:
            for part in {words[-1], words[0], mention.name}:
                full[part][mention.name] += 1
    joined: dict[str, tuple[str, str]] = {}
    for mention in mentions:
        options = full.get(mention.name)
        # "Donald Trump" and "Donald J. Trump" are one: first and last word decide, and the shorter form names them.
        ends = {(name.split()[0], name.split()[-1]) for name in options or ()}
        if options and mention.type in ("person", "other") and len(ends) == 1:
            joined[mention.name] = (min(options, key=lambda name: (len(name), name)), "person")
    return joined


def _one_type_each(groups: dict[tuple[str, str], list[Mention]]) -> dict[tuple[str, str], list[Mention]]:
    """A name has the type that most of its mentions have; ``other`` yields to any."""
    by_name: dict[str, list[tuple[str, list[Mention]]]] = defaultdict(list)
    for (name, kind), found in groups.items():
        by_name[name].append((kind, found))
    settled: dict[tuple[str, str], list[Mention]] = {}
    for name, options in by_name.items():
        kind = max(options, key=lambda option: (option[0] != "other", len(option[1]), option[0]))[0]
        settled[name, kind] = sorted((m for _, found in options for m in found), key=lambda m: m.start)
    return settled
