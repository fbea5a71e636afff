"""Several files written as one: a plan is put down whole before the first file is touched.

A write of more than one file first stands in ``pending`` (written beside and renamed, which is the moment it counts
as done), then the files are written, then ``pending`` goes. A process killed before the rename leaves the old state;
one killed after it leaves a plan that the next writer carries out, and that readers already read as done. The lock is
an advisory lock on a file, so the kernel gives it back however its holder ends.
"""

from __future__ import annotations

import errno
import marshal
import os
import time

from fairlead.errors import StoreFullError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    Writes = Mapping[str, bytes | None]
    """Path relative to ``.tickets`` -> new content; None removes the file."""

_FORMAT = 1
_WAIT = 30.0


def lock_path(own: str) -> str:
    return os.path.join(own, "lock")


class Exclusive:
    """Holds the working tree's write lock; :class:`UnavailableError` when another process keeps it too long."""

    __slots__ = ("_descriptor", "_own", "_wait")

    def __init__(self, own: str, *, wait: float = _WAIT) -> None:
        self._own = own
        self._wait = wait
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            os.makedirs(self._own, exist_ok=True)
            self._descriptor = os.open(lock_path(self._own), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as exc:
            raise explained(exc, self._own) from exc
        try:
            _acquire(self._descriptor, True, self._wait, self._own)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *fault: object) -> None:
        # Closing gives the lock back.
        os.close(self._descriptor)


class Steady:
    """Keeps writers away for the moment in which a reader reads several files. Where that cannot be had (a folder that
    may not be written, a writer that is slow) reading goes on without: files are replaced whole in any case."""

    __slots__ = ("_descriptor", "_own", "_wait")

    def __init__(self, own: str, *, wait: float = 2.0) -> None:
        self._own = own
        self._wait = wait
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            self._descriptor = os.open(lock_path(self._own), os.O_RDONLY)
        except OSError:
            return
        try:
            _acquire(self._descriptor, False, self._wait, self._own)
        except UnavailableError:
            # Reading without the lock can at worst see one of two files of a change before the other.
            return

    def __exit__(self, *fault: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _acquire(descriptor: int, alone: bool, wait: float, own: str) -> None:
    try:
        import fcntl
    except ImportError:
        _acquire_windows(descriptor, wait, own)
        return
    mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    deadline = time.monotonic() + wait
    pause = 0.0005
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES, errno.EINTR):
                raise explained(exc, own) from exc
        _pause(deadline, pause, own)
        pause = min(pause * 1.5, 0.01)


def _acquire_windows(descriptor: int, wait: float, own: str) -> None:
    import msvcrt

    deadline = time.monotonic() + wait
    while True:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            return
        except OSError:
            _pause(deadline, 0.01, own)


def _pause(deadline: float, pause: float, own: str) -> None:
    if time.monotonic() > deadline:
        raise UnavailableError(
            "another process has been writing tickets for too long.",
            remedy=f"Try again; see which process holds {lock_path(own)}.",
            path=lock_path(own),
        )
    time.sleep(pause)


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────────────


def pending(own: str) -> Writes:
    """The writes of a plan that stands and is not carried out in full; empty when there is none."""
    try:
        with open(os.path.join(own, "pending"), "rb") as file:
            data = file.read()
    except OSError:
        return {}
    version, writes = marshal.loads(data)
    if version != _FORMAT:
        raise UnavailableError(
            "an unfinished write of another version of Fairlead stands in this clone.",
            remedy="Finish it with the version that made it: any write command does.",
            path=own,
        )
    return dict(writes)


def put_down(own: str, writes: Writes) -> None:
    """Makes a plan stand. When this returns the writes count as done; when it raises nothing was changed."""
    path = os.path.join(own, "pending")
    try:
        with open(path + ".new", "wb") as file:
            file.write(marshal.dumps((_FORMAT, list(writes.items()))))
        os.rename(path + ".new", path)
    except OSError as exc:
        raise explained(exc, path) from exc


def take_up(own: str) -> None:
    """Forgets the plan."""
    try:
        os.unlink(os.path.join(own, "pending"))
    except FileNotFoundError:
        return


def carry_out(tickets: str, writes: Writes) -> None:
    """Writes the files; doing it twice does no harm."""
    put_in_place(tickets, writes, write_beside(tickets, writes))


def write_beside(tickets: str, writes: Writes, fresh: Collection[str] = ()) -> list[tuple[str, str]]:
    """Writes all contents beside their files, before the first is put in place: a disk that fills up leaves everything
    as it was. Returns (written, its place).

    What lies in the folder of a ``fresh`` thing is written in its place at once: nobody looks into a folder whose
    thing is not there yet, and of thousands of files the renaming costs as much as the writing.
    """
    written: list[tuple[str, str]] = []
    folders: set[str] = set()
    made: list[str] = []
    try:
        for name, content in writes.items():
            if content is None:
                continue
            folder, slash, inner = name.rpartition("/")
            if folder and folder not in folders:
                folders.add(folder)
                if _make(f"{tickets}/{folder}"):
                    made.append(f"{tickets}/{folder}")
            path = f"{tickets}/{name}"
            beside = path if folder in fresh else f"{tickets}/{folder}{slash}.{inner}.new"
            written.append((beside, path))
            _write(beside, content)
    except OSError:
        for beside, _ in written:
            _remove(beside)
        for path in made:
            os.rmdir(path)
        raise
    return [pair for pair in written if pair[0] is not pair[1]]


def _make(folder: str) -> bool:
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    return True


def drop(beside: list[tuple[str, str]]) -> None:
    """Removes what was written beside files and not put in place."""
    for temporary, _ in beside:
        _remove(temporary)


def put_in_place(tickets: str, writes: Writes, beside: list[tuple[str, str]]) -> None:
    """Puts in place what was written, and removes what is to go; neither needs room on the disk."""
    for temporary, path in beside:
        os.rename(temporary, path)
    for name, content in writes.items():
        if content is None:
            _remove(os.path.join(tickets, name))


def replace(path: str, content: bytes) -> None:
    """Writes a file whole: whoever reads it sees the old or the new content."""
    temporary = _beside(path)
    try:
        _write(temporary, content)
    except OSError:
        _remove(temporary)
        raise
    os.rename(temporary, path)


def _beside(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.new")


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def explained(exc: OSError, path: str) -> StoreFullError:
    """A write that the system refused, in our tree."""
    return StoreFullError(
        f"{exc.filename or path} cannot be written: {exc.strerror}.",
        remedy="Check free space and permissions; nothing of this change was kept.",
        path=str(exc.filename or path),
        errno=exc.errno,
    )
