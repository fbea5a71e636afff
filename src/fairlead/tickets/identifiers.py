"""Identifiers: short, random, safe to make on two branches at once, and longer as the board grows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Entropy = Callable[[int], bytes]
    """So many random bytes: ``os.urandom``, or ``Random(7).randbytes`` in a test."""

_LETTERS = "abcdefghjkmnpqrstvwxyz"
_ALPHABET = "0123456789" + _LETTERS

_SHORTEST = 5
_LONGEST = 16


def length_for(count: int) -> int:
    """Characters of a new identifier on a board of ``count`` things.

    Two branches that each add as many things as there are now, without seeing each other, make no double with a
    probability above 0.999: n * n / 32 ** length < 0.001 (the birthday bound over the pairs of two sets).
    """
    length = _SHORTEST
    while length < _LONGEST and max(count, 100) ** 2 / 32**length > 0.001:
        length += 1
    return length


def new_thing_id(count: int, taken: Callable[[str], bool], entropy: Entropy) -> str:
    """A fresh identifier that begins with a letter. ``taken`` says whether one is in use, deleted things included."""
    while True:
        value = _draw(length_for(count), entropy)
        if not taken(value):
            return value


def new_entry_id(entropy: Entropy) -> str:
    """Eight characters; together with the time in the file's name they never meet again."""
    return _draw(8, entropy)


def _draw(length: int, entropy: Entropy) -> str:
    drawn = entropy(length)
    return _LETTERS[drawn[0] % 22] + "".join([_ALPHABET[b & 31] for b in drawn[1:]])
