"""Evidence for closing: what is named is looked at before it counts."""

from __future__ import annotations

import os

from fairlead.errors import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SETTINGS = "settings.txt"
"""Rules of a board, one `key: value` a line; `evidence: required` demands evidence for closing."""

_COMMAND_LIMIT = 600
"""Seconds that a command given as evidence may take."""


def demanded(board: Any) -> bool:
    """Whether the board demands evidence for closing."""
    place = getattr(board, "place", None)
    if place is None:
        return False
    try:
        with open(os.path.join(place.tickets, SETTINGS), encoding="utf-8") as file:
            return any(
                line.split(":")[0].strip() == "evidence" and line.partition(":")[2].strip() == "required"
                for line in file
            )
    except FileNotFoundError:
        return False


def check(
    board: Any,
    *,
    commits: Sequence[str] = (),
    files: Sequence[str] = (),
    commands: Sequence[str] = (),
    force: bool = False,
) -> list[str]:
    """Checks each piece and returns them as text for the record; :class:`RefusedError` names the first that fails, or
    says that there is none where the board demands some."""
    found = [_commit(board, name) for name in commits]
    found += [_file(board, name) for name in files]
    found += [_command(board, line) for line in commands]
    if not found and not force and demanded(board):
        raise RefusedError(
            "this board closes a ticket only with evidence.",
            remedy="Give --commit, --file or --command; --force closes without and is noted.",
        )
    if force and not found and demanded(board):
        found.append("closed without evidence, by force")
    return found


def _commit(board: Any, name: str) -> str:
    import subprocess

    root, vcs = board.place.root, board.place.vcs
    calls = {
        "git": ["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"],
        "hg": ["hg", "log", "-r", name, "-T", "{node}"],
        "jj": ["jj", "log", "--no-graph", "-r", name, "-T", "commit_id"],
    }
    if vcs not in calls or name.startswith("-"):
        raise RefusedError(f"commit {name!r} cannot be checked: there is no version control here.", value=name)
    try:
        answer = subprocess.run(calls[vcs], cwd=root, capture_output=True, text=True, timeout=30, check=False)
    except OSError as exc:
        raise RefusedError(f"commit {name!r} cannot be checked: {exc}.", value=name) from exc
    if answer.returncode != 0 or not answer.stdout.strip():
        raise RefusedError(f"there is no commit {name!r} here.", remedy="Commit first, or name another.", value=name)
    return f"commit {answer.stdout.strip()[:12]}"


def _file(board: Any, name: str) -> str:
    root = os.path.realpath(board.place.root)
    path = os.path.realpath(os.path.join(os.getcwd(), name))
    if not path.startswith(root + os.sep) or not os.path.isfile(path):
        raise RefusedError(
            f"there is no file {name!r} in this repository.", remedy="Name a file below its top folder.", value=name
        )
    return f"file {os.path.relpath(path, root)}"


def _command(board: Any, line: str) -> str:
    import shlex
    import subprocess

    try:
        answer = subprocess.run(
            shlex.split(line),
            cwd=board.place.root,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_LIMIT,
            check=False,
        )
    except (OSError, ValueError) as exc:
        raise RefusedError(f"command {line!r} cannot be run: {exc}.", remedy="Name a program.", value=line) from exc
    except subprocess.TimeoutExpired as exc:
        raise RefusedError(f"command {line!r} took over {_COMMAND_LIMIT} seconds.", value=line) from exc
    if answer.returncode != 0:
        said = (answer.stderr or answer.stdout).strip().split("\n")[-1][:200]
        raise RefusedError(
            f"command {line!r} ended with {answer.returncode}: {said}", remedy="The ticket stays open.", value=line
        )
    return f"command `{line}` succeeded"
