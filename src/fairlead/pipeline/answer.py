"""Answers by quotation: the sentences of remembered passages that answer a question, or a plain no.

Nothing is written here; a statement is a sentence of a passage. A sentence is scored by the share of the question's
words that it and its passage hold, each weighted by how rare it is among the passages (the coverage of Robertson and
Sparck Jones's relevance weights, J. ASIS 27, 1976), and by whether it holds the kind of thing that was asked for: a
number for ``how many``, a name for ``who``. Below :data:`THRESHOLD` nothing is answered; ``bench/pipeline_answer.py``
measures what that costs and saves.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fairlead.pipeline.formats.prose import is_boilerplate
from fairlead.pipeline.sources.moments import link_at
from fairlead.pipeline.text.naming import names_of, phrases_of, quoted_words
from fairlead.pipeline.text.reading import TOKEN, judge
from fairlead.pipeline.text.sentences import split_sentences
from fairlead.pipeline.text.signals import PROCEDURE
from fairlead.pipeline.text.words import STOP, WEAK, WORD, fold
from fairlead.pipeline.text.wordset import word_set

THRESHOLD = 0.5
"""Least score of the best sentence for an answer."""

_MOST = 3
_OPENING = 300
"""Characters at the start of a document that may define what it is called after."""

_NEAR = 0.8
"""Further statements score at least this share of the best one."""

_SUFFIX = re.compile(r"(?:ations?|ings?|ions?|ments?|ers?|ed|ly|es|al|e)$")
_AMERICAN = {"licence": "license", "isation": "ization", "ising": "izing", "ised": "ized", "ise": "ize", "our": "or"}
_BRITISH = re.compile(r"licence|(?<=[a-z]{3})(?:isation|ising|ised|ise|our)(?=s?$)")
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|million|billion|half|dozen|none)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:1\d|20)\d\d\b(?! ?(?:%|\w*(?:metres|meters|feet|miles|km|people|men)))")
_DATE = re.compile(
    r"\b\d{3,4}s?\b|\b(?:January|February|March|April|May|June|July|August|September|October|November|December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|century|year|decade)\b"
)
_KINDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"\bhow (?:many|much|long|old|far|tall|large|big|fast|often|high)\b"
            r"|\bwhat (?:percent|percentage|number|size|speed)\b",
            re.IGNORECASE,
        ),
        "number",
    ),
    (
        re.compile(
            r"\b(?:(?<!happens )(?<!happen )(?<!happened )when|which year"
            r"|what (?:year|date|day|month|century|decade))\b",
            re.IGNORECASE,
        ),
        "date",
    ),
    (re.compile(r"\b(?:who|whose|whom)\b", re.IGNORECASE), "name"),
    (re.compile(r"^\W*what (?:is|are|does) (?:an? |the )?[\w .-]{2,60}\??\W*$", re.IGNORECASE), "definition"),
    (
        re.compile(
            r"\b(?:where|what (?:city|country|state|place)|which (?:city|country|state|place))\b", re.IGNORECASE
        ),
        "name",
    ),
)
_DEFINING = re.compile(
    r"\b(?:(?:is|are|was|were) (?:an?|the|that|one|used|how)|means?|refers? to|stands? for|lets|allows|provides)\b",
    re.IGNORECASE,
)
_MARKUP = word_set(
    """
    what which who whom whose when where why how do does did is are was were name tell give list describe
    explain define mean
    """
)


class _Question(NamedTuple):
    """``terms`` weigh stems, and names such as ``with statement``; ``said`` are all its stems in order."""

    terms: dict[str, float]
    kind: str
    words: frozenset[str]
    phrases: tuple[tuple[str, ...], ...]
    said: tuple[str, ...]
    quoted: frozenset[str]

    def terms_in(self, text: str) -> set[str]:
        """The stems of a text, and which of the question's names it has."""
        found = _stems(text)
        # "The with statement" and "the statement with" are the same thing.
        named = (p for p in self.phrases if _within(p, found) or _within((p[-1], *p[:-1]), found))
        return {*found, *map(" ".join, named)}


class _Candidate(NamedTuple):
    score: float
    order: int
    text: str
    start: int
    end: int
    passage: Mapping[str, Any]


