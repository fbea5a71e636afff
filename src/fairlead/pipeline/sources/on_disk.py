"""What there is to read: files and folders, and the documents that every Python installation carries.

A :class:`DocumentRef` names a document without holding its text, so that a list of thousands is small enough for a
journal. What cannot be read is in the list too, with the reason: nothing is passed over in silence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.pipeline.documents import short_id

if TYPE_CHECKING:
    from email.message import Message

KINDS = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".json": "json",
    ".json3": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".vtt": "vtt",
    ".srt": "srt",
    ".pdf": "pdf",
    ".docx": "docx",
}
"""File name ending -> kind. A text file in the layout of a debate table becomes a ``transcript`` when it is read."""

MEGABYTE = 1_000_000
SIZE_LIMITS = {"pdf": 50 * MEGABYTE, "docx": 20 * MEGABYTE, "rst": 2 * MEGABYTE, "html": 10 * MEGABYTE}
SIZE_LIMIT = 20 * MEGABYTE
"""Bytes beyond which a file is refused; kinds whose parsers build a tree have their own limit."""

MOST_FILES = 2_000
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})
_LICENCE_NAMES = ("licence", "license", "copying", "notice")


class DocumentRef(NamedTuple):
    """A document to be read. Either ``path`` or ``origin`` says where; ``error`` says why it cannot be read."""

    id: str
    title: str
    kind: str
    path: str = ""
    origin: str = ""
    bytes: int = 0
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in self._asdict().items() if value != "" or key == "title"}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> DocumentRef:
        unknown = sorted(set(value) - set(cls._fields))
        if unknown or not {"id", "kind"} <= set(value):
            raise InvalidInputError(
                f"not a document reference: {sorted(value)}.",
                remedy="Use what discover_documents returned.",
                field="ref",
            )
        return cls(**{"title": "", **value})


def discover(paths: Sequence[str | Path]) -> list[DocumentRef]:
    """The documents under ``paths``, files in the order given and folders sorted by name.

    A path that does not exist is an error at once; a file inside a folder that cannot be read is listed with its
    ``error``. Hidden files and folders are passed over, as are files of unknown kinds inside folders.
    """
    refs: list[DocumentRef] = []
    for given in paths:
        path = Path(given).expanduser()
        if not path.exists():
            raise NotFoundError(
                f"input {str(given)!r} does not exist.", remedy="Give an existing file or folder.", field="inputs"
            )
        root = path.resolve()
        found = _walk(root, root) if root.is_dir() else iter([_file_ref(root, root.parent, asked_for=True)])
        for ref in found:
            if ref is not None:
                refs.append(ref)
            if len(refs) > MOST_FILES:
                raise InvalidInputError(
                    f"more than {MOST_FILES:,} documents under {str(given)!r}.",
                    remedy="Give a smaller folder.",
                    field="inputs",
                )
    unique = {ref.id: ref for ref in reversed(refs)}
    return [ref for ref in refs if unique.pop(ref.id, None) is not None]


def _walk(folder: Path, root: Path) -> Iterator[DocumentRef | None]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        yield _refused(folder, root, f"the folder cannot be listed: {exc.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            if not _stays_inside(path, root):
                yield (
                    _refused(path, root, "it is a link that leads out of the folder")
                    if path.suffix.lower() in KINDS
                    else None
                )
        elif entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_FOLDERS:
                yield from _walk(path, root)
        else:
            yield _file_ref(path, root)


def _stays_inside(path: Path, root: Path) -> bool:
    """A link to something inside the folder needs no second look: the walk meets its target."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _file_ref(path: Path, root: Path, *, asked_for: bool = False) -> DocumentRef | None:
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        if not asked_for:
            return None
        return _refused(path, root, f"files ending in {path.suffix!r} are not read; known are {' '.join(KINDS)}")
    try:
        status = path.lstat()
    except OSError as exc:
        return _refused(path, root, f"it cannot be read: {exc.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return _refused(path, root, "it is not a regular file")
    limit = SIZE_LIMITS.get(kind, SIZE_LIMIT)
    if status.st_size > limit:
        return _refused(path, root, f"it has {status.st_size:,} bytes; at most {limit:,} are read for {kind}")
    if status.st_size == 0:
        return _refused(path, root, "it is empty")
    return DocumentRef(_file_id(path, root), title_of(path.stem), kind, path=str(path), bytes=status.st_size)


def _refused(path: Path, root: Path, reason: str) -> DocumentRef:
    return DocumentRef(
        _file_id(path, root), path.name, KINDS.get(path.suffix.lower(), "unknown"), path=str(path), error=reason
    )


def _file_id(path: Path, root: Path) -> str:
    """From the path below the folder that was given, so a folder that moved keeps its ids."""
    return short_id("doc", f"{root.name}/{path.relative_to(root).as_posix()}")


def title_of(stem: str) -> str:
    """``annual-report_2024`` -> ``Annual report 2024``."""
    words = " ".join(stem.replace("_", " ").replace("-", " ").split())
    return words[:1].upper() + words[1:] if words else "Untitled"


# ── what every installation carries ──────────────────────────────────────────────────────────────────────────


class BuiltIn(NamedTuple):
    """The built-in documents, and how many were left out of each family."""

    refs: list[DocumentRef]
    left_out: dict[str, int]


def discover_installed(*, readmes: int = 60, licences: int = 36, topics: int = 20, least: int = 600) -> BuiltIn:
    """READMEs and licences of the installed distributions, and topics of Python's own manual.

    At most so many of each; the rest is counted in ``left_out``. A README or topic needs ``least`` characters, and
    distributions of stubs (``types-``) carry no text of their own. Ordered by name, so two runs in one environment
    agree.
    """
    distributions = {dist.name.lower(): dist for dist in metadata.distributions() if dist.name}
    ordered = [distributions[name] for name in sorted(distributions) if name != "fairlead"]
    texts = [
        ref
        for dist in ordered
        if (ref := _readme_ref(dist)) and ref.bytes >= least and not ref.title.startswith("types-")
    ]
    papers = [ref for dist in ordered for ref in _licence_refs(dist)]
    manual = [ref for ref in _topic_refs() if ref.bytes >= least * 2]
    families = {"readme": (texts, readmes), "licence": (papers, licences), "topic": (manual, topics)}
    refs = [ref for found, most in families.values() for ref in spread(found, most)]
    return BuiltIn(refs, {name: max(0, len(found) - most) for name, (found, most) in families.items()})


def spread(refs: list[DocumentRef], most: int) -> list[DocumentRef]:
    """At most ``most`` of the references, evenly taken from the whole list."""
    if len(refs) <= most:
        return refs
    return [refs[i * len(refs) // most] for i in range(most)]


def _readme_ref(dist: metadata.Distribution) -> DocumentRef | None:
    text = description_of(dist)
    if not text.strip():
        return None
    return DocumentRef(
        short_id("readme", dist.name.lower()),
        dist.name,
        "readme",
        origin=f"distribution:{dist.name}",
        bytes=len(text.encode()),
    )


def description_of(dist: metadata.Distribution) -> str:
    """The long description of a distribution, which is its README; empty when it has none."""
    message = cast("Message", dist.metadata)
    payload = message.get_payload()
    return (payload if isinstance(payload, str) else "") or str(message.get("Description", "") or "")


def _licence_refs(dist: metadata.Distribution) -> Iterator[DocumentRef]:
    """The licence at the top of the distribution's metadata; those of parts inside it are left to the package."""
    for file in sorted(dist.files or (), key=str):
        parts = file.parts
        top = (
            len(parts) >= 2
            and parts[0].endswith(".dist-info")
            and (len(parts) == 2 or (len(parts) == 3 and parts[1] == "licenses"))
        )
        if top and file.name.lower().startswith(_LICENCE_NAMES):
            path = Path(str(dist.locate_file(file)))
            if path.is_file() and path.stat().st_size <= MEGABYTE:
                name = f"{dist.name} {file.name}"
                yield DocumentRef(
                    short_id("licence", name.lower()),
                    name,
                    "licence",
                    origin=f"licence:{dist.name}:{file}",
                    bytes=path.stat().st_size,
                )


def _topic_refs() -> Iterator[DocumentRef]:
    from pydoc_data.topics import topics

    for name in sorted(topics, key=str.lower):
        text = topics[name]
        title = next((line.strip() for line in text.splitlines() if line.strip()), name).replace('"', "")
        yield DocumentRef(
            short_id("topic", name),
            f"Python manual: {title}",
            "topic",
            origin=f"topic:{name}",
            bytes=len(text.encode()),
        )


# ── reading what a reference names ───────────────────────────────────────────────────────────────────────────


def read_bytes(ref: DocumentRef) -> tuple[bytes, str]:
    """The bytes that a reference names, and a hint at their format (a kind, or a media type for a README)."""
    if ref.error:
        raise InvalidInputError(f"{ref.title}: {ref.error}.", remedy="Leave it out, or mend it.", field="ref")
    if ref.path:
        return _read_file(Path(ref.path), SIZE_LIMITS.get(ref.kind, SIZE_LIMIT)), ref.kind
    scheme, _, rest = ref.origin.partition(":")
    match scheme:
        case "distribution":
            dist = _distribution(rest)
            form = cast("Message", dist.metadata).get("Description-Content-Type")
            return description_of(dist).encode("utf-8", "replace"), str(form or "text/x-rst")
        case "licence":
            name, _, file = rest.partition(":")
            path = Path(str(_distribution(name).locate_file(file)))
            return _read_file(path, MEGABYTE), "text"
        case "topic":
            from pydoc_data.topics import topics

            if rest in topics:
                return topics[rest].encode(), "text"
    raise NotFoundError(
        f"document {ref.title!r} has no readable origin {ref.origin!r}.", remedy="Discover again.", field="origin"
    )


def _distribution(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as exc:
        raise NotFoundError(
            f"distribution {name!r} is not installed any more.", remedy="Discover again.", field="origin"
        ) from exc


def _read_file(path: Path, limit: int) -> bytes:
    """The file's bytes. It is opened without following a link and without waiting for a pipe's other end."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        number = os.open(path, flags)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise InvalidInputError(f"{path} is not a regular file.", remedy="Leave it out.", field="path")
            data = file.read(limit + 1)
    except OSError as exc:
        raise InvalidInputError(
            f"{path} cannot be read: {exc.strerror}.", remedy="Check that it exists and may be read.", field="path"
        ) from exc
    if len(data) > limit:
        raise InvalidInputError(f"{path} has more than {limit:,} bytes.", remedy="Split it.", field="path")
    return data
