"""Settings: declared once, read once. The only module that reads the environment.

Order: an explicit argument, then ``FAIRLEAD_<NAME>`` in the environment, then ``config.toml`` in the home folder,
then the default. A value that cannot be used is refused with the name of the place it came from.
"""

from __future__ import annotations

import os

from fairlead.errors import InvalidInputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any, NamedTuple
else:
    from fairlead.records import NamedTuple


class Setting(NamedTuple):
    """One declared setting."""

    name: str
    kind: str
    default: Any
    sentence: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "home",
        "path",
        "",
        "Folder of the database and outputs; empty: the nearest `.fairlead` at or above here, else `~/.fairlead`.",
    ),
    Setting("tenant", "str", "local", "Tenant that the command line works for."),
    Setting("workspace", "str", "main", "Workspace of that tenant."),
    Setting("actor", "str", "", "Name recorded as the cause of what a person does; empty means the login name."),
    Setting(
        "durability",
        "str",
        "normal",
        "What a commit waits for: `normal` survives a killed process, `full` also a power cut.",
        ("normal", "full"),
    ),
    Setting("max_concurrency", "int", 64, "Steps in progress at once in one process.", minimum=1),
    Setting("max_concurrency_per_agent", "int", 16, "Steps of one agent in progress at once.", minimum=1),
    Setting(
        "adaptive_concurrency",
        "bool",
        True,
        "Lower the per-agent limit on rate limits and timeouts and raise it again on success.",
    ),
    Setting(
        "shutdown_grace",
        "float",
        5.0,
        "Seconds that in-flight steps get to finish when the process is asked to end.",
        minimum=0,
    ),
    Setting("poll_interval", "float", 0.02, "Seconds between looks for requests of other processes.", minimum=0.001),
    Setting("max_result_bytes", "int", 64 * 1024 * 1024, "Largest result of one step, in bytes of JSON.", minimum=1024),
    Setting("command_allow", "list", (), "Programs that `runs command` may start, comma-separated; empty refuses all."),
    Setting("model", "str", "local/extractive", "Model that agents use when neither they nor the run name one."),
    Setting(
        "models",
        "list",
        (),
        "Models that the router may choose among besides the local tier, as provider:model, comma-separated.",
    ),
    Setting("rate_limit", "float", 200.0, "Requests per second that one API key may make of the server.", minimum=0.01),
    Setting("rate_burst", "int", 400, "Requests that one API key may make at once.", minimum=1),
    Setting("serve_paths", "list", (), "Folders of the server that callers may name as inputs, besides their uploads."),
    Setting("cors_origins", "list", (), "Origins whose pages may call the server; empty: none."),
    Setting("jwt_issuer", "str", "", "Issuer that tokens must name; empty: tokens are not accepted, only keys."),
    Setting("jwt_audience", "str", "fairlead", "Audience that tokens must name."),
    Setting("jwt_jwks", "str", "", "File with the issuer's keys as a JWK set; read again when it changes."),
    Setting(
        "memory_embeddings",
        "str",
        "builtin",
        "What memory embeds with: `builtin` alone, or `minilm` as well (extra `embeddings`).",
        ("builtin", "minilm"),
    ),
    Setting("memory_postgres", "str", "", "URL of a PostgreSQL with pgvector that namespaces of memory can move to."),
    Setting("memory_redis", "str", "", "URL of a Redis that keeps answers of memory for several processes."),
    Setting("log_level", "str", "warning", "Least severe log record shown.", ("debug", "info", "warning", "error")),
)
"""Every setting, in the order of the reference page."""

