"""Catalogue: which models there are, what they can do, and what they cost as of when and by whom.

Prices come from ``genai-prices``, which ships them and is read offline, unless configuration overrides them. A model
nobody knows the price of is in the catalogue with ``price`` None.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

from fairlead.clock import Clock, isoformat
from fairlead.errors import InvalidInputError, NotFoundError
from fairlead.gateway.config import GatewayConfig, ProviderSpec
from fairlead.gateway.prices import FREE, Price, book_price, override_price, today
from fairlead.gateway.resilience.limits import LimitRules

TIERS = ("local", "cheap", "standard", "premium")
"""From the least to the most expensive. A model's tier follows its blended price unless configuration states it."""

_CHEAP_UP_TO, _STANDARD_UP_TO = 1.0, 6.0
"""US dollars per million tokens at three input tokens to one output token."""

_QUALITY_PRIOR = {"local": 0.55, "cheap": 0.7, "standard": 0.8, "premium": 0.9}
"""Expected share of good answers before any outcome is known; outcomes soon outweigh it."""

EXTRACTIVE = "local/extractive"
EXTRACTIVE_TASKS = frozenset({"summarise", "answer", "classify", "extract"})

_IN_PROCESS = {"test": True, "function": False}
"""What pydantic-ai calls models that are Python objects, and whether they certainly cost nothing: a function may call
whom it likes, so what it costs is unknown until configuration states it."""

_PRICE_BOOK_NAMES = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "google-gla": "google",
    "google-vertex": "google",
    "google-cloud": "google",
    "bedrock": "aws",
    "xai": "x-ai",
    "grok": "x-ai",
    "moonshot": "moonshotai",
}


class ModelInfo(NamedTuple):
    """One entry. ``tasks`` limits what it can be asked (empty means anything); ``prior`` is the expected quality
    before outcomes are known."""

    id: str
    provider: str
    name: str
    tier: str
    model_type: str
    context_window: int | None
    price: Price | None
    tasks: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset({"text", "stream"})
    prior: float = 0.7
    source: str = ""

    @property
    def local(self) -> bool:
        return self.tier == "local"

    @property
    def price_state(self) -> str:
        return "unknown" if self.price is None else self.price.state

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "provider": self.provider,
            "tier": self.tier,
            "model_type": self.model_type,
            "context_window": self.context_window,
            "capabilities": sorted(self.capabilities),
            "tasks": sorted(self.tasks),
            "price": {"state": "unknown"} if self.price is None else self.price.to_dict(),
            "prior": self.prior,
            "source": self.source,
        }


_EXTRACTIVE_INFO = ModelInfo(
    id=EXTRACTIVE,
    provider="local",
    name="extractive",
    tier="local",
    model_type="local_opensource",
    context_window=None,
    price=FREE,
    tasks=EXTRACTIVE_TASKS,
    prior=0.5,
    source="built in",
)


