"""git's merge driver for tickets: optional, set up once in a clone, field by field.

It is named in ``.git/info/attributes`` and ``.git/config``, which belong to the clone: nothing that is committed asks
another clone for it.
"""

from __future__ import annotations

import os
import sys

from fairlead.errors import InvalidInputError
from fairlead.tickets import files, intents
from fairlead.tickets.fields import FIELDS
from fairlead.tickets.merge import merge_documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fairlead.tickets.place import Place

NAME = "fairlead-tickets"
_ATTRIBUTES = (f"/.tickets/**/*.md merge={NAME}", f"/.tickets/*.md merge={NAME}")


def set_up(place: Place) -> bool:
    """Registers the driver in this clone; False when it was registered already."""
    common = os.path.dirname(place.shared)
    program = f'"{sys.executable}" -m fairlead ticket merge-driver %O %A %B %P'
    section = f'[merge "{NAME}"]\n\tname = tickets, field by field\n\tdriver = {_quoted(program)}\n'
    changed = _add(os.path.join(common, "config"), f'[merge "{NAME}"]', section)
    prefix = os.path.relpath(place.tickets, _top(place)).replace(os.sep, "/")
    lines = "".join(f"{line.replace('/.tickets', '/' + prefix)}\n" for line in _ATTRIBUTES)
    attributes = os.path.join(common, "info", "attributes")
    os.makedirs(os.path.dirname(attributes), exist_ok=True)
    return _add(attributes, f"merge={NAME}", lines) or changed


def _top(place: Place) -> str:
    folder = place.root
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return place.root
        folder = above
    return folder


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _add(path: str, sign: str, text: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            old = file.read()
    except FileNotFoundError:
        old = ""
    if sign in old:
        return False
    if old and not old.endswith("\n"):
        old += "\n"
    intents.replace(path, (old + text).encode())
    return True


def merge_files(base: str, ours: str, theirs: str, path: str) -> dict[str, Any]:
    """Merges three files into ``ours``. Always succeeds on tickets; what both sides had changed is decided by
    :mod:`fairlead.tickets.merge` and named in the answer."""
    data = [_content(name) for name in (base, ours, theirs)]
    name = path or ours
    documents = [files.parse(content, name) if content else None for content in data]
    old, left, right = documents
    if left is None or right is None:
        raise InvalidInputError(f"{name} is empty on one side.", remedy="Resolve it by hand.", value=name)
    usable = old if old is not None and old.readable and not old.conflicted else None
    merged, conflicts = merge_documents(usable, left, right)
    intents.replace(ours, rewrite(data[1], left, merged))
    return {"path": name, "decided": list(conflicts)}


def rewrite(data: bytes, before: files.Document, merged: files.Document) -> bytes:
    """The file of ``before`` with the values of ``merged``, in its own order and line ends."""
    if not before.readable or before.conflicted:
        return files.render(list(merged.fields.items()), merged.body)
    changes = {k: v for k, v in merged.fields.items() if before.fields.get(k) != v}
    kind = merged.fields.get("kind", "ticket")
    order = ["version", "kind", *(f.name for f in FIELDS.get(kind, ()))]
    body = merged.body if merged.body != before.body else None
    return files.edit(data, changes, order, body)


def _content(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()
