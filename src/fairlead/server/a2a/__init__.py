"""A2A: agents of other frameworks find ours by their cards and give them tasks; a task is a durable run.

The protocol's shapes, JSON-RPC and REST bindings are those of the SDK (extra ``a2a``), which also speaks version 0.3.
What a task is, lives in the store like every run: nothing is kept here. The SDK takes 0.6 s to import, so only the
first request that needs it pays for that; without the extra there are no routes.
"""

from __future__ import annotations

from fairlead.server.a2a.routes import CARD_PATH, add_a2a, is_installed

__all__ = ["CARD_PATH", "add_a2a", "is_installed"]