def answer(question: str, passages: Sequence[Mapping[str, Any]], *, threshold: float = THRESHOLD) -> dict[str, Any]:
    """``{answered, statements, reason}``; statements are ``{text, source, start_char, end_char, score, ...}``.

    ``passages`` are what memory recalled, best first: ``text`` and what else is known of each (``source``,
    ``start_char``, ``speaker``, ...), which statements keep; one of a recording has the second at which it is said as
    ``start_s``, and a ``link`` to it. Offsets count in the document when the passage has
    ``start_char``, else in the passage. ``reason`` says why when nothing is answered.
    """
    if not passages:
        return _no("nothing was remembered that has any of these words.")
    asked = _read_question(question, passages)
    if not asked.terms:
        return _no("the question has no word to look for; name a person, thing or event in it.")
    found = sorted(_candidates(asked, passages), key=lambda c: (-c.score, c.order, c.start))
    if not found or found[0].score < threshold:
        best = found[0].score if found else 0.0
        return _no(
            f"the closest passage covers too little of the question ({best:.2f}; an answer needs {threshold:.2f})."
        )
    chosen: list[_Candidate] = []
    for candidate in found:
        if len(chosen) == _MOST or candidate.score < max(threshold, _NEAR * found[0].score):
            break
        if all(candidate.text != other.text for other in chosen):
            chosen.append(candidate)
    return {"answered": True, "statements": [_statement(c) for c in chosen], "reason": ""}


def _no(reason: str) -> dict[str, Any]:
    return {"answered": False, "statements": [], "reason": reason}


