"""Boards in throw-away clones, for the tests of the ticket room."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from random import Random

from fairlead.clock import SystemClock, isoformat
from fairlead.tickets import place as places
from fairlead.tickets.board import FileBoard
from fairlead.tickets.plan import Author
from fairlead.tickets.service import TicketService
from fairlead.tickets.start import start

QUIET = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
}


def git(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs git in a clone with nothing of this machine's configuration."""
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *words],
        cwd=folder,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def open_board(folder: Path, name: str = "tester", *, seed: int | None = None, make: bool = False) -> TicketService:
    """A service over the board in a folder; with ``make`` the board is made first."""
    state_home = folder.parent / "state"
    place = places.find(str(folder), lambda: str(state_home), must_exist=not make)
    if make:
        start(place)
    clock = SystemClock()
    entropy = os.urandom if seed is None else Random(seed).randbytes
    return TicketService(
        FileBoard(place, clock), clock=clock, entropy=entropy, author=lambda: Author(name, isoformat(clock.now()))
    )


def repository(folder: Path) -> Path:
    """A git repository with an empty board in its first commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    open_board(folder, make=True).close()
    git(folder, "add", ".tickets")
    git(folder, "commit", "-qm", "board")
    return folder
