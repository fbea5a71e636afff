"""Tables and structured data: CSV, JSON, and transcripts as tab-separated lines.

A cell becomes a segment only when it reads as prose; identifiers, numbers and links do not.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from fairlead.errors import InvalidInputError
from fairlead.pipeline.documents import Block
from fairlead.pipeline.formats.prose import reads_as_prose, tidy
from fairlead.pipeline.text.wordset import word_set

_DEBATE_LINE = re.compile(r"^\d+\t[^\t]{1,60}\t[^\t]*")
_STAGE = word_set(
    """
    SYSTEM AUDIENCE
    """
)
_DEEPEST = 60
_MOST_CELLS = 200_000


def is_debate_table(text: str) -> bool:
    """Whether the first lines are ``line TAB speaker TAB text [TAB label ...]``."""
    lines = [line for line in text[:20_000].splitlines()[:20] if line.strip()]
    return len(lines) >= 3 and all(_DEBATE_LINE.match(line) for line in lines)


def read_debate_table(text: str) -> list[Block]:
    """One turn per line; stage directions such as applause are left out."""
    blocks: list[Block] = []
    for line in text.splitlines():
        cells = line.split("\t")
        if len(cells) >= 3 and cells[1] not in _STAGE and (words := tidy(cells[2])):
            blocks.append(Block(words, "turn", speaker=_speaker_name(cells[1])))
    return blocks


def _speaker_name(name: str) -> str:
    """``HOLT`` is written as a name; short all-capital words with digits or dots stay as they are."""
    name = tidy(name)
    return name.title() if name.isupper() and len(name) > 3 and name.replace(" ", "").isalpha() else name


def read_csv(text: str) -> list[Block]:
    """The prose cells of each row, under their column's name."""
    sample = text[:8192]
    try:
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = csv.reader(io.StringIO(text), dialect)
    blocks: list[Block] = []
    header: list[str] = []
    try:
        for row in rows:
            if not header:
                header = [tidy(cell) for cell in row]
                continue
            for column, cell in enumerate(row):
                words = tidy(cell)
                if reads_as_prose(words):
                    blocks.append(Block(words, "item", header[column] if column < len(header) else ""))
    except csv.Error as exc:
        raise InvalidInputError(f"the CSV cannot be read: {exc}.", remedy="Check its quotes.", field="content") from exc
    return blocks


def read_json(text: str) -> tuple[str, list[Block]]:
    """A title when the top level has one, and every string in it that reads as prose."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError(f"the JSON cannot be read: {exc}.", remedy="Check the file.", field="content") from exc
    title = value.get("title", "") if isinstance(value, dict) else ""
    blocks = [Block(words, "item", heading) for heading, words in _strings(value)]
    return (tidy(title) if isinstance(title, str) else ""), blocks


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Strings with the key they stand under, in document order, without recursion."""
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    seen = 0
    while stack and seen < _MOST_CELLS:
        key, node, depth = stack.pop()
        seen += 1
        if isinstance(node, str):
            words = tidy(node)
            if reads_as_prose(words):
                yield key, words
        elif depth >= _DEEPEST:
            continue
        elif isinstance(node, dict):
            stack += [(str(k), v, depth + 1) for k, v in reversed(node.items())]
        elif isinstance(node, list):
            stack += [(key, v, depth + 1) for v in reversed(node)]
