"""Configuration of the gateway: providers, the models that may be chosen, price overrides and policy.

It comes from ``gateway.toml`` in the home folder, or any mapping of the same shape. Keys of providers are never in it:
it names the environment variable that holds one, and the value is read when a client is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.gateway.prices import to_nano

if TYPE_CHECKING:
    from fairlead.settings import Settings


class Policy(NamedTuple):
    """What the gateway decides by when a request does not say.

    ``unknown_price``: ``refuse`` a call whose price is unknown where a budget applies, or reserve a ``ceiling`` of
    ``ceiling_nano`` nano-dollars per million tokens. ``local_only_at``: percent of a budget from which on only local
    models are used. ``quality_floor``: least expected quality that the router accepts. ``shadow_share``: share of
    requests answered by another model as well or instead, so that the router's table stays honest. ``attempts``: most
    calls to one model per request. ``hedge_after``: seconds after which a second model is asked as well, 0 for never.
    """

    unknown_price: str = "refuse"
    ceiling_nano: int = 100 * 1_000_000_000
    local_only_at: int = 90
    quality_floor: float = 0.5
    shadow_share: float = 0.01
    attempts: int = 3
    cache: str = "exact"
    cache_ttl: float = 7 * 86400.0
    hedge_after: float = 0.0


class ProviderSpec(NamedTuple):
    """One place that models are called at.

    ``kind`` is ``vendor`` (any provider that pydantic-ai knows by ``name``), ``openai`` (a server that speaks the
    OpenAI chat API at ``base_url``) or ``gguf`` (a model file served in this process; extra ``local``). Limits are per
    minute; 0 means none is known. ``timeout`` is in seconds.
    """

    name: str
    kind: str = "vendor"
    base_url: str = ""
    key_variable: str = ""
    local: bool = False
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0
    timeout: float = 120.0
    path: str = ""


class GatewayConfig(NamedTuple):
    """Everything that is configured. ``models`` are the ids that the router may choose among besides the local tier,
    ``overrides`` what is stated per model id."""

    policy: Policy = Policy()
    providers: Mapping[str, ProviderSpec] = {}
    models: tuple[str, ...] = ()
    overrides: Mapping[str, Mapping[str, Any]] = {}
    source: str = "defaults"


def load_config(path: Path, *, models: tuple[str, ...] = ()) -> GatewayConfig:
    """The configuration in ``path``; the defaults when there is no such file. ``models`` are added to the pool."""
    if not path.is_file():
        return parse_config({}, source="defaults", models=models)
    import tomllib

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{path} cannot be read: {exc}.", remedy="Mend or remove the file.") from exc
    return parse_config(table, source=str(path), models=models)


def config_of(settings: Settings) -> GatewayConfig:
    """The configuration of a home folder: its ``gateway.toml``, and the models that the settings name."""
    models = tuple(dict.fromkeys((*settings.models, settings.model)))
    return load_config(settings.home / "gateway.toml", models=models)


def parse_config(table: Mapping[str, Any], *, source: str = "mapping", models: tuple[str, ...] = ()) -> GatewayConfig:
    """Checks a mapping with the tables ``policy``, ``providers``, ``models`` and the list ``pool``."""
    unknown = set(table) - {"policy", "providers", "models", "pool"}
    if unknown:
        raise _bad(source, sorted(unknown)[0], "", "Tables are policy, providers and models; pool is a list of ids.")
    providers = {name: _provider(source, name, entry) for name, entry in table.get("providers", {}).items()}
    overrides = {str(name): dict(entry) for name, entry in table.get("models", {}).items()}
    pool = dict.fromkeys((*models, *map(str, table.get("pool", ())), *overrides))
    return GatewayConfig(_policy(source, table.get("policy", {})), providers, tuple(pool), overrides, source)


def _policy(source: str, table: Mapping[str, Any]) -> Policy:
    values = dict(table)
    if "ceiling_per_mtok" in values:
        values["ceiling_nano"] = to_nano(values.pop("ceiling_per_mtok"))
    for name in values:
        if name not in Policy._fields:
            raise _bad(source, f"policy.{name}", values[name], f"Known: {', '.join(Policy._fields)}.")
    _check_types(source, "policy", values, Policy())
    policy = Policy(**values)
    if policy.unknown_price not in ("refuse", "ceiling"):
        raise _bad(source, "policy.unknown_price", policy.unknown_price, "Choose refuse or ceiling.")
    if policy.cache not in ("off", "exact", "semantic"):
        raise _bad(source, "policy.cache", policy.cache, "Choose off, exact or semantic.")
    for name in ("quality_floor", "shadow_share"):
        if not 0 <= getattr(policy, name) <= 1:
            raise _bad(source, f"policy.{name}", getattr(policy, name), "Give a number from 0 to 1.")
    if policy.attempts < 1:
        raise _bad(source, "policy.attempts", policy.attempts, "Give 1 or more.")
    return policy


def _provider(source: str, name: str, table: Mapping[str, Any]) -> ProviderSpec:
    for field in table:
        if field not in ProviderSpec._fields or field == "name":
            remedy = "Name the variable that holds the key as key_variable." if "key" in field else ""
            # The value is left out: somebody may have written the key itself here.
            raise _bad(source, f"providers.{name}.{field}", "", remedy or f"Known: {', '.join(ProviderSpec._fields)}.")
    _check_types(source, f"providers.{name}", table, ProviderSpec(name))
    spec = ProviderSpec(name, **table)
    if spec.kind not in ("vendor", "openai", "gguf"):
        raise _bad(source, f"providers.{name}.kind", spec.kind, "Choose vendor, openai or gguf.")
    if spec.kind == "openai" and not spec.base_url.startswith(("http://", "https://")):
        raise _bad(source, f"providers.{name}.base_url", spec.base_url, "Give the address of the server's /v1 route.")
    if spec.kind == "gguf" and not spec.path:
        raise _bad(source, f"providers.{name}.path", spec.path, "Give the path of the model file.")
    return spec


def _check_types(source: str, where: str, table: Mapping[str, Any], defaults: Any) -> None:
    for field, value in table.items():
        default = getattr(defaults, field)
        fits = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
        if not fits and not (isinstance(default, float) and type(value) is int):
            raise _bad(source, f"{where}.{field}", value, f"It is of type {type(default).__name__}.")


def _bad(source: str, field: str, value: Any, remedy: str) -> InvalidInputError:
    shown = f" is {value!r}" if value != "" else ""
    return InvalidInputError(f"{field}{shown} cannot be used (from {source}).", remedy=remedy, field=field)