class Catalogue:
    """Models by id. An id is ``provider:model``, or ``local/...`` for what is built in."""

    def __init__(self, config: GatewayConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._known: dict[str, ModelInfo] = {EXTRACTIVE: _EXTRACTIVE_INFO}

    def get(self, model_id: str) -> ModelInfo:
        """The entry of an id. A model that no price book knows is an entry without a price; an id without a provider
        is a :class:`NotFoundError`."""
        found = self._known.get(model_id)
        if found is None:
            found = self._known[model_id] = self._build(model_id)
        return found

    def brought(self, system: str, name: str, base_url: str | None) -> ModelInfo:
        """The entry of a model that comes with a client of its own, by what the client says it is.

        A client that talks to another server than the vendor's has that server's name in its id. Its price is unknown
        unless configuration states it under that id: who else serves a vendor's model may ask another price for it.
        """
        provider, elsewhere = system, base_url is not None and not self._is_vendors(system, base_url)
        if base_url is not None and elsewhere:
            provider = f"{system}@{base_url.partition('://')[2].partition('/')[0].partition(':')[0]}"
        model_id = f"{provider}:{name}"
        found = self._known.get(model_id)
        if found is None:
            found = self._build(model_id, book=not elsewhere)
            if base_url is None and system in _IN_PROCESS:
                # They share no provider, so one that keeps failing says nothing about the others.
                found = found._replace(provider=model_id)
            self._known[model_id] = found
        return found

    def _is_vendors(self, system: str, base_url: str) -> bool:
        """Whether an address is where the price book knows the vendor to be, or where configuration says it is."""
        spec = self._config.providers.get(system)
        if spec is not None and spec.base_url:
            return spec.base_url.rstrip("/") == base_url.rstrip("/")
        try:
            found = _snapshot().find_provider(None, None, base_url)
        except LookupError:
            return False
        return bool(found.id == _PRICE_BOOK_NAMES.get(system, system))

    def pool(self) -> tuple[ModelInfo, ...]:
        """What the router may choose among: the local tier first, then the configured models in their order."""
        return (_EXTRACTIVE_INFO, *(self.get(m) for m in self._config.models if m != EXTRACTIVE))

    def book(self, *, provider: str = "") -> tuple[ModelInfo, ...]:
        """Every model of the price book, of one provider if named; sorted by id."""
        ids = (
            f"{p.id}:{m.id}"
            for p in _snapshot().providers
            if provider in ("", p.id)
            for m in p.models
            if not m.deprecated
        )
        return tuple(self.get(i) for i in sorted(ids))

    def provider_of(self, info: ModelInfo) -> ProviderSpec:
        """How the model's provider is reached; by its own name when configuration says nothing."""
        return self._config.providers.get(info.provider, ProviderSpec(info.provider))

    def limits_of(self, info: ModelInfo) -> LimitRules:
        """What configuration states of the model's own limits."""
        stated = self._config.overrides.get(info.id, {})
        return LimitRules(*(int(stated.get(name, 0)) for name in LimitRules._fields))

    def known_ids(self) -> Iterable[str]:
        return (EXTRACTIVE, *self._config.models)

    def _build(self, model_id: str, *, book: bool = True) -> ModelInfo:
        provider, _, name = model_id.partition(":")
        if not name or provider == "local":
            raise NotFoundError(
                f"there is no model {model_id!r}.",
                remedy=f"Name one as provider:model, or choose one of {', '.join(self.known_ids())}.",
                field="model",
                value=model_id,
            )
        spec = self._config.providers.get(provider, ProviderSpec(provider))
        stated = self._config.overrides.get(model_id, {})
        price, window, source = self._price(spec, model_id, name, book)
        tier = str(stated.get("tier") or _tier(price, spec.local or spec.kind == "gguf" or price is FREE))
        if tier not in TIERS:
            raise InvalidInputError(
                f"tier {tier!r} of {model_id} is not known (from {self._config.source}).",
                remedy=f"Choose one of {', '.join(TIERS)}.",
                field="tier",
                value=tier,
            )
        model_type = (
            ("local_opensource" if tier == "local" else f"cloud_{provider}")
            if not stated.get("model_type")
            else str(stated["model_type"])
        )
        return ModelInfo(
            id=model_id,
            provider=provider,
            name=name,
            tier=tier,
            model_type=model_type,
            context_window=stated.get("context_window", window),
            price=price,
            tasks=frozenset(stated.get("tasks", ())),
            capabilities=frozenset(stated.get("capabilities", ("text", "stream", "tools", "json"))),
            prior=float(stated.get("prior", _QUALITY_PRIOR[tier])),
            source=source,
        )

    def _price(self, spec: ProviderSpec, model_id: str, name: str, book: bool) -> tuple[Price | None, int | None, str]:
        stated = override_price(self._config.overrides.get(model_id, {}), self._config.source)
        if stated is not None:
            return stated, None, self._config.source
        if spec.local or spec.kind == "gguf":
            return FREE, None, self._config.source
        if _IN_PROCESS.get(spec.name):
            return FREE, None, "built in"
        if spec.kind == "openai" or not book:
            # Another server may carry a vendor's model name at another price, so the book is not asked by name.
            return None, None, self._config.source
        return self._from_book(spec.name, name)

    def _from_book(self, provider: str, name: str) -> tuple[Price | None, int | None, str]:
        from importlib.metadata import version

        snapshot = _snapshot()
        label = f"genai-prices {version('genai-prices')}"
        try:
            _, model = snapshot.find_provider_model(name, None, _PRICE_BOOK_NAMES.get(provider, provider), None)
        except LookupError:
            return None, None, f"not in {label}"
        record = model.get_prices(today(self._clock.now()))
        return (
            book_price(record, source=label, as_of=_as_of(isoformat(self._clock.now())[:10])),
            model.context_window,
            label,
        )


def _tier(price: Price | None, local: bool) -> str:
    if local:
        return "local"
    if price is None:
        # What nobody knows the price of may be dear.
        return "premium"
    if price.blended <= _CHEAP_UP_TO:
        return "cheap"
    return "standard" if price.blended <= _STANDARD_UP_TO else "premium"


def _snapshot() -> Any:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


@functools.cache
def _as_of(today_: str) -> str:
    """The day of the price book: when it was fetched, or the newest day, up to today, that its release speaks of.

    A release carries no date of its own. The days on which its authors verified prices are in its data, so the newest
    of them is the latest day for which the figures are vouched.
    """
    import re
    from importlib.metadata import distribution
    from pathlib import Path

    snapshot = _snapshot()
    if snapshot.from_auto_update:
        return str(snapshot.timestamp.date())
    data = Path(str(distribution("genai-prices").locate_file("genai_prices/data.py"))).read_text(encoding="utf-8")
    return max((d for d in re.findall(r"\b20\d\d-[01]\d-[0-3]\d\b", data) if d <= today_), default="")
