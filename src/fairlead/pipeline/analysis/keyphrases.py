"""Key phrases: runs of content words, as in RAKE, ranked by C-value.

Candidates are cut at function words and punctuation (Rose et al., "Automatic keyword extraction from individual
documents", in Text Mining, Wiley 2010). They are ranked by C-value, which prefers the longer term and discounts a
word that occurs only inside one (Frantzi, Ananiadou and Mima, "Automatic recognition of multi-word terms: the C-value
/NC-value method", Int. J. on Digital Libraries 3, 2000), times how widely the phrase is spread over the document.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from fairlead.pipeline.text.reading import Sentence
from fairlead.pipeline.text.words import STOP, WEAK, fold, verb_forms
from fairlead.pipeline.text.wordset import word_set

BREAKS = STOP | word_set(
    """
    add adds allow allows become becomes bring brings call calls contain contains create creates enable enables ensure
    ensures equal expect expects follow follows handle handles help helps impose include includes including inspect lets
    mean means perform performs provide provided provides providing remain remains replace replacing require requires
    return returns run runs set sets show shows start starts stop stops support supports try tries work works develops
    """
)
"""Words that part phrases: function words, and verbs that join a subject to its object."""

_OBJECTS = word_set(
    """
    a an the this that these those its their his her our my your all every each no some any it them us him me you
    itself themselves to as up out because when how what nothing everything
    """
)
"""What follows a verb and not a noun."""

_SUBJECTS = word_set("i we you he she they who to will would can could should may might must shall cannot don't didn't")
"""What stands right before a verb and not before a noun."""

_LONGEST = 4
_KEPT = 60


class KeyPhrase(NamedTuple):
    """A phrase as it is mostly written, the folded ``key`` it is counted under, how often it is ``said``."""

    phrase: str
    key: str
    said: int
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"phrase": self.phrase, "key": self.key, "count": self.said, "score": self.score}


def phrases_in(tokens: list[str]) -> Iterator[tuple[str, ...]]:
    """Every candidate of one to four words: a run of content words whose edges are nouns as far as form tells."""
    run: list[str] = []
    for before, token, following in zip(["", *tokens], [*tokens, "."], [*tokens[1:], ".", "."], strict=True):
        if token[0].isalnum() and len(token) < 40 and not _parts_phrases(before, token, run, following):
            run.append(token)
            continue
        yield from _parts(run)
        run = []


def _parts_phrases(before: str, token: str, run: list[str], following: str) -> bool:
    """Whether a word ends the phrase before it: one of :data:`BREAKS`, or a verb as far as its neighbours tell.

    A form in ``-s`` is a verb before an article or pronoun (``tidal energy feeds the town``, but ``the animal feeds are
    dry``), a base form after a plural (``engineers build turbines``), a past form after any noun; any of them after
    ``I``, ``they`` or ``to``; and whatever stands between a noun and a sum of money.
    """
    low = token.lower()
    if low in BREAKS:
        return True
    if run and following in ("$", "€", "£"):
        return True
    form = verb_forms().get(low)
    if form is None or not run:
        return form is not None and before.lower() in _SUBJECTS
    if form == "third person":
        return following.lower() in _OBJECTS or following[0].isdigit()
    return form == "past" or (run[-1].endswith("s") and not run[-1].endswith(("ss", "us", "is")))


def _parts(run: list[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(run)):
        if _may_open(run[start]):
            for end in range(start + 1, min(start + _LONGEST, len(run)) + 1):
                if _may_close(run[end - 1]):
                    yield tuple(run[start:end])


@lru_cache(maxsize=65536)
def _may_open(word: str) -> bool:
    low = word.lower()
    return len(low) > 1 and low not in WEAK and not low[0].isdigit() and not (low.endswith("ly") and len(low) > 4)


@lru_cache(maxsize=65536)
def _may_close(word: str) -> bool:
    low = word.lower()
    if not _may_open(word):
        return False
    return not (low.endswith("ed") and len(low) > 5 and not low.endswith("eed"))


def key_of(words: Iterable[str]) -> str:
    return " ".join(fold(word) for word in words)


def key_phrases(sentences: list[Sentence], most: int = _KEPT) -> list[KeyPhrase]:
    """The best phrases of a document, best first; sentences of no quality count for nothing."""
    counts: Counter[str] = Counter()
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    places: dict[str, set[int]] = defaultdict(set)
    for sentence in sentences:
        if sentence.quality < 0.2:
            continue
        opening = sentence.tokens[0]
        for words in phrases_in(sentence.tokens):
            if len(words) > 1 and len({word.lower() for word in words}) < len(words):
                continue
            key = key_of(words)
            if len(key) < 3:
                continue
            counts[key] += 1
            # A capital at the opening of a sentence says nothing about how a phrase is written.
            forms[key][" ".join(words)] += 1 if words[0] is opening else 10
            places[key].add(sentence.segment)
    total = max(len(sentences), 1)
    least = 2 if total > 12 else 1
    frequent = {key: count for key, count in counts.items() if count >= least}
    scored = sorted(_c_values(frequent, places).items(), key=lambda pair: (-pair[1], pair[0]))
    chosen = [KeyPhrase(written(forms[key]), key, counts[key], round(score, 4)) for key, score in scored[: most * 2]]
    return _without_parts(chosen)[:most]


def _c_values(counts: dict[str, int], places: dict[str, set[int]]) -> dict[str, float]:
    inside: dict[str, list[int]] = defaultdict(list)
    for key, count in counts.items():
        words = key.split(" ")
        size = len(words)
        for length in range(1, size):
            for start in range(size - length + 1):
                part = " ".join(words[start : start + length])
                if part in counts:
                    inside[part].append(count)
    scores: dict[str, float] = {}
    for key, count in counts.items():
        longer = inside.get(key, ())
        free = float(count) - (sum(longer) / len(longer) if longer else 0.0)
        size = key.count(" ") + 1
        worth = math.log2(size + 1) if size > 1 else (0.55 if len(key) > 3 else 0.35)
        if free > 0:
            scores[key] = worth * free * (1 + math.log(len(places[key])))
    return scores


def written(forms: Counter[str]) -> str:
    """The commonest way to write it; in lower case unless capitals are the rule."""
    best = min(forms, key=lambda form: (-forms[form], form))
    total = sum(forms.values())
    acronyms = [form for form in forms if form.isupper() and len(form) <= 6]
    if acronyms and forms[acronyms[0]] * 4 >= total:
        return acronyms[0]
    lowered = sum(count for form, count in forms.items() if form == form.lower())
    if lowered * 2 >= total:
        lower_forms = {form: count for form, count in forms.items() if form == form.lower()}
        return min(lower_forms, key=lambda form: (-lower_forms[form], form)) if lower_forms else best
    return best


def _without_parts(phrases: list[KeyPhrase]) -> list[KeyPhrase]:
    """Drops a phrase that is part of a better one and hardly occurs without it, or contains a better one."""
    kept: list[KeyPhrase] = []
    for phrase in phrases:
        padded = f" {phrase.key} "
        for other in kept:
            longer, shorter = (
                (f" {other.key} ", padded) if len(other.key) > len(phrase.key) else (padded, f" {other.key} ")
            )
            if shorter in longer and phrase.said <= other.said * 2:
                break
        else:
            kept.append(phrase)
    return kept
