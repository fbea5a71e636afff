"""Carrying memory elsewhere and back: one JSON object a line, readable without Fairlead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from orjson import JSONDecodeError, dumps, loads

from fairlead.errors import InvalidInputError
from fairlead.memory.entries import Entry, NewEntry, address_of

FORMAT = "fairlead-memory/1"


class Imported(NamedTuple):
    """What an import did: entries taken in, and those left out because they had been erased here."""

    taken: int
    erased: int


HEADER = dumps({"format": FORMAT}).decode()


def to_facts(entry: Entry, named: dict[str, list[str]], related: dict[str, list[list[str]]]) -> dict[str, Any]:
    """An entry as it is exported, with the entities and relations that it states, by entry id."""
    facts = {k: v for k, v in entry.to_dict().items() if k not in ("id", "namespace", "address", "version")}
    return {**facts, "entities": named.get(entry.id, []), "relations": related.get(entry.id, [])}


def to_lines(
    entries: Iterable[Entry], named: dict[str, list[str]], related: dict[str, list[list[str]]]
) -> Iterator[str]:
    """A header line and a line for each entry."""
    yield HEADER
    for entry in entries:
        yield dumps(to_facts(entry, named, related)).decode()


def from_lines(lines: Iterable[str]) -> list[NewEntry]:
    """The entries of exported lines. Raises :class:`InvalidInputError` with the number of a line that is none."""
    entries: list[NewEntry] = []
    for at, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            facts = loads(line)
            if at == 1 and facts.get("format"):
                _check_format(facts["format"])
                continue
            entries.append(from_facts(facts))
        except (JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InvalidInputError(
                f"line {at} is not an exported entry: {type(exc).__name__}: {exc}.",
                remedy="Give a file that `fairlead memory export` wrote.",
                field="line",
                value=at,
            ) from exc
    return entries


def without_erased(entries: Sequence[NewEntry], erased: set[bytes]) -> list[NewEntry]:
    """Those whose address was not erased: what was taken out for good does not return with a backup."""
    return [new for new in entries if address_of(new) not in erased]


def _check_format(found: str) -> None:
    if found != FORMAT:
        raise InvalidInputError(f"the export has format {found!r}.", remedy=f"This Fairlead reads {FORMAT!r}.")


def from_facts(facts: dict[str, Any]) -> NewEntry:
    """The entry of one exported line; KeyError, TypeError or ValueError when it is none."""
    span = facts.get("span")
    return NewEntry(
        content=str(facts["content"]),
        content_type=str(facts.get("content_type", "passage")),
        source=str(facts.get("source", "")),
        span=(int(span[0]), int(span[1])) if span else None,
        tags=tuple(facts.get("tags", ())),
        metadata=dict(facts.get("metadata", {})),
        key=facts.get("key"),
        expires=facts.get("expires"),
        entities=tuple(facts.get("entities", ())),
        relations=tuple((str(a), str(b), str(c)) for a, b, c in facts.get("relations", ())),
        success_score=float(facts.get("success_score", 0.5)),
        created=facts.get("created"),
    )
