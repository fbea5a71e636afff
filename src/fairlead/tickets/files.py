"""The text of one file: a header of fields, one a line, and a body.

    ---
    version: 1

    kind: ticket

    title: Pump runs dry

    status: open

    ---

    What was seen, in Markdown.

Every known field has its line from the start and an empty line follows it, so changes of two different fields never
touch neighbouring lines and any line-based merge takes both (docs/adr/0010 has the trials with git, jj and hg). A value
is the rest of the line as it stands; text of several lines follows ``key: |`` indented by two spaces; a value that
could be mistaken is put in double quotes. Writers change only the lines of the fields they change: unknown fields,
comments (``#``), the order a person chose, CRLF and a byte-order mark stay.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_BOM = "\ufeff"
MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")
"""What a merge leaves where it could not decide; git's words, which hg and jj's git style share."""

LITERAL = "literal"
"""The field of a file whose text is about conflict markers, so that they are not taken for a merge's."""


class Problem:
    """Something wrong in a file: where, what, and whether the file could still be used."""

    __slots__ = ("line", "path", "text")

    def __init__(self, path: str, line: int, text: str) -> None:
        self.path = path
        self.line = line
        self.text = text

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Document:
    """A file as read: raw field values by name in file order, the body, and what was wrong with it.

    ``readable`` is False when the header could not be made out; ``conflicted`` when merge markers stand in the file.
    """

    __slots__ = ("body", "conflicted", "fields", "path", "problems", "readable")

    def __init__(self, path: str) -> None:
        self.path = path
        self.fields: dict[str, str] = {}
        self.body = ""
        self.problems: list[Problem] = []
        self.readable = True
        self.conflicted = False


def decode(data: bytes, path: str) -> tuple[str, bool, bool, Problem | None]:
    """Text with ``\\n`` line ends, whether it had CRLF and a byte-order mark, and what could not be decoded."""
    problem = None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        problem = Problem(path, data.count(b"\n", 0, exc.start) + 1, f"byte {data[exc.start]:#04x} is not UTF-8")
        text = data.decode("utf-8", "replace")
    bom = text.startswith(_BOM)
    if bom:
        text = text[1:]
    end = text.find("\n")
    crlf = end > 0 and text[end - 1] == "\r"
    if crlf:
        text = text.replace("\r\n", "\n")
    return text, crlf, bom, problem


def parse(data: bytes, path: str) -> Document:
    """Reads a file. Never raises: what is wrong is in ``problems``, named by file and line."""
    text, _, _, problem = decode(data, path)
    document = Document(path)
    if problem is not None:
        document.problems.append(problem)
    if "<<<<<<<" in text and has_markers(text):
        document.conflicted = True
        document.problems.append(Problem(path, _marker_line(text), "a merge left conflict markers here"))
    parse_text(text, document)
    return document


def parse_text(text: str, document: Document) -> None:
    """Fills a document from decoded text."""
    if not text.startswith("---\n"):
        document.readable = False
        document.problems.append(Problem(document.path, 1, "the first line must be `---`"))
        return
    end = text.find("\n---\n", 3)
    if end < 0:
        if text.endswith("\n---"):
            end = len(text) - 4
        else:
            document.readable = False
            document.problems.append(Problem(document.path, 1, "the header is not closed by a line `---`"))
            return
    document.body = _strip_body(text[end + 5 :])
    fields = document.fields
    pending: str | None = None
    block: list[str] = []
    for number, line in enumerate(text[4:end].split("\n") if end > 3 else (), 2):
        if pending is not None:
            if not line or line.startswith("  "):
                block.append(line[2:])
                continue
            fields[pending] = _join_block(block)
            pending = None
        if not line:
            continue
        key, colon, value = line.partition(":")
        if not colon or not key.isidentifier():
            if line[0] != "#" and not line.isspace() and not document.conflicted:
                document.problems.append(Problem(document.path, number, f"{line[:60]!r} is not `field: value`"))
            continue
        if key in fields and not document.conflicted:
            document.problems.append(Problem(document.path, number, f"field {key!r} stands here a second time"))
        value = value.strip()
        if value == "|":
            pending, block = key, []
        elif value.startswith('"'):
            fields[key] = unquote(value)
        else:
            fields[key] = value
    if pending is not None:
        fields[pending] = _join_block(block)


def line_of(data: bytes, key: str) -> int:
    """The line number of a field, for messages; 1 when it has none."""
    text = decode(data, "")[0]
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(key + ":"):
            return number
    return 1


def has_markers(text: str) -> bool:
    """Whether a merge left conflict markers. A text that is about such markers says so with ``literal``."""
    head, closed, _ = text.partition("\n---\n")
    if closed and f"\n{LITERAL}:" in head:
        text = head
    return has_opening(text)


