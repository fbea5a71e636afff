"""Where a board is: its folder, the clone it lives in, and who works there.

Reads the files of git, jj and Mercurial and starts none of their programs: a ticket command must not wait for
another process, run a hook, stage or commit anything.
"""

from __future__ import annotations

import os
from binascii import crc32

from fairlead.errors import NotInitialisedError
from fairlead.tickets.layout import FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Place:
    """A board's folders, as text paths.

    ``tickets`` is the folder `.tickets`; ``shared`` is where what the whole clone shares is kept (claims, events) and
    ``own`` what belongs to this working tree (its index, its lock). ``signs`` are files whose change tells that the
    version control system has moved the working tree.
    """

    __slots__ = ("own", "root", "shared", "signs", "tickets", "vcs", "vcs_dir")

    def __init__(self, root: str, vcs: str, vcs_dir: str, common: str, signs: tuple[str, ...]) -> None:
        self.root = root
        self.tickets = os.path.join(root, FOLDER)
        self.vcs = vcs
        self.vcs_dir = vcs_dir
        self.shared = common
        self.signs = signs
        self.own = os.path.join(common, f"tree-{crc32(os.path.realpath(root).encode('utf-8', 'surrogateescape')):08x}")


def find(start: str, state_home: Callable[[], str], *, must_exist: bool = True) -> Place:
    """The board at or above ``start``; :class:`NotInitialisedError` when there is none.

    With ``must_exist=False`` the place where one would be made: the top of the working tree, else ``start``.
    ``state_home`` gives the folder that stands in for a common directory where there is no version control.
    """
    start = os.path.abspath(start)
    root = _upwards(start, (FOLDER,))
    if root is None:
        if must_exist:
            raise NotInitialisedError(
                f"there is no board: neither {start} nor a folder above it has a `{FOLDER}` folder.",
                remedy="Run `fairlead ticket init` at the top of the repository.",
                path=start,
            )
        root = _upwards(start, (".git", ".jj", ".hg")) or start
    return _place(root, state_home)


def _upwards(start: str, names: tuple[str, ...]) -> str | None:
    folder = start
    while True:
        if any(os.path.exists(os.path.join(folder, name)) for name in names):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _place(root: str, state_home: Callable[[], str]) -> Place:
    top = _upwards(root, (".git", ".jj", ".hg"))
    if top is not None:
        git = os.path.join(top, ".git")
        if os.path.exists(git):
            git_dir = _follow(git, b"gitdir: ")
            common = _common_git_dir(git_dir)
            signs = [os.path.join(git_dir, "index"), os.path.join(git_dir, "HEAD")]
            if os.path.isdir(os.path.join(top, ".jj")):
                signs.append(os.path.join(top, ".jj", "working_copy", "checkout"))
            return Place(root, "git", git_dir, os.path.join(common, "fairlead"), tuple(signs))
        if os.path.isdir(os.path.join(top, ".jj")):
            # A second jj workspace has a file that names the first one's repository.
            repo = os.path.join(top, ".jj", "repo")
            common = os.path.dirname(_follow(repo, b"")) if os.path.isfile(repo) else os.path.join(top, ".jj")
            signs = [os.path.join(top, ".jj", "working_copy", "checkout")]
            return Place(root, "jj", os.path.join(top, ".jj"), os.path.join(common, "fairlead"), tuple(signs))
        hg = os.path.join(top, ".hg")
        shared = os.path.join(hg, "sharedpath")
        common = _first_line(shared) or hg
        return Place(root, "hg", hg, os.path.join(common, "fairlead"), (os.path.join(hg, "dirstate"),))
    key = f"{os.path.basename(root)}-{crc32(os.path.realpath(root).encode('utf-8', 'surrogateescape')):08x}"
    return Place(root, "", "", os.path.join(state_home(), key), ())


def _follow(path: str, prefix: bytes) -> str:
    """The folder that a ``.git`` (or ``.jj/repo``) is, or that its text names."""
    if os.path.isdir(path):
        return path
    with open(path, "rb") as file:
        named = os.fsdecode(file.read().removeprefix(prefix).strip())
    return os.path.normpath(os.path.join(os.path.dirname(path), named))


def _common_git_dir(git_dir: str) -> str:
    named = _first_line(os.path.join(git_dir, "commondir"))
    return os.path.normpath(os.path.join(git_dir, named)) if named else git_dir


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.readline()).strip()
    except OSError:
        return ""


# ── what the version control system knows ────────────────────────────────────────────────────────────────────────


def branch_of(place: Place) -> str | None:
    """The branch that is checked out, or None."""
    if place.vcs == "git":
        head = _first_line(os.path.join(place.vcs_dir, "HEAD"))
        return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else None
    if place.vcs == "hg":
        return _first_line(os.path.join(place.vcs_dir, "branch")) or "default"
    return None


def commit_of(place: Place) -> str | None:
    """The identifier of the commit that is checked out, or None."""
    if place.vcs == "hg":
        try:
            with open(os.path.join(place.vcs_dir, "dirstate"), "rb") as file:
                parent = file.read(20)
        except OSError:
            return None
        return parent.hex() if len(parent) == 20 and any(parent) else None
    if place.vcs != "git":
        return None
    head = _first_line(os.path.join(place.vcs_dir, "HEAD"))
    if not head.startswith("ref: "):
        return head or None
    return _ref(place, head[5:])


def _ref(place: Place, name: str) -> str | None:
    common = os.path.dirname(place.shared)
    for folder in (place.vcs_dir, common):
        value = _first_line(os.path.join(folder, *name.split("/")))
        if value:
            return value
    try:
        with open(os.path.join(common, "packed-refs"), encoding="utf-8", errors="replace") as file:
            for line in file:
                value, _, packed = line.strip().partition(" ")
                if packed == name:
                    return value
    except OSError:
        return None
    return None


def user_of(place: Place, home: str, config: str = "") -> tuple[str | None, str | None]:
    """Name and e-mail that the version control system would put on a commit. ``config`` is the file that stands in for
    git's configuration in ``home``."""
    if place.vcs == "hg":
        name = _option([os.path.join(place.vcs_dir, "hgrc"), os.path.join(home, ".hgrc")], "ui", "username")
        if name and "<" in name:
            person, _, mail = name.partition("<")
            return person.strip() or None, mail.rstrip("> ") or None
        return name, None
    files = [
        os.path.join(os.path.dirname(place.shared), "config") if place.vcs == "git" else "",
        *([config] if config else [os.path.join(home, ".gitconfig"), os.path.join(home, ".config", "git", "config")]),
    ]
    return _option(files, "user", "name"), _option(files, "user", "email")


def _option(files: list[str], section: str, key: str) -> str | None:
    """An option of the first file that has it, in the plain form of git's and Mercurial's configuration."""
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError:
            continue
        inside = False
        for line in lines:
            line = line.strip()
            if line.startswith("["):
                inside = line.strip("[]").strip().lower() == section
            elif inside:
                name, equals, value = line.partition("=")
                if equals and name.strip().lower() == key:
                    return value.strip().strip('"') or None
    return None
