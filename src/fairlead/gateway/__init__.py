"""The gateway: which model answers, at what price, within which budget. Every model call goes through here.

Owns the catalogue with its prices, the router, the ledger with its budgets, the local tier, and the only door to
vendors (:mod:`fairlead.gateway.providers`). A peer of the runtime and the memory: it imports neither. Agents enter by
:class:`~fairlead.gateway.providers.model.GatewayModel`, everything else by :class:`Gateway`.

Names are loaded when first used, so that importing the room costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.gateway.attribution import Attribution, attribute, current_attribution
    from fairlead.gateway.budgets import BudgetBook
    from fairlead.gateway.catalogue import Catalogue, ModelInfo
    from fairlead.gateway.config import GatewayConfig, Policy, ProviderSpec, load_config, parse_config
    from fairlead.gateway.gateway import Call, Gateway
    from fairlead.gateway.ledger import Ask, Ledger
    from fairlead.gateway.messages import GenerationRequest, GenerationResponse, Message
    from fairlead.gateway.prices import Price, Usage
    from fairlead.gateway.providers.model import GatewayModel
    from fairlead.gateway.routing.router import Decision

_HOMES = {
    "Ask": "ledger",
    "Attribution": "attribution",
    "BudgetBook": "budgets",
    "Call": "gateway",
    "Catalogue": "catalogue",
    "Decision": "routing.router",
    "Gateway": "gateway",
    "GatewayConfig": "config",
    "GatewayModel": "providers.model",
    "GenerationRequest": "messages",
    "GenerationResponse": "messages",
    "Ledger": "ledger",
    "Message": "messages",
    "ModelInfo": "catalogue",
    "Policy": "config",
    "Price": "prices",
    "ProviderSpec": "config",
    "Usage": "prices",
    "attribute": "attribution",
    "current_attribution": "attribution",
    "load_config": "config",
    "parse_config": "config",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


__all__ = [
    "Ask",
    "Attribution",
    "BudgetBook",
    "Call",
    "Catalogue",
    "Decision",
    "Gateway",
    "GatewayConfig",
    "GatewayModel",
    "GenerationRequest",
    "GenerationResponse",
    "Ledger",
    "Message",
    "ModelInfo",
    "Policy",
    "Price",
    "ProviderSpec",
    "Usage",
    "attribute",
    "current_attribution",
    "load_config",
    "parse_config",
]