_BY_NAME: Mapping[str, Setting] = {s.name: s for s in SETTINGS}
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Settings:
    """The settings in force, as read-only attributes; ``sources`` says where each came from."""

    __slots__ = ("_values", "sources")

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "sources", dict(sources))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings are read-only; pass {name} to load_settings")

    @property
    def database(self) -> Path:
        from pathlib import Path

        return Path(self._values["home"]) / "fairlead.db"

    def replaced(self, **values: Any) -> Settings:
        """These settings with some values set by the program."""
        return Settings({**self._values, **values}, {**self.sources, **dict.fromkeys(values, "program")})

    def to_dict(self) -> dict[str, Any]:
        return {k: str(v) if isinstance(v, os.PathLike) else v for k, v in self._values.items()}


def load_settings(
    overrides: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Settings:
    """Reads all settings once. ``environ`` and ``cwd`` default to the process's own."""
    from pathlib import Path

    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    given = {k: v for k, v in (overrides or {}).items() if v is not None}
    for name in given:
        if name not in _BY_NAME:
            raise InvalidInputError(f"unknown setting {name!r}.", remedy=f"Known: {', '.join(_BY_NAME)}.", field=name)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def settle(setting: Setting, file: Mapping[str, Any]) -> None:
        name = setting.name
        variable = f"FAIRLEAD_{name.upper()}"
        if name in given:
            raw, source = given[name], "argument"
        elif environ.get(variable, "") != "":
            raw, source = environ[variable], variable
        elif name in file:
            raw, source = file[name], "config.toml"
        else:
            raw, source = setting.default, "default"
        values[name] = _convert(setting, raw, source)
        sources[name] = source

    settle(_BY_NAME["home"], {})
    if sources["home"] == "default":
        values["home"] = _find_home(cwd, environ)
    else:
        values["home"] = (cwd / values["home"]).absolute()
    file = _read_file(values["home"] / "config.toml")
    for setting in SETTINGS[1:]:
        settle(setting, file)
    if not values["actor"]:
        values["actor"] = environ.get("USER") or environ.get("LOGNAME") or environ.get("USERNAME") or _login_name()
    return Settings(values, sources)


def read_variable(name: str, environ: Mapping[str, str] | None = None) -> str:
    """One environment variable that is not a setting, such as a provider's key; empty when absent."""
    return (os.environ if environ is None else environ).get(name, "")


def _login_name() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return "unknown"


def _find_home(cwd: Path, environ: Mapping[str, str]) -> Path:
    from pathlib import Path

    for folder in (cwd, *cwd.parents):
        if (folder / ".fairlead").is_dir():
            return folder / ".fairlead"
    return Path(environ.get("HOME") or Path.home()) / ".fairlead"


def _read_file(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{path} cannot be read: {exc}.", remedy="Mend or remove the file.") from exc
    return table


def _convert(setting: Setting, raw: Any, source: str) -> Any:
    from pathlib import Path

    converters: dict[str, Callable[[Any], Any]] = {
        "path": lambda v: Path(v).expanduser() if v else Path(),
        "str": str,
        "int": _to_int,
        "float": float,
        "bool": _to_bool,
        "list": _to_list,
    }
    try:
        value = converters[setting.kind](raw)
    except (TypeError, ValueError) as exc:
        raise _refused(setting, raw, source, f"it must be of type {setting.kind}") from exc
    if setting.choices and value not in setting.choices:
        raise _refused(setting, raw, source, f"it must be one of {', '.join(setting.choices)}")
    if setting.minimum is not None and not value >= setting.minimum:
        raise _refused(setting, raw, source, f"it must be at least {setting.minimum:g}")
    return value


def _refused(setting: Setting, raw: Any, source: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"setting {setting.name} is {raw!r} (from {source}), but {why}.",
        remedy=f"Change FAIRLEAD_{setting.name.upper()}, or the entry in config.toml.",
        field=setting.name,
        value=raw,
    )


def _to_int(raw: Any) -> int:
    if isinstance(raw, bool) or (isinstance(raw, float) and raw != int(raw)):
        raise ValueError(raw)
    return int(raw)


def _to_bool(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(raw)


def _to_list(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    return tuple(str(part) for part in raw)
