"""Names in questions and headings: what a section is called after, and words of grammar that are used as names.

"With" says nothing about a topic, but "the with statement" is a thing. No grammar puts a preposition or a conjunction
between an article and a noun, so one that stands there, or in quotes, is meant as a name.
"""

from __future__ import annotations

import re

from fairlead.pipeline.text.words import WORD
from fairlead.pipeline.text.wordset import word_set

_ARTICLES = frozenset({"a", "an", "the", "this", "that", "each", "every"})

_GRAMMAR = word_set(
    """
    and as at be but by do else except for from if in into is nor not of off on or so then to unless until up when
    where while with without
    """
)
"""Words that never stand between an article and a noun unless they are meant as names."""

_QUOTED = re.compile(r"[\"\u201c`']([^\W\d_]+)[\"\u201d`']")
_MOST_WORDS = 4


def names_of(title: str, heading: str) -> tuple[str, ...]:
    """What a section may be called by: the title of its document and its heading, without their article.

    A heading of one word names too many sections to be one's name, and a long one is a sentence.
    """
    found = []
    for text, least in ((title, 1), (heading, 2)):
        words = WORD.findall(text)
        if words and words[0].lower() in _ARTICLES:
            words = words[1:]
        if least <= len(words) <= _MOST_WORDS:
            found.append(" ".join(words))
    return tuple(dict.fromkeys(found))


def quoted_words(question: str) -> frozenset[str]:
    """The single words that stand in quotes, lower-case."""
    return frozenset(match.group(1).lower() for match in _QUOTED.finditer(question))


def phrases_of(question: str) -> list[tuple[str, ...]]:
    """The names in a question that begin with words of grammar, lower-case: ``("with", "statement")``."""
    words = [word.lower() for word in WORD.findall(question)]
    quoted = quoted_words(question)
    found: dict[tuple[str, ...], None] = {}
    for at, word in enumerate(words[:-1]):
        after_article = at > 0 and words[at - 1] in _ARTICLES
        if word not in _GRAMMAR or not (after_article or word in quoted):
            continue
        end = at + 1
        while end < len(words) - 1 and words[end] in _GRAMMAR:
            end += 1
        noun = words[end]
        # "The in and not in operators" are the in operator and the not in operator.
        listed = " ".join(words[at:end]).replace(" or ", " and ").split(" and ")
        for one in listed:
            found[(*one.split(), noun.removesuffix("s") if len(listed) > 1 else noun)] = None
    return list(found)
