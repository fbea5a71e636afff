"""Opening a gateway from settings: where its configuration lies and how it reads keys."""

from __future__ import annotations

import random

from fairlead.clock import Clock, SystemClock
from fairlead.gateway.config import load_config
from fairlead.gateway.gateway import Gateway
from fairlead.settings import Settings, read_variable
from fairlead.store.database import Database


def open_gateway(settings: Settings, database: Database, *, clock: Clock | None = None) -> Gateway:
    """The gateway of a home folder: ``gateway.toml`` there says which providers and models there are, and
    ``FAIRLEAD_MODELS`` adds models to choose among."""
    models = tuple(settings.models)
    if settings.model not in models:
        models = (*models, settings.model)
    config = load_config(settings.home / "gateway.toml", models=models)
    return Gateway(
        database,
        clock or SystemClock(),
        random.Random(),
        config=config,
        read_variable=read_variable,
        home=settings.home,
    )
