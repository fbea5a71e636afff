"""Where the indexes of memory live: embedded, and what they can move to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import InvalidInputError
from fairlead.memory.ann import make_vectors
from fairlead.memory.dense import VectorIndex
from fairlead.memory.lexical import K1, B, inverse_document_frequency
from fairlead.memory.postings import TERMS_MOST, WordIndex
from fairlead.memory.redis_tier import namespace_digest

EMBEDDED = "embedded"

MakeIndex = Callable[[int, str], VectorIndex]
"""(dimensions, namespace) -> an index of that namespace alone."""

MakeText = Callable[[str], WordIndex]
"""namespace -> an index of the words of that namespace alone."""

_NO_TARGETS: Mapping[str, MakeIndex] = {}
_NO_TEXTS: Mapping[str, MakeText] = {}


class IndexPlan(NamedTuple):
    """``folder`` keeps large embedded indexes between processes (None: in memory only).

    ``layout`` is that of large embedded indexes: ``pq`` is small and quick to build, ``hnsw`` quicker to ask.
    ``load_most`` is the size up to which a question loads a namespace's index; beyond it full text answers until
    ``warm`` has loaded the index (None: any size). ``targets`` are the indexes to which a namespace can move, by name,
    ``texts`` those of them that take its words too.
    """

    folder: Path | None = None
    load_most: int | None = None
    targets: Mapping[str, MakeIndex] = _NO_TARGETS
    layout: str = "pq"
    texts: Mapping[str, MakeText] = _NO_TEXTS

    def make_embedded(self, dimensions: int, expected: int) -> VectorIndex:
        return make_vectors(dimensions, expected, self.layout)

    def check(self, target: str) -> None:
        """:class:`InvalidInputError` for a target that is not configured."""
        if target not in self.targets:
            known = ", ".join([EMBEDDED, *self.targets])
            raise InvalidInputError(f"there is no index {target!r}.", remedy=f"Configured: {known}.", field="target")

    def make_words(self, target: str, namespace: str) -> WordIndex | None:
        """An index of words at a target; None when it has no place for them."""
        make = self.texts.get(target)
        return None if make is None else make(namespace)

    def make(self, target: str, dimensions: int, namespace: str) -> VectorIndex:
        self.check(target)
        return self.targets[target](dimensions, namespace)


def plan_in(home: Path, *, postgres: str = "", load_most: int | None = None) -> IndexPlan:
    """The plan of an installation: files below ``home``, Qdrant's engine as a target, PostgreSQL when it is named."""
    targets: dict[str, MakeIndex] = {"qdrant": qdrant_in(home / "indexes" / "qdrant")}
    texts: dict[str, MakeText] = {}
    if postgres:
        targets["pgvector"] = pgvector_at(postgres)
        texts["pgvector"] = words_at(postgres)
    return IndexPlan(home / "indexes", load_most, targets, texts=texts)


def qdrant_in(folder: Path) -> MakeIndex:
    """Qdrant's engine in this process, a shard for each namespace below ``folder``."""

    def make(dimensions: int, namespace: str) -> VectorIndex:
        from fairlead.memory.qdrant import QdrantVectors

        return QdrantVectors(dimensions, folder / namespace_digest(namespace))

    return make


def pgvector_at(url: str) -> MakeIndex:
    """PostgreSQL with pgvector at ``url``."""

    def make(dimensions: int, namespace: str) -> VectorIndex:
        from fairlead.store.memory_pgvector import PgVectors

        return PgVectors(dimensions, url, namespace)

    return make


def words_at(url: str) -> MakeText:
    """Words in PostgreSQL at ``url``, ranked as the embedded index ranks them."""

    def make(namespace: str) -> WordIndex:
        from fairlead.store.memory_pgwords import PgWords

        return PgWords(url, namespace, rarity=inverse_document_frequency, k1=K1, b=B, most=TERMS_MOST)

    return make
