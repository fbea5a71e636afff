"""Where things lie under ``.tickets/``, and what a file's name says.

    .tickets/
    ├── README.md                                       what this folder is, for a person who meets it
    ├── k7f2q.md                                        a ticket, epic or backlog item: fields and text
    └── k7f2q/                                          what belongs to it, one file each, so additions never collide
        ├── label.db                                    an empty file a label
        ├── blocked-by.m3xqa                            an empty file a dependency
        ├── deleted                                     it was deleted (the identifier stays taken)
        ├── 20261120T091200123-comment-q8r2xv.md        a comment, journal entry, requirement ...
        └── 20261120T091533870-change-z1b9ct.txt        who changed what, from what to what

Names are made from identifiers and percent-encoded words only, so no text of a ticket can reach outside the folder.
Files that can be removed are empty: git never takes an empty file for a renamed one, so removals merge too.
"""

from __future__ import annotations

from fairlead.tickets.fields import ENTRIES, MARKS

FOLDER = ".tickets"
DELETED = "deleted"
MOST_LABEL = 100
"""Longest label in characters."""

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+")
_SET_OF_MARK = {mark: name for name, mark in MARKS.items()}
_HEX = frozenset("0123456789ABCDEFabcdef")
_RESERVED = frozenset({"readme", "hooks", "con", "prn", "aux", "nul"})


def is_thing_id(text: str) -> bool:
    """Whether a text can name a thing: letters, digits, dots, dashes, underscores; it must be safe as a file name."""
    if text.isalnum() and text.isascii() and len(text) <= 64:
        return text.lower() not in _RESERVED
    if not 1 <= len(text) <= 64 or not text[0].isalnum() or not text.isascii() or text[-1] == ".":
        return False
    if text.lower() in _RESERVED or text.lower().endswith((".md", ".txt")) or ".." in text:
        return False
    return all(c.isalnum() or c in "._-" for c in text)


def is_entry_id(text: str) -> bool:
    return 1 <= len(text) <= 64 and text.isascii() and all(c.isalnum() or c in "_." for c in text) and text[0] != "."


def encode(word: str) -> str:
    """A word as part of a file name; :func:`decode` reads it back."""
    if word[:1] != "." and all(c in _SAFE for c in word):
        return word
    out = [chr(b) if chr(b) in _SAFE else f"%{b:02X}" for b in word.encode("utf-8", "surrogatepass")]
    if out[0] == ".":
        out[0] = "%2E"
    return "".join(out)


def decode(name: str) -> str | None:
    """The word of an encoded name, or None when it is not one that :func:`encode` writes."""
    if "%" not in name:
        return name
    out = bytearray()
    position = 0
    while position < len(name):
        if name[position] == "%":
            digits = name[position + 1 : position + 3]
            if len(digits) != 2 or not _HEX.issuperset(digits):
                return None
            out.append(int(digits, 16))
            position += 3
        else:
            out += name[position].encode()
            position += 1
    try:
        return out.decode("utf-8")
    except UnicodeDecodeError:
        return None


def mark_name(set_name: str, member: str) -> str:
    """The file name of a set's member: ``label.db``."""
    return f"{MARKS[set_name]}.{encode(member)}"


def read_mark(name: str) -> tuple[str, str] | None:
    """(set, member) of a mark's file name, or None."""
    word, dot, rest = name.partition(".")
    set_name = _SET_OF_MARK.get(word)
    if set_name is None or not dot:
        return None
    member = decode(rest)
    return None if not member else (set_name, member)


def stamp(at: str) -> str:
    """The sortable part of a file name for a time: ``20261120T091200123`` for ``2026-11-20T09:12:00.123Z``."""
    digits = at.replace("-", "").replace(":", "").replace(".", "")
    return digits[:18] if len(digits) >= 18 else digits.rstrip("Z").ljust(18, "0")


def read_stamp(text: str) -> str:
    """The time of a stamp, RFC 3339."""
    return f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:15]}.{text[15:18]}Z"


def entry_name(at: str, kind: str, entry_id: str) -> str:
    return f"{stamp(at)}-{kind}-{entry_id}.md"


def change_name(at: str, change_id: str) -> str:
    return f"{stamp(at)}-change-{change_id}.txt"


def read_entry_name(name: str) -> tuple[str, str, str] | None:
    """(stamp, kind, identifier) of an entry's or change's file name, or None when it is neither."""
    if name.endswith(".md"):
        parts = name[:-3].split("-", 2)
        known = len(parts) == 3 and parts[1] in ENTRIES
    elif name.endswith(".txt"):
        parts = name[:-4].split("-", 2)
        known = len(parts) == 3 and parts[1] == "change"
    else:
        return None
    if not known or len(parts[0]) != 18 or parts[0][8] != "T" or not (parts[0][:8] + parts[0][9:]).isdigit():
        return None
    return (parts[0], parts[1], parts[2]) if is_entry_id(parts[2]) else None
