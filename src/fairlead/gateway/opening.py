"""Opening a gateway from settings: where its configuration lies and how it reads keys."""

from __future__ import annotations

import random

from fairlead.clock import Clock, SystemClock
from fairlead.gateway.config import config_of
from fairlead.gateway.gateway import Gateway
from fairlead.settings import Settings, read_variable
from fairlead.store.database import Database


def open_gateway(settings: Settings, database: Database, *, clock: Clock | None = None) -> Gateway:
    """The gateway of a home folder: ``gateway.toml`` there says which providers and models there are, and
    ``FAIRLEAD_MODELS`` adds models to choose among."""
    return Gateway(
        database,
        clock or SystemClock(),
        random.Random(),
        config=config_of(settings),
        read_variable=read_variable,
        home=settings.home,
    )