def _statement(candidate: _Candidate) -> dict[str, Any]:
    passage = candidate.passage
    kept = {k: v for k, v in passage.items() if k not in ("text", "score", "start_char", "end_char", "times")}
    base = int(passage.get("start_char", 0))
    if passage.get("start_s") is not None:
        said = [second for offset, second in passage.get("times", ()) if offset <= candidate.start]
        kept["start_s"] = said[-1] if said else passage["start_s"]
        kept["link"] = link_at(str(passage.get("url") or passage.get("source", "")), kept["start_s"])
    return {
        "text": candidate.text,
        "source": passage.get("source", ""),
        **kept,
        "start_char": base + candidate.start,
        "end_char": base + candidate.end,
        "score": round(min(candidate.score, 1.0), 3),
    }


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A word without its commonest endings; at least four letters stay."""
    low = _BRITISH.sub(lambda found: _AMERICAN[found.group()], fold(word))
    cut = _SUFFIX.sub("", low)
    return cut if len(cut) >= 4 else low


def _stems(text: str) -> list[str]:
    return [stem(word) for word in WORD.findall(text)]


def _read_question(question: str, passages: Sequence[Mapping[str, Any]]) -> _Question:
    words = WORD.findall(question)
    phrases = tuple(tuple(map(stem, phrase)) for phrase in phrases_of(question))
    kind = next((kind for pattern, kind in _KINDS if pattern.search(question)), "")
    quoted = frozenset(map(stem, quoted_words(question)))
    asked = _Question({}, kind, frozenset(word.lower() for word in words), phrases, tuple(map(stem, words)), quoted)
    held = [asked.terms_in(_context(passage)) for passage in passages]
    frequency: Counter[str] = Counter(term for terms in held for term in terms)
    terms = asked.terms
    for phrase in filter(frequency.__getitem__, map(" ".join, phrases)):
        terms[phrase] = 1.4 * math.log(1 + (len(passages) + 1) / (frequency[phrase] + 0.5))
    for position, word in enumerate(words):
        low = word.lower()
        if low in STOP or low in _MARKUP or len(low) < 2:
            continue
        term = stem(word)
        weight = math.log(1 + (len(passages) + 1) / (frequency[term] + 0.5))
        # "How high" asks for the height: there the weak word is the point of the question.
        asked_for = position > 0 and words[position - 1].lower() == "how"
        weight *= 1.3 if asked_for else 0.5 if low in WEAK else 1.0
        # A name or a number in the question must be met: another person's age is no answer.
        weight *= 1.4 if (word[0].isupper() and position > 0) or word[0].isdigit() else 1.0
        terms[term] = max(terms.get(term, 0.0), weight)
    return asked


def _context(passage: Mapping[str, Any]) -> str:
    return " ".join(str(passage.get(field) or "") for field in ("title", "heading", "speaker", "text"))


def _candidates(asked: _Question, passages: Sequence[Mapping[str, Any]]) -> list[_Candidate]:
    total = sum(asked.terms.values())
    found: list[_Candidate] = []
    subjects = set(asked.terms) & {term for passage in passages for term in _titled(passage)}
    names = [_named(asked, passage) for passage in passages]
    named = max(names, default=0)
    for order, passage in enumerate(passages):
        text = str(passage["text"])
        around = asked.terms_in(_context(passage))
        context = sum(weight for term, weight in asked.terms.items() if term in around) / total
        if context == 0:
            continue
        opens = _opens_its_subject(asked, passage)
        # Who asks about something that a document or a section is called after means that one.
        meant = 1.0 if not subjects else 1.12 if subjects <= _titled(passage) else 0.85
        if named:
            meant = 1.25 if names[order] == named else 0.85
        if asked.kind == "definition" and is_boilerplate(str(passage.get("heading") or "")):
            meant *= 0.7
        for start, end in split_sentences(text):
            sentence = text[start:end]
            inside = asked.terms_in(sentence)
            covered = sum(weight for term, weight in asked.terms.items() if term in inside) / total
            if end - start < 12:
                continue
            if opens and start < _OPENING and judge(sentence, TOKEN.findall(sentence), spoken=False) >= 0.4:
                covered = 1.0
            if covered:
                score = (0.62 * covered + 0.38 * context) * _fits(asked, sentence) * meant / (1 + 0.01 * order)
                found.append(
                    _Candidate(
                        score * (1.1 if opens and start < _OPENING else 1.0), order, sentence, start, end, passage
                    )
                )
    return found


def _titled(passage: Mapping[str, Any]) -> set[str]:
    return set(_stems(str(passage.get("title") or "")))


def _named(asked: _Question, passage: Mapping[str, Any]) -> int:
    """How many words of the question, one after the other, are what the passage's document or section is called; one
    for a name that has a word which the question quotes."""
    names = names_of(str(passage.get("title") or ""), str(passage.get("heading") or ""))
    stemmed = [tuple(_stems(name)) for name in names]
    whole = max((len(name) for name in stemmed if len(name) > 1 and _within(name, asked.said)), default=0)
    return whole or int(any(asked.quoted & set(name) for name in stemmed))


def _within(phrase: Sequence[str], words: Sequence[str]) -> bool:
    """Whether a phrase stands in a text, one word after the other."""
    first, size = phrase[0], len(phrase)
    return any(
        words[at] == first and tuple(words[at : at + size]) == tuple(phrase) for at in range(len(words) - size + 1)
    )


def _opens_its_subject(asked: _Question, passage: Mapping[str, Any]) -> bool:
    """Whether ``what is X`` meets the opening of a document called X, which says what X is without its name."""
    if asked.kind != "definition" or int(passage.get("start_char", 1)) != 0:
        return False
    return set(asked.terms) == _titled(passage) or _named(asked, {"title": passage.get("title")}) > 1


def _defines(asked: _Question, sentence: str) -> float:
    """For ``what is X``: a sentence that says ``X ... is`` fits better than one that only mentions X."""
    verb = _DEFINING.search(sentence)
    if verb and set(asked.terms) <= set(_stems(sentence[: verb.start()])):
        return 1.1
    return 0.9 if PROCEDURE.search(sentence) else 1.0


def _fits(asked: _Question, sentence: str) -> float:
    """Whether the sentence holds the kind of thing that was asked for, beyond what the question already says."""
    tests: dict[str, Callable[[], bool]] = {
        "number": lambda: any(m.group().lower() not in asked.words for m in _NUMBER.finditer(_YEAR.sub("", sentence))),
        "date": lambda: bool(_DATE.search(sentence)),
        "name": lambda: any(w[0].isupper() and w.lower() not in asked.words for w in WORD.findall(sentence)[1:]),
    }
    if sentence.endswith("?"):
        return 0.5
    if asked.kind == "definition":
        return _defines(asked, sentence)
    if not asked.kind:
        return 1.0
    return 1.05 if tests[asked.kind]() else 0.6
