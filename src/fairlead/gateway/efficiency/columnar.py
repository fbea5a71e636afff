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
from typing import Any

from fairlead.gateway.efficiency.decoding import decode
from fairlead.gateway.efficiency.notation import ABSENT, AMBIGUOUS, DITTO, MARKS, PLAIN, Field

__all__ = ["decode", "encode"]

_NAME = re.compile(r"[^\s\[\](){}<>,;:\"=~^$%\\]+\Z")
_SYMBOL_LENGTH, _SYMBOL_COUNT = 12, 3
_DITTO_LENGTH = 3
_PREFIX_LENGTH = 4


def encode(value: Any) -> str:
    """Columnar text of a JSON value; :func:`decode` gives the value back."""
    encoder = _Encoder(value)
    body = encoder.free(value, top=True)
    symbols = "".join(f"${n}={json.dumps(text, ensure_ascii=False)}\n" for text, n in encoder.symbols.items())
    return symbols + body


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
        if AMBIGUOUS.search(value) and not PLAIN.match(value):
            return json.dumps(value, ensure_ascii=False)
        return value

    def text(self, value: str, prefix: str) -> str:
        """A cell of a field whose values are all strings."""
        if value in self.symbols:
            return f"${self.symbols[value]}"
        rest = value[len(prefix) :]
        return json.dumps(rest, ensure_ascii=False) if MARKS.search(rest) else rest

    def _rows(
        self, fields: Sequence[Field], rows: Sequence[Mapping[str, Any]], between: str, keys: Sequence[str] = ()
    ) -> str:
        varying = [f for f in fields if f.kind != "constant"]
        above: list[str] = []
        lines = []
        for n, row in enumerate(rows):
            cells = [self._cell(f, row) for f in varying]
            shown = [
                DITTO if above and cell == above[i] and len(cell) > _DITTO_LENGTH else cell
                for i, cell in enumerate(cells)
            ]
            above = cells
            lead = [_name(keys[n])] if keys else []
            lines.append(",".join((*lead, *shown)))
        return between.join(lines)

    def _cell(self, field: Field, row: Mapping[str, Any]) -> str:
        if field.name not in row:
            return ABSENT
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
    return json.dumps(prefix, ensure_ascii=False) if prefix and MARKS.search(prefix) else prefix


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
    doubtful = any(AMBIGUOUS.search(v) and not PLAIN.match(v) and not MARKS.search(v) for v in values)
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
