"""Hooks: programs of a board that run after something has happened, only where a person allowed them.

A hook is an executable file ``.tickets/hooks/<event type>`` (``ticket.closed``), with any suffix behind a further dot,
or ``any`` for every event. Files of a repository can come from anybody, so a clone runs none of them until a person has
enabled them there; what is enabled is the *content*, by its SHA-256, so a hook that a later merge changes has to be
enabled again. The list is kept in the clone's common folder, never in the working tree.

A hook gets the event as JSON on its standard input, runs in the board's root with a plain environment, and is killed
with its children when its time is up. Hooks run after the change is written; one that fails is counted under its name
and stops neither the change nor the other hooks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.events import EVENT_TYPES

FOLDER = "hooks"
ANY = "any"
TIMEOUT = 10.0
"""Seconds that one hook may take."""

_MOST_OUTPUT = 4096
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")


class Hook(NamedTuple):
    """A hook file: its name, the event type it listens to, the hash of its content, and whether it may run."""

    name: str
    event: str
    sha256: str
    enabled: bool
    executable: bool
    runs: int = 0
    failures: int = 0
    last_error: str = ""


class HookRun(NamedTuple):
    """What one hook did for one event; ``error`` is empty when it succeeded."""

    hook: str
    event: str
    seconds: float
    error: str = ""


class Hooks:
    """The hooks of a board: ``tickets`` is its ``.tickets``, ``shared`` the clone's folder, ``root`` where they run."""

    def __init__(
        self, tickets: Path, shared: Path, root: Path, *, environ: Mapping[str, str], timeout: float = TIMEOUT
    ) -> None:
        self._folder = tickets / FOLDER
        self._register = shared / "hooks.json"
        self._lock = shared / "hooks.lock"
        self._root = root
        self._environ = {k: environ[k] for k in _KEPT_VARIABLES if k in environ}
        self._timeout = timeout

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────

    def found(self) -> list[Hook]:
        """Every hook file, enabled or not, in the order in which they run."""
        register = self._read()
        return [self._hook(name, register) for name in self._names()]

    def _names(self) -> list[str]:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [n for n in names if _event_of(n) and not n.endswith(("~", ".sample"))]

    def _hook(self, name: str, register: Mapping[str, Any]) -> Hook:
        path = self._folder / name
        digest = _digest(path)
        known = register.get(name, {})
        return Hook(
            name,
            _event_of(name),
            digest,
            bool(digest) and known.get("sha256") == digest,
            os.access(path, os.X_OK),
            known.get("runs", 0),
            known.get("failures", 0),
            known.get("last_error", ""),
        )

    @property
    def any_enabled(self) -> bool:
        """Whether this clone has ever enabled a hook: one look at one file, for the path of every write."""
        return self._register.exists()

    # ── allowing ─────────────────────────────────────────────────────────────────────────────────────────────

    def enable(self, names: Sequence[str] = ()) -> list[Hook]:
        """Allows hooks by name (all when none is named) with the content that they have now."""
        chosen = self._chosen(names)
        with _locked(self._lock):
            register = self._read()
            for hook in chosen:
                register[hook.name] = {**register.get(hook.name, {}), "sha256": hook.sha256}
            self._write(register)
        return [hook for hook in self.found() if hook.name in {c.name for c in chosen}]

    def disable(self, names: Sequence[str] = ()) -> list[Hook]:
        """Takes the permission back; the counts stay."""
        chosen = {hook.name for hook in self._chosen(names)}
        with _locked(self._lock):
            register = self._read()
            for name in chosen & register.keys():
                register[name].pop("sha256", None)
            self._write(register)
        return [hook for hook in self.found() if hook.name in chosen]

    def _chosen(self, names: Sequence[str]) -> list[Hook]:
        hooks = self.found()
        unknown = sorted(set(names) - {h.name for h in hooks})
        if unknown:
            raise NotFoundError(
                f"there is no hook {unknown[0]!r} in {self._folder}.",
                remedy=f"There are: {', '.join(h.name for h in hooks) or 'none'}.",
                field="name",
                value=unknown[0],
            )
        chosen = [h for h in hooks if not names or h.name in names]
        for hook in chosen:
            if not hook.executable or not hook.sha256:
                raise InvalidInputError(
                    f"hook {hook.name!r} is not an executable file.",
                    remedy="Make it one that the system can start, with a `#!` line.",
                    field="name",
                    value=hook.name,
                )
        return chosen

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, events: Iterable[Mapping[str, Any]]) -> list[HookRun]:
        """Runs the enabled hooks of each event, one after the other; faults are counted, never raised."""
        if not self.any_enabled:
            return []
        enabled = [hook for hook in self.found() if hook.enabled and hook.executable]
        runs = [
            self._run_one(hook, event) for event in events for hook in enabled if hook.event in (ANY, event["type"])
        ]
        if runs:
            self._count(runs)
        return runs

    def _run_one(self, hook: Hook, event: Mapping[str, Any]) -> HookRun:
        import json
        import subprocess
        import time

        began = time.monotonic()
        payload = json.dumps(event, ensure_ascii=False, default=str).encode()
        environ = {**self._environ, "FAIRLEAD_EVENT": str(event["type"]), "FAIRLEAD_SUBJECT": str(event["subject"])}
        try:
            process = subprocess.Popen(
                [self._folder / hook.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._root,
                env=environ,
                start_new_session=True,
            )
        except OSError as exc:
            return HookRun(hook.name, event["type"], 0.0, f"cannot be started: {exc.strerror or exc}")
        with process:
            try:
                _, said = process.communicate(payload, timeout=self._timeout)
                error = "" if process.returncode == 0 else _failure(process.returncode, said)
            except subprocess.TimeoutExpired:
                _kill_group(process.pid)
                process.communicate()
                error = f"took longer than {self._timeout:g} s and was killed"
        return HookRun(hook.name, event["type"], time.monotonic() - began, error)

    def _count(self, runs: Sequence[HookRun]) -> None:
        with _locked(self._lock):
            register = self._read()
            for run in runs:
                known = register.setdefault(run.hook, {})
                known["runs"] = known.get("runs", 0) + 1
                if run.error:
                    known["failures"] = known.get("failures", 0) + 1
                    known["last_error"] = run.error
            self._write(register)

    # ── the register ─────────────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> dict[str, Any]:
        import json

        try:
            value = json.loads(self._register.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            # A register that cannot be read allows nothing: enabling writes a fresh one.
            return {}
        return value if isinstance(value, dict) else {}

    def _write(self, register: Mapping[str, Any]) -> None:
        import json

        self._register.parent.mkdir(parents=True, exist_ok=True)
        beside = self._register.with_name(f"hooks.{os.getpid()}.tmp")
        beside.write_text(json.dumps(register, indent=1, sort_keys=True), encoding="utf-8")
        beside.replace(self._register)


def _event_of(name: str) -> str:
    """The event type that a file name listens to; empty when it is no hook."""
    if name == ANY or name.startswith(ANY + "."):
        return ANY
    return next((t for t in EVENT_TYPES if name == t or name.startswith(t + ".")), "")


def _digest(path: Path) -> str:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _failure(code: int, said: bytes) -> str:
    text = said[-_MOST_OUTPUT:].decode("utf-8", "replace").strip()
    last = text.rsplit("\n", 1)[-1]
    how = f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
    return f"{how}: {last}" if last else how


def _kill_group(pid: int) -> None:
    import signal

    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _locked(path: Path) -> Any:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout=30)


def at_place(place: Any) -> Hooks:
    """The hooks of the board at a :class:`fairlead.tickets.place.Place`."""
    from fairlead.settings import read_variable

    environ = {name: read_variable(name) for name in _KEPT_VARIABLES if read_variable(name)}
    return Hooks(Path(place.tickets), Path(place.shared), Path(place.root), environ=environ)
