"""Memory: what is known, from where and until when, and how to get it back with the reasons.

Owns entries, their indexes, the graph between the things they name, and the caches in front. Rooms above enter
through :class:`Memory`; everything is kept apart by ``tenant:workspace:name`` in the storage layer.
"""

from __future__ import annotations

from fairlead.memory.dense import Embedder
from fairlead.memory.entries import Entry, Hit, NewEntry, make_selection
from fairlead.memory.memory import Memory
from fairlead.memory.opening import open_memory
from fairlead.memory.plan import IndexPlan
from fairlead.memory.renewing import Renewal
from fairlead.memory.reuse import Match, Need, find, find_or_spawn
from fairlead.memory.tiers import LocalTier, SharedTier

__all__ = [
    "Embedder",
    "Entry",
    "Hit",
    "IndexPlan",
    "LocalTier",
    "Match",
    "Memory",
    "Need",
    "NewEntry",
    "Renewal",
    "SharedTier",
    "find",
    "find_or_spawn",
    "make_selection",
    "open_memory",
]
