"""Who executes a run, and whether they still live.

An owner is one process's runtime. It holds an operating-system lock on a file of its own for as long as it lives; the
kernel lets go of it when the process dies, however it dies. So a run whose owner's lock is free is an orphan, known at
once and without clocks. Beyond one machine the lease columns take over.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from fairlead.ids import is_id, new_id


class Owner:
    """This process as an executor of runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.id = new_id("own")
        self.folder = folder
        self._path = folder / f"{self.id}.lock"
        self._lock = FileLock(self._path, timeout=0)
        self._lock.acquire()

    def release(self) -> None:
        """Lets go; called when the runtime closes in an orderly way."""
        self._lock.release()
        self._path.unlink(missing_ok=True)


def is_alive(folder: Path, owner_id: str | None) -> bool:
    """Whether the process behind ``owner_id`` still holds its lock."""
    if owner_id is None or not is_id(owner_id):
        return False
    path = folder / f"{owner_id}.lock"
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    path.unlink(missing_ok=True)
    return False
