"""Numbers as they are written, in digits or in English words, read exactly.

A comma is taken for a thousands separator only where three digits follow each comma, and a full stop for the decimal
mark; ``1,5`` is not guessed at. Words are read up to the trillions (``two hundred and five thousand``).
"""

from __future__ import annotations

from decimal import Decimal

from fairlead.pipeline.text.wordset import word_list

_ONES = word_list(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
    """
)
ONES = {name: value for value, name in enumerate(_ONES)}
TENS = {name: 10 * i for i, name in enumerate(word_list("twenty thirty forty fifty sixty seventy eighty ninety"), 2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SHORT_SCALES = {"k": 10**3, "m": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9, "tn": 10**12}

DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
"""Digits with thousands separators and a decimal part."""

_SMALL = "|".join(sorted((*ONES, *TENS), key=len, reverse=True))
WORDS = (
    rf"(?:(?:{_SMALL})(?:[ -](?:{_SMALL}))?|(?:an?[ ])?(?:hundred|thousand|million|billion|trillion))"
    rf"(?:(?:,?[ ]and|,)?[ ](?:{_SMALL})(?:-(?:{_SMALL}))?|[ ](?:hundred|thousand|million|billion|trillion))*"
)
"""A number in words, for a verbose pattern too. It is generous; :func:`read_words` decides whether it is one number."""

NUMBER_WORDS = frozenset({*ONES, *TENS, *SCALES, "hundred"})


def read_digits(text: str) -> Decimal:
    """The value of what :data:`DIGITS` matched."""
    return Decimal(text.replace(",", ""))


def read_words(text: str) -> int | None:
    """The value of a number in words, or None when the words are no single number (``one two``)."""
    total = group = 0
    last = 10**18
    """The scale of the part read last: scales must fall, or ``two thousand three million`` would be a sum."""
    room = 1000
    """What the next small word must stay below within its group."""
    for word in text.lower().replace("-", " ").replace(",", " ").split():
        if word == "and":
            continue
        if word in ("a", "an"):
            group = 1
            continue
        if word == "hundred":
            if group > 99:
                return None
            group, room = (group or 1) * 100, 100
        elif word in SCALES:
            scale = SCALES[word]
            if scale >= last or (total and not group):
                return None
            total, group, last, room = total + (group or 1) * scale, 0, scale, 1000
        else:
            value = ONES.get(word, TENS.get(word, -1))
            if value < 0 or value >= room:
                return None
            group += value
            room = 10 if word in TENS else 1
    return total + group
