"""Options of the sources: ``sources.toml`` in the home folder, or any mapping of the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.errors import InvalidInputError


class SourceOptions(NamedTuple):
    """What may be set.

    ``allow_private`` names networks that are no public ones and may be fetched from all the same; ``respect_robots``
    is about robots.txt. ``per_host`` and ``at_once`` bound requests in progress, ``most_bytes`` a page, and
    ``most_media_bytes`` a recording. ``oldest_days`` bounds how far a first look at a feed or channel goes back.
    ``languages`` are wanted for captions, the best first; empty: the item's own. ``speech_model`` is the folder of a
    faster-whisper model; empty: recordings without captions are not listened to.
    """

    allow_private: tuple[str, ...] = ()
    respect_robots: bool = True
    per_host: int = 9
    at_once: int = 48
    attempts: int = 3
    total_seconds: float = 60.0
    idle_seconds: float = 15.0
    most_bytes: int = 10_000_000
    most_media_bytes: int = 1_000_000_000
    media_seconds: float = 1_800.0
    oldest_days: float = 365.25
    languages: tuple[str, ...] = ()
    speech_model: str = ""


_MOST = {"per_host": 9}
"""Upper bounds: what is polite is not a matter of taste."""


def load_options(home: Path) -> SourceOptions:
    """The options in ``sources.toml`` of a home folder; the defaults when there is no such file."""
    path = home / "sources.toml"
    if not path.is_file():
        return SourceOptions()
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{path} cannot be read: {exc}.", remedy="Mend or remove the file.") from exc
    return parse_options(table, source=str(path))


def parse_options(table: Mapping[str, Any], *, source: str = "mapping") -> SourceOptions:
    """Checks a mapping of option names to values."""
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in SourceOptions._fields:
            raise _bad(source, name, value, f"Known: {', '.join(SourceOptions._fields)}.")
        values[name] = _fitting(source, name, value, SourceOptions._field_defaults[name])
    return SourceOptions(**values)


def _fitting(source: str, name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
            raise _bad(source, name, value, "It is a list of texts.")
        return tuple(value)
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise _bad(source, name, value, f"It is of type {type(default).__name__}.")
    most = _MOST.get(name, 1e12)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not 0 < value <= most:
        raise _bad(source, name, value, f"Give a number above 0 and at most {most:,.0f}.")
    return value


def _bad(source: str, field: str, value: Any, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"{field} is {value!r}, which cannot be used (from {source}).", remedy=remedy, field=field)