def opening(line: str) -> int:
    """The length of the conflict marker that a line opens with, at least 7; 0 for any other line."""
    size = len(line) - len(line.lstrip("<"))
    return size if size >= 7 and line[size : size + 1] == " " else 0


def has_opening(text: str) -> bool:
    """Whether a text holds lines that look like what a merge leaves."""
    return "<<<<<<< " in text and any(opening(line) for line in text.split("\n"))


def _marker_line(text: str) -> int:
    return next((n for n, line in enumerate(text.split("\n"), 1) if opening(line)), 1)


def _strip_body(text: str) -> str:
    if text.startswith("\n"):
        text = text[1:]
    return text[:-1] if text.endswith("\n") else text


def _join_block(lines: list[str]) -> str:
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def quote(value: str) -> str:
    """A value in double quotes on one line."""
    out = ['"']
    for c in value:
        if c in '"\\':
            out.append("\\" + c)
        elif c == "\n":
            out.append("\\n")
        elif c == "\r":
            out.append("\\r")
        elif c == "\t":
            out.append("\\t")
        elif c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029\ufeff":
            out.append(f"\\u{ord(c):04x}")
        else:
            out.append(c)
    out.append('"')
    return "".join(out)


def unquote(value: str) -> str:
    """The text of a quoted value; the value itself when it is not properly quoted (a person may write so)."""
    if len(value) < 2 or not value.endswith('"'):
        return value
    out: list[str] = []
    position, end = 1, len(value) - 1
    while position < end:
        c = value[position]
        position += 1
        if c == '"':
            return value
        if c != "\\":
            out.append(c)
            continue
        if position >= end:
            return value
        escape = value[position]
        position += 1
        if escape == "u":
            digits = value[position : position + 4]
            if len(digits) != 4 or any(d not in "0123456789abcdefABCDEF" for d in digits):
                return value
            out.append(chr(int(digits, 16)))
            position += 4
        elif escape in _ESCAPES:
            out.append(_ESCAPES[escape])
        else:
            return value
    return "".join(out)


def _is_plain(value: str) -> bool:
    return value.isprintable() and value == value.strip() and value != "|" and not value.startswith('"')


def field_lines(key: str, value: str) -> list[str]:
    """The line or lines of one field."""
    if not value:
        return [f"{key}:"]
    if _is_plain(value):
        return [f"{key}: {value}"]
    if "\n" in value:
        lines = value.split("\n")
        whole = all(line.isprintable() and not line.startswith(MARKERS) for line in lines)
        if whole and lines[0] and lines[-1] and not any(line.isspace() for line in lines):
            return [f"{key}: |", *(f"  {line}" if line else "" for line in lines)]
    return [f"{key}: {quote(value)}"]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def render(fields: Iterable[tuple[str, str]], body: str = "") -> bytes:
    """A new file with its fields in the order given."""
    out = ["---"]
    for key, value in fields:
        out += field_lines(key, value)
        out.append("")
    out.append("---")
    text = "\n".join(out) + "\n"
    if body:
        text += f"\n{body}\n"
    return text.encode("utf-8", "surrogatepass")


def edit(data: bytes, changes: Mapping[str, str], order: Sequence[str], body: str | None = None) -> bytes:
    """The file with some fields (and, unless None, the body) changed and all else as it was.

    ``order`` is the order of the kind's fields: a field that has no line yet gets one behind its nearest predecessor.
    """
    text, crlf, bom, _ = decode(data, "")
    end = text.find("\n---\n", 3)
    if end < 0:
        end = len(text) - 4
    header = text[4:end].split("\n") if end > 3 else []
    for key, value in changes.items():
        _replace(header, key, field_lines(key, value), order)
    rest = text[end + 5 :] if body is None else (f"\n{body}\n" if body else "")
    text = "---\n" + "\n".join(header) + "\n---\n" + rest
    if crlf:
        text = text.replace("\n", "\r\n")
    return ((_BOM if bom else "") + text).encode("utf-8", "surrogatepass")


def _replace(header: list[str], key: str, lines: list[str], order: Sequence[str]) -> None:
    start = _find(header, key)
    if start is not None:
        header[start : _extent(header, start)] = lines
        return
    position = 0
    for name in order[: order.index(key)] if key in order else order:
        found = _find(header, name)
        if found is not None:
            position = _extent(header, found)
    if position < len(header) and not header[position]:
        position += 1
    header[position:position] = [*lines, ""]


def _find(header: list[str], key: str) -> int | None:
    prefix = key + ":"
    return next((n for n, line in enumerate(header) if line.startswith(prefix)), None)


def _extent(header: list[str], start: int) -> int:
    """The index behind the last line of the field that starts at ``start``."""
    end = start + 1
    if header[start].partition(":")[2].strip() == "|":
        while end < len(header) and (not header[end] or header[end].startswith("  ")):
            end += 1
        while end > start + 1 and not header[end - 1]:
            end -= 1
    return end
