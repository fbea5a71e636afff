"""The notation of columnar text: what marks a value, and what a column is."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

AMBIGUOUS = re.compile(r"[\[\](){}<>,;\"\n\r\t\\=]|^[\s~^$]|\s$|^$|^-?\d|^(?:true|false|null|NaN|-?Infinity)$|^-\S")
PLAIN = re.compile(
    r"^\d{4}-\d\d-\d\d(?:[T ][\d:.Z+-]+)?$|^\d{2}:\d{2}(?::\d{2})?(?:\+\d)?$|^(?!\d+[eE]-?\d+$)\d+[A-Za-z_][\w-]*$"
)
MARKS = re.compile(r"[\[\](){}<>,;\"\n\r\t\\=]|^[\s~^$]|\s$|^$")
ABSENT, DITTO = "~", "^"


class Field(NamedTuple):
    """A column. ``kind`` is ``leaf``, ``text`` (strings that begin with ``value``), ``object``, ``rows`` (a list of
    objects), ``lists`` (lists of such lists), ``map`` (like objects under free keys) or ``constant``, of which
    ``value`` is the value."""

    name: str
    kind: str
    fields: tuple[Field, ...] = ()
    value: Any = None
