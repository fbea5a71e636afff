"""What the tagger of names looks at: features of a word and of the words around it, as strings.

The same functions serve training and use. Features of a word depend on nothing but the word, so they are made once per
distinct word and put together per position.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fairlead.pipeline.analysis.gazetteer import (
    DEMONYMS,
    FIRST_NAMES,
    ORGANISATION_WORDS,
    ORGANISATIONS,
    PLACES,
    TECHNOLOGIES,
    TITLES,
)
from fairlead.pipeline.text.words import STOP

TOKEN = re.compile(r"[@#]\w+|\w+(?:[-&.]\w+)*|['’](?:s|S|re|ve|ll|d|m|t)\b|[^\w\s]")
"""Tokens as the training sets cut them: a possessive and a contraction's end stand alone."""


_RUN = re.compile(r"(.)\1+")


class Lists(NamedTuple):
    """Names known beforehand: word -> marks of the lists it is on, and first word -> longer names it may begin."""

    words: dict[str, tuple[str, ...]]
    longer: dict[str, list[tuple[tuple[str, ...], str]]]


@lru_cache(maxsize=1)
def lists() -> Lists:
    """The lists of the gazetteer and of ``name_lists.txt``, read once."""
    held: dict[str, set[str]] = {
        "first": set(FIRST_NAMES),
        "place": set(PLACES),
        "organisation": set(ORGANISATIONS),
        "orgword": set(ORGANISATION_WORDS),
        "technology": set(TECHNOLOGIES),
        "title": set(TITLES),
        "people": set(DEMONYMS),
    }
    kind = ""
    for line in (Path(__file__).parent / "name_lists.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
            held.setdefault(kind, set())
        elif line and not line.startswith("#"):
            held[kind] |= {name.strip() for name in line.split(",") if name.strip()}
    words: dict[str, set[str]] = defaultdict(set)
    longer: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
    for kind, names in held.items():
        for name in names:
            parts = tuple(TOKEN.findall(name.lower()))
            if len(parts) == 1:
                words[parts[0]].add("g" + kind)
            else:
                longer[parts[0]].append((parts, kind))
                for part in parts:
                    if part not in STOP and len(part) > 2:
                        words[part].add("h" + kind)
    ordered = {first: sorted(names, key=lambda n: (-len(n[0]), n)) for first, names in longer.items()}
    return Lists({word: tuple(sorted(marks)) for word, marks in words.items()}, ordered)


def known_longer(lows: Sequence[str]) -> list[str]:
    """For each word the mark of the longest known name it is part of, else ``""``."""
    longer = lists().longer
    marks = [""] * len(lows)
    i = 0
    while i < len(lows):
        for parts, kind in longer.get(lows[i], ()):
            if tuple(lows[i : i + len(parts)]) == parts:
                marks[i : i + len(parts)] = [f"k=B{kind}", *[f"k=I{kind}"] * (len(parts) - 1)]
                i += len(parts) - 1
                break
        i += 1
    return marks


@lru_cache(maxsize=65536)
def shape(word: str) -> str:
    """Kinds of characters, runs made one: ``Hello`` is ``Xx``, ``B2B`` is ``XdX``, ``2016`` is ``d``."""
    kinds = "".join("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word[:20])
    return _RUN.sub(r"\1", kinds)


@lru_cache(maxsize=65536)
def own_features(word: str) -> tuple[str, ...]:
    low = word.lower()
    found = [
        "w=" + low,
        "s=" + shape(word),
        "p2=" + low[:2],
        "p3=" + low[:3],
        "p4=" + low[:4],
        "e2=" + low[-2:],
        "e3=" + low[-3:],
        "e4=" + low[-4:],
        "l=" + str(min(len(word), 12)),
        *lists().words.get(low, ()),
    ]
    if low in STOP:
        found.append("stop")
    if word[0] in "@#":
        found.append("handle")
    return tuple(found)


@lru_cache(maxsize=65536)
def _beside(word: str, mark: str) -> tuple[str, ...]:
    low = word.lower()
    marks = [mark + name for name in lists().words.get(low, ())]
    return (f"{mark}w={low}", f"{mark}s={shape(word)}", f"{mark}e3={low[-3:]}", *marks)


@lru_cache(maxsize=65536)
def _further(word: str, mark: str) -> tuple[str, ...]:
    return (f"{mark}w={word.lower()}", f"{mark}s={shape(word)}")


def sentence_case(words: Sequence[str]) -> str:
    """How the sentence uses capitals, since a capital in a headline tells nothing."""
    letters = [word for word in words if word[0].isalpha()]
    capital = sum(word[0].isupper() for word in letters)
    if not letters or capital == 0:
        return "none"
    if all(word.isupper() for word in letters):
        return "all"
    return "title" if capital * 10 >= len(letters) * 7 and len(letters) > 3 else "mixed"


def features(
    words: Sequence[str], style: str = "clean", extra: Sequence[Sequence[str]] | None = None
) -> list[list[str]]:
    """One list of strings per word.

    ``style`` is ``clean`` for edited text and ``noisy`` for posts: the strongest features exist once for all text and
    once per style (Daumé, "Frustratingly Easy Domain Adaptation", ACL 2007). ``extra`` adds further ones to each word.
    """
    case = sentence_case(words)
    shapes = [shape(word) for word in words]
    lows = [word.lower() for word in words]
    known = known_longer(lows)
    last = len(words) - 1
    rows: list[list[str]] = []
    for i, word in enumerate(words):
        row = [*own_features(word), f"c={case}|{shapes[i]}", f"d={style}|{case}|{shapes[i]}", f"d={style}|{lows[i]}"]
        if known[i]:
            row.append(known[i])
        if i:
            row += _beside(words[i - 1], "-1")
            row.append(f"b-={lows[i - 1]}|{lows[i]}")
            row.append(f"t-={shapes[i - 1]}|{shapes[i]}")
            if i > 1:
                row += _further(words[i - 2], "-2")
        else:
            row.append("first")
        if i < last:
            row += _beside(words[i + 1], "+1")
            row.append(f"b+={lows[i]}|{lows[i + 1]}")
            row.append(f"t+={shapes[i]}|{shapes[i + 1]}")
            if i + 1 < last:
                row += _further(words[i + 2], "+2")
        else:
            row.append("last")
        if extra is not None:
            row += extra[i]
        rows.append(row)
    return rows
