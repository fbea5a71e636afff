"""Find or spawn: an existing agent or a past solution, when it is alike *and* fits, before a new one is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from fairlead.memory.entries import Entry, Hit
from fairlead.memory.features import dense_vector, features_of

T = TypeVar("T")

EXACT, HIGH, GOOD = 0.98, 0.95, 0.9
_DIMENSIONS = 512


class Need(NamedTuple):
    """What is wanted: a kind (content type such as ``agent`` or ``solution``), a description, and what it must be able
    to do. ``specialisation`` must be equal when it is given."""

    kind: str
    description: str
    capabilities: frozenset[str] = frozenset()
    specialisation: str = ""


class Match(NamedTuple):
    """A found entry, its likeness to the need from 0 to 1, and the word for that: exact, high or good."""

    entry: Entry
    likeness: float
    grade: str


class Recalls(Protocol):
    """The part of memory that is used."""

    async def recall(
        self, query: str, *, name: str = ..., k: int = ..., content_types: Iterable[str] = ...
    ) -> list[Hit]: ...


def fits(need: Need, metadata: Mapping[str, Any]) -> bool:
    """Whether something with this metadata can do what is needed: all capabilities, and the same specialisation."""
    have = {str(one) for one in metadata.get("capabilities", ())}
    special = str(metadata.get("specialisation", ""))
    return need.capabilities <= have and (not need.specialisation or need.specialisation == special)


def likeness(one: str, other: str) -> float:
    """Cosine of two texts' hash embeddings, 0 to 1; the same in every process."""
    a, b = (dense_vector(features_of(text), _DIMENSIONS) for text in (one, other))
    return max(0.0, sum(x * y for x, y in zip(a, b, strict=True)))


def grade(value: float) -> str | None:
    """``exact``, ``high`` or ``good``; None below."""
    for bound, word in ((EXACT, "exact"), (HIGH, "high"), (GOOD, "good")):
        if value >= bound:
            return word
    return None


async def find(memory: Recalls, need: Need, *, name: str = "default", least: float = GOOD) -> Match | None:
    """The most alike entry of the kind that fits, or None. Compatibility is checked for every candidate."""
    hits = await memory.recall(need.description, name=name, k=20, content_types=[need.kind])
    best: Match | None = None
    for hit in hits:
        if fits(need, hit.entry.metadata):
            value = likeness(need.description, hit.entry.content)
            if value >= least and (best is None or value > best.likeness):
                best = Match(hit.entry, value, grade(value) or "asked")
    return best


async def find_or_spawn(
    memory: Recalls, need: Need, spawn: Callable[[Need], Awaitable[T]], *, name: str = "default"
) -> Match | T:
    """What :func:`find` finds, else what ``spawn`` makes."""
    return await find(memory, need, name=name) or await spawn(need)
