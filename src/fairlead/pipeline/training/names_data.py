"""The openly licensed sets of named entities, read into one shape: documents of sentences of (word, label).

Labels are IOB2. ``PER``, ``ORG``, ``LOC``, ``MISC`` are the common ones; the six of WNUT-17 stay when asked for.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

Sentence = list[tuple[str, str]]
Document = list[Sentence]

COMMON = {
    "person": "PER", "politician": "PER", "researcher": "PER", "PER": "PER",
    "location": "LOC", "country": "LOC", "LOC": "LOC",
    "group": "ORG", "corporation": "ORG", "organisation": "ORG", "politicalparty": "ORG", "university": "ORG",
    "ORG": "ORG", "product": "MISC", "creative-work": "MISC", "misc": "MISC", "event": "MISC", "election": "MISC",
    "conference": "MISC", "programlang": "MISC", "MISC": "MISC",
    "algorithm": "O", "field": "O", "task": "O", "metrics": "O",
}  # fmt: skip
"""A set's own label -> the common one. Kinds that are common nouns in CrossNER (fields, tasks) are no names here."""


def read_columns(path: Path) -> list[Document]:
    """Documents of a file with a word first and a label last in each line; a file without marks is one document."""
    raw = path.read_bytes()
    text = (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode("utf-8")
    documents: list[Document] = [[]]
    sentence: Sentence = []
    for line in [*text.splitlines(), ""]:
        cells = line.split()
        if cells and cells[0] == "-DOCSTART-":
            documents.append([])
        elif len(cells) >= 2:
            sentence.append((cells[0], cells[-1]))
        elif sentence:
            documents[-1].append(sentence)
            sentence = []
    return [document for document in documents if document]


def relabel(documents: Iterable[Document], names: dict[str, str] | None) -> list[Document]:
    """IOB2 labels in the kinds of ``names``; with None the set's own kinds, and every entity that it has.

    A run of ``I-`` of one kind is one entity. In the kinds of ``names`` Twitter handles are no entities: they are an
    address and not a name, and the sets disagree about them.
    """
    return [[list(_iob2(sentence, names)) for sentence in document] for document in documents]


def _iob2(sentence: Sentence, names: dict[str, str] | None) -> Iterator[tuple[str, str]]:
    before = "O"
    for position, (word, label) in enumerate(sentence):
        mark, _, kind = label.partition("-")
        kind = (names or {}).get(kind, "O" if names else kind) if mark != "O" else "O"
        if names and (word[:1] == "@" or (position and sentence[position - 1][0] == "@")):
            kind = "O"
        if kind == "O":
            yield word, "O"
        else:
            yield word, f"{'I' if mark == 'I' and before == kind else 'B'}-{kind}"
        before = kind


def sentences_of(documents: Iterable[Document]) -> list[Sentence]:
    return [sentence for document in documents for sentence in document]


def entities_in(labels: list[str]) -> set[tuple[int, int, str]]:
    """(start, end, kind) of each entity of an IOB sequence."""
    found: set[tuple[int, int, str]] = set()
    start, kind = 0, ""
    for i, label in enumerate([*labels, "O"]):
        mark, _, name = label.partition("-")
        if kind and (mark != "I" or name != kind):
            found.add((start, i, kind))
            kind = ""
        if mark == "B" or (mark == "I" and not kind):
            start, kind = i, name
    return found


def f1(gold: list[list[str]], found: list[list[str]]) -> tuple[float, float, float]:
    """Entity-level precision, recall and F1 in percent: both ends and the kind must be right."""
    right = given = wanted = 0
    for truth, guess in zip(gold, found, strict=True):
        a, b = entities_in(truth), entities_in(guess)
        right, wanted, given = right + len(a & b), wanted + len(a), given + len(b)
    precision, recall = right / max(given, 1), right / max(wanted, 1)
    return 100 * precision, 100 * recall, 200 * precision * recall / max(precision + recall, 1e-9)
