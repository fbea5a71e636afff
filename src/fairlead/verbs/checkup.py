"""What `fairlead doctor` looks at. Every line is a measurement; what was not looked at is not reported."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib import metadata, util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from fairlead.verbs.context import Context

_EXTRAS = {
    "pydantic_ai": "language-model agents",
    "numpy": "themes and vectors",
    "pycrfsuite": "trained entity recognition",
    "fastapi": "the server (extra `server`)",
    "a2a": "the server's A2A interface (extra `a2a`)",
}


def check_up(context: Context, *, migrate: bool) -> dict[str, Any]:
    """``{healthy, checks: [{name, state: ok | note | fault, text, remedy}]}``; exit code 1 when there is a fault."""
    settings = context.settings
    checks = [
        _check(
            "fairlead", "ok", f"{metadata.version('fairlead')} on Python {platform.python_version()} ({sys.platform})"
        ),
        _check("home", "ok", f"{settings.home} (from {settings.sources['home']})"),
        _disk(settings.home),
        *_store(context, migrate),
    ]
    for module, purpose in _EXTRAS.items():
        found = util.find_spec(module) is not None
        checks.append(
            _check(module, "ok" if found else "note", f"{purpose}: {'present' if found else 'not installed'}")
        )
    faults = [c for c in checks if c["state"] == "fault"]
    return {"healthy": not faults, "checks": checks, "exit_code": 1 if faults else 0}


def _check(name: str, state: str, text: str, remedy: str = "") -> dict[str, Any]:
    return {"name": name, "state": state, "text": text, "remedy": remedy}


def _disk(home: Path) -> dict[str, Any]:
    folder = home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free"
    if free < 200_000_000:
        return _check("disk", "fault", text, "Free some space: the store stops when the device is full.")
    return _check("disk", "ok", text)


def _store(context: Context, migrate: bool) -> list[dict[str, Any]]:
    from fairlead.errors import FairleadError
    from fairlead.runtime.owner import is_alive
    from fairlead.store.sqlite import check_integrity

    settings = context.settings
    if not settings.database.exists():
        return [_check("store", "note", f"none yet at {settings.database}", "It is made by the first run.")]
    try:
        app = context.open(create=migrate)
    except FairleadError as exc:
        return [_check("store", "fault", exc.message, exc.remedy)]
    try:
        problems = check_integrity(settings.database)
        if problems:
            return [_check("store", "fault", problems[0], f"Restore a backup from {settings.home / 'backups'}.")]
        size = settings.database.stat().st_size
        rows = app.store.find_sync(tenant=None, states=("init", "running", "paused"), limit=10_000)
        orphans = [r for r in rows if r.state != "paused" and not is_alive(settings.home / "owners", r.owner)]
        checks = [_check("store", "ok", f"{settings.database}, {size / 1e6:.1f} MB, sound")]
        text = f"{len(rows)} unfinished, {len(orphans)} of them interrupted"
        remedy = "The next `fairlead run` takes them up; or `fairlead runs resume RUN`." if orphans else ""
        return [*checks, _check("runs", "note" if orphans else "ok", text, remedy)]
    except FairleadError as exc:
        return [_check("store", "fault", exc.message, exc.remedy)]
    finally:
        app.database.close()
