"""Columnar text for structured tool output: names once, values in rows. Decoding gives the same JSON value back.

A list of objects becomes a header of fields and one row per object; nested objects, lists of objects and maps with
like values get their fields into the header too. Fields with one value throughout move into the header, a value
that repeats the row above becomes ``^``, an absent field ``~``, and long strings that occur often become ``$1``,
``$2``, stated at the top. A field of strings that all begin alike states the beginning in the header, behind ``%``.
Strings lose their quotes where nothing else could be meant. For example::

    <id,status=open,owner(name,team)>[
    1,(Ada,core)
    2,(Lin,^)]
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_AMBIGUOUS = re.compile(r"[\[\](){}<>,;\"\n\r\t\\=]|^[\s~^$]|\s$|^$|^-?\d|^(?:true|false|null|NaN|-?Infinity)$|^-\S")
_PLAIN_LATER = re.compile(
    r"^\d{4}-\d\d-\d\d(?:[T ][\d:.Z+-]+)?$|^\d{2}:\d{2}(?::\d{2})?(?:\+\d)?$|^(?!\d+[eE]-?\d+$)\d+[A-Za-z_][\w-]*$"
)
_MARKS = re.compile(r"[\[\](){}<>,;\"\n\r\t\\=]|^[\s~^$]|\s$|^$")
_NAME = re.compile(r"[^\s\[\](){}<>,;:\"=~^$%\\]+\Z")
_SYMBOL_LENGTH, _SYMBOL_COUNT = 12, 3
_DITTO_LENGTH = 3
_PREFIX_LENGTH = 4
_ABSENT, _DITTO = "~", "^"


class Field(NamedTuple):
    """A column. ``kind`` is ``leaf``, ``text`` (strings that begin with ``value``), ``object``, ``rows`` (a list of
    objects), ``lists`` (lists of such lists), ``map`` (like objects under free keys) or ``constant``, of which
    ``value`` is the value."""

    name: str
    kind: str
    fields: tuple[Field, ...] = ()
    value: Any = None


def encode(value: Any) -> str:
    """Columnar text of a JSON value."""
    encoder = _Encoder(value)
    body = encoder.free(value, top=True)
    symbols = "".join(f"${n}={json.dumps(text, ensure_ascii=False)}\n" for text, n in encoder.symbols.items())
    return symbols + body


def decode(text: str) -> Any:
    """The JSON value of a columnar text; ``ValueError`` when it is none."""
    return _Decoder(text).document()


class _Encoder:
    def __init__(self, value: Any) -> None:
        counts = Counter(s for s in _strings(value) if len(s) >= _SYMBOL_LENGTH)
        often = [s for s, n in counts.most_common() if n >= _SYMBOL_COUNT]
        self.symbols = {s: n for n, s in enumerate(often, 1)}

    def free(self, value: Any, *, top: bool = False) -> str:
        """A value whose shape no header states."""
        newline = "\n" if top else ""
        if isinstance(value, Mapping):
            shared = _map_fields(value)
            if shared is not None:
                rows = _rows_of(value)
                fields = _constants(shared, rows)
                body = self._rows(fields, rows, "\n" if top else ";", keys=list(value))
                return f"<*{_header(fields, self)}>[{newline}{body}]"
            parts = (f"{_name(k)}:{self.free(v)}" for k, v in value.items())
            return "{" + newline + (",\n" if top else ",").join(parts) + "}"
        if isinstance(value, list):
            if _is_table(value):
                fields = _constants(_fields(value), value)
                return f"<{_header(fields, self)}>[{newline}{self._rows(fields, value, newline or ';')}]"
            inside = _inside(value)
            if _is_table(inside):
                fields = _fields(inside)
                lists = (f"[{self._rows(fields, inner, ';')}]" for inner in value)
                return f"<[{_header(fields, self)}]>[{newline}{(newline or ';').join(lists)}]"
            return "[" + ";".join(map(self.free, value)) + "]"
        return self.leaf(value)

    def leaf(self, value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if value in self.symbols:
            return f"${self.symbols[value]}"
        if _AMBIGUOUS.search(value) and not _PLAIN_LATER.match(value):
            return json.dumps(value, ensure_ascii=False)
        return value

    def text(self, value: str, prefix: str) -> str:
        """A cell of a field whose values are all strings."""
        if value in self.symbols:
            return f"${self.symbols[value]}"
        rest = value[len(prefix) :]
        return json.dumps(rest, ensure_ascii=False) if _MARKS.search(rest) else rest

    def _rows(
        self, fields: Sequence[Field], rows: Sequence[Mapping[str, Any]], between: str, keys: Sequence[str] = ()
    ) -> str:
        varying = [f for f in fields if f.kind != "constant"]
        above: list[str] = []
        lines = []
        for n, row in enumerate(rows):
            cells = [self._cell(f, row) for f in varying]
            shown = [
                _DITTO if above and cell == above[i] and len(cell) > _DITTO_LENGTH else cell
                for i, cell in enumerate(cells)
            ]
            above = cells
            lead = [_name(keys[n])] if keys else []
            lines.append(",".join((*lead, *shown)))
        return between.join(lines)

    def _cell(self, field: Field, row: Mapping[str, Any]) -> str:
        if field.name not in row:
            return _ABSENT
        value = row[field.name]
        if field.kind == "text":
            return self.text(value, field.value)
        if field.kind == "lists":
            return "[" + ";".join(f"[{self._rows(field.fields, inner, ';')}]" for inner in value) + "]"
        if field.kind == "object":
            return f"({self._rows(field.fields, [value], ';')})"
        if field.kind == "rows":
            return f"[{self._rows(field.fields, value, ';')}]"
        if field.kind == "map":
            return f"[{self._rows(field.fields, list(value.values()), ';', keys=list(value))}]"
        return self.free(value)


def _header(fields: Sequence[Field], encoder: _Encoder) -> str:
    shown = []
    for f in fields:
        inner = _header(f.fields, encoder)
        form = {
            "leaf": "",
            "object": f"({inner})",
            "rows": f"[{inner}]",
            "map": f"[*{inner}]",
            "lists": f"[[{inner}]]",
            "constant": f"={encoder.free(f.value)}" if f.kind == "constant" else "",
            "text": f"%{_bare_prefix(f.value)}" if f.kind == "text" else "",
        }
        shown.append(_name(f.name) + form[f.kind])
    return ",".join(shown)


def _bare_prefix(prefix: str) -> str:
    return json.dumps(prefix, ensure_ascii=False) if prefix and _MARKS.search(prefix) else prefix


def _name(name: str) -> str:
    return name if _NAME.match(name) else json.dumps(name, ensure_ascii=False)


def _is_table(value: Sequence[Any]) -> bool:
    """Whether naming fields once pays: two objects or more that share most of their keys."""
    if len(value) < 2 or not all(isinstance(v, Mapping) and v for v in value):
        return False
    names = {k for v in value for k in v}
    return sum(len(v) for v in value) >= 0.6 * len(names) * len(value)


def _fields(rows: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    names = dict.fromkeys(k for row in rows for k in row)
    return tuple(_field(name, [row[name] for row in rows if name in row]) for name in names)


def _field(name: str, values: Sequence[Any]) -> Field:
    if all(isinstance(v, Mapping) for v in values):
        together = {k: inner for v in values for k, inner in v.items()}
        shared = _map_fields(together)
        if shared is not None and len(together) > max(len(v) for v in values):
            return Field(name, "map", _fields([r for v in values for r in v.values()]))
        if _is_table(values) and all(values):
            return Field(name, "object", _fields(values))
    if all(isinstance(v, list) for v in values):
        inside = [item for v in values for item in v]
        if _is_table(inside):
            return Field(name, "rows", _fields(inside))
        deeper = _inside(inside)
        if _is_table(deeper):
            return Field(name, "lists", _fields(deeper))
    if len(values) > 1 and all(isinstance(v, str) for v in values):
        return _text_field(name, values)
    return Field(name, "leaf")


def _inside(value: Sequence[Any]) -> list[Any]:
    """The items of a list of lists; nothing when it is none."""
    if len(value) < 2 or not all(isinstance(v, list) for v in value):
        return []
    return [item for v in value for item in v]


def _text_field(name: str, values: Sequence[str]) -> Field:
    """A column of strings: with their common beginning, up to its last mark, when that is long enough to pay, or
    without one when bare numbers and words could otherwise be taken for something else."""
    low, high = min(values), max(values)
    length = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    end = max((low.rfind(mark, 0, length) + 1 for mark in "-_/:.@# "), default=0)
    if end >= _PREFIX_LENGTH and low[0] != '"':
        return Field(name, "text", (), low[:end])
    doubtful = any(_AMBIGUOUS.search(v) and not _PLAIN_LATER.match(v) and not _MARKS.search(v) for v in values)
    return Field(name, "text", (), "") if doubtful else Field(name, "leaf")


def _map_fields(value: Mapping[str, Any]) -> tuple[Field, ...] | None:
    """The fields of a map of like objects, or None when its keys are field names themselves."""
    if len(value) < 3 or not all(isinstance(v, Mapping) and v for v in value.values()):
        return None
    rows = _rows_of(value)
    if len({frozenset(r) for r in rows}) > 1 and not _is_table(rows):
        return None
    return _fields(rows) if _is_table(rows) else None


def _rows_of(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(value.values())


def _constants(fields: tuple[Field, ...], rows: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """The fields with those that never vary turned into constants. At least one field goes on varying."""
    found = []
    for field in fields:
        first = rows[0].get(field.name)
        same = field.kind in ("leaf", "text") and all(f in r for r in rows for f in (field.name,))
        if same and all(_alike(r[field.name], first) for r in rows):
            found.append(Field(field.name, "constant", (), first))
        else:
            found.append(field)
    if all(f.kind == "constant" for f in found):
        found[0] = fields[0]
    return tuple(found)


def _alike(a: Any, b: Any) -> bool:
    # 1, 1.0 and true are equal in Python and not in JSON.
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


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
        if mark in (_ABSENT, _DITTO) and following in (",", ";", "\n", ")", "]", ""):
            self._at += 1
            return _MISSING if mark == _ABSENT else above
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
        if _AMBIGUOUS.search(text) and not _PLAIN_LATER.match(text):
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
