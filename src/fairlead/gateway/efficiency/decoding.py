"""Reading columnar text back: a recursive descent over its notation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from fairlead.gateway.efficiency.notation import ABSENT, AMBIGUOUS, DITTO, PLAIN, Field


def decode(text: str) -> Any:
    """The JSON value of a columnar text; ``ValueError`` when it is none."""
    return _Decoder(text).document()


class _Decoder:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._symbols: dict[str, str] = {}

    def document(self) -> Any:
        while match := re.compile(r"\$(\d+)=(\"(?:[^\"\\]|\\.)*\")\n").match(self._text, self._at):
            self._symbols[f"${match[1]}"] = json.loads(match[2])
            self._at = match.end()
        value = self._value()
        if self._at != len(self._text):
            raise ValueError(f"text goes on at {self._at}")
        return value

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, expected: str) -> None:
        if self._peek() != expected:
            raise ValueError(f"expected {expected!r} at {self._at}")
        self._at += 1

    def _newline(self) -> None:
        if self._peek() == "\n":
            self._at += 1

    def _value(self) -> Any:
        mark = self._peek()
        if mark == "{":
            return self._object()
        if mark == "<":
            return self._table()
        if mark == "[":
            self._at += 1
            return self._list(self._value)
        return self._leaf()

    def _object(self) -> dict[str, Any]:
        self._take("{")
        self._newline()
        found: dict[str, Any] = {}
        while self._peek() != "}":
            name = self._name()
            self._take(":")
            found[name] = self._value()
            if self._peek() == ",":
                self._at += 1
                self._newline()
        self._at += 1
        return found

    def _list(self, item: Any) -> list[Any]:
        found = []
        while self._peek() != "]":
            found.append(item())
            if self._peek() in (";", "\n"):
                self._at += 1
        self._at += 1
        return found

    def _table(self) -> Any:
        self._take("<")
        keyed, nested = self._peek() == "*", self._peek() == "["
        self._at += keyed or nested
        fields = self._fields("]" if nested else ">")
        if nested:
            self._take(">")
        self._take("[")
        self._newline()
        if nested:
            return self._list(lambda: self._inner_rows(fields))
        return self._map_rows(fields) if keyed else self._plain_rows(fields)

    def _plain_rows(self, fields: Sequence[Field]) -> list[dict[str, Any]]:
        above: list[Any] = []
        return self._list(lambda: self._row(fields, above))

    def _inner_rows(self, fields: Sequence[Field]) -> list[dict[str, Any]]:
        self._take("[")
        return self._plain_rows(fields)

    def _map_rows(self, fields: Sequence[Field]) -> dict[str, Any]:
        above: list[Any] = []

        def entry() -> tuple[str, dict[str, Any]]:
            key = self._name()
            self._take(",")
            return key, self._row(fields, above)

        return dict(self._list(entry))

    def _row(self, fields: Sequence[Field], above: list[Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        cells: list[Any] = []
        first = True
        for field in fields:
            if field.kind == "constant":
                values[field.name] = field.value
                continue
            if not first:
                self._take(",")
            first = False
            cell = self._cell(field, above[len(cells)] if above else _MISSING)
            cells.append(cell)
            if cell is not _MISSING:
                values[field.name] = cell
        above[:] = cells
        return values

    def _cell(self, field: Field, above: Any) -> Any:
        mark = self._peek()
        following = self._text[self._at + 1 : self._at + 2]
        if mark in (ABSENT, DITTO) and following in (",", ";", "\n", ")", "]", ""):
            self._at += 1
            return _MISSING if mark == ABSENT else above
        if field.kind == "text":
            return self._text_cell(field.value)
        if field.kind == "lists":
            self._take("[")
            return self._list(lambda: self._inner_rows(field.fields))
        if field.kind == "object":
            self._take("(")
            row = self._row(field.fields, [])
            self._take(")")
            return row
        if field.kind in ("rows", "map"):
            self._take("[")
            return self._plain_rows(field.fields) if field.kind == "rows" else self._map_rows(field.fields)
        return self._value()

    def _text_cell(self, prefix: str) -> str:
        if self._peek() == '"':
            return prefix + str(self._quoted())
        text = self._bare()
        return self._symbols.get(text) or prefix + text

    def _fields(self, end: str) -> tuple[Field, ...]:
        found = []
        while self._peek() != end:
            name = self._name()
            found.append(self._field(name))
            if self._peek() == ",":
                self._at += 1
        self._at += 1
        return tuple(found)

    def _field(self, name: str) -> Field:
        mark = self._peek()
        if mark == "=":
            self._at += 1
            return Field(name, "constant", (), self._value())
        if mark == "(":
            self._at += 1
            return Field(name, "object", self._fields(")"))
        if mark == "[":
            self._at += 1
            keyed, nested = self._peek() == "*", self._peek() == "["
            self._at += keyed or nested
            fields = self._fields("]")
            if nested:
                self._take("]")
            return Field(name, "map" if keyed else "lists" if nested else "rows", fields)
        if mark == "%":
            self._at += 1
            quoted = self._peek() == '"'
            bare = "" if self._peek() in (",", ">", ")", "]") else None
            return Field(name, "text", (), bare if bare is not None else self._quoted() if quoted else self._bare())
        return Field(name, "leaf")

    def _name(self) -> str:
        if self._peek() == '"':
            return str(self._quoted())
        match = _BARE_NAME.match(self._text, self._at)
        if match is None:
            raise ValueError(f"expected a name at {self._at}")
        self._at = match.end()
        return match.group()

    def _leaf(self) -> Any:
        if self._peek() == '"':
            return self._quoted()
        text = self._bare()
        if text in self._symbols:
            return self._symbols[text]
        if AMBIGUOUS.search(text) and not PLAIN.match(text):
            return json.loads(text)
        return text

    def _bare(self) -> str:
        match = _BARE.match(self._text, self._at)
        if match is None:
            raise ValueError(f"expected a value at {self._at}")
        self._at = match.end()
        return match.group()

    def _quoted(self) -> Any:
        value, self._at = _SCANNER.raw_decode(self._text, self._at)
        return value


_MISSING: Any = object()
_SCANNER = json.JSONDecoder(strict=False)
_BARE = re.compile(r"[^\[\](){}<>,;\"\n\\=]+")
_BARE_NAME = re.compile(r"[^\s\[\](){}<>,;:\"=~^$%\\]+")
