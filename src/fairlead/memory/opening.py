"""Memory as the settings want it: which model embeds, which indexes there are, and whether Redis stands behind."""

from __future__ import annotations

from pathlib import Path

from fairlead.clock import Clock
from fairlead.memory.dense import Embedder
from fairlead.memory.memory import Memory
from fairlead.memory.plan import plan_in
from fairlead.memory.reranking import Reranker
from fairlead.memory.tiers import SharedTier
from fairlead.settings import Settings
from fairlead.store.database import Database


def open_memory(
    database: Database,
    clock: Clock,
    settings: Settings,
    *,
    load_most: int | None = None,
    reranker: Reranker | None = None,
) -> Memory:
    """A :class:`Memory` over ``database``. Raises :class:`MissingDependencyError` when a setting asks for an extra
    that is not installed.

    ``load_most`` is the size up to which a question loads a namespace's index; a process that asks once gives it.
    ``reranker`` reads the best hits where a recall asks for it.
    """
    home = Path(settings.home)
    embedder: Embedder | None = None
    if settings.memory_embeddings == "minilm":
        from fairlead.memory.minilm import MiniLM

        embedder = MiniLM(home / "models")
    shared: SharedTier | None = None
    if settings.memory_redis:
        from fairlead.memory.redis_tier import RedisTier

        shared = RedisTier(settings.memory_redis, clock.monotonic)
    plan = plan_in(home, postgres=settings.memory_postgres, load_most=load_most)
    return Memory(database, clock=clock, embedder=embedder, indexes=plan, shared=shared, reranker=reranker)
